/**
 * The options of writes: durability and conditions.
 */
import { Op, WriteFlag } from './binding.js'
import type { Data } from './bytes.js'
import { typeName } from './bytes.js'
import { type EncodingOption, type EncodingSource, encodeValue } from './codec.js'
import { type Expiry, ttlOf } from './expiry.js'

/**
 * What an acknowledged write survives.
 *
 * - `commit`: acknowledged = on stable storage (group commit).
 * - `interval`: in the log file at commit, synced every `syncInterval` ms. kill -9 loses nothing, a power loss at most
 *   that time.
 * - `none`: loses at most what came after the last checkpoint or sync; never torn.
 */
export type Durability = 'commit' | 'interval' | 'none'

/** Options of every write. */
export interface WriteOptions {
  /** Default: what the database was opened with. */
  durability?: Durability | undefined
  /** Allow a batch over isolated partitions to be written partition by partition. Default false. */
  nonAtomic?: boolean | undefined
}

/** Conditions of a put. At most one of them. A condition that fails is a result, not an exception. */
export interface PutConditions<V> {
  /** Write only when the key is not there. */
  ifAbsent?: boolean | undefined
  /** Write only when the key is there. */
  ifPresent?: boolean | undefined
  /** Write only when the key has this value. */
  ifValue?: V | undefined
}

/** The condition of a delete. */
export interface DelConditions<V> {
  /** Delete only when the key has this value. */
  ifValue?: V | undefined
}

const durabilities: Readonly<Record<string, number>> = { commit: 1, interval: 2, none: 3 }

/** `zkdb_durability` of the option; 0 for the database's own. */
export function durabilityOf(options: WriteOptions): number {
  const { durability } = options
  if (durability === undefined) return 0
  const number = Object.hasOwn(durabilities, durability) ? durabilities[durability] : undefined
  if (number !== undefined) return number
  throw new TypeError(`The option 'durability' must be 'commit', 'interval' or 'none', received ${String(durability)}`)
}

/** `zkdb_write_flag` set of the options. */
export function writeFlagsOf(options: WriteOptions): number {
  return options.nonAtomic ? WriteFlag.nonAtomic : 0
}

/** Where the encoded expected value of an operation travels through abstract-level. */
export const expectedValue: unique symbol = Symbol('zkdb expected value')

/** When a record of this option ends, ms since 1970; 0: never. @throws TypeError for a ttl that is not positive */
export function timeOf(options: Expiry): number {
  const ttl = ttlOf(options)
  return ttl === undefined ? 0 : Math.floor(Date.now() + ttl)
}

/** An operation or options that may carry conditions. */
export interface Conditions extends Expiry {
  ifAbsent?: unknown
  ifPresent?: unknown
  ifValue?: unknown
  valueEncoding?: EncodingOption | undefined
  [expectedValue]?: Data | undefined
}

/** Whether there is a condition. */
export function hasCondition(options: Conditions | undefined | null): boolean {
  if (typeof options !== 'object' || options === null) return false
  return Boolean(options.ifAbsent) || Boolean(options.ifPresent) || options.ifValue !== undefined
}

/** `options` with its expected value encoded, by the value encoding that they name or that `source` has. */
export function withExpectedValue<T extends object>(options: T, source: EncodingSource): T {
  const conditions = options as Conditions
  if (conditions.ifValue === undefined || conditions[expectedValue] !== undefined) return options
  const encoding = source.valueEncoding(conditions.valueEncoding)
  return { ...options, [expectedValue]: encodeValue(encoding, conditions.ifValue) }
}

/** The kind of operation that a put with these conditions is. */
export function putKind(conditions: Conditions): number {
  const absent = Boolean(conditions.ifAbsent)
  const present = Boolean(conditions.ifPresent)
  const value = conditions[expectedValue] !== undefined
  if (Number(absent) + Number(present) + Number(value) > 1) {
    throw new TypeError("At most one of the options 'ifAbsent', 'ifPresent' and 'ifValue' can be given")
  }
  if (absent) return Op.putIfAbsent
  if (present) return Op.putIfPresent
  return value ? Op.putIfValue : Op.put
}

/** The kind of operation that a delete with these conditions is. */
export function delKind(conditions: Conditions): number {
  if (conditions.ifAbsent || conditions.ifPresent) {
    throw new TypeError("A delete takes the option 'ifValue' only")
  }
  return conditions[expectedValue] !== undefined ? Op.deleteIfValue : Op.delete
}

/** Throws unless `options` is an object, null or undefined. */
export function assertOptions(options: unknown): void {
  if (options !== undefined && options !== null && typeof options !== 'object') {
    throw new TypeError(`The options must be an object, received ${typeName(options)}`)
  }
}
