/**
 * What keeps strangers, idlers and slow readers from taking the server from the others.
 */
import test from 'ava'
import { connectTo, encode, portOf, type RawClient, readLate, startServer, until } from './helpers/server.js'

test('connections above MaxConnections are told so and closed', async (t) => {
  const server = await startServer(t, { maxConnections: 5 })
  const clients: RawClient[] = []
  for (let i = 0; i < 5; i++) {
    const client = await connectTo(t, portOf(server))
    t.is(await client.line('PING'), '+PONG\r\n')
    clients.push(client)
  }
  const refused = await connectTo(t, portOf(server))
  t.is((await refused.end()).toString(), '-ERR max number of clients reached\r\n')
  t.is(server.stats().rejected, 1)
  clients[0]!.socket.destroy()
  t.true(await until(() => server.stats().current === 4))
  t.is(await (await connectTo(t, portOf(server))).line('PING'), '+PONG\r\n')
})

test('connections of one address have a limit of their own', async (t) => {
  const server = await startServer(t, { maxConnectionsPerAddress: 2 })
  for (let i = 0; i < 2; i++) t.is(await (await connectTo(t, portOf(server))).line('PING'), '+PONG\r\n')
  const refused = await connectTo(t, portOf(server))
  t.is((await refused.end()).toString(), '-ERR max number of clients of this address reached\r\n')
})

test('an idle connection is closed, and one that works is not', async (t) => {
  const server = await startServer(t, { maxIdleMs: 2000 })
  const idle = await connectTo(t, portOf(server))
  const working = await connectTo(t, portOf(server))
  await idle.line('PING')
  for (let i = 0; i < 30; i++) {
    await working.line('PING')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await idle.end(20_000)
  t.true(idle.isClosed)
  t.false(working.isClosed)
  t.is(server.stats().droppedIdle, 1)
})

test('a sender of a byte now and then is closed though it always sends something', async (t) => {
  const server = await startServer(t, { stuckMs: 700 })
  const loris = await connectTo(t, portOf(server))
  const bytes = encode('SET', 'k', 'v'.repeat(1000))
  for (let i = 0; i < 60 && !loris.isClosed; i++) {
    loris.socket.write(bytes.subarray(i, i + 1))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await loris.end(20_000)
  t.true(loris.isClosed)
  t.is(server.stats().droppedSlow, 1)
})

test('who does not log in has 5 seconds and frames of 4 KiB', async (t) => {
  const server = await startServer(t, { password: 'secret', loginMs: 600 })
  const big = await connectTo(t, portOf(server))
  big.socket.write('*2\r\n$3\r\nGET\r\n$5000\r\n')
  t.regex((await big.end()).toString(), /^-ERR Protocol error/)
  const late = await connectTo(t, portOf(server))
  t.regex(await late.line('GET', 'k'), /^-NOAUTH/)
  const good = await connectTo(t, portOf(server))
  t.regex(await good.line('AUTH', 'wrong'), /^-WRONGPASS/)
  t.is(await good.line('AUTH', 'secret'), '+OK\r\n')
  await late.end(20_000)
  t.true(late.isClosed)
  t.is(await good.line('SET', 'k', 'v'.repeat(5000)), '+OK\r\n')
  t.is(server.stats().droppedLogin, 1)
})

test('a reader that stops is paused, then dropped, and others go on', async (t) => {
  const server = await startServer(t, { stuckMs: 1500, threads: 1 })
  const good = await connectTo(t, portOf(server))
  t.is(await good.line('SET', 'big', 'x'.repeat(1 << 20)), '+OK\r\n')
  const slow = await connectTo(t, portOf(server))
  slow.socket.pause()
  const gets = Buffer.concat(Array.from({ length: 2000 }, () => encode('GET', 'big')))
  slow.socket.write(gets)
  t.true(await until(() => server.stats().pauses > 0))
  for (let i = 0; i < 50; i++) t.is(await good.line('SET', `k${i}`, 'v'), '+OK\r\n')
  t.true(server.stats().waitingBytes > 0)
  t.true(server.stats().waitingBytes < 8 << 20)
  t.true(await until(() => server.stats().droppedSlow === 1, 8000))
  t.true(await until(() => server.stats().waitingBytes === 0))
  t.true((await good.line('PING')).endsWith('+PONG\r\n'))
})

test('a reader that is slow but reads gets everything', async (t) => {
  const server = await startServer(t, { stuckMs: 2000 })
  const client = await connectTo(t, portOf(server))
  await readLate(t, server, client)
})

test('replies that wait have a limit over all connections', async (t) => {
  const server = await startServer(t, { maxWaitingBytes: 100_000 })
  const writer = await connectTo(t, portOf(server))
  await writer.line('SET', 'big', 'x'.repeat(2 << 20))
  for (let i = 0; i < 10; i++) {
    const slow = await connectTo(t, portOf(server))
    slow.socket.pause()
    slow.socket.write(Buffer.concat(Array.from({ length: 20 }, () => encode('GET', 'big'))))
  }
  t.true(await until(() => server.stats().droppedSlow > 0))
  t.true(server.stats().waitingBytes <= 100_000)
})

test('a limit of packets holds, and the error is read before the connection closes', async (t) => {
  const server = await startServer(t, { maxPacketSize: 64 << 10 })
  const client = await connectTo(t, portOf(server))
  client.socket.write(encode('SET', 'k', 'v'.repeat(100_000)))
  t.regex((await client.end()).toString(), /^-ERR Protocol error/)
})
