/**
 * `transactionSync`: a read-write transaction over the local partitions.
 */
import { BatchBuffer } from './batch-buffer.js'
import { type DatabaseHandle, resultFromState, type WriteResult } from './batch-writer.js'
import { binding, Code, checked, lastError, Op, State, shared } from './binding.js'
import { type Data, typeName, writeKey } from './bytes.js'
import { decode, type EncodingOption, type EncodingSource, encodeKey, encodeValue } from './codec.js'
import { ZkdbError } from './errors.js'
import type { Expiry } from './expiry.js'
import { assertShared } from './point-reads.js'
import { Scan, type ScanOptions } from './scan.js'
import {
  type Conditions,
  type DelConditions,
  delKind,
  expectedValue,
  hasCondition,
  type PutConditions,
  putKind,
  timeOf,
  withExpectedValue
} from './write-options.js'

/** Encodings of one call. Default: those of the database. */
export interface EncodingOptions {
  keyEncoding?: EncodingOption
  valueEncoding?: EncodingOption
}

/**
 * What `transactionSync` gives its callback. It sees its own writes; nobody else does before the commit. Valid until
 * the callback returns.
 */
export class Transaction<K = string, V = string> {
  readonly #source: EncodingSource
  readonly #handle: DatabaseHandle
  readonly #batch = new BatchBuffer()
  #id: number

  /** @internal */
  constructor(source: EncodingSource, handle: DatabaseHandle) {
    this.#source = source
    this.#handle = handle
    this.#id = checked(binding.txnBegin(handle.id))
  }

  /** The value of a key, or undefined. @throws ZKDB_CLOSED after the callback has returned */
  get(key: K, options: EncodingOptions = {}): V | undefined {
    const encoding = this.#source.valueEncoding(options.valueEncoding)
    const bytes = this.#read(key, options)
    if (bytes === undefined) return undefined
    const data = encoding.format === 'utf8' ? bytes.toString('utf8') : Buffer.from(bytes)
    return decode(encoding, data) as V
  }

  /** Whether a key is there. */
  has(key: K, options: EncodingOptions = {}): boolean {
    return this.#read(key, options) !== undefined
  }

  /** Writes a record. With a condition the answer says whether it was written. */
  put(key: K, value: V, options: EncodingOptions & PutConditions<V> & Expiry = {}): WriteResult {
    const valueEncoding = this.#source.valueEncoding(options.valueEncoding)
    const conditions: Conditions = hasCondition(options as Conditions)
      ? withExpectedValue(options, this.#source)
      : options
    return this.#write(putKind(conditions), this.#key(key, options), encodeValue(valueEncoding, value), conditions)
  }

  /** Deletes a record, if it is there. With a condition the answer says whether it was deleted. */
  del(key: K, options: EncodingOptions & DelConditions<V> = {}): WriteResult {
    const conditions: Conditions = withExpectedValue(options, this.#source)
    const kind = delKind(conditions)
    return this.#write(kind, this.#key(key, options), conditions[expectedValue] ?? '', {})
  }

  /** The records of a range, as the transaction sees them. The option `snapshot` is not possible here. */
  scan(range: ScanOptions<K> = {}): Scan<K, V> {
    this.#assertOpen()
    if (range.snapshot) throw new TypeError("A scan in a transaction takes no option 'snapshot'")
    return new Scan<K, V>(this.#source, this.#handle, range, this.#id, () => this.#assertOpen())
  }

  /** @internal Commits. The transaction is over in any case. */
  commit(durability: number): WriteResult {
    const id = this.#end()
    checked(binding.txnCommit(id, durability))
    return resultFromState()
  }

  /** @internal Rolls back, when it is not over already. */
  abort(): void {
    if (this.#id !== 0) binding.txnAbort(this.#end())
  }

  #end(): number {
    this.#assertOpen()
    const id = this.#id
    this.#id = 0
    return id
  }

  #assertOpen(): void {
    if (this.#id === 0) throw new ZkdbError('ZKDB_CLOSED', 'The transaction is over: its callback has returned')
  }

  #key(key: K, options: EncodingOptions): Data {
    this.#assertOpen()
    return encodeKey(this.#source.keyEncoding(options.keyEncoding), key)
  }

  /** The value in the shared buffer or one of its own, valid until the next call. */
  #read(key: K, options: EncodingOptions): Buffer | undefined {
    const size = writeKey(this.#key(key, options))
    assertShared()
    let buffer = shared.values
    let result = binding.txnGet(this.#id, size, buffer)
    if (result === Code.bufferTooSmall) {
      buffer = Buffer.allocUnsafeSlow(shared.state[State.needed]!)
      result = binding.txnGet(this.#id, size, buffer)
    }
    if (result >= 0) return buffer.subarray(0, result)
    if (result === Code.notFound) return undefined
    throw lastError()
  }

  #write(kind: number, key: Data, value: Data, conditions: Conditions): WriteResult {
    this.#batch.reset()
    const expected = kind === Op.putIfValue ? conditions[expectedValue] : undefined
    this.#batch.add(kind, key, value, expected, timeOf(conditions))
    checked(binding.txnWrite(this.#id, this.#batch.buffer, this.#batch.size))
    return resultFromState()
  }
}

/**
 * Runs `body` in a transaction: commits when it returns, rolls back when it throws.
 *
 * @throws TypeError when `body` is not a function or gives a promise: a transaction cannot wait
 */
export function runTransaction<K, V, T>(
  transaction: Transaction<K, V>,
  body: (transaction: Transaction<K, V>) => T,
  durability: number
): T {
  let result: T
  try {
    result = body(transaction)
    if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function') {
      // What the body does later fails with ZKDB_CLOSED; that is its error, not one that nobody handles.
      Promise.resolve(result).catch(() => undefined)
      throw new TypeError('The callback of transactionSync must not be asynchronous; everything was rolled back')
    }
  } catch (error) {
    transaction.abort()
    throw error
  }
  transaction.commit(durability)
  return result
}

/** Throws unless `body` is a function. */
export function assertFunction(body: unknown): void {
  if (typeof body !== 'function') throw new TypeError(`The argument must be a function, received ${typeName(body)}`)
}
