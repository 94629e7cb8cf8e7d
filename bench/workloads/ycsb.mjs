/**
 * YCSB A to F (https://github.com/brianfrankcooper/YCSB/wiki/Core-Workloads) on a loaded database, Zipfian but for D,
 * which reads what was inserted last. Writes are not durable. Each engine runs in two forms, and the better one counts:
 * one operation after another, and asynchronous calls with 128 in flight.
 */
import { windowed, windowSize } from '../lib/context.mjs'
import { generator, Totals, zipfian } from '../lib/data.mjs'

const operations = 200_000
const scanMax = 100
const [read, update, insert, scan, modify] = [0, 1, 2, 3, 4]

/** The part of each kind of operation, of 100. */
const mixes = {
  a: {
    title: 'half reads, half updates',
    parts: [
      [read, 50],
      [update, 50]
    ]
  },
  b: {
    title: '95 % reads, 5 % updates',
    parts: [
      [read, 95],
      [update, 5]
    ]
  },
  c: { title: 'reads', parts: [[read, 100]] },
  d: {
    title: '95 % reads of the latest, 5 % inserts',
    parts: [
      [read, 95],
      [insert, 5]
    ],
    isLatest: true
  },
  e: {
    title: '95 % scans of 1 to 100, 5 % inserts',
    parts: [
      [scan, 95],
      [insert, 5]
    ]
  },
  f: {
    title: 'half reads, half read-modify-writes',
    parts: [
      [read, 50],
      [modify, 50]
    ]
  }
}

function kindOf(parts, number) {
  let sum = 0
  for (const [kind, part] of parts) {
    sum += part
    if (number < sum) return kind
  }
  return parts[0][0]
}

/** The operations of a run, with the state that they leave behind. */
function plan({ data, spec }, { parts, isLatest }, count) {
  const random = generator(data.seed + 50)
  const popular = zipfian(data.n, random)
  const inserts = data.shuffle(9)
  const state = { versions: new Uint16Array(data.n), isInserted: new Uint8Array(data.n), inserted: 0 }
  const list = { kinds: new Uint8Array(count), ranks: new Int32Array(count), sizes: new Uint16Array(count) }
  for (let at = 0; at < count; at++) {
    const kind = kindOf(parts, random() % 100)
    list.kinds[at] = kind
    list.ranks[at] = data.order[popular()]
    // A negative rank is that of an inserted record: -1 - rank.
    if (kind === insert) {
      list.ranks[at] = -1 - inserts[state.inserted++]
      state.isInserted[-1 - list.ranks[at]] = 1
    } else if (kind === read && isLatest) {
      // What may still be on its way is not read.
      const back = popular() + (spec.form === 'window' ? windowSize : 0)
      if (back < state.inserted) list.ranks[at] = -1 - inserts[state.inserted - 1 - back]
    } else if (kind === scan) list.sizes[at] = 1 + (random() % scanMax)
    else if (kind !== read) list.sizes[at] = ++state.versions[list.ranks[at]]
  }
  const keyOf = (rank) => (rank < 0 ? data.absent[-1 - rank] : data.keys[rank])
  list.keys = data.atHand(Array.from(list.ranks, keyOf))
  return { list, state }
}

/** Operation `at`, as calls of the store; `totals` counts what was read. */
function operationOf({ data }, store, list, totals, isWindow) {
  const readOne = (key) =>
    isWindow && store.getAsync ? store.getAsync(key) : (store.get ?? store.getAsync).call(store, key)
  const write = (key, value) => (isWindow ? store.put(key, value) : store.putSync(key, value))
  const found = (value, key) => {
    if (value === undefined || value.length !== data.valueSize) totals.missing(key)
    totals.addValue(value)
  }
  return (at) => {
    const rank = list.ranks[at]
    const key = list.keys[at]
    switch (list.kinds[at]) {
      case read: {
        const value = readOne(key)
        return value instanceof Promise ? value.then((one) => found(one, key)) : found(value, key)
      }
      case update:
        return write(key, data.value(rank, list.sizes[at]))
      case insert:
        return write(key, data.value(-1 - rank))
      case scan:
        return store.scan({ gte: key, limit: list.sizes[at] }, totals)
      default: {
        const value = readOne(key)
        if (!(value instanceof Promise)) {
          found(value, key)
          return write(key, data.value(rank, list.sizes[at]))
        }
        return value.then((one) => {
          found(one, key)
          return write(key, data.value(rank, list.sizes[at]))
        })
      }
    }
  }
}

/** Sums up reads; a record that is not found is counted, and fails the check afterwards. */
class Reads extends Totals {
  lost = 0

  missing() {
    this.lost++
  }
}

async function runMix(context, mix) {
  const { data, spec, workload } = context
  const isWindow = spec.form === 'window'
  const store = await context.loaded()
  context.need(store, isWindow ? 'put' : 'putSync')
  if (!isWindow) context.need(store, 'get')
  const count = Math.min(operations, data.n * 4)
  const { list, state } = plan(context, mix, count)
  const totals = new Reads()
  const operation = operationOf(context, store, list, totals, isWindow)
  await context.time(workload.name, count, async () => {
    if (isWindow) return windowed(count, windowSize, operation)
    for (let at = 0; at < count; at++) {
      const pending = operation(at)
      if (pending instanceof Promise) await pending
    }
  })
  context.check(totals.lost, 0, 'records that were not found')
  // In a window the order of two writes of one record is the engine's choice.
  const versionsOf = (i) => {
    const last = state.versions[i]
    return isWindow ? Array.from({ length: last + 1 }, (_, v) => data.value(i, v)) : [data.value(i, last)]
  }
  await context.verify(store, versionsOf, (i) => (state.isInserted[i] ? [data.value(i)] : []))
  await store.close()
}

export default Object.entries(mixes).map(([letter, mix]) => {
  const name = `ycsb-${letter}`
  const title = `YCSB ${letter.toUpperCase()}: ${mix.title}`
  return {
    name,
    group: 'ycsb',
    title,
    fixture: 'copy',
    forms: ['one by one', 'window'],
    rows: { [name]: { title, unit: 'ns' } },
    run: (context) => runMix(context, mix)
  }
})
