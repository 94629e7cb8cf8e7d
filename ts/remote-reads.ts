/**
 * Asynchronous look-ups of keys in remote partitions: they gather, and go to the thread pool many at a time.
 *
 * Invariants:
 *  1. What is looked up in one turn of the event loop, in one partition and one state, is one native call, unless it is
 *     more than {@link mostKeys} or {@link mostBytes}.
 *  2. At most one call for a partition is under way; meanwhile later look-ups gather. So a server that does not answer
 *     holds up its own keys, and one thread.
 *  3. A failure is that of its own key, unless the server did not answer: then it is that of every key of the call that
 *     has no answer yet.
 *  4. Every look-up is settled, also when the database is closed.
 */
import type { DatabaseHandle } from './batch-writer.js'
import { binding, lastError, type NativeLookups } from './binding.js'
import { type Data, viewOf } from './bytes.js'
import { errorFrom } from './errors.js'
import { JobQueue } from './job-queue.js'
import { localPlace, type Places } from './places.js'
import { packedKeysOf, readHasMany, readMany, type ValueFormat } from './point-reads.js'
import { reserve, take } from './slab.js'
import { type Snapshot, snapshotHandle } from './snapshot.js'

/** What is wanted of a key: its value, whether it is there, or when its record ends. */
export type Wanted = ValueFormat | 'has' | 'expiry'

/** Of one call. */
const mostKeys = 4096
const mostBytes = 1024 * 1024
/** Room for the values of a call, in bytes: what does not fit is asked for again. */
const roomSize = 1024 * 1024
const absent = 0xffff_ffff

/** Shares of the thread pool. The last quarter is for the files of the application and the names of its hosts. */
const lookupShare = 1 / 2
const scanShare = 1 / 4

/** Codes that tell of the server, not of the key that was asked for. */
const serverCodes: ReadonlySet<string> = new Set([
  'ZKDB_CLOSED',
  'ZKDB_CONFIG',
  'ZKDB_NO_MEMORY',
  'ZKDB_PROTOCOL',
  'ZKDB_TIMEOUT',
  'ZKDB_UNREACHABLE'
])

type Answer = Data | boolean | number | null | undefined

interface Lookup {
  key: Data
  wanted: Wanted
  resolve(answer: Answer): void
  reject(error: unknown): void
}

/** Look-ups that gather, wait or run. */
class Gathering {
  /** The native handle of a snapshot, or 0. */
  readonly snapshot: number
  readonly isExpiry: boolean
  readonly lookups: Lookup[] = []
  /** Of the keys, about. */
  bytes = 0

  constructor(snapshot: number, isExpiry: boolean) {
    this.snapshot = snapshot
    this.isExpiry = isExpiry
  }

  takes(snapshot: number, isExpiry: boolean): boolean {
    const isFull = this.lookups.length >= mostKeys || this.bytes >= mostBytes
    return this.snapshot === snapshot && this.isExpiry === isExpiry && !isFull
  }
}

/** The look-ups of one partition. */
interface Queue {
  waiting: Gathering[]
  running: Promise<void> | undefined
}

/** Where a call puts what it found: values one after another, and the size of each. */
interface Room {
  values: Buffer
  sizes: Uint32Array
}

const newRoom = (size: number): Room => ({ values: Buffer.allocUnsafeSlow(size), sizes: new Uint32Array(mostKeys) })

/** How a call went: look-ups that are settled, and why it stopped before the last one. */
interface Outcome {
  settled: number
  hasFailed: boolean
}

/** The asynchronous reads of a database that has remote partitions. */
export class RemoteReads {
  /** The jobs of its scans. */
  readonly scans = new JobQueue(scanShare)
  readonly #handle: DatabaseHandle
  readonly #places: Places
  readonly #jobs = new JobQueue(lookupShare)
  /** By place. */
  readonly #queues = new Map<number, Queue>()
  /** Memory of calls that have ended. */
  readonly #rooms: Room[] = []
  #isScheduled = false

  constructor(handle: DatabaseHandle, places: Places) {
    this.#handle = handle
    this.#places = places
  }

  /** Looks up a key; undefined, and nothing is done, when its partition is local. @throws ZKDB_KEY_TOO_LARGE */
  lookUp(key: Data, wanted: Wanted, snapshot: Snapshot | undefined): Promise<Answer> | undefined {
    const place = this.#places.ofKey(key)
    return place === localPlace ? undefined : this.#add(place, key, wanted, snapshot)
  }

  /** As `getMany`: the local keys are read now, in one state. */
  getMany(keys: Data[], format: ValueFormat, snapshot: Snapshot | undefined): Promise<(Data | undefined)[]> {
    const read = (some: Data[], id: number) => readMany(this.#handle.id, id, some, format, true)
    return this.#many(keys, format, snapshot, read) as Promise<(Data | undefined)[]>
  }

  /** As `hasMany`: the local keys are looked up now, in one state. */
  hasMany(keys: Data[], snapshot: Snapshot | undefined): Promise<boolean[]> {
    const read = (some: Data[], id: number) => readHasMany(this.#handle.id, id, some, true)
    return this.#many(keys, 'has', snapshot, read) as Promise<boolean[]>
  }

  async #many(
    keys: Data[],
    wanted: Wanted,
    snapshot: Snapshot | undefined,
    readLocal: (keys: Data[], snapshot: number) => Answer[]
  ): Promise<Answer[]> {
    const places = keys.map((key) => this.#places.ofKey(key))
    const local = keys.filter((_, i) => places[i] === localPlace)
    const found = local.length > 0 ? readLocal(local, snapshotHandle(snapshot, this.#handle)) : []
    let next = 0
    return Promise.all(
      keys.map((key, i) => (places[i] === localPlace ? found[next++] : this.#add(places[i]!, key, wanted, snapshot)))
    )
  }

  /** Waits until everything that was asked for is settled. */
  async drain(): Promise<void> {
    for (;;) {
      this.#dispatch()
      const running = [...this.#queues.values()].flatMap((queue) => queue.running ?? [])
      if (running.length === 0) return
      await Promise.all(running)
    }
  }

  #add(place: number, key: Data, wanted: Wanted, snapshot: Snapshot | undefined): Promise<Answer> {
    const id = snapshotHandle(snapshot, this.#handle)
    // Its close waits: not every caller does that.
    snapshot?.ref()
    const gathering = this.#gathering(place, id, wanted === 'expiry')
    // Bytes are the caller's, who may change them.
    const kept = typeof key === 'string' ? key : Buffer.from(viewOf(key, 'key'))
    gathering.bytes += kept.length
    const answer = new Promise<Answer>((resolve, reject) => {
      gathering.lookups.push({ key: kept, wanted, resolve, reject })
    })
    return snapshot == null ? answer : answer.finally(() => snapshot.unref())
  }

  /** The look-ups that one more joins. */
  #gathering(place: number, snapshot: number, isExpiry: boolean): Gathering {
    let queue = this.#queues.get(place)
    if (queue === undefined) {
      queue = { waiting: [], running: undefined }
      this.#queues.set(place, queue)
    }
    const found = queue.waiting.find((gathering) => gathering.takes(snapshot, isExpiry))
    if (found !== undefined) return found
    const gathering = new Gathering(snapshot, isExpiry)
    queue.waiting.push(gathering)
    if (queue.running === undefined) this.#schedule()
    return gathering
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    // After the promises of this turn of the event loop: what they look up joins the call.
    setImmediate(() => {
      this.#isScheduled = false
      this.#dispatch()
    })
  }

  #dispatch(): void {
    for (const queue of this.#queues.values()) {
      const next = queue.running === undefined ? queue.waiting.shift() : undefined
      if (next === undefined) continue
      queue.running = this.#settle(next).then(() => {
        queue.running = undefined
        if (queue.waiting.length > 0) this.#schedule()
      })
    }
  }

  /** Asks until every look-up is settled. */
  async #settle(gathering: Gathering): Promise<void> {
    const { lookups } = gathering
    let fitting = lookups.length
    let trusted = lookups.length
    let at = 0
    try {
      while (at < lookups.length) {
        const asked = lookups.slice(at, at + Math.min(fitting, trusted))
        const { settled, hasFailed } = await this.#jobs.run(() => this.#askInRoom(gathering, asked))
        at += settled
        // A server answers what was asked for behind a failure, and behind values that fill the room, in vain.
        trusted = hasFailed ? 1 : trusted * 2
        if (!hasFailed && settled < asked.length) fitting = settled
      }
    } catch (error) {
      for (const lookup of lookups.slice(at)) lookup.reject(error)
    }
  }

  async #askInRoom(gathering: Gathering, asked: readonly Lookup[]): Promise<Outcome> {
    if (gathering.isExpiry) return this.#askExpiry(gathering, asked)
    const room = this.#rooms.pop() ?? newRoom(roomSize)
    try {
      return await this.#ask(gathering, asked, room)
    } finally {
      this.#rooms.push(room)
    }
  }

  /** One native call. At least one look-up is settled. */
  async #ask(gathering: Gathering, asked: readonly Lookup[], room: Room): Promise<Outcome> {
    const { keys, offsets } = packedKeysOf(asked.map(({ key }) => key))
    const { id } = this.#handle
    const { values, sizes } = room
    const started = binding.getManyAsync(id, gathering.snapshot, keys, offsets, asked.length, values, sizes)
    if (typeof started === 'number') throw lastError()
    const result = await started
    giveValues(asked, room, result)
    if (result.code !== 0) return fail(asked, result)
    if (result.done > 0) return { settled: result.done, hasFailed: false }
    const [first] = asked as [Lookup]
    if (first.wanted !== 'has') return this.#ask(gathering, [first], newRoom(result.needed))
    first.resolve(true)
    return { settled: 1, hasFailed: false }
  }

  async #askExpiry(gathering: Gathering, asked: readonly Lookup[]): Promise<Outcome> {
    const { keys, offsets } = packedKeysOf(asked.map(({ key }) => key))
    const times = new Float64Array(asked.length)
    const started = binding.expiryManyAsync(this.#handle.id, gathering.snapshot, keys, offsets, asked.length, times)
    if (typeof started === 'number') throw lastError()
    const result = await started
    for (let i = 0; i < result.done; i++) asked[i]!.resolve(times[i]! < 0 ? undefined : times[i] || null)
    return result.code === 0 ? { settled: result.done, hasFailed: false } : fail(asked, result)
  }
}

/** Rejects the first look-up that has no answer, or all of them. */
function fail(asked: readonly Lookup[], result: NativeLookups): Outcome {
  const error = errorFrom(result)
  const settled = serverCodes.has(error.code) ? asked.length : result.done + 1
  for (const lookup of asked.slice(result.done, settled)) lookup.reject(error)
  return { settled, hasFailed: true }
}

/** Gives the look-ups that a call answered what they want, copied out of the room. */
function giveValues(asked: readonly Lookup[], { values, sizes }: Room, { done, isAscii }: NativeLookups): void {
  let at = 0
  for (let i = 0; i < done; i++) {
    const { wanted, resolve } = asked[i]!
    const size = sizes[i]!
    const isThere = size !== absent
    const end = isThere ? at + size : at
    if (wanted === 'has') resolve(isThere)
    else if (!isThere) resolve(undefined)
    else if (wanted === 'utf8') resolve(values.toString(isAscii ? 'latin1' : 'utf8', at, end))
    else resolve(copyOf(values, at, end))
    at = end
  }
}

function copyOf(values: Buffer, start: number, end: number): Buffer {
  const copy = reserve(end - start)
  values.copy(copy, 0, start, end)
  take(copy, end - start)
  return copy
}
