/** Changes of a loaded database: overwriting and deleting random records in batches of 1,000, deleting a range. */
import { batchSize } from '../lib/context.mjs'

async function overwrite(context) {
  const { data, workload } = context
  const store = await context.loaded()
  const order = data.shuffle(7)
  await context.time(workload.name, data.n, () => context.load(store, order, 1))
  await context.verify(store, (i) => [data.value(i, 1)])
  await store.close()
}

async function deleteRandom(context) {
  const { data, workload } = context
  const store = await context.loaded()
  const deleted = data.shuffle(8).subarray(0, data.n >> 1)
  const isDeleted = new Uint8Array(data.n)
  for (const i of deleted) isDeleted[i] = 1
  await context.time(workload.name, deleted.length, async () => {
    for (let from = 0; from < deleted.length; from += batchSize) {
      const keys = context.untimed(() => data.keysOf(deleted.subarray(from, from + batchSize)))
      const pending = store.deleteBatch(keys)
      if (pending) await pending
    }
  })
  await context.verify(store, (i) => (isDeleted[i] ? [] : [data.value(i)]))
  await store.close()
}

/** Deletes the middle fifth of the key space with one call. */
async function deleteRange(context) {
  const { data, workload } = context
  const store = await context.loaded()
  context.need(store, 'deleteRange')
  const [from, to] = [Math.floor(data.n * 0.4), Math.floor(data.n * 0.6)]
  await context.time(workload.name, to - from, () => store.deleteRange(data.keys[from], data.keys[to]))
  await context.verify(store, (i) => (i >= from && i < to ? [] : [data.value(i)]))
  await store.close()
}

function workload(name, title, run) {
  return { name, group: 'overwrite', title, fixture: 'copy', rows: { [name]: { title, unit: 'ns' } }, run }
}

export default [
  workload('overwrite', 'random overwrite, batches of 1,000', overwrite),
  workload('delete-random', 'random deletes of half the records, batches of 1,000', deleteRandom),
  workload('delete-range', 'range delete of a fifth, per record deleted', deleteRange)
]
