/** What a workload sees: the records, the engine's stores, a clock, and checks of the answers. */
import { Buffer } from 'node:buffer'
import { mkdirSync, rmSync } from 'node:fs'
import process from 'node:process'
import { Data } from './data.mjs'

/** Records of one batch. */
export const batchSize = 1000
/** Asynchronous operations in flight, for engines that read asynchronously and for forms that say so. */
export const windowSize = 128

/** An engine answered something else than what was written. */
export class WrongAnswer extends Error {}
/** An engine cannot do what the workload asks. */
export class Unsupported extends Error {}

/** Calls `operation(0..count)` with at most `width` promises pending. */
export async function windowed(count, width, operation) {
  let next = 0
  const worker = async () => {
    while (next < count) await operation(next++)
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker))
}

/** Compares what a scan gives with the records that should be there, one by one. */
class Comparison {
  #expected
  #count = 0

  constructor(expected) {
    this.#expected = expected
  }

  add(key, value) {
    const { done, value: wanted } = this.#expected.next()
    if (done)
      throw new WrongAnswer(`record ${this.#count} has the key ${hex(key)}, and there should be no more records`)
    if (!wanted.key.equals(key)) {
      throw new WrongAnswer(`record ${this.#count} has the key ${hex(key)}, not ${hex(wanted.key)}`)
    }
    if (!wanted.values.some((one) => one.equals(value))) {
      throw new WrongAnswer(`the value of the key ${hex(key)} is not one that was written`)
    }
    this.#count++
  }

  end() {
    const { done, value: wanted } = this.#expected.next()
    if (!done) throw new WrongAnswer(`the record with the key ${hex(wanted.key)} and those behind it are missing`)
  }
}

function hex(key) {
  return Buffer.from(key).toString('hex')
}

/** One measurement: one workload on one engine, in a process of its own. */
export class Context {
  figures = []
  /** Nanoseconds of the measurement that is running in which its data were prepared. */
  #preparing = 0

  /**
   * @param {object} spec - what to measure: n, keySize, valueSize, seed, folder, form, isDurable, ...
   * @param {object} workload - of workloads/.
   * @param {object} engine - of engines/.
   */
  constructor(spec, workload, engine) {
    this.spec = spec
    this.workload = workload
    this.engine = engine
    this.data = new Data(spec)
  }

  /** Loads the engine's package. Gives a function that opens a store in the measurement's folder. */
  async opener(options = {}) {
    const { folder, valueSize, modulePath } = this.spec
    mkdirSync(folder, { recursive: true })
    const isDurable = Boolean(this.workload.isDurable)
    return this.engine.open({ folder, valueSize, modulePath, isDurable, ...options })
  }

  /** A store with all records in it: from the fixture, or, for one in memory, loaded now. */
  async loaded(options = {}) {
    const open = await this.opener(options)
    const store = await open()
    if (this.engine.isInMemory) await this.load(store, this.data.order)
    return store
  }

  /** Writes a few batches into a store of its own, so that what is compiled and mapped first is not measured. */
  async warmUp(open) {
    const folder = `${this.spec.folder}-warm`
    mkdirSync(folder, { recursive: true })
    const store = await open(folder)
    await this.load(store, this.data.order.subarray(0, 10 * batchSize))
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  }

  /** Writes the records of `order` in batches, each with the value of `version`. */
  async load(store, order, version = 0, isAscending = false) {
    const { data } = this
    for (let from = 0; from < order.length; from += batchSize) {
      const ranks = order.subarray(from, Math.min(from + batchSize, order.length))
      const { keys, values } = this.untimed(() => ({
        keys: data.keysOf(ranks),
        values: Array.from(ranks, (i) => data.value(i, version))
      }))
      const pending = store.writeBatch(keys, values, isAscending)
      if (pending) await pending
    }
  }

  /** Gives up, without it being a fault, when the store lacks one of the methods. */
  need(store, ...methods) {
    for (const name of methods) {
      if (typeof store[name] !== 'function') throw new Unsupported(`${this.engine.name} has no ${name}`)
    }
  }

  /** Prepares data: what it takes is not part of the measurement that is running. */
  untimed(prepare) {
    const begin = process.hrtime.bigint()
    const data = prepare()
    this.#preparing += Number(process.hrtime.bigint() - begin)
    return data
  }

  /**
   * Times `run` and keeps it as nanoseconds of wall clock and of processor time (all threads) per operation.
   *
   * @returns what `run` gives.
   */
  async time(row, operations, run, more = {}) {
    globalThis.gc?.()
    this.#preparing = 0
    const cpu = process.cpuUsage()
    const begin = process.hrtime.bigint()
    const result = await run()
    const elapsed = Number(process.hrtime.bigint() - begin) - this.#preparing
    const { user, system } = process.cpuUsage(cpu)
    const cpuNs = (user + system) * 1000 - this.#preparing
    const perOperation = { value: elapsed / operations, cpuNs: cpuNs / operations }
    this.figures.push({ row, operations, ...perOperation, ...more })
    return result
  }

  /** Keeps a figure that is not a time per operation. */
  record(row, value, more = {}) {
    this.figures.push({ row, value, ...more })
  }

  /** @throws WrongAnswer */
  check(found, wanted, what) {
    if (found !== wanted) throw new WrongAnswer(`${what}: found ${found}, not ${wanted}`)
  }

  /**
   * Reads everything and compares it with what should be there.
   *
   * @param {(i: number) => Buffer[]} valuesOf - what record `i` may have as its value; none when it is deleted.
   * @param {(i: number) => Buffer[]} absentOf - the same of the key that was absent at first.
   * @throws WrongAnswer
   */
  async verify(store, valuesOf = (i) => [this.data.value(i)], absentOf = undefined) {
    const { data } = this
    function* expected() {
      for (let i = 0; i < data.n; i++) {
        const values = valuesOf(i)
        if (values.length > 0) yield { key: data.keys[i], values }
        const inserted = absentOf?.(i) ?? []
        if (inserted.length > 0) yield { key: data.absent[i], values: inserted }
      }
    }
    const comparison = new Comparison(expected())
    await store.scan({}, comparison)
    comparison.end()
  }
}
