/** The size of the closed files after each step of a life: as a multiple of the raw bytes of the records there are. */

import { batchSize } from '../lib/context.mjs'
import { diskBytes } from '../lib/disk.mjs'

async function measure(context) {
  const { data, spec } = context
  const open = await context.opener()
  const step = async (row, raw, change) => {
    const store = await open()
    await change(store)
    await store.close()
    context.record(row, diskBytes(spec.folder) / raw)
  }
  await step('files-load', data.rawBytes, (store) => context.load(store, data.order))
  await step('files-overwrite', data.rawBytes, async (store) => {
    for (let version = 1; version <= 3; version++) await context.load(store, data.shuffle(10 + version), version)
  })
  const deleted = data.shuffle(14).subarray(0, data.n >> 1)
  const isDeleted = new Uint8Array(data.n)
  for (const i of deleted) isDeleted[i] = 1
  const left = (data.rawBytes / data.n) * (data.n - deleted.length)
  await step('files-delete', left, async (store) => {
    for (let from = 0; from < deleted.length; from += batchSize) {
      await store.deleteBatch(Array.from(deleted.subarray(from, from + batchSize), (i) => data.keys[i]))
    }
  })
  await step('files-compact', left, async (store) => {
    if (store.compact) await store.compact()
    await context.verify(store, (i) => (isDeleted[i] ? [] : [data.value(i, 3)]))
  })
}

/** The size right after a compaction of a random load. */
async function compacted(context) {
  const { data, spec } = context
  const open = await context.opener()
  const store = await open()
  await context.load(store, data.order)
  context.need(store, 'compact')
  await store.compact()
  await context.verify(store)
  await store.close()
  context.record('files-load-compact', diskBytes(spec.folder) / data.rawBytes)
}

const size = (title) => ({ title, unit: 'x raw' })

export default [
  {
    name: 'files',
    group: 'files',
    title: 'size of the files',
    isOnDisk: true,
    rows: {
      'files-load': size('files after a random load'),
      'files-overwrite': size('files after 3 random overwrites of everything'),
      'files-delete': size('files after deleting half at random'),
      'files-compact': size('files after compaction, where there is one')
    },
    run: measure
  },
  {
    name: 'files-compact',
    group: 'files',
    title: 'size of the files, compacted',
    isOnDisk: true,
    rows: { 'files-load-compact': size('files after a random load and compaction') },
    run: compacted
  }
]
