/**
 * Keys and values on their way into native memory. A string is encoded where it is needed, so that no copy of it is
 * made: a short ASCII string by a loop, any other by Node's encoder.
 */
import { limits, shared } from './binding.js'
import { ZkdbError } from './errors.js'
import { type Data, viewOf, writeText } from './text.js'

export { type Data, typeName, viewOf, writeText } from './text.js'

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
