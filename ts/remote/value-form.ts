/**
 * How values come back from the server.
 */
import { decode, isNative } from '../codec.js'
import type { Data } from '../text.js'
import { isText } from './encodings.js'
import type { Encodings } from './operations.js'
import type { Reply } from './reply.js'
import { Trait } from './request.js'

/** The traits of a command that reads values, and what becomes of each. */
export interface ValueForm {
  traits: number
  convert: (reply: Reply) => unknown
}

const toValue = (reply: Reply): unknown => (reply === null ? undefined : reply)

/** The form of values of an encoding. */
export function valueForm({ value }: Encodings): ValueForm {
  const traits = isText(value) ? Trait.read | Trait.text : Trait.read
  if (isNative(value)) return { traits, convert: toValue }
  return { traits, convert: (reply) => (reply === null ? undefined : decode(value, reply as Data)) }
}
