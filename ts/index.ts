/**
 * zkdb: a partitioned, durable, memory-mapped B+tree store for Node.js.
 */
export type { WriteResult } from './batch-writer.js'
export { Database, open, openSync } from './database.js'
export type { DatabaseOptions, OpenOptions, Size } from './database-options.js'
export { type Urgency, ZkdbError } from './errors.js'
export type { Expiry } from './expiry.js'
export type {
  DatabaseStats,
  Explanation,
  OperationOptions,
  PartitionInfo,
  PartitionStats,
  VerifyResult
} from './operations.js'
export type { MissingPart } from './range.js'
export { type Entry, type PackedChunk, type PackedScan, Scan, ScanIterator, type ScanOptions } from './scan.js'
export { Snapshot } from './snapshot.js'
export { Sublevel } from './sublevel.js'
export { Transaction } from './transaction.js'
export type {
  BatchOperation,
  BatchOptions,
  ClearOptions,
  ConditionalDelOptions,
  ConditionalPutOptions,
  DelOptions,
  PartitionOfKey,
  PutOptions
} from './types.js'
export type { DelConditions, Durability, PutConditions, WriteOptions } from './write-options.js'
