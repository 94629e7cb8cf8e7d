/** Opening a cleanly closed database, and the first get. Loading the engine's package is not part of it. */

async function openAndGet(context) {
  const { data } = context
  const open = await context.opener()
  const key = data.keys[data.order[0]]
  const begin = process.hrtime.bigint()
  const store = await open()
  const opened = Number(process.hrtime.bigint() - begin)
  const value = store.get ? store.get(key) : await store.getAsync(key)
  const elapsed = Number(process.hrtime.bigint() - begin)
  const isRight = value !== undefined && data.value(data.order[0]).compare(value, 0, value.length) === 0
  context.check(isRight, true, 'the first get gives the value written')
  context.record('open', opened)
  context.record('open-get', elapsed)
  await store.close()
}

export default [
  {
    name: 'open',
    group: 'open',
    title: 'open and first get',
    fixture: 'read',
    isOnDisk: true,
    rows: {
      open: { title: 'open', unit: 'ns' },
      'open-get': { title: 'open and first get', unit: 'ns' }
    },
    run: openAndGet
  }
]
