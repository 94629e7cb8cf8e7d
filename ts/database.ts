/**
 * `Database`: Level's database with the calls that zkdb adds: synchronous twins, bulk reads, scans, transactions,
 * figures and operations. `open` and `openSync` open one.
 */

import type { WriteResult } from './batch-writer.js'
import { binding, checked, lastError, Operation } from './binding.js'
import { type Data, typeName, writeKey } from './bytes.js'
import { decode, type Encoding, encodeKey } from './codec.js'
import { assertLocation, type DatabaseOptions, nativeOptions, type OpenOptions } from './database-options.js'
import { LevelDatabase, openedHandle } from './level-database.js'
import {
  assertOperationOptions,
  type DatabaseStats,
  describePartition,
  describePartitions,
  type Explanation,
  explainRange,
  type OperationOptions,
  type PartitionInfo,
  readStats,
  type VerifyResult
} from './operations.js'
import { readExpiry, readFast, readHas, readMany } from './point-reads.js'
import { Scan, type ScanOptions } from './scan.js'
import { openSnapshotHandle, type Snapshot } from './snapshot.js'
import { SyncCalls } from './sync-calls.js'
import { withTlsRelay } from './tls-relay.js'
import { assertFunction, runTransaction, Transaction } from './transaction.js'
import type {
  BatchOperation,
  BatchOptions,
  ClearOptions,
  DelOptions,
  GetManyOptions,
  PartitionOfKey,
  PutOptions
} from './types.js'
import { type DelConditions, durabilityOf, type PutConditions, type WriteOptions } from './write-options.js'

/**
 * A database: an `AbstractLevel` of https://github.com/Level/abstract-level with zkdb's additions. It opens by itself,
 * and every asynchronous call waits for that.
 *
 * A synchronous write comes after all asynchronous writes that were called before it.
 *
 * @example
 * const db = new Database('./data', { valueEncoding: 'json' })
 * await db.put('user:1', { name: 'Ann' })
 */
export class Database<K = string, V = string> extends LevelDatabase<K, V> {
  readonly #keyEncoding: Encoding
  readonly #calls: SyncCalls

  /**
   * @param location - a configuration file or a directory, or options with `path`.
   * @throws TypeError for an option of a wrong type
   */
  constructor(location: string | OpenOptions<K, V>, options?: DatabaseOptions<K, V>) {
    super(location, options)
    this.#keyEncoding = this._source.keyEncoding()
    this.#calls = new SyncCalls(this, () => this._opened())
  }

  /** The logical name (`Database`) of the configuration. @throws LEVEL_DATABASE_NOT_OPEN */
  get name(): string {
    const name = binding.databaseName(this._opened().handle.id)
    if (typeof name === 'number') throw lastError()
    return name
  }

  // ---- reading

  /**
   * The value of a key as a view on a buffer that is used again: valid until the next call of zkdb in this thread, and
   * the same object for values of the same length. Copy it, or take what you need at once.
   *
   * @param key - in the database's key encoding.
   * @returns the bytes, whatever the value encoding is; undefined when the key is not there.
   * @throws LEVEL_DATABASE_NOT_OPEN, LEVEL_INVALID_KEY, ZKDB_KEY_TOO_LARGE, ZKDB_CORRUPT, ZKDB_IO
   * @example
   * const length = db.getFast('a')?.length
   */
  getFast(key: K): Uint8Array | undefined {
    const { handle } = this._opened()
    return readFast(handle.id, writeKey(encodeKey(this.#keyEncoding, key)))
  }

  /**
   * Whether a key is there.
   *
   * @throws LEVEL_DATABASE_NOT_OPEN, LEVEL_INVALID_KEY, ZKDB_KEY_TOO_LARGE, ZKDB_CORRUPT, ZKDB_IO
   */
  hasSync<Key = K>(key: Key, options: GetManyOptions<Key, V> = {}): boolean {
    const { handle } = this._opened()
    const encoded = encodeKey(this._source.keyEncoding(options.keyEncoding), key)
    return readHas(handle.id, openSnapshotHandle(options.snapshot, handle), writeKey(encoded))
  }

  /**
   * When a record ends.
   *
   * @returns milliseconds since 1970, null when it never ends, undefined when the key is not there.
   * @throws LEVEL_DATABASE_NOT_OPEN, LEVEL_INVALID_KEY, ZKDB_KEY_TOO_LARGE, ZKDB_CORRUPT, ZKDB_IO
   * @example
   * db.putSync('session', 'me', { ttl: 60_000 })
   * const end = db.getExpirySync('session')
   */
  getExpirySync<Key = K>(key: Key, options: GetManyOptions<Key, V> = {}): number | null | undefined {
    const { handle } = this._opened()
    const encoded = encodeKey(this._source.keyEncoding(options.keyEncoding), key)
    return readExpiry(handle.id, openSnapshotHandle(options.snapshot, handle), writeKey(encoded))
  }

  /** As {@link getExpirySync}. */
  async getExpiry<Key = K>(key: Key, options: GetManyOptions<Key, V> = {}): Promise<number | null | undefined> {
    if (this.status === 'opening') await this.deferAsync(async () => undefined)
    if (this._remote !== undefined) {
      const { handle } = this._opened()
      const encoded = encodeKey(this._source.keyEncoding(options.keyEncoding), key)
      openSnapshotHandle(options.snapshot, handle)
      const found = this._remote.lookUp(encoded, 'expiry', options.snapshot as Snapshot | undefined)
      if (found !== undefined) return found as Promise<number | null | undefined>
    }
    return this.getExpirySync(key, options)
  }

  /**
   * Reads many values with one native call, whose searches overlap: several times faster than one `getSync` per key.
   *
   * @returns a value per key, in the order of the keys; undefined where the key is not there.
   * @throws LEVEL_DATABASE_NOT_OPEN, LEVEL_INVALID_KEY, LEVEL_DECODE_ERROR, ZKDB_KEY_TOO_LARGE, ZKDB_CORRUPT, ZKDB_IO
   * @example
   * const [a, b] = db.getManySync(['a', 'b'])
   */
  getManySync<Key = K, Value = V>(keys: Key[], options: GetManyOptions<Key, Value> = {}): (Value | undefined)[] {
    const { handle } = this._opened()
    if (!Array.isArray(keys)) throw new TypeError(`The keys must be an array, received ${typeName(keys)}`)
    const keyEncoding = this._source.keyEncoding(options.keyEncoding)
    const encoding = this._source.valueEncoding(options.valueEncoding)
    const snapshot = openSnapshotHandle(options.snapshot, handle)
    const encoded = keys.map((key) => encodeKey(keyEncoding, key))
    const values: unknown[] = readMany(handle.id, snapshot, encoded, encoding.format)
    if (encoding.name !== encoding.format) {
      for (let i = 0; i < values.length; i++) values[i] = decode(encoding, values[i] as Data | undefined)
    }
    return values as (Value | undefined)[]
  }

  /**
   * Scans a range synchronously.
   *
   * @returns something to iterate over, any number of times; `chunks()` is the fastest form.
   * @throws LEVEL_DATABASE_NOT_OPEN
   * @example
   * for (const [key, value] of db.scanSync({ gte: 'a', limit: 10 })) console.log(key, value)
   */
  scanSync<Key = K, Value = V>(range: ScanOptions<Key> = {}): Scan<Key, Value> {
    const { handle } = this._opened()
    if (typeof range !== 'object' || range === null) {
      throw new TypeError(`The range must be an object, received ${typeName(range)}`)
    }
    return new Scan<Key, Value>(this._source, handle, range, 0, () => void this._opened())
  }

  // ---- writing

  /**
   * As `put`, but blocks until the record is as durable as asked for. Prewrite hooks cannot run: with one installed
   * the call throws.
   *
   * @returns a {@link WriteResult} when there is a condition, else undefined.
   * @throws LEVEL_DATABASE_NOT_OPEN, LEVEL_NOT_SUPPORTED, and those of `put`
   */
  putSync<Key = K, Value = V>(
    key: Key,
    value: Value,
    options: PutOptions<Key, Value> & PutConditions<Value> = {}
  ): WriteResult | undefined {
    return this.#calls.put(key, value, options)
  }

  /** As `del`, but blocks. See {@link putSync}. */
  delSync<Key = K, Value = V>(key: Key, options: DelOptions<Key> & DelConditions<Value> = {}): WriteResult | undefined {
    return this.#calls.del(key, options)
  }

  /**
   * As `batch([...])`, but blocks. The cheapest way to write many records. See {@link putSync}.
   *
   * @returns a {@link WriteResult} when an operation has a condition, else undefined.
   * @example
   * db.batchSync([{ type: 'put', key: 'a', value: '1' }, { type: 'del', key: 'b' }], { durability: 'none' })
   */
  batchSync<Key = K, Value = V>(
    operations: BatchOperation<Key, Value>[],
    options: BatchOptions<Key, Value> & PutConditions<Value> = {}
  ): WriteResult | undefined {
    return this.#calls.batch(operations as object[], options)
  }

  /** As `clear`, but blocks. Without `limit` and `snapshot` whole subtrees are cut off. See {@link putSync}. */
  clearSync<Key = K>(options: ClearOptions<Key> = {}): void {
    this.#calls.clear(options)
  }

  /**
   * Runs `body` in a read-write transaction over the local partitions. It commits when `body` returns and rolls back
   * when it throws. Other writers wait meanwhile, readers do not. Synchronous writes of the same database are refused
   * inside; asynchronous ones come after the commit.
   *
   * @param body - gets the {@link Transaction}; must not be asynchronous.
   * @returns what `body` returns.
   * @throws LEVEL_DATABASE_NOT_OPEN, ZKDB_REMOTE, ZKDB_NO_SPACE, ZKDB_IO, ZKDB_FAILED, TypeError for an async function
   * @example
   * db.transactionSync((tx) => {
   *   const balance = Number(tx.get('a') ?? 0)
   *   tx.put('a', String(balance + 1))
   * })
   */
  transactionSync<T>(body: (transaction: Transaction<K, V>) => T, options: WriteOptions = {}): T {
    const { handle, sync } = this._opened()
    assertFunction(body)
    const durability = durabilityOf(options)
    return sync.exclusively(() => runTransaction(new Transaction<K, V>(this._source, handle), body, durability))
  }

  // ---- partitions and figures

  /** The partition that a key belongs to. @throws LEVEL_DATABASE_NOT_OPEN, LEVEL_INVALID_KEY */
  partitionOf<Key = K>(key: Key, options: { keyEncoding?: string | object } = {}): PartitionOfKey {
    const { handle } = this._opened()
    const size = writeKey(encodeKey(this._source.keyEncoding(options.keyEncoding), key))
    const { name, index, isRemote } = describePartition(handle, checked(binding.partitionOf(handle.id, size)))
    return { name, index, isRemote }
  }

  /** All partitions, in the order of the configuration. */
  partitions(): PartitionInfo[] {
    return describePartitions(this._opened().handle)
  }

  /**
   * Which partitions hold records of a range, and about how many, from the shape of the trees.
   *
   * @throws LEVEL_DATABASE_NOT_OPEN, ZKDB_CORRUPT, ZKDB_IO
   */
  explain<Key = K>(range: Pick<ScanOptions<Key>, 'gt' | 'gte' | 'lt' | 'lte' | 'keyEncoding'> = {}): Explanation {
    const { handle } = this._opened()
    const encoding = this._source.keyEncoding(range.keyEncoding)
    const bound = (key: Key | undefined): Data | undefined => (key === undefined ? undefined : encoding.encode(key))
    return explainRange(handle, {
      gt: bound(range.gt),
      gte: bound(range.gte),
      lt: bound(range.lt),
      lte: bound(range.lte)
    })
  }

  /**
   * Figures of the database and its partitions.
   *
   * @param options - `full`: also count pages and their fill, which walks the trees. Default false.
   */
  async stats(options: { full?: boolean } = {}): Promise<DatabaseStats> {
    await this.#awaitOpen()
    return readStats(this._opened().handle, Boolean(options.full))
  }

  // ---- operations

  /** Makes every commit so far durable, whatever durability it was written with. */
  async sync(): Promise<void> {
    await this.#operate(Operation.sync, '', {})
  }

  /** Writes a checkpoint of every partition that changed. */
  async checkpoint(): Promise<void> {
    await this.#operate(Operation.checkpoint, '', {})
  }

  /** Turns periodic checkpoints on or off; those by size go on in any case. */
  activateCheckpoints(isOn: boolean): void {
    checked(binding.checkpointsActivate(this._opened().handle.id, isOn ? 1 : 0))
  }

  /**
   * Reads every page and checks checksums, order, reachability, free space and routing.
   *
   * @returns what is wrong. It does not throw for that.
   * @throws ZKDB_ABORTED, ZKDB_IO, LEVEL_DATABASE_NOT_OPEN
   */
  async verify(options: OperationOptions = {}): Promise<VerifyResult> {
    const { count, findings } = await this.#operate(Operation.check, '', options)
    return { ok: count === 0, count, findings }
  }

  /**
   * Writes a consistent copy into a directory that is new or empty, while the database is in use.
   *
   * @throws ZKDB_EXISTS, ZKDB_NO_SPACE, ZKDB_IO, ZKDB_ABORTED, LEVEL_DATABASE_NOT_OPEN
   */
  async backup(directory: string, options: OperationOptions = {}): Promise<void> {
    assertLocation(directory)
    await this.#operate(Operation.backup, directory, options)
  }

  /** Packs the records into as few pages as they need and gives the rest of the files back. */
  async compact(options: OperationOptions = {}): Promise<void> {
    await this.#operate(Operation.compact, '', options)
  }

  async #operate(
    kind: number,
    directory: string,
    options: OperationOptions
  ): Promise<{ findings: string[]; count: number }> {
    assertOperationOptions(options)
    await this.#awaitOpen()
    const { operations, writer } = this._opened()
    // What was written before this call is part of it.
    if (writer.isBusy) await writer.drain()
    return operations.run(kind, directory, options)
  }

  async #awaitOpen(): Promise<void> {
    if (this.status === 'opening') await this.deferAsync(async () => undefined)
  }
}

function optionsOf<K, V>(location: string | OpenOptions<K, V>): OpenOptions<K, V> {
  return typeof location === 'object' && location !== null ? location : { path: location }
}

/**
 * Opens a database.
 *
 * @param location - a configuration file, a directory, or options with `path`.
 * @returns the database, open.
 * @throws ZkdbError with the code of what is wrong: ZKDB_CONFIG, ZKDB_LOCKED, ZKDB_MISSING, ZKDB_EXISTS, ZKDB_CORRUPT,
 *   ZKDB_NOT_ZKDB, ZKDB_VERSION, ZKDB_SEGMENT_MISSING, ZKDB_MISMATCH, ZKDB_IO, ZKDB_NO_SPACE. (`new Database()` and its
 *   `open()` give what Level gives, LEVEL_DATABASE_NOT_OPEN with that error as `cause`.)
 * @example
 * const db = await open({ path: './data', partitions: 16 })
 */
export async function open<K = string, V = string>(location: string | OpenOptions<K, V>): Promise<Database<K, V>> {
  const db = new Database<K, V>(optionsOf(location))
  try {
    await db.open()
  } catch (error) {
    throw (error as Error).cause ?? error
  }
  return db
}

/**
 * Opens a database and blocks meanwhile. The synchronous calls and `snapshot` work at once; `status` is `'opening'`
 * until the end of the current turn of the event loop, and asynchronous calls wait for that by themselves.
 *
 * @param location - a configuration file, a directory, or options with `path`.
 * @throws as {@link open}
 * @example
 * const db = openSync('app.conf')
 * db.putSync('a', '1')
 */
export function openSync<K = string, V = string>(location: string | OpenOptions<K, V>): Database<K, V> {
  const options = optionsOf(location)
  assertLocation(options.path)
  const id = withTlsRelay(checked(binding.openSync(options.path, nativeOptions(options))))
  try {
    return new Database<K, V>({ ...options, [openedHandle]: id } as OpenOptions<K, V>)
  } catch (error) {
    binding.closeSync(id)
    throw error
  }
}
