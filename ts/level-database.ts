/**
 * What abstract-level asks of an implementation, over the addon. Reads are inline native calls, unless a server may
 * keep them waiting: then they gather in {@link RemoteReads}, as asynchronous writes do in a {@link BatchWriter}. The
 * public additions of zkdb are in database.ts.
 */
import {
  type AbstractBatchOperation,
  type AbstractChainedBatch,
  AbstractLevel,
  type AbstractSublevelOptions
} from 'abstract-level'
import { BatchBuffer } from './batch-buffer.js'
import { BatchWriter, type DatabaseHandle, type WriteResult } from './batch-writer.js'
import { binding, WriteFlag } from './binding.js'
import { type Data, writeKey } from './bytes.js'
import { decode, type EncodingSource, encodeKey } from './codec.js'
import { conditionally, deliver, encodeExpectations, type OutcomeOptions, outcome } from './conditional.js'
import { assertLocation, type DatabaseOptions, nativeOptions, type OpenOptions } from './database-options.js'
import { errorFrom, notOpen } from './errors.js'
import { EntryIterator, type IteratorOptions, KeyIterator, ValueIterator } from './iterator.js'
import { Operations, openHandle } from './operations.js'
import { type PrivateOperation, packDeletes, packDeletesLater, packOperations } from './pack.js'
import { placesOf } from './places.js'
import { readHas, readHasMany, readMany, readValue, type ValueFormat } from './point-reads.js'
import { type EncodedRange, writeRange } from './range.js'
import { RemoteReads } from './remote-reads.js'
import { openSnapshotHandle, Snapshot, snapshotHandle } from './snapshot.js'
import { Sublevel } from './sublevel.js'
import { SyncWriter } from './sync-writer.js'
import type {
  BatchOperation,
  BatchOptions,
  ConditionalDelOptions,
  ConditionalPutOptions,
  DelOptions,
  PutOptions
} from './types.js'
import {
  type Conditions,
  durabilityOf,
  hasCondition,
  type PutConditions,
  type WriteOptions,
  writeFlagsOf
} from './write-options.js'

// biome-ignore lint/suspicious/noExplicitAny: the types of abstract-level leave its private part out
type Any = any

const manifest = {
  encodings: { utf8: true, buffer: true, view: true },
  implicitSnapshots: true,
  explicitSnapshots: true,
  permanence: true,
  seek: true,
  has: true,
  getSync: true,
  createIfMissing: true,
  errorIfExists: true,
  deferredOpen: true,
  streams: false,
  additionalMethods: {
    putSync: true,
    delSync: true,
    batchSync: true,
    hasSync: true,
    clearSync: true,
    getManySync: true,
    getFast: true,
    scanSync: true,
    transactionSync: true,
    partitionOf: true,
    explain: true,
    stats: true,
    checkpoint: true,
    verify: true,
    backup: true,
    compact: true
  }
}

/** Where `openSync` hands a database that it has opened to the constructor. */
export const openedHandle: unique symbol = Symbol('zkdb opened handle')

/** Options that abstract-level has encoded. */
interface PrivateOptions extends WriteOptions, Conditions, OutcomeOptions {
  keyEncoding: ValueFormat
  valueEncoding: ValueFormat
  snapshot?: Snapshot | undefined
}

/** What there is while a database is open. */
export class Opened {
  readonly handle: DatabaseHandle
  readonly writer: BatchWriter
  readonly sync: SyncWriter
  readonly operations: Operations
  /** When a partition is remote. */
  readonly remote: RemoteReads | undefined
  /** The `zkdb_write_flag` set of `clear`: over several servers there is no other way than part by part. */
  readonly clearFlags: number

  constructor(id: number) {
    this.handle = { id, guard: binding.guard(id) }
    const places = placesOf(this.handle)
    this.writer = new BatchWriter(this.handle, places)
    this.sync = new SyncWriter(this.handle, this.writer)
    this.operations = new Operations(this.handle)
    this.remote = places === undefined ? undefined : new RemoteReads(this.handle, places)
    this.clearFlags = places === undefined ? 0 : WriteFlag.nonAtomic
  }
}

/** The part of a database that Level knows. */
export class LevelDatabase<K = string, V = string> extends AbstractLevel<Uint8Array, K, V> {
  readonly #location: string
  #opened: Opened | undefined
  /** Opened by `openSync` in this turn of the event loop: abstract-level does not know yet. */
  #isEarly = false
  /** The asynchronous reads of an open database that has a remote partition. */
  protected _remote: RemoteReads | undefined

  /**
   * @param location - a configuration file or a directory, or options with `path`.
   * @throws TypeError for an option of a wrong type
   */
  constructor(location: string | OpenOptions<K, V>, options: DatabaseOptions<K, V> = {}) {
    const all = typeof location === 'object' && location !== null ? { ...location, ...options } : options
    const path = typeof location === 'object' && location !== null ? location.path : location
    assertLocation(path)
    nativeOptions(all)
    const { [openedHandle]: opened, path: _, ...forward } = all as Any
    super(manifest as Any, forward)
    this.#location = path
    if (opened === undefined) return
    this.#begin(opened as number)
    this.#isEarly = true
  }

  /** The path that the database was made with. */
  get location(): string {
    return this.#location
  }

  // ---- opening and closing

  async _open(options: object): Promise<void> {
    if (this.#isEarly) {
      this.#isEarly = false
      return
    }
    this.#begin(await openHandle(this.#location, nativeOptions(options), options))
  }

  #begin(id: number): void {
    this.#opened = new Opened(id)
    this._remote = this.#opened.remote
    // Iterators ask no server before their first read, so as not to wait for one on this thread.
    if (this._remote !== undefined) Object.assign(this.supports, { implicitSnapshots: false, snapshots: false })
  }

  /** Closes the database, when what is under way is done. */
  override close(): Promise<void> {
    // abstract-level has to know that it is open before it closes it.
    return this.#isEarly ? this.open().then(() => super.close()) : super.close()
  }

  async _close(): Promise<void> {
    const opened = this.#opened
    if (opened === undefined) return
    await opened.writer.drain()
    await opened.remote?.drain()
    await opened.operations.stop()
    this.#opened = undefined
    this._remote = undefined
    const promise = binding.close(opened.handle.id)
    if (typeof promise === 'number') return
    const result = await promise
    if (result.code !== 0) throw errorFrom(result)
  }

  /** What there is while the database is open; after `openSync` at once. */
  protected _opened(): Opened {
    const opened = this.#opened
    const { status } = this
    if (opened === undefined || status === 'closing' || status === 'closed') throw notOpen()
    return opened
  }

  /** For calls that abstract-level has checked. */
  get #ready(): Opened {
    if (this.#opened === undefined) throw notOpen()
    return this.#opened
  }

  /** Where encodings are looked up. */
  protected get _source(): EncodingSource {
    return this as Any
  }

  // ---- reading

  override getSync(key: Any, options?: Any): Any {
    if (this.status === 'open' || this.#opened === undefined) return super.getSync(key, options)
    const { handle } = this._opened()
    const encoding = this._source.valueEncoding(options?.valueEncoding)
    const size = writeKey(encodeKey(this._source.keyEncoding(options?.keyEncoding), key))
    return decode(encoding, readValue(handle.id, openSnapshotHandle(options?.snapshot, handle), size, encoding.format))
  }

  _get(key: Data, options: PrivateOptions): Data | undefined | Promise<Data | undefined> {
    if (this._remote !== undefined) {
      const found = this._remote.lookUp(key, options.valueEncoding, options.snapshot)
      if (found !== undefined) return found as Promise<Data | undefined>
    }
    return this._getSync(key, options)
  }

  _getSync(key: Data, options: PrivateOptions): Data | undefined {
    const { handle } = this.#ready
    const snapshot = options.snapshot == null ? 0 : snapshotHandle(options.snapshot, handle)
    return readValue(handle.id, snapshot, writeKey(key), options.valueEncoding)
  }

  async _getMany(keys: Data[], options: PrivateOptions): Promise<(Data | undefined)[]> {
    if (this._remote !== undefined) return this._remote.getMany(keys, options.valueEncoding, options.snapshot)
    const { handle } = this.#ready
    return readMany(handle.id, snapshotHandle(options.snapshot, handle), keys, options.valueEncoding)
  }

  async _has(key: Data, options: PrivateOptions): Promise<boolean> {
    if (this._remote !== undefined) {
      const found = this._remote.lookUp(key, 'has', options.snapshot)
      if (found !== undefined) return found as Promise<boolean>
    }
    const { handle } = this.#ready
    return readHas(handle.id, snapshotHandle(options.snapshot, handle), writeKey(key))
  }

  async _hasMany(keys: Data[], options: PrivateOptions): Promise<boolean[]> {
    if (this._remote !== undefined) return this._remote.hasMany(keys, options.snapshot)
    const { handle } = this.#ready
    return readHasMany(handle.id, snapshotHandle(options.snapshot, handle), keys)
  }

  _iterator(options: IteratorOptions): EntryIterator<this, K, V> {
    return new EntryIterator(this, this.#ready.handle, options, this._remote?.scans)
  }

  _keys(options: IteratorOptions): KeyIterator<this, K> {
    return new KeyIterator(this, this.#ready.handle, options, this._remote?.scans)
  }

  _values(options: IteratorOptions): ValueIterator<this, K, V> {
    return new ValueIterator(this, this.#ready.handle, options, this._remote?.scans)
  }

  /**
   * Pins the state of this moment. Blocks for a round trip where partitions are remote.
   *
   * @throws LEVEL_DATABASE_NOT_OPEN
   */
  override snapshot(options?: Any): Snapshot {
    if (this.status === 'open' || this.#opened === undefined) return super.snapshot(options) as Snapshot
    return this._snapshot({ owner: this, ...options })
  }

  _snapshot(options: object): Snapshot {
    return new Snapshot(options, this._opened().handle)
  }

  // ---- writing

  /**
   * Writes a record. Resolves when it is as durable as asked for.
   *
   * @param options - `durability`; `ttl`; and at most one of the conditions `ifAbsent`, `ifPresent` and `ifValue`: with
   *   one of them the call resolves to a {@link WriteResult}, otherwise to undefined.
   * @throws ZKDB_KEY_TOO_LARGE, ZKDB_VALUE_TOO_LARGE, ZKDB_READ_ONLY, ZKDB_NO_SPACE, ZKDB_IO, ZKDB_FAILED and the
   *   codes of Level
   * @example
   * const { applied } = await db.put('lock', 'me', { ifAbsent: true })
   */
  override put<Key = K, Value = V>(
    key: Key,
    value: Value,
    options: ConditionalPutOptions<Key, Value>
  ): Promise<WriteResult>
  override put(key: K, value: V): Promise<void>
  override put<Key = K, Value = V>(key: Key, value: Value, options: PutOptions<Key, Value>): Promise<void>
  override put(key: Any, value: Any, options?: Any): Promise<Any> {
    if (!hasCondition(options)) return super.put(key, value, options)
    return conditionally(this._source, options, (forward) => super.put(key, value, forward))
  }

  /**
   * Deletes a record, if it is there.
   *
   * @param options - `durability`; and the condition `ifValue`: with it the call resolves to a {@link WriteResult}.
   */
  override del<Key = K, Value = V>(key: Key, options: ConditionalDelOptions<Key, Value>): Promise<WriteResult>
  override del(key: K): Promise<void>
  override del<Key = K>(key: Key, options: DelOptions<Key>): Promise<void>
  override del(key: Any, options?: Any): Promise<Any> {
    if (!hasCondition(options)) return super.del(key, options)
    return conditionally(this._source, options, (forward) => super.del(key, forward))
  }

  /**
   * Writes many operations, all or nothing; without arguments gives a chained batch. When an operation has a
   * condition, the call resolves to a {@link WriteResult}.
   *
   * @throws ZKDB_BATCH_TOO_LARGE, ZKDB_CROSS_PARTITION and those of {@link put}
   */
  override batch(): AbstractChainedBatch<Any, K, V>
  override batch(operations: AbstractBatchOperation<Any, K, V>[]): Promise<void>
  override batch<Key = K, Value = V>(
    operations: AbstractBatchOperation<Any, Key, Value>[],
    options: BatchOptions<Key, Value>
  ): Promise<void>
  override batch<Key = K, Value = V>(
    operations: BatchOperation<Key, Value>[],
    options?: BatchOptions<Key, Value> & PutConditions<Value>
  ): Promise<WriteResult | undefined>
  override batch(...args: Any[]): Any {
    const [operations, options] = args
    if (args.length === 0) return super.batch()
    const isConditional = Array.isArray(operations) && (hasCondition(options) || operations.some(hasCondition))
    if (!isConditional) return super.batch(operations, options)
    return conditionally(this._source, options ?? {}, (forward) =>
      super.batch(encodeExpectations(this._source, operations, forward as Conditions) as Any, forward)
    )
  }

  _put(key: Data, value: Data, options: PrivateOptions): Promise<void> {
    const durability = durabilityOf(options)
    const { writer } = this.#ready
    if (options[outcome] === undefined) {
      if (options.ttl === undefined) return writer.put(key, value, durability)
      return this._batch([{ type: 'put', key, value, ttl: options.ttl }], options)
    }
    return this.#alone([{ ...options, type: 'put', key, value }], options)
  }

  _del(key: Data, options: PrivateOptions): Promise<void> {
    const durability = durabilityOf(options)
    const { writer } = this.#ready
    if (options[outcome] === undefined) return writer.del(key, durability)
    return this.#alone([{ ...options, type: 'del', key }], options)
  }

  async _batch(operations: PrivateOperation[], options: PrivateOptions): Promise<void> {
    if (operations.some(hasCondition)) return this.#alone(operations, options)
    const { writer } = this.#ready
    const durability = durabilityOf(options)
    await writer.batch((batch) => packOperations(batch, operations), durability, writeFlagsOf(options), false)
  }

  /** Writes operations with conditions, which no other caller's may join. */
  async #alone(operations: PrivateOperation[], options: PrivateOptions): Promise<void> {
    if (options[outcome] === undefined) {
      throw new TypeError('A chained batch takes no conditions: use batch([...]), put or del')
    }
    const { writer } = this.#ready
    const durability = durabilityOf(options)
    const pack = packOperations
    deliver(options, await writer.batch((batch) => pack(batch, operations), durability, writeFlagsOf(options), true))
  }

  async _clear(options: EncodedRange & PrivateOptions & { limit: number; reverse: boolean }): Promise<void> {
    const opened = this.#ready
    const durability = durabilityOf(options)
    const flags = writeFlagsOf(options) | opened.clearFlags
    if (options.limit === -1 && options.snapshot == null) {
      await opened.writer.batch((batch) => batch.addDeleteRange(writeRange(options)), durability, flags, false)
      return
    }
    // The records that are deleted are those that are there after the writes called before.
    await opened.writer.drain()
    const snapshot = snapshotHandle(options.snapshot, opened.handle)
    const { handle, remote, writer } = opened
    if (remote === undefined) {
      await writer.batch((batch) => packDeletes(batch, handle, snapshot, options), durability, flags, false)
      return
    }
    const deletes = new BatchBuffer()
    await packDeletesLater(deletes, handle, snapshot, options, remote.scans)
    await writer.batch((batch) => batch.append(deletes), durability, flags, false)
  }

  /** A section of the database with keys, encodings and events of its own. */
  override sublevel(name: string | string[]): Sublevel
  override sublevel<Key = string, Value = string>(
    name: string | string[],
    options: AbstractSublevelOptions<Key, Value>
  ): Sublevel<Key, Value>
  override sublevel(name: string | string[], options?: Any): Any {
    return super.sublevel(name, options)
  }

  _sublevel(name: string | string[], options: AbstractSublevelOptions<Any, Any>): Sublevel<Any, Any> {
    return new Sublevel(this as Any, name as string, options)
  }
}
