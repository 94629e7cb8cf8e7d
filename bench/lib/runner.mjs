/** Runs the steps of a plan: a process per measurement, the engines in turn in each round. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { copyDatabase, dropFromCache } from './disk.mjs'
import { limited, whyNoLimit } from './memory-limit.mjs'
import { fixtureOf } from './plan.mjs'

const script = fileURLToPath(new URL('measure.mjs', import.meta.url))
const heapMiB = 8192
/** What Node and the keys in JavaScript take, beside the store. */
const processBytes = 256 * 2 ** 20
const bytesPerKey = 250

/** What a process may use that is to have four times as much data as memory. */
function memoryFor({ n, keySize, valueSize }) {
  return Math.round((n * (keySize + valueSize)) / 4 + processBytes + n * bytesPerKey)
}

/** Runs the plan and gathers the samples. */
export class Runner {
  #options
  #fixtures = new Set()
  #child

  /**
   * @param {object} options - `folder` for the databases, `rounds`, `timeout` in seconds, `memoryGroup`, and
   *   `onStart(spec, round)`, which is called before each measurement.
   */
  constructor(options) {
    this.#options = options
  }

  /** How many measurements the steps take. */
  count(steps) {
    return steps.reduce((sum, step) => sum + step.specs.length * this.#options.rounds, 0)
  }

  /** Ends the process that measures, if there is one. */
  stop() {
    this.#child?.kill('SIGKILL')
  }

  /**
   * Runs all steps.
   *
   * @returns results in order: { spec, samples, wrong, unsupported, failed }; samples are { figures, peakMiB }.
   */
  async run(steps) {
    const results = []
    for (const [at, step] of steps.entries()) {
      results.push(...(await this.#runStep(step)))
      this.#dropFixtures(steps.slice(at + 1))
    }
    return results
  }

  async #runStep(step) {
    const results = step.specs.map((spec) => ({ spec, samples: [] }))
    const reason = step.workload.needsMemoryLimit && whyNoLimit(this.#options.memoryGroup)
    if (reason) return results.map((result) => ({ ...result, unsupported: reason }))
    for (let round = 0; round < this.#options.rounds; round++) {
      // Each round begins with another engine.
      const turn = [...results.slice(round % results.length), ...results.slice(0, round % results.length)]
      for (const result of turn) {
        this.#options.onStart?.(result.spec, round)
        if (result.wrong || result.unsupported || result.failed) continue
        const { figures, peakMiB, ...problem } = await this.measure(result.spec, step.workload)
        if (figures) result.samples.push({ figures, peakMiB })
        else Object.assign(result, problem)
      }
    }
    return results
  }

  /** Runs one measurement; makes the loaded database first when there is none. Gives what its process sends. */
  async measure(spec, workload) {
    const folder = join(this.#options.folder, 'run')
    rmSync(folder, { recursive: true, force: true })
    const name = fixtureOf(spec, workload)
    const fixture = name && join(this.#options.folder, name)
    if (fixture && !existsSync(fixture)) {
      const made = await this.#spawn({ ...spec, isFixture: true, folder: fixture })
      if (!made.figures) return made
      this.#fixtures.add(name)
    }
    if (fixture && workload.fixture === 'copy') copyDatabase(fixture, folder)
    const used = fixture && workload.fixture === 'read' ? fixture : folder
    mkdirSync(used, { recursive: true })
    if (workload.needsMemoryLimit) dropFromCache(used)
    const answer = await this.#spawn({ ...spec, folder: used }, workload.needsMemoryLimit)
    rmSync(folder, { recursive: true, force: true })
    return answer
  }

  /** Runs one process and gives what it sends. */
  #spawn(spec, isLimited = false) {
    const flags = ['--expose-gc', `--max-old-space-size=${heapMiB}`]
    let command = [process.execPath, ...flags, script, JSON.stringify(spec)]
    if (isLimited) command = limited(command, memoryFor(spec), this.#options.memoryGroup)
    return new Promise((resolve) => {
      const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
      this.#child = child
      let [answer, errors] = [undefined, '']
      const timer = setTimeout(() => child.kill('SIGKILL'), this.#options.timeout * 1000)
      child.stderr.on('data', (text) => {
        errors = `${errors}${text}`.slice(-4000)
      })
      child.on('message', (message) => {
        answer = message
      })
      child.on('error', (error) => {
        answer ??= { failed: error.message }
      })
      child.on('close', (code, signal) => {
        clearTimeout(timer)
        this.#child = undefined
        resolve(answer ?? { failed: `ended with ${signal ?? `exit code ${code}`}: ${errors.trim()}` })
      })
    })
  }

  /** Removes the loaded databases that none of the steps to come reads. */
  #dropFixtures(steps) {
    const needed = new Set(steps.flatMap((step) => step.specs.map((spec) => fixtureOf(spec, step.workload))))
    for (const name of this.#fixtures) {
      if (needed.has(name)) continue
      rmSync(join(this.#options.folder, name), { recursive: true, force: true })
      this.#fixtures.delete(name)
    }
  }
}
