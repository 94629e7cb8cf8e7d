// Guards against losing speed: builds a base revision and this tree, measures a subset of the workloads on both in
// turn, and compares instruction counts with those kept. `node bench/guard.mjs --help` has the options.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError } from 'commander'
import { countInstructions } from './lib/callgrind.mjs'
import { digits, figure } from './lib/format.mjs'
import { Runner } from './lib/runner.mjs'
import { geometricMean, median } from './lib/stats.mjs'
import { workloadNamed } from './workloads/index.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const leastRatio = 0.9
const leastRounds = 3
const subset = [
  'load-random',
  'load-random-durable',
  'concurrent-puts',
  'get-hit',
  'get-miss',
  'get-many',
  'scan-forward',
  'scan-reverse',
  'range-100',
  'overwrite'
]

const examples = `
Examples:
  node bench/guard.mjs --base main          this tree against the branch main
  node bench/guard.mjs --only-counts        instruction counts alone: some ten seconds after the build
  node bench/guard.mjs --only-counts --update    keep the counts of this tree in bench/callgrind.json

Exit codes: 0, 1 when the geometric mean lost more than 10 % or a count grew by more than 2 %, 2 when it could not run.`

function wholeNumber(text) {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.')
  return number
}

function program() {
  return new Command('guard')
    .description('Compares the speed of this tree with that of a base revision.')
    .option('--base <revision>', 'what to compare with (default: HEAD, or its parent when nothing is changed)')
    .option('--seconds <count>', 'how long to measure', wholeNumber, 120)
    .option('--n <records>', 'records of 16 + 100 bytes', wholeNumber, 100_000)
    .option('--dir <folder>', 'where the databases and the base go', tmpdir())
    .option('--only-counts', 'only the instruction counts', false)
    .option('--no-counts', 'no instruction counts')
    .option('--update', 'keep the instruction counts of this tree', false)
    .addHelpText('after', examples)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
}

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (error) throw new Error(`${command}: ${error.message}`)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}:\n${`${stdout}${stderr}`.slice(-4000)}`)
  return stdout.trim()
}

/** The revision to compare with. */
function baseOf(given) {
  if (given) return given
  return run('git', ['status', '--porcelain', '--', 'native', 'ts'], root) === '' ? 'HEAD~1' : 'HEAD'
}

/** Builds the addon and the TypeScript of a tree. Gives the module to import. */
function build(tree) {
  run(process.execPath, ['scripts/build-native.mjs'], tree)
  run(process.execPath, ['scripts/build-ts.mjs'], tree)
  return join(tree, 'dist', 'esm', 'index.js')
}

/** Checks a revision out beside this tree, with this tree's packages. */
function checkOut(revision, tree) {
  run('git', ['worktree', 'add', '--detach', tree, revision], root)
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
}

/** Measures every workload of the subset once on each side. Gives figures by row. */
async function measureRound(runners, specs, round, figures) {
  for (const name of subset) {
    const workload = workloadNamed(name)
    const sides = round % 2 === 0 ? ['base', 'head'] : ['head', 'base']
    for (const side of sides) {
      const answer = await runners[side].measure({ ...specs[side], workload: name }, workload)
      const found = answer.figures?.find((one) => one.row === name)
      if (!found) throw new Error(`${side}, ${name}: ${answer.wrong ?? answer.failed ?? answer.unsupported}`)
      figures[name] ??= { base: [], head: [] }
      figures[name][side].push(found.value)
    }
  }
}

/** Measures in turn until the time is over. */
async function compare(modules, folder, { seconds, n }) {
  const common = { engine: 'zkdb', form: '', n, keySize: 16, valueSize: 100, seed: 1 }
  const [runners, specs, figures] = [{}, {}, {}]
  for (const side of ['base', 'head']) {
    mkdirSync(join(folder, side), { recursive: true })
    runners[side] = new Runner({ folder: join(folder, side), rounds: 1, timeout: 600 })
    specs[side] = { ...common, modulePath: modules[side] }
  }
  const end = performance.now() + seconds * 1000
  for (let round = 0; round < leastRounds || performance.now() < end; round++) {
    await measureRound(runners, specs, round, figures)
  }
  return figures
}

/** Prints the comparison. Gives the geometric mean of the speed of head against base. */
function report(figures) {
  const ratios = Object.entries(figures).map(([name, { base, head }]) => {
    const [before, now] = [median(base), median(head)]
    const times = `${figure(before, 'ns').padStart(9)} ->${figure(now, 'ns').padStart(9)}`
    console.log(`${name.padEnd(22)}${times}   ${digits(before / now)}x  (${base.length} rounds)`)
    return before / now
  })
  const mean = geometricMean(ratios)
  console.log(`geometric mean: ${mean.toFixed(3)}x of the base; at least ${leastRatio}x is wanted`)
  return mean
}

async function compareWithBase(options) {
  const folder = mkdtempSync(join(options.dir, 'zkdb-guard-'))
  const tree = join(folder, 'tree')
  const cleanUp = () => {
    spawnSync('git', ['worktree', 'remove', '--force', tree], { cwd: root })
    rmSync(folder, { recursive: true, force: true })
  }
  const interrupt = () => {
    cleanUp()
    process.exit(130)
  }
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    const revision = baseOf(options.base)
    checkOut(revision, tree)
    console.log(`base: ${run('git', ['log', '-1', '--format=%h %s', revision], root)}`)
    const modules = { base: build(tree), head: build(root) }
    return report(await compare(modules, folder, options)) >= leastRatio
  } finally {
    cleanUp()
  }
}

async function main() {
  const options = program().parse().opts()
  const isFast = options.onlyCounts || (await compareWithBase(options))
  if (!options.counts) return isFast
  const { lines, isWorse, skipped } = countInstructions(options.update)
  for (const line of lines) console.log(line)
  if (skipped) console.log(`instruction counts not compared: ${skipped}`)
  return isFast && !isWorse
}

try {
  process.exitCode = (await main()) ? 0 : 1
} catch (error) {
  console.error(error.message)
  process.exitCode = 2
}
