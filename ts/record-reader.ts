/**
 * Reading the records of a range in chunks: one native call fills a buffer with many records and an array with their
 * places, then keys and values are taken out of it as strings, Buffers or views.
 *
 * Invariants:
 *  1. Chunks begin small, so that a short scan costs little, and grow to {@link maxChunkSize}.
 *  2. When Buffers or views are given out, the memory of a chunk is not used again: they stay valid. With strings alone
 *     it is.
 *  3. Strings of an ASCII chunk are cut from windows of {@link windowSize}: a string that is kept keeps at most its
 *     window alive, not the chunk.
 */
import type { DatabaseHandle } from './batch-writer.js'
import { binding, Code, checked, lastError, type NativeChunk, State, shared } from './binding.js'
import type { Data } from './bytes.js'
import { errorFrom } from './errors.js'
import type { JobQueue } from './job-queue.js'
import { type EncodedRange, type MissingPart, type ScanMode, scanFlags, writeRange } from './range.js'
import { BufferView, reserve, take } from './slab.js'

/** What keys or values are given as; `none` when they are not wanted. */
export type Format = 'utf8' | 'buffer' | 'view' | 'none'

const firstRecords = 16
const firstChunkSize = 4 * 1024
const maxRecords = 4096
const maxChunkSize = 256 * 1024
const growth = 4
const windowSize = 4 * 1024
const offsetsPerRecord = 3

/** What a reader reads. */
export interface ReaderOptions extends EncodedRange, ScanMode {
  /** Handle of a snapshot, 0 for one of the reader's own. */
  snapshot: number
  /** Handle of a transaction, or 0. */
  transaction: number
  keyFormat: Format
  valueFormat: Format
}

/** A cursor with the chunk that it read last. */
export class RecordReader {
  /** Records of the chunk. */
  count = 0
  /** The next record of the chunk that is to be given out. */
  index = 0

  readonly #keyFormat: Format
  readonly #valueFormat: Format
  readonly #reusesMemory: boolean
  readonly #onMissing: ((part: MissingPart) => void) | undefined
  /** Parts that were told of. */
  #missing = 0
  /** Keeps the database open as long as somebody reads. */
  readonly #handle: DatabaseHandle
  #cursor: number
  #guard: object | undefined
  /** Whether the range is in part a server's; unknown until somebody asks. */
  #isRemote: boolean | undefined
  #isDone = false
  #isAscii = false
  #nextRecords = firstRecords
  #nextSize = firstChunkSize
  #chunk: Buffer = Buffer.alloc(0)
  /** Of the chunk. */
  #memory: ArrayBufferLike = this.#chunk.buffer
  #base = 0
  #offsets = new Uint32Array(0)
  #text = ''
  #textStart = 0
  #textEnd = 0

  /** @throws ZKDB_CLOSED, ZKDB_SNAPSHOT_EXPIRED, and every error of reading */
  constructor(handle: DatabaseHandle, options: ReaderOptions) {
    this.#handle = handle
    this.#keyFormat = options.keyFormat
    this.#valueFormat = options.valueFormat
    this.#reusesMemory = isText(options.keyFormat) && isText(options.valueFormat)
    const { loSize, hiSize, flags } = writeRange(options)
    this.#onMissing = options.onMissing
    const { snapshot, transaction } = options
    this.#cursor = checked(
      binding.cursorOpen(handle.id, snapshot, transaction, loSize, hiSize, flags, scanFlags(options))
    )
  }

  /** Whether the cursor is closed: by {@link close}, or because the range is exhausted. */
  get isClosed(): boolean {
    return this.#cursor === 0
  }

  /** Closes the cursor when this reader is collected. For readers that nobody is obliged to close. */
  protect(): void {
    if (this.#cursor !== 0) this.#guard ??= binding.guard(this.#cursor)
  }

  /**
   * Reads the next chunk, of at most `limit` records. False when there is none.
   *
   * @throws ZKDB_CORRUPT, ZKDB_SNAPSHOT_EXPIRED, ZKDB_CLOSED, ZKDB_IO
   */
  fill(limit: number): boolean {
    const wanted = this.#prepare(limit, reserve)
    if (wanted === 0) return false
    let count = binding.cursorNext(this.#cursor, this.#chunk, this.#offsets, wanted)
    if (count === Code.bufferTooSmall) {
      this.#chunk = Buffer.allocUnsafeSlow(shared.state[State.needed]!)
      count = binding.cursorNext(this.#cursor, this.#chunk, this.#offsets, wanted)
    }
    if (count < 0) throw lastError()
    if (!this.#reusesMemory) take(this.#chunk, shared.state[State.used]!)
    return this.#received(count, shared.state[State.ascii] === 1, shared.state[State.done] === 1)
  }

  /**
   * As {@link fill}, but on the thread pool when a server may have to be waited for. Nothing else is asked of the
   * reader meanwhile but to close.
   */
  async fillLater(limit: number, jobs: JobQueue): Promise<boolean> {
    this.#isRemote ??= checked(binding.cursorIsRemote(this.#cursor)) === 1
    if (!this.#isRemote) return this.fill(limit)
    // The pool's memory is given out to others meanwhile: the chunk gets its own.
    const wanted = this.#prepare(limit, Buffer.allocUnsafeSlow)
    if (wanted === 0) return false
    for (;;) {
      const { code, used, count, isAscii, isDone, ...failure } = await jobs.run(() => this.#readLater(wanted))
      if (code === 0) return this.#received(count, isAscii, isDone)
      if (code !== -Code.bufferTooSmall) throw errorFrom({ code, ...failure })
      this.#chunk = Buffer.allocUnsafeSlow(used)
    }
  }

  async #readLater(wanted: number): Promise<NativeChunk> {
    const started = binding.cursorNextAsync(this.#cursor, this.#chunk, this.#offsets, wanted)
    if (typeof started === 'number') throw lastError()
    return started
  }

  /** Takes over a chunk that was read. */
  #received(count: number, isAscii: boolean, isDone: boolean): boolean {
    this.count = count
    this.#isAscii = isAscii
    this.#isDone = isDone
    this.#memory = this.#chunk.buffer
    this.#base = this.#chunk.byteOffset
    this.#textEnd = 0
    this.#nextRecords = Math.min(this.#nextRecords * growth, maxRecords)
    this.#nextSize = Math.min(this.#nextSize * growth, maxChunkSize)
    if (this.#onMissing !== undefined) this.#tellMissing(this.#onMissing)
    return count > 0
  }

  #tellMissing(onMissing: (part: MissingPart) => void): void {
    for (;;) {
      const partition = binding.cursorMissing(this.#cursor, this.#missing)
      if (partition < 0) return
      this.#missing++
      const size = shared.state[State.used]!
      onMissing({
        partition,
        from: size < 0 ? undefined : Buffer.from(shared.keys.subarray(0, size)),
        error: lastError()
      })
    }
  }

  /** Forgets the chunk and makes room for the next one. Returns how many records to read, 0 when there is none. */
  #prepare(limit: number, memory: (size: number) => Buffer): number {
    this.index = 0
    this.count = 0
    if (this.#isDone || limit <= 0) return 0
    const wanted = Math.min(limit, limit < maxRecords && limit > this.#nextRecords ? limit : this.#nextRecords)
    // A limit that is known makes the first chunk fit it: about as many bytes a record as the defaults foresee.
    const size = Math.min(Math.max(this.#nextSize, wanted * (firstChunkSize / firstRecords)), maxChunkSize)
    if (!this.#reusesMemory) {
      this.#chunk = memory(size)
    } else if (this.#chunk.length < size || this.#chunk.length > maxChunkSize) {
      this.#chunk = Buffer.allocUnsafeSlow(size)
    }
    if (this.#offsets.length < wanted * offsetsPerRecord) this.#offsets = new Uint32Array(wanted * offsetsPerRecord)
    return wanted
  }

  /** Key and value of record `i` of the chunk, each as {@link key} and {@link value} give it. */
  entry(i: number): [key: Data | undefined, value: Data | undefined] {
    const at = i * offsetsPerRecord
    const start = this.#offsets[at]!
    const middle = this.#offsets[at + 1]!
    const end = this.#offsets[at + 2]!
    return [this.#take(this.#keyFormat, start, middle), this.#take(this.#valueFormat, middle, end)]
  }

  /** The key of record `i` of the chunk, in the reader's format; undefined when keys are not wanted. */
  key(i: number): Data | undefined {
    const at = i * offsetsPerRecord
    return this.#take(this.#keyFormat, this.#offsets[at]!, this.#offsets[at + 1]!)
  }

  /** The value of record `i` of the chunk, in the reader's format; undefined when values are not wanted. */
  value(i: number): Data | undefined {
    const at = i * offsetsPerRecord
    return this.#take(this.#valueFormat, this.#offsets[at + 1]!, this.#offsets[at + 2]!)
  }

  #take(format: Format, start: number, end: number): Data | undefined {
    switch (format) {
      case 'utf8':
        return this.#isAscii ? this.#ascii(start, end) : this.#chunk.toString('utf8', start, end)
      case 'view':
        return new Uint8Array(this.#memory, this.#base + start, end - start)
      case 'buffer':
        return new BufferView(this.#memory, this.#base + start, end - start)
      default:
        return undefined
    }
  }

  #ascii(start: number, end: number): string {
    if (end > this.#textEnd || start < this.#textStart || this.#textEnd === 0) {
      if (end - start > windowSize) return this.#chunk.toString('latin1', start, end)
      this.#textStart = start
      this.#textEnd = Math.min(start + windowSize, this.#chunk.length)
      this.#text = this.#chunk.toString('latin1', start, this.#textEnd)
    }
    return this.#text.substring(start - this.#textStart, end - this.#textStart)
  }

  /** Moves to the first record at or after the key in the shared key buffer, in the reader's direction. */
  seek(keySize: number): void {
    if (this.#cursor === 0) return
    checked(binding.cursorSeek(this.#cursor, keySize))
    this.#missing = 0
    this.#isDone = false
    this.index = 0
    this.count = 0
    this.#nextRecords = firstRecords
    this.#nextSize = firstChunkSize
  }

  /** Ends the iteration, unless {@link seek} starts it again. */
  end(): void {
    this.#isDone = true
    this.index = 0
    this.count = 0
  }

  /** Whether the last chunk was the last one of the range. */
  get isDone(): boolean {
    return this.#isDone
  }

  /** Closes the cursor and forgets the chunk. May be called again. */
  close(): void {
    this.closeCursor()
    this.index = 0
    this.count = 0
  }

  /** Closes the cursor; the chunk can still be read. */
  closeCursor(): void {
    if (this.#cursor === 0) return
    // A database that was closed meanwhile has closed the cursor: then this answers a code, which says nothing new.
    binding.cursorClose(this.#cursor)
    this.#cursor = 0
    this.#isDone = true
  }

  /** Keeps the database from being collected while somebody reads. */
  get handle(): DatabaseHandle {
    return this.#handle
  }
}

function isText(format: Format): boolean {
  return format === 'utf8' || format === 'none'
}
