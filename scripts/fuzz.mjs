// Builds the fuzzers (preset fuzz, clang 14) and runs each for a given time, two side by side. Prints a line of TAP per
// fuzzer and, for a finding, the command that replays it.
//   node scripts/fuzz.mjs                       60 seconds each
//   node scripts/fuzz.mjs --minutes 30          longer; --seconds N also works
//   node scripts/fuzz.mjs --only page,log       these alone
//   node scripts/fuzz.mjs --seed 7              the random numbers of an earlier run; ZKDB_SEED says it too
//   node scripts/fuzz.mjs --merge               afterwards puts what reached new code into test/fuzz
// Inputs that reach new code are kept in out/fuzz/corpus, findings in out/fuzz/findings.
import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { findProgram, jobs, root, run } from './run.mjs'

const out = join(root, 'out/fuzz')
const atOnce = 2
// Bytes of the longest input that libFuzzer makes, where 600 is not right.
const longest = { page: 4200, config: 3000, inspect: 12_500, model: 400 }
// What --merge keeps in the repository per fuzzer.
const keptFiles = 24
const keptBytes = 34_000

function option(name) {
  const index = process.argv.indexOf(`--${name}`)
  return index < 0 ? undefined : process.argv[index + 1]
}

/** The fuzzers of native/sources.json by their names: native/core/btree/page_fuzz.cc is 'page'. */
function fuzzers() {
  const listed = JSON.parse(readFileSync(join(root, 'native/sources.json'), 'utf8')).fuzzers
  const names = listed.map((path) => basename(path, '_fuzz.cc'))
  const only = option('only')?.split(',')
  for (const name of only ?? []) {
    if (!names.includes(name)) throw new Error(`no fuzzer '${name}'; there are ${names.join(', ')}`)
  }
  return only ?? names
}

function build(names) {
  run('cmake', ['--preset', 'fuzz', '--log-level=WARNING'])
  const targets = names.flatMap((name) => ['--target', `${name}_fuzz`])
  run('cmake', ['--build', '--preset', 'fuzz', '-j', jobs, ...targets, '--', '--no-print-directory'])
}

const seedsOf = (name) => join(root, 'test/fuzz', name)
const corpusOf = (name) => join(out, 'corpus', name)

function lengthOf(name) {
  return `-max_len=${longest[name] ?? 600}`
}

/** Runs one fuzzer; resolves to { runs, coverage, finding, log }. */
function fuzz(name, seconds, seed, temporary) {
  const findings = join(out, 'findings', `${name}-`)
  mkdirSync(corpusOf(name), { recursive: true })
  mkdirSync(join(out, 'findings'), { recursive: true })
  const corpora = [corpusOf(name), seedsOf(name)].filter(existsSync)
  const limits = ['-timeout=120', '-rss_limit_mb=2048', lengthOf(name)]
  const args = [`-seed=${seed}`, `-max_total_time=${seconds}`, `-artifact_prefix=${findings}`, ...limits]
  const env = { ...process.env, ZKDB_TEST_TMP: temporary, UBSAN_OPTIONS: 'print_stacktrace=1' }
  const child = spawn(join(out, `${name}_fuzz`), [...args, '-print_final_stats=1', ...corpora], { cwd: root, env })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      log += chunk
    })
  }
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      const last = (pattern) => Number([...log.matchAll(pattern)].at(-1)?.[1] ?? 0)
      const finding = /Test unit written to (\S+)/.exec(log)?.[1]
      resolve({
        runs: last(/number_of_executed_units:\s*(\d+)/g) || last(/^#(\d+)\s/gm),
        coverage: last(/\bcov: (\d+)/g),
        broken: code !== 0 || signal !== null,
        finding,
        log
      })
    })
  })
}

/** The part of a log that says what was found. */
function shown(log) {
  const lines = log.split('\n').filter((line) => !/^#\d+\s|NEW_FUNC|^INFO:|^Base64/.test(line))
  return lines.slice(0, 60).map((line) => `  # ${line.slice(0, 300)}`)
}

function report(number, name, result, seed) {
  const { runs, coverage, finding, broken, log } = result
  const findings = broken ? '1 finding' : '0 findings'
  console.log(`${broken ? 'not ok' : 'ok'} ${number} - ${name}: ${runs} runs, coverage ${coverage}, ${findings}`)
  if (!broken) return
  for (const line of shown(log)) console.log(line)
  const replay = finding ? `out/fuzz/${name}_fuzz ${finding}` : `node scripts/fuzz.mjs --only ${name} --seed ${seed}`
  console.log(`  # replay: ${replay}`)
}

/** Lays the smallest inputs that reach everything reached so far into test/fuzz; files with given names stay. */
function merge(name, temporary) {
  const seeds = seedsOf(name)
  mkdirSync(seeds, { recursive: true })
  const merged = mkdtempSync(join(temporary, 'merge-'))
  const given = readdirSync(seeds).filter((file) => !/^[0-9a-f]{40}$/.test(file))
  const args = ['-merge=1', lengthOf(name), merged, seeds, corpusOf(name)]
  const env = { ...process.env, ZKDB_TEST_TMP: temporary }
  const { status } = spawnSync(join(out, `${name}_fuzz`), args, { cwd: root, env, stdio: 'ignore' })
  if (status !== 0) throw new Error(`${name}_fuzz -merge=1 ended with ${status}`)
  const sizeIn = (folder) => (file) => statSync(join(folder, file)).size
  let bytes = given.map(sizeIn(seeds)).reduce((sum, size) => sum + size, 0)
  for (const file of readdirSync(seeds)) if (!given.includes(file)) rmSync(join(seeds, file))
  const size = sizeIn(merged)
  // From small to large in steps, so that inputs of every length are kept.
  const sorted = readdirSync(merged).sort((a, b) => size(a) - size(b))
  const room = Math.max(1, keptFiles - given.length)
  const step = Math.max(1, sorted.length / room)
  for (let at = sorted.length - 1; at >= 0; at -= step) {
    const file = sorted[Math.floor(at)]
    if (bytes + size(file) > keptBytes) continue
    bytes += size(file)
    copyFileSync(join(merged, file), join(seeds, file))
  }
  console.log(`# ${name}: ${readdirSync(seeds).length} inputs, ${bytes} bytes in test/fuzz/${name}`)
}

async function main() {
  const names = fuzzers()
  console.log('TAP version 13')
  if (!findProgram('clang++-14') || !findProgram('cmake')) {
    const missing = findProgram('cmake') ? 'clang (apt-get install clang-14 libclang-rt-14-dev)' : 'cmake'
    for (const [i, name] of names.entries()) console.log(`ok ${i + 1} - ${name} # SKIP skipped: no ${missing}`)
    console.log(`1..${names.length}`)
    return
  }
  build(names)
  const seconds = Number(option('seconds') ?? Number(option('minutes') ?? 1) * 60)
  const seed = Number(option('seed') ?? process.env.ZKDB_SEED ?? 1 + Math.floor(Math.random() * 2 ** 31))
  console.log(`# seed ${seed}, ${seconds} s each`)
  const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  const temporary = mkdtempSync(join(base, 'zkdb-fuzz-'))
  process.on('exit', () => rmSync(temporary, { recursive: true, force: true }))
  const waiting = names.entries()
  const work = async () => {
    for (const [i, name] of waiting) {
      const result = await fuzz(name, seconds, seed, temporary)
      report(i + 1, name, result, seed)
      if (result.broken) process.exitCode = 1
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  if (process.argv.includes('--merge')) for (const name of names) merge(name, temporary)
  console.log(`1..${names.length}`)
}

await main()
