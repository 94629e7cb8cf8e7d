/**
 * Channels and keyspace events over sockets, with clients that nobody here wrote.
 */
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { openSync } from 'zkdb'
import { connectTo, encode, portOf, startServer, until } from './helpers/server.js'
import { newFolder } from './helpers/shapes.js'

function connectRedis(t: ExecutionContext, port: number): Redis {
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => null })
  t.teardown(() => client.disconnect())
  return client
}

test('ioredis subscribes, also with patterns, and publishes', async (t) => {
  const port = portOf(await startServer(t))
  const subscriber = connectRedis(t, port)
  const publisher = connectRedis(t, port)
  const heard: string[] = []
  subscriber.on('message', (channel, text) => heard.push(`${channel}=${text}`))
  subscriber.on('pmessage', (pattern, channel, text) => heard.push(`${pattern}:${channel}=${text}`))
  t.is(await subscriber.subscribe('news', 'sport'), 2)
  t.is(await subscriber.psubscribe('n*'), 3)
  t.is(await publisher.publish('news', 'hello'), 2)
  t.is(await publisher.publish('sport', '1:0'), 1)
  t.is(await publisher.publish('other', 'x'), 0)
  t.true(await until(() => heard.length === 3))
  t.deepEqual(heard, ['news=hello', 'n*:news=hello', 'sport=1:0'])
  t.deepEqual(await publisher.pubsub('NUMSUB', 'news', 'none'), ['news', 1, 'none', 0])
  t.is(await subscriber.unsubscribe('news', 'sport'), 1)
  t.is(await publisher.publish('news', 'again'), 1)
})

for (const RESP of [2, 3] as const) {
  test(`node-redis subscribes with RESP${RESP}`, async (t) => {
    const server = await startServer(t, { threads: 2 })
    const url = `redis://${server.address()}`
    const subscriber = createClient({ url, RESP })
    const publisher = createClient({ url, RESP })
    for (const client of [subscriber, publisher]) {
      client.on('error', () => undefined)
      await client.connect()
      t.teardown(() => client.destroy())
    }
    const heard: string[] = []
    await subscriber.subscribe('news', (text) => heard.push(text))
    await subscriber.pSubscribe('n?ws', (text, channel) => heard.push(`${channel}=${text}`))
    const numbers = await Promise.all(Array.from({ length: 200 }, (_, i) => publisher.publish('news', String(i))))
    t.true(numbers.every((count) => Number(count) === 2))
    t.true(await until(() => heard.length === 400))
    // In the order in which they were published.
    t.deepEqual(
      heard.filter((text) => !text.startsWith('news=')),
      Array.from({ length: 200 }, (_, i) => String(i))
    )
    await subscriber.unsubscribe('news')
    await subscriber.pUnsubscribe('n?ws')
    t.is(Number(await publisher.publish('news', 'x')), 0)
  })
}

test('messages reach the connections of all threads in one order', async (t) => {
  const port = portOf(await startServer(t, { threads: 4 }))
  const subscribers = await Promise.all(Array.from({ length: 12 }, () => connectTo(t, port)))
  for (const subscriber of subscribers) await subscriber.line('SUBSCRIBE', 'x')
  const starts = await Promise.all(
    subscribers.map(async (subscriber) => (await subscriber.wait(() => subscriber.received.includes(':1\r\n'))).length)
  )
  const publishers = await Promise.all(Array.from({ length: 3 }, () => connectTo(t, port)))
  publishers.forEach((publisher, p) => {
    publisher.socket.write(Buffer.concat(Array.from({ length: 300 }, (_, i) => encode('PUBLISH', 'x', `${p}-${i}`))))
  })
  const heard = await Promise.all(
    subscribers.map(async (subscriber, i) => {
      const count = () => subscriber.received.toString('latin1', starts[i]).split('message').length - 1
      await subscriber.wait(() => count() === 900)
      return subscriber.received.toString('latin1', starts[i])
    })
  )
  t.is(heard[0]!.split('message').length - 1, 900)
  for (const text of heard) t.is(text, heard[0]!)
})

test('a subscriber that does not read is dropped, and the others go on', async (t) => {
  const server = await startServer(t)
  const slow = await connectTo(t, portOf(server))
  await slow.line('SUBSCRIBE', 'x')
  slow.socket.pause()
  const quick = await connectTo(t, portOf(server))
  await quick.line('SUBSCRIBE', 'x')
  const publisher = await connectTo(t, portOf(server))
  const text = Buffer.alloc(1 << 20, 'v')
  let counts = ''
  for (let i = 0; i < 80 && !counts.includes(':1\r\n'); i++) counts = await publisher.line('PUBLISH', 'x', text)
  t.true(counts.includes(':1\r\n'), 'one of the two is gone')
  t.is(server.stats().droppedSlow, 1)
  t.false(quick.isClosed)
})

test('keyspace events tell of writes when they are on', async (t) => {
  const port = portOf(await startServer(t, { keyspaceEvents: 'Yes' }))
  const subscriber = connectRedis(t, port)
  const writer = connectRedis(t, port)
  const heard: string[] = []
  subscriber.on('pmessage', (_, channel, text) => heard.push(`${channel} ${text}`))
  await subscriber.psubscribe('__key*__:*')
  await writer.set('k', 'v')
  await writer.del('k', 'none')
  await writer.multi().set('a', '1').incr('a').exec()
  const events = ['set k', 'del k', 'set a', 'set a'].flatMap((event) => {
    const [name, key] = event.split(' ')
    return [`__keyspace@0__:${key} ${name}`, `__keyevent@0__:${name} ${key}`]
  })
  t.true(await until(() => heard.length >= events.length))
  t.deepEqual(heard, events)
})

/** What a subscriber hears of all keys that end, each as `channel text`. */
async function hearExpired(t: ExecutionContext, port: number): Promise<string[]> {
  const subscriber = connectRedis(t, port)
  const heard: string[] = []
  subscriber.on('pmessage', (_, channel, text) => heard.push(`${channel} ${text}`))
  await subscriber.psubscribe('__key*__:*')
  return heard
}

test('a key that ends is told of when it is removed, and one that was kept or overwritten is not', async (t) => {
  const port = portOf(await startServer(t, { keyspaceEvents: 'KEx' }))
  const heard = await hearExpired(t, port)
  const writer = connectRedis(t, port)
  t.deepEqual(await writer.config('GET', 'notify-keyspace-events'), ['notify-keyspace-events', 'xKE'])
  // Of one partition, whose records are removed in the order of their ends: with the last one all of them are over.
  const end = Date.now() + 1500
  const replies = await writer
    .multi()
    .set('{p}kept', '1', 'PXAT', end)
    .set('{p}overwritten', '1', 'PXAT', end)
    .set('{p}moved', '1', 'PXAT', end)
    .set('{p}deleted', '1', 'PXAT', end)
    .set('{p}first', '1', 'PXAT', end)
    .set('{p}last', '1', 'PXAT', end + 1)
    .persist('{p}kept')
    .set('{p}overwritten', '2')
    .pexpireat('{p}moved', end + 1e9)
    .del('{p}deleted')
    .exec()
  t.deepEqual(
    replies?.slice(6).map(([, reply]) => reply),
    [1, 'OK', 1, 1]
  )
  t.true(await until(() => heard.length >= 4))
  t.deepEqual(heard, [
    '__keyspace@0__:{p}first expired',
    '__keyevent@0__:expired {p}first',
    '__keyspace@0__:{p}last expired',
    '__keyevent@0__:expired {p}last'
  ])
})

test('keys that end are not told of without the class x', async (t) => {
  const port = portOf(await startServer(t, { keyspaceEvents: 'KEg$' }))
  const heard = await hearExpired(t, port)
  const writer = connectRedis(t, port)
  await writer.set('a', '1', 'PX', 1)
  const removed = async () => /expired_keys:1\r/.test(await writer.info('stats'))
  for (let isRemoved = false; !isRemoved; isRemoved = await removed());
  await writer.publish('__keyspace@0__:last', 'message')
  t.true(await until(() => heard.length >= 3))
  t.deepEqual(heard, ['__keyspace@0__:a set', '__keyevent@0__:set a', '__keyspace@0__:last message'])
})

test('node-redis hears of a key that ends, also of one that the process of the server wrote', async (t) => {
  const path = newFolder()
  const server = await startServer(t, { keyspaceEvents: 'Ex', threads: 2 }, path)
  const subscriber = createClient({ url: `redis://${server.address()}` })
  subscriber.on('error', () => undefined)
  await subscriber.connect()
  t.teardown(() => subscriber.destroy())
  const heard: string[] = []
  await subscriber.subscribe('__keyevent@0__:expired', (key) => heard.push(key))
  const db = openSync(path)
  await db.put('mine', '1', { ttl: 1 })
  t.true(await until(() => heard.length > 0))
  t.deepEqual(heard, ['mine'])
  await db.close()
})

test('a server is closed while records end, and the database goes on', async (t) => {
  const path = newFolder()
  const db = openSync({ path, durability: 'none' })
  for (let round = 0; round < 3; round++) {
    const server = await startServer(t, { keyspaceEvents: 'Kx', threads: 2 }, path)
    const heard = await hearExpired(t, portOf(server))
    const before = (await db.stats()).expired
    for (let from = 0; from < 20_000; from += 5000) {
      await db.batch(
        Array.from({ length: 5000 }, (_, i) => ({ type: 'put' as const, key: `k${from + i}`, value: '', ttl: 1 }))
      )
    }
    t.true(await until(() => heard.length > 0))
    await server.close({ deadlineMs: 0 })
    for (let expired = 0; expired < before + 20_000; expired = (await db.stats()).expired);
  }
  await db.close()
})

test('settings of keyspace events that mean nothing are refused', async (t) => {
  await t.throwsAsync(() => startServer(t, { keyspaceEvents: 'KQ' }), { message: /"Q" is none of/ })
  const port = portOf(await startServer(t, { keyspaceEvents: 'No' }))
  const client = await connectTo(t, port)
  await client.line('HELLO', '3')
  await client.line('PSUBSCRIBE', '*')
  t.is(await client.line('SET', 'a', '1'), '+OK\r\n')
  t.is(await client.line('PING'), '+PONG\r\n')
})
