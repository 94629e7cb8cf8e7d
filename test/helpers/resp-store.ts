/**
 * The commands of a zkdb server that the remote client uses, over a map in this process: what native/net does, so far
 * as the tests of the client can tell. Strings are latin1, one character per byte.
 */
import type { Handler } from './resp-server.js'

const bulkOf = (text: string): string => `$${text.length}\r\n${text}\r\n`
const nullable = (text: string | undefined): string => (text === undefined ? '_\r\n' : bulkOf(text))
const figures = (of: Record<string, number>): string => {
  const pairs = Object.entries(of).map(([name, figure]) => `${bulkOf(name)}:${figure}\r\n`)
  return `%${pairs.length}\r\n${pairs.join('')}`
}

const onePartition =
  `*1\r\n%4\r\n${bulkOf('index')}:0\r\n${bulkOf('name')}${bulkOf('p0')}` +
  `${bulkOf('remote')}#f\r\n${bulkOf('rule')}${bulkOf('all keys')}`

const expired = '-ZKDB_SNAPSHOT_EXPIRED no such snapshot\r\n'

/** A database of one partition. */
export class RespStore {
  readonly #records = new Map<string, string>()
  /** When records end, of those that do. Nothing removes them. */
  readonly #ends = new Map<string, number>()
  /** The records of each snapshot that is open. */
  readonly #snapshots = new Map<number, Map<string, string>>()
  #opened = 0
  /** Records after which a ZK.RANGE ends by itself, as the server's does after 1 MiB. */
  mostRecords = 1e6
  #sequence = 0

  /** What a `RespServer` answers; its encoding must be latin1. */
  readonly handler: Handler = (args) => {
    const answer = this.#answer(args[0]!.toUpperCase(), args.slice(1))
    return Buffer.from(answer, 'latin1')
  }

  #answer(name: string, args: string[]): string {
    switch (name) {
      case 'GET':
        return nullable(this.#records.get(args[0]!))
      case 'MGET':
        return `*${args.length}\r\n${args.map((key) => nullable(this.#records.get(key))).join('')}`
      case 'EXISTS':
        return `:${Number(this.#records.has(args[0]!))}\r\n`
      case 'SET':
        this.#put(args[0]!, args[1]!, args[2] === 'PX' ? args[3] : undefined)
        return '+OK\r\n'
      case 'PEXPIRETIME':
        return `:${this.#records.has(args[0]!) ? (this.#ends.get(args[0]!) ?? -1) : -2}\r\n`
      case 'DEL':
        return `:${Number(this.#records.delete(args[0]!))}\r\n`
      case 'ZK.BATCH':
        return this.#batch(args)
      case 'ZK.RANGE':
        return this.#range(args)
      case 'ZK.SNAPSHOT':
        return this.#snapshot(args)
      case 'ZK.GET':
        return this.#getAt(args)
      case 'ZK.CLEAR':
        return this.#clear(args)
      case 'ZK.STAT':
        return figures(
          args.length === 0 ? { partitions: 1, log_bytes: 4096, failed: 0 } : { records: this.#records.size }
        )
      case 'ZK.PARTITIONS':
        return onePartition
      default:
        return `-ERR unknown command '${name}'\r\n`
    }
  }

  #put(key: string, value: string, ttl: string | undefined): void {
    this.#records.set(key, value)
    if (ttl === undefined) this.#ends.delete(key)
    else this.#ends.set(key, Date.now() + Number(ttl))
  }

  #batch(args: string[]): string {
    const sizes: Record<string, number> = { PUT: 2, DEL: 1, PUTNX: 2, PUTXX: 2, PUTIF: 3, DELIF: 2 }
    let at = 0
    for (; args[at] === 'DURABILITY' || args[at] === 'NONATOMIC'; ) at += args[at] === 'DURABILITY' ? 2 : 1
    const operations: [string, ...string[]][] = []
    const ttls: (string | undefined)[] = []
    while (at < args.length) {
      ttls.push(args[at] === 'IN' ? args[at + 1] : undefined)
      if (args[at] === 'IN') at += 2
      const size = sizes[args[at]!]
      if (size === undefined) return `-ERR ZK.BATCH: argument ${at} begins no operation\r\n`
      operations.push(args.slice(at, at + 1 + size) as [string, ...string[]])
      at += 1 + size
    }
    const existed = operations.filter(([, key]) => this.#records.has(key!)).length
    const failed = operations.findIndex((operation) => !this.#holds(operation))
    if (failed < 0) for (const [i, operation] of operations.entries()) this.#apply(operation, ttls[i])
    const applied = failed < 0 ? '#t' : '#f'
    const numbers: [string, number][] = [
      ['sequence', failed < 0 ? ++this.#sequence : 0],
      ['existed', existed],
      ['failed', failed]
    ]
    const rest = numbers.map(([name, number]) => `${bulkOf(name)}:${number}\r\n`).join('')
    return `%4\r\n${bulkOf('applied')}${applied}\r\n${rest}`
  }

  #holds([name, key, expected]: [string, ...string[]]): boolean {
    const value = this.#records.get(key!)
    if (name === 'PUTNX') return value === undefined
    if (name === 'PUTXX') return value !== undefined
    return (name !== 'PUTIF' && name !== 'DELIF') || value === expected
  }

  #apply([name, key, ...values]: [string, ...string[]], ttl: string | undefined): void {
    if (name.startsWith('DEL')) this.#records.delete(key!)
    else this.#put(key!, values.at(-1)!, ttl)
  }

  #open(): number {
    this.#snapshots.set(++this.#opened, new Map(this.#records))
    return this.#opened
  }

  #snapshot([verb, id]: string[]): string {
    if (verb === 'OPEN') return `:${this.#open()}\r\n`
    const isThere = verb === 'CLOSE' ? this.#snapshots.delete(Number(id)) : this.#snapshots.has(Number(id))
    return `:${Number(isThere)}\r\n`
  }

  #getAt([id, ...keys]: string[]): string {
    const records = this.#snapshots.get(Number(id))
    if (records === undefined) return expired
    return `*${keys.length}\r\n${keys.map((key) => nullable(records.get(key))).join('')}`
  }

  /** Keys between the bounds that `args` begins with anywhere, in order. */
  #keys(args: string[], records = this.#records): string[] {
    let keys = [...records.keys()].sort()
    for (const [i, word] of args.entries()) {
      const bound = args[i + 1]!
      if (word === 'GT') keys = keys.filter((key) => key > bound)
      if (word === 'GTE') keys = keys.filter((key) => key >= bound)
      if (word === 'LT') keys = keys.filter((key) => key < bound)
      if (word === 'LTE') keys = keys.filter((key) => key <= bound)
    }
    return keys
  }

  #range(args: string[]): string {
    const at = args.indexOf('SNAPSHOT')
    const records = at < 0 ? this.#records : this.#snapshots.get(Number(args[at + 1]))
    if (records === undefined) return expired
    const keys = this.#keys(args, records)
    if (args.includes('REVERSE')) keys.reverse()
    const limit = Number(args[args.indexOf('LIMIT') + 1])
    const given = keys.slice(0, Math.min(limit, this.mostRecords))
    const record = (key: string): string[] => {
      if (args.includes('KEYS')) return [key]
      return args.includes('VALUES') ? [records.get(key)!] : [key, records.get(key)!]
    }
    const items = given.flatMap(record).map(bulkOf)
    const behind = given.length > 0 && given.length < keys.length ? given.at(-1) : undefined
    const piece = `*${items.length}\r\n${items.join('')}${nullable(behind)}`
    if (!args.includes('PIN')) return `*2\r\n${piece}`
    return `*3\r\n${piece}${behind === undefined ? nullable(undefined) : `:${this.#open()}\r\n`}`
  }

  #clear(args: string[]): string {
    const keys = this.#keys(args)
    for (const key of keys) this.#records.delete(key)
    return `:${keys.length}\r\n`
  }
}
