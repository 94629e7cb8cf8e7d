/** worker_threads on one database: one reading, two reading, and one writing beside one reading, for a fixed time. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Unsupported } from '../lib/context.mjs'

const script = new URL('../lib/reader-writer.mjs', import.meta.url)
const million = 1e6

/** Runs a thread per role at the same time. Gives operations per millisecond of each. */
async function together(context, roles) {
  const start = new SharedArrayBuffer(4)
  const milliseconds = context.data.n >= 500_000 ? 3000 : 500
  const workers = roles.map((role, number) => {
    const workerData = { spec: context.spec, role, number, start, milliseconds }
    return new Worker(script, { workerData, resourceLimits: { maxOldGenerationSizeMb: 4096 } })
  })
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const results = workers.map((worker) => once(worker, 'message'))
  Atomics.store(new Int32Array(start), 0, 1)
  Atomics.notify(new Int32Array(start), 0)
  const figures = (await Promise.all(results)).map(([result]) => result)
  for (const [i, { wrong }] of figures.entries()) context.check(wrong, 0, `wrong answers to thread ${i}`)
  return figures.map(({ operations, milliseconds: took }) => operations / took)
}

async function readers(context) {
  if (!context.engine.hasThreads) throw new Unsupported(`${context.engine.name} has no worker threads`)
  const [one] = await together(context, ['read'])
  const both = await together(context, ['read', 'read'])
  const two = both[0] + both[1]
  context.record('threads-read-1', million / one)
  context.record('threads-read-2', million / two)
  context.record('threads-read-scaling', two / one)
}

async function writerAndReader(context) {
  if (!context.engine.hasThreads) throw new Unsupported(`${context.engine.name} has no worker threads`)
  const [write, read] = await together(context, ['write', 'read'])
  context.record('threads-write-beside', million / write)
  context.record('threads-read-beside', million / read)
}

export default [
  {
    name: 'threads-read',
    group: 'threads',
    title: 'worker threads that read',
    fixture: 'read',
    rows: {
      'threads-read-1': { title: 'one thread reading, per get', unit: 'ns' },
      'threads-read-2': { title: 'two threads reading, per get of either', unit: 'ns' },
      'threads-read-scaling': { title: 'reads of two threads / reads of one', unit: 'x', isHigherBetter: true }
    },
    run: readers
  },
  {
    name: 'threads-write',
    group: 'threads',
    title: 'one thread writing, one reading',
    fixture: 'copy',
    rows: {
      'threads-write-beside': { title: 'overwriting beside a reader, per record', unit: 'ns' },
      'threads-read-beside': { title: 'reading beside a writer, per get', unit: 'ns' }
    },
    run: writerAndReader
  }
]
