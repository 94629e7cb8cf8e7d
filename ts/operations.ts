/**
 * Figures and the long operations of a database.
 */
import type { DatabaseHandle } from './batch-writer.js'
import { binding, checked, lastError, type NativePartition, type StartedJob, State, shared } from './binding.js'
import { typeName } from './bytes.js'
import { errorFrom, type NativeFailure, ZkdbError } from './errors.js'
import { type EncodedRange, writeRange } from './range.js'
import { withTlsRelay } from './tls-relay.js'

/** A partition. */
export interface PartitionInfo {
  /** The section of the configuration. */
  name: string
  /** From 0, in the order of the configuration. */
  index: number
  /** Whether it is reached through a server. */
  isRemote: boolean
  /** Where its files are; the address of the server for a remote one. */
  directory: string
  /** How keys are routed to it, for a person. */
  rule: string
}

/** Figures of one partition; of a remote one, the sums of those of the database on its server. */
export interface PartitionStats extends PartitionInfo {
  /** Why a remote partition could not be asked: the figures are then zeros. */
  error?: string
  records: number
  /** Levels of the tree; 0 when it is empty. */
  depth: number
  segments: number
  /** Bytes. */
  pageSize: number
  /** Pages of the files. */
  pagesAllocated: number
  /** Pages of these that hold nothing. */
  pagesFree: number
  /** Pages; with `full` only, as the four that follow. */
  leafPages: number
  branchPages: number
  overflowPages: number
  /** Bytes of the leaf pages that are filled. */
  leafBytesUsed: number
  /** Bytes of the branch pages that are filled. */
  branchBytesUsed: number
  /** Pages changed since the last checkpoint. */
  dirtyPages: number
  /** The last commit that changed it. */
  lastSequence: number
  checkpointSequence: number
}

/** Figures of a database. */
export interface DatabaseStats {
  partitions: PartitionStats[]
  /** The last commit. */
  sequence: number
  /** The last commit that is known to be on stable storage. */
  durableSequence: number
  /** Bytes of log since the oldest checkpoint. */
  logBytes: number
  logFiles: number
  /** Since the database was opened, as the two that follow. */
  logSyncs: number
  commits: number
  checkpoints: number
  snapshotsOpen: number
  oldestSnapshotAgeMs: number
  /** Bytes of pages that are kept for snapshots only. */
  pinnedBytes: number
  /** Bytes of page frames, log buffers and tables; without the mapped files. */
  memoryBytes: number
  /** Log records and bytes replayed when the database was opened. */
  recoveredRecords: number
  recoveredBytes: number
  /** Records that end at some time; some may have ended and not be removed yet. */
  expiring: number
  /** Records removed since the open because they had ended. */
  expired: number
  /** Writes are refused until the database is reopened. */
  failed: boolean
}

/** Options of the long operations. */
export interface OperationOptions {
  /** Called now and then, and once at the end. `total` is 0 when it is unknown. */
  onProgress?: ((progress: { done: number; total: number }) => void) | undefined
  /** Stops the operation: it rejects with `ZKDB_ABORTED`. */
  signal?: AbortSignal | undefined
}

/** What `verify` found. */
export interface VerifyResult {
  /** Whether nothing is wrong. */
  ok: boolean
  /** How many things are wrong. */
  count: number
  /** The first 1,000 of them. */
  findings: string[]
}

/** Where the records of a range are. */
export interface Explanation {
  /** Partitions that may hold some, with the estimated number of records; -1: the server could not be asked. */
  partitions: (PartitionInfo & { records: number })[]
  /** Estimated records of the partitions together. */
  records: number
  /** Whether an ordered scan merges several partitions. */
  merged: boolean
}

const progressIntervalMs = 50

/** Describes partition `index`. */
export function describePartition(handle: DatabaseHandle, index: number): PartitionInfo {
  const result = binding.partitionDescribe(handle.id, index)
  if (typeof result === 'number') throw lastError()
  return result as NativePartition
}

/** All partitions, in the order of the configuration. */
export function describePartitions(handle: DatabaseHandle): PartitionInfo[] {
  const count = checked(binding.partitionCount(handle.id))
  return Array.from({ length: count }, (_, index) => describePartition(handle, index))
}

/** Estimates the records of a range per partition, from the shape of the trees. */
export function explainRange(handle: DatabaseHandle, range: EncodedRange): Explanation {
  const { loSize, hiSize, flags } = writeRange(range)
  const partitions = describePartitions(handle)
    .map((partition) => ({
      ...partition,
      records: estimated(partition, binding.estimate(handle.id, partition.index, loSize, hiSize, flags))
    }))
    .filter((partition) => partition.records !== 0)
  const records = partitions.reduce((sum, partition) => sum + Math.max(partition.records, 0), 0)
  return { partitions, records, merged: partitions.length > 1 }
}

function estimated({ isRemote }: PartitionInfo, records: number): number {
  return isRemote ? Math.max(records, -1) : checked(records)
}

/** Reads the figures. */
export async function readStats(handle: DatabaseHandle, isFull: boolean): Promise<DatabaseStats> {
  const promise = binding.stats(handle.id, isFull ? 1 : 0)
  if (typeof promise === 'number') throw lastError()
  const result = await promise
  if (result.code !== 0) throw errorFrom(result)
  return result.stats as DatabaseStats
}

/** Checks the options of a long operation. */
export function assertOperationOptions(options: OperationOptions): void {
  const { onProgress, signal } = options
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new TypeError(`The option 'onProgress' must be a function, received ${typeName(onProgress)}`)
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`The option 'signal' must be an AbortSignal, received ${typeName(signal)}`)
  }
}

function aborted(signal: AbortSignal): ZkdbError {
  return new ZkdbError('ZKDB_ABORTED', 'The operation was aborted', { cause: signal.reason })
}

/** Long operations that run on a database; closing it stops and awaits them. */
export class Operations {
  readonly #handle: DatabaseHandle
  readonly #running = new Map<number, Promise<unknown>>()

  constructor(handle: DatabaseHandle) {
    this.#handle = handle
  }

  /** Stops what runs and waits for its end. */
  async stop(): Promise<void> {
    for (const job of this.#running.keys()) binding.jobAbort(job)
    await Promise.allSettled(this.#running.values())
  }

  /** Runs one of {@link Operation} and gives what the addon answers. */
  async run(
    kind: number,
    directory: string,
    options: OperationOptions
  ): Promise<{ code: number; findings: string[]; count: number }> {
    if (options.signal?.aborted) throw aborted(options.signal)
    const started = binding.operation(this.#handle.id, kind, directory)
    if (typeof started === 'number') throw lastError()
    const { job, promise } = started
    this.#running.set(job, promise)
    try {
      const result = await follow(started, options)
      if (result.code !== 0 && !result.count) throw errorFrom(result)
      if (result.code === 0) options.onProgress?.({ done: result.done, total: result.total })
      return { code: result.code, findings: result.findings ?? [], count: result.count ?? 0 }
    } finally {
      this.#running.delete(job)
    }
  }
}

/** Awaits a job: tells its progress meanwhile, and stops it when the signal says so. */
async function follow<Result extends NativeFailure>(
  { job, promise }: StartedJob<Result>,
  { signal, onProgress }: OperationOptions
): Promise<Result> {
  const abort = (): void => void binding.jobAbort(job)
  signal?.addEventListener('abort', abort, { once: true })
  const timer = onProgress && setInterval(() => report(job, onProgress), progressIntervalMs)
  try {
    const result = await promise
    if (signal?.aborted && result.name === 'ZKDB_ABORTED') throw aborted(signal)
    return result
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', abort)
  }
}

/** Opens a database and gives its handle; the progress is that of a recovery, of which there may be none. */
export async function openHandle(path: string, natives: string[], options: OperationOptions): Promise<number> {
  assertOperationOptions(options)
  if (options.signal?.aborted) throw aborted(options.signal)
  const started = binding.open(path, natives)
  if (typeof started === 'number') throw lastError()
  const result = await follow(started, options)
  if (result.code !== 0) throw errorFrom(result)
  if (result.total > 0) options.onProgress?.({ done: result.done, total: result.total })
  return withTlsRelay(checked(result.handle))
}

function report(job: number, onProgress: NonNullable<OperationOptions['onProgress']>): void {
  if (binding.jobProgress(job) !== 1) return
  const { state } = shared
  const [done, total] = [state[State.progressDone]!, state[State.progressTotal]!]
  if (done > 0 || total > 0) onProgress({ done, total })
}
