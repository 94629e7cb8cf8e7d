/** A run as text: the markdown tables of a report. */
import { markdownTable } from 'markdown-table'
import { cellText, digits, figure, targetText } from './format.mjs'

const groupTitles = {
  load: 'Loads',
  commit: 'Durable commits',
  get: 'Point reads',
  scan: 'Scans',
  overwrite: 'Overwrites and deletes',
  ycsb: 'YCSB',
  threads: 'Worker threads',
  files: 'Size of the files',
  open: 'Open',
  partitions: 'Partitions',
  shapes: 'Shapes of records',
  sizes: 'Numbers of records',
  memory: 'Less memory than data',
  micro: 'Single calls in one process'
}

function ratioText(row) {
  return row.ratio === undefined ? '' : `${digits(row.ratio)}x`
}

function verdictText(row) {
  if (row.isMet === undefined) return ''
  return row.isMet ? 'met' : 'MISSED'
}

/** The engines that have a cell in one of the rows, in the order in which they come up. */
function enginesOf(rows) {
  return [...new Set(rows.flatMap((row) => Object.keys(row.cells)))]
}

function titleOf(row) {
  return row.group === 'sizes' ? `${row.title}: ${row.n.toLocaleString('en-US')}` : row.title
}

function groupTable(rows) {
  const engines = enginesOf(rows)
  const hasBest = rows.some((row) => row.best)
  const hasTarget = rows.some((row) => row.target)
  const head = ['', ...engines, ...(hasBest ? ['against', 'ratio'] : []), ...(hasTarget ? ['target', ''] : [])]
  const body = rows.map((row) => {
    const cells = engines.map((name) => cellText(row.cells[name], row.unit))
    const best = hasBest ? [row.best?.name ?? '', ratioText(row)] : []
    return [titleOf(row), ...cells, ...best, ...(hasTarget ? [targetText(row.target), verdictText(row)] : [])]
  })
  return markdownTable([head, ...body], { align: ['l', ...head.slice(1).map(() => 'r')] })
}

/** Processor time and memory of the rows that are times. */
function costTable(rows) {
  const timed = rows.filter((row) => Object.values(row.cells).some((cell) => Number.isFinite(cell.cpuNs)))
  const engines = enginesOf(timed)
  const cost = (cell) =>
    cell?.value === undefined || !Number.isFinite(cell.cpuNs)
      ? ''
      : `${digits(cell.cpuNs / 1000)} s, ${digits(cell.peakMiB)} MiB`
  const body = timed.map((row) => [titleOf(row), ...engines.map((name) => cost(row.cells[name]))])
  return markdownTable([['', ...engines], ...body], { align: ['l', ...engines.map(() => 'r')] })
}

function latencyTable(rows) {
  const timed = rows.filter((row) => Object.values(row.cells).some((cell) => Number.isFinite(cell.p50Us)))
  if (timed.length === 0) return ''
  const engines = enginesOf(timed)
  const text = (cell) => (Number.isFinite(cell?.p50Us) ? `${digits(cell.p50Us)} / ${digits(cell.p99Us)}` : '')
  const body = timed.map((row) => [row.title, ...engines.map((name) => text(row.cells[name]))])
  const table = markdownTable([['p50 / p99, us', ...engines], ...body], { align: ['l', ...engines.map(() => 'r')] })
  return `Latency of single durable commits:\n\n${table}\n\n`
}

/** The core from C++, what it is made of, and what Node adds. */
function nativeSection(native, rows) {
  if (!native) return ''
  if (native.failed) return `## Native limits\n\nNot measured: ${native.failed.split('\n')[0]}\n\n`
  const names = [...new Set(native.figures.map((one) => one.series))].filter((name) => name !== 'machine')
  const ids = [...new Set(native.figures.filter((one) => one.series !== 'machine').map((one) => one.row))]
  const body = ids.map((id) => {
    const row = rows.find((one) => one.id === id)
    const of = (name) => native.figures.find((one) => one.row === id && one.series === name)
    const ours = row?.cells.zkdb
    const core = of('C++ core')
    const price = ours?.value && core ? figure(ours.value - core.value, 'ns') : ''
    return [id, cellText(ours, 'ns'), ...names.map((name) => cellText(of(name), 'ns')), price]
  })
  const head = ['', 'zkdb in Node', ...names, 'Node - C++']
  const machine = native.figures.filter((one) => one.series === 'machine')
  const limits = machine.map((one) => [one.title, cellText(one, one.unit)])
  return [
    '## Native limits',
    '',
    'The same operations on `zkdb.h` from C++, and what memory alone allows. The last column is what JavaScript adds.',
    '',
    markdownTable([head, ...body], { align: ['l', ...head.slice(1).map(() => 'r')] }),
    '',
    markdownTable([['the machine', ''], ...limits], { align: ['l', 'r'] }),
    '',
    ''
  ].join('\n')
}

function problems(results, notes) {
  const lines = results.flatMap(({ spec, wrong, failed, unsupported }) => {
    const what = `${spec.engine}, ${spec.workload}${spec.form ? ` (${spec.form})` : ''}`
    if (wrong) return [`* WRONG: ${what}: ${wrong}`]
    if (failed) return [`* failed: ${what}: ${failed.split('\n')[0]}`]
    return unsupported && spec.engine === 'zkdb' ? [`* not measured: ${what}: ${unsupported}`] : []
  })
  const all = [...lines, ...notes.map((note) => `* SUSPECT: ${note}`)]
  return all.length === 0 ? '' : `## Without a figure\n\n${all.join('\n')}\n\n`
}

/** How many rounds there were, and what had fewer. */
function roundsText(results) {
  const measured = results.filter(({ samples }) => samples.length > 0)
  const most = Math.max(...measured.map(({ samples }) => samples.length))
  const fewer = measured
    .filter(({ samples }) => samples.length < most)
    .map(({ spec, samples }) => `${spec.workload} of ${spec.n.toLocaleString('en-US')} (${samples.length})`)
  return fewer.length === 0 ? `${most} rounds` : `${most} rounds, fewer for ${[...new Set(fewer)].join(', ')}`
}

function conditions({ machine, versions, configuration, started, finished, parts, results }) {
  const disk = machine.fdatasyncMicroseconds
  const sync = `append ${digits(disk.appendP50)} us, overwrite ${digits(disk.overwriteP50)} us (medians)`
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const { n, keySize, valueSize } = configuration
  return [
    `* ${n.toLocaleString('en-US')} records of ${keySize} + ${valueSize} bytes where a row does not say otherwise.`,
    '  Medians; in brackets (largest - smallest) / median. One process per measurement, the engines in turn.',
    `* ${roundsText(results)}`,
    `* ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, ${machine.architecture}`,
    `* ${machine.fileSystem}; fdatasync of 4 KiB: ${sync}`,
    `* ${names.join(', ')}`,
    `* ${started} to ${finished}${parts.length > 1 ? `, in ${parts.length} runs` : ''}`
  ].join('\n')
}

/**
 * The report of a run in markdown.
 *
 * @param {object} run - what main.mjs keeps as JSON.
 * @param {string[]} charts - names of the SVG files beside it.
 */
export function reportOf(run, charts = []) {
  const { rows, results } = run
  const picturesOf = (group) => {
    const images = charts.filter((chart) => chart.group === group).map((chart) => `![${chart.title}](${chart.file})`)
    return images.length > 0 ? `${images.join('\n')}\n\n` : ''
  }
  const groups = [...new Set(rows.map((row) => row.group))].map((group) => {
    const inGroup = rows.filter((row) => row.group === group && Object.keys(row.cells).length > 0)
    const pictures = picturesOf(group)
    return inGroup.length === 0 ? '' : `## ${groupTitles[group]}\n\n${groupTable(inGroup)}\n\n${pictures}`
  })
  const counted = rows.filter((row) => row.isMet !== undefined)
  const met = counted.filter((row) => row.isMet).length
  return [
    '# Results\n\n',
    `${conditions(run)}\n\n`,
    `Smaller is better but for \`x\`. ${met} of ${counted.length} targets are met.\n\n`,
    picturesOf('overview'),
    ...groups,
    `## Processor time and memory\n\nSeconds of processor time per million operations, and the largest memory of the\n`,
    `process, with the keys and values in JavaScript and the mapped pages that were touched.\n\n${costTable(rows)}\n\n`,
    latencyTable(rows),
    nativeSection(run.native, rows),
    problems(results, run.suspicions)
  ].join('')
}

/** The rows as lines for a terminal. */
export function linesOf(rows) {
  return rows
    .filter((row) => Object.keys(row.cells).length > 0)
    .flatMap((row) => {
      const verdict = [
        ratioText(row),
        row.best && `of ${row.best.name}`,
        row.target && `target ${targetText(row.target)}`
      ]
      const cells = Object.entries(row.cells).map(([name, cell]) => {
        const form = cell.form ? ` [${cell.form}]` : ''
        return `    ${name.padEnd(22)}${cellText(cell, row.unit)}${form}`
      })
      return [`${titleOf(row)}  ${[...verdict, verdictText(row)].filter(Boolean).join(', ')}`, ...cells]
    })
}
