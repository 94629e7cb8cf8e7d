/**
 * Writes, ranges and figures as commands of the server, and their replies as the results of `Database`.
 */
import type { WriteResult } from '../batch-writer.js'
import type { Encoding, EncodingOption } from '../codec.js'
import { type Expiry, ttlOf } from '../expiry.js'
import type { DatabaseStats, PartitionInfo, PartitionStats } from '../operations.js'
import { type Data, typeName } from '../text.js'
import type { DelConditions, PutConditions, WriteOptions } from '../write-options.js'
import type { CallOptions } from './connection.js'
import type { Argument } from './encoder.js'
import { boundData, encodingOf, keyData, valueData } from './encodings.js'
import { arrayOf, mapOf, numberOf, type Reply } from './reply.js'

/** The encodings of one call; default: those of the client. */
export interface EncodingOptions {
  keyEncoding?: EncodingOption
  valueEncoding?: EncodingOption
}

/** Options of `get` and `getMany`. */
export type RemoteGetOptions = CallOptions & EncodingOptions
/** Options of `put`. */
export type RemotePutOptions<V = string> = CallOptions & EncodingOptions & WriteOptions & PutConditions<V> & Expiry
/** Options of `del`. */
export type RemoteDelOptions<V = string> = CallOptions & EncodingOptions & WriteOptions & DelConditions<V>
/** Options of `batch`. */
export type RemoteBatchOptions = CallOptions & EncodingOptions & WriteOptions & Expiry

/** An operation of a batch. Conditions are checked against the state before the batch. */
export type RemoteBatchOperation<K = string, V = string> =
  | ({ type: 'put'; key: K; value: V } & EncodingOptions & PutConditions<V> & Expiry)
  | ({ type: 'del'; key: K } & EncodingOptions & DelConditions<V>)

/** Bounds of a range. Where both are given, gte goes before gt and lte before lt. */
export interface Bounds<K = string> {
  gt?: K | undefined
  gte?: K | undefined
  lt?: K | undefined
  lte?: K | undefined
}

/** Options of `clear`. */
export type RemoteClearOptions<K = string> = CallOptions & Bounds<K> & { keyEncoding?: EncodingOption }

/** The encodings that a client has. */
export interface Encodings {
  key: Encoding
  value: Encoding
}

/** The encodings of a call. */
export function encodingsFor(own: Encodings, options: EncodingOptions | undefined): Encodings {
  if (options === undefined) return own
  const { keyEncoding, valueEncoding } = options
  if (!keyEncoding && !valueEncoding) return own
  return {
    key: keyEncoding ? encodingOf(keyEncoding) : own.key,
    value: valueEncoding ? encodingOf(valueEncoding) : own.value
  }
}

// ---- writes

const durabilities = new Set(['commit', 'interval', 'none'])

/** Whether a write needs more than SET and DEL say. */
export function isPlain(options: WriteOptions & PutConditions<unknown>): boolean {
  return options.durability === undefined && !options.nonAtomic && !isConditional(options)
}

/** Whether there is a condition. */
export function isConditional(options: PutConditions<unknown>): boolean {
  return Boolean(options.ifAbsent) || Boolean(options.ifPresent) || options.ifValue !== undefined
}

/** The beginning of a ZK.BATCH. */
export function batchCommand(options: WriteOptions): Argument[] {
  const { durability, nonAtomic } = options
  const command: Argument[] = ['ZK.BATCH']
  if (durability !== undefined) {
    if (!durabilities.has(durability)) {
      throw new TypeError(
        `The option 'durability' must be 'commit', 'interval' or 'none', received ${String(durability)}`
      )
    }
    command.push('DURABILITY', durability)
  }
  if (nonAtomic) command.push('NONATOMIC')
  return command
}

/** The option `ttl` as the server counts it: whole milliseconds. undefined: the record never ends. */
export function wholeTtl(options: Expiry): number | undefined {
  const ttl = ttlOf(options)
  return ttl === undefined ? undefined : Math.ceil(ttl)
}

/** Adds a put to a ZK.BATCH. */
export function addPut(
  command: Argument[],
  encodings: Encodings,
  key: unknown,
  value: unknown,
  options: PutConditions<unknown> & Expiry
): void {
  const { ifAbsent, ifPresent, ifValue } = options
  if (Number(Boolean(ifAbsent)) + Number(Boolean(ifPresent)) + Number(ifValue !== undefined) > 1) {
    throw new TypeError("At most one of the options 'ifAbsent', 'ifPresent' and 'ifValue' can be given")
  }
  const ttl = wholeTtl(options)
  if (ttl !== undefined) command.push('IN', ttl)
  const name = ifAbsent ? 'PUTNX' : ifPresent ? 'PUTXX' : ifValue !== undefined ? 'PUTIF' : 'PUT'
  command.push(name, keyData(encodings.key, key))
  if (name === 'PUTIF') command.push(valueData(encodings.value, ifValue))
  command.push(valueData(encodings.value, value))
}

/** Adds a delete to a ZK.BATCH. */
export function addDel(
  command: Argument[],
  encodings: Encodings,
  key: unknown,
  conditions: PutConditions<unknown>
): void {
  if (conditions.ifAbsent || conditions.ifPresent) throw new TypeError("A delete takes the option 'ifValue' only")
  const { ifValue } = conditions
  command.push(ifValue === undefined ? 'DEL' : 'DELIF', keyData(encodings.key, key))
  if (ifValue !== undefined) command.push(valueData(encodings.value, ifValue))
}

/** Adds an operation to a ZK.BATCH. `ttl` is that of puts without one of their own. */
export function addOperation(
  command: Argument[],
  encodings: Encodings,
  operation: unknown,
  index: number,
  { ttl }: Expiry = {}
): void {
  if (typeof operation !== 'object' || operation === null) {
    throw new TypeError(`Operation ${index} of the batch must be an object, received ${typeName(operation)}`)
  }
  const given = operation as RemoteBatchOperation<unknown, unknown>
  const own = encodingsFor(encodings, given)
  if (given.type === 'put') {
    const isOwn = ttl === undefined || given.ttl !== undefined
    addPut(command, own, given.key, given.value, isOwn ? given : { ...given, ttl })
  } else if (given.type === 'del') addDel(command, own, given.key, given)
  else throw new TypeError(`The type of operation ${index} of the batch must be 'put' or 'del'`)
}

/** What a ZK.BATCH did. */
export function writeResultOf(reply: Reply): WriteResult {
  const map = mapOf(reply)
  const applied = map.get('applied')
  const result: WriteResult = {
    applied: applied === true || applied === 1,
    sequence: numberOf(map.get('sequence')),
    existed: numberOf(map.get('existed'))
  }
  if (!result.applied) result.failedIndex = numberOf(map.get('failed'))
  return result
}

// ---- ranges

/** An encoded bound, and the word that says how it is meant. */
export interface EncodedBound {
  word: 'GT' | 'GTE' | 'LT' | 'LTE'
  key: Data
}

function isGiven(bound: unknown): boolean {
  return bound !== undefined && bound !== null
}

/** The lower and the upper bound of a range. */
export function boundsOf(
  encoding: Encoding,
  range: Bounds<unknown>
): { lower: EncodedBound | undefined; upper: EncodedBound | undefined } {
  const bound = (equal: unknown, other: unknown, words: [EncodedBound['word'], EncodedBound['word']]) => {
    const given = isGiven(equal) ? equal : other
    if (!isGiven(given)) return undefined
    const { data, isCut } = boundData(encoding, given)
    // What is cut off makes the bound greater than every key that begins with the rest.
    const isEqual = words[0] === 'GTE' ? isGiven(equal) && !isCut : isGiven(equal) || isCut
    return { word: isEqual ? words[0] : words[1], key: data }
  }
  return {
    lower: bound(range.gte, range.gt, ['GTE', 'GT']),
    upper: bound(range.lte, range.lt, ['LTE', 'LT'])
  }
}

// ---- figures

/** The figures of a map under the names of `Database.stats()`: `log_bytes` is `logBytes`. */
function figuresOf(reply: Reply): Record<string, number> {
  const figures: Record<string, number> = {}
  for (const [name, value] of mapOf(reply)) {
    const camel = String(name).replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    figures[camel] = numberOf(value)
  }
  return figures
}

/** The partitions of a ZK.PARTITIONS. */
export function partitionsOf(reply: Reply): PartitionInfo[] {
  return arrayOf(reply).map((entry) => {
    const map = mapOf(entry)
    const remote = map.get('remote')
    return {
      name: String(map.get('name')),
      index: numberOf(map.get('index')),
      isRemote: remote === true || remote === 1,
      directory: '',
      rule: String(map.get('rule'))
    }
  })
}

/** The figures of a ZK.STAT, with those of each partition. */
export function statsOf(database: Reply, partitions: PartitionInfo[], figures: Reply[]): DatabaseStats {
  const { failed = 0, ...own } = figuresOf(database)
  return {
    ...own,
    failed: failed !== 0,
    partitions: partitions.map((info, i) => ({ ...info, ...figuresOf(figures[i]!) }) as PartitionStats)
  } as unknown as DatabaseStats
}
