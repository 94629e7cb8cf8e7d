/**
 * The records of a measurement, the same for every engine: made from a seed, so that every process makes the same.
 *
 * Record `i` is the one of rank `i` in key order. A key is 6 random bytes that no other key begins with, and random
 * bytes behind them. A value is one of 4,096 windows of a random text, chosen by the record and its version: values do
 * not compress, and a wrong record is told from the right one.
 */
import { Buffer } from 'node:buffer'

const prefixSize = 6
const valueCount = 4096
const windowStep = 256

/** A generator of 32-bit numbers (sfc32), the same everywhere for one seed. */
export function generator(seed) {
  let [a, b, c, d] = [0x9e3779b9 ^ seed, 0x243f6a88, 0xb7e15162 ^ (seed << 7), 1]
  const next = () => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return t >>> 0
  }
  for (let i = 0; i < 16; i++) next()
  return next
}

/** `count` numbers of 48 bits, ascending and distinct. */
function prefixes(count, random) {
  const list = new Float64Array(count)
  for (let i = 0; i < count; i++) list[i] = random() * 0x10000 + (random() >>> 16)
  list.sort()
  for (let i = 1; i < count; i++) if (list[i] <= list[i - 1]) list[i] = list[i - 1] + 1
  return list
}

/** Keys with every second prefix from `first`, as views on one buffer. */
function keysOf(list, first, keySize, random) {
  const count = list.length / 2
  const bytes = Buffer.allocUnsafeSlow(count * keySize)
  const keys = new Array(count)
  for (let i = 0; i < count; i++) {
    const at = i * keySize
    bytes.writeUIntBE(list[2 * i + first], at, prefixSize)
    for (let j = prefixSize; j < keySize; j++) bytes[at + j] = random() & 0xff
    keys[i] = bytes.subarray(at, at + keySize)
  }
  return keys
}

/** The numbers below `count` in random order. */
export function shuffled(count, random) {
  const order = new Uint32Array(count)
  for (let i = 0; i < count; i++) order[i] = i
  for (let i = count - 1; i > 0; i--) {
    const j = random() % (i + 1)
    const swapped = order[i]
    order[i] = order[j]
    order[j] = swapped
  }
  return order
}

/** A window of the random text per value. */
function valuesOf(valueSize, random) {
  const text = Buffer.allocUnsafeSlow(valueCount * windowStep + valueSize)
  for (let i = 0; i < text.length; i++) text[i] = random() & 0xff
  return Array.from({ length: valueCount }, (_, i) => text.subarray(i * windowStep, i * windowStep + valueSize))
}

/** The records of one measurement. */
export class Data {
  #list
  #absent
  #values

  /**
   * @param {object} options - `n` records with keys of `keySize` (8 or more) and values of `valueSize` bytes; `seed`.
   */
  constructor({ n, keySize, valueSize, seed }) {
    this.n = n
    this.keySize = keySize
    this.valueSize = valueSize
    this.seed = seed
    this.#list = prefixes(2 * n, generator(seed))
    /** Keys in ascending order. */
    this.keys = keysOf(this.#list, 0, keySize, generator(seed + 1))
    /** The ranks of all records in random order. */
    this.order = shuffled(n, generator(seed + 2))
    this.#values = valuesOf(valueSize, generator(seed + 3))
  }

  /** Keys that no record has, one between each record and the next. */
  get absent() {
    this.#absent ??= keysOf(this.#list, 1, this.keySize, generator(this.seed + 4))
    return this.#absent
  }

  /**
   * Copies of keys, one behind the other: whoever asks for a record has just made its key, and does not find it with
   * three cache misses.
   */
  atHand(keys) {
    const bytes = Buffer.allocUnsafeSlow(keys.length * this.keySize)
    return keys.map((key, i) => {
      const at = i * this.keySize
      key.copy(bytes, at)
      return bytes.subarray(at, at + this.keySize)
    })
  }

  /** The keys of `ranks`, at hand. */
  keysOf(ranks) {
    return this.atHand(Array.from(ranks, (rank) => this.keys[rank]))
  }

  /** The value of record `i` after `version` overwrites. */
  value(i, version = 0) {
    return this.#values[(Math.imul(i + 1, 0x9e3779b1) + Math.imul(version, 0x85ebca6b)) >>> 20]
  }

  /** A new random order, another one for each `salt`. */
  shuffle(salt) {
    return shuffled(this.n, generator(this.seed + 100 + salt))
  }

  /** Bytes of all keys and values. */
  get rawBytes() {
    return this.n * (this.keySize + this.valueSize)
  }
}

/**
 * What a timed read sums up, so that an answer that is wrong or was not read shows: the number of records, and sizes
 * and one byte of each key and value.
 */
export class Totals {
  count = 0
  sum = 0

  add(key, value) {
    this.count++
    this.sum += key.length + value.length + key[key.length - 1] + value[0]
  }

  /** Of a value alone. */
  addValue(value) {
    this.count++
    this.sum += value.length + value[0]
  }

  /** One number of both. */
  get digest() {
    return `${this.count} records, sum ${this.sum}`
  }
}

/**
 * Numbers below `n` with the skew of YCSB: Zipfian with constant 0.99, the popular ones scattered over all numbers.
 * Gray et al., "Quickly generating billion-record synthetic databases", 1994, as YCSB's ZipfianGenerator has it.
 */
export function zipfian(n, random) {
  const theta = 0.99
  let zeta = 0
  for (let i = 1; i <= n; i++) zeta += 1 / i ** theta
  const alpha = 1 / (1 - theta)
  const eta = (1 - (2 / n) ** (1 - theta)) / (1 - (1 + 0.5 ** theta) / zeta)
  return () => {
    const u = random() / 0x100000000
    const uz = u * zeta
    if (uz < 1) return 0
    if (uz < 1 + 0.5 ** theta) return 1
    return Math.min(n - 1, Math.floor(n * (eta * u - eta + 1) ** alpha))
  }
}
