/** Durable commits of one record: one after another, synchronous and asynchronous, and 1,000 at the same time. */
import { percentile } from '../lib/stats.mjs'

const commits = 2000
const concurrent = 1000
const turns = 100
/** The first turns read pages and get memory for the first time; a service is past them in a second. */
const warmUps = 50

/** Overwrites one record after the other, and keeps the latency of each. */
async function oneByOne(context, method) {
  const { data, workload } = context
  const store = await context.loaded()
  context.need(store, method)
  const versions = new Uint8Array(data.n)
  const order = data.shuffle(1)
  const count = Math.min(commits, data.n)
  const latencies = new Float64Array(count)
  const write = async (i) => {
    versions[order[i]] = 1
    await store[method](data.keys[order[i]], data.value(order[i], 1))
  }
  for (let i = 0; i < Math.min(50, count); i++) await write(i)
  await context.time(workload.name, count, async () => {
    for (let i = 0; i < count; i++) {
      const begin = performance.now()
      const pending = store[method](data.keys[order[i]], data.value(order[i], 1))
      if (pending) await pending
      latencies[i] = performance.now() - begin
      versions[order[i]] = 1
    }
  })
  const figure = context.figures.at(-1)
  figure.p50Us = percentile(latencies, 0.5) * 1000
  figure.p99Us = percentile(latencies, 0.99) * 1000
  await context.verify(store, (i) => [data.value(i, versions[i])])
  await store.close()
}

/** Several times 1,000 puts that wait for each other's sync, not for each other. */
async function together(context) {
  const { data, workload } = context
  const store = await context.loaded()
  context.need(store, 'putMany')
  const versions = new Uint8Array(data.n)
  const order = data.shuffle(2)
  const count = Math.min(concurrent, data.n)
  const write = (turn) => {
    const { keys, values } = context.untimed(() => {
      const ranks = Array.from({ length: count }, (_, i) => order[(turn * count + i) % data.n])
      for (const i of ranks) versions[i] = turn
      return { keys: data.keysOf(ranks), values: ranks.map((i) => data.value(i, turn)) }
    })
    return store.putMany(keys, values)
  }
  for (let turn = 0; turn < warmUps; turn++) await write(turn)
  await context.time(workload.name, turns * count, async () => {
    for (let turn = warmUps; turn < warmUps + turns; turn++) await write(turn)
  })
  await context.verify(store, (i) => [data.value(i, versions[i])])
  await store.close()
}

function workload(name, title, run) {
  return {
    name,
    group: 'commit',
    title,
    fixture: 'copy',
    isDurable: true,
    rows: { [name]: { title, unit: 'ns' } },
    run
  }
}

export default [
  workload('commit-sync', 'single durable commits, synchronous', (context) => oneByOne(context, 'putSync')),
  workload('commit-async', 'single durable commits, asynchronous', (context) => oneByOne(context, 'put')),
  workload('concurrent-puts', '1,000 concurrent durable puts', together)
]
