/**
 * Sublevels, whose writes may have conditions too.
 */
import {
  type AbstractBatchOperation,
  type AbstractChainedBatch,
  type AbstractDatabaseHooks,
  AbstractSublevel,
  type AbstractSublevelOptions
} from 'abstract-level'
import type { WriteResult } from './batch-writer.js'
import type { EncodingSource } from './codec.js'
import { conditionally, encodeExpectations } from './conditional.js'
import type {
  BatchOperation,
  BatchOptions,
  ConditionalDelOptions,
  ConditionalPutOptions,
  DelOptions,
  PutOptions
} from './types.js'
import { type Conditions, hasCondition, type PutConditions } from './write-options.js'

// biome-ignore lint/suspicious/noExplicitAny: the types of abstract-level leave its private part out
type Any = any

/** A section of a database with keys, encodings and events of its own: `db.sublevel('name')`. */
export class Sublevel<K = string, V = string> extends AbstractSublevel<Any, Uint8Array, K, V> {
  declare hooks: AbstractDatabaseHooks<Any>

  get #source(): EncodingSource {
    return this as Any
  }

  /** As `Database.put`. */
  override put<Key = K, Value = V>(
    key: Key,
    value: Value,
    options: ConditionalPutOptions<Key, Value>
  ): Promise<WriteResult>
  override put(key: K, value: V): Promise<void>
  override put<Key = K, Value = V>(key: Key, value: Value, options: PutOptions<Key, Value>): Promise<void>
  override put(key: Any, value: Any, options?: Any): Promise<Any> {
    if (!hasCondition(options)) return super.put(key, value, options)
    return conditionally(this.#source, options, (forward) => super.put(key, value, forward))
  }

  /** As `Database.del`. */
  override del<Key = K, Value = V>(key: Key, options: ConditionalDelOptions<Key, Value>): Promise<WriteResult>
  override del(key: K): Promise<void>
  override del<Key = K>(key: Key, options: DelOptions<Key>): Promise<void>
  override del(key: Any, options?: Any): Promise<Any> {
    if (!hasCondition(options)) return super.del(key, options)
    return conditionally(this.#source, options, (forward) => super.del(key, forward))
  }

  /** As `Database.batch`. */
  override batch(): AbstractChainedBatch<Any, K, V>
  override batch(operations: AbstractBatchOperation<Any, K, V>[]): Promise<void>
  override batch<Key = K, Value = V>(
    operations: AbstractBatchOperation<Any, Key, Value>[],
    options: BatchOptions<Key, Value>
  ): Promise<void>
  override batch<Key = K, Value = V>(
    operations: BatchOperation<Key, Value>[],
    options?: BatchOptions<Key, Value> & PutConditions<Value>
  ): Promise<WriteResult | undefined>
  override batch(...args: Any[]): Any {
    const [operations, options] = args
    if (args.length === 0) return super.batch()
    const isConditional = Array.isArray(operations) && (hasCondition(options) || operations.some(hasCondition))
    if (!isConditional) return super.batch(operations, options)
    return conditionally(this.#source, options ?? {}, (forward) =>
      super.batch(encodeExpectations(this.#source, operations, forward as Conditions) as Any, forward)
    )
  }

  /** A section of the database with keys, encodings and events of its own. */
  override sublevel(name: string | string[]): Sublevel
  override sublevel<Key = string, Value = string>(
    name: string | string[],
    options: AbstractSublevelOptions<Key, Value>
  ): Sublevel<Key, Value>
  override sublevel(name: string | string[], options?: Any): Any {
    return super.sublevel(name, options)
  }

  _sublevel(name: string | string[], options: AbstractSublevelOptions<Any, Any>): Sublevel<Any, Any> {
    return new Sublevel(this, name as string, options)
  }
}
