/**
 * The native addon: loading it, what it exports, and the memory that it shares with JavaScript.
 *
 * A native function answers a number: 0 or more is its result, a negative one is a code of zkdb.h negated, and
 * `lastError()` has the message. Handles are integers; an old one finds nothing and gives `ZKDB_CLOSED`. Keys of point
 * calls go through the shared key buffer, values come back in the shared value buffer.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { errorFrom, type NativeFailure, type ZkdbError } from './errors.js'
import { binaryCandidates, packageRoot } from './location.js'

/** How a batch ended. */
export interface NativeWriteResult extends NativeFailure {
  sequence: number
  existed: number
  failedIndex: number
}

/** Long work, with the number by which `jobProgress` and `jobAbort` know it while it runs. */
export interface StartedJob<Result> {
  job: number
  promise: Promise<Result>
}

/** How a long operation ended. */
export interface NativeOperationResult extends NativeFailure {
  done: number
  total: number
  findings?: string[]
  count?: number
}

/** Figures, as native/addon/operation_functions.cc makes them. */
export interface NativeStats extends NativeFailure {
  stats: unknown
}

/** What look-ups on the thread pool found: with a code, the first `done` keys are answered all the same. */
export interface NativeLookups extends NativeFailure {
  done: number
  /** Bytes that the value of the key after them needs, when it does not fit. */
  needed: number
  isAscii: boolean
}

/** A chunk that was read on the thread pool; `used` is also the size of a record that does not fit. */
export interface NativeChunk extends NativeFailure {
  used: number
  count: number
  isDone: boolean
  isAscii: boolean
}

/** Keys one behind the other, and where each begins and the last one ends. */
type Lookups = [db: number, snapshot: number, keys: Uint8Array, offsets: Uint32Array, count: number]
/** The same, with room for the values and for their sizes. */
type ValueLookups = [...Lookups, buffer: Uint8Array, sizes: Uint32Array]

/** The functions of the addon; see native/addon. Numbers not named otherwise are handles. */
export interface Binding {
  registerBuffers(keys: Uint8Array, values: Uint8Array, state: Float64Array): number
  lastError(): NativeFailure
  version(): {
    version: string
    abi: number
    maxPartitions: number
    maxKeySize: number
    maxValueSize: number
    maxBatchSize: number
  }

  openSync(path: string, options: string[]): number
  open(
    path: string,
    options: string[]
  ): StartedJob<NativeFailure & { handle: number; done: number; total: number }> | number
  close(db: number): Promise<NativeFailure> | number
  closeSync(db: number): number
  guard(handle: number): object

  get(db: number, keySize: number): number
  getAt(db: number, snapshot: number, keySize: number): number
  expiry(db: number, snapshot: number, keySize: number): number
  getInto(db: number, snapshot: number, keySize: number, buffer: Uint8Array): number
  getText(db: number, snapshot: number, keySize: number): string | number
  has(db: number, snapshot: number, keySize: number): number
  getMany(...lookups: ValueLookups): number
  hasMany(...lookups: [...Lookups, found: Uint8Array]): number
  partitionOf(db: number, keySize: number): number
  getManyAsync(...lookups: ValueLookups): Promise<NativeLookups> | number
  expiryManyAsync(...lookups: [...Lookups, times: Float64Array]): Promise<NativeLookups> | number

  write(db: number, batch: Uint8Array, size: number, durability: number, flags: number): number
  writeAsync(
    db: number,
    batch: Uint8Array,
    size: number,
    durability: number,
    flags: number
  ): Promise<NativeWriteResult> | number
  flush(db: number): number

  txnBegin(db: number): number
  txnGet(txn: number, keySize: number, buffer: Uint8Array): number
  txnWrite(txn: number, batch: Uint8Array, size: number): number
  txnCommit(txn: number, durability: number): number
  txnAbort(txn: number): number

  /** @param isLocal - 1: of the local partitions alone, without waiting for servers. */
  snapshotOpen(db: number, isLocal: number): number
  snapshotSequence(snapshot: number): number
  snapshotClose(snapshot: number): number

  cursorOpen(
    db: number,
    snapshot: number,
    txn: number,
    loSize: number,
    hiSize: number,
    rangeFlags: number,
    scanFlags: number
  ): number
  cursorNext(cursor: number, chunk: Uint8Array, offsets: Uint32Array, maxRecords: number): number
  cursorNextAsync(
    cursor: number,
    chunk: Uint8Array,
    offsets: Uint32Array,
    maxRecords: number
  ): Promise<NativeChunk> | number
  cursorIsRemote(cursor: number): number
  cursorSeek(cursor: number, keySize: number): number
  cursorClose(cursor: number): number
  estimate(db: number, partition: number, loSize: number, hiSize: number, rangeFlags: number): number

  partitionCount(db: number): number
  partitionDescribe(db: number, index: number): NativePartition | number
  databaseName(db: number): string | number
  checkpointsActivate(db: number, on: number): number
  stats(db: number, flags: number): Promise<NativeStats> | number
  operation(db: number, kind: number, directory: string): StartedJob<NativeOperationResult> | number
  jobProgress(job: number): number
  jobAbort(job: number): number

  cursorMissing(cursor: number, index: number): number
  partitionProbe(db: number, index: number): number
  remoteCount(db: number): number

  /** The number with which the relay for TLS is to be started now; 0: none is needed, or it was started. */
  tlsRelayWanted(): number
  /** In the relay's thread: has every socket that is passed to it given to `take`, its owner from then on. */
  tlsRelayServe(relay: number, take: (socket: number) => void): number
  /** In the thread that started it. */
  tlsRelayEnded(relay: number): number
}

/** A partition as the addon describes it. */
export interface NativePartition {
  name: string
  index: number
  isRemote: boolean
  directory: string
  rule: string
}

/** Codes of zkdb.h that the TypeScript layer looks at, negated as the addon answers them. */
export const Code = {
  notFound: -1,
  bufferTooSmall: -2
} as const

/** Codes after which nothing was written because of one operation: its neighbours may still be. */
export const validationCodes: ReadonlySet<number> = new Set([10, 11, 12, 13, 51, 52])

/** The code of a batch that spans isolated partitions. */
export const crossPartitionCode = 51

/** Kinds of operations of a batch: `zkdb_op`. */
export const Op = {
  put: 1,
  delete: 2,
  deleteRange: 3,
  putIfAbsent: 4,
  putIfPresent: 5,
  putIfValue: 6,
  deleteIfValue: 7
} as const

/** `zkdb_put_flag`. */
export const PutFlag = { expires: 1 } as const

/** `zkdb_range_flag`. */
export const RangeFlag = { hasHi: 1, loExclusive: 2, hiInclusive: 4 } as const

/** `zkdb_scan_flag`. */
export const ScanFlag = { reverse: 1, noKeys: 2, noValues: 4, unordered: 8, partial: 16, pinLater: 32 } as const

/** `zkdb_write_flag`. */
export const WriteFlag = { nonAtomic: 1 } as const

/** The long operations, as native/addon/operation_functions.cc numbers them. */
export const Operation = { sync: 0, checkpoint: 1, check: 2, backup: 3, compact: 4 } as const

/** Places in {@link shared}`.state`, as native/addon/environment.h numbers them. */
export const State = {
  needed: 0,
  used: 1,
  sequence: 2,
  existed: 3,
  failedIndex: 4,
  done: 5,
  ascii: 6,
  progressDone: 7,
  progressTotal: 8,
  time: 9
} as const

const stateSize = 16

function load(): Binding {
  const root = packageRoot()
  const require = createRequire(join(root, 'package.json'))
  const tried: string[] = []
  const causes: unknown[] = []
  for (const file of binaryCandidates(root)) {
    try {
      return require(file) as Binding
    } catch (error) {
      const [reason] = (error as Error).message.split('\n')
      tried.push(`  ${file}: ${(error as { code?: string }).code === 'MODULE_NOT_FOUND' ? 'not there' : reason}`)
      causes.push(error)
    }
  }
  throw new Error(
    `The native addon of zkdb could not be loaded on ${process.platform}-${process.arch}. Tried:\n` +
      `${tried.join('\n')}\n` +
      `To build it (g++ 12 or clang 14, make, python3): cd ${root} && npm run build:native`,
    { cause: new AggregateError(causes) }
  )
}

/** The addon of this environment. */
export const binding: Binding = load()

/** Limits of keys, values and batches, in bytes. */
export const limits = binding.version()

/** Room for two keys: a range has two bounds, and a string takes up to three bytes per UTF-16 unit. */
const keyBufferSize = 5 * (limits.maxKeySize + 1)

/** Values up to this size go through the shared buffer, bigger ones through a buffer of their own. */
const valueBufferSize = 1 << 20

/** Views of `getFast` up to this size are made once. */
export const cachedViewSize = 4096

/** The memory that the addon knows. */
interface Shared {
  /** Never given out. */
  keys: Buffer
  /** What `getFast` gives is a view on it. */
  values: Buffer
  /** Views on `values`, by size. */
  views: (Buffer | undefined)[]
  state: Float64Array
}

const sharedKey = Symbol.for('zkdb shared memory')

function sharedMemory(): Shared {
  const holder = binding as { [sharedKey]?: Shared }
  holder[sharedKey] ??= {
    keys: Buffer.allocUnsafeSlow(keyBufferSize),
    values: Buffer.alloc(0),
    views: [],
    state: new Float64Array(stateSize)
  }
  return holder[sharedKey]
}

/**
 * The memory that the addon knows. A thread has one addon and one such memory, though a program may load this package
 * in both module formats.
 */
export const shared: Shared = sharedMemory()

/**
 * Makes the shared value buffer and registers the shared memory. Needed again when somebody detached the buffer by
 * transferring the memory of a `getFast` result to another thread: then its length is 0, which callers check before
 * each native call that fills it.
 */
export function registerShared(): void {
  shared.values = Buffer.allocUnsafeSlow(valueBufferSize)
  shared.views = new Array<Buffer | undefined>(cachedViewSize + 1).fill(undefined)
  binding.registerBuffers(shared.keys, shared.values, shared.state)
}

if (shared.values.length === 0) registerShared()

/** The error of the last native call that answered a negative number. */
export function lastError(): ZkdbError {
  return errorFrom(binding.lastError())
}

/** Throws the last error when `result` is negative, else returns it. */
export function checked(result: number): number {
  if (result < 0) throw lastError()
  return result
}
