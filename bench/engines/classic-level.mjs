/**
 * classic-level, LevelDB in Level's own binding.
 *
 * Settings, from https://github.com/Level/classic-level#dbopenoptions and
 * https://github.com/google/leveldb/blob/main/doc/index.md#performance:
 *  - `cacheSize` of 256 MiB: the blocks of the measured data stay in memory, uncompressed;
 *  - `writeBufferSize` of 64 MiB: "larger values increase performance, especially during bulk loads";
 *  - `compression` on, its default ("leave this on"); `maxOpenFiles` as it is, enough for the data;
 *  - `multithreading` only where worker threads take part;
 *  - `nextv` with a `highWaterMarkBytes` that lets it fill its arrays, as the README advises.
 *
 * Durability: `sync: true` with each write.
 */
import { Buffer } from 'node:buffer'

const pageRecords = 1000
const highWaterMarkBytes = 1024 * 1024

class Store {
  #db
  #sync

  constructor(db, isDurable) {
    this.#db = db
    this.#sync = { sync: isDurable }
  }

  writeBatch(keys, values) {
    const operations = new Array(keys.length)
    for (let i = 0; i < keys.length; i++) operations[i] = { type: 'put', key: keys[i], value: values[i] }
    return this.#db.batch(operations, this.#sync)
  }

  deleteBatch(keys) {
    const operations = keys.map((key) => ({ type: 'del', key }))
    return this.#db.batch(operations, this.#sync)
  }

  async deleteRange(gte, lt) {
    await this.#db.clear({ gte, lt })
  }

  put(key, value) {
    return this.#db.put(key, value, this.#sync)
  }

  putMany(keys, values) {
    return Promise.all(keys.map((key, i) => this.#db.put(key, values[i], this.#sync)))
  }

  get(key) {
    return this.#db.getSync(key)
  }

  getMany(keys) {
    return this.#db.getMany(keys)
  }

  async scan(range, totals) {
    const iterator = this.#db.iterator({ ...range, highWaterMarkBytes })
    try {
      for (;;) {
        const entries = await iterator.nextv(pageRecords)
        if (entries.length === 0) return
        for (const [key, value] of entries) totals.add(key, value)
      }
    } finally {
      await iterator.close()
    }
  }

  compact() {
    return this.#db.compactRange(Buffer.alloc(0), Buffer.alloc(64, 0xff))
  }

  close() {
    return this.#db.close()
  }
}

export default [
  {
    name: 'classic-level',
    package: 'classic-level',
    hasThreads: true,
    settings: [
      { setting: 'keyEncoding: buffer, valueEncoding: buffer', why: 'no encoding is paid for' },
      { setting: 'cacheSize: 256 MiB', why: 'the measured data stays in memory' },
      { setting: 'writeBufferSize: 64 MiB', why: 'larger values increase performance of bulk loads' },
      { setting: 'sync: true where a workload is durable', why: 'equal durability' }
    ],
    document: 'https://github.com/Level/classic-level#dbopenoptions',
    async open({ folder, isDurable, isThreaded }) {
      const { ClassicLevel } = await import('classic-level')
      const sizes = { cacheSize: 256 * 2 ** 20, writeBufferSize: 64 * 2 ** 20, multithreading: Boolean(isThreaded) }
      return async (at = folder) => {
        const db = new ClassicLevel(at, { keyEncoding: 'buffer', valueEncoding: 'buffer', ...sizes })
        await db.open()
        return new Store(db, isDurable)
      }
    }
  }
]
