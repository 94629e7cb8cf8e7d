/**
 * The calls of the remote client: against a server of this process, or, with `ZKDB_REMOTE_URL`, against that one, whose
 * records they delete.
 */
import anyTest, { type TestFn } from 'ava'
import fc from 'fast-check'
import { connect, type RemoteClient, type RemoteOptions, type ZkdbError } from 'zkdb/remote'
import { RespServer } from './helpers/resp-server.js'
import { RespStore } from './helpers/resp-store.js'
import { seed } from './helpers/seed.js'

fc.configureGlobal({ seed })

interface World {
  db: RemoteClient
  server: RespServer
  store: RespStore
}
const test = anyTest as TestFn<World>
const real = process.env.ZKDB_REMOTE_URL

const open = <K = string, V = string>(world: World, options: RemoteOptions = {}): Promise<RemoteClient<K, V>> =>
  connect<K, V>(real ?? world.server.url, options)
const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(String, (error: ZkdbError) => error.code ?? error.name)

test.before(async (t) => {
  const store = new RespStore()
  const server = await new RespServer(store.handler, { encoding: 'latin1' }).listen()
  t.context = { store, server, db: undefined as unknown as RemoteClient }
  t.context.db = await open(t.context)
})
test.after.always(async (t) => {
  await t.context.db?.close()
  await t.context.server?.close()
})
test.beforeEach((t) => t.context.db.clear().then(() => undefined))

const letters = [...'abcdefghijklmnopqrstuvwxyz']
const fill = async (db: RemoteClient): Promise<void> => {
  await Promise.all(letters.map((letter) => db.put(letter, letter.repeat(3))))
}

test.serial('what was put is there until it is deleted', async (t) => {
  const { db } = t.context
  t.is(await db.get('a'), undefined)
  t.is(await db.put('a', '1'), undefined)
  t.is(await db.get('a'), '1')
  t.true(await db.has('a'))
  t.is(await db.del('a'), undefined)
  t.false(await db.has('a'))
  await db.put('a', '')
  t.is(await db.get('a'), '')
  await db.put('\u00fc\u20ac', '\ud83d\ude00'.repeat(100))
  t.is(await db.get('\u00fc\u20ac'), '\ud83d\ude00'.repeat(100))
})

test.serial('many values come in the order of their keys', async (t) => {
  const { db } = t.context
  await fill(db)
  t.deepEqual(await db.getMany(['c', 'none', 'a']), ['ccc', undefined, 'aaa'])
  t.deepEqual(await db.getMany([]), [])
})

test.serial('keys and values of any bytes come back as they were', async (t) => {
  const db = await open<Uint8Array, Uint8Array>(t.context, { keyEncoding: 'buffer', valueEncoding: 'view' })
  const records = fc.uniqueArray(
    fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.uint8Array({ maxLength: 3000 })),
    {
      selector: ([key]) => Buffer.from(key).toString('hex'),
      maxLength: 20
    }
  )
  await fc.assert(
    fc.asyncProperty(records, async (list) => {
      await db.clear()
      await Promise.all(list.map(([key, value]) => db.put(key, value)))
      const sorted = list.map(([k, v]) => [Buffer.from(k), Buffer.from(v)] as const).sort((a, b) => a[0].compare(b[0]))
      const found = await db.range({ chunk: 3 }).toArray()
      t.deepEqual(found as unknown, sorted.map(([key, value]) => [key, value]) as unknown)
    }),
    { numRuns: 20 }
  )
  await db.close()
})

test.serial('encodings are those of Database, of the client and of one call', async (t) => {
  const { db } = t.context
  const json = await open<string, object>(t.context, { valueEncoding: 'json' })
  await json.put('a', { b: [1] })
  t.deepEqual(await json.get('a'), { b: [1] })
  t.is(await db.get('a'), '{"b":[1]}')
  t.deepEqual((await db.get('a', { valueEncoding: 'buffer' })) as unknown, Buffer.from('{"b":[1]}'))
  t.deepEqual(await json.getMany(['a', 'b']), [{ b: [1] }, undefined])
  t.deepEqual(await json.range().toArray(), [['a', { b: [1] }]])
  await db.put('ff', 'x', { keyEncoding: 'hex' })
  t.deepEqual(
    (await db.range<Buffer>({ gt: 'a', values: false, keyEncoding: 'buffer' } as object).toArray()) as unknown,
    [Buffer.of(255)]
  )
  await db.put('bad', 'not json')
  t.is(await outcome(json.get('bad')), 'LEVEL_DECODE_ERROR')
  await t.throwsAsync(db.get('a', { valueEncoding: 'none' }), { code: 'LEVEL_ENCODING_NOT_FOUND' })
  await json.close()
})

test.serial('a condition that fails is a result', async (t) => {
  const { db } = t.context
  const first = await db.put('a', '1', { ifAbsent: true })
  t.true(first?.applied)
  t.true(first!.sequence > 0)
  const second = await db.put('a', '2', { ifAbsent: true })
  t.like(second, { applied: false, sequence: 0, failedIndex: 0 })
  t.false((await db.put('b', '2', { ifPresent: true }))?.applied)
  t.false((await db.put('a', '2', { ifValue: '9' }))?.applied)
  t.true((await db.put('a', '2', { ifValue: '1' }))?.applied)
  t.false((await db.del('a', { ifValue: '1' }))?.applied)
  t.true((await db.del('a', { ifValue: '2' }))?.applied)
  t.is(await db.get('a'), undefined)
})

test.serial('a record with a ttl says when it ends', async (t) => {
  const { db } = t.context
  const from = Date.now()
  const put = (key: string, ttl?: number) => ({ type: 'put' as const, key, value: '1', ttl })
  t.is(await db.put('a', '1', { ttl: 100_000 }), undefined)
  t.is(await db.put('b', '1', { ttl: 99_999.5, durability: 'none' }), undefined)
  t.true((await db.put('c', '1', { ttl: 100_000, ifAbsent: true }))?.applied)
  t.true((await db.put('c', '2', { ttl: 100_000, ifValue: '1' }))?.applied)
  t.is(await db.batch([put('d', 100_000), put('e', 500_000), { type: 'del', key: 'none' }]), undefined)
  await db.batch([put('f'), put('g', 500_000), { type: 'del', key: 'none' }], { ttl: 100_000 })
  for (const [key, ttl] of Object.entries({ a: 1e5, b: 1e5, c: 1e5, d: 1e5, e: 5e5, f: 1e5, g: 5e5 })) {
    const end = await db.getExpiry(key)
    t.true(typeof end === 'number' && end >= from + ttl && end <= Date.now() + ttl, key)
  }
  await db.put('a', '2')
  await db.put('b', '2', { ifPresent: true })
  t.is(await db.getExpiry('a'), null)
  t.is(await db.getExpiry('b'), null)
  t.is(await db.getExpiry('none'), undefined)
  t.is(await db.getExpiry('61', { keyEncoding: 'hex' }), null)
})

test.serial('a batch is written whole or not at all', async (t) => {
  const { db } = t.context
  await db.put('old', '1')
  t.is(await db.batch([]), undefined)
  t.is(
    await db.batch(
      [
        { type: 'put', key: 'a', value: '1' },
        { type: 'del', key: 'old' }
      ],
      { durability: 'none' }
    ),
    undefined
  )
  t.deepEqual(await db.getMany(['a', 'old']), ['1', undefined])
  const result = await db.batch([
    { type: 'put', key: 'b', value: '1' },
    { type: 'put', key: 'a', value: '2', ifAbsent: true }
  ])
  t.false(result?.applied)
  t.is(result?.failedIndex, 1)
  t.deepEqual(await db.getMany(['a', 'b']), ['1', undefined])
})

test.serial('a range gives what lies between its bounds, in both directions, in chunks of any size', async (t) => {
  const { db } = t.context
  await fill(db)
  const bound = fc.option(fc.constantFrom(...letters, '', 'aa', 'zz'), { nil: undefined })
  const range = fc.record({
    gt: bound,
    gte: bound,
    lt: bound,
    lte: bound,
    reverse: fc.boolean(),
    limit: fc.constantFrom(-1, 0, 1, 2, 5, 26, 100),
    chunk: fc.constantFrom(1, 2, 5, 26, 1000)
  })
  await fc.assert(
    fc.asyncProperty(range, async ({ gt, gte, lt, lte, reverse, limit, chunk }) => {
      let expected = letters.filter(
        (key) =>
          (gte !== undefined ? key >= gte : gt === undefined || key > gt) &&
          (lte !== undefined ? key <= lte : lt === undefined || key < lt)
      )
      if (reverse) expected = expected.reverse()
      if (limit >= 0) expected = expected.slice(0, limit)
      const options = { gt, gte, lt, lte, reverse, limit, chunk }
      t.deepEqual(await db.range<string>({ ...options, values: false }).toArray(), expected)
      t.deepEqual(
        await db.range<string>({ ...options, keys: false }).toArray(),
        expected.map((key) => key.repeat(3))
      )
      t.deepEqual(
        await db.range(options).toArray(),
        expected.map((key) => [key, key.repeat(3)])
      )
    }),
    { numRuns: 60 }
  )
})

test.serial('a chunk that the server ends early is followed by the next one', async (t) => {
  const { db, store } = t.context
  await fill(db)
  store.mostRecords = 4
  t.deepEqual(await db.range<string>({ values: false }).toArray(), letters)
  t.deepEqual(
    await db.range<string>({ values: false, reverse: true, limit: 9 }).toArray(),
    [...letters].reverse().slice(0, 9)
  )
  store.mostRecords = 1e6
})

test.serial('a range reads one chunk ahead and no more', async (t) => {
  const { db, server } = t.context
  await fill(db)
  const asked = (): number => server.commands.filter(([name]) => name === 'ZK.RANGE').length
  const settle = async (): Promise<void> => {
    await db.get('a')
    await db.get('a')
  }
  const before = asked()
  const iterator = db.range({ chunk: 2 })
  await settle()
  const seen: number[] = []
  for (let i = 0; i < 6; i++) {
    t.false((await iterator.next()).done)
    await settle()
    seen.push(asked() - before)
  }
  t.deepEqual(seen, real === undefined ? [2, 2, 3, 3, 4, 4] : [0, 0, 0, 0, 0, 0])
  await iterator.return()
  t.deepEqual(await iterator.next(), { done: true, value: undefined })
})

test.serial('calls of next that overlap give the records in order', async (t) => {
  const { db } = t.context
  await fill(db)
  const iterator = db.range<string>({ values: false, chunk: 3 })
  const results = await Promise.all(Array.from({ length: 30 }, () => iterator.next()))
  t.deepEqual(
    results.map((result) => result.value),
    [...letters, undefined, undefined, undefined, undefined]
  )
})

test.serial('keys that are no text are passed, not lost, by a range of text', async (t) => {
  const { db } = t.context
  const bytes = await open<Uint8Array, string>(t.context, { keyEncoding: 'buffer' })
  const keys = [0x61, 0x80, 0xc3, 0xff].map((byte) => Buffer.of(byte))
  await Promise.all(keys.map((key) => bytes.put(key, 'x')))
  t.is((await db.range({ chunk: 1 }).toArray()).length, 4)
  t.is((await db.range({ chunk: 1, reverse: true }).toArray()).length, 4)
  await bytes.close()
})

test.serial('clear deletes a range and says how much', async (t) => {
  const { db } = t.context
  await fill(db)
  t.is(await db.clear({ gte: 'b', lt: 'd' }), 2)
  t.is(await db.clear({ gt: 'y' }), 1)
  t.deepEqual(await db.range({ limit: 2 }).toArray(), [
    ['a', 'aaa'],
    ['d', 'ddd']
  ])
  t.is(await outcome(db.clear({ limit: 1 } as object)), 'LEVEL_NOT_SUPPORTED')
})

test.serial('figures have the names of Database', async (t) => {
  const { db } = t.context
  await fill(db)
  const partitions = await db.partitions()
  t.deepEqual(
    partitions.map(({ index }) => index),
    partitions.map((_, i) => i)
  )
  t.true(
    partitions.length > 0 && partitions.every(({ name, isRemote, rule }) => name !== '' && !isRemote && rule !== '')
  )
  const stats = await db.stats()
  t.is(stats.failed, false)
  t.true(stats.logBytes > 0)
  t.is(
    stats.partitions.reduce((sum, { records }) => sum + records, 0),
    26
  )
  t.is(stats.partitions[0]!.name, partitions[0]!.name)
})

test.serial('misuse is refused before anything is sent', async (t) => {
  const { db, server } = t.context
  const sent = server.commands.length
  const bad = (value: unknown): string => value as string
  const cases: [Promise<unknown>, string][] = [
    [db.get(bad(null)), 'LEVEL_INVALID_KEY'],
    [db.put('a', bad(undefined)), 'LEVEL_INVALID_VALUE'],
    [db.get('k'.repeat(65_536)), 'ZKDB_KEY_TOO_LARGE'],
    [db.get('\u20ac'.repeat(30_000)), 'ZKDB_KEY_TOO_LARGE'],
    [db.put('k'.repeat(65_536), 'v'), 'ZKDB_KEY_TOO_LARGE'],
    [db.getMany(bad('a') as unknown as string[]), 'TypeError'],
    [db.batch(bad('a') as unknown as []), 'TypeError'],
    [db.batch([bad(5) as unknown as { type: 'del'; key: string }]), 'TypeError'],
    [db.batch([{ type: 'clear' } as unknown as { type: 'del'; key: string }]), 'TypeError'],
    [db.put('a', 'b', { ifAbsent: true, ifValue: 'c' }), 'TypeError'],
    [db.put('a', 'b', { durability: 'x' as 'none' }), 'TypeError'],
    [db.get('a', { timeout: -1 }), 'TypeError'],
    [db.get('a', { signal: {} as AbortSignal }), 'TypeError'],
    [db.call(), 'TypeError'],
    [db.call('GET', bad({})), 'TypeError'],
    [db.call('GET', Number.NaN), 'TypeError'],
    ...['MULTI', 'select', 'SUBSCRIBE', 'HELLO', 'QUIT', 'MONITOR'].map((name): [Promise<unknown>, string] => [
      db.call(name, 'x'),
      'LEVEL_NOT_SUPPORTED'
    ]),
    [db.call('client', 'reply', 'off'), 'LEVEL_NOT_SUPPORTED']
  ]
  for (const [i, [promise, code]] of cases.entries()) t.is(await outcome(promise), code, `case ${i}`)
  for (const options of [{ keys: false, values: false }, { limit: 1.5 }, { chunk: 0 }, null]) {
    t.throws(() => db.range(options as object), { instanceOf: TypeError })
  }
  t.is(server.commands.length, sent)
})

test.serial('commands are sent as they are, and answered as text or bytes', async (t) => {
  const { db } = t.context
  t.is(await db.call('SET', 'a', 5), 'OK')
  t.is(await db.call('get', 'a'), '5')
  t.deepEqual(await db.command(['GET', Buffer.from('a')], { buffers: true }), Buffer.from('5'))
  t.is(await outcome(db.call('NONE')), 'ZKDB_SERVER')
})
