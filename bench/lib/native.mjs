/** Builds and runs the native programs of bench/native. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median, spread } from './stats.mjs'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const source = join(root, 'bench', 'native')

/**
 * Builds a program of bench/native with cmake.
 *
 * @param {string} name - limits or counted.
 * @returns its path
 * @throws Error with what the compiler said
 */
export function buildNative(name) {
  const folder = join(root, 'out', 'bench')
  const run = (args) => {
    const { status, stdout, stderr, error } = spawnSync('cmake', args, { encoding: 'utf8' })
    if (error) throw new Error(`cmake: ${error.message}`)
    if (status !== 0) throw new Error(`cmake ${args.join(' ')}:\n${`${stdout}${stderr}`.slice(-4000)}`)
  }
  run(['-S', source, '-B', folder, '-DCMAKE_BUILD_TYPE=Release'])
  run(['--build', folder, '--target', `zkdb_${name}`, '-j', String(availableParallelism())])
  return join(folder, `zkdb_${name}`)
}

/**
 * Runs the native limits once per round.
 *
 * @returns { figures }, each { row, series, unit, title, value, spread, samples }; { failed } when there is no compiler
 */
export function runLimits({ folder, n, rounds }) {
  const samples = new Map()
  try {
    const program = buildNative('limits')
    for (let round = 0; round < rounds; round++) {
      const at = join(folder, 'limits')
      mkdirSync(at, { recursive: true })
      const lines = execFileSync(program, [at, String(n)], { encoding: 'utf8' })
        .trim()
        .split('\n')
      rmSync(at, { recursive: true, force: true })
      for (const { value, ...figure } of lines.map((line) => JSON.parse(line))) {
        const key = JSON.stringify(figure)
        samples.set(key, [...(samples.get(key) ?? []), value])
      }
    }
  } catch (error) {
    return { figures: [], failed: error.message }
  }
  const figures = [...samples].map(([figure, values]) => ({
    ...JSON.parse(figure),
    value: median(values),
    spread: spread(values),
    samples: values
  }))
  return { figures }
}
