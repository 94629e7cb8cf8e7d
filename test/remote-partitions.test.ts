/**
 * Databases with remote partitions, by every call of the API; servers that stop in the middle and come back.
 */
import { readdirSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { type Database, type MissingPart, open, openSync } from 'zkdb'
import * as zk from 'zkdb/legacy'
import type { ServeOptions } from 'zkdb/server'
import { hasTls, RemotePlace, type RemoteShape, remoteShapes } from './helpers/remote-shapes.js'
import { until } from './helpers/server.js'

const mixed = remoteShapes[2]!
type Macro = (t: ExecutionContext, shape: RemoteShape) => Promise<void>

async function start(
  t: ExecutionContext,
  shape: RemoteShape,
  keys: readonly string[] = [],
  options: ServeOptions = {}
): Promise<RemotePlace> {
  const place = new RemotePlace(shape, options)
  await place.start(keys)
  t.teardown(() => place.stop())
  return place
}

async function opened(t: ExecutionContext, place: RemotePlace): Promise<Database> {
  const db = await open({ path: place.location })
  t.teardown(() => db.close())
  return db
}

const letters = [...'abcdefghijklmnopqrstuvwxyz']
const many = letters.flatMap((letter) =>
  Array.from({ length: 100 }, (_, i) => `${letter}${String(i).padStart(3, '0')}`)
)

for (const shape of remoteShapes) {
  test(`every call works with ${shape.name}`, async (t) => {
    const db = await opened(t, await start(t, shape))
    await Promise.all(many.map((key, i) => db.put(key, `v${i}`)))
    t.is(db.getSync('m050'), `v${many.indexOf('m050')}`)
    t.is(await db.get('z099'), `v${many.length - 1}`)
    t.is(db.getSync('m100'), undefined)
    t.true(db.hasSync('a000') && !db.hasSync('a'))
    t.is(Buffer.from(db.getFast('k001')!).toString(), `v${many.indexOf('k001')}`)
    const wanted = ['z000', 'nothing', 'a000', 'm000', 'a001']
    const values = wanted.map((key) => (many.includes(key) ? `v${many.indexOf(key)}` : undefined))
    t.deepEqual(db.getManySync(wanted), values)
    t.deepEqual(await db.getMany(wanted), values)
    t.deepEqual(await db.keys().all(), many)
    t.deepEqual(await db.keys({ reverse: true, limit: 150 }).all(), many.toReversed().slice(0, 150))
    t.deepEqual(
      [...db.scanSync({ gt: 'f098', lte: 'g000', values: false })].map(([key]) => key),
      ['f099', 'g000']
    )
    t.is(db.scanSync().toArrays().count, many.length)
    const iterator = db.iterator({ gte: 'b' })
    iterator.seek('p050')
    t.deepEqual(await iterator.next(), ['p050', `v${many.indexOf('p050')}`])
    await iterator.close()
    t.like(await db.put('a000', 'x', { ifAbsent: true }), { applied: false })
    t.like(await db.put('z000', 'x', { ifValue: `v${many.indexOf('z000')}` }), { applied: true, existed: 1 })
    db.putSync('new', '1')
    db.delSync('new')
    t.is(db.getSync('new'), undefined)
    await db.clear({ gte: 'd', lt: 'x' })
    t.is((await db.keys().all()).length, 600)
    const { partitions } = await db.stats()
    t.is(
      partitions.reduce((sum, { records }) => sum + records, 0),
      600
    )
    t.true(db.explain({}).records > 300)
    t.true((await db.verify()).ok)
    await db.sync()
    const { isRemote, name } = db.partitionOf('m')
    t.deepEqual([isRemote, name], shape.kinds.length === 1 ? [true, 'part_0'] : [true, 'part_1'])
  })
}

test('a local partition of a mixed database is local', async (t) => {
  const db = await opened(t, await start(t, mixed))
  t.deepEqual(db.partitionOf('a'), { name: 'part_0', index: 0, isRemote: false })
  t.throws(() => db.transactionSync(() => undefined), { code: 'ZKDB_REMOTE' })
  const backup = await t.throwsAsync(db.backup('/nowhere'), { code: 'ZKDB_REMOTE' })
  t.regex(backup!.message, /\[part_1\] is remote/)
})

test('a batch over several servers is refused unless it may be applied in parts', async (t) => {
  const db = await opened(t, await start(t, mixed))
  const operations = ['a', 'm', 'z'].map((key) => ({ type: 'put' as const, key, value: key }))
  const error = await t.throwsAsync(db.batch(operations), { code: 'ZKDB_CROSS_PARTITION' })
  t.regex(error!.message, /the local partitions, \[part_1\], \[part_2\]/)
  t.deepEqual(await db.keys().all(), [])
  await db.batch(operations, { nonAtomic: true })
  t.deepEqual(await db.keys().all(), ['a', 'm', 'z'])
  db.batchSync(
    [
      { type: 'del', key: 'a' },
      { type: 'del', key: 'z' }
    ],
    { nonAtomic: true }
  )
  t.deepEqual(await db.values().all(), ['m'])
})

test('writes are applied in the order of their calls, over all places', async (t) => {
  const db = await opened(t, await start(t, mixed))
  const writes: Promise<unknown>[] = []
  for (let i = 0; i < 200; i++) {
    for (const key of ['a', 'm', 'z']) writes.push(db.put(key, `${i}`))
    const both = ['a', 'm'].map((key) => ({ type: 'put' as const, key, value: `both ${i}` }))
    if (i % 10 === 0) writes.push(db.batch(both, { nonAtomic: true }))
    if (i === 100) db.putSync('m', 'sync')
    if (i === 199) writes.push(db.batch(both, { nonAtomic: true }))
  }
  await Promise.all(writes)
  t.deepEqual(await db.values().all(), ['both 199', 'both 199', '199'])
})

test('a server that stops fails its own keys at once, and is used again when it is back', async (t) => {
  const place = await start(t, mixed)
  const db = await opened(t, place)
  for (const key of ['a', 'm', 'z']) await db.put(key, '1')
  await place.servers[1]!.stop()

  const error = t.throws(() => db.getSync('m'), { code: 'ZKDB_UNREACHABLE' })
  t.regex(error!.message, /^partition \[part_1\] at 127\.0\.0\.1:\d+: /)
  const results = await Promise.allSettled([db.put('a', '2'), db.put('m', '2'), db.put('z', '2')])
  t.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled']
  )
  t.is((results[1] as PromiseRejectedResult).reason.code, 'ZKDB_UNREACHABLE')
  t.is(db.getSync('a'), '2')
  t.is(db.getSync('z'), '2')
  t.throws(() => db.getManySync(['a', 'm']), { code: 'ZKDB_UNREACHABLE' })
  await t.throwsAsync(db.keys().all(), { code: 'ZKDB_UNREACHABLE' })
  const missing: MissingPart[] = []
  const keys = [...db.scanSync({ onMissing: (part: MissingPart) => missing.push(part) })].map(([key]) => key)
  t.deepEqual(keys, ['a', 'z'])
  t.like(missing, [{ partition: 1, from: undefined, error: { code: 'ZKDB_UNREACHABLE' } }])
  const stats = await db.stats()
  t.regex(stats.partitions[1]!.error!, /part_1/)
  t.is(stats.partitions[2]!.records, 1)
  t.is(db.explain({}).partitions.find(({ index }) => index === 1)!.records, -1)

  await place.servers[1]!.start()
  t.true(await until(() => reads(db, 'm')))
  t.is(db.getSync('m'), '1')
  await db.put('m', '3')
  t.deepEqual(await db.values().all(), ['2', '3', '2'])
})

function reads(db: Database, key: string): boolean {
  try {
    db.getSync(key)
    return true
  } catch {
    return false
  }
}

const restarted: Macro = async (t, shape) => {
  const place = await start(t, shape)
  const db = await opened(t, place)
  const acknowledged = new Map<string, string>()
  const codes = new Set<string>()
  let isOver = false
  const writer = async (letter: string): Promise<void> => {
    for (let i = 0; !isOver; i++) {
      const [key, value] = [`${letter}${i % 50}`, `${i}`]
      try {
        await db.put(key, value)
        acknowledged.set(key, value)
      } catch (error) {
        codes.add((error as { code: string }).code)
        acknowledged.delete(key)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }
  const writers = ['a', 'm', 'n', 'z'].map(writer)
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    await place.servers[1]!.stop()
    await new Promise((resolve) => setTimeout(resolve, 50))
    await place.servers[1]!.start()
  }
  t.true(await until(() => reads(db, 'm')))
  isOver = true
  await Promise.all(writers)
  for (const [key, value] of acknowledged) t.is(db.getSync(key), value)
  t.true(codes.has('ZKDB_UNREACHABLE'))
  for (const code of codes) t.true(['ZKDB_UNREACHABLE', 'ZKDB_UNKNOWN_OUTCOME'].includes(code), code)
}

test('a server that is restarted under load loses nothing that was acknowledged', restarted, mixed)
if (hasTls) test('as does one over TLS', restarted, remoteShapes[4]!)

test('a database of remote partitions alone makes no files beside its configuration', async (t) => {
  const place = await start(t, { name: 'remote alone', kinds: ['tcp', 'unix', 'unix'] })
  const db = openSync({ path: place.location })
  db.putSync('a', '1')
  db.putSync('m', '1')
  await db.close()
  t.deepEqual(readdirSync(place.folder), ['mixed.conf'])
})

test('a login is needed where the server asks for one', async (t) => {
  const shape = remoteShapes[0]!
  const good = await opened(t, await start(t, shape, ['AuthKey = open sesame'], { password: 'open sesame' }))
  // The server of this process checks logins on this thread, which a synchronous call would block.
  await good.put('a', '1')
  t.is(good.getSync('a'), '1')
  const bad = await opened(t, await start(t, shape, ['AuthKey = closed'], { password: 'open sesame' }))
  const error = await t.throwsAsync(bad.put('a', '1'), { code: 'ZKDB_AUTH' })
  t.false(error!.message.includes('closed'))
})

test('values of all sizes go through', async (t) => {
  const db = await opened(t, await start(t, mixed))
  for (const size of [0, 1, 4096, 70_000, 1_500_000, 10_000_000]) {
    const value = Buffer.alloc(size, `${size}`)
    db.putSync('m', value, { valueEncoding: 'buffer' })
    t.true(value.equals(db.getSync('m', { valueEncoding: 'buffer' }) as never))
    t.is(db.getManySync(['m', 'a', 'z'], { valueEncoding: 'buffer' })[0]?.length, size)
    t.is([...db.scanSync({ valueEncoding: 'buffer' })][0]![1].length, size)
  }
  // More than the server takes in one piece.
  const tooLarge = t.throws(() => db.putSync('m', Buffer.alloc(20_000_000), { valueEncoding: 'buffer' }))
  t.regex((tooLarge as { code?: string }).code ?? '', /^ZKDB_(SERVER|UNREACHABLE|UNKNOWN_OUTCOME)$/)
  t.is(db.getSync('m', { valueEncoding: 'buffer' }).length, 10_000_000)
})

const thang = (text: string): zk.ZkDBT => {
  const dbt = new zk.ZkDBT()
  dbt.set(Buffer.from(text))
  return dbt
}
const textOf = (dbt: zk.ZkDBT): string => Buffer.from(dbt.bytes).toString()

test('zkRemotePartition calls work on the partition of a server', async (t) => {
  const place = await start(t, mixed)
  const db = await opened(t, place)
  for (const key of ['a', 'm', 'n', 'z']) db.putSync(key, key.toUpperCase())
  const err = new zk.ZkError()
  const [data, found] = [thang(''), { value: -1 }]
  const partition = new zk.ZkRemotePartition(place.location, 'part_1')
  t.is(zk.zkRemotePartition_Fetch(err, partition, thang('m'), data, found), 0)
  t.is(err.code, 'ZKDB_CLOSED')
  t.is(zk.zkRemotePartition_Connect(err, partition), 1)
  t.is(zk.zkRemotePartition_Fetch(err, partition, thang('m'), data, found), 1)
  t.deepEqual([found.value, textOf(data)], [1, 'M'])
  const existed = { value: -1 }
  t.is(zk.zkRemotePartition_Store(err, partition, thang('m'), thang('x'), existed), 1)
  t.is(existed.value, 1)
  t.is(zk.zkRemotePartition_Update(err, partition, thang('m'), thang('x'), 1, existed), 1)
  t.is(db.getSync('m'), 'x')
  t.is(zk.zkRemotePartition_Delete(err, partition, thang('n'), existed), 1)
  t.is(zk.zkRemotePartition_Put(err, partition, thang('a'), thang('x'), existed), 0)
  t.regex(err.message, /part_0/)
  const cursor: zk.Out<zk.ZkDBCursor | null> = { value: null }
  t.is(zk.zkRemotePartition_CursorOpen(err, partition, cursor), 1)
  const key = thang('')
  t.is(zk.zkRemotePartition_CursorGetNext(err, cursor.value!, key, data, found), 1)
  t.deepEqual([found.value, textOf(key), textOf(data)], [1, 'm', 'x'])
  t.is(zk.zkRemotePartition_CursorUpdateCurrent(err, cursor.value!, thang('y')), 1)
  t.is(zk.zkRemotePartition_CursorGetNext(err, cursor.value!, key, data, found), 1)
  t.is(found.value, 0)
  t.is(zk.zkRemotePartition_CursorClose(err, cursor.value!), 1)
  t.is(db.getSync('m'), 'y')
  t.is(zk.zkRemotePartition_Disconnect(err, partition), 1)
  t.is(zk.zkRemotePartition_Connect(err, new zk.ZkRemotePartition(place.location, 'part_0')), 0)
  t.is(err.code, 'ZKDB_CONFIG')
  const local = new zk.ZkLocalPartition(place.location, 'part_1')
  t.is(zk.zkLocalPartition_Open(err, local), 0)
  t.is(err.code, 'ZKDB_REMOTE')
  await place.servers[1]!.stop()
  t.is(zk.zkRemotePartition_Connect(err, partition), 0)
  t.deepEqual([err.code, err.urgency], ['ZKDB_UNREACHABLE', 'urgent'])
})
