/**
 * Single calls of zkdb in one process, by the library `benchmark`: what a call costs beside the lookup, and what Node
 * itself needs for the same. Keys are random.
 */
import { Buffer } from 'node:buffer'
import { pathToFileURL } from 'node:url'
import Benchmark from 'benchmark'

const maxSeconds = 1
const manyKeys = 100
const prefix = 'micro'

const rows = {
  'getFast (buffer key)': 'getFast',
  'getSync (buffer, buffer)': 'get-sync-buffer',
  'getSync (utf8, utf8)': 'get-sync-utf8',
  'await get (buffer, buffer)': 'get-async',
  'hasSync (buffer key)': 'has-sync',
  'getManySync of 100, per key': 'get-many-sync',
  'partitionOf (buffer key)': 'partition-of',
  'putSync, durability none': 'put-sync-none',
  'Node: Buffer.allocUnsafe(100) and copy': 'node-copy',
  'Node: subarray of a buffer': 'node-subarray',
  'Node: Map.get by string': 'node-map'
}

const rowName = (title) => `${prefix}-${rows[title].toLowerCase()}`

/** The calls; each is given the number of its turn and gives something that is used. */
function calls(db, data) {
  const buffers = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
  const key = (turn) => data.keys[data.order[turn % data.n]]
  const texts = Array.from(data.order.subarray(0, 10_000), (i) => data.keys[i].toString('hex'))
  for (const [at, text] of texts.entries()) db.putSync(text, data.value(at).toString('latin1'))
  const map = new Map(texts.map((text, at) => [text, at]))
  const groups = Array.from({ length: 500 }, (_, at) =>
    Array.from({ length: manyKeys }, (_, j) => key(at * manyKeys + j))
  )
  const source = Buffer.alloc(4096, 1)
  return {
    'getFast (buffer key)': (turn) => db.fast.getFast(key(turn)).length,
    'getSync (buffer, buffer)': (turn) => db.getSync(key(turn), buffers).length,
    'getSync (utf8, utf8)': (turn) => db.getSync(texts[turn % texts.length]).length,
    'hasSync (buffer key)': (turn) => Number(db.hasSync(key(turn), buffers)),
    'getManySync of 100, per key': (turn) => db.getManySync(groups[turn % groups.length], buffers).length,
    'partitionOf (buffer key)': (turn) => db.partitionOf(key(turn), buffers).index,
    'putSync, durability none': (turn) => {
      const options = { ...buffers, durability: 'none' }
      db.putSync(key(turn), data.value(turn % data.n), options)
      return 1
    },
    'Node: Buffer.allocUnsafe(100) and copy': (turn) => {
      const copy = Buffer.allocUnsafe(100)
      source.copy(copy, 0, turn % 1000, (turn % 1000) + 100)
      return copy[0]
    },
    'Node: subarray of a buffer': (turn) => source.subarray(turn % 1000, (turn % 1000) + 100)[0],
    'Node: Map.get by string': (turn) => map.get(texts[turn % texts.length])
  }
}

/** Runs one call by `benchmark`. Gives nanoseconds per turn, which are of `perTurn` operations. */
function measure(title, call, perTurn = 1) {
  let [turn, sum] = [0, 0]
  const fn = () => {
    sum += call(turn++)
  }
  const benchmark = new Benchmark(title, { maxTime: maxSeconds, fn })
  benchmark.run()
  if (benchmark.error) throw benchmark.error
  if (!Number.isFinite(sum)) throw new Error(`${title} gave something that is no number`)
  return { ns: (benchmark.stats.mean * 1e9) / perTurn, marginOfErrorPercent: benchmark.stats.rme }
}

async function measureGet(db, data) {
  const count = Math.min(200_000, data.n)
  let [best, sum] = [Number.POSITIVE_INFINITY, 0]
  for (let turn = 0; turn < 3; turn++) {
    const begin = process.hrtime.bigint()
    for (let i = 0; i < count; i++) {
      const options = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
      sum += (await db.get(data.keys[data.order[i]], options)).length
    }
    best = Math.min(best, Number(process.hrtime.bigint() - begin) / count)
  }
  if (sum === 0) throw new Error('get found nothing')
  return best
}

async function run(context) {
  const { data, spec } = context
  const { modulePath, folder } = spec
  const url = modulePath ? pathToFileURL(modulePath).href : new URL('../../dist/esm/index.js', import.meta.url).href
  const { openSync } = await import(url)
  const db = openSync({ path: folder })
  const fast = openSync({ path: folder, keyEncoding: 'buffer', valueEncoding: 'buffer' })
  db.fast = fast
  for (const [title, call] of Object.entries(calls(db, data))) {
    const { ns, ...more } = measure(title, call, title.includes('per key') ? manyKeys : 1)
    context.record(rowName(title), ns, more)
  }
  context.record(rowName('await get (buffer, buffer)'), await measureGet(db, data))
  await fast.close()
  await db.close()
}

export default [
  {
    name: prefix,
    group: 'micro',
    title: 'single calls in one process',
    fixture: 'copy',
    engines: ['zkdb'],
    rows: Object.fromEntries(Object.keys(rows).map((title) => [rowName(title), { title, unit: 'ns' }])),
    run
  }
]
