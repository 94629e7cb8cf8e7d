/**
 * Keys and values as text: how arguments become bytes, and bytes become output that loses nothing.
 */
import { isUtf8 } from 'node:buffer'
import { usageError } from './exit.js'

/** The encodings of `--encoding`. */
export const encodings = ['utf8', 'hex', 'base64', 'latin1'] as const

/** How keys or values are written as text. */
export type TextEncoding = (typeof encodings)[number]

const patterns: Partial<Record<TextEncoding, RegExp>> = {
  hex: /^(?:[0-9a-f]{2})*$/i,
  base64: /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: latin1 has exactly these characters
  latin1: /^[\u0000-\u00ff]*$/
}

/**
 * The bytes of a text.
 *
 * @param what - names it in the message, as "key".
 * @throws ZKDB_USAGE when the text is not of this encoding
 */
export function bytesOf(text: string, encoding: TextEncoding, what: string): Buffer {
  const pattern = patterns[encoding]
  if (pattern && !pattern.test(text)) {
    const shown = text.length > 40 ? `${text.slice(0, 40)}...` : text
    throw usageError(`The ${what} ${JSON.stringify(shown)} is not ${encoding}`)
  }
  return Buffer.from(text, encoding)
}

const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

function escapeText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
  const unsafe = /[\\\u0000-\u001f\u007f-\u009f]/g
  return text.replace(unsafe, (character) => escapes[character] ?? escapeByte(character.charCodeAt(0)))
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}

/**
 * Bytes as one field of a line: tab, line ends, the backslash and control characters are escaped with a backslash.
 * Bytes that are not UTF-8 come out as `\xHH`.
 */
export function fieldOf(bytes: Buffer, encoding: TextEncoding): string {
  if (encoding !== 'utf8' && encoding !== 'latin1') return bytes.toString(encoding)
  if (encoding === 'latin1' || isUtf8(bytes)) return escapeText(bytes.toString(encoding))
  return [...bytes].map((byte) => (byte < 0x80 ? escapeText(String.fromCharCode(byte)) : escapeByte(byte))).join('')
}

/**
 * Bytes as a member of a JSON object: `{ "key": text }`, or `{ "keyBase64": text }` when they are not UTF-8, so that
 * nothing is lost. `zkdb load` reads both.
 */
export function memberOf(name: string, bytes: Buffer, encoding: TextEncoding): Record<string, string> {
  if (encoding === 'utf8' && !isUtf8(bytes)) return { [`${name}Base64`]: bytes.toString('base64') }
  return { [name]: bytes.toString(encoding) }
}
