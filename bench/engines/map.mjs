/**
 * A plain Map from the key as a string to the value, and a sorted array for scans: what there is without a store. It
 * is a reference, not a peer: nothing is durable, and nothing is in a file.
 */
import { Buffer } from 'node:buffer'

class Store {
  #values = new Map()
  #sorted

  writeBatch(keys, values) {
    for (let i = 0; i < keys.length; i++) this.#values.set(keys[i].latin1Slice(), values[i])
    this.#sorted = undefined
  }

  deleteBatch(keys) {
    for (const key of keys) this.#values.delete(key.latin1Slice())
    this.#sorted = undefined
  }

  putSync(key, value) {
    const text = key.latin1Slice()
    if (!this.#values.has(text)) this.#sorted = undefined
    else if (this.#sorted) this.#sorted.values[this.#lowerBound(text)] = value
    this.#values.set(text, value)
  }

  get(key) {
    return this.#values.get(key.latin1Slice())
  }

  getMany(keys) {
    return keys.map((key) => this.#values.get(key.latin1Slice()))
  }

  scan({ gte, limit = Number.POSITIVE_INFINITY, reverse }, totals) {
    const { keys, values } = this.#sort()
    if (reverse) {
      for (let i = keys.length - 1; i >= 0; i--) totals.add(keys[i], values[i])
      return
    }
    const first = gte ? this.#lowerBound(gte.latin1Slice()) : 0
    const end = Math.min(keys.length, first + limit)
    for (let i = first; i < end; i++) totals.add(keys[i], values[i])
  }

  close() {}

  #sort() {
    if (this.#sorted) return this.#sorted
    const texts = [...this.#values.keys()].sort()
    const keys = texts.map((text) => Buffer.from(text, 'latin1'))
    this.#sorted = { texts, keys, values: texts.map((text) => this.#values.get(text)) }
    return this.#sorted
  }

  #lowerBound(text) {
    const { texts } = this.#sort()
    let [low, high] = [0, texts.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (texts[middle] < text) low = middle + 1
      else high = middle
    }
    return low
  }
}

export default [
  {
    name: 'map',
    isReference: true,
    isInMemory: true,
    hasThreads: false,
    settings: [{ setting: 'Map of latin1 strings, sorted array', why: 'the in-memory reference' }],
    // An insert makes the next scan sort everything.
    skips: ['ycsb-e'],
    groups: ['load', 'get', 'scan', 'overwrite', 'sizes', 'ycsb'],
    isOnlyRelaxed: true,
    async open() {
      return () => new Store()
    }
  }
]
