/**
 * A batch in the packed form of zkdb.h: per operation a header of 8 bytes (kind, flags, key size as u16, value size as
 * u32, little-endian), the key, the value.
 *
 * The memory is never handed to a caller, so nobody can detach it.
 */
import { limits, Op, PutFlag, shared } from './binding.js'
import { type Data, keyTooLarge, valueTooLarge, viewOf, writeText } from './bytes.js'
import { ZkdbError } from './errors.js'
import type { NativeRange } from './range.js'

const headerSize = 8
const timeSize = 8
const firstSize = 16 * 1024
/** A buffer that grew beyond this is not kept for the next batch. Bytes. */
const keptSize = 4 * 1024 * 1024
/** Strings up to this length get room for the worst case; longer ones are measured first. */
const measureLength = 16 * 1024

/** An upper limit of the bytes that `data` takes. */
function room(data: Data): number {
  if (typeof data !== 'string') return data.length
  return data.length <= measureLength ? data.length * 3 : Buffer.byteLength(data)
}

/** Checks a key before memory is set aside for it. A string of n units has at least n bytes. */
function checkedKey(key: Data): Data {
  const data = typeof key === 'string' ? key : viewOf(key, 'key')
  if (data.length > limits.maxKeySize) throw keyTooLarge(Buffer.byteLength(data))
  return data
}

/** Checks a value before memory is set aside for it. */
function checkedValue(value: Data): Data {
  const data = typeof value === 'string' ? value : viewOf(value, 'value')
  if (data.length > limits.maxValueSize) throw valueTooLarge(Buffer.byteLength(data))
  return data
}

/** Operations, packed one after another. */
export class BatchBuffer {
  /** The first {@link size} bytes are operations. */
  buffer: Buffer = Buffer.allocUnsafeSlow(firstSize)
  /** Bytes. */
  size = 0
  /** Operations. */
  count = 0

  /** Forgets the operations and keeps the memory, unless there is much of it. */
  reset(): void {
    this.size = 0
    this.count = 0
    if (this.buffer.length > keptSize) this.buffer = Buffer.allocUnsafeSlow(firstSize)
  }

  /**
   * Adds an operation; nothing is added when it throws.
   *
   * @param kind - one of {@link Op}, except deleteRange.
   * @param expected - the value that the record must have, for putIfValue.
   * @param time - when the record of a put ends, ms since 1970; 0: never.
   * @throws ZKDB_KEY_TOO_LARGE, ZKDB_VALUE_TOO_LARGE, ZKDB_BATCH_TOO_LARGE
   */
  add(kind: number, key: Data, value: Data, expected?: Data, time = 0): void {
    const keyData = checkedKey(key)
    const valueData = checkedValue(value)
    this.#reserve(headerSize + room(keyData) + timeSize + room(valueData))
    const start = this.size
    const keySize = this.#write(keyData, start + headerSize)
    if (keySize > limits.maxKeySize) throw keyTooLarge(keySize)
    const valueStart = start + headerSize + keySize
    let valueAt =
      expected === undefined ? valueStart : this.#writeExpected(checkedValue(expected), valueStart, valueData)
    if (time !== 0) valueAt = this.#writeTime(time, valueAt)
    const size = this.#write(valueData, valueAt)
    if (size > limits.maxValueSize) throw valueTooLarge(size)
    const end = valueAt + size
    this.#header(kind, time === 0 ? 0 : PutFlag.expires, keySize, end - valueStart)
    this.size = end
  }

  /** Writes the size of the expected value and the value at `at`, and returns where they end. */
  #writeExpected(expected: Data, at: number, value: Data): number {
    this.#reserve(at - this.size + 4 + room(expected) + timeSize + room(value))
    const size = this.#write(expected, at + 4)
    if (size > limits.maxValueSize) throw valueTooLarge(size)
    this.buffer.writeUInt32LE(size, at)
    return at + 4 + size
  }

  #writeTime(time: number, at: number): number {
    this.buffer.writeUInt32LE(time % 2 ** 32, at)
    return this.buffer.writeUInt32LE(Math.floor(time / 2 ** 32), at + 4)
  }

  /** Adds all operations of another batch. */
  append(other: BatchBuffer): void {
    this.#reserve(other.size)
    other.buffer.copy(this.buffer, this.size, 0, other.size)
    this.size += other.size
    this.count += other.count
  }

  /** Adds the deletion of the range whose bounds are in the shared key buffer. */
  addDeleteRange(range: NativeRange): void {
    const size = range.loSize + range.hiSize
    this.#reserve(headerSize + size)
    shared.keys.copy(this.buffer, this.size + headerSize, 0, size)
    this.#header(Op.deleteRange, range.flags, range.loSize, range.hiSize)
    this.size += headerSize + size
  }

  #header(kind: number, flags: number, keySize: number, valueSize: number): void {
    const { buffer, size } = this
    buffer[size] = kind
    buffer[size + 1] = flags
    buffer[size + 2] = keySize
    buffer[size + 3] = keySize >>> 8
    buffer[size + 4] = valueSize
    buffer[size + 5] = valueSize >>> 8
    buffer[size + 6] = valueSize >>> 16
    buffer[size + 7] = valueSize >>> 24
    this.count++
  }

  #write(data: Data, at: number): number {
    if (typeof data === 'string') return writeText(this.buffer, data, at)
    this.buffer.set(data, at)
    return data.length
  }

  /** Makes room for `bytes` after the operations that are there. What was written behind them is kept. */
  #reserve(bytes: number): void {
    const needed = this.size + bytes
    if (needed <= this.buffer.length) return
    if (needed > limits.maxBatchSize) {
      throw new ZkdbError(
        'ZKDB_BATCH_TOO_LARGE',
        `The batch needs ${needed} bytes, the limit is ${limits.maxBatchSize}: write it as several batches`
      )
    }
    const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, this.buffer.length * 2), limits.maxBatchSize))
    this.buffer.copy(grown)
    this.buffer = grown
  }
}
