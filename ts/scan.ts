/**
 * `scanSync`: synchronous scans, record by record or in packed bulk form.
 */
import type { DatabaseHandle } from './batch-writer.js'
import { binding, Code, checked, State, shared } from './binding.js'
import type { Data } from './bytes.js'
import { decode, type Encoding, type EncodingOption, type EncodingSource, isNative } from './codec.js'
import { type MissingPart, scanFlags, writeRange } from './range.js'
import { type Format, type ReaderOptions, RecordReader } from './record-reader.js'
import { type Snapshot, snapshotHandle } from './snapshot.js'

/** What `scanSync` goes through, and how. */
export interface ScanOptions<K = unknown> {
  /** Keys greater than this. */
  gt?: K | undefined
  /** Keys greater than or equal to this. Goes before `gt`. */
  gte?: K | undefined
  /** Keys less than this. */
  lt?: K | undefined
  /** Keys less than or equal to this. Goes before `lt`. */
  lte?: K | undefined
  /** From the end to the start. Default false. */
  reverse?: boolean | undefined
  /** At most this many records. Default: all. */
  limit?: number | undefined
  /** Whether keys are wanted. Default true. */
  keys?: boolean | undefined
  /** Whether values are wanted. Default true. */
  values?: boolean | undefined
  /** Default: that of the database. */
  keyEncoding?: EncodingOption
  /** Default: that of the database. */
  valueEncoding?: EncodingOption
  /** Default: the state at the moment the iteration starts. */
  snapshot?: Snapshot | undefined
  /** Partition after partition instead of in the order of keys: cheaper with many partitions. Default false. */
  unordered?: boolean | undefined
  /**
   * With it a remote partition that cannot be read is left out instead of ending the scan: this is called with what is
   * missing, before the records behind it.
   */
  onMissing?: ((part: MissingPart) => void) | undefined
}

/**
 * Many records in one piece of memory. Record `i` has its key at `offsets[3 * i]` up to `offsets[3 * i + 1]`, where
 * its value begins, which ends at `offsets[3 * i + 2]`.
 */
export interface PackedChunk {
  /** Keys and values, with 8 bytes before each record. */
  buffer: Buffer
  /** Three numbers per record. */
  offsets: Uint32Array
  /** Records. */
  count: number
}

/** A scan in packed form. */
export interface PackedScan {
  /** In the order of the scan. */
  chunks: PackedChunk[]
  /** Records of all chunks. */
  count: number
}

/** An entry; a part that is not wanted is undefined. */
export type Entry<K, V> = [key: K, value: V]

const packedRecords = 8192
const packedSize = 256 * 1024
const offsetsPerRecord = 3

/** Whether `limit` counts, as Level has it: a whole number of 0 or more. */
function limitOf(limit: number | undefined): number {
  return Number.isInteger(limit) && limit! >= 0 ? limit! : Number.POSITIVE_INFINITY
}

/**
 * A range that can be iterated over, any number of times. Each iteration sees the state at its start.
 *
 * @example
 * for (const [key, value] of db.scanSync({ gte: 'a', lt: 'b' })) console.log(key, value)
 */
export class Scan<K, V> implements Iterable<Entry<K, V>> {
  readonly #handle: DatabaseHandle
  readonly #assertOpen: () => void
  readonly #options: ReaderOptions
  readonly #limit: number
  readonly #keyEncoding: Encoding
  readonly #valueEncoding: Encoding
  readonly #snapshot: Snapshot | undefined

  /** @internal */
  constructor(
    source: EncodingSource,
    handle: DatabaseHandle,
    options: ScanOptions<unknown>,
    transaction: number,
    assertOpen: () => void
  ) {
    this.#handle = handle
    this.#assertOpen = assertOpen
    this.#keyEncoding = source.keyEncoding(options.keyEncoding)
    this.#valueEncoding = source.valueEncoding(options.valueEncoding)
    this.#limit = limitOf(options.limit)
    this.#snapshot = options.snapshot ?? undefined
    const bound = (key: unknown): Data | undefined => (key === undefined ? undefined : this.#keyEncoding.encode(key))
    this.#options = {
      gt: bound(options.gt),
      gte: bound(options.gte),
      lt: bound(options.lt),
      lte: bound(options.lte),
      reverse: Boolean(options.reverse),
      unordered: Boolean(options.unordered),
      onMissing: options.onMissing,
      keys: options.keys !== false,
      values: options.values !== false,
      snapshot: snapshotHandle(this.#snapshot, handle),
      transaction,
      keyFormat: formatOf(this.#keyEncoding, options.keys),
      valueFormat: formatOf(this.#valueEncoding, options.values)
    }
  }

  /** @throws LEVEL_DATABASE_NOT_OPEN, LEVEL_SNAPSHOT_NOT_OPEN and every error of reading */
  [Symbol.iterator](): ScanIterator<K, V> {
    this.#prepare()
    const reader = new RecordReader(this.#handle, this.#options)
    return new ScanIterator<K, V>(reader, this.#limit, this.#keyEncoding, this.#valueEncoding)
  }

  /**
   * Reads the range in packed form, chunk by chunk: the fastest way, because no object is made per record and the
   * memory is used again. Encodings play no role.
   *
   * @returns chunks of at most 8,192 records. Each is valid until the next one is asked for; copy what you keep.
   * @example
   * for (const { buffer, offsets, count } of db.scanSync().chunks()) {
   *   for (let i = 0; i < count; i++) use(buffer.latin1Slice(offsets[3 * i], offsets[3 * i + 1]))
   * }
   */
  *chunks(): Generator<PackedChunk, void, undefined> {
    const memory: PackedMemory = { buffer: Buffer.allocUnsafeSlow(packedSize), offsets: new Uint32Array(0) }
    yield* this.#packed(() => memory)
  }

  /**
   * Reads the whole range in packed form into memory of its own. See {@link chunks}, which holds one chunk at a time.
   */
  toArrays(): PackedScan {
    const chunks = [
      ...this.#packed(() => ({ buffer: Buffer.allocUnsafeSlow(packedSize), offsets: new Uint32Array(0) }))
    ]
    return { chunks: chunks.map(compacted), count: chunks.reduce((sum, chunk) => sum + chunk.count, 0) }
  }

  /** Reads chunk after chunk, each into what `memory` gives. */
  *#packed(memory: () => PackedMemory): Generator<PackedChunk, void, undefined> {
    this.#prepare()
    const { snapshot, transaction } = this.#options
    const { loSize, hiSize, flags } = writeRange(this.#options)
    const mode = scanFlags(this.#options)
    const cursor = checked(binding.cursorOpen(this.#handle.id, snapshot, transaction, loSize, hiSize, flags, mode))
    // A generator that nobody goes on with is collected, and the guard closes the cursor.
    const held = { cursor, guard: binding.guard(cursor) }
    try {
      for (let left = this.#limit; left > 0; ) {
        const chunk = readPacked(held.cursor, Math.min(packedRecords, left), memory())
        const isLast = shared.state[State.done] === 1
        left -= chunk.count
        if (chunk.count > 0) yield chunk
        if (isLast) break
      }
    } finally {
      binding.cursorClose(held.cursor)
    }
  }

  /** The entries as an array. */
  toArray(): Entry<K, V>[] {
    return [...this]
  }

  #prepare(): void {
    this.#assertOpen()
    if (this.#snapshot === undefined) return
    // Throws when the snapshot is closed; nothing of a synchronous read is left to wait for.
    this.#snapshot.ref()
    this.#snapshot.unref()
  }
}

function formatOf(encoding: Encoding, isWanted: boolean | undefined): Format {
  return isWanted === false ? 'none' : encoding.format
}

interface PackedMemory {
  buffer: Buffer
  offsets: Uint32Array
}

/** One chunk of at most `limit` records, in `memory`, which grows where it must. */
function readPacked(cursor: number, limit: number, memory: PackedMemory): PackedChunk {
  if (memory.offsets.length < limit * offsetsPerRecord) memory.offsets = new Uint32Array(limit * offsetsPerRecord)
  let count = binding.cursorNext(cursor, memory.buffer, memory.offsets, limit)
  if (count === Code.bufferTooSmall) {
    memory.buffer = Buffer.allocUnsafeSlow(shared.state[State.needed]!)
    count = binding.cursorNext(cursor, memory.buffer, memory.offsets, limit)
  }
  checked(count)
  const used = shared.state[State.used]!
  return {
    buffer: memory.buffer.subarray(0, used),
    offsets: memory.offsets.subarray(0, count * offsetsPerRecord),
    count
  }
}

/** A chunk that is mostly empty is not worth its memory. */
function compacted(chunk: PackedChunk): PackedChunk {
  return chunk.buffer.length < packedSize / 2 ? { ...chunk, buffer: Buffer.from(chunk.buffer) } : chunk
}

/** An iteration of a {@link Scan}. */
export class ScanIterator<K, V> implements IterableIterator<Entry<K, V>> {
  readonly #reader: RecordReader
  readonly #keyEncoding: Encoding
  readonly #valueEncoding: Encoding
  readonly #isNative: boolean
  #remaining: number

  /** @internal */
  constructor(reader: RecordReader, limit: number, keyEncoding: Encoding, valueEncoding: Encoding) {
    this.#reader = reader
    this.#remaining = limit
    this.#keyEncoding = keyEncoding
    this.#valueEncoding = valueEncoding
    this.#isNative = isNative(keyEncoding) && isNative(valueEncoding)
  }

  [Symbol.iterator](): this {
    return this
  }

  /** The next entry. @throws every error of reading, LEVEL_DECODE_ERROR */
  next(): IteratorResult<Entry<K, V>, undefined> {
    const reader = this.#reader
    if (reader.index >= reader.count && !this.#fill()) return { done: true, value: undefined }
    const i = reader.index++
    this.#remaining--
    const entry = reader.entry(i)
    if (this.#isNative) return { done: false, value: entry as Entry<K, V> }
    const [key, value] = entry
    return { done: false, value: [decode(this.#keyEncoding, key), decode(this.#valueEncoding, value)] as Entry<K, V> }
  }

  /** Ends the iteration; `for...of` calls it when it is left early. */
  return(): IteratorResult<Entry<K, V>, undefined> {
    this.#reader.close()
    return { done: true, value: undefined }
  }

  #fill(): boolean {
    const reader = this.#reader
    if (reader.isClosed) return false
    if (!reader.fill(this.#remaining)) {
      reader.close()
      return false
    }
    // The cursor is held only as long as there is more to read, and not by an iteration that nobody goes on with.
    if (reader.isDone || reader.count >= this.#remaining) reader.closeCursor()
    else reader.protect()
    return true
  }
}
