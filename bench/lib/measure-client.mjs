/**
 * One measurement of a client library as a process: `node measure-client.mjs CLIENT PORT KEYS CALLS`. Gets `CALLS`
 * random keys with 1,000 promises awaited together, after a tenth of that unmeasured, and prints calls per second.
 */
import process from 'node:process'

const together = 1000

const clients = {
  async zkdb(port) {
    const { connect } = await import('../../dist/esm/remote.js')
    const client = await connect(`zkdb://127.0.0.1:${port}`)
    return { get: (key) => client.get(key), close: () => client.close() }
  },
  async ioredis(port) {
    const { Redis } = await import('ioredis')
    const client = new Redis(port, '127.0.0.1', { enableAutoPipelining: true })
    return { get: (key) => client.get(key), close: () => client.quit() }
  }
}

const [name, port, keys, calls] = process.argv.slice(2)
const client = await clients[name](Number(port))
let state = 1

function nextKey() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return `key:${String(state % Number(keys)).padStart(12, '0')}`
}

/** Reads in rounds of 1,000 and counts what was not found. */
async function read(count) {
  let missing = 0
  for (let done = 0; done < count; done += together) {
    const values = await Promise.all(Array.from({ length: together }, () => client.get(nextKey())))
    for (const value of values) if (value?.length !== 100) missing++
  }
  return missing
}

const count = Number(calls)
await read(Math.ceil(count / 10))
const begin = process.hrtime.bigint()
const missing = await read(count)
const seconds = Number(process.hrtime.bigint() - begin) / 1e9
await client.close()
if (missing > 0) throw new Error(`${missing} of ${count} values were not what was written`)
console.log(count / seconds)
