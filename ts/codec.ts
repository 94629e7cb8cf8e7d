/**
 * Encodings of keys and values, as far as zkdb itself needs them: for the calls that abstract-level does not have.
 */
import type { Data } from './bytes.js'
import { ZkdbError } from './errors.js'

/** An encoding of abstract-level: utf8, json, buffer, view, hex, base64, or one of the user's. */
export interface Encoding {
  name: string
  format: 'utf8' | 'buffer' | 'view'
  encode(data: unknown): Data
  decode(data: Data): unknown
}

/** Whether the data need no decoding: the native format is what the user gets. */
export function isNative(encoding: Encoding): boolean {
  return encoding.name === encoding.format
}

/** Decodes what a read gave; undefined stays undefined. @throws LEVEL_DECODE_ERROR */
export function decode(encoding: Encoding, data: Data | undefined): unknown {
  if (data === undefined || isNative(encoding)) return data
  try {
    return encoding.decode(data)
  } catch (cause) {
    throw new ZkdbError('LEVEL_DECODE_ERROR', 'Could not decode data', { cause })
  }
}

/** Encodes a key. @throws LEVEL_INVALID_KEY for null and undefined, as Level does */
export function encodeKey(encoding: Encoding, key: unknown): Data {
  if (key === null || key === undefined) {
    throw new ZkdbError('LEVEL_INVALID_KEY', 'Key cannot be null or undefined')
  }
  return encoding.encode(key)
}

/** Encodes a value. @throws LEVEL_INVALID_VALUE for null and undefined, as Level does */
export function encodeValue(encoding: Encoding, value: unknown): Data {
  if (value === null || value === undefined) {
    throw new ZkdbError('LEVEL_INVALID_VALUE', 'Value cannot be null or undefined')
  }
  return encoding.encode(value)
}

/** A name of an encoding, or an encoding object. */
export type EncodingOption = string | object | undefined

/** What gives encodings: a database or a sublevel. */
export interface EncodingSource {
  keyEncoding(encoding?: EncodingOption): Encoding
  valueEncoding(encoding?: EncodingOption): Encoding
}
