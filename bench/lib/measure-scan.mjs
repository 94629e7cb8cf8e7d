/**
 * One measurement of a merged scan as a process: `node measure-scan.mjs CONFIGURATION WAY KEYS`. Reads the whole
 * database, which lies on several servers, checks number and order of the records, and prints records per second.
 */
import process from 'node:process'
import { openSync } from '../../dist/esm/index.js'
import { keyOf } from './merged-scan.mjs'

const ways = {
  /** Memory that is used again, no object per record. */
  packed(db) {
    let count = 0
    for (const chunk of db.scanSync().chunks()) {
      assertAt(count, chunk.buffer.latin1Slice(chunk.offsets[0], chunk.offsets[1]))
      count += chunk.count
    }
    return count
  },

  records(db) {
    let count = 0
    for (const [key, value] of db.scanSync()) {
      if (count % 1000 === 0) assertAt(count, key)
      if (value.length !== 100) throw new Error(`the value of ${key} has ${value.length} bytes`)
      count++
    }
    return count
  },

  async asynchronous(db) {
    const iterator = db.iterator()
    let count = 0
    for (let some = await iterator.nextv(1000); some.length > 0; some = await iterator.nextv(1000)) {
      assertAt(count, some[0][0])
      count += some.length
    }
    await iterator.close()
    return count
  }
}

function assertAt(rank, key) {
  if (key !== keyOf(rank)) throw new Error(`record ${rank} is ${key} instead of ${keyOf(rank)}`)
}

const [path, way, keys] = process.argv.slice(2)
const db = openSync(path)
const read = async () => {
  const count = await ways[way](db)
  if (count !== Number(keys)) throw new Error(`${count} records of ${keys} were read`)
}
await read()
const begin = process.hrtime.bigint()
await read()
const seconds = Number(process.hrtime.bigint() - begin) / 1e9
await db.close()
console.log(Number(keys) / seconds)
