/** Scans: everything in both directions, everything in zkdb's packed form, and 100 records from a random start. */
import { Buffer } from 'node:buffer'
import { Totals } from '../lib/data.mjs'

const rangeRecords = 100
const ranges = 5000

/** What a scan of everything sums up to. */
function expectedTotals(data) {
  const expected = new Totals()
  for (let i = 0; i < data.n; i++) expected.add(data.keys[i], data.value(i))
  return expected
}

async function full(context, method, range) {
  const { data, workload } = context
  const store = await context.loaded()
  context.need(store, method)
  const expected = expectedTotals(data)
  await store[method](range, new Totals())
  const totals = new Totals()
  await context.time(workload.name, data.n, () => store[method](range, totals))
  context.check(totals.digest, expected.digest, 'all records scanned')
  if (range.reverse) await checkDescending(context, store, range)
  else await context.verify(store)
  await store.close()
}

/** Reads backwards once more and looks at each key. */
async function checkDescending(context, store, range) {
  const { data } = context
  let at = data.n
  const visitor = {
    add(key, value) {
      at--
      if (at < 0 || !data.keys[at].equals(key) || !data.value(at).equals(value)) {
        context.check(Buffer.from(key).toString('hex'), data.keys[at]?.toString('hex'), `record ${at} from the end`)
        context.check('another value', 'the value written', `record ${at}`)
      }
    }
  }
  await store.scan(range, visitor)
  context.check(at, 0, 'records left at the end of a reverse scan')
}

async function short(context) {
  const { data, workload } = context
  const store = await context.loaded()
  const length = Math.min(rangeRecords, data.n)
  const order = data.shuffle(6)
  const count = Math.min(ranges, data.n)
  const starts = Array.from({ length: count }, (_, i) => order[i] % (data.n - length + 1))
  const expected = new Totals()
  for (const start of starts) {
    for (let i = start; i < start + length; i++) expected.add(data.keys[i], data.value(i))
  }
  const keys = data.keysOf(starts)
  const scan = async (some, totals) => {
    for (const gte of some) {
      const pending = store.scan({ gte, limit: length }, totals)
      if (pending) await pending
    }
  }
  await scan(keys.slice(0, 500), new Totals())
  const totals = new Totals()
  await context.time(workload.name, count, () => scan(keys, totals))
  context.check(totals.digest, expected.digest, 'all records of the ranges')
  await store.close()
}

function workload(name, title, run, row = {}) {
  return { name, group: 'scan', title, fixture: 'read', rows: { [name]: { title, unit: 'ns', ...row } }, run }
}

export default [
  workload('scan-forward', 'full scan forward, per record', (context) => full(context, 'scan', {})),
  workload('scan-reverse', 'full scan in reverse, per record', (context) => full(context, 'scan', { reverse: true })),
  workload('scan-packed', 'full scan in packed form, per record', (context) => full(context, 'scanPacked', {}), {
    against: 'scan-forward'
  }),
  workload('range-100', '100 records from a random start, per range', short)
]
