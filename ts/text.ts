/**
 * Strings and bytes as an encoding gives them. It needs no addon, so that the remote client shares it.
 */

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
