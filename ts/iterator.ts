/**
 * The asynchronous iterators of Level over a {@link RecordReader}. A chunk is read inline: the file is mapped, so it
 * costs microseconds, less than a trip to another thread.
 */
import { AbstractIterator, AbstractKeyIterator, AbstractValueIterator } from 'abstract-level'
import type { DatabaseHandle } from './batch-writer.js'
import { type Data, writeKey } from './bytes.js'
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

/**
 * What the three kinds of iterators have in common: what an item is. Where the reader cannot be opened, as in a damaged
 * file, the calls that read say so, as Level has it: an iterator that throws while it is made could not be closed.
 */
class Items<Item> {
  readonly #opened: RecordReader | undefined
  readonly #failure: unknown
  readonly #range: EncodedRange
  readonly #item: (reader: RecordReader, i: number) => Item

  constructor(open: () => RecordReader, range: EncodedRange, item: (reader: RecordReader, i: number) => Item) {
    this.#range = range
    this.#item = item
    try {
      this.#opened = open()
    } catch (error) {
      this.#failure = error
    }
  }

  get #reader(): RecordReader {
    if (this.#opened === undefined) throw this.#failure
    return this.#opened
  }

  next(remaining: number): Item | undefined {
    const reader = this.#reader
    if (reader.index >= reader.count && !reader.fill(remaining)) return undefined
    return this.#item(reader, reader.index++)
  }

  nextv(size: number): Item[] {
    const reader = this.#reader
    const items: Item[] = []
    while (items.length < size) {
      if (reader.index >= reader.count && !reader.fill(size - items.length)) break
      const end = Math.min(reader.count, reader.index + size - items.length)
      for (let i = reader.index; i < end; i++) items.push(this.#item(reader, i))
      reader.index = end
    }
    return items
  }

  /** Everything that is left, up to `limit`. Other work of the event loop comes in between. */
  async all(limit: number): Promise<Item[]> {
    const items = this.nextv(Math.min(limit, turnRecords))
    for (let read = items.length; read === turnRecords && items.length < limit; ) {
      await new Promise((resolve) => setImmediate(resolve))
      const more = this.nextv(Math.min(limit - items.length, turnRecords))
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

  constructor(db: Db, handle: DatabaseHandle, options: IteratorOptions) {
    super(db, options as Any)
    const wanted = { keys: options.keys !== false, values: options.values !== false }
    this.#items = new Items(() => openReader(handle, options, wanted), options, entry)
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

  constructor(db: Db, handle: DatabaseHandle, options: IteratorOptions) {
    super(db, options as Any)
    this.#items = new Items(() => openReader(handle, options, { keys: true, values: false }), options, key)
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

  constructor(db: Db, handle: DatabaseHandle, options: IteratorOptions) {
    super(db, options as Any)
    this.#items = new Items(() => openReader(handle, options, { keys: false, values: true }), options, value)
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
