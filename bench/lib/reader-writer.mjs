/**
 * A worker thread of the workload `threads`: opens the database, says that it is ready, waits for the start, and reads
 * or overwrites random records until the time is over.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Data } from './data.mjs'
import { engineNamed } from './engines.mjs'

const { spec, role, number, start, milliseconds } = workerData
const checkEvery = 64
const batchSize = 1000
const data = new Data(spec)
const order = data.shuffle(20 + number)
const signal = new Int32Array(start)

/** Reads records, of which each has one of its two versions. Gives the number of reads and of wrong answers. */
function readFor(store, end) {
  let [operations, wrong, at] = [0, 0, 0]
  while (performance.now() < end) {
    for (let j = 0; j < checkEvery; j++) {
      const i = order[at]
      at = at + 1 === order.length ? 0 : at + 1
      const value = store.get(data.keys[i])
      if (value === undefined || value.length !== data.valueSize) wrong++
      else if (value[0] !== data.value(i)[0] && value[0] !== data.value(i, 1)[0]) wrong++
    }
    operations += checkEvery
  }
  return { operations, wrong }
}

/** Overwrites records in batches. Gives the number of records. */
async function writeFor(store, end) {
  let [operations, at] = [0, 0]
  const size = Math.min(batchSize, data.n)
  while (performance.now() < end) {
    const ranks = Array.from({ length: size }, (_, j) => order[(at + j) % order.length])
    at = (at + size) % order.length
    const values = ranks.map((i) => data.value(i, 1))
    const keys = ranks.map((i) => data.keys[i])
    await store.writeBatch(keys, values)
    operations += size
  }
  return { operations, wrong: 0 }
}

const { folder, valueSize, modulePath } = spec
const open = await engineNamed(spec.engine).open({ folder, valueSize, modulePath, isThreaded: true, isDurable: false })
const store = await open()
if (role === 'read') readFor(store, performance.now() + milliseconds / 4)
parentPort.postMessage({ ready: true })
Atomics.wait(signal, 0, 0)
const begin = performance.now()
const result = await (role === 'read' ? readFor : writeFor)(store, begin + milliseconds)
parentPort.postMessage({ ...result, milliseconds: performance.now() - begin })
// The thread and its store end with the process: not every peer survives that threads close a database one by one.
await new Promise(() => setInterval(() => store, 1 << 30))
