/**
 * Operations of Level in the packed form of a batch.
 */
import type { BatchBuffer } from './batch-buffer.js'
import type { DatabaseHandle } from './batch-writer.js'
import { Op } from './binding.js'
import type { Data } from './bytes.js'
import type { JobQueue } from './job-queue.js'
import type { EncodedRange } from './range.js'
import { RecordReader } from './record-reader.js'
import { type Conditions, delKind, expectedValue, putKind, timeOf } from './write-options.js'

/** An operation that is encoded. */
export interface PrivateOperation extends Conditions {
  type: 'put' | 'del'
  key: Data
  value?: Data | undefined
  /** What abstract-level leaves here is no part of this database. */
  sublevel?: unknown
}

/** Adds an operation to a batch. */
export function packOperation(batch: BatchBuffer, operation: PrivateOperation): void {
  if (operation.sublevel != null) {
    throw new TypeError("The option 'sublevel' of an operation must be a sublevel of the same database")
  }
  if (operation.type === 'put') {
    const kind = putKind(operation)
    const expected = kind === Op.putIfValue ? operation[expectedValue] : undefined
    batch.add(kind, operation.key, operation.value as Data, expected, timeOf(operation))
  } else {
    batch.add(delKind(operation), operation.key, operation[expectedValue] ?? '')
  }
}

/** Adds operations to a batch. */
export function packOperations(batch: BatchBuffer, operations: readonly PrivateOperation[]): void {
  for (const operation of operations) packOperation(batch, operation)
}

/** A range, from which end, and at most how many of its records; -1: all. */
export interface LimitedRange extends EncodedRange {
  reverse?: boolean | undefined
  limit: number
}

function readerOfKeys(handle: DatabaseHandle, snapshot: number, range: LimitedRange, pinLater: boolean): RecordReader {
  const { gt, gte, lt, lte, reverse } = range
  return new RecordReader(handle, {
    ...{ gt, gte, lt, lte, reverse, snapshot, pinLater },
    values: false,
    transaction: 0,
    keyFormat: 'view',
    valueFormat: 'none'
  })
}

function packChunk(batch: BatchBuffer, reader: RecordReader): void {
  for (let i = 0; i < reader.count; i++) batch.add(Op.delete, reader.key(i) as Data, '')
}

const mostRecords = ({ limit }: LimitedRange): number => (limit === -1 ? Number.POSITIVE_INFINITY : limit)

/** Adds a delete for every key of the range that is there now, or in the snapshot with this handle if it is not 0. */
export function packDeletes(batch: BatchBuffer, handle: DatabaseHandle, snapshot: number, range: LimitedRange): void {
  const reader = readerOfKeys(handle, snapshot, range, false)
  try {
    for (let left = mostRecords(range); reader.fill(left); left -= reader.count) packChunk(batch, reader)
  } finally {
    reader.close()
  }
}

/** As {@link packDeletes}, reading as `jobs` has room. */
export async function packDeletesLater(
  batch: BatchBuffer,
  handle: DatabaseHandle,
  snapshot: number,
  range: LimitedRange,
  jobs: JobQueue
): Promise<void> {
  const reader = readerOfKeys(handle, snapshot, range, true)
  try {
    for (let left = mostRecords(range); await reader.fillLater(left, jobs); left -= reader.count) {
      packChunk(batch, reader)
    }
  } finally {
    reader.close()
  }
}
