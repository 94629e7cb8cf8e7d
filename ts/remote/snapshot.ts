/**
 * A state of a database on a server that stays: ZK.SNAPSHOT, and reads that name it.
 */
import { typeName } from '../text.js'
import type { CallOptions, Connection } from './connection.js'
import type { Argument } from './encoder.js'
import { keyData } from './encodings.js'
import { type Encodings, encodingsFor, type RemoteGetOptions } from './operations.js'
import { RangeIterator, type RangeOptions } from './range.js'
import { arrayOf, numberOf, type Reply } from './reply.js'
import { Trait } from './request.js'
import { valueForm } from './value-form.js'

/**
 * A state of the database. Its reads reject with `ZKDB_SNAPSHOT_EXPIRED` after `close`, a minute without use, and the
 * loss of the connection.
 */
export class RemoteSnapshot<K = string, V = string> {
  readonly #connection: Connection
  readonly #encodings: Encodings
  readonly #id: number

  /** Use {@link RemoteClient.snapshot}. */
  constructor(connection: Connection, encodings: Encodings, id: number) {
    this.#connection = connection
    this.#encodings = encodings
    this.#id = id
  }

  /** The value of a key; undefined when the key was not there. */
  async get(key: K, options?: RemoteGetOptions): Promise<V | undefined> {
    const [value] = await this.getMany([key], options)
    return value
  }

  /** The values of keys; undefined where a key was not there. */
  async getMany(keys: readonly K[], options?: RemoteGetOptions): Promise<(V | undefined)[]> {
    if (!Array.isArray(keys)) throw new TypeError(`The keys must be an array, received ${typeName(keys)}`)
    if (keys.length === 0) return []
    const encodings = encodingsFor(this.#encodings, options)
    const { traits, convert } = valueForm(encodings)
    const command: Argument[] = ['ZK.GET', this.#id]
    for (const key of keys) command.push(keyData(encodings.key, key))
    const values = await this.#connection.all(command, traits, (reply) => arrayOf(reply).map(convert), options)
    return values as (V | undefined)[]
  }

  /** Records of a range in order, as {@link RemoteClient.range} gives them; all pieces are of this state. */
  range<T = [K, V]>(options: RangeOptions<K> = {}): RangeIterator<T> {
    if (typeof options !== 'object' || options === null) {
      throw new TypeError(`The range must be an object, received ${typeName(options)}`)
    }
    return new RangeIterator<T>(this.#connection, encodingsFor(this.#encodings, options), options, this.#id)
  }

  /** Lets go of the state. A second call does nothing. */
  async close(options?: CallOptions): Promise<void> {
    await this.#connection.all(['ZK.SNAPSHOT', 'CLOSE', this.#id], Trait.read, undefined, options)
  }

  /** As {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** For {@link RemoteClient.snapshot}. */
export async function openSnapshot<K, V>(
  connection: Connection,
  encodings: Encodings,
  options: CallOptions | undefined
): Promise<RemoteSnapshot<K, V>> {
  // Asked again after a lost connection it opens another one; the first went with its connection.
  const id = await connection.all(['ZK.SNAPSHOT', 'OPEN'], Trait.read, (reply: Reply) => numberOf(reply), options)
  return new RemoteSnapshot<K, V>(connection, encodings, id as number)
}
