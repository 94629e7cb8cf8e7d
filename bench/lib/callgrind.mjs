/** Counts instructions of get, getMany, put and scan under callgrind: the same from run to run, whatever else runs. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { buildNative } from './native.mjs'

const kept = fileURLToPath(new URL('../callgrind.json', import.meta.url))
const tolerance = 1.02
const operations = { get: 20_000, 'get-many': 20_000, put: 5000, scan: 50_000 }

function firstLine(program, args) {
  const { stdout, error } = spawnSync(program, args, { encoding: 'utf8' })
  return error ? undefined : stdout.split('\n')[0].trim()
}

/** What the counts depend on beside the sources. */
function conditions() {
  return {
    architecture: process.arch,
    compiler: firstLine('c++', ['--version']),
    valgrind: firstLine('valgrind', ['--version'])
  }
}

function count(program, what) {
  const folder = mkdtempSync(join(tmpdir(), 'zkdb-callgrind-'))
  try {
    const options = ['--tool=callgrind', '--callgrind-out-file=/dev/null', '--toggle-collect=CountedSection']
    const args = [...options, program, folder, what, String(operations[what])]
    const { status, stderr, error } = spawnSync('valgrind', args, { encoding: 'utf8' })
    const collected = /Collected\s*:\s*(\d+)/.exec(stderr ?? '')
    if (error || status !== 0 || !collected) throw new Error(`valgrind, ${what}: ${error?.message ?? stderr}`)
    return Math.round((Number(collected[1]) / operations[what]) * 10) / 10
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readKept() {
  try {
    return JSON.parse(readFileSync(kept, 'utf8'))
  } catch {
    return undefined
  }
}

/**
 * Counts instructions per operation and compares them with bench/callgrind.json.
 *
 * @param {boolean} isUpdate - keep the new counts instead.
 * @returns { lines, isWorse }; `skipped` says why nothing was compared
 */
export function countInstructions(isUpdate) {
  const now = conditions()
  if (!now.valgrind) return { lines: [], isWorse: false, skipped: 'valgrind is not installed' }
  const program = buildNative('counted')
  const counts = Object.fromEntries(Object.keys(operations).map((what) => [what, count(program, what)]))
  if (isUpdate) {
    writeFileSync(kept, `${JSON.stringify({ ...now, instructionsPerOperation: counts }, null, 2)}\n`)
    return { lines: Object.entries(counts).map(([what, n]) => `${what}: ${n} instructions, kept`), isWorse: false }
  }
  const before = readKept()
  const isSame = before && Object.keys(now).every((name) => now[name] === before[name])
  const lines = Object.entries(counts).map(([what, n]) => {
    const old = before?.instructionsPerOperation[what]
    return `${what}: ${n} instructions${old ? `, kept ${old}, ${(((n - old) / old) * 100).toFixed(1)} %` : ''}`
  })
  if (!isSame) {
    const skipped = before ? 'the kept counts are of another compiler, valgrind or machine' : 'no counts are kept'
    return { lines, isWorse: false, skipped }
  }
  const isWorse = Object.entries(counts).some(([what, n]) => n > before.instructionsPerOperation[what] * tolerance)
  return { lines, isWorse }
}
