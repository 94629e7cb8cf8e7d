/**
 * What the calls of 2000 work on: a whole database, or one partition of it. Everything is synchronous.
 */
import { BatchBuffer } from './batch-buffer.js'
import { BatchWriter, type DatabaseHandle, type WriteResult } from './batch-writer.js'
import { binding, checked, lastError, Op, WriteFlag } from './binding.js'
import { typeName, writeKey } from './bytes.js'
import { assertLocation } from './database-options.js'
import { ZkdbError } from './errors.js'
import { type Logged, log, type ZkDBT } from './legacy-types.js'
import { describePartition, describePartitions } from './operations.js'
import { placesOf } from './places.js'
import { readValue } from './point-reads.js'
import { RecordReader } from './record-reader.js'
import { SyncWriter } from './sync-writer.js'
import { withTlsRelay } from './tls-relay.js'

/** A database, or one partition of it when `partition` is not -1. */
export class LegacyStore implements Logged {
  logFile: string | null = null
  readonly #partition: number
  readonly #handle: DatabaseHandle
  readonly #writer: SyncWriter
  #isOpen = true

  /**
   * @param dbfile - the configuration file, or a directory.
   * @param partition - the name of a partition, for a store of that partition alone.
   * @param isRemote - which kind of partition it has to be; a remote one must answer.
   */
  constructor(dbfile: unknown, partition?: string, isRemote = false) {
    assertLocation(dbfile)
    const id = withTlsRelay(checked(binding.openSync(dbfile, [])))
    this.#handle = { id, guard: binding.guard(id) }
    this.#writer = new SyncWriter(this.#handle, new BatchWriter(this.#handle, placesOf(this.#handle)))
    try {
      this.#partition = partition === undefined ? -1 : partitionNamed(this.#handle, partition, isRemote)
    } catch (error) {
      binding.closeSync(id)
      throw error
    }
  }

  /** Native handle. @throws ZKDB_CLOSED */
  get handle(): DatabaseHandle {
    if (!this.#isOpen) throw new ZkdbError('ZKDB_CLOSED', 'The database is closed')
    return this.#handle
  }

  get name(): string {
    const name = binding.databaseName(this.handle.id)
    if (typeof name === 'number') throw lastError()
    return name
  }

  close(): void {
    const { id } = this.handle
    this.#isOpen = false
    log(this, 'closed')
    checked(binding.closeSync(id))
  }

  activateCheckpoints(isOn: boolean): void {
    checked(binding.checkpointsActivate(this.handle.id, isOn ? 1 : 0))
  }

  /** Whether a key belongs to this store. */
  owns(key: Uint8Array): boolean {
    return this.#partition === -1 || binding.partitionOf(this.handle.id, writeKey(key)) === this.#partition
  }

  fetch(key: ZkDBT): Uint8Array | undefined {
    this.#assertOwned(key.bytes)
    return readValue(this.handle.id, 0, writeKey(key.bytes), 'buffer') as Uint8Array | undefined
  }

  /** One operation of {@link Op}. */
  write(kind: number, key: ZkDBT, data: Uint8Array): WriteResult {
    this.#assertOwned(key.bytes)
    return this.#writer.write((batch) => batch.add(kind, key.bytes, data), 0, 0)
  }

  /** All operations of a batch; over isolated partitions, partition by partition. */
  writeBatch(changes: BatchBuffer): void {
    if (changes.size === 0) return
    void this.handle
    this.#writer.write((batch) => batch.append(changes), 0, WriteFlag.nonAtomic)
  }

  /** A reader of all records of the store, in the order of keys. */
  openReader(): RecordReader {
    return new RecordReader(this.handle, {
      snapshot: 0,
      transaction: 0,
      keyFormat: 'buffer',
      valueFormat: 'buffer',
      unordered: this.#partition !== -1,
      // A partition's reader passes over the other ones, whether they answer or not.
      onMissing:
        this.#partition === -1
          ? undefined
          : ({ partition, error }) => {
              if (partition === this.#partition) throw error
            }
    })
  }

  #assertOwned(key: Uint8Array): void {
    if (this.owns(key)) return
    const { id } = this.handle
    const { name } = describePartition(this.handle, binding.partitionOf(id, writeKey(key)))
    throw new ZkdbError('ZKDB_INVALID', `The key belongs to the partition '${name}': use it, or the database`)
  }
}

function partitionNamed(handle: DatabaseHandle, name: string, isRemote: boolean): number {
  const partitions = describePartitions(handle)
  const found = partitions.find((partition) => partition.name === name)
  if (found === undefined) {
    const names = partitions.map((partition) => partition.name).join(', ')
    throw new ZkdbError('ZKDB_CONFIG', `There is no partition '${name}'. There are: ${names}`, { urgency: 'urgent' })
  }
  if (found.isRemote !== isRemote) {
    const code = found.isRemote ? 'ZKDB_REMOTE' : 'ZKDB_CONFIG'
    throw new ZkdbError(code, `The partition '${name}' is ${found.isRemote ? 'remote' : 'local'}`, {
      urgency: 'urgent'
    })
  }
  if (binding.partitionProbe(handle.id, found.index) < 0) {
    const { code, message } = lastError()
    throw new ZkdbError(code, message, { urgency: 'urgent' })
  }
  return found.index
}

/**
 * An iteration that may change records. Changes are kept back and written as one transaction when it is closed: until
 * then nobody sees them, and an abort drops them. The iteration sees the state at its start.
 */
export class LegacyCursor {
  readonly store: LegacyStore
  readonly #reader: RecordReader
  readonly #changes = new BatchBuffer()
  #current: Uint8Array | undefined

  constructor(store: LegacyStore) {
    this.store = store
    this.#reader = store.openReader()
    this.#reader.protect()
  }

  /** The next record, or undefined at the end. */
  next(): { key: Uint8Array; data: Uint8Array } | undefined {
    this.#assertOpen()
    const reader = this.#reader
    for (;;) {
      if (reader.index >= reader.count && !reader.fill(Number.POSITIVE_INFINITY)) {
        this.#current = undefined
        return undefined
      }
      const i = reader.index++
      const key = reader.key(i) as Uint8Array
      if (!this.store.owns(key)) continue
      this.#current = key
      return { key, data: reader.value(i) as Uint8Array }
    }
  }

  deleteCurrent(): void {
    this.#changes.add(Op.delete, this.#currentKey(), '')
    this.#current = undefined
  }

  updateCurrent(data: Uint8Array): void {
    this.#changes.add(Op.put, this.#currentKey(), data)
  }

  /** Writes the changes and ends the iteration. When that fails, it is open still, and can be tried again. */
  close(): void {
    this.#assertOpen()
    this.store.writeBatch(this.#changes)
    this.#reader.close()
  }

  /** Drops the changes and ends the iteration. */
  abort(): void {
    this.#assertOpen()
    this.#reader.close()
  }

  #currentKey(): Uint8Array {
    this.#assertOpen()
    if (this.#current !== undefined) return this.#current
    throw new ZkdbError('ZKDB_INVALID', 'The cursor is on no record: call GetNext first, and not after DeleteCurrent')
  }

  #assertOpen(): void {
    void this.store.handle
    if (this.#reader.isClosed) throw new ZkdbError('ZKDB_CLOSED', 'The cursor is closed')
  }
}

/** A partition of a database, as the configuration file names it. Made closed. */
abstract class LegacyPartition implements Logged {
  readonly dbfile: string
  readonly name: string
  /** While it is open. */
  store: LegacyStore | undefined

  /**
   * @param dbfile - the configuration file.
   * @param name - the section of the partition.
   */
  constructor(dbfile: string, name: string) {
    assertLocation(dbfile)
    if (typeof name !== 'string') throw new TypeError(`The name must be a string, received ${typeName(name)}`)
    this.dbfile = dbfile
    this.name = name
  }

  /** Whether it is reached through a server. */
  abstract readonly isRemote: boolean

  get logFile(): string | null {
    return this.store?.logFile ?? null
  }

  /** Opens it; a remote one is connected to. */
  open(): void {
    if (this.store !== undefined) {
      throw new ZkdbError('ZKDB_INVALID', `The partition '${this.name}' is open already`, { urgency: 'urgent' })
    }
    this.store = new LegacyStore(this.dbfile, this.name, this.isRemote)
  }

  /** The store of it while it is open. @throws ZKDB_CLOSED */
  opened(): LegacyStore {
    if (this.store !== undefined) return this.store
    const what = this.isRemote ? 'connected' : 'open'
    throw new ZkdbError('ZKDB_CLOSED', `The partition '${this.name}' is not ${what}`)
  }

  /** Closes it. It can be opened again. */
  close(): void {
    const store = this.opened()
    this.store = undefined
    store.close()
  }
}

/** A partition on this machine. */
export class ZkLocalPartition extends LegacyPartition {
  readonly isRemote = false
}

/** A partition on another server. */
export class ZkRemotePartition extends LegacyPartition {
  readonly isRemote = true
}
