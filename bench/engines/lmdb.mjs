/**
 * lmdb (lmdb-js), the strongest memory-mapped B+tree with a Node binding.
 *
 * Settings, from https://github.com/kriszyp/lmdb-js#db-options:
 *  - keys and values `binary`: no encoding is paid for;
 *  - `mapSize` given: the map is not resized, and is not remapped in chunks;
 *  - `noMemInit`: "a small performance boost for writes";
 *  - `noSync` where a workload is not durable; `lmdb writemap` adds `useWritemap`, "virtually zero explicit I/O calls";
 *  - `append` for ascending loads, an option of `putSync`;
 *  - `getBinaryFast` for single gets (a reused buffer), a loop of `getBinary` for 100 at once, which is faster than
 *    `getMany` while the data is in memory.
 *
 * Durability: `transactionSync` returns after the sync. `put` resolves when it is visible and, by the default
 * `overlappingSync`, not yet durable: `flushed` is awaited as well. (`putSync` outside a transaction does not wait for
 * the sync and is not used for durable writes.)
 */
import { join } from 'node:path'

const append = { append: true }

class Store {
  #db
  #isDurable

  constructor(db, isDurable) {
    this.#db = db
    this.#isDurable = isDurable
  }

  writeBatch(keys, values, isAscending) {
    const db = this.#db
    db.transactionSync(() => {
      if (isAscending) for (let i = 0; i < keys.length; i++) db.putSync(keys[i], values[i], append)
      else for (let i = 0; i < keys.length; i++) db.putSync(keys[i], values[i])
    })
  }

  deleteBatch(keys) {
    this.#db.transactionSync(() => {
      for (const key of keys) this.#db.removeSync(key)
    })
  }

  deleteRange(start, end) {
    this.#db.transactionSync(() => {
      for (const key of this.#db.getKeys({ start, end }).asArray) this.#db.removeSync(key)
    })
  }

  putSync(key, value) {
    this.#db.transactionSync(() => {
      this.#db.putSync(key, value)
    })
  }

  async put(key, value) {
    await this.#db.put(key, value)
    if (this.#isDurable) await this.#db.flushed
  }

  async putMany(keys, values) {
    await Promise.all(keys.map((key, i) => this.#db.put(key, values[i])))
    await this.#db.flushed
  }

  get(key) {
    return this.#db.getBinaryFast(key)
  }

  getMany(keys) {
    return keys.map((key) => this.#db.getBinary(key))
  }

  scan({ gte, lt, limit, reverse }, totals) {
    const range = reverse ? { reverse, limit } : { start: gte, end: lt, limit }
    for (const { key, value } of this.#db.getRange(range)) totals.add(key, value)
  }

  close() {
    return this.#db.close()
  }
}

function engine(name, more, rest) {
  return {
    name,
    package: 'lmdb',
    hasThreads: true,
    settings: [
      { setting: 'keyEncoding: binary, encoding: binary', why: 'no encoding is paid for' },
      { setting: 'mapSize: 64 GiB', why: 'no resizing of the map' },
      { setting: 'noMemInit', why: 'a small performance boost for writes' },
      ...Object.keys(more).map((setting) => ({ setting, why: 'for loads that are not durable' })),
      { setting: 'noSync where a workload is not durable', why: 'no flush at all' }
    ],
    document: 'https://github.com/kriszyp/lmdb-js#db-options',
    async open({ folder, isDurable }) {
      const { open } = await import('lmdb')
      const encodings = { keyEncoding: 'binary', encoding: 'binary' }
      const settings = { ...encodings, mapSize: 64 * 2 ** 30, noMemInit: true, noSync: !isDurable, ...more }
      return (at = folder) => new Store(open({ path: join(at, 'data'), ...settings }), isDurable)
    },
    ...rest
  }
}

export default [
  engine('lmdb', {}, {}),
  engine(
    'lmdb writemap',
    { useWritemap: true },
    { fixtureOf: 'lmdb', groups: ['load', 'overwrite', 'ycsb'], isOnlyRelaxed: true }
  )
]
