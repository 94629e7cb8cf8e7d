// Runs the stages of a full check one after the other, adds up the tests that really ran, and ends with a table and
// the line 'N passed, N failed' (and ', N skipped' when something was). Exit code 1 when a test or a stage failed.
//
//   node scripts/check.mjs                      tests, package, format, lint, sanitizers: what CI runs
//   node scripts/check.mjs --install            the same, but the tests are run by 'npm ci && npm test', as CI does
//   node scripts/check.mjs --only native,ts     these stages alone
//   node scripts/check.mjs --skip tsan          all but these
//   node scripts/check.mjs --seed 7             other random numbers; --seed random: others in every test (ADR 0028)
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { count } from './count-tests.mjs'
import { root } from './run.mjs'

// `counts` says which totals a stage prints: 'ctest', 'tap' (Test Anything Protocol), 'summary' (the last line of this
// script), or none. The stages of `default` run when none is named.
const stages = {
  build: { command: 'npm run --silent build', minutes: 10 },
  native: { command: 'npm run --silent test:native', counts: 'ctest', minutes: 15 },
  ts: { command: 'npm run --silent build:tests && node_modules/.bin/ava --tap', counts: 'tap', minutes: 20 },
  install: { command: 'npm ci && npm test', counts: 'summary', minutes: 30 },
  test: { command: 'npm test', counts: 'summary', minutes: 30, default: true },
  torture: { command: 'npm run --silent test:torture', counts: 'ctest', minutes: 15, default: true },
  pack: { command: 'npm run --silent pack:check', counts: 'tap', minutes: 10, default: true },
  format: { command: 'npm run --silent format:check', minutes: 5, default: true },
  lint: { command: 'npm run --silent lint', minutes: 15, default: true },
  asan: { command: 'npm run --silent test:asan', counts: 'ctest', minutes: 20, default: true },
  tsan: { command: 'npm run --silent test:tsan', counts: 'ctest', minutes: 20, default: true },
  fuzz: { command: 'npm run --silent fuzz:smoke', counts: 'tap', minutes: 20, default: true }
}

function option(name) {
  const index = process.argv.indexOf(`--${name}`)
  return index < 0 ? undefined : (process.argv[index + 1] ?? '').split(',')
}

/** The names of the stages to run, in their order. */
function chosen() {
  const only = option('only')
  const skip = option('skip') ?? []
  for (const name of [...(only ?? []), ...skip]) {
    if (!stages[name]) throw new Error(`no stage '${name}'; there are ${Object.keys(stages).join(', ')}`)
  }
  const names = only ?? Object.keys(stages).filter((name) => stages[name].default)
  const wanted = names.filter((name) => !skip.includes(name))
  return process.argv.includes('--install') ? wanted.map((name) => (name === 'test' ? 'install' : name)) : wanted
}

/** The environment of every stage: with the same seed the same commit does the same, apart from threads and time. */
function environment() {
  const seed = option('seed')?.[0] ?? process.env.ZKDB_SEED ?? '1'
  const { ZKDB_SEED: _, ...others } = process.env
  return seed === 'random' ? others : { ...others, ZKDB_SEED: seed }
}

/** Ends a stage with everything that it started. */
function end(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

/** Runs a shell command, shows its output, gives each line to `onLine`; resolves to its exit code, or to a text. */
function execute({ command, minutes }, onLine) {
  const stdio = ['ignore', 'pipe', 'pipe']
  const child = spawn('bash', ['-c', command], { cwd: root, env: environment(), detached: true, stdio })
  const stop = () => {
    end(child)
    process.exit(130)
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)
  let late = false
  const timer = setTimeout(() => {
    late = true
    end(child)
  }, minutes * 60_000)
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      console.log(line)
      onLine(line)
    })
  }
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      process.off('SIGINT', stop).off('SIGTERM', stop)
      resolve(late ? `no end after ${minutes} minutes` : (code ?? signal))
    })
  })
}

/** Runs one stage; resolves to its totals, its time and, when it broke, how. */
async function runStage(name) {
  console.log(`\n==== ${name}: ${stages[name].command}`)
  const start = Date.now()
  const counter = count(stages[name].counts)
  const code = await execute(stages[name], counter.line)
  const totals = counter.totals()
  const broken = code !== 0 && totals.failed === 0
  // A stage that breaks without a failed test (a compiler error, a crash of the runner) counts as one failure.
  return {
    name,
    ...totals,
    failed: totals.failed + (broken ? 1 : 0),
    seconds: (Date.now() - start) / 1000,
    note: broken ? `broke: ${typeof code === 'number' ? `exit code ${code}` : code}` : ''
  }
}

function printTable(results) {
  console.log(`\n${'stage'.padEnd(10)}${['passed', 'failed', 'skipped', 'seconds'].map((s) => s.padStart(9)).join('')}`)
  for (const { name, passed, failed, skipped, seconds, note } of results) {
    const cells = [passed, failed, skipped, seconds.toFixed(1)].map((n) => String(n).padStart(9)).join('')
    console.log(`${name.padEnd(10)}${cells}  ${note}`.trimEnd())
  }
}

const results = []
for (const name of chosen()) {
  results.push(await runStage(name))
  // Nothing else can run without what this stage makes.
  if (['build', 'install'].includes(name) && results.at(-1).note) break
}
const sum = (field) => results.reduce((total, result) => total + result[field], 0)
printTable(results)
const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''
console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped}`)
process.exitCode = sum('failed') > 0 ? 1 : 0
