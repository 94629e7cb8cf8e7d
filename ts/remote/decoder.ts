/**
 * From bytes to replies: RESP2 and RESP3, in pieces of any size.
 *
 * Nothing of a chunk is referred to when {@link Decoder.push} returns: text is decoded, bulk strings given as `Buffer`s
 * are copies that belong to whoever gets them (a small one shares Node's pool of 8 KiB with its neighbours).
 *
 * Invariants:
 *  1. A byte is looked at once, and copied at most twice more when its token is cut: a token is one line, or the bytes
 *     of one bulk string. What is open when a chunk ends is a stack of aggregates and the beginning of one token.
 *  2. Announced sizes are held against the limits before anything is allocated; memory grows with the bytes that came.
 *  3. After an error nothing more is decoded: the place of the next reply is not known.
 */
import type { ZkdbError } from '../errors.js'
import { protocolError, type Reply, serverError } from './reply.js'

/** Who gets the replies. */
export interface ReplySink {
  /**
   * The bulk strings of the reply that begins are given as text when they are inside so many aggregates or more:
   * 0 is all of them, Infinity none. Throws when no reply is due.
   */
  textDepth(): number
  reply(value: Reply): void
  /** A push of RESP3, which answers no command; its bulk strings are `Buffer`s. */
  push(values: Reply[]): void
}

/** Bytes of a line: of an error, a simple string, a number. */
const maxLine = 64 * 1024
const maxDepth = 32
/** Bytes that an element of an aggregate counts for besides its own. */
const elementCost = 16
/** A bulk string up to this size gets its memory at once when its chunk ends early. */
const smallToken = 64 * 1024
const maxDigits = 20

/** First bytes of replies, and the two of a line's end. */
const Kind = {
  cr: 13,
  lf: 10,
  bulkError: 33, // !
  set: 126, // ~
  boolean: 35, // #
  bulk: 36, // $
  map: 37, // %
  bigNumber: 40, // (
  array: 42, // *
  simple: 43, // +
  double: 44, // ,
  error: 45, // -
  integer: 58, // :
  verbatim: 61, // =
  push: 62, // >
  nothing: 95, // _
  attribute: 124 // |
} as const

/** An aggregate that is not complete. */
interface Frame {
  kind: number
  /** Elements that are missing. */
  left: number
  items: Reply[]
}

interface FastBuffer extends Buffer {
  utf8Slice?: (start: number, end: number) => string
}
const decodeText =
  (Buffer.prototype as FastBuffer).utf8Slice ??
  function (this: Buffer, start: number, end: number) {
    return this.toString('utf8', start, end)
  }

/** Decodes the replies of one connection. */
export class Decoder {
  sink: ReplySink
  readonly #maxReply: number
  readonly #stack: Frame[] = []
  #textDepth = 0
  /** Bytes that the open reply counts for. */
  #cost = 0
  /** Bytes of the bulk string that is awaited, without its line end; -1: a line is awaited. */
  #payload = -1
  #payloadKind = 0
  /** The beginning of a token that its chunk cut. */
  #carry: Buffer = Buffer.alloc(0)
  #carried = 0

  /** @param maxReply - bytes that one reply may have, with 16 more for each element of an aggregate. */
  constructor(sink: ReplySink, maxReply: number) {
    this.sink = sink
    this.#maxReply = maxReply
  }

  /** Whether a reply has begun and is not complete. */
  get isInside(): boolean {
    return this.#carried > 0 || this.#payload >= 0 || this.#stack.length > 0
  }

  /**
   * Decodes the first `size` bytes of `chunk`.
   *
   * @throws ZKDB_PROTOCOL
   */
  push(chunk: Buffer, size: number): void {
    let at = this.#carried > 0 ? this.#resume(chunk, size) : 0
    while (at < size) {
      at = this.#payload >= 0 ? this.#takePayload(chunk, at, size) : this.#takeLine(chunk, at, size)
    }
  }

  // ---- tokens; each gives the place behind what it took, which is `size` when the token goes on

  #takeLine(bytes: Buffer, at: number, size: number): number {
    const kind = bytes[at]!
    if (this.#stack.length === 0 && kind !== Kind.push) this.#textDepth = this.sink.textDepth()
    let end = at + 1
    if (kind === Kind.bulk) {
      // Most replies by far.
      let length = 0
      for (; end < size && end - at < 10; end++) {
        const digit = bytes[end]! - 48
        if (digit < 0 || digit > 9) break
        length = length * 10 + digit
      }
      if (end + 1 < size && end > at + 1 && bytes[end] === Kind.cr && bytes[end + 1] === Kind.lf) {
        this.#beginPayload(kind, length)
        return end + 2 < size ? this.#takePayload(bytes, end + 2, size) : size
      }
    }
    while (end < size && bytes[end] !== Kind.cr && bytes[end] !== Kind.lf) end++
    if (end - at > maxLine) throw protocolError(`a line of more than ${maxLine} bytes`)
    if (end + 1 >= size && (end === size || bytes[end] === Kind.cr)) return this.#keep(bytes, at, size)
    if (bytes[end] !== Kind.cr || bytes[end + 1] !== Kind.lf) throw protocolError('a line that does not end in CR LF')
    this.#line(kind, bytes, at + 1, end)
    return end + 2
  }

  #takePayload(bytes: Buffer, at: number, size: number): number {
    const length = this.#payload
    const end = at + length
    if (end + 2 > size) return this.#keep(bytes, at, size)
    if (bytes[end] !== Kind.cr || bytes[end + 1] !== Kind.lf) {
      throw protocolError(`a bulk string that does not end after the ${length} bytes that it announced`)
    }
    this.#payload = -1
    if (this.#payloadKind === Kind.bulk) this.#emit(this.#bulk(bytes, at, end))
    else this.#special(bytes, at, end)
    return end + 2
  }

  #bulk(bytes: Buffer, start: number, end: number): Reply {
    if (this.#stack.length >= this.#textDepth) return decodeText.call(bytes, start, end)
    const copy = Buffer.allocUnsafe(end - start)
    bytes.copy(copy, 0, start, end)
    return copy
  }

  /** A bulk error, or a verbatim string, which has three letters and a colon before its text. */
  #special(bytes: Buffer, start: number, end: number): void {
    if (this.#payloadKind === Kind.bulkError) {
      this.#emit(serverError(decodeText.call(bytes, start, end)))
      return
    }
    if (end - start < 4 || bytes[start + 3] !== 58) throw protocolError('a verbatim string without its format')
    this.#emit(this.#bulk(bytes, start + 4, end))
  }

  /** Keeps the beginning of a token. */
  #keep(bytes: Buffer, at: number, size: number): number {
    const most = this.#payload >= 0 ? this.#payload + 2 : maxLine + 2
    this.#reserve(size - at, most)
    bytes.copy(this.#carry, this.#carried, at, size)
    this.#carried += size - at
    return size
  }

  /** Makes room for `more` bytes of a token that has at most `most`. */
  #reserve(more: number, most: number): void {
    const needed = this.#carried + more
    if (needed <= this.#carry.length) return
    const first = this.#payload >= 0 && most <= smallToken ? most : 1024
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(most, Math.max(first, this.#carry.length * 2))))
    this.#carry.copy(grown, 0, 0, this.#carried)
    this.#carry = grown
  }

  /** Goes on with a token that an earlier chunk began; gives the place behind it. */
  #resume(chunk: Buffer, size: number): number {
    const took = this.#payload >= 0 ? this.#resumePayload(chunk, size) : this.#resumeLine(chunk, size)
    if (this.#carried === 0 && this.#carry.length > smallToken) this.#carry = Buffer.alloc(0)
    return took
  }

  #resumePayload(chunk: Buffer, size: number): number {
    const whole = this.#payload + 2
    const take = Math.min(whole - this.#carried, size)
    this.#keep(chunk, 0, take)
    if (this.#carried < whole) return take
    this.#carried = 0
    this.#takePayload(this.#carry, 0, whole)
    return take
  }

  #resumeLine(chunk: Buffer, size: number): number {
    let end = 0
    while (end < size && chunk[end] !== Kind.lf) end++
    const take = Math.min(end + 1, size)
    if (this.#carried + take > maxLine + 2) throw protocolError(`a line of more than ${maxLine} bytes`)
    this.#keep(chunk, 0, take)
    if (end === size) return size
    const whole = this.#carried
    this.#carried = 0
    this.#takeLine(this.#carry, 0, whole)
    return take
  }

  // ---- what lines say

  #line(kind: number, bytes: Buffer, start: number, end: number): void {
    this.#charge(end - start)
    switch (kind) {
      case Kind.simple:
        this.#emit(isOk(bytes, start, end) ? 'OK' : decodeText.call(bytes, start, end))
        break
      case Kind.error:
        this.#emit(serverError(decodeText.call(bytes, start, end)))
        break
      case Kind.integer:
        this.#emit(integerOf(bytes, start, end))
        break
      case Kind.nothing:
        if (start !== end) throw protocolError('a null with a content')
        this.#emit(null)
        break
      case Kind.boolean:
        this.#emit(booleanOf(bytes, start, end))
        break
      case Kind.double:
        this.#emit(doubleOf(bytes.toString('latin1', start, end)))
        break
      case Kind.bigNumber:
        this.#emit(bigNumberOf(bytes.toString('latin1', start, end)))
        break
      default:
        this.#lengthLine(kind, bytes, start, end)
        break
    }
  }

  /** A line that announces a bulk string or an aggregate. */
  #lengthLine(kind: number, bytes: Buffer, start: number, end: number): void {
    const isBulk = kind === Kind.bulk || kind === Kind.bulkError || kind === Kind.verbatim
    if (!isBulk && !isAggregate(kind)) throw protocolError(`a reply that begins with the byte ${kind}`)
    const length = integerOf(bytes, start, end)
    if (length === -1 && (kind === Kind.bulk || kind === Kind.array)) {
      this.#emit(null)
      return
    }
    if (typeof length !== 'number' || length < 0) throw protocolError(`a reply of ${String(length)} bytes or elements`)
    if (isBulk) this.#beginPayload(kind, length)
    else this.#beginAggregate(kind, length)
  }

  #beginPayload(kind: number, length: number): void {
    this.#charge(length)
    this.#payload = length
    this.#payloadKind = kind
  }

  #beginAggregate(kind: number, length: number): void {
    const count = kind === Kind.map || kind === Kind.attribute ? length * 2 : length
    const depth = this.#stack.length
    if (depth >= maxDepth) throw protocolError(`a reply that is nested more than ${maxDepth} deep`)
    if (kind === Kind.push && (depth > 0 || count === 0)) throw protocolError('a push that is empty or inside a reply')
    this.#charge(count * elementCost)
    const frame: Frame = { kind, left: count, items: [] }
    if (kind === Kind.push) this.#textDepth = Number.POSITIVE_INFINITY
    if (count > 0) this.#stack.push(frame)
    else if (kind !== Kind.attribute) this.#emit(aggregateOf(frame))
  }

  #charge(bytes: number): void {
    this.#cost += bytes
    if (this.#cost <= this.#maxReply) return
    throw protocolError(`a reply of more than the ${this.#maxReply} bytes that maxReplySize allows`)
  }

  /** Gives a value to the innermost open aggregate, and to the sink when there is none. */
  #emit(value: Reply): void {
    const stack = this.#stack
    for (let given = value; ; ) {
      const depth = stack.length
      if (depth === 0) {
        this.#cost = 0
        this.sink.reply(given)
        return
      }
      const frame = stack[depth - 1]!
      frame.items.push(given)
      if (--frame.left > 0) return
      stack.pop()
      if (frame.kind === Kind.attribute) return
      if (frame.kind === Kind.push) {
        this.#cost = 0
        this.sink.push(frame.items)
        return
      }
      given = aggregateOf(frame)
    }
  }
}

function isAggregate(kind: number): boolean {
  return kind === Kind.array || kind === Kind.map || kind === Kind.set || kind === Kind.push || kind === Kind.attribute
}

/** The value of an aggregate that is complete. */
function aggregateOf(frame: Frame): Reply {
  if (frame.kind !== Kind.map) return frame.items
  const map = new Map<Reply, Reply>()
  for (let i = 0; i < frame.items.length; i += 2) map.set(frame.items[i]!, frame.items[i + 1]!)
  return map
}

function isOk(bytes: Buffer, start: number, end: number): boolean {
  return end - start === 2 && bytes[start] === 79 && bytes[start + 1] === 75
}

function booleanOf(bytes: Buffer, start: number, end: number): boolean {
  if (end - start === 1 && bytes[start] === 116) return true
  if (end - start === 1 && bytes[start] === 102) return false
  throw protocolError('a boolean that is neither t nor f')
}

/** An integer of 64 bits: a number when it has at most 15 digits or is exact, else a bigint. */
function integerOf(bytes: Buffer, start: number, end: number): number | bigint {
  const isNegative = bytes[start] === 45
  const first = isNegative || bytes[start] === 43 ? start + 1 : start
  if (first === end || end - first > maxDigits) throw protocolError('an integer that is none')
  let value = 0
  for (let i = first; i < end; i++) {
    const digit = bytes[i]! - 48
    if (digit < 0 || digit > 9) throw protocolError('an integer that is none')
    value = value * 10 + digit
  }
  if (value <= Number.MAX_SAFE_INTEGER) return isNegative && value !== 0 ? -value : value
  const exact = BigInt(bytes.toString('latin1', first, end))
  return isNegative ? -exact : exact
}

function doubleOf(text: string): number {
  if (text === 'inf') return Number.POSITIVE_INFINITY
  if (text === '-inf') return Number.NEGATIVE_INFINITY
  if (text === 'nan') return Number.NaN
  if (!/^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$/.test(text)) throw protocolError('a number that is none')
  return Number(text)
}

function bigNumberOf(text: string): bigint {
  if (!/^[+-]?\d{1,4096}$/.test(text)) throw protocolError('a big number that is none, or has more than 4,096 digits')
  return text.startsWith('-') ? -BigInt(text.slice(1)) : BigInt(text.replace('+', ''))
}

/** Whether an error is one of the decoder's: the connection is of no use after it. */
export function isProtocolError(error: unknown): error is ZkdbError {
  return (error as ZkdbError | undefined)?.code === 'ZKDB_PROTOCOL'
}
