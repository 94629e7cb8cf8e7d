/**
 * Snapshots and scans of databases with remote partitions, while others write to the servers, and when these go away.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { type Database, type MissingPart, open } from 'zkdb'
import { connect, type RemoteClient } from 'zkdb/remote'
import type { ServeOptions } from 'zkdb/server'
import {
  authority,
  type PartitionServer,
  RemotePlace,
  type RemoteShape,
  remoteShapes
} from './helpers/remote-shapes.js'

const mixed = remoteShapes[2]!
const keys = [...'amz'].flatMap((letter) =>
  Array.from({ length: 700 }, (_, i) => `${letter}${String(i).padStart(4, '0')}`)
)

interface Setting {
  place: RemotePlace
  db: Database
}

async function start(t: ExecutionContext, shape: RemoteShape, options: ServeOptions = {}): Promise<Setting> {
  const place = new RemotePlace(shape, options)
  await place.start()
  t.teardown(() => place.stop())
  const db = await open({ path: place.location })
  t.teardown(() => db.close())
  return { place, db }
}

/** A client of a server, past the database that has it as a partition. */
async function clientOf(t: ExecutionContext, server: PartitionServer): Promise<RemoteClient> {
  const tls = server.kind === 'tls' ? { tls: { ca: authority().cert } } : {}
  const client = await connect(server.address, { ...tls, reconnect: false })
  t.teardown(() => client.close())
  return client
}

async function fill(db: Database, value: string): Promise<void> {
  await Promise.all(keys.map((key) => db.put(key, value)))
}

/** Changes everything on the servers and in the local partitions. */
async function changeAll(t: ExecutionContext, { place, db }: Setting): Promise<void> {
  for (const server of place.servers) {
    if (server === undefined) continue
    const client = await clientOf(t, server)
    await client.clear({ gte: 'z0100' })
    // Keys that the partition has: others would be given by scans.
    if (server !== (place.servers.length === 1 ? place.servers[0] : place.servers[1])) continue
    await client.del('m0000')
    await client.put('m0001', 'other')
    await client.put('mx', 'other')
  }
  await db.clear({ lt: 'b' })
}

for (const shape of remoteShapes) {
  test(`a snapshot keeps what was there with ${shape.name}, whatever others do`, async (t) => {
    const setting = await start(t, shape)
    const { db } = setting
    await fill(db, 'old')
    await db.put('m0002', 'old', { ttl: 3_600_000 })
    await using snapshot = db.snapshot()
    await changeAll(t, setting)
    await db.put('m0002', 'other')

    for (const key of ['a0000', 'm0000', 'm0001', 'm0002', 'z0699']) {
      t.is(db.getSync(key, { snapshot }), 'old', key)
      t.is(await db.get(key, { snapshot }), 'old')
      t.true(db.hasSync(key, { snapshot }))
    }
    t.is(db.getSync('mx', { snapshot }), undefined)
    t.deepEqual(await db.getMany(['z0699', 'mx', 'a0000', 'm0000'], { snapshot }), ['old', undefined, 'old', 'old'])
    t.deepEqual(await db.hasMany(['z0699', 'mx', 'a0000'], { snapshot }), [true, false, true])
    t.true((await db.getExpiry('m0002', { snapshot }))! > Date.now())
    t.is(await db.getExpiry('m0002'), null)
    t.deepEqual(await db.keys({ snapshot }).all(), keys)
    t.deepEqual(await db.keys({ snapshot, reverse: true }).all(), keys.toReversed())
    t.deepEqual(
      [...db.scanSync({ snapshot, values: false })].map(([key]) => key),
      keys
    )
    t.true((await db.values({ snapshot }).all()).every((value) => value === 'old'))
    t.is(db.getSync('m0000'), undefined)
    t.is((await db.keys().all()).includes('mx'), true)
  })

  test(`a scan with ${shape.name} gives one state, whatever others do meanwhile`, async (t) => {
    const setting = await start(t, shape)
    await fill(setting.db, 'old')
    for (const reverse of [false, true]) {
      const iterator = setting.db.iterator({ reverse })
      const found = await iterator.nextv(50)
      await fill(setting.db, 'new')
      await changeAll(t, setting)
      while (true) {
        const more = await iterator.nextv(500)
        if (more.length === 0) break
        found.push(...more)
      }
      await iterator.close()
      t.deepEqual(
        found,
        keys.map((key) => [key, 'old']).sort((a, b) => (a[0]! < b[0]! === reverse ? 1 : -1))
      )
      await fill(setting.db, 'old')
      await setting.db.del('mx')
    }
  })
}

test('a snapshot that nobody uses expires on the servers, and says so', async (t) => {
  const { place, db } = await start(t, mixed, { snapshotIdleMs: 50 })
  await fill(db, 'old')
  const client = await clientOf(t, place.servers[1]!)
  const snapshot = db.snapshot()
  const iterator = db.iterator({ gte: 'm' })
  await iterator.next()
  await fill(db, 'new')
  while ((await client.stats()).snapshotsOpen !== 0) await new Promise((resolve) => setTimeout(resolve, 10))
  for (let i = 0; i < 2; i++) {
    const error = t.throws(() => db.getSync('m0000', { snapshot }), { code: 'ZKDB_SNAPSHOT_EXPIRED' })
    t.regex(error!.message, /^partition \[part_1\] at .*: this connection has no snapshot/)
  }
  t.is(db.getSync('a0000', { snapshot }), 'old')
  t.is(db.getSync('m0000'), 'new')
  await t.throwsAsync(iterator.all(), { code: 'ZKDB_SNAPSHOT_EXPIRED' })
  await iterator.close()
  await snapshot.close()
})

test('a server that is restarted has lost its part of snapshots and scans', async (t) => {
  const { place, db } = await start(t, mixed)
  await fill(db, 'old')
  await using snapshot = db.snapshot()
  const iterator = db.iterator()
  t.is((await iterator.nextv(10)).length, 10)
  const missing: MissingPart[] = []
  const partial = db.scanSync({ onMissing: (part: MissingPart) => missing.push(part) })[Symbol.iterator]()
  partial.next()
  await fill(db, 'new')
  await place.servers[1]!.stop()
  await place.servers[1]!.start()
  const error = t.throws(() => db.getSync('m0000', { snapshot }), { code: 'ZKDB_SNAPSHOT_EXPIRED' })
  t.regex(error!.message, /^partition \[part_1\] at .*: the snapshot ended with its connection/)
  t.throws(() => db.getManySync(['a0000', 'm0000'], { snapshot }), { code: 'ZKDB_SNAPSHOT_EXPIRED' })
  t.deepEqual(db.getManySync(['a0000', 'z0000'], { snapshot }), ['old', 'old'])
  await t.throwsAsync(iterator.all(), { code: 'ZKDB_SNAPSHOT_EXPIRED' })
  await iterator.close()
  const found = [...{ [Symbol.iterator]: () => partial }]
  t.true(found.every(([, value]) => value === 'old'))
  t.like(missing, [{ partition: 1, error: { code: 'ZKDB_SNAPSHOT_EXPIRED' } }])
  t.is(missing[0]!.from?.toString(), found.findLast(([key]) => key.startsWith('m'))![0])
  t.is(db.getSync('m0000'), 'new')
  t.is(db.getSync('m0000', { snapshot: db.snapshot() }), 'new')
})

/** A server in a process of its own, with the address that it says it has. */
async function serveInChild(t: ExecutionContext, folder: string): Promise<{ child: ChildProcess; address: string }> {
  const source = `import { serve } from 'zkdb/server'
    const server = await serve({ path: process.argv[1] }, { listen: '127.0.0.1:0' })
    console.log(server.address())`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source, folder], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const address = await new Promise<string>((resolve) =>
    child.stdout!.once('data', (bytes: Buffer) => resolve(bytes.toString().trim()))
  )
  return { child, address }
}

/** Stops a process where it is: the signal alone lets its threads go on until they get to see it. */
async function freeze(child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP')
  const tasks = `/proc/${child.pid}/task`
  const stopped = () => readdirSync(tasks).every((id) => /\) T /.test(readFileSync(`${tasks}/${id}/stat`, 'utf8')))
  while (!stopped()) await sleep(5)
}

test('a server that is killed takes its part of a snapshot along, and a silent one has none', async (t) => {
  const { location, folder } = new RemotePlace({ name: 'local', kinds: ['local'] })
  const { child, address } = await serveInChild(t, `${folder}/far`)
  writeFileSync(
    location,
    `[main]\nPartitions = near; far\n[near]\nMaxLimit = f\n[far]\nMinLimit = g\nIsRemote = Yes\n` +
      `AddressPath = ${address}\nReplyTimeout = 2000\n`
  )
  const db = await open({ path: location })
  t.teardown(() => db.close())
  await db.put('a', '1')
  await db.put('m', '1')
  await using first = db.snapshot()
  await freeze(child)
  await using second = db.snapshot()
  t.is(db.getSync('a', { snapshot: second }), '1')
  const silent = t.throws(() => db.getSync('m', { snapshot: second }))
  t.regex((silent as { code?: string }).code ?? '', /^ZKDB_(TIMEOUT|UNREACHABLE)$/)
  t.regex(silent!.message, /^partition \[far\] at .*: the snapshot could not be opened/)
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('exit', resolve))
  t.throws(() => db.getSync('m', { snapshot: first }), { code: 'ZKDB_SNAPSHOT_EXPIRED' })
  t.is(db.getSync('a', { snapshot: first }), '1')
})

test('a snapshot opens while a server is away, and only its keys fail', async (t) => {
  const { place, db } = await start(t, mixed)
  await fill(db, 'old')
  await place.servers[1]!.stop()
  await using snapshot = db.snapshot()
  await place.servers[1]!.start()
  const error = t.throws(() => db.getSync('m0000', { snapshot }), { code: 'ZKDB_UNREACHABLE' })
  t.regex(error!.message, /^partition \[part_1\] at .*: the snapshot could not be opened/)
  t.is(db.getSync('a0000', { snapshot }), 'old')
  t.is(db.getSync('z0000', { snapshot }), 'old')
  t.throws(() => db.getSync('m0000', { snapshot }), { code: 'ZKDB_UNREACHABLE' })
})

test('a database with remote partitions does not promise that iterators pin a state when they are made', async (t) => {
  const { db } = await start(t, mixed)
  for (const { supports } of [db, db.sublevel('part')]) {
    t.false(supports.implicitSnapshots)
    t.true(supports.explicitSnapshots)
  }
})

test('iterators that are left open and closed leave nothing open on the servers', async (t) => {
  const { place, db } = await start(t, mixed)
  await fill(db, 'old')
  const client = await clientOf(t, place.servers[1]!)
  const iterators = Array.from({ length: 100 }, () => db.iterator())
  t.is((await client.stats()).snapshotsOpen, 0)
  for (const iterator of iterators) await iterator.next()
  t.is((await client.stats()).snapshotsOpen, 100)
  for (const iterator of iterators) await iterator.close()
  while ((await client.stats()).snapshotsOpen !== 0) await new Promise((resolve) => setTimeout(resolve, 10))
  t.is((await db.keys().all()).length, keys.length)
})
