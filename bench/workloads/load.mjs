/** Loads into an empty database in batches of 1,000 records: in ascending and random order, durable and not. */

async function load(context, isAscending) {
  const { data, workload } = context
  const open = await context.opener()
  await context.warmUp(open)
  const order = isAscending ? Uint32Array.from({ length: data.n }, (_, i) => i) : data.order
  const store = await open()
  await context.time(workload.name, data.n, () => context.load(store, order, 0, isAscending))
  const loaded = context.figures.at(-1).value * data.n
  await context.verify(store)
  const closing = process.hrtime.bigint()
  await store.close()
  const closed = loaded + Number(process.hrtime.bigint() - closing)
  context.record(`${workload.name}-closed`, closed / data.n)
}

function workload(name, title, { isAscending = false, ...rest }) {
  return {
    name,
    group: 'load',
    title,
    rows: {
      [name]: { title, unit: 'ns' },
      [`${name}-closed`]: { title: `${title}, with closing the database`, unit: 'ns' }
    },
    run: (context) => load(context, isAscending),
    ...rest
  }
}

export default [
  workload('load-sequential', 'sequential load, batches of 1,000', { isAscending: true }),
  workload('load-random', 'random load, batches of 1,000', {}),
  workload('load-sequential-durable', 'sequential load, every batch of 1,000 durable', {
    isAscending: true,
    isDurable: true
  }),
  workload('load-random-durable', 'random load, every batch of 1,000 durable', { isDurable: true })
]
