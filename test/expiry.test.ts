/**
 * Records that end: the option `ttl`, and the expiry commands of the server with a client that nobody here wrote.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { Redis } from 'ioredis'
import { openSync } from 'zkdb'
import { connect } from 'zkdb/remote'
import { portOf, startServer } from './helpers/server.js'
import { newFolder, shapes } from './helpers/shapes.js'

for (const shape of shapes) {
  test(`${shape.name}: a record with a ttl ends, and says when`, async (t) => {
    const place = shape.make(newFolder())
    const db = openSync({ path: place.location, ...place.options })
    const from = Date.now() + 100_000
    db.putSync('a', '1', { ttl: 100_000 })
    await db.put('b', '2', { ttl: 100_000 })
    await db.batch([{ type: 'put', key: 'c', value: '3', ttl: 100_000 }], { nonAtomic: true })
    db.batchSync([{ type: 'put', key: 'd', value: '4', ttl: 100_000 }])
    await db.put('e', '5', { ttl: 100_000, ifAbsent: true })
    for (const key of ['a', 'b', 'c', 'd', 'e']) {
      const end = db.getExpirySync(key)
      t.true(typeof end === 'number' && end >= from && end <= Date.now() + 100_000, key)
      t.is(await db.getExpiry(key), end)
    }
    db.putSync('a', '1')
    t.is(db.getExpirySync('a'), null)
    t.is(db.getExpirySync('none'), undefined)
    db.putSync('short', 'x', { ttl: 1 })
    await sleep(20)
    t.is(db.getSync('short'), undefined)
    t.false(db.hasSync('short'))
    t.deepEqual(
      [...db.scanSync()].map(([key]) => key),
      ['a', 'b', 'c', 'd', 'e']
    )
    t.is((await db.put('short', 'y', { ifAbsent: true })).applied, true)
    await db.close()
  })
}

test('a ttl that is no positive number is refused', async (t) => {
  const db = openSync(newFolder())
  for (const ttl of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number]) {
    t.throws(() => db.putSync('a', '1', { ttl }), { instanceOf: TypeError, message: /'ttl'/ })
    await t.throwsAsync(db.put('a', '1', { ttl }), { message: /'ttl'/ })
  }
  t.is(db.getSync('a'), undefined)
  await db.close()
})

test('the remote client gives records times as Database does', async (t) => {
  const server = await startServer(t)
  const local = openSync(newFolder())
  const remote = await connect(`zkdb://${server.address()}`)
  const outcome = (call: Promise<unknown>) => call.catch((error: Error) => `${error.name}: ${error.message}`)
  const both = async (call: (db: typeof local | typeof remote) => Promise<unknown>): Promise<unknown> => {
    const [here, there] = [await outcome(call(local)), await outcome(call(remote))]
    t.deepEqual(there, here)
    return here
  }
  for (const ttl of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 3.3e15, '5' as unknown as number]) {
    t.regex(String(await both((db) => db.put('a', '1', { ttl }))), /^TypeError: The option 'ttl' must be a positive/)
    await both(async (db) => db.batch([{ type: 'put', key: 'a', value: '1', ttl }]))
    await both(async (db) => db.batch([{ type: 'put', key: 'a', value: '1' }], { ttl }))
    await both((db) => db.put('a', '1', { ttl, ifAbsent: true } as object))
  }
  t.is(await both((db) => db.get('a')), undefined)
  await both((db) => db.put('a', '1', { ttl: 3.2e15 }))
  await both(async (db) => db.batch([{ type: 'put', key: 'b', value: '1', ttl: 1 }]))
  await both((db) => db.put('c', '1', { ttl: 0.5 }))
  await both((db) => db.put('d', '1', { ttl: 100_000 }))
  await both((db) => db.put('d', '1'))
  await sleep(20)
  for (const key of ['b', 'c', 'd', 'none']) {
    await both((db) => db.get(key))
    await both((db) => db.has(key))
    await both((db) => db.getExpiry(key))
  }
  const [here, there] = [await local.getExpiry('a'), await remote.getExpiry('a')]
  t.true(Math.abs(here! - there!) < 10_000 && here! > 3.2e15)
  t.is(await remote.getExpiry('d'), null)
  t.like(await remote.put('c', '2', { ttl: 1e6, ifAbsent: true }), { applied: true })
  await remote.close()
  await local.close()
})

test('ioredis sets, reads and takes away times', async (t) => {
  const client = new Redis(portOf(await startServer(t)))
  t.is(await client.set('a', '1', 'EX', 100), 'OK')
  t.true((await client.ttl('a')) > 90)
  t.is(await client.set('lock', 'me', 'PX', 100_000, 'NX'), 'OK')
  t.is(await client.set('lock', 'you', 'PX', 100_000, 'NX'), null)
  t.is(await client.set('a', '2', 'KEEPTTL'), 'OK')
  t.true((await client.pttl('a')) > 90_000)
  t.is(await client.persist('a'), 1)
  t.is(await client.ttl('a'), -1)
  t.is(await client.expire('a', 50, 'NX'), 1)
  t.is(await client.expire('a', 20, 'GT'), 0)
  t.is(await client.getex('a', 'EX', 500), '2')
  t.true((await client.ttl('a')) > 400)
  t.is(await client.setex('b', 100, 'x'), 'OK')
  t.is(await client.psetex('c', 1, 'x'), 'OK')
  await sleep(20)
  t.is(await client.get('c'), null)
  t.is(await client.ttl('c'), -2)
  t.is(await client.pexpireat('b', 1), 1)
  t.is(await client.exists('b'), 0)
  t.true((await client.expiretime('a')) > Date.now() / 1000)
  client.disconnect()
})
