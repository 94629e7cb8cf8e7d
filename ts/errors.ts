/**
 * The errors of zkdb. Codes are stable, messages are for people and may change.
 */

/** How bad an error is: `urgent` when opening or closing failed or the database needs recovery. */
export type Urgency = 'regular' | 'urgent'

/** Further facts about a {@link ZkdbError}. */
export interface ZkdbErrorOptions {
  /** Default `'regular'`. */
  urgency?: Urgency | undefined
  /** What caused it. */
  cause?: unknown
}

/**
 * Everything that can go wrong in zkdb, apart from misuse, which throws a `TypeError`.
 *
 * | code | meaning |
 * |---|---|
 * | `ZKDB_INVALID` | an argument is out of its range or of the wrong form |
 * | `ZKDB_KEY_TOO_LARGE` | a key of more than 65,535 bytes |
 * | `ZKDB_VALUE_TOO_LARGE` | a value of more than 1 GiB |
 * | `ZKDB_BATCH_TOO_LARGE` | a batch of more than 2 GiB less 16 MiB |
 * | `ZKDB_CLOSED` | the database, transaction or other handle is closed |
 * | `ZKDB_READ_ONLY` | opened read-only, or the file system refuses writes |
 * | `ZKDB_CONFIG` | the configuration is wrong; nothing was touched |
 * | `ZKDB_LOCKED` | another process has the database open |
 * | `ZKDB_EXISTS`, `ZKDB_MISSING` | `errorIfExists` and it is there; `createIfMissing: false` and it is not |
 * | `ZKDB_CORRUPT`, `ZKDB_NOT_ZKDB`, `ZKDB_VERSION` | the files are damaged, foreign, or of a newer format |
 * | `ZKDB_SEGMENT_MISSING`, `ZKDB_MISMATCH` | a file is gone; files of different databases or times lie together |
 * | `ZKDB_IO`, `ZKDB_NO_SPACE`, `ZKDB_NO_MEMORY` | a system call failed; the disk is full; out of memory |
 * | `ZKDB_FAILED` | an earlier write failed: writes are refused until the database is reopened |
 * | `ZKDB_SNAPSHOT_EXPIRED` | the snapshot passed `snapshotLimit`, or a server has lost its part of it |
 * | `ZKDB_CROSS_PARTITION` | a batch spans isolated partitions or servers and `nonAtomic` was not given |
 * | `ZKDB_REMOTE` | not available on a database with a remote partition, as transactions |
 * | `ZKDB_ABORTED` | an AbortSignal stopped the operation |
 * | `ZKDB_UNREACHABLE` | remote: there is no connection to the server, or it was lost; the call changed nothing |
 * | `ZKDB_UNKNOWN_OUTCOME` | remote: a write was sent and no answer came; it may have been carried out, or not |
 * | `ZKDB_TIMEOUT` | remote: no answer within the call's deadline; the call changed nothing |
 * | `ZKDB_BUSY` | remote: too many calls wait for the server; nothing was sent |
 * | `ZKDB_AUTH` | remote: the server refuses the login, or what the user may not do |
 * | `ZKDB_PROTOCOL` | remote: the server sent bytes that are no reply, or a reply above the limits |
 * | `ZKDB_SERVER` | remote: the server's own error, in its words |
 * | `LEVEL_DATABASE_NOT_OPEN` | the database is not open, or failed to open (then `cause` says why) |
 * | `LEVEL_NOT_SUPPORTED` | not possible in this state, as a synchronous write while a prewrite hook is installed |
 *
 * @example
 * try {
 *   await open('app.conf')
 * } catch (error) {
 *   if (error instanceof ZkdbError && error.code === 'ZKDB_LOCKED') console.error(error.message)
 * }
 */
export class ZkdbError extends Error {
  /** The stable code. */
  readonly code: string
  /** `urgent` when opening or closing failed or the database needs recovery. */
  readonly urgency: Urgency

  constructor(code: string, message: string, options: ZkdbErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.urgency = options.urgency ?? 'regular'
  }

  override get name(): string {
    return 'ZkdbError'
  }
}

/** A failure as the addon describes it. */
export interface NativeFailure {
  code: number
  name?: string
  message?: string
  urgent?: boolean
}

/** The error for a failure that the addon describes. */
export function errorFrom(failure: NativeFailure, options: ZkdbErrorOptions = {}): ZkdbError {
  const code = failure.name ?? 'ZKDB_UNKNOWN'
  const urgency = failure.urgent ? 'urgent' : 'regular'
  return new ZkdbError(code, failure.message || `${code} without a message`, { urgency, ...options })
}

/** The error of a call on a database that is not open. */
export function notOpen(): ZkdbError {
  return new ZkdbError('LEVEL_DATABASE_NOT_OPEN', 'Database is not open')
}
