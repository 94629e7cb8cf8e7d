/**
 * Keys and values on their way into native memory. A string is encoded where it is needed, so that no copy of it is
 * made: a short ASCII string by a loop, any other by Node's encoder.
 */
import { limits, shared } from './binding.js'
import { ZkdbError } from './errors.js'

/** Encoded data: what the encodings `utf8`, `buffer` and `view` give. */
export type Data = string | Uint8Array

/** Strings up to this length are copied by a loop: it beats a call up to about this length. */
const loopLength = 24

interface FastBuffer extends Buffer {
  utf8Write?: (text: string, offset: number) => number
}
const encode =
  (Buffer.prototype as FastBuffer).utf8Write ??
  function (this: Buffer, text: string, offset: number) {
    return this.write(text, offset, 'utf8')
  }

/** Writes `text` as UTF-8 at `at` and returns its size. REQUIRES: room for three bytes per UTF-16 unit. */
export function writeText(buffer: Buffer, text: string, at: number): number {
  const length = text.length
  if (length > loopLength) return encode.call(buffer, text, at)
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) return encode.call(buffer, text, at)
    buffer[at + i] = unit
  }
  return length
}

/** The bytes of a value that an encoding gave: a Uint8Array as it is, another view as the bytes under it. */
export function viewOf(data: unknown, what: string): Uint8Array {
  if (data instanceof Uint8Array) return data
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  throw new TypeError(`The encoded ${what} must be a string or an ArrayBuffer view, received ${typeName(data)}`)
}

/** The type of a value, for a message. */
export function typeName(value: unknown): string {
  return value === null ? 'null' : typeof value
}

/** The error of a key that is too large. `size` is in bytes. */
export function keyTooLarge(size: number): ZkdbError {
  return new ZkdbError(
    'ZKDB_KEY_TOO_LARGE',
    `The key has ${size} bytes, the limit is ${limits.maxKeySize}: use a shorter key, for example a hash of this one`
  )
}

/** The error of a value that is too large. `size` is in bytes. */
export function valueTooLarge(size: number): ZkdbError {
  return new ZkdbError(
    'ZKDB_VALUE_TOO_LARGE',
    `The value has ${size} bytes, the limit is ${limits.maxValueSize}: split it over several keys`
  )
}

/**
 * Writes a key into the shared key buffer.
 *
 * @param key - the encoded key.
 * @returns its size in bytes.
 * @throws ZKDB_KEY_TOO_LARGE
 */
export function writeKey(key: Data): number {
  if (typeof key === 'string') {
    // A string of n units has at least n bytes.
    if (key.length > limits.maxKeySize) throw keyTooLarge(Buffer.byteLength(key))
    const size = writeText(shared.keys, key, 0)
    if (size > limits.maxKeySize) throw keyTooLarge(size)
    return size
  }
  const view = viewOf(key, 'key')
  if (view.length > limits.maxKeySize) throw keyTooLarge(view.length)
  shared.keys.set(view, 0)
  return view.length
}

/** The result of {@link writeBound}: a bound longer than every possible key is cut, and then lies past its prefix. */
export interface Bound {
  size: number
  isCut: boolean
}

/** Writes a bound of a range into the shared key buffer at `at`. */
export function writeBound(bound: Data, at: number): Bound {
  const max = limits.maxKeySize
  if (typeof bound === 'string' && bound.length <= max) {
    const size = writeText(shared.keys, bound, at)
    return { size: Math.min(size, max), isCut: size > max }
  }
  const view = typeof bound === 'string' ? Buffer.from(bound) : viewOf(bound, 'range bound')
  const size = Math.min(view.length, max)
  shared.keys.set(size === view.length ? view : view.subarray(0, size), at)
  return { size, isCut: view.length > max }
}
