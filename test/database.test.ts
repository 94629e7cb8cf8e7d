/**
 * The calls that zkdb adds to Level, in every partition shape.
 */
import { execFile } from 'node:child_process'
import { cpSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { Database, open, openSync, ZkdbError } from 'zkdb'
import { newFolder, shapes, threePartitions } from './helpers/shapes.js'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const keysOf = (db: Database, range = {}): string[] => [...db.scanSync({ ...range, values: false })].map(([key]) => key)

type Make = (options?: object) => Database

/** A test of a new database in every partition shape. */
function inEveryShape(name: string, body: (t: ExecutionContext, make: Make) => Promise<void>): void {
  for (const shape of shapes) {
    test(`${shape.name}: ${name}`, (t) =>
      body(t, (options) => {
        const place = shape.make(newFolder())
        return openSync({ path: place.location, ...place.options, ...options })
      }))
  }
}

inEveryShape('synchronous writes are seen by every kind of read', async (t, make) => {
  const db = make()
  db.putSync('a', '1')
  db.batchSync([
    { type: 'put', key: 'b', value: '2' },
    { type: 'put', key: 'key q', value: '3' },
    { type: 'del', key: 'a' }
  ])
  t.is(db.getSync('b'), '2')
  t.is(await db.get('key q'), '3')
  t.is(db.getSync('a'), undefined)
  t.true(db.hasSync('b'))
  t.false(db.hasSync('a'))
  t.deepEqual(db.getManySync(['a', 'b', 'key q']), [undefined, '2', '3'])
  t.deepEqual(await db.getMany(['key q', 'a']), ['3', undefined])
  t.deepEqual(await db.hasMany(['key q', 'a']), [true, false])
  t.deepEqual(
    [...db.scanSync()],
    [
      ['b', '2'],
      ['key q', '3']
    ]
  )
  db.delSync('b')
  t.deepEqual(keysOf(db), ['key q'])
  db.clearSync()
  t.deepEqual(keysOf(db), [])
  await db.close()
})

inEveryShape('a scan honours bounds, direction, limit and encodings', async (t, make) => {
  const db = make()
  const all = Array.from({ length: 500 }, (_, i) => `Key ${String.fromCharCode(97 + (i % 26))}${i}`).sort()
  await db.batch(all.map((key) => ({ type: 'put', key, value: key.toUpperCase() })))
  t.deepEqual(keysOf(db), all)
  t.deepEqual(keysOf(db, { reverse: true }), [...all].reverse())
  t.deepEqual(keysOf(db, { gt: all[10], lte: all[20] }), all.slice(11, 21))
  t.deepEqual(keysOf(db, { gte: all[10], lt: all[20], limit: 3, reverse: true }), all.slice(17, 20).reverse())
  t.deepEqual(keysOf(db, { limit: 0 }), [])
  t.deepEqual(keysOf(db, { unordered: true }).sort(), all)
  const [first] = db.scanSync<Uint8Array, Uint8Array>({ keyEncoding: 'view', valueEncoding: 'buffer' })
  t.deepEqual(Buffer.from(first![0]), Buffer.from(all[0]!))
  t.deepEqual(first![1], Buffer.from(all[0]!.toUpperCase()))
  const packed = db.scanSync({ gte: all[5], limit: 100 }).toArrays()
  t.is(packed.count, 100)
  const keys = packed.chunks.flatMap(({ buffer, offsets, count }) =>
    Array.from({ length: count }, (_, i) => buffer.toString('utf8', offsets[3 * i], offsets[3 * i + 1]))
  )
  t.deepEqual(keys, all.slice(5, 105))
  const inChunks: string[] = []
  for (const { buffer, offsets, count } of db.scanSync({ gte: all[5], limit: 100 }).chunks()) {
    for (let i = 0; i < count; i++) inChunks.push(buffer.toString('utf8', offsets[3 * i], offsets[3 * i + 1]))
  }
  t.deepEqual(inChunks, keys)
  await db.close()
})

test('chunks that are left early, or hold large records, close their cursor', async (t) => {
  const db = openSync(newFolder())
  const large = 'x'.repeat(300_000)
  for (const key of ['a', 'b', 'c']) db.putSync(key, large)
  for (const { count } of db.scanSync().chunks()) {
    t.true(count > 0)
    t.is((await db.stats()).snapshotsOpen, 1)
    break
  }
  t.is((await db.stats()).snapshotsOpen, 0)
  const sizes = [...db.scanSync().chunks()].flatMap(({ offsets, count }) =>
    Array.from({ length: count }, (_, i) => offsets[3 * i + 2]! - offsets[3 * i + 1]!)
  )
  t.deepEqual(sizes, [300_000, 300_000, 300_000])
  await db.close()
})

test('Buffers that were read stay as they are, and are Buffers like any other', async (t) => {
  const db = openSync<string, Buffer>({ path: newFolder(), valueEncoding: 'buffer' })
  const count = 5000
  for (let i = 0; i < count; i++) db.putSync(String(i), Buffer.alloc(100, i), { durability: 'none' })
  const single = Array.from({ length: count }, (_, i) => db.getSync(String(i))!)
  const many = db.getManySync(Array.from({ length: count }, (_, i) => String(i)))
  const scanned = new Map<string, Buffer>(db.scanSync())
  for (let i = 0; i < count; i++) {
    const wanted = Buffer.alloc(100, i)
    const all = [single[i]!, many[i]!, scanned.get(String(i))!]
    if (!all.every((value) => value.equals(wanted))) t.fail(`record ${i} has changed`)
  }
  t.deepEqual(single[7], Buffer.alloc(100, 7))
  t.is(Object.getPrototypeOf(scanned.get('7')), Buffer.prototype)
  // Node copies what must not be transferred, or throws; either way nothing is taken away from here.
  await (async () => structuredClone(single[7], { transfer: [single[7]!.buffer as ArrayBuffer] }))().catch(
    () => undefined
  )
  t.deepEqual(single[7], Buffer.alloc(100, 7))
  await db.close()
})

inEveryShape('bytes, long values and text beyond ASCII come back as they were written', async (t, make) => {
  const db = make()
  const values = ['', 'plain', '\u00e9\u20ac\ud83d\udc04', 'x'.repeat(100_000), '\u00e9'.repeat(2_000_000)]
  for (const [i, value] of values.entries()) await db.put(`Key ${i}`, value)
  for (const [i, value] of values.entries()) {
    t.true(db.getSync(`Key ${i}`) === value)
    t.true(Buffer.from(db.getFast(`Key ${i}`)!).toString() === value)
  }
  t.true(
    JSON.stringify(db.getManySync(['Key 0', 'Key 4', 'Key 2'])) === JSON.stringify([values[0], values[4], values[2]])
  )
  t.true(JSON.stringify([...db.scanSync()].map(([, value]) => value)) === JSON.stringify(values))
  const key = Buffer.from([0, 255, 128, 1])
  await db.put(key, Buffer.from([9, 0, 200]), { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  t.deepEqual(db.getSync(key, { keyEncoding: 'view', valueEncoding: 'view' }), Buffer.from([9, 0, 200]))
  await db.put('', 'the empty key')
  t.is(db.getSync(''), 'the empty key')
  await db.close()
})

inEveryShape('conditions give a result', async (t, make) => {
  const db = make()
  t.like(await db.put('lock', 'me', { ifAbsent: true }), { applied: true, existed: 0 })
  t.like(await db.put('lock', 'you', { ifAbsent: true }), { applied: false, failedIndex: 0 })
  t.like(await db.put('other', 'x', { ifPresent: true }), { applied: false })
  t.like(await db.put('lock', 'you', { ifValue: 'me' }), { applied: true, existed: 1 })
  t.like(await db.del('lock', { ifValue: 'me' }), { applied: false })
  t.like(await db.del('lock', { ifValue: 'you' }), { applied: true })
  const results = await Promise.all([
    db.put('race', '1', { ifAbsent: true }),
    db.put('plain', '1'),
    db.put('race', '2', { ifAbsent: true })
  ])
  t.like(results, { 0: { applied: true }, 1: undefined, 2: { applied: false } })
  t.is(db.getSync('race'), '1')
  t.like(db.putSync('race', '3', { ifValue: '1' }), { applied: true })
  t.is(db.putSync('race', '4'), undefined)
  await db.close()
})

inEveryShape('a batch with a condition that fails writes nothing', async (t, make) => {
  const db = make()
  await db.put('b', '1')
  const result = await db.batch([
    { type: 'put', key: 'a', value: '1' },
    { type: 'put', key: 'b', value: '2', ifAbsent: true }
  ])
  t.like(result, { applied: false, failedIndex: 1 })
  t.is(db.getSync('a'), undefined)
  t.like(
    db.batchSync([
      { type: 'put', key: 'b', value: '2', ifValue: '1' },
      { type: 'put', key: 'a', value: '1' }
    ]),
    {
      applied: true
    }
  )
  t.deepEqual(db.getManySync(['a', 'b']), ['1', '2'])
  await db.close()
})

inEveryShape('a transaction sees its own writes and is rolled back when it throws', async (t, make) => {
  const db = make()
  db.putSync('a', '1')
  const seen = db.transactionSync((tx) => {
    tx.put('a', '2')
    tx.put('Key q', '3')
    tx.del('missing')
    t.is(db.getSync('a'), '1')
    t.true(tx.has('Key q'))
    return [tx.get('a'), [...tx.scan()].map(([key]) => key)]
  })
  t.deepEqual(seen, ['2', ['Key q', 'a']])
  t.is(db.getSync('a'), '2')
  const failure = new Error('no')
  const thrown = t.throws(() =>
    db.transactionSync((tx) => {
      tx.put('a', '9')
      const it = tx.scan()[Symbol.iterator]()
      it.next()
      throw failure
    })
  )
  t.is(thrown, failure)
  t.is(db.getSync('a'), '2')
  t.throws(() => db.transactionSync(() => db.putSync('a', '3')), { code: 'ZKDB_INVALID' })
  t.throws(() => db.transactionSync((async () => undefined) as () => unknown), { instanceOf: TypeError })
  db.putSync('a', '4')
  await db.close()
})

inEveryShape('a snapshot keeps what it saw', async (t, make) => {
  const db = make()
  await db.put('a', '1')
  const snapshot = db.snapshot()
  await db.put('a', '2')
  t.is(db.getSync('a', { snapshot }), '1')
  t.deepEqual([...db.scanSync({ snapshot })], [['a', '1']])
  t.deepEqual(db.getManySync(['a'], { snapshot }), ['1'])
  t.true(db.hasSync('a', { snapshot }))
  await snapshot.close()
  t.throws(() => db.hasSync('a', { snapshot }), { code: 'LEVEL_SNAPSHOT_NOT_OPEN' })
  await db.close()
})

inEveryShape('data is there after closing and opening again', async (t, make) => {
  const db = make()
  await db.put('a', '1')
  await db.close()
  t.throws(() => db.putSync('a', '2'), { code: 'LEVEL_DATABASE_NOT_OPEN' })
  t.throws(() => db.getFast('a'), { code: 'LEVEL_DATABASE_NOT_OPEN' })
  await db.open()
  t.is(await db.get('a'), '1')
  db.putSync('a', '2')
  await db.close()
  const again = await open(db.location)
  t.is(again.getSync('a'), '2')
  await again.close()
})

inEveryShape('clear honours range, limit, direction and snapshot', async (t, make) => {
  const db = make()
  const fill = async (): Promise<void> => {
    await db.batch([...'abcdef'].map((key) => ({ type: 'put', key, value: key })))
  }
  await fill()
  db.clearSync({ gt: 'a', lte: 'c' })
  t.is(keysOf(db).join(''), 'adef')
  await fill()
  db.clearSync({ limit: 2, reverse: true })
  t.is(keysOf(db).join(''), 'abcd')
  const snapshot = db.snapshot()
  await db.put('z', 'z')
  await db.clear({ snapshot })
  t.is(keysOf(db).join(''), 'z')
  await snapshot.close()
  await db.close()
})

inEveryShape('partitions, explain and figures describe the database', async (t, make) => {
  const db = make()
  await db.batch(Array.from({ length: 100 }, (_, i) => ({ type: 'put', key: `Key ${i}`, value: 'v' })))
  const partition = db.partitionOf('Key 1')
  t.is(db.partitions()[partition.index]!.name, partition.name)
  t.false(partition.isRemote)
  const { partitions, records } = db.explain({ gte: 'Key 1', lt: 'Key 2' })
  t.true(partitions.length > 0 && records > 0)
  const stats = await db.stats({ full: true })
  t.is(stats.partitions.length, db.partitions().length)
  t.is(
    stats.partitions.reduce((sum, each) => sum + each.records, 0),
    100
  )
  await db.close()
})

inEveryShape('verify, compact, checkpoint, sync and backup work while the database is in use', async (t, make) => {
  const db = make()
  await db.batch(Array.from({ length: 1000 }, (_, i) => ({ type: 'put', key: `Key ${i}`, value: `${i}` })))
  const progress: number[] = []
  t.deepEqual(await db.verify({ onProgress: ({ done }) => progress.push(done) }), {
    ok: true,
    count: 0,
    findings: []
  })
  t.true(progress.length > 0)
  await db.sync()
  await db.checkpoint()
  await db.compact()
  const target = join(newFolder(), 'backup')
  await db.backup(target)
  t.true(existsSync(target))
  await t.throwsAsync(db.verify({ signal: AbortSignal.abort() }), { instanceOf: ZkdbError, code: 'ZKDB_ABORTED' })
  t.is(db.getSync('Key 7'), '7')
  await db.close()
})

test('asynchronous writes are applied in the order of the calls, and synchronous ones after them', async (t) => {
  const db = await open(join(newFolder(), 'data'))
  const writes = [db.put('a', '1'), db.put('b', '1', { durability: 'none' }), db.del('a'), db.put('a', '2')]
  db.putSync('a', '3')
  t.is(db.getSync('a'), '3')
  t.is(db.getSync('b'), '1')
  await Promise.all(writes)
  t.is(db.getSync('a'), '3')
  const more = Array.from({ length: 100 }, (_, i) => db.put('a', `async ${i}`))
  await Promise.all(more)
  t.is(db.getSync('a'), 'async 99')
  await db.close()
})

test('one bad operation does not fail its neighbours', async (t) => {
  const db = openSync(join(newFolder(), 'data'))
  const results = await Promise.allSettled([db.put('a', '1'), db.put('k'.repeat(70_000), '1'), db.put('b', '1')])
  t.deepEqual(
    results.map((result) => result.status),
    ['fulfilled', 'rejected', 'fulfilled']
  )
  t.like(results[1], { reason: { code: 'ZKDB_KEY_TOO_LARGE' } })
  t.deepEqual(db.getManySync(['a', 'b']), ['1', '1'])
  await db.close()
})

test('writes that are under way when the database is closed are written', async (t) => {
  const db = openSync(join(newFolder(), 'data'))
  const writes = Array.from({ length: 50 }, (_, i) => db.put(`Key ${i}`, 'v'))
  await db.close()
  await Promise.all(writes)
  await db.open()
  t.is(keysOf(db).length, 50)
  await db.close()
})

test('concurrent writes to isolated partitions succeed, a batch over them only when it is allowed', async (t) => {
  const file = join(newFolder(), 'isolated.conf')
  writeFileSync(file, threePartitions.replace('[main]', '[main]\nIsolated_Partitions = Yes'))
  const db = await open(file)
  const keys = ['abca', 'abcm', 'abcz']
  for (let round = 0; round < 3; round++) await Promise.all(keys.map((key) => db.put(key, `${round}`)))
  t.deepEqual(db.getManySync(keys), ['2', '2', '2'])
  const operations = keys.map((key) => ({ type: 'put' as const, key, value: 'batch' }))
  const [single, group] = await Promise.allSettled([db.put('abca', 'x'), db.batch(operations)])
  t.is(single.status, 'fulfilled')
  t.like(group, { reason: { code: 'ZKDB_CROSS_PARTITION' } })
  t.throws(() => db.batchSync(operations), { code: 'ZKDB_CROSS_PARTITION' })
  t.deepEqual(db.getManySync(keys), ['x', '2', '2'])
  await db.batch(operations, { nonAtomic: true })
  t.deepEqual(db.getManySync(keys), ['batch', 'batch', 'batch'])
  await db.close()
})

test('an open after a crash tells how far its recovery is, and can be stopped', async (t) => {
  const path = newFolder()
  const db = openSync({ path, minCheckpointSize: '1G' })
  for (let i = 0; i < 60; i++) db.putSync(`k${i}`, 'v'.repeat(100_000))
  // What a crash would leave now.
  const crashed = newFolder()
  cpSync(path, crashed, { recursive: true })
  await db.close()
  await t.throwsAsync(open({ path: crashed, signal: AbortSignal.abort() }), { code: 'ZKDB_ABORTED' })
  const calls: { done: number; total: number }[] = []
  const again = await open({ path: crashed, onProgress: (progress) => calls.push(progress) })
  t.true(calls.length > 0)
  t.is(calls.at(-1)!.done, calls.at(-1)!.total)
  t.true(calls.at(-1)!.done > 6_000_000)
  t.is((await again.stats()).recoveredRecords, 60)
  await again.close()
  const clean: unknown[] = []
  await (await open({ path: crashed, onProgress: (progress) => clean.push(progress) })).close()
  t.deepEqual(clean, [])
  await t.throwsAsync(open({ path: crashed, onProgress: 1 as never }), { instanceOf: TypeError })
})

test('a second process is told who has the database', async (t) => {
  const folder = join(newFolder(), 'data')
  const db = await open(folder)
  const code = `require('zkdb').open(${JSON.stringify(folder)}).catch((e) => console.log(e.code, e.urgency, e.message))`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', code])
  t.regex(stdout, /^ZKDB_LOCKED urgent /)
  t.true(stdout.includes(String(process.pid)))
  await db.close()
})

test('getFast gives the same object for the same length', async (t) => {
  const db = openSync(join(newFolder(), 'data'))
  db.batchSync([
    { type: 'put', key: 'a', value: '123' },
    { type: 'put', key: 'b', value: '456' }
  ])
  const first = db.getFast('a')
  t.deepEqual(first, bytes('123'))
  t.is(db.getFast('b'), first)
  t.deepEqual(first, bytes('456'))
  t.is(db.getFast('c'), undefined)
  await db.close()
})

test('sublevels have conditions, and their keys are apart', async (t) => {
  const db = openSync(join(newFolder(), 'data'))
  const sub = db.sublevel('sub', { valueEncoding: 'json' })
  const nested = sub.sublevel('deep')
  await sub.put('a', { n: 1 } as never)
  t.like(await sub.put('a', { n: 2 } as never, { ifValue: { n: 1 } as never }), { applied: true })
  t.like(await sub.put('a', { n: 3 } as never, { ifAbsent: true }), { applied: false })
  t.like(await nested.put('a', 'x', { ifAbsent: true }), { applied: true })
  t.deepEqual(await sub.get('a'), { n: 2 } as never)
  t.is(db.getSync('!sub!!deep!a'), 'x')
  db.batchSync([{ type: 'put', key: 'b', value: { n: 4 } as never, sublevel: sub }])
  t.deepEqual(await sub.get('b'), { n: 4 } as never)
  await db.close()
})

test('events tell about synchronous writes, and not about those whose condition failed', async (t) => {
  const db = openSync(join(newFolder(), 'data'))
  const written: string[] = []
  db.on('write', (operations: { type: string; key: string }[]) => {
    for (const { type, key } of operations) written.push(`${type} ${key}`)
  })
  db.putSync('a', '1')
  db.delSync('a')
  db.putSync('b', '1', { ifPresent: true })
  await db.put('c', '1', { ifPresent: true })
  await db.put('d', '1', { ifAbsent: true })
  t.deepEqual(written, ['put a', 'del a', 'put d'])
  db.hooks.prewrite.add(() => undefined)
  t.throws(() => db.putSync('a', '1'), { code: 'LEVEL_NOT_SUPPORTED' })
  await db.close()
})

test('what is wrong with opening has its own code', async (t) => {
  const folder = join(newFolder(), 'data')
  await t.throwsAsync(open({ path: folder, createIfMissing: false }), { instanceOf: ZkdbError, code: 'ZKDB_MISSING' })
  await (await open(folder)).close()
  const error = t.throws(() => openSync({ path: folder, errorIfExists: true }), { code: 'ZKDB_EXISTS' }) as ZkdbError
  t.is(error.urgency, 'urgent')
  const level = await t.throwsAsync(new Database(folder, { errorIfExists: true }).open(), {
    code: 'LEVEL_DATABASE_NOT_OPEN'
  })
  t.is((level!.cause as ZkdbError).code, 'ZKDB_EXISTS')
  t.throws(() => openSync({ path: folder, pageSize: 'large' }), { code: 'ZKDB_CONFIG' })
})

test('two handles of one process share the database', async (t) => {
  const folder = join(newFolder(), 'data')
  const first = openSync(folder)
  const second = openSync(folder)
  first.putSync('a', '1')
  t.is(second.getSync('a'), '1')
  await first.close()
  t.is(second.getSync('a'), '1')
  await second.close()
})
