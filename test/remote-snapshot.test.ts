/**
 * Snapshots of the remote client against a real server.
 */
import test, { type ExecutionContext } from 'ava'
import { connect, type RemoteClient } from 'zkdb/remote'
import { startServer } from './helpers/server.js'

async function start(t: ExecutionContext): Promise<RemoteClient> {
  const server = await startServer(t)
  const client = await connect(`zkdb://${server.address()}`)
  t.teardown(() => client.close())
  return client
}

test('a snapshot gives the state it was opened at, whatever is written later', async (t) => {
  const db = await start(t)
  await db.batch(
    Array.from({ length: 100 }, (_, i) => ({ type: 'put', key: `k${String(i).padStart(3, '0')}`, value: 'old' }))
  )
  await using snapshot = await db.snapshot()
  await db.clear({ gte: 'k050' })
  await db.put('k000', 'new')
  t.is(await snapshot.get('k000'), 'old')
  t.deepEqual(await snapshot.getMany(['k000', 'k099', 'none']), ['old', 'old', undefined])
  t.deepEqual(await snapshot.getMany([]), [])
  const pieces = await snapshot.range({ chunk: 7 }).toArray()
  t.is(pieces.length, 100)
  t.true(pieces.every(([, value]) => value === 'old'))
  t.deepEqual(await snapshot.range<string>({ reverse: true, limit: 2, values: false }).toArray(), ['k099', 'k098'])
  t.is((await db.range().toArray()).length, 50)
})

test('a range of a snapshot does not see what is written between its chunks', async (t) => {
  const db = await start(t)
  await db.batch(['a', 'b', 'c', 'd'].map((key) => ({ type: 'put', key, value: '1' })))
  const snapshot = await db.snapshot()
  const keys: string[] = []
  for await (const key of snapshot.range<string>({ chunk: 1, values: false })) {
    keys.push(key)
    await db.del('d')
    await db.put(`${key}x`, '2')
  }
  t.deepEqual(keys, ['a', 'b', 'c', 'd'])
  await snapshot.close()
  await snapshot.close()
  await t.throwsAsync(() => snapshot.get('a'), { code: 'ZKDB_SNAPSHOT_EXPIRED' })
})

test('encodings are those of the client and of the call', async (t) => {
  const db = await start(t)
  await db.put('a', { n: 1 } as never, { valueEncoding: 'json' })
  await using snapshot = await db.snapshot()
  t.deepEqual(await snapshot.get('a', { valueEncoding: 'json' }), { n: 1 } as never)
  t.deepEqual(await snapshot.get('a', { valueEncoding: 'buffer' }), Buffer.from('{"n":1}') as never)
})

test('a client has at most 16 snapshots', async (t) => {
  const db = await start(t)
  const snapshots = await Promise.all(Array.from({ length: 16 }, () => db.snapshot()))
  await t.throwsAsync(() => db.snapshot(), { message: /16 open snapshots/ })
  await snapshots[3]!.close()
  await t.notThrowsAsync(() => db.snapshot())
})

test('after a lost connection a snapshot is none of the new one', async (t) => {
  const db = await start(t)
  await db.put('a', '1')
  const snapshot = await db.snapshot()
  const id = await db.call('CLIENT', 'ID')
  const reconnected = new Promise<void>((resolve) => db.once('connect', resolve))
  await db.call('CLIENT', 'KILL', 'ID', id as number, 'SKIPME', 'NO').catch(() => undefined)
  await reconnected
  await db.snapshot()
  await t.throwsAsync(() => snapshot.get('a'), { code: 'ZKDB_SNAPSHOT_EXPIRED' })
  await t.throwsAsync(() => snapshot.range().toArray(), { code: 'ZKDB_SNAPSHOT_EXPIRED' })
})
