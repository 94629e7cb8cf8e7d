/**
 * The synchronous twins of put, del, batch and clear: what abstract-level does around a write, without promises.
 */
import type { WriteResult } from './batch-writer.js'
import { Op } from './binding.js'
import { type Data, typeName } from './bytes.js'
import { type EncodingOption, type EncodingSource, encodeKey, encodeValue } from './codec.js'
import { ZkdbError } from './errors.js'
import type { Opened } from './level-database.js'
import { type PrivateOperation, packDeletes, packOperation } from './pack.js'
import { type EncodedRange, writeRange } from './range.js'
import { openSnapshotHandle } from './snapshot.js'
import {
  assertOptions,
  type Conditions,
  durabilityOf,
  expectedValue,
  hasCondition,
  type WriteOptions,
  withExpectedValue,
  writeFlagsOf
} from './write-options.js'

/** What the calls need of a database: an AbstractLevel. */
interface Level {
  keyEncoding(encoding?: never): unknown
  hooks: { prewrite: unknown }
  listenerCount(event: string): number
  emit(event: string, ...args: unknown[]): boolean
}

interface Sublevel extends EncodingSource {
  prefixKey(key: Data, format: string, isLocal: boolean): Data
}

interface Options extends WriteOptions, Conditions {
  keyEncoding?: EncodingOption
}

interface Operation extends Options {
  type?: unknown
  key?: unknown
  value?: unknown
  sublevel?: Sublevel | null
}

interface Range extends WriteOptions {
  gt?: unknown
  gte?: unknown
  lt?: unknown
  lte?: unknown
  reverse?: boolean | undefined
  limit?: number | undefined
  keyEncoding?: EncodingOption
  snapshot?: unknown
}

/** The synchronous writes of one database. */
export class SyncCalls {
  readonly #db: Level
  readonly #source: EncodingSource
  readonly #opened: () => Opened

  constructor(db: object, opened: () => Opened) {
    this.#db = db as Level
    this.#source = db as EncodingSource
    this.#opened = opened
  }

  put(key: unknown, value: unknown, options: Options): WriteResult | undefined {
    const opened = this.#begin()
    assertOptions(options)
    return this.#write(opened, [{ type: 'put', key, value }], options ?? {})
  }

  del(key: unknown, options: Options): WriteResult | undefined {
    const opened = this.#begin()
    assertOptions(options)
    return this.#write(opened, [{ type: 'del', key }], options ?? {})
  }

  batch(operations: Operation[], options: Options): WriteResult | undefined {
    const opened = this.#begin()
    assertOptions(options)
    if (!Array.isArray(operations)) {
      throw new TypeError(`The operations must be an array, received ${typeName(operations)}`)
    }
    return this.#write(opened, operations, options ?? {})
  }

  clear(options: Range): void {
    const { sync, handle, clearFlags } = this.#begin()
    assertOptions(options)
    const given: Range = options ?? {}
    const { limit, snapshot } = given
    const range = this.#range(given)
    const flags = writeFlagsOf(given) | clearFlags
    const isLimited = Number.isInteger(limit) && limit! >= 0
    if (limit === 0) return
    if (isLimited || snapshot != null) {
      // The records that are deleted are those that are there after the writes called before.
      sync.drain()
      const id = openSnapshotHandle(snapshot, handle)
      const limited = { ...range, limit: isLimited ? limit! : -1 }
      sync.write((batch) => packDeletes(batch, handle, id, limited), durabilityOf(given), flags)
    } else {
      sync.write((batch) => batch.addDeleteRange(writeRange(range)), durabilityOf(given), flags)
    }
    this.#db.emit('clear', given)
  }

  #range(options: Range): EncodedRange & { reverse: boolean } {
    const encoding = this.#source.keyEncoding(options.keyEncoding)
    const range: EncodedRange & { reverse: boolean } = { reverse: Boolean(options.reverse) }
    for (const bound of ['gt', 'gte', 'lt', 'lte'] as const) {
      if (options[bound] !== undefined) range[bound] = encoding.encode(options[bound])
    }
    return range
  }

  /** Checks that a synchronous write is possible. */
  #begin(): Opened {
    const opened = this.#opened()
    if ((this.#db.hooks.prewrite as { noop?: boolean }).noop === false) {
      throw new ZkdbError(
        'LEVEL_NOT_SUPPORTED',
        'A synchronous write cannot run the prewrite hooks that are installed: use the asynchronous call'
      )
    }
    return opened
  }

  #write({ sync }: Opened, operations: readonly Operation[], options: Options): WriteResult | undefined {
    const events = this.#db.listenerCount('write') > 0 ? ([] as object[]) : undefined
    const keyEncoding = this.#source.keyEncoding(options.keyEncoding)
    const valueEncoding = this.#source.valueEncoding(options.valueEncoding)
    const mayBePlain = events === undefined && !hasCondition(options) && options.ttl === undefined
    let isConditional = false
    const result = sync.write(
      (batch) => {
        for (const operation of operations) {
          if (mayBePlain && isPlainPut(operation)) {
            const key = encodeKey(keyEncoding, operation.key)
            batch.add(Op.put, key, encodeValue(valueEncoding, operation.value))
          } else {
            const encoded = this.#encode(operation, options, events)
            isConditional ||= hasCondition(encoded)
            packOperation(batch, encoded)
          }
        }
      },
      durabilityOf(options),
      writeFlagsOf(options)
    )
    if (events !== undefined && events.length > 0 && result.applied) this.#db.emit('write', events)
    return isConditional ? result : undefined
  }

  /** Encodes an operation; `options` are the defaults of what it does not say. */
  #encode(operation: Operation, options: Options, events: object[] | undefined): PrivateOperation {
    if (typeof operation !== 'object' || operation === null) {
      throw new TypeError(`A batch operation must be an object, received ${typeName(operation)}`)
    }
    const { type, sublevel } = operation
    if (type !== 'put' && type !== 'del') {
      throw new TypeError("A batch operation must have a type property that is 'put' or 'del'")
    }
    const source = sublevel ?? this.#source
    const keyEncoding = source.keyEncoding(operation.keyEncoding ?? options.keyEncoding)
    const ownKey = encodeKey(keyEncoding, operation.key)
    const key = sublevel == null ? ownKey : sublevel.prefixKey(ownKey, keyEncoding.format, false)
    const encoded: PrivateOperation = { type, key, ttl: operation.ttl ?? options.ttl }
    if (hasCondition(operation) || hasCondition(options)) this.#addConditions(encoded, operation, options, source)
    if (type === 'put') {
      const valueEncoding = source.valueEncoding(operation.valueEncoding ?? options.valueEncoding)
      encoded.value = encodeValue(valueEncoding, operation.value)
      events?.push({
        ...options,
        ...operation,
        keyEncoding,
        valueEncoding,
        encodedKey: key,
        encodedValue: encoded.value
      })
    } else {
      events?.push({ ...options, ...operation, keyEncoding, encodedKey: key })
    }
    return encoded
  }

  #addConditions(encoded: PrivateOperation, operation: Operation, options: Options, source: EncodingSource): void {
    const ifValue = operation.ifValue ?? options.ifValue
    const valueEncoding = operation.valueEncoding ?? options.valueEncoding
    encoded.ifAbsent = operation.ifAbsent ?? options.ifAbsent
    encoded.ifPresent = operation.ifPresent ?? options.ifPresent
    encoded.ifValue = ifValue
    if (ifValue === undefined) return
    const conditions: Conditions = withExpectedValue({ ifValue, valueEncoding } as Conditions, source)
    encoded[expectedValue] = conditions[expectedValue]
  }
}

/** Whether an operation is a put with nothing of its own: most are, and they are cheap to encode. */
function isPlainPut(operation: Operation): boolean {
  return (
    operation?.type === 'put' &&
    operation.sublevel == null &&
    operation.keyEncoding === undefined &&
    operation.valueEncoding === undefined &&
    operation.ttl === undefined &&
    !hasCondition(operation)
  )
}
