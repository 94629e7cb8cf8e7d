/**
 * zkdb itself, with its defaults: 4 KiB pages, checkpoints, and durability `commit` where a workload is durable.
 *
 * A load that need not be durable runs with durability `none`, which never tears and loses what came after the last
 * checkpoint when the process or the power dies. The peers' form without syncs loses nothing when only the process
 * dies, which is what zkdb calls `interval`: `zkdb interval` measures that beside it.
 */
import { pathToFileURL } from 'node:url'

/** Reads a packed scan without making an object per record. */
function addPacked(chunks, totals) {
  let [count, sum] = [0, 0]
  for (const chunk of chunks) {
    const { buffer, offsets } = chunk
    for (let i = 0, at = 0; i < chunk.count; i++, at += 3) {
      const valueAt = offsets[at + 1]
      sum += offsets[at + 2] - offsets[at] + buffer[valueAt - 1] + buffer[valueAt]
    }
    count += chunk.count
  }
  totals.count += count
  totals.sum += sum
}

class Store {
  #db

  constructor(db) {
    this.#db = db
  }

  writeBatch(keys, values) {
    const operations = new Array(keys.length)
    for (let i = 0; i < keys.length; i++) operations[i] = { type: 'put', key: keys[i], value: values[i] }
    this.#db.batchSync(operations)
  }

  deleteBatch(keys) {
    this.#db.batchSync(keys.map((key) => ({ type: 'del', key })))
  }

  deleteRange(gte, lt) {
    this.#db.clearSync({ gte, lt })
  }

  putSync(key, value) {
    this.#db.putSync(key, value)
  }

  put(key, value) {
    return this.#db.put(key, value)
  }

  putMany(keys, values) {
    return Promise.all(keys.map((key, i) => this.#db.put(key, values[i])))
  }

  get(key) {
    return this.#db.getFast(key)
  }

  getMany(keys) {
    return this.#db.getManySync(keys)
  }

  scan(range, totals) {
    for (const [key, value] of this.#db.scanSync(range)) totals.add(key, value)
  }

  scanPacked(range, totals) {
    addPacked(this.#db.scanSync(range).chunks(), totals)
  }

  compact() {
    return this.#db.compact()
  }

  close() {
    return this.#db.close()
  }
}

function engine(name, { partitions = 1, relaxed = 'none', ...rest }) {
  return {
    name,
    package: 'zkdb',
    isOurs: true,
    hasThreads: true,
    settings: [
      { setting: `partitions: ${partitions}`, why: partitions === 1 ? 'the default' : 'named by the workload' },
      { setting: `durability: commit, or ${relaxed} where a workload is not durable`, why: 'see engines/zkdb.mjs' }
    ],
    async open({ folder, isDurable, modulePath }) {
      const url = modulePath ? pathToFileURL(modulePath).href : new URL('../../dist/esm/index.js', import.meta.url).href
      const { openSync } = await import(url)
      const durability = isDurable ? 'commit' : relaxed
      return (at = folder) =>
        new Store(openSync({ path: at, partitions, keyEncoding: 'buffer', valueEncoding: 'buffer', durability }))
    },
    ...rest
  }
}

export default [
  engine('zkdb', {}),
  engine('zkdb interval', {
    relaxed: 'interval',
    fixtureOf: 'zkdb',
    isOnlyRelaxed: true,
    groups: ['load', 'overwrite', 'ycsb']
  }),
  engine('zkdb 16 partitions', { partitions: 16, groups: ['partitions'] }),
  engine('zkdb 256 partitions', { partitions: 256, groups: ['partitions'] })
]
