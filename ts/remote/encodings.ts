/**
 * Encodings of keys and values for commands, by the library that abstract-level uses for the same.
 */
import { Transcoder } from 'level-transcoder'
import { type Encoding, type EncodingOption, encodeKey, encodeValue } from '../codec.js'
import { ZkdbError } from '../errors.js'
import { type Data, viewOf } from '../text.js'

const maxKeySize = 65_535
const maxValueSize = 1024 * 1024 * 1024

const transcoder = new Transcoder<Data>(['utf8', 'buffer', 'view'])

/** The encoding of an option. @throws LEVEL_ENCODING_NOT_FOUND, TypeError */
export function encodingOf(option: EncodingOption): Encoding {
  return transcoder.encoding(option as string) as unknown as Encoding
}

/** Whether data of an encoding are wanted as text. */
export function isText(encoding: Encoding): boolean {
  return encoding.format === 'utf8'
}

/** Bytes, where there may be too many: a string of n units has at least n and at most 3 n. */
function sizeOf(data: Data, limit: number): number {
  if (typeof data !== 'string') return data.byteLength
  return data.length * 3 <= limit ? data.length : Buffer.byteLength(data)
}

/** A key as bytes or text. @throws LEVEL_INVALID_KEY, ZKDB_KEY_TOO_LARGE */
export function keyData(encoding: Encoding, key: unknown): Data {
  const data = encodeKey(encoding, key)
  const bytes = typeof data === 'string' ? data : viewOf(data, 'key')
  const size = sizeOf(bytes, maxKeySize)
  if (size <= maxKeySize) return bytes
  const advice = 'use a shorter key, for example a hash of this one'
  throw new ZkdbError('ZKDB_KEY_TOO_LARGE', `The key has ${size} bytes, the limit is ${maxKeySize}: ${advice}`)
}

/** A value as bytes or text. @throws LEVEL_INVALID_VALUE, ZKDB_VALUE_TOO_LARGE */
export function valueData(encoding: Encoding, value: unknown): Data {
  const data = encodeValue(encoding, value)
  const bytes = typeof data === 'string' ? data : viewOf(data, 'value')
  const size = sizeOf(bytes, maxValueSize)
  if (size <= maxValueSize) return bytes
  const advice = 'split it over several keys'
  throw new ZkdbError('ZKDB_VALUE_TOO_LARGE', `The value has ${size} bytes, the limit is ${maxValueSize}: ${advice}`)
}

/** A bound of a range: one that is longer than every possible key is cut, and then lies past its prefix. */
export function boundData(encoding: Encoding, bound: unknown): { data: Data; isCut: boolean } {
  const data = encoding.encode(bound)
  const bytes = typeof data === 'string' ? data : viewOf(data, 'range bound')
  if (sizeOf(bytes, maxKeySize) <= maxKeySize) return { data: bytes, isCut: false }
  return { data: Buffer.from(bytes as string).subarray(0, maxKeySize), isCut: true }
}
