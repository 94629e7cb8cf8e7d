// Measures which branches of native/core the native tests reach: builds them with coverage (clang 14, else gcc), runs
// them, and prints a table per folder and the branches that were not reached.
//   node scripts/coverage.mjs                 unit and torture tests, and the fuzzers' inputs
//   node scripts/coverage.mjs --only unit     or torture, or corpora; several as unit,torture
//   node scripts/coverage.mjs --json FILE     also writes everything as JSON
//   node scripts/coverage.mjs --list          also prints each branch that was not reached, as file:line
//   node scripts/coverage.mjs --no-run        reads what the last run measured again
// The exit code is 1 when a test failed. A branch is one outcome of a condition: `if (a)` has two.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { findProgram, jobs, root, run } from './run.mjs'

const out = join(root, 'out/coverage')
const data = join(out, 'data')
const listed = JSON.parse(readFileSync(join(root, 'native/sources.json'), 'utf8'))
const replays = listed.fuzzers.map((path) => basename(path).replace('_fuzz.cc', '_replay'))
const programs = { unit: ['zkdb_native_tests'], torture: ['zkdb_torture'], corpora: replays }
const maxBuffer = 1 << 30

function option(name) {
  const index = process.argv.indexOf(`--${name}`)
  return index < 0 ? undefined : process.argv[index + 1]
}

/** Whether a program can be started; llvm-profdata has no --version that it succeeds with. */
const isThere = (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined

/** What measures here: clang's counters where clang and its tools are, else gcc's. */
function findTool() {
  const clang = findProgram('clang++-14', 'clang++')
  const suffix = clang?.endsWith('-14') ? '-14' : ''
  if (clang && isThere(`llvm-cov${suffix}`) && isThere(`llvm-profdata${suffix}`)) {
    const flags = '-O0 -g1 -fprofile-instr-generate -fcoverage-mapping'
    return { name: 'llvm-cov', cxx: clang, c: clang.replace('clang++', 'clang'), flags, suffix, read: readLlvm }
  }
  if (isThere('g++') && isThere('gcov')) {
    return { name: 'gcov', cxx: 'g++', c: 'gcc', flags: '-O0 -g1 --coverage', read: readGcov }
  }
  return undefined
}

function build(tool, names) {
  const compilers = [`-DCMAKE_CXX_COMPILER=${tool.cxx}`, `-DCMAKE_C_COMPILER=${tool.c}`]
  const flags = ['-DCMAKE_BUILD_TYPE=None', '-DZKDB_FUZZ_REPLAY=ON', `-DCMAKE_CXX_FLAGS=${tool.flags}`]
  run('cmake', ['-S', root, '-B', out, '--log-level=WARNING', ...compilers, ...flags])
  const targets = names.flatMap((name) => programs[name]).flatMap((name) => ['--target', name])
  run('cmake', ['--build', out, '-j', jobs, ...targets, '--', '--no-print-directory'])
}

/** Runs one test; resolves to whether it passed. */
function runTest(program, name, env) {
  const child = spawn(program, [name], { cwd: out, env, stdio: ['ignore', 'ignore', 'pipe'] })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    complaint += chunk
  })
  return new Promise((resolve) => {
    child.on('close', (code) => {
      if (code !== 0) console.log(`${name} failed:\n${complaint.slice(-2000)}`)
      resolve(code === 0)
    })
  })
}

/** The tests of a program as [program, argument]. */
function testsOf(name, program) {
  if (name === 'corpora') return [[program, join(root, 'test/fuzz', basename(program, '_replay'))]]
  const listing = output(program, ['--list']).split('\n').filter(Boolean)
  return listing.map((test) => [program, test])
}

/** Runs each test by its name in a process of its own; how many failed. */
async function measure(names) {
  rmSync(data, { recursive: true, force: true })
  mkdirSync(data, { recursive: true })
  // In memory where there is some: what a sync costs is not of interest.
  const temporary = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'zkdb-coverage-'))
  process.on('exit', () => rmSync(temporary, { recursive: true, force: true }))
  const env = { ZKDB_TEST_TMP: temporary, ...process.env, LLVM_PROFILE_FILE: join(data, '%p-%m.profraw') }
  const tests = names.flatMap((name) => programs[name].flatMap((program) => testsOf(name, join(out, program))))
  const waiting = tests.values()
  let failed = 0
  const work = async () => {
    for (const [path, test] of waiting) {
      const passed = await runTest(path, test, env)
      if (!passed) failed++
    }
  }
  await Promise.all(Array.from({ length: Number(jobs) }, work))
  console.log(`${tests.length} tests, ${failed} failed`)
  return failed
}

function output(program, args) {
  // A program with counters writes them when it ends: not into the tree, and not to what is measured.
  const env = { ...process.env, LLVM_PROFILE_FILE: '/dev/null' }
  const result = spawnSync(program, args, { cwd: root, env, encoding: 'utf8', maxBuffer })
  if (result.status !== 0) throw new Error(`${program} ended with ${result.status}: ${result.stderr.slice(0, 2000)}`)
  return result.stdout
}

/** A branch outcome: where it stands, which outcome, and how often it was taken. */
function readLlvm(tool, names) {
  const merged = join(out, 'merged.profdata')
  const list = join(out, 'profiles.txt')
  const profiles = readdirSync(data).filter((file) => file.endsWith('.profraw'))
  writeFileSync(list, profiles.map((file) => `${join(data, file)}\n`).join(''))
  output(`llvm-profdata${tool.suffix}`, ['merge', '-sparse', `-input-files=${list}`, '-o', merged])
  const [first, ...others] = names.flatMap((name) => programs[name]).map((name) => join(out, name))
  const objects = others.flatMap((path) => ['-object', path])
  const exported = output(`llvm-cov${tool.suffix}`, ['export', `-instr-profile=${merged}`, first, ...objects])
  const branches = new Map()
  const add = (file, region) => {
    const [line, column, , , taken, notTaken] = region
    for (const [outcome, count] of [
      ['true', taken],
      ['false', notTaken]
    ]) {
      const key = `${file}:${line}:${column}:${outcome}`
      // A template has its branches once for each of its types: one of them is enough.
      branches.set(key, { file, line, column, outcome, count: (branches.get(key)?.count ?? 0) + count })
    }
  }
  for (const { filename, branches: own, expansions } of JSON.parse(exported).data[0].files) {
    const file = relative(root, filename)
    for (const region of own) add(file, region)
    // The branches of a macro belong to each place that uses it.
    for (const { source_region: source, branches: inside } of expansions) {
      for (const region of inside) add(file, [source[0], `${source[1]}/${region[1]}`, 0, 0, region[4], region[5]])
    }
  }
  return [...branches.values()]
}

function readGcov() {
  const objects = readdirSync(out, { recursive: true }).filter((file) => file.endsWith('.gcda'))
  const branches = new Map()
  for (const object of objects) {
    const text = output('gcov', [
      '--json-format',
      '--stdout',
      '-b',
      '-o',
      dirname(join(out, object)),
      join(out, object)
    ])
    for (const { file: name, lines } of text
      .split('\n')
      .filter(Boolean)
      .flatMap((line) => JSON.parse(line).files)) {
      const file = relative(root, join(root, name))
      for (const { line_number: line, branches: own } of lines) {
        for (const [i, { count, throw: isThrow }] of own.entries()) {
          if (isThrow) continue
          const key = `${file}:${line}:${i}`
          branches.set(key, {
            file,
            line,
            column: i,
            outcome: String(i),
            count: (branches.get(key)?.count ?? 0) + count
          })
        }
      }
    }
  }
  return [...branches.values()]
}

const isCore = ({ file }) => /^native\/core\/.*\.(cc|h)$/.test(file) && !/fuzz\.(cc|h)$|test/.test(file)

/** Taken and all branches, per folder and in total. */
function summarize(branches) {
  const folders = new Map()
  for (const { file, count } of branches) {
    for (const folder of [dirname(file), 'total']) {
      const sum = folders.get(folder) ?? { reached: 0, all: 0 }
      sum.all++
      sum.reached += count > 0 ? 1 : 0
      folders.set(folder, sum)
    }
  }
  const total = folders.get('total')
  folders.delete('total')
  return [...[...folders].sort(([a], [b]) => (a < b ? -1 : 1)), ['total', total ?? { reached: 0, all: 0 }]]
}

function printTable(rows) {
  console.log(`\n${'folder'.padEnd(26)}${'branches'.padStart(10)}${'reached'.padStart(10)}${'%'.padStart(8)}`)
  for (const [folder, { reached, all }] of rows) {
    const percent = all === 0 ? '-' : ((100 * reached) / all).toFixed(1)
    console.log(`${folder.padEnd(26)}${String(all).padStart(10)}${String(reached).padStart(10)}${percent.padStart(8)}`)
  }
}

async function main() {
  const tool = findTool()
  if (!tool || !findProgram('cmake')) {
    console.log('skipped: no coverage tool (apt-get install clang-14 llvm-14 cmake)')
    return
  }
  const only = option('only')?.split(',')
  for (const name of only ?? []) {
    if (!programs[name]) throw new Error(`no tests '${name}'; there are ${Object.keys(programs).join(', ')}`)
  }
  const names = only ?? Object.keys(programs)
  if (!process.argv.includes('--no-run')) {
    build(tool, names)
    if ((await measure(names)) > 0) process.exitCode = 1
  }
  const branches = tool.read(tool, names).filter(isCore)
  const byPlace = (a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1)
  const unreached = branches.filter(({ count }) => count === 0).sort(byPlace)
  if (process.argv.includes('--list')) {
    for (const { file, line, outcome } of unreached) console.log(`${file}:${line}: ${outcome}`)
  }
  const rows = summarize(branches)
  printTable(rows)
  console.log(`${unreached.length} branches are not reached (${tool.name}, ${names.join(' and ')} tests)`)
  const json = option('json')
  if (json) {
    const folders = Object.fromEntries(rows)
    writeFileSync(json, `${JSON.stringify({ tool: tool.name, tests: names, folders, unreached }, null, 2)}\n`)
  }
}

await main()
