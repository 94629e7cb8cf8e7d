// One engine, one process: runs the workloads of floor.mjs and prints one JSON object of nanoseconds per operation.
//   node workload.mjs zkdb|lmdb FOLDER RECORDS
import { Buffer } from 'node:buffer'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

const [engine, folder, count] = process.argv.slice(2)
const records = Number(count)
const batchSize = 1000
const value = Buffer.alloc(100, 7)
const figures = {}

/** A xorshift generator: the same keys for every engine. */
function generator(a, b) {
  let [x, y] = [a, b]
  return () => {
    const t = x ^ (x << 11)
    x = y
    y = (y ^ (y >>> 19) ^ t ^ (t >>> 8)) | 0
    return y >>> 0
  }
}

const random = generator(123456789, 362436069)
const bytes = Buffer.allocUnsafe(16 * records)
for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(random(), at)
const keys = Array.from({ length: records }, (_, i) => bytes.subarray(16 * i, 16 * i + 16))
const order = Uint32Array.from(keys, (_, i) => i)
for (let i = records - 1; i > 0; i--) {
  const j = random() % (i + 1)
  const swapped = order[i]
  order[i] = order[j]
  order[j] = swapped
}

async function time(name, operations, run) {
  const begin = process.hrtime.bigint()
  await run()
  figures[name] = Number(process.hrtime.bigint() - begin) / operations
}

function diskBytes(path) {
  if (!statSync(path).isDirectory()) return statSync(path).blocks * 512
  return readdirSync(path).reduce((sum, name) => sum + diskBytes(join(path, name)), 0)
}

/** What the workloads need of an engine. */
const engines = {
  async lmdb() {
    const { open } = await import('lmdb')
    const settings = { path: join(folder, 'd'), keyEncoding: 'binary', encoding: 'binary', mapSize: 4e9 }
    return {
      open: (durable) => open({ ...settings, noSync: !durable }),
      write: (db, from) =>
        db.transactionSync(() => {
          for (let i = from; i < from + batchSize; i++) db.putSync(keys[i], value)
        }),
      get: (db, key) => db.getBinaryFast(key).length,
      scan(db) {
        let n = 0
        for (const { key, value: found } of db.getRange({})) n += key.length + found.length
        return n
      }
    }
  },
  async zkdb() {
    const { openSync } = await import('../dist/esm/index.js')
    const settings = { path: folder, partitions: 1, keyEncoding: 'buffer', valueEncoding: 'buffer' }
    return {
      open: (durable) => openSync({ ...settings, durability: durable ? 'commit' : 'none' }),
      write: (db, from) => db.batchSync(keys.slice(from, from + batchSize).map((key) => ({ type: 'put', key, value }))),
      get: (db, key) => db.getFast(key).length,
      scan(db) {
        let n = 0
        for (const [key, found] of db.scanSync({})) n += key.length + found.length
        return n
      }
    }
  }
}

function check(found, wanted) {
  if (found !== wanted) throw new Error(`${engine}: read ${found} bytes, not ${wanted}`)
}

async function load(api, name, durable) {
  rmSync(folder, { recursive: true, force: true })
  const db = api.open(durable)
  await time(name, records, () => {
    for (let i = 0; i < records; i += batchSize) api.write(db, i)
  })
  await db.close()
}

const api = await engines[engine]()
await load(api, 'durable load', true)
await load(api, 'load', false)
figures['file / raw'] = diskBytes(folder) / (records * 116)
const begin = process.hrtime.bigint()
const db = api.open(true)
figures['open (ms)'] = Number(process.hrtime.bigint() - begin) / 1e6
for (let round = 0; round < 2; round++) {
  await time('point get', records, () => {
    let n = 0
    for (let i = 0; i < records; i++) n += api.get(db, keys[order[i]])
    check(n, 100 * records)
  })
  await time('full scan', records, () => check(api.scan(db), 116 * records))
}
for (let round = 0; round < 10; round++) {
  await time('concurrent puts', 1000, () => {
    const puts = Array.from({ length: 1000 }, (_, i) => db.put(keys[(i * 997 + round * 31) % records], value))
    return Promise.all(puts)
  })
}
await db.close()
console.log(JSON.stringify(figures))
