/**
 * What a server answers: the values of RESP, and its error replies as {@link ZkdbError}.
 */
import { ZkdbError } from '../errors.js'

/**
 * A reply. Bulk strings are text or `Buffer`s, as the caller asked; integers beyond 2^53 and big numbers are `bigint`;
 * a set is an array; an error inside an array is a {@link ZkdbError}.
 */
export type Reply = null | boolean | number | bigint | string | Buffer | ZkdbError | Reply[] | Map<Reply, Reply>

const urgentCodes = new Set([
  'ZKDB_CORRUPT',
  'ZKDB_FAILED',
  'ZKDB_MISMATCH',
  'ZKDB_NOT_ZKDB',
  'ZKDB_SEGMENT_MISSING',
  'ZKDB_VERSION'
])
const loginWords = new Set(['NOAUTH', 'NOPERM', 'WRONGPASS'])

/** The error for an error reply: `WORD text`. A code of zkdb stays what it is. */
export function serverError(text: string): ZkdbError {
  const end = text.indexOf(' ')
  const word = end < 0 ? text : text.slice(0, end)
  if (/^ZKDB_[A-Z_]+$/.test(word)) {
    const urgency = urgentCodes.has(word) ? 'urgent' : 'regular'
    return new ZkdbError(word, end < 0 ? `${word} without a message` : text.slice(end + 1), { urgency })
  }
  return new ZkdbError(loginWords.has(word) ? 'ZKDB_AUTH' : 'ZKDB_SERVER', text)
}

/** The error of bytes that are no reply. The connection that they came on is of no use any more. */
export function protocolError(found: string): ZkdbError {
  return new ZkdbError('ZKDB_PROTOCOL', `The server sent ${found}: is it a server that speaks RESP?`)
}

/** A map of a reply: RESP3 has maps, RESP2 an array of keys and values in turn. */
export function mapOf(reply: Reply): Map<Reply, Reply> {
  if (reply instanceof Map) return reply
  if (!Array.isArray(reply) || reply.length % 2 !== 0) throw unexpected(reply, 'a map')
  const map = new Map<Reply, Reply>()
  for (let i = 0; i < reply.length; i += 2) map.set(reply[i]!, reply[i + 1]!)
  return map
}

/** An array of a reply. */
export function arrayOf(reply: Reply | undefined): Reply[] {
  if (!Array.isArray(reply)) throw unexpected(reply, 'an array')
  return reply
}

/** A number of a reply. */
export function numberOf(reply: Reply | undefined): number {
  if (typeof reply === 'number') return reply
  if (typeof reply === 'bigint') return Number(reply)
  throw unexpected(reply, 'a number')
}

function unexpected(reply: Reply | undefined, wanted: string): ZkdbError {
  const found = Array.isArray(reply) ? 'an array' : reply instanceof Map ? 'a map' : `a ${typeof reply}`
  return new ZkdbError('ZKDB_PROTOCOL', `The server answered ${found} where ${wanted} is due: is it a zkdb server?`)
}
