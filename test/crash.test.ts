/**
 * kill -9 at random moments while a child writes: what was acknowledged is there (durability `commit` and `interval`),
 * the state is always the one after some unit (so batches and transactions are whole and nothing in between is
 * missing), and `verify` finds nothing. `ZKDB_KILLS` sets the number of kills (default 36), `ZKDB_SEED` the seed.
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { type Durability, open } from 'zkdb'
import { type CrashTask, parseReports, type Report, randomFrom, unitOf } from './helpers/crash-units.js'
import { Model } from './helpers/model.js'
import { newFolder, threePartitions } from './helpers/shapes.js'

const seed = Number(process.env.ZKDB_SEED ?? Math.floor(Math.random() * 2 ** 31))
const kills = Number(process.env.ZKDB_KILLS ?? 36)
const child = fileURLToPath(new URL('./helpers/crash-child.js', import.meta.url))

/** A file of three partitions by text limits. */
function textPartitions(): string {
  const path = join(newFolder(), 'three.conf')
  writeFileSync(path, threePartitions)
  return path
}

const small = { minCheckpointSize: '64K', logFileSize: '64K' }
const shapes: Record<string, () => { path: string }> = {
  '1 partition': () => ({ path: join(newFolder(), 'data') }),
  '1 partition, constant checkpoints': () => ({ path: join(newFolder(), 'data'), segmentSize: '64K', ...small }),
  '3 partitions, constant checkpoints': () => ({ path: textPartitions(), ...small }),
  '256 partitions': () => ({ path: join(newFolder(), 'data'), partitions: 256, logFileSize: '1M' })
}

/** Runs a child until `delay` ms after its start or, with `afterOpen`, after it opened the database; what it said. */
function runAndKill(task: CrashTask, delay: number, afterOpen: boolean): Promise<Report[]> {
  const process_ = spawn(process.execPath, [child, JSON.stringify(task)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = (): void => void setTimeout(() => process_.kill('SIGKILL'), delay)
  let text = ''
  let complaint = ''
  process_.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    if (afterOpen && text === '') kill()
    text += chunk
  })
  process_.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaint += chunk
  })
  if (!afterOpen) kill()
  return new Promise((resolve, reject) => {
    process_.on('error', reject)
    process_.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(parseReports(text))
      else reject(new Error(`the child ended by itself with ${code ?? signal}: ${complaint}`))
    })
  })
}

/** The last unit that must be there, by what the child said; `first - 1` when none must. */
function lastCertain(reports: Report[], first: number, durability: Durability): number {
  const done = reports.flatMap((report) => (report.what === 'done' ? [report.unit] : []))
  const certain = done.filter((unit) => durability !== 'none' || unitOf(seed, unit).isDurable)
  return Math.max(first - 1, ...certain)
}

/** A database that goes through many deaths, and the model of what it must hold. */
class Patient {
  readonly #options: { path: string; durability: Durability }
  readonly #durability: Durability
  #model = new Model()
  #next = 0
  written = 0
  recovered = 0

  constructor(shape: () => { path: string }, durability: Durability) {
    this.#options = { ...shape(), durability }
    this.#durability = durability
  }

  /** Lets a child write and kills it. */
  async kill(delay: number): Promise<Report[]> {
    const task = { options: this.#options, onlyOpen: false, seed, first: this.#next }
    const reports = await runAndKill(task, delay, true)
    this.written += reports.filter((report) => report.what === 'done').length
    return reports
  }

  /** Kills a child that recovers the database, at any moment. */
  async killRecovery(delay: number): Promise<void> {
    await runAndKill({ options: this.#options, onlyOpen: true, seed, first: 0 }, delay, false)
  }

  /** Opens the database and finds the unit after which it stands. */
  async examine(t: ExecutionContext, reports: Report[]): Promise<void> {
    const db = await open(this.#options)
    const { findings } = await db.verify()
    t.deepEqual(findings, [])
    this.recovered += (await db.stats()).recoveredRecords
    const state = [...db.scanSync()]
    await db.close()
    const text = JSON.stringify(state)
    const started = Math.max(this.#next - 1, ...reports.flatMap((r) => (r.what === 'start' ? [r.unit] : [])))
    const least = lastCertain(reports, this.#next, this.#durability)
    const model = this.#model.copy()
    for (let unit = this.#next - 1; unit <= started; unit++) {
      if (unit >= this.#next) model.write(unitOf(seed, unit).writes)
      if (unit < least || model.size !== state.length || JSON.stringify(model.entries()) !== text) continue
      this.#model = model
      this.#next = unit + 1
      return
    }
    t.fail(`the state is not that after any of the units ${least} to ${started}: ${this.#explain(state, least)}`)
  }

  /** How the state differs from the one after unit `least`. */
  #explain(state: [string, string][], least: number): string {
    const model = this.#model.copy()
    for (let unit = this.#next; unit <= least; unit++) model.write(unitOf(seed, unit).writes)
    const found = new Map(state)
    const differences = [...new Set([...found.keys(), ...model.entries().map(([key]) => key)])]
      .filter((key) => found.get(key) !== model.get(key))
      .map((key) => `${key}: ${found.get(key)?.slice(0, 20)} instead of ${model.get(key)?.slice(0, 20)}`)
    return `${differences.length} differences, ${differences.slice(0, 8).join('; ')}`
  }
}

for (const [index, durability] of (['commit', 'interval', 'none'] as const).entries()) {
  test.serial(`a killed process leaves what durability ${durability} promises`, async (t) => {
    t.timeout(600_000)
    const random = randomFrom(seed + index)
    const patients = Object.values(shapes).map((shape) => new Patient(shape, durability))
    let left = Math.ceil(kills / 3)
    for (let round = 0; left > 0; round++) {
      const patient = patients[round % patients.length]!
      const reports = await patient.kill(20 + random() * 250)
      left--
      for (; left > 0 && random() < 0.3; left--) await patient.killRecovery(30 + random() * 120)
      await patient.examine(t, reports)
    }
    const sum = (field: 'written' | 'recovered') => patients.reduce((total, patient) => total + patient[field], 0)
    t.log(`seed ${seed}: ${sum('written')} units acknowledged, ${sum('recovered')} log records recovered`)
    t.true(sum('written') > 0)
  })
}
