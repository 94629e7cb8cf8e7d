/** From samples to rows: medians and spreads per engine, the best peer, ratios, and whether the target is met. */
import { workloadNamed } from '../workloads/index.mjs'
import { engineNamed, isPeer } from './engines.mjs'
import { median, spread } from './stats.mjs'
import { floors, partitionTargets, targets } from './targets.mjs'

const partitioned = 'zkdb 16 partitions'

/** The cell of one engine in one row. */
function cellOf(result, row) {
  if (result.wrong) return { wrong: result.wrong }
  if (result.failed) return { failed: result.failed }
  if (result.unsupported) return { unsupported: result.unsupported }
  const found = result.samples.map((sample) => sample.figures.find((figure) => figure.row === row))
  const figures = found.filter(Boolean)
  if (figures.length === 0) return undefined
  const of = (name) => median(figures.map((figure) => figure[name]).filter((value) => value !== undefined))
  const values = figures.map((figure) => figure.value)
  return {
    value: median(values),
    spread: spread(values),
    samples: values,
    cpuNs: of('cpuNs'),
    p50Us: of('p50Us'),
    p99Us: of('p99Us'),
    peakMiB: median(result.samples.map((sample) => sample.peakMiB)),
    form: result.spec.form || undefined
  }
}

/** The better of two forms of one engine; a wrong answer in any form counts. */
function better(a, b, isHigherBetter) {
  if (a === undefined || b?.wrong) return b
  if (b === undefined || a.wrong) return a
  if (b.value === undefined) return a
  if (a.value === undefined) return b
  return b.value > a.value === Boolean(isHigherBetter) ? b : a
}

/** How many times better `a` is than `b`. */
function ratioOf(a, b, isHigherBetter) {
  return isHigherBetter ? a / b : b / a
}

function bestPeer(cells, isHigherBetter) {
  const peers = Object.entries(cells).filter(([name, cell]) => isPeer(engineNamed(name)) && cell.value !== undefined)
  const sorted = peers.sort(([, a], [, b]) => (isHigherBetter ? b.value - a.value : a.value - b.value))
  return sorted[0] && { name: sorted[0][0], value: sorted[0][1].value }
}

/** `met` of a target: undefined when there is nothing to compare. */
function verdict(target, value, ratio) {
  if (target === undefined || value === undefined) return undefined
  if (target.atMost !== undefined) return value <= target.atMost
  if (target.atLeast !== undefined) return value >= target.atLeast
  return ratio === undefined ? undefined : ratio >= target.ratio
}

/** The rows of all results, without comparisons. */
function bareRows(results) {
  const rows = new Map()
  for (const result of results) {
    const workload = workloadNamed(result.spec.workload)
    const { n, keySize, valueSize } = result.spec
    for (const [row, { title, unit, against, isHigherBetter }] of Object.entries(workload.rows)) {
      const id = workload.isBySize ? `${row}@${n}` : row
      const named = { id, row, title, unit, against, isHigherBetter, group: workload.group, workload: workload.name }
      if (!rows.has(id)) rows.set(id, { ...named, n, keySize, valueSize, cells: {} })
      const { cells } = rows.get(id)
      const cell = better(cells[result.spec.engine], cellOf(result, row), isHigherBetter)
      if (cell) cells[result.spec.engine] = cell
    }
  }
  return [...rows.values()]
}

/**
 * The rows of a run.
 *
 * @param {boolean} isFloor - compare with lmdb and the floors instead of the best peer and the targets.
 */
export function summarize(results, isFloor = false) {
  const rows = bareRows(results)
  for (const row of rows) {
    const { cells, isHigherBetter } = row
    if (row.group === 'partitions') {
      compare(
        row,
        cells[partitioned],
        cells.zkdb && { name: 'zkdb', value: cells.zkdb.value },
        partitionTargets[row.row]
      )
      continue
    }
    const peers = rows.find((other) => other.id === row.against)?.cells ?? cells
    const best = isFloor ? { name: 'lmdb', value: peers.lmdb?.value } : bestPeer(peers, isHigherBetter)
    const floor = floors[row.row] && { ratio: floors[row.row] }
    compare(row, cells.zkdb, best, isFloor ? floor : targets[row.row])
  }
  return rows
}

function compare(row, ours, best, target) {
  const isComparable = ours?.value !== undefined && best?.value !== undefined
  row.best = best?.value === undefined ? undefined : best
  row.ratio = isComparable ? ratioOf(ours.value, best.value, row.isHigherBetter) : undefined
  row.target = target
  row.isMet = verdict(target, ours?.value, row.ratio)
}

/**
 * Durable commits that took less than half of what the disk needs for one sync: the engine, or the disk, does not do
 * what it says.
 *
 * @returns a line per suspicion
 */
export function suspicions(rows, machine) {
  const syncNs = machine.fdatasyncMicroseconds.overwriteP50 * 1000
  return rows
    .filter((row) => ['commit-sync', 'commit-async'].includes(row.row))
    .flatMap((row) =>
      Object.entries(row.cells)
        .filter(([, cell]) => cell.value < syncNs / 2)
        .map(([name]) => `${name}, ${row.title}: faster than the disk can sync`)
    )
}
