/**
 * Messages of channels, on a connection of their own: the one of the calls is shared, and may be replaced at any time.
 *
 * Invariants:
 *  1. Nobody misses a message and hears the next: what cannot be kept, or a lost connection, ends the subscription with
 *     an error, behind the messages that came before.
 */
import { decode } from '../codec.js'
import { ZkdbError } from '../errors.js'
import type { Data } from '../text.js'
import { typeName } from '../text.js'
import { type Argument, Encoder } from './encoder.js'
import { encodingOf, isText } from './encodings.js'
import { Link, type LinkOwner } from './link.js'
import type { EncodingOptions } from './operations.js'
import type { Reply } from './reply.js'
import type { Settings } from './settings.js'

/** A message. */
export interface Message<V = string> {
  channel: string
  message: V
  /** The pattern that has matched, of a subscription to patterns. */
  pattern?: string
}

/** Options of `subscribe`. */
export interface SubscribeOptions extends Pick<EncodingOptions, 'valueEncoding'> {
  /** The names are patterns: `news.*`. Default false. */
  patterns?: boolean | undefined
  /** Ends the subscription; what has come is still given. */
  signal?: AbortSignal | undefined
  /** Bytes of messages that may wait to be taken. Default 16 MiB. */
  maxWaiting?: number | undefined
}

const defaultMaxWaiting = 16 * 1024 * 1024

interface Taker<V> {
  resolve: (result: IteratorResult<Message<V>, undefined>) => void
  reject: (error: unknown) => void
}

function ended(signal: AbortSignal | undefined): ZkdbError {
  return new ZkdbError('ZKDB_ABORTED', 'The subscription was ended', { cause: signal?.reason })
}

/**
 * A subscription: an asynchronous iterator over its messages.
 *
 * @example
 * for await (const { channel, message } of await db.subscribe('news')) console.log(channel, message)
 */
export class Subscription<V = string> implements AsyncIterableIterator<Message<V>>, LinkOwner {
  readonly #link: Link
  readonly #encoding: ReturnType<typeof encodingOf>
  readonly #command: Argument[]
  readonly #maxWaiting: number
  readonly #signal: AbortSignal | undefined
  readonly #stop = () => this.#end(undefined)
  #unconfirmed: number
  #opened: { resolve: () => void; reject: (error: ZkdbError) => void } | undefined
  #messages: { message: Message<V>; size: number }[] = []
  #waiting = 0
  #takers: Taker<V>[] = []
  #isOver = false
  #error: ZkdbError | undefined

  /** For {@link RemoteClient.subscribe}. */
  constructor(settings: Settings, names: readonly string[], options: SubscribeOptions & { encoding: unknown }) {
    this.#encoding = encodingOf((options.valueEncoding ?? options.encoding) as Parameters<typeof encodingOf>[0])
    this.#command = [options.patterns ? 'PSUBSCRIBE' : 'SUBSCRIBE', ...names]
    this.#unconfirmed = names.length
    this.#maxWaiting = options.maxWaiting ?? defaultMaxWaiting
    this.#signal = options.signal
    if (options.signal?.aborted) throw ended(options.signal)
    options.signal?.addEventListener('abort', this.#stop, { once: true })
    this.#link = new Link(settings, this)
  }

  /** For {@link RemoteClient.subscribe}: resolves when the server has confirmed. */
  _open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opened = { resolve, reject }
    })
  }

  /** The next message. */
  next(): Promise<IteratorResult<Message<V>, undefined>> {
    const first = this.#messages.shift()
    if (first !== undefined) {
      this.#waiting -= first.size
      return Promise.resolve({ done: false, value: first.message })
    }
    if (!this.#isOver) return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }))
    const error = this.#error
    this.#error = undefined
    return error ? Promise.reject(error) : Promise.resolve({ done: true, value: undefined })
  }

  /** Ends the subscription, as `break` does. */
  return(): Promise<IteratorResult<Message<V>, undefined>> {
    this.#messages = []
    this.#end(undefined)
    return Promise.resolve({ done: true, value: undefined })
  }

  /** As `return()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #end(error: ZkdbError | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#link.destroy()
    this.#signal?.removeEventListener('abort', this.#stop)
    const takers = this.#takers
    this.#takers = []
    const opening = this.#opened
    this.#opened = undefined
    if (opening) opening.reject(error ?? ended(this.#signal))
    else if (takers.length === 0) this.#error = error
    for (const [i, taker] of takers.entries()) {
      if (error && i === 0) taker.reject(error)
      else taker.resolve({ done: true, value: undefined })
    }
  }

  #take(channel: Buffer, text: Buffer, pattern?: Buffer): void {
    const data: Data = isText(this.#encoding) ? text.toString() : Buffer.from(text)
    const message: Message<V> = { channel: channel.toString(), message: decode(this.#encoding, data) as V }
    if (pattern) message.pattern = pattern.toString()
    const taker = this.#takers.shift()
    if (taker) {
      taker.resolve({ done: false, value: message })
      return
    }
    const size = text.length + channel.length
    this.#waiting += size
    this.#messages.push({ message, size })
    if (this.#waiting <= this.#maxWaiting) return
    this.#end(new ZkdbError('ZKDB_BUSY', `More than ${this.#maxWaiting} bytes of messages wait to be taken`))
  }

  // ---- as the owner of the link

  /** The connection is there. */
  ready(): void {
    const encoder = new Encoder()
    encoder.all(this.#command)
    this.#link.write(encoder.block.buffer.subarray(encoder.start, encoder.end), () => undefined)
  }

  /** The connection is lost. */
  lost(error: ZkdbError): void {
    this.#end(error)
  }

  /** How replies are decoded: as bytes. */
  textDepth(): number {
    return 0
  }

  /** A reply that is no push: the server does not take the subscription. */
  reply(value: Reply): void {
    if (value instanceof ZkdbError) this.#end(value)
  }

  /** A confirmation or a message. */
  push(values: Reply[]): void {
    const [kind, first, second, third] = values as Buffer[]
    const name = String(kind)
    if (name === 'message') this.#take(first!, second!)
    if (name === 'pmessage') this.#take(second!, third!, first)
    if (!name.endsWith('subscribe') || --this.#unconfirmed > 0) return
    this.#opened?.resolve()
    this.#opened = undefined
  }
}

/** For {@link RemoteClient.subscribe}. */
export async function openSubscription<V>(
  settings: Settings,
  names: string | readonly string[],
  options: SubscribeOptions & { encoding: unknown }
): Promise<Subscription<V>> {
  const list = typeof names === 'string' ? [names] : names
  if (!Array.isArray(list) || list.length === 0 || !list.every((name) => typeof name === 'string')) {
    throw new TypeError(`The channels must be a string or an array of strings, received ${typeName(names)}`)
  }
  const subscription = new Subscription<V>(settings, list as string[], options)
  await subscription._open()
  return subscription
}
