/**
 * `RemoteClient`: a database on a server, asynchronously. Names and options are those of `Database`.
 */
import { EventEmitter } from 'node:events'
import type { WriteResult } from '../batch-writer.js'
import { isNative } from '../codec.js'
import { ZkdbError } from '../errors.js'
import type { DatabaseStats, PartitionInfo } from '../operations.js'
import { typeName } from '../text.js'
import { assertCommand, isRead } from './commands.js'
import { type CallOptions, Connection } from './connection.js'
import { type Argument, commandHead } from './encoder.js'
import { encodingOf, isText, keyData, valueData } from './encodings.js'
import {
  addDel,
  addOperation,
  addPut,
  batchCommand,
  boundsOf,
  type Encodings,
  encodingsFor,
  isConditional,
  isPlain,
  partitionsOf,
  type RemoteBatchOperation,
  type RemoteBatchOptions,
  type RemoteClearOptions,
  type RemoteDelOptions,
  type RemoteGetOptions,
  type RemotePutOptions,
  statsOf,
  wholeTtl,
  writeResultOf
} from './operations.js'
import { RangeIterator, type RangeOptions } from './range.js'
import { arrayOf, numberOf, type Reply } from './reply.js'
import { type Convert, Trait } from './request.js'
import { type RemoteOptions, type Settings, settingsOf } from './settings.js'
import { openSnapshot, type RemoteSnapshot } from './snapshot.js'
import { openSubscription, type SubscribeOptions, type Subscription } from './subscription.js'
import { type ValueForm, valueForm } from './value-form.js'

const getHead = commandHead('GET', 2)
const existsHead = commandHead('EXISTS', 2)
const expiryHead = commandHead('PEXPIRETIME', 2)
const delHead = commandHead('DEL', 2)
const setHead = commandHead('SET', 3)
const readText = Trait.read | Trait.text

const toNothing = (): undefined => undefined
const toExpiry = (reply: Reply): number | null | undefined => {
  const time = numberOf(reply)
  return time >= 0 ? time : time === -1 ? null : undefined
}
const toBoolean = (reply: Reply): boolean => numberOf(reply) !== 0

/** Events of a client. */
export interface RemoteEvents {
  /** There is a connection: the first one, or a new one after a loss. */
  connect: []
  /** The connection was lost. Unless the client is closed, it connects again by itself. */
  disconnect: [error: ZkdbError]
  /** The server pushed something that answers no command: its kind, and the rest with strings as `Buffer`s. */
  push: [kind: string, values: Reply[]]
  /** The client has given up: every call is refused from now on. Without a listener nothing happens. */
  error: [error: ZkdbError]
}

/**
 * A database on a server. All calls share one connection: those of one turn of the event loop go out as one write.
 *
 * A call rejects with `ZKDB_BUSY` when too many wait, with `ZKDB_TIMEOUT` and `ZKDB_ABORTED` after its deadline or its
 * signal, and with `ZKDB_UNREACHABLE` when its connection is lost: in all these cases it has changed nothing. A write
 * that was sent and not answered rejects with `ZKDB_UNKNOWN_OUTCOME`, whatever the reason is, and is never sent again;
 * a read is, once.
 *
 * @example
 * const db = await connect('zkdb://127.0.0.1:6379', { password: process.env.SECRET })
 * await db.put('a', '1')
 * for await (const [key, value] of db.range({ gte: 'a', limit: 10 })) console.log(key, value)
 * await db.close()
 */
export class RemoteClient<K = string, V = string> extends EventEmitter<RemoteEvents> {
  readonly #settings: Settings
  readonly #connection: Connection
  readonly #encodings: Encodings
  readonly #form: ValueForm
  /** Keys, and values, are strings that need no encoding. */
  readonly #isPlainKey: boolean
  readonly #isPlainValue: boolean

  /** Use {@link connect}. */
  constructor(location: string | RemoteOptions, options: RemoteOptions = {}) {
    super()
    const given = typeof location === 'string' ? options : location
    const settings = settingsOf(location, options)
    this.#settings = settings
    this.#encodings = { key: encodingOf(given.keyEncoding ?? 'utf8'), value: encodingOf(given.valueEncoding ?? 'utf8') }
    this.#form = valueForm(this.#encodings)
    this.#isPlainKey = isText(this.#encodings.key) && isNative(this.#encodings.key)
    this.#isPlainValue = isText(this.#encodings.value) && isNative(this.#encodings.value)
    // Listeners run outside of what goes on here, so that one that throws breaks nothing.
    this.#connection = new Connection(settings, {
      connect: () => process.nextTick(() => this.emit('connect')),
      disconnect: (error) => process.nextTick(() => this.emit('disconnect', error)),
      push: ([kind, ...values]) => process.nextTick(() => this.emit('push', String(kind), values)),
      error: (error) => process.nextTick(() => this.listenerCount('error') > 0 && this.emit('error', error))
    })
  }

  /** For {@link connect}. */
  _open(): Promise<void> {
    return this.#connection.open()
  }

  /** Whether there is a connection right now. */
  get isConnected(): boolean {
    return this.#connection.isReady
  }

  /** Commands that are sent and not answered. */
  get inFlight(): number {
    return this.#connection.inFlight
  }

  /** Commands that wait to be sent. */
  get queued(): number {
    return this.#connection.queued
  }

  // ---- reading

  /** The value of a key; undefined when the key is not there. */
  get(key: K, options?: RemoteGetOptions): Promise<V | undefined> {
    if (options === undefined && this.#isPlainKey && typeof key === 'string' && key.length <= 21_845) {
      const { traits, convert } = this.#form
      return this.#connection.one(getHead, key, traits, convert) as Promise<V | undefined>
    }
    return this.#attempt(() => {
      const encodings = encodingsFor(this.#encodings, options)
      const { traits, convert } = encodings === this.#encodings ? this.#form : valueForm(encodings)
      return this.#connection.one(getHead, keyData(encodings.key, key), traits, convert, options)
    })
  }

  /** The values of keys, all of one state of the database; undefined where a key is not there. */
  getMany(keys: K[], options?: RemoteGetOptions): Promise<(V | undefined)[]> {
    return this.#attempt(() => {
      if (!Array.isArray(keys)) throw new TypeError(`The keys must be an array, received ${typeName(keys)}`)
      if (keys.length === 0) return Promise.resolve([])
      const encodings = encodingsFor(this.#encodings, options)
      const { traits, convert } = valueForm(encodings)
      const command: Argument[] = ['MGET']
      for (const key of keys) command.push(keyData(encodings.key, key))
      return this.#connection.all(command, traits, (reply) => arrayOf(reply).map(convert), options)
    })
  }

  /** Whether a key is there. */
  has(key: K, options?: RemoteGetOptions): Promise<boolean> {
    return this.#attempt(() => {
      const encodings = encodingsFor(this.#encodings, options)
      return this.#connection.one(existsHead, keyData(encodings.key, key), readText, toBoolean, options)
    })
  }

  /**
   * When a record ends, by the clock of the server.
   *
   * @returns milliseconds since 1970, null when it never ends, undefined when the key is not there.
   * @example
   * await db.put('session', 'me', { ttl: 60_000 })
   * const end = await db.getExpiry('session')
   */
  getExpiry(key: K, options?: RemoteGetOptions): Promise<number | null | undefined> {
    return this.#attempt(() => {
      const encodings = encodingsFor(this.#encodings, options)
      return this.#connection.one(expiryHead, keyData(encodings.key, key), readText, toExpiry, options)
    })
  }

  /**
   * Records of a range in order, as `[key, value]`, or keys or values alone: with `values: false` or `keys: false`.
   *
   * @example
   * const names = await db.range<string>({ gte: 'user:', lt: 'user;', values: false }).toArray()
   */
  range<T = [K, V]>(options: RangeOptions<K> = {}): RangeIterator<T> {
    if (typeof options !== 'object' || options === null) {
      throw new TypeError(`The range must be an object, received ${typeName(options)}`)
    }
    return new RangeIterator<T>(this.#connection, encodingsFor(this.#encodings, options), options)
  }

  /**
   * Keeps the state of the database as it is now, for reads that belong together. At most 16 at a time; one that is not
   * used for a minute ends, and so do all when the connection is lost: their reads reject with `ZKDB_SNAPSHOT_EXPIRED`.
   *
   * @example
   * await using snapshot = await db.snapshot()
   * for await (const [key, value] of snapshot.range()) console.log(key, value, await snapshot.get('total'))
   */
  snapshot(options?: CallOptions): Promise<RemoteSnapshot<K, V>> {
    return this.#attempt(() => openSnapshot<K, V>(this.#connection, this.#encodings, options))
  }

  // ---- writing

  /**
   * Writes a record. A condition that fails is a result, not an exception. With `ttl` the record ends so many
   * milliseconds after the server carries out the write; without it, it never ends.
   *
   * @returns a `WriteResult` when there is a condition, else undefined.
   */
  put(key: K, value: V, options?: RemotePutOptions<V>): Promise<WriteResult | undefined> {
    if (options === undefined && this.#isPlainKey && this.#isPlainValue) {
      if (typeof key === 'string' && typeof value === 'string' && key.length <= 21_845) {
        return this.#connection.two(setHead, key, value, Trait.text, toNothing) as Promise<undefined>
      }
    }
    return this.#attempt(() => {
      const encodings = encodingsFor(this.#encodings, options)
      if (options === undefined || isPlain(options)) {
        const [data, bytes] = [keyData(encodings.key, key), valueData(encodings.value, value)]
        const ttl = wholeTtl(options ?? {})
        if (ttl === undefined) return this.#connection.two(setHead, data, bytes, Trait.text, toNothing, options)
        return this.#connection.all(['SET', data, bytes, 'PX', ttl], Trait.text, toNothing, options)
      }
      const command = batchCommand(options)
      addPut(command, encodings, key, value, options)
      return this.#write(command, isConditional(options), options)
    })
  }

  /** Deletes a record. See {@link put}. */
  del(key: K, options?: RemoteDelOptions<V>): Promise<WriteResult | undefined> {
    return this.#attempt(() => {
      const encodings = encodingsFor(this.#encodings, options)
      if (options === undefined || isPlain(options)) {
        return this.#connection.one(delHead, keyData(encodings.key, key), Trait.text, toNothing, options)
      }
      const command = batchCommand(options)
      addDel(command, encodings, key, options)
      return this.#write(command, isConditional(options), options)
    })
  }

  /**
   * Writes all of the operations, or none. Conditions are checked against the state before the batch.
   *
   * @returns a `WriteResult` when an operation has a condition, else undefined.
   */
  batch(operations: RemoteBatchOperation<K, V>[], options?: RemoteBatchOptions): Promise<WriteResult | undefined> {
    return this.#attempt(() => {
      if (!Array.isArray(operations)) {
        throw new TypeError(`The operations must be an array, received ${typeName(operations)}`)
      }
      if (operations.length === 0) return Promise.resolve(undefined)
      const encodings = encodingsFor(this.#encodings, options)
      const command = batchCommand(options ?? {})
      for (const [index, operation] of operations.entries()) {
        addOperation(command, encodings, operation, index, options)
      }
      return this.#write(command, operations.some(isConditional), options)
    })
  }

  /** Deletes the records of a range. @returns how many there were. */
  clear(options?: RemoteClearOptions<K>): Promise<number> {
    return this.#attempt(() => {
      const range = options ?? {}
      if ('limit' in range || 'reverse' in range || 'snapshot' in range) {
        throw new ZkdbError('LEVEL_NOT_SUPPORTED', 'A remote clear() takes gt, gte, lt and lte only')
      }
      const { lower, upper } = boundsOf(encodingsFor(this.#encodings, range).key, range)
      const command: Argument[] = ['ZK.CLEAR']
      for (const bound of [lower, upper]) if (bound !== undefined) command.push(bound.word, bound.key)
      return this.#connection.all(command, Trait.text, numberOf, options)
    })
  }

  // ---- figures

  /** All partitions, in the order of the server's configuration; `directory` is empty. */
  partitions(options?: CallOptions): Promise<PartitionInfo[]> {
    return this.#attempt(() => this.#connection.all(['ZK.PARTITIONS'], readText, partitionsOf, options))
  }

  /** Figures of the database and its partitions. `full`: also count pages and their fill, which walks the trees. */
  async stats(options: CallOptions & { full?: boolean | undefined } = {}): Promise<DatabaseStats> {
    const ask = (...args: Argument[]): Promise<Reply> => {
      return this.#connection.all(args, readText, undefined, options) as Promise<Reply>
    }
    const [database, partitions] = await Promise.all([ask('ZK.STAT'), this.partitions(options)])
    const more = options.full ? ['FULL'] : []
    const figures = await Promise.all(partitions.map(({ index }) => ask('ZK.STAT', index, ...more)))
    return statsOf(database, partitions, figures)
  }

  // ---- messages

  /**
   * Hears the messages of channels from now on, over a connection of its own. A lost connection ends it with an error,
   * because what was published meanwhile is missed: whoever can do without subscribes again.
   *
   * @throws ZKDB_UNREACHABLE, ZKDB_AUTH; ZKDB_SERVER when the server does not allow it; the iterator throws ZKDB_BUSY
   *   when messages are not taken
   * @example
   * const messages = await db.subscribe('news.*', { patterns: true })
   * for await (const { channel, message } of messages) console.log(channel, message)
   */
  subscribe(channels: string | readonly string[], options: SubscribeOptions = {}): Promise<Subscription<V>> {
    return this.#attempt(() => {
      return openSubscription<V>(this.#settings, channels, { encoding: this.#encodings.value, ...options })
    })
  }

  // ---- anything else

  /**
   * Sends a command as it is.
   *
   * @returns the reply, with bulk strings as text.
   * @throws LEVEL_NOT_SUPPORTED for commands that change the connection, as MULTI, SELECT and SUBSCRIBE
   * @example
   * await db.call('INCRBY', 'visits', 5)
   */
  call(...args: Argument[]): Promise<Reply> {
    return this.command(args)
  }

  /** As {@link call}, with options. `buffers`: bulk strings are given as `Buffer`s. */
  command(args: readonly Argument[], options?: CallOptions & { buffers?: boolean | undefined }): Promise<Reply> {
    return this.#attempt(() => {
      assertCommand(args)
      const traits = (isRead(args[0]) ? Trait.read : Trait.none) | (options?.buffers ? Trait.none : Trait.text)
      return this.#connection.all(args, traits, undefined, options)
    })
  }

  /** Waits for the answers to all calls, and ends the connection. Later calls reject with `ZKDB_CLOSED`. */
  close(): Promise<void> {
    return this.#connection.close()
  }

  /** As {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #write(command: Argument[], isAsked: boolean, options: CallOptions | undefined): Promise<unknown> {
    const convert: Convert = isAsked ? writeResultOf : toNothing
    return this.#connection.all(command, Trait.text, convert, options)
  }

  /** What `body` throws becomes a rejection. */
  #attempt<T>(body: () => Promise<unknown>): Promise<T> {
    try {
      return body() as Promise<T>
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/**
 * Connects to a server.
 *
 * @param location - `zkdb://user@host:port/database`, `zkdbs://...` (TLS), `unix:/path`, or options.
 * @returns the client, connected and logged in.
 * @throws ZKDB_UNREACHABLE, ZKDB_AUTH, ZKDB_PROTOCOL (urgent), ZKDB_CONFIG for a wrong address, TypeError
 * @example
 * await using db = await connect({ path: '/run/zkdb.sock', valueEncoding: 'json' })
 */
export async function connect<K = string, V = string>(
  location: string | RemoteOptions,
  options: RemoteOptions = {}
): Promise<RemoteClient<K, V>> {
  const client = new RemoteClient<K, V>(location, options)
  await client._open()
  return client
}
