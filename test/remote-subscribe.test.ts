/**
 * Subscriptions of the remote client against a real server.
 */
import test, { type ExecutionContext } from 'ava'
import { connect, type Message, type RemoteClient } from 'zkdb/remote'
import type { Server } from 'zkdb/server'
import { startServer, until } from './helpers/server.js'

async function start(t: ExecutionContext): Promise<{ server: Server; db: RemoteClient }> {
  const server = await startServer(t)
  const db = await connect(`zkdb://${server.address()}`)
  t.teardown(() => db.close())
  return { server, db }
}

/** The next `count` messages. */
async function take<V>(messages: AsyncIterable<Message<V>>, count: number): Promise<Message<V>[]> {
  const taken: Message<V>[] = []
  for await (const message of messages) if (taken.push(message) === count) break
  return taken
}

test('messages come in the order in which they are published', async (t) => {
  const { server, db } = await start(t)
  const subscription = await db.subscribe(['news', 'sport'])
  await db.call('PUBLISH', 'news', 'one')
  await db.call('PUBLISH', 'other', 'x')
  await db.call('PUBLISH', 'sport', 'two')
  t.deepEqual(await take(subscription, 2), [
    { channel: 'news', message: 'one' },
    { channel: 'sport', message: 'two' }
  ])
  // The loop has ended it.
  t.deepEqual(await subscription.next(), { done: true, value: undefined })
  t.true(await until(() => server.stats().current === 1))
  t.is(await db.call('PUBLISH', 'news', 'three'), 0)
})

test('patterns, encodings, and calls of next() that wait', async (t) => {
  const { db } = await start(t)
  await using subscription = await db.subscribe('n*', { patterns: true, valueEncoding: 'json' })
  const both = Promise.all([subscription.next(), subscription.next()])
  await db.call('PUBLISH', 'news', '{"n":1}')
  await db.call('PUBLISH', 'nuts', '2')
  t.deepEqual(
    (await both).map(({ value }) => value as unknown),
    [
      { channel: 'news', message: { n: 1 }, pattern: 'n*' },
      { channel: 'nuts', message: 2, pattern: 'n*' }
    ]
  )
})

test('a lost connection ends it with an error, behind what has come', async (t) => {
  const { server, db } = await start(t)
  const subscription = await db.subscribe('news')
  await db.call('PUBLISH', 'news', 'one')
  t.deepEqual((await subscription.next()).value, { channel: 'news', message: 'one' })
  await server.close({ deadlineMs: 0 })
  await t.throwsAsync(() => subscription.next(), { code: 'ZKDB_UNREACHABLE' })
  t.deepEqual(await subscription.next(), { done: true, value: undefined })
  await t.throwsAsync(() => db.subscribe('news'), { code: 'ZKDB_UNREACHABLE' })
})

test('messages that nobody takes end it', async (t) => {
  const { db } = await start(t)
  const subscription = await db.subscribe('news', { maxWaiting: 1000 })
  for (let i = 0; i < 4; i++) await db.call('PUBLISH', 'news', 'v'.repeat(400))
  const taken: string[] = []
  await t.throwsAsync(
    async () => {
      for await (const { message } of subscription) taken.push(message)
    },
    { code: 'ZKDB_BUSY' }
  )
  t.true(taken.length >= 2)
})

test('a signal ends it', async (t) => {
  const { db } = await start(t)
  const abort = new AbortController()
  const subscription = await db.subscribe('news', { signal: abort.signal })
  const next = subscription.next()
  abort.abort()
  t.deepEqual(await next, { done: true, value: undefined })
  await t.throwsAsync(() => db.subscribe('news', { signal: abort.signal }), { code: 'ZKDB_ABORTED' })
})

test('what is no channel is refused', async (t) => {
  const { db } = await start(t)
  await t.throwsAsync(() => db.subscribe([]), { instanceOf: TypeError })
  await t.throwsAsync(() => db.subscribe(7 as never), { instanceOf: TypeError })
  await t.throwsAsync(() => db.call('SUBSCRIBE', 'news'), { code: 'LEVEL_NOT_SUPPORTED' })
})
