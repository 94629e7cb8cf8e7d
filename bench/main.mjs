// zkdb beside other embedded stores of Node, in one run. `node bench/main.mjs --help` has the options.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { MultiBar } from 'cli-progress'
import { Command } from 'commander'
import { describeMachine, describeVersions } from './lib/machine.mjs'
import { runLimits } from './lib/native.mjs'
import { wholeNumber } from './lib/options.mjs'
import { planSteps, selectEngines, selectWorkloads } from './lib/plan.mjs'
import { linesOf } from './lib/report.mjs'
import { writeResults } from './lib/results.mjs'
import { Runner } from './lib/runner.mjs'
import { summarize, suspicions } from './lib/summary.mjs'
import { floors } from './lib/targets.mjs'

const here = dirname(fileURLToPath(import.meta.url))

const examples = `
Examples:
  node bench/main.mjs                                  everything; renews bench/results/
  node bench/main.mjs --only get,scan --engines zkdb,lmdb --n 100000 --rounds 3
  node bench/main.mjs --only load-random-durable --json out.json
  node bench/main.mjs --floor                          the least that the design has to reach, against lmdb
  node bench/main.mjs --only ycsb --results bench/results    renews these workloads and keeps the others
  node bench/main.mjs --list

Exit codes: 0; 1 when an answer was wrong, a measurement failed or (with --floor) a floor is missed; 2 for wrong
options.`

function list(text) {
  return text.split(',').map((word) => word.trim())
}

function program() {
  return new Command('bench')
    .description('Measures zkdb beside other embedded stores: a process per measurement, the engines in turn.')
    .option('--only <names>', 'groups or workloads, separated by commas (default: all)', list, [])
    .option('--engines <names>', 'engines, separated by commas (default: all)', list, [])
    .option('--n <records>', 'records of 16 + 100 bytes', wholeNumber, 1_000_000)
    .option('--rounds <count>', 'rounds; figures are their medians', wholeNumber, 5)
    .option(
      '--sizes <counts>',
      'numbers of records of the group sizes',
      (text) => list(text).map(wholeNumber),
      [1e4, 1e5, 1e6, 1e7]
    )
    .option('--seed <number>', 'of keys, values and orders', wholeNumber, 1)
    .option('--dir <folder>', 'where the databases go; must be on the disk to be measured', tmpdir())
    .option('--timeout <seconds>', 'of one measurement', wholeNumber, 1800)
    .option('--memory-group <folder>', 'an empty memory control group for the group memory')
    .option('--floor', 'only what the floors are about, with zkdb and lmdb; compares with the floors', false)
    .option('--json <file>', 'write the result there too')
    .option('--results <folder>', 'renew JSON, table and charts there (default: bench/results when everything runs)')
    .option('--list', 'show workloads and engines and stop', false)
    .addHelpText('after', examples)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
}

/** The progress: a bar on a terminal, else a line per measurement. */
function progressOf(total) {
  if (!process.stderr.isTTY) {
    let done = 0
    return { start: (what) => process.stderr.write(`${++done}/${total} ${what}\n`), stop: () => undefined }
  }
  const bars = new MultiBar({ format: '{bar} {value}/{total} {eta_formatted} {what}', etaBuffer: 50, hideCursor: true })
  const bar = bars.create(total, 0, { what: '' })
  return { start: (what) => bar.increment(1, { what }), stop: () => bars.stop() }
}

function printList(workloads, engines) {
  for (const { name, group, title } of workloads) console.log(`${group.padEnd(12)}${name.padEnd(36)}${title}`)
  console.log(`\nengines: ${engines.map((engine) => engine.name).join(', ')}`)
}

/** Measures everything that was selected. */
async function measure(options, workloads, engines) {
  const folder = mkdtempSync(join(options.dir, 'zkdb-bench-'))
  const cleanUp = () => rmSync(folder, { recursive: true, force: true })
  const started = new Date().toISOString()
  const steps = planSteps({ ...options, workloads, engines })
  let progress
  const describe = (spec, round) => `round ${round + 1}: ${spec.workload}${spec.n ? ` ${spec.n}` : ''} ${spec.engine}`
  const onStart = (spec, round) => progress.start(describe(spec, round))
  const runner = new Runner({ ...options, folder, onStart })
  const interrupt = () => {
    runner.stop()
    progress?.stop()
    cleanUp()
    process.exit(130)
  }
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    const machine = describeMachine(folder)
    progress = progressOf(runner.count(steps))
    const results = (await runner.run(steps)).map((result) => ({ ...result, started }))
    progress.stop()
    const hasLimits = !options.floor && (options.only.length === 0 || options.only.includes('limits'))
    const native = hasLimits ? runLimits({ ...options, folder }) : undefined
    const rows = summarize(results, options.floor)
    const { n, rounds, seed, sizes } = options
    const finished = new Date().toISOString()
    const versions = describeVersions(engines)
    return {
      started,
      finished,
      parts: [{ started, finished, n, rounds, machine, versions }],
      machine,
      versions,
      configuration: { n, rounds, seed, sizes, keySize: 16, valueSize: 100, engines: engines.map(describeEngine) },
      suspicions: suspicions(rows, machine),
      rows,
      native,
      results
    }
  } finally {
    cleanUp()
  }
}

function describeEngine({ name, settings, document }) {
  return { name, settings, document }
}

async function main() {
  const options = program().parse().opts()
  if (options.floor) {
    options.only = Object.keys(floors)
    if (options.engines.length === 0) options.engines = ['zkdb', 'lmdb']
  }
  if (options.results && options.engines.length > 0) {
    throw new Error('--results keeps comparisons with all engines: leave --engines out')
  }
  const workloads = selectWorkloads(options.only)
  const engines = selectEngines(options.engines)
  if (options.list) return printList(workloads, engines)
  const run = await measure(options, workloads, engines)
  for (const line of linesOf(run.rows)) console.log(line)
  for (const figure of run.native?.figures ?? []) console.log(`${figure.row} ${figure.series}: ${figure.value}`)
  if (options.json) writeFileSync(options.json, `${JSON.stringify(run, null, 1)}\n`)
  const isFull = options.only.length === 0 && options.engines.length === 0
  const folder = options.results ?? (isFull ? join(here, 'results') : undefined)
  if (folder) writeResults(folder, run, isFull)
  for (const { spec, wrong, failed } of run.results) {
    if (wrong) console.error(`WRONG: ${spec.engine}, ${spec.workload}: ${wrong}`)
    if (failed) console.error(`failed: ${spec.engine}, ${spec.workload}: ${failed}`)
  }
  for (const line of run.suspicions) console.error(`SUSPECT: ${line}`)
  const isMissed = options.floor && run.rows.some((row) => row.isMet === false)
  if (isMissed || run.results.some(({ wrong, failed }) => wrong || failed)) process.exitCode = 1
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 2
}
