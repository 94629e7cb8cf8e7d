// Breaks the engine on purpose, one way after the other, and tells which test notices: each test/mutants/*.patch is
// applied to a copy of the native sources, built and run. Takes minutes; no part of 'npm run check'.
//   node scripts/mutants.mjs                  all mutants, as TAP
//   node scripts/mutants.mjs snapshot rollback      those whose names contain one of the words
// Options: --scratch DIR (kept, so that the next run builds less), --source DIR, --jobs N.
// ZKDB_SEED: the seed of every run, 1 when not set.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { findProgram, jobs, root } from './run.mjs'

// In this order until one fails: those of zkdb_torture, the cheapest first, of which those of isolation need no seed to
// be repeated; then those of zkdb_native_tests, which bring about by hand what the others meet by chance.
const tortureTests = [
  'concurrent_transactions_of_three_text_partitions_are_isolated',
  'concurrent_transactions_of_one_partition_are_isolated',
  'concurrent_transactions_of_sixteen_hashed_partitions_are_isolated',
  'three_text_partitions_behave_like_an_ordered_map',
  'one_partition_behaves_like_an_ordered_map',
  'sixteen_hashed_partitions_behave_like_an_ordered_map'
]
const unitTests = ['pages_freed_by_concurrent_commits_that_are_not_visible_yet_are_not_used_again']
const secondsOfATest = 300
const transactionsOfARound = 2500

const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    scratch: { type: 'string' },
    source: { type: 'string', default: root },
    jobs: { type: 'string', default: jobs }
  }
})
const scratch = resolve(options.scratch ?? mkdtempSync(join(tmpdir(), 'zkdb-mutants-')))
const tree = join(scratch, 'tree')
const build = join(scratch, 'build')
const folder = join(root, 'test/mutants')

/** Runs a program; { ok, signal, output }. */
function attempt(program, args, settings = {}) {
  const result = spawnSync(program, args, { cwd: tree, encoding: 'utf8', maxBuffer: 1 << 28, ...settings })
  const output = `${result.error ? result.error.message : ''}${result.stdout}${result.stderr}`
  return { ok: result.status === 0, signal: result.signal, output }
}

/** Copies what changed, so that the times of the rest, and so their object files, stay. */
function copySources() {
  const differs = (from, to) => !existsSync(to) || !readFileSync(from).equals(readFileSync(to))
  for (const part of ['native', 'cmake', 'CMakeLists.txt']) {
    const from = join(options.source, part)
    const to = join(tree, part)
    const wanted = (path) => statSync(path).isDirectory() || differs(path, join(to, relative(from, path)))
    for (const entry of existsSync(to) && statSync(to).isDirectory() ? readdirSync(to, { recursive: true }) : []) {
      if (!existsSync(join(from, entry))) rmSync(join(to, entry), { recursive: true, force: true })
    }
    cpSync(from, to, { recursive: true, filter: wanted })
  }
}

function compile(target = 'zkdb_torture') {
  const environment = { ...process.env, CCACHE_BASEDIR: scratch, CCACHE_NOHASHDIR: '1' }
  if (!existsSync(join(build, 'CMakeCache.txt'))) {
    const launcher = findProgram('ccache') ? ['-DCMAKE_CXX_COMPILER_LAUNCHER=ccache'] : []
    const made = attempt('cmake', ['-S', tree, '-B', build, '-DCMAKE_BUILD_TYPE=Release', ...launcher])
    if (!made.ok) return made
  }
  const args = ['--build', build, '-j', options.jobs, '--target', target]
  return attempt('cmake', args, { env: environment })
}

/** What a failing run says of itself: the first finding, and how far it came. */
function summary(result) {
  const finding = /round (\d+), after (\d+) transactions: ([^:]*)/.exec(result.output)
  if (finding) return `${finding[3]} after ${finding[2]} transactions`
  const operation = /: operation (\d+) of \d+: ([^\n]*)/.exec(result.output)
  const figure = /figure \S+\.operations (\d+)/.exec(result.output)
  if (operation) return `${operation[2].slice(0, 100)} after ${figure ? figure[1] : operation[1]} operations`
  if (result.signal === 'SIGTERM') return `a hang of ${secondsOfATest} s`
  const rounds = [...result.output.matchAll(/(\d+) transactions were sound/g)]
  const sound = rounds.length > 0 ? Number(rounds[rounds.length - 1][1]) : 0
  const after = `after ${sound} to ${sound + transactionsOfARound} transactions`
  const reason = /^.*(?:assert|\.cc:\d+:).*$/im.exec(result.output)
  return `${result.signal ?? 'a failure'} ${after}${reason ? `: ${reason[0].slice(0, 160)}` : ''}`
}

/** The first test of a program that fails, as 'name: summary'; undefined when all pass. */
function firstFailureOf(program, tests) {
  const env = { ZKDB_SEED: '1', ...process.env, ZKDB_SHRINK_SECONDS: '0', ZKDB_PROGRESS: '1' }
  for (const name of tests) {
    const result = attempt(join(build, program), [name], { env, timeout: secondsOfATest * 1000 })
    if (!result.ok) return `${name}: ${summary(result)}`
  }
  return undefined
}

function firstFailure() {
  const failure = firstFailureOf('zkdb_torture', tortureTests)
  if (failure) return failure
  const compiled = compile('zkdb_native_tests')
  return compiled.ok ? firstFailureOf('zkdb_native_tests', unitTests) : compiled.output.slice(-600)
}

/** Applies one patch, builds, runs, takes it back. { ok, note } */
function tryMutant(patch) {
  const path = join(folder, patch)
  const apply = ['apply', '-p1', '-C1', '--whitespace=nowarn']
  const applied = attempt('git', [...apply, path])
  if (!applied.ok) return { ok: false, note: `no longer applies: ${applied.output.trim()}` }
  try {
    const compiled = compile()
    if (!compiled.ok) return { ok: false, note: `does not compile: ${compiled.output.slice(-600)}` }
    const failure = firstFailure()
    return failure ? { ok: true, note: `caught by ${failure}` } : { ok: false, note: 'SURVIVED' }
  } finally {
    attempt('git', [...apply, '-R', path])
  }
}

let number = 0
let failed = 0
function report(ok, name, note) {
  failed += ok ? 0 : 1
  console.log(`${ok ? 'ok' : 'not ok'} ${++number} - ${name}`)
  for (const line of (note ?? '').split('\n')) if (line !== '') console.log(`# ${line}`)
}

function main() {
  const all = readdirSync(folder).filter((name) => name.endsWith('.patch'))
  const patches = all.filter((name) => words.length === 0 || words.some((word) => name.includes(word))).sort()
  console.log(`TAP version 13\n1..${patches.length + 1}`)
  mkdirSync(tree, { recursive: true })
  if (resolve(options.source) !== tree) copySources()
  // A tree of its own, as git apply leaves files alone that lie in another repository.
  if (!existsSync(join(tree, '.git'))) attempt('git', ['init', '--quiet'])
  const compiled = compile()
  const failure = compiled.ok ? firstFailure() : compiled.output.slice(-2000)
  report(!failure, 'the engine as it is passes', failure)
  if (!failure) {
    for (const patch of patches) {
      const { ok, note } = tryMutant(patch)
      report(ok, patch.replace('.patch', ''), note)
    }
  }
  if (!options.scratch) rmSync(scratch, { recursive: true, force: true })
  process.exitCode = failed > 0 ? 1 : 0
}

main()
