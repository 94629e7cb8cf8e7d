/**
 * The types of the public methods that abstract-level does not have.
 */
import type {
  AbstractBatchDelOperation,
  AbstractBatchOptions,
  AbstractBatchPutOperation,
  AbstractClearOptions,
  AbstractDelOptions,
  AbstractGetManyOptions,
  AbstractLevel,
  AbstractPutOptions
} from 'abstract-level'
import type { Expiry } from './expiry.js'
import type { DelConditions, PutConditions, WriteOptions } from './write-options.js'

/** Options of `put` and `putSync`. */
export type PutOptions<K, V> = AbstractPutOptions<K, V> & WriteOptions & Expiry
/** Options of a put with a condition: it resolves to a `WriteResult`. */
export type ConditionalPutOptions<K, V> = PutOptions<K, V> &
  (
    | Required<Pick<PutConditions<V>, 'ifAbsent'>>
    | Required<Pick<PutConditions<V>, 'ifPresent'>>
    | Required<Pick<PutConditions<V>, 'ifValue'>>
  )

/** Options of `del` and `delSync`. */
export type DelOptions<K> = AbstractDelOptions<K> & WriteOptions
/** Options of a delete with a condition: it resolves to a `WriteResult`. */
export type ConditionalDelOptions<K, V> = DelOptions<K> &
  Required<DelConditions<V>> &
  Pick<AbstractPutOptions<K, V>, 'valueEncoding'>

/** Options of `batch` and `batchSync`. */
export type BatchOptions<K, V> = AbstractBatchOptions<K, V> & WriteOptions & Expiry

// biome-ignore lint/suspicious/noExplicitAny: an operation may name a sublevel of any database
type AnyLevel = AbstractLevel<any, any, any>

/** An operation of a batch, which may have a condition. Conditions are checked against the state before the batch. */
export type BatchOperation<K, V> =
  | (AbstractBatchPutOperation<AnyLevel, K, V> & PutConditions<V> & Expiry)
  | (AbstractBatchDelOperation<AnyLevel, K> &
      DelConditions<V> &
      Pick<AbstractBatchPutOperation<AnyLevel, K, V>, 'valueEncoding'>)

/** Options of `clear` and `clearSync`. */
export type ClearOptions<K> = AbstractClearOptions<K> & WriteOptions

/** Options of `getManySync`. */
export type GetManyOptions<K, V> = AbstractGetManyOptions<K, V>

/** The partition of a key. */
export interface PartitionOfKey {
  name: string
  index: number
  isRemote: boolean
}
