/**
 * Asynchronous writes of one database: they gather, and go down as one native batch (group commit by nature).
 *
 * Invariants:
 *  1. Operations are applied in the order of the calls, whoever made them. Where partitions are remote, that is so for
 *     each place: what is local, and each remote partition.
 *  2. At most one batch of a place is on the thread pool; while it runs, later operations gather in the next one. So a
 *     server that does not answer holds up the writes for its own keys alone.
 *  3. A caller's promise settles when the batch with its operations is as durable as it asked for, or has failed.
 *  4. A batch that failed has written nothing. When the failure is about one operation, each caller's operations are
 *     written again on their own, so that one bad call does not fail its neighbours.
 *  5. Operations with conditions are never merged with those of other callers, because a condition that fails drops
 *     the whole batch.
 */
import { BatchBuffer } from './batch-buffer.js'
import {
  binding,
  crossPartitionCode,
  lastError,
  type NativeWriteResult,
  Op,
  State,
  shared,
  validationCodes,
  WriteFlag
} from './binding.js'
import type { Data } from './bytes.js'
import { errorFrom, type ZkdbError } from './errors.js'
import { localPlace, type Places, spanning } from './places.js'

/** What a write with conditions did. */
export interface WriteResult {
  /** False when a condition failed: then nothing was written. */
  applied: boolean
  /** The number of the commit; 0 when nothing was written. */
  sequence: number
  /** How many operations found their key present. */
  existed: number
  /** The first operation whose condition failed; only when `applied` is false. */
  failedIndex?: number
}

/** A database that is open, and what closes it when it is collected. */
export interface DatabaseHandle {
  id: number
  guard: object
}

/** A batch of more bytes than this is not added to. */
const sealSize = 64 * 1024 * 1024

/** Whether the order of two batches matters. */
function conflict(a: PendingBatch, b: PendingBatch): boolean {
  return a.place === b.place || a.place === spanning || b.place === spanning
}

/** A batch that gathers, waits or runs. */
class PendingBatch {
  readonly place: number
  readonly data: BatchBuffer
  readonly durability: number
  readonly flags: number
  /** Closed for others: its operations are one caller's. */
  readonly isAlone: boolean
  /** Where the operations of caller i end, in bytes. */
  readonly ends: number[] = []
  /** Whether some caller has more than one operation, which must stay together. */
  hasGroups = false
  result: WriteResult = { applied: true, sequence: 0, existed: 0 }
  /** Failure of every caller. */
  error: ZkdbError | undefined
  /** Failures of single callers. */
  errors: Map<number, ZkdbError> | undefined
  readonly settled: Promise<void>
  settle!: () => void

  constructor(place: number, data: BatchBuffer, durability: number, flags: number, isAlone: boolean) {
    this.place = place
    this.data = data
    this.durability = durability
    this.flags = flags
    this.isAlone = isAlone
    this.settled = new Promise((resolve) => {
      this.settle = resolve
    })
  }

  /** Throws when the operations of this caller were not written. */
  check(caller: number): void {
    const error = this.error ?? this.errors?.get(caller)
    if (error) throw error
  }
}

/** The result of the last synchronous native write. */
export function resultFromState(): WriteResult {
  const { state } = shared
  const sequence = state[State.sequence]!
  const existed = state[State.existed]!
  const failedIndex = state[State.failedIndex]!
  return failedIndex < 0
    ? { applied: true, sequence, existed }
    : { applied: false, sequence: 0, existed: 0, failedIndex }
}

function resultFrom(native: NativeWriteResult): WriteResult {
  const { sequence, existed, failedIndex } = native
  return failedIndex < 0
    ? { applied: true, sequence, existed }
    : { applied: false, sequence: 0, existed: 0, failedIndex }
}

/** The queue of asynchronous writes of one database. */
export class BatchWriter {
  readonly #handle: DatabaseHandle
  /** When a partition is remote. */
  readonly #places: Places | undefined
  /** Batches that wait, in order; the last one of a place may gather more. */
  readonly #waiting: PendingBatch[] = []
  readonly #running = new Set<PendingBatch>()
  #isScheduled = false
  /** The database has isolated partitions: seen from a batch that was refused for spanning them. */
  #isIsolated = false
  #spare: BatchBuffer | undefined

  /** @param places - undefined when all of the database is local. */
  constructor(handle: DatabaseHandle, places: Places | undefined) {
    this.#handle = handle
    this.#places = places
  }

  /** Whether operations wait or run. */
  get isBusy(): boolean {
    return this.#running.size > 0 || this.#waiting.length > 0
  }

  /** Writes one record. */
  async put(key: Data, value: Data, durability: number): Promise<void> {
    const batch = this.#gathering(this.#places?.ofKey(key) ?? localPlace, durability, 0)
    batch.data.add(Op.put, key, value)
    const caller = this.#added(batch)
    await batch.settled
    batch.check(caller)
  }

  /** Deletes one record. */
  async del(key: Data, durability: number): Promise<void> {
    const batch = this.#gathering(this.#places?.ofKey(key) ?? localPlace, durability, 0)
    batch.data.add(Op.delete, key, '')
    const caller = this.#added(batch)
    await batch.settled
    batch.check(caller)
  }

  /**
   * Writes the operations that `pack` adds, all or nothing.
   *
   * @param flags - a {@link WriteFlag} set.
   * @param isAlone - keep other callers' operations out of the batch: for conditions.
   */
  async batch(
    pack: (data: BatchBuffer) => void,
    durability: number,
    flags: number,
    isAlone: boolean
  ): Promise<WriteResult> {
    if (this.#places !== undefined) {
      // Packed apart: only the keys say where it goes.
      const packed = new BatchBuffer()
      pack(packed)
      return this.#batch(this.#places.ofBatch(packed), (data) => data.append(packed), durability, flags, isAlone)
    }
    return this.#batch(localPlace, pack, durability, flags, isAlone)
  }

  async #batch(
    place: number,
    pack: (data: BatchBuffer) => void,
    durability: number,
    flags: number,
    isAlone: boolean
  ): Promise<WriteResult> {
    const batch = isAlone ? this.#alone(place, durability, flags) : this.#gathering(place, durability, flags)
    const { size, count } = batch.data
    try {
      pack(batch.data)
    } catch (error) {
      batch.data.size = size
      batch.data.count = count
      if (isAlone) this.#waiting.splice(this.#waiting.indexOf(batch), 1)
      throw error
    }
    if (batch.data.count - count > 1) batch.hasGroups = true
    const caller = this.#added(batch)
    await batch.settled
    batch.check(caller)
    return batch.result
  }

  /** Writes everything that waits, on this thread: what is written next comes after it. */
  drainSync(): void {
    if (this.#running.size > 0) binding.flush(this.#handle.id)
    for (let batch = this.#waiting.shift(); batch !== undefined; batch = this.#waiting.shift()) {
      const { buffer, size } = batch.data
      const code = size === 0 ? 0 : binding.write(this.#handle.id, buffer, size, batch.durability, this.#flagsOf(batch))
      if (code === 0) batch.result = resultFromState()
      else this.#failedSync(batch, -code)
      batch.settle()
      this.#release(batch)
    }
  }

  /** Waits until everything that was written before this call is settled. */
  async drain(): Promise<void> {
    while (this.isBusy) await Promise.all([...this.#running, ...this.#waiting.slice(-1)].map((batch) => batch.settled))
  }

  /** The batch that takes the next operation of this kind. */
  #gathering(place: number, durability: number, flags: number): PendingBatch {
    const last = this.#lastOf(place)
    const fits = last !== undefined && !last.isAlone && last.durability === durability && last.flags === flags
    if (fits && last.data.size < sealSize) return last
    const batch = new PendingBatch(place, this.#spare ?? new BatchBuffer(), durability, flags, false)
    this.#spare = undefined
    return this.#wait(batch)
  }

  /** The last batch of a place that waits, unless one is behind it that has to come after it. */
  #lastOf(place: number): PendingBatch | undefined {
    if (this.#places === undefined) return this.#waiting.at(-1)
    const isNear = ({ place: other }: PendingBatch) => other === place || other === spanning || place === spanning
    const last = this.#waiting.findLast(isNear)
    return last?.place === place ? last : undefined
  }

  #alone(place: number, durability: number, flags: number): PendingBatch {
    return this.#wait(new PendingBatch(place, new BatchBuffer(), durability, flags, true))
  }

  #wait(batch: PendingBatch): PendingBatch {
    this.#waiting.push(batch)
    if (!this.#isScheduled && !this.#isHeld(batch)) {
      this.#isScheduled = true
      // After the promises of this turn of the event loop: what they write joins the batch.
      setImmediate(() => {
        this.#isScheduled = false
        this.#dispatch()
      })
    }
    return batch
  }

  /** Whether a running batch has to end first. */
  #isHeld(batch: PendingBatch): boolean {
    for (const running of this.#running) if (conflict(running, batch)) return true
    return false
  }

  /** Notes that a caller's operations are in, and returns its number in the batch. */
  #added(batch: PendingBatch): number {
    return batch.ends.push(batch.data.size) - 1
  }

  /** Independent operations over isolated partitions need no atomicity. */
  #flagsOf(batch: PendingBatch): number {
    return this.#isIsolated && !batch.isAlone && !batch.hasGroups ? batch.flags | WriteFlag.nonAtomic : batch.flags
  }

  /** Starts what nothing has to end before. */
  #dispatch(): void {
    if (this.#places === undefined) {
      const batch = this.#running.size === 0 ? this.#waiting.shift() : undefined
      if (batch !== undefined) this.#start(batch)
      return
    }
    const earlier = new Map<number, PendingBatch>()
    for (const batch of [...this.#waiting]) {
      const isFirst = !earlier.has(batch.place) && (batch.place !== spanning || earlier.size === 0)
      if (isFirst && !this.#isHeld(batch)) {
        this.#waiting.splice(this.#waiting.indexOf(batch), 1)
        this.#start(batch)
      }
      if (batch.place === spanning || earlier.size === this.#places.count) return
      earlier.set(batch.place, batch)
    }
  }

  #start(batch: PendingBatch): void {
    this.#running.add(batch)
    const { buffer, size } = batch.data
    const promise =
      size === 0
        ? Promise.resolve<NativeWriteResult>({ code: 0, sequence: 0, existed: 0, failedIndex: -1 })
        : binding.writeAsync(this.#handle.id, buffer, size, batch.durability, this.#flagsOf(batch))
    if (typeof promise === 'number') this.#finish(batch, { ...binding.lastError(), ...noResult })
    else promise.then((result) => this.#finish(batch, result))
  }

  #finish(batch: PendingBatch, result: NativeWriteResult): void {
    if (result.code !== 0 && this.#canSplit(batch, result.code)) {
      this.#splitAsync(batch).then(() => this.#done(batch))
      return
    }
    if (result.code === 0) batch.result = resultFrom(result)
    else batch.error = errorFrom(result)
    this.#done(batch)
  }

  #done(batch: PendingBatch): void {
    this.#running.delete(batch)
    // The next batch is under way before the callers of this one go on: what they write gathers meanwhile.
    this.#dispatch()
    batch.settle()
    this.#release(batch)
  }

  #release(batch: PendingBatch): void {
    if (this.#spare !== undefined) return
    batch.data.reset()
    this.#spare = batch.data
  }

  #canSplit(batch: PendingBatch, code: number): boolean {
    if (code === crossPartitionCode && batch.place === localPlace) this.#isIsolated = true
    return batch.ends.length > 1 && validationCodes.has(code)
  }

  /** The operations of each caller, in order. */
  *#parts(batch: PendingBatch): Generator<[caller: number, part: Buffer]> {
    let start = 0
    for (const [caller, end] of batch.ends.entries()) {
      if (end > start) yield [caller, batch.data.buffer.subarray(start, end)]
      start = end
    }
  }

  async #splitAsync(batch: PendingBatch): Promise<void> {
    const errors = new Map<number, ZkdbError>()
    for (const [caller, part] of this.#parts(batch)) {
      const promise = binding.writeAsync(this.#handle.id, part, part.length, batch.durability, batch.flags)
      const result = typeof promise === 'number' ? binding.lastError() : await promise
      if (result.code !== 0) errors.set(caller, errorFrom(result))
    }
    batch.errors = errors
  }

  #failedSync(batch: PendingBatch, code: number): void {
    const error = lastError()
    if (!this.#canSplit(batch, code)) {
      batch.error = error
      return
    }
    const errors = new Map<number, ZkdbError>()
    for (const [caller, part] of this.#parts(batch)) {
      const again = binding.write(this.#handle.id, part, part.length, batch.durability, batch.flags)
      if (again !== 0) errors.set(caller, lastError())
    }
    batch.errors = errors
  }
}

const noResult = { sequence: 0, existed: 0, failedIndex: -1 }
