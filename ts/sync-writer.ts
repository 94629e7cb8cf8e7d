/**
 * Synchronous writes of one database.
 *
 * A synchronous write comes after every asynchronous write that was called before it: those that wait are written
 * first, on this thread.
 */
import { BatchBuffer } from './batch-buffer.js'
import { type BatchWriter, type DatabaseHandle, resultFromState, type WriteResult } from './batch-writer.js'
import { binding, checked, type NativePartition } from './binding.js'
import { ZkdbError } from './errors.js'

/** Databases in which a transaction of this thread is open: a write that waits for it would wait for ever. */
const inTransaction = new Set<string>()

/** What all handles of this process on the same database have in common. */
function identityOf(handle: DatabaseHandle): string {
  const partition = binding.partitionDescribe(handle.id, 0)
  if (typeof partition === 'number') return `handle ${handle.id}`
  return (partition as NativePartition).directory || `handle ${handle.id}`
}

/** The synchronous writes of one database. */
export class SyncWriter {
  readonly #handle: DatabaseHandle
  readonly #queue: BatchWriter
  /** Kept for the next write; away while a write packs, because an encoding may write in the middle of it. */
  #spare: BatchBuffer | undefined = new BatchBuffer()

  constructor(handle: DatabaseHandle, queue: BatchWriter) {
    this.#handle = handle
    this.#queue = queue
  }

  /** Writes the operations that `pack` adds, all or nothing. */
  write(pack: (batch: BatchBuffer) => void, durability: number, flags: number): WriteResult {
    this.#assertFree()
    const batch = this.#spare ?? new BatchBuffer()
    this.#spare = undefined
    try {
      batch.reset()
      pack(batch)
      this.drain()
      if (batch.size === 0) return { applied: true, sequence: 0, existed: 0 }
      checked(binding.write(this.#handle.id, batch.buffer, batch.size, durability, flags))
      return resultFromState()
    } finally {
      this.#spare = batch
    }
  }

  /** Writes what waits to be written asynchronously. */
  drain(): void {
    if (this.#queue.isBusy) this.#queue.drainSync()
  }

  /** Runs `body`, which opens a transaction, while other synchronous writes of this thread are refused. */
  exclusively<T>(body: () => T): T {
    this.#assertFree()
    this.drain()
    const identity = identityOf(this.#handle)
    inTransaction.add(identity)
    try {
      return body()
    } finally {
      inTransaction.delete(identity)
    }
  }

  #assertFree(): void {
    if (inTransaction.size === 0 || !inTransaction.has(identityOf(this.#handle))) return
    throw new ZkdbError(
      'ZKDB_INVALID',
      'A synchronous write inside transactionSync would wait for itself: use the methods of the transaction'
    )
  }
}
