/**
 * The asynchronous iterators of Level over a {@link RecordReader}. A chunk of local partitions is read inline: the file
 * is mapped, so it costs microseconds, less than a trip to another thread. Where a server has part of the range, chunks
 * are read on the thread pool.
 */
import { AbstractIterator, AbstractKeyIterator, AbstractValueIterator } from 'abstract-level'
import type { DatabaseHandle } from './batch-writer.js'
import { type Data, writeKey } from './bytes.js'
import type { JobQueue } from './job-queue.js'
import { type EncodedRange, isInRange, type ScanMode } from './range.js'
import { type Format, RecordReader } from './record-reader.js'
import { type Snapshot, snapshotHandle } from './snapshot.js'

/** What abstract-level passes to `_iterator`, `_keys` and `_values`, and what zkdb adds. */
export interface IteratorOptions extends EncodedRange, ScanMode {
  keyEncoding: Format
  valueEncoding: Format
  snapshot?: Snapshot | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: the types of abstract-level leave its private part out
type Any = any

/** Records that `all` reads in one turn of the event loop. */
const turnRecords = 10_000

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/**
 * What the three kinds of iterators have in common: what an item is. Where the reader cannot be opened, as in a damaged
 * file, the calls that read say so, as Level has it: an iterator that throws while it is made could not be closed.
 */
class Items<Item> {
  readonly #opened: RecordReader | undefined
  readonly #failure: unknown
  readonly #range: EncodedRange
  protected readonly item: (reader: RecordReader, i: number) => Item

  constructor(open: () => RecordReader, range: EncodedRange, item: (reader: RecordReader, i: number) => Item) {
    this.#range = range
    this.item = item
    try {
      this.#opened = open()
    } catch (error) {
      this.#failure = error
    }
  }

  /** @throws what its opening threw */
  protected get reader(): RecordReader {
    if (this.#opened === undefined) throw this.#failure
    return this.#opened
  }

  next(remaining: number): Item | undefined | Promise<Item | undefined> {
    const reader = this.reader
    if (reader.index >= reader.count && !reader.fill(remaining)) return undefined
    return this.item(reader, reader.index++)
  }

  nextv(size: number): Item[] | Promise<Item[]> {
    const reader = this.reader
    const items: Item[] = []
    while (items.length < size) {
      if (reader.index >= reader.count && !reader.fill(size - items.length)) break
      const end = Math.min(reader.count, reader.index + size - items.length)
      for (let i = reader.index; i < end; i++) items.push(this.item(reader, i))
      reader.index = end
    }
    return items
  }

  /** Everything that is left, up to `limit`. Other work of the event loop comes in between. */
  async all(limit: number): Promise<Item[]> {
    const items = this.nextv(Math.min(limit, turnRecords)) as Item[]
    for (let read = items.length; read === turnRecords && items.length < limit; ) {
      await turn()
      const more = this.nextv(Math.min(limit - items.length, turnRecords)) as Item[]
      read = more.length
      for (const item of more) items.push(item)
    }
    return items
  }

  /** In Level a target outside of the range ends the iterator. */
  seek(target: Data): void {
    if (isInRange(target, this.#range)) this.#opened?.seek(writeKey(target))
    else this.#opened?.end()
  }

  close(): void {
    this.#opened?.close()
  }
}

/** Items whose chunks are read on the thread pool, where a server has part of the range. */
class RemoteItems<Item> extends Items<Item> {
  readonly #scans: JobQueue

  constructor(
    open: () => RecordReader,
    range: EncodedRange,
    item: (reader: RecordReader, i: number) => Item,
    scans: JobQueue
  ) {
    super(open, range, item)
    this.#scans = scans
  }

  override next(remaining: number): Item | undefined | Promise<Item | undefined> {
    const { reader } = this
    return reader.index < reader.count ? this.item(reader, reader.index++) : this.#nextOfChunk(remaining)
  }

  async #nextOfChunk(remaining: number): Promise<Item | undefined> {
    const { reader } = this
    return (await reader.fillLater(remaining, this.#scans)) ? this.item(reader, reader.index++) : undefined
  }

  override async nextv(size: number): Promise<Item[]> {
    const { reader } = this
    const items: Item[] = []
    while (items.length < size) {
      if (reader.index >= reader.count && !(await reader.fillLater(size - items.length, this.#scans))) break
      const end = Math.min(reader.count, reader.index + size - items.length)
      for (; reader.index < end; reader.index++) items.push(this.item(reader, reader.index))
    }
    return items
  }

  override async all(limit: number): Promise<Item[]> {
    const items: Item[] = []
    for (let read = turnRecords; read === turnRecords && items.length < limit; await turn()) {
      const more = await this.nextv(Math.min(limit - items.length, turnRecords))
      read = more.length
      for (const item of more) items.push(item)
    }
    return items
  }
}

/** Whether keys and values are read. */
interface Wanted {
  keys: boolean
  values: boolean
}

function openReader(handle: DatabaseHandle, options: IteratorOptions, { keys, values }: Wanted): RecordReader {
  return new RecordReader(handle, {
    gt: options.gt,
    gte: options.gte,
    lt: options.lt,
    lte: options.lte,
    reverse: options.reverse,
    unordered: options.unordered,
    onMissing: options.onMissing,
    pinLater: true,
    keys,
    values,
    snapshot: snapshotHandle(options.snapshot, handle),
    transaction: 0,
    keyFormat: keys ? options.keyEncoding : 'none',
    valueFormat: values ? options.valueEncoding : 'none'
  })
}

const entry = (reader: RecordReader, i: number): [Data | undefined, Data | undefined] => reader.entry(i)
const key = (reader: RecordReader, i: number): Data => reader.key(i)!
const value = (reader: RecordReader, i: number): Data => reader.value(i)!

/** `db.iterator()` */
export class EntryIterator<Db, K, V> extends AbstractIterator<Db, K, V> {
  readonly #items: Items<[Data | undefined, Data | undefined]>

  constructor(db: Db, handle: DatabaseHandle, options: IteratorOptions, scans: JobQueue | undefined) {
    super(db, options as Any)
    const wanted = { keys: options.keys !== false, values: options.values !== false }
    const open = () => openReader(handle, options, wanted)
    this.#items = scans === undefined ? new Items(open, options, entry) : new RemoteItems(open, options, entry, scans)
  }

  async _next(): Promise<unknown> {
    return this.#items.next(this.limit - this.count)
  }
  async _nextv(size: number): Promise<unknown[]> {
    return this.#items.nextv(size)
  }
  async _all(): Promise<unknown[]> {
    return this.#items.all(this.limit - this.count)
  }
  _seek(target: Data): void {
    this.#items.seek(target)
  }
  async _close(): Promise<void> {
    this.#items.close()
  }
}

/** `db.keys()` */
export class KeyIterator<Db, K> extends AbstractKeyIterator<Db, K> {
  readonly #items: Items<Data>

  constructor(db: Db, handle: DatabaseHandle, options: IteratorOptions, scans: JobQueue | undefined) {
    super(db, options as Any)
    const open = () => openReader(handle, options, { keys: true, values: false })
    this.#items = scans === undefined ? new Items(open, options, key) : new RemoteItems(open, options, key, scans)
  }

  async _next(): Promise<unknown> {
    return this.#items.next(this.limit - this.count)
  }
  async _nextv(size: number): Promise<unknown[]> {
    return this.#items.nextv(size)
  }
  async _all(): Promise<unknown[]> {
    return this.#items.all(this.limit - this.count)
  }
  _seek(target: Data): void {
    this.#items.seek(target)
  }
  async _close(): Promise<void> {
    this.#items.close()
  }
}

/** `db.values()` */
export class ValueIterator<Db, K, V> extends AbstractValueIterator<Db, K, V> {
  readonly #items: Items<Data>

  constructor(db: Db, handle: DatabaseHandle, options: IteratorOptions, scans: JobQueue | undefined) {
    super(db, options as Any)
    const open = () => openReader(handle, options, { keys: false, values: true })
    this.#items = scans === undefined ? new Items(open, options, value) : new RemoteItems(open, options, value, scans)
  }

  async _next(): Promise<unknown> {
    return this.#items.next(this.limit - this.count)
  }
  async _nextv(size: number): Promise<unknown[]> {
    return this.#items.nextv(size)
  }
  async _all(): Promise<unknown[]> {
    return this.#items.all(this.limit - this.count)
  }
  _seek(target: Data): void {
    this.#items.seek(target)
  }
  async _close(): Promise<void> {
    this.#items.close()
  }
}
