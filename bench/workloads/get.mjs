/** Point reads of random records: there, not there, and 100 at once. */
import { Buffer } from 'node:buffer'
import { windowed, windowSize } from '../lib/context.mjs'
import { Totals } from '../lib/data.mjs'

const reads = 1_000_000
const manyKeys = 100

/** Reads `keys` in turn: one at a time, or through a window for engines that read asynchronously. */
async function readAll(store, keys, totals) {
  if (store.get) {
    for (let i = 0; i < keys.length; i++) {
      const value = store.get(keys[i])
      if (value !== undefined) totals.addValue(value)
    }
    return
  }
  await windowed(keys.length, windowSize, async (i) => {
    const value = await store.getAsync(keys[i])
    if (value !== undefined) totals.addValue(value)
  })
}

/** Warms up, times the reads and checks what they found. */
async function timeReads(context, keys, expected) {
  const store = await context.loaded()
  await readAll(store, keys.slice(0, Math.min(keys.length, 200_000)), new Totals())
  const totals = new Totals()
  await context.time(context.workload.name, keys.length, () => readAll(store, keys, totals))
  context.check(totals.digest, expected.digest, 'all values read')
  return store
}

async function hits(context) {
  const { data } = context
  const ranks = data.shuffle(3).subarray(0, reads)
  const expected = new Totals()
  for (const i of ranks) expected.addValue(data.value(i))
  const keys = data.keysOf(ranks)
  const store = await timeReads(context, keys, expected)
  for (const i of ranks.subarray(0, 10_000)) {
    const found = store.get ? store.get(data.keys[i]) : await store.getAsync(data.keys[i])
    const isRight = found !== undefined && data.value(i).compare(found, 0, found.length) === 0
    context.check(isRight, true, `value of record ${i} is the one written`)
  }
  await store.close()
}

async function misses(context) {
  const { data } = context
  const keys = data.atHand(Array.from(data.shuffle(4).subarray(0, reads), (i) => data.absent[i]))
  const store = await timeReads(context, keys, new Totals())
  await store.close()
}

async function many(context) {
  const { data, workload } = context
  const store = await context.loaded()
  context.need(store, 'getMany')
  const ranks = data.shuffle(5).subarray(0, Math.max(manyKeys, Math.min(reads, data.n) - (data.n % manyKeys)))
  const groups = []
  const expected = new Totals()
  for (const i of ranks) expected.addValue(data.value(i))
  for (let at = 0; at < ranks.length; at += manyKeys) {
    groups.push(data.keysOf(ranks.subarray(at, at + manyKeys)))
  }
  const readGroups = async (some, totals) => {
    for (const keys of some) {
      let values = store.getMany(keys)
      if (!Array.isArray(values)) values = await values
      for (let i = 0; i < values.length; i++) if (values[i] !== undefined) totals.addValue(values[i])
    }
  }
  await readGroups(groups.slice(0, 1000), new Totals())
  const totals = new Totals()
  await context.time(workload.name, ranks.length, () => readGroups(groups, totals))
  context.check(totals.digest, expected.digest, 'all values read')
  const last = ranks.subarray(ranks.length - manyKeys)
  const values = await store.getMany(Array.from(last, (i) => data.keys[i]))
  for (const [at, i] of last.entries()) {
    context.check(data.value(i).equals(values[at] ?? Buffer.alloc(0)), true, `value of record ${i} is the one written`)
  }
  await store.close()
}

function workload(name, title, run) {
  return { name, group: 'get', title, fixture: 'read', rows: { [name]: { title, unit: 'ns' } }, run }
}

export default [
  workload('get-hit', 'point get, hit', hits),
  workload('get-miss', 'point get, miss', misses),
  workload('get-many', 'getMany of 100 random keys, per key', many)
]
