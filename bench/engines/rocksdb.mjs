/**
 * rocksdb, Level's binding of RocksDB: the one RocksDB binding of npm that loads here. Its reads are asynchronous
 * alone, and it does not load in worker threads.
 *
 * Settings (those that the binding hands on; https://github.com/Level/rocksdb#api and
 * https://github.com/facebook/rocksdb/wiki/RocksDB-Tuning-Guide):
 *  - `cacheSize` of 256 MiB: the blocks of the measured data stay in memory;
 *  - `writeBufferSize` of 64 MiB, RocksDB's own default, where the binding's is 4 MiB;
 *  - the Bloom filter of 10 bits per key that the binding always sets.
 *
 * Durability: `sync: true` with each write.
 */
import { Buffer } from 'node:buffer'
import { promisify } from 'node:util'

class Store {
  #db
  #sync
  #calls

  constructor(db, isDurable) {
    this.#db = db
    this.#sync = { sync: isDurable }
    const call = (name) => promisify(db[name]).bind(db)
    this.#calls = { put: call('put'), batch: call('batch'), clear: call('clear'), getMany: call('getMany') }
  }

  writeBatch(keys, values) {
    const operations = new Array(keys.length)
    for (let i = 0; i < keys.length; i++) operations[i] = { type: 'put', key: keys[i], value: values[i] }
    return this.#calls.batch(operations, this.#sync)
  }

  deleteBatch(keys) {
    const operations = keys.map((key) => ({ type: 'del', key }))
    return this.#calls.batch(operations, this.#sync)
  }

  deleteRange(gte, lt) {
    return this.#calls.clear({ gte, lt })
  }

  put(key, value) {
    return this.#calls.put(key, value, this.#sync)
  }

  putMany(keys, values) {
    return Promise.all(keys.map((key, i) => this.#calls.put(key, values[i], this.#sync)))
  }

  getAsync(key) {
    return new Promise((resolve, reject) => {
      this.#db.get(key, (error, value) => {
        if (!error) resolve(value)
        else if (/notfound/i.test(error.message)) resolve(undefined)
        else reject(error)
      })
    })
  }

  getMany(keys) {
    return this.#calls.getMany(keys)
  }

  async scan(range, totals) {
    const iterator = this.#db.iterator(range)
    await new Promise((resolve, reject) => {
      const next = () =>
        iterator.next((error, key, value) => {
          if (error) return reject(error)
          if (key === undefined) return resolve()
          totals.add(key, value)
          next()
        })
      next()
    })
    await promisify(iterator.end).call(iterator)
  }

  compact() {
    return promisify(this.#db.compactRange).call(this.#db, Buffer.alloc(0), Buffer.alloc(64, 0xff))
  }

  close() {
    return promisify(this.#db.close).call(this.#db)
  }
}

export default [
  {
    name: 'rocksdb',
    package: 'rocksdb',
    hasThreads: false,
    settings: [
      { setting: 'cacheSize: 256 MiB', why: 'the measured data stays in memory' },
      { setting: 'writeBufferSize: 64 MiB', why: "RocksDB's own default" },
      { setting: 'sync: true where a workload is durable', why: 'equal durability' }
    ],
    document: 'https://github.com/facebook/rocksdb/wiki/RocksDB-Tuning-Guide',
    async open({ folder, isDurable }) {
      const { default: rocksdb } = await import('rocksdb')
      return async (at = folder) => {
        const db = rocksdb(at)
        await promisify(db.open).call(db, { cacheSize: 256 * 2 ** 20, writeBufferSize: 64 * 2 ** 20 })
        return new Store(db, isDurable)
      }
    }
  }
]
