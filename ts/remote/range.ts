/**
 * Records of a range in order, from ZK.RANGE: chunk after chunk, with one chunk read ahead.
 *
 * Each chunk is of one state of the database; without a snapshot different chunks may be of different ones: a record
 * that is there all the time is given once, and one that comes or goes meanwhile may be missed. Memory is that of two
 * chunks, each of at most `chunk` records and about the 1 MiB at which the server ends one.
 */

import { decode } from '../codec.js'
import { ZkdbError } from '../errors.js'
import type { CallOptions, Connection } from './connection.js'
import type { Argument } from './encoder.js'
import { isText } from './encodings.js'
import { type Bounds, boundsOf, type EncodedBound, type EncodingOptions, type Encodings } from './operations.js'
import { arrayOf, protocolError, type Reply } from './reply.js'
import { Trait } from './request.js'
import { wholeNumber } from './settings.js'

/** Options of a range; `timeout` is for each chunk. */
export interface RangeOptions<K = string> extends CallOptions, EncodingOptions, Bounds<K> {
  /** From the greatest key to the least. Default false. */
  reverse?: boolean | undefined
  /** The most records; -1: all. Default -1. */
  limit?: number | undefined
  /** `false`: values alone. Default true. */
  keys?: boolean | undefined
  /** `false`: keys alone. Default true. */
  values?: boolean | undefined
  /** Records that are asked for at once. Default 1,000. */
  chunk?: number | undefined
}

const defaultChunk = 1000

/** A pass over a range. It can be made once. */
export class RangeIterator<T> implements AsyncIterableIterator<T> {
  readonly #connection: Connection
  readonly #encodings: Encodings
  readonly #options: RangeOptions<unknown>
  readonly #fixed: Argument[]
  readonly #traits: number
  readonly #chunk: number
  #near: EncodedBound | undefined
  /** Records that may still be asked for. */
  #left: number
  /** The chunk that is being given out. */
  #records: Reply[] = []
  #at = 0
  /** The chunk that comes. */
  #ahead: Promise<Reply> | undefined
  #isOver = false
  /** Calls of `next` that wait for a chunk, one behind the other. */
  #turn: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** For {@link RemoteClient} and {@link RemoteSnapshot}. */
  constructor(connection: Connection, encodings: Encodings, options: RangeOptions<unknown>, snapshot?: number) {
    if (options.keys === false && options.values === false) {
      throw new TypeError("The options 'keys' and 'values' cannot both be false")
    }
    const { lower, upper } = boundsOf(encodings.key, options)
    const far = options.reverse ? lower : upper
    const { keys, values, reverse, limit = -1, chunk = defaultChunk } = options
    this.#connection = connection
    this.#encodings = encodings
    this.#options = options
    this.#near = options.reverse ? upper : lower
    this.#left = limit === -1 ? Number.POSITIVE_INFINITY : wholeNumber('limit', limit, 0, Number.MAX_SAFE_INTEGER)
    this.#chunk = wholeNumber('chunk', chunk, 1, 1_000_000)
    this.#fixed = ['ZK.RANGE']
    if (reverse) this.#fixed.push('REVERSE')
    if (values === false) this.#fixed.push('KEYS')
    if (keys === false) this.#fixed.push('VALUES')
    if (snapshot !== undefined) this.#fixed.push('SNAPSHOT', snapshot)
    if (far !== undefined) this.#fixed.push(far.word, far.key)
    // The records are text when all that is given is; the key to go on behind stays bytes, whatever they are.
    const wants = [...(keys === false ? [] : [encodings.key]), ...(values === false ? [] : [encodings.value])]
    this.#traits = Trait.read | (wants.every(isText) ? Trait.innerText : Trait.none)
    if (this.#left === 0) this.#isOver = true
    else this.#ask()
  }

  /** The next record: `[key, value]`, or one of them with `values: false` or `keys: false`. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waiting === 0 && this.#at < this.#records.length) {
      return Promise.resolve({ done: false, value: this.#take() })
    }
    this.#waiting++
    const result = this.#turn.then(() => this.#nextOfChunks()).finally(() => this.#waiting--)
    this.#turn = result.catch(() => undefined)
    return result
  }

  /** Ends the pass before its end, as `break` does. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.#end()
    return Promise.resolve({ done: true, value: undefined })
  }

  /** All records that are left. */
  async toArray(): Promise<T[]> {
    const all: T[] = []
    for await (const record of this) all.push(record)
    return all
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async #nextOfChunks(): Promise<IteratorResult<T, undefined>> {
    while (this.#at >= this.#records.length) {
      if (this.#ahead === undefined) {
        this.#end()
        return { done: true, value: undefined }
      }
      await this.#nextChunk()
    }
    return { done: false, value: this.#take() }
  }

  /** Takes the chunk that comes, and asks for the one behind it. */
  async #nextChunk(): Promise<void> {
    let reply: Reply
    try {
      reply = await this.#ahead!
    } catch (error) {
      this.#end()
      throw error
    }
    if (this.#isOver) return
    const [records, behind] = arrayOf(reply)
    this.#records = arrayOf(records)
    this.#at = 0
    this.#ahead = undefined
    const { keys, values, reverse } = this.#options
    this.#left -= this.#records.length / (keys !== false && values !== false ? 2 : 1)
    if (behind === null || behind === undefined || this.#left <= 0) return
    if (!Buffer.isBuffer(behind)) throw protocolError('a ZK.RANGE without its end')
    this.#near = { word: reverse ? 'LT' : 'GT', key: behind }
    this.#ask()
  }

  #ask(): void {
    const near = this.#near === undefined ? [] : [this.#near.word, this.#near.key]
    const command = [...this.#fixed, ...near, 'LIMIT', Math.min(this.#left, this.#chunk)]
    const { timeout, signal } = this.#options
    this.#ahead = this.#connection.all(command, this.#traits, undefined, { timeout, signal }) as Promise<Reply>
    // Whoever asks for the next record hears of a failure.
    this.#ahead.catch(() => undefined)
  }

  #take(): T {
    const { keys, values } = this.#options
    const { key, value } = this.#encodings
    if (keys === false) return given(value, this.#records[this.#at++]) as T
    if (values === false) return given(key, this.#records[this.#at++]) as T
    const entry = [given(key, this.#records[this.#at]), given(value, this.#records[this.#at + 1])]
    this.#at += 2
    return entry as T
  }

  #end(): void {
    this.#isOver = true
    this.#records = []
    this.#at = 0
    this.#ahead = undefined
  }
}

/** A key or a value as its encoding gives it. */
function given(encoding: Encodings['key'], data: Reply | undefined): unknown {
  if (typeof data !== 'string' && !Buffer.isBuffer(data)) {
    throw new ZkdbError('ZKDB_PROTOCOL', 'The server gave a record that is no string')
  }
  if (isText(encoding) && typeof data !== 'string') return decode(encoding, data.toString())
  return decode(encoding, data)
}
