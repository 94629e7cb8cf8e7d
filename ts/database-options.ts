/**
 * The options of opening a database, and their form for the addon.
 */
import type { AbstractDatabaseOptions } from 'abstract-level'
import { typeName } from './bytes.js'
import type { Durability } from './write-options.js'

/** A size in bytes, or a number with K, M or G. */
export type Size = number | string

/**
 * Options of a database. Those that a configuration file has too go before it.
 *
 * @example
 * const db = new Database('./data', { partitions: 16, durability: 'interval', syncInterval: 100 })
 */
export interface DatabaseOptions<K, V> extends AbstractDatabaseOptions<K, V> {
  /** Hashed partitions of a directory that is new, 1..256. Default 1. An existing database keeps its own. */
  partitions?: number | undefined
  /** What an acknowledged write survives. Default `'commit'`. */
  durability?: Durability | undefined
  /** Milliseconds between the syncs of `durability: 'interval'`. */
  syncInterval?: number | undefined
  /** Bytes of a page of a new database, a power of two of 4,096..65,536. Default 4,096. */
  pageSize?: Size | undefined
  /** Bytes of a segment file of a new database, a power of two, at most 2 GiB. */
  segmentSize?: Size | undefined
  /** Bytes of a log file. */
  logFileSize?: Size | undefined
  /** Bytes of log or changed pages after which a checkpoint is written. */
  minCheckpointSize?: Size | undefined
  /** Seconds between checkpoints. */
  minCheckpointTime?: number | undefined
  /** Whether checkpoints are written by time. */
  checkpoints?: boolean | undefined
  /** Bytes that an old snapshot may keep from being used again before it expires; 0: no limit. Default 0. */
  snapshotLimit?: Size | undefined
  /** Check the whole tree at each commit: for tests. Default false. */
  verifyAll?: boolean | undefined
  /** Refuse writes. Default false. */
  readOnly?: boolean | undefined
  /**
   * Called now and then while an asynchronous open recovers what a crash left, and once at the end: bytes of log that
   * are done, and of the log files. Not called when there is nothing to recover.
   */
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined
  /** Stops the recovery: the open gives `ZKDB_ABORTED`, and the next one begins it anew. */
  signal?: AbortSignal | undefined
}

/** {@link DatabaseOptions} with the place in them. */
export interface OpenOptions<K, V> extends DatabaseOptions<K, V> {
  /** A configuration file or a directory. */
  path: string
}

type Kind = 'number' | 'size' | 'boolean' | 'string'

/** Options that go to the addon: the name here, the name there, and what it is. */
const nativeNames: readonly (readonly [option: string, native: string, kind: Kind])[] = [
  ['partitions', 'Partitions', 'number'],
  ['durability', 'Durability', 'string'],
  ['syncInterval', 'SyncInterval', 'number'],
  ['pageSize', 'PageSize', 'size'],
  ['segmentSize', 'SegmentSize', 'size'],
  ['logFileSize', 'LogFileSize', 'size'],
  ['minCheckpointSize', 'MinCheckpointSize', 'size'],
  ['minCheckpointTime', 'MinCheckpointTime', 'number'],
  ['checkpoints', 'CheckPoints', 'boolean'],
  ['snapshotLimit', 'SnapshotLimit', 'size'],
  ['verifyAll', 'VerifyAll', 'boolean'],
  ['createIfMissing', 'CreateIfMissing', 'boolean'],
  ['errorIfExists', 'ErrorIfExists', 'boolean'],
  ['readOnly', 'ReadOnly', 'boolean']
]

function matches(value: unknown, kind: Kind): boolean {
  switch (kind) {
    case 'number':
      return Number.isSafeInteger(value)
    case 'size':
      return Number.isSafeInteger(value) || typeof value === 'string'
    default:
      return typeof value === kind
  }
}

/** Names and values of the options for the addon, in turn. */
export function nativeOptions(options: object): string[] {
  const list: string[] = []
  for (const [option, native, kind] of nativeNames) {
    const value = (options as Record<string, unknown>)[option]
    if (value === undefined || value === null) continue
    if (!matches(value, kind)) {
      const wanted =
        kind === 'size' ? 'a whole number or a string as "64K"' : kind === 'number' ? 'a whole number' : `a ${kind}`
      throw new TypeError(`The option '${option}' must be ${wanted}, received ${typeName(value)} ${String(value)}`)
    }
    list.push(native, typeof value === 'boolean' ? (value ? 'Yes' : 'No') : String(value))
  }
  return list
}

/** Checks the place of a database. */
export function assertLocation(location: unknown): asserts location is string {
  if (typeof location !== 'string') {
    throw new TypeError(`The path of a database must be a string, received ${typeName(location)}`)
  }
  if (location === '') throw new TypeError('The path of a database must not be empty')
  if (location.includes('\0')) throw new TypeError('The path of a database must not have a NUL character')
}
