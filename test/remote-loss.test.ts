/**
 * The remote client when its connection is lost or its server misbehaves: what is sent again, what has an unknown
 * outcome, and when the client gives up. No test asserts a duration.
 */
import { createServer, type Socket } from 'node:net'
import test from 'ava'
import fc from 'fast-check'
import { connect, type Reply, type ZkdbError } from 'zkdb/remote'
import { delayBefore } from '../ts/remote/settings.js'
import { echo, outcome, start, turn } from './helpers/remote.js'
import { type Handler, hello, RespServer, until } from './helpers/resp-server.js'
import { seed } from './helpers/seed.js'

fc.configureGlobal({ seed })

test('a first connection that fails rejects with what the system says', async (t) => {
  const server = await new RespServer(echo).listen()
  const { url } = server
  await server.close()
  const error = (await t.throwsAsync(connect(url))) as ZkdbError
  t.is(error.code, 'ZKDB_UNREACHABLE')
  t.is(error.urgency, 'urgent')
  t.regex(error.message, /ECONNREFUSED/)
})

test('a server that accepts and says nothing is given up after the time to connect', async (t) => {
  const server = await new RespServer(echo, { greet: () => undefined }).listen()
  const error = (await t.throwsAsync(connect(server.url, { connectTimeout: 30 }))) as ZkdbError
  t.is(error.code, 'ZKDB_UNREACHABLE')
  await server.close()
})

test('a lost connection: reads are sent again, writes have an unknown outcome, what waited is sent', async (t) => {
  const { server, client, stop } = await start((args, peer) => (peer.index === 0 ? undefined : echo(args, peer)))
  const events: string[] = []
  client.on('connect', () => events.push('connect'))
  client.on('disconnect', (error) => events.push(error.code))
  const sent = [client.get('r1'), client.put('w1', '1'), client.get('r2'), client.call('INCR', 'w2')].map(outcome)
  await until(() => server.commands.length === 4)
  server.cut()
  await until(() => !client.isConnected)
  const later = [client.put('w3', '3'), client.get('r3')].map(outcome)
  t.deepEqual(await Promise.all(sent), ['r1', 'ZKDB_UNKNOWN_OUTCOME', 'r2', 'ZKDB_UNKNOWN_OUTCOME'])
  t.deepEqual(await Promise.all(later), ['undefined', 'r3'])
  const after = server.peers[1]!.commands.map(([, key]) => key)
  t.deepEqual(after, ['r1', 'r2', 'w3', 'r3'])
  t.deepEqual(events, ['ZKDB_UNREACHABLE', 'connect'].slice(0, events.length))
  await stop()
})

test('the error of an unknown outcome is regular, says so, and has the loss as its cause', async (t) => {
  const { server, client, stop } = await start()
  const write = client.batch([{ type: 'put', key: 'a', value: '1' }])
  const unanswered = client.put('hang', '1')
  const failures = Promise.all([write.catch(() => undefined), t.throwsAsync(unanswered)])
  await until(() => server.commands.length === 2)
  server.cut()
  const error = (await failures)[1] as ZkdbError
  t.is(error.code, 'ZKDB_UNKNOWN_OUTCOME')
  t.is(error.urgency, 'regular')
  t.regex(error.message, /not known/)
  t.is((error.cause as ZkdbError).code, 'ZKDB_UNREACHABLE')
  await stop()
})

test('a read is sent again once only', async (t) => {
  const { server, client, stop } = await start((args, peer) => {
    if (args[1] !== 'poison') return echo(args, peer)
    peer.socket.destroy()
    return undefined
  })
  t.is(await outcome(client.get('poison')), 'ZKDB_UNREACHABLE')
  t.is(server.commands.filter(([, key]) => key === 'poison').length, 2)
  t.is(await client.get('a'), 'a')
  await stop()
})

test('the client comes back when its server comes back, and not before', async (t) => {
  const { server, client } = await start()
  const { port } = server
  await server.close()
  await until(() => !client.isConnected)
  const waiting = client.put('a', '1')
  const short = outcome(client.get('b', { timeout: 30 }))
  t.is(await short, 'ZKDB_TIMEOUT')
  const again = await new RespServer(echo).listen(port)
  t.is(await waiting, undefined)
  t.deepEqual(again.commands, [['SET', 'a', '1']])
  await client.close()
  await again.close()
})

test('delays between attempts double up to a limit, with jitter over their upper half', (t) => {
  const options = { minDelay: 20, maxDelay: 500, maxAttempts: 9 }
  const most = [0, 1, 2, 3, 4, 5, 6, 7, 1000].map((attempt) => delayBefore(attempt, options, 1))
  t.deepEqual(most, [0, 20, 40, 80, 160, 320, 500, 500, 500])
  fc.assert(
    fc.property(fc.nat(2000), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
      const delay = delayBefore(attempt, options, random)
      t.true(delay >= delayBefore(attempt, options, 0) && delay <= delayBefore(attempt, options, 1))
    })
  )
  t.is(delayBefore(3, options, 0), 40)
})

test('without reconnection, and after its attempts, the client ends and says why', async (t) => {
  for (const reconnect of [false, { minDelay: 1, maxDelay: 1, maxAttempts: 3 }] as const) {
    const { server, client } = await start(echo, { reconnect })
    const errors: ZkdbError[] = []
    client.on('error', (error) => errors.push(error))
    const waiting = outcome(client.get('hang', { timeout: 0 }))
    await until(() => server.commands.length === 1)
    await server.close()
    t.is(await waiting, 'ZKDB_UNREACHABLE')
    await until(() => errors.length === 1)
    t.is(errors[0]!.code, 'ZKDB_UNREACHABLE')
    t.is(await outcome(client.get('a')), 'ZKDB_CLOSED')
  }
})

test('a login that is refused when the connection is made again ends the client', async (t) => {
  let logins = 0
  const greet: Handler = () => (logins++ === 0 ? hello : '-WRONGPASS no\r\n')
  const server = await new RespServer(echo, { greet }).listen()
  const client = await connect(server.url, { password: 'secret', reconnect: { minDelay: 1, maxDelay: 1 } })
  const ended = new Promise<ZkdbError>((resolve) => client.once('error', resolve))
  const [read, write] = [outcome(client.get('hang')), outcome(client.put('hang', '1'))]
  await until(() => server.commands.length === 2)
  server.cut()
  t.is((await ended).code, 'ZKDB_AUTH')
  t.deepEqual(await Promise.all([read, write]), ['ZKDB_AUTH', 'ZKDB_UNKNOWN_OUTCOME'])
  t.is(await outcome(client.get('a')), 'ZKDB_CLOSED')
  t.is(logins, 2)
  await server.close()
})

test('a peer that is silent for too long is given up, and reads go to the next connection', async (t) => {
  const silent: Handler = (args, peer) => (peer.index === 0 ? undefined : echo(args, peer))
  const { client, server, stop } = await start(silent, { pingInterval: 300 })
  const write = outcome(client.put('w', '1'))
  t.is(await client.get('a'), 'a')
  t.is(await write, 'ZKDB_UNKNOWN_OUTCOME')
  t.true(server.peers[0]!.commands.some(([name]) => name === 'PING'))
  await stop()
})

test('bytes on their way to the socket stay as they are, even when the server answers before it reads', async (t) => {
  const received: Buffer[] = []
  const hasRead = (): number => received.reduce((sum, bytes) => sum + bytes.length, 0)
  const count = 300
  const values = Array.from({ length: count }, (_, i) => String.fromCharCode(97 + (i % 26)).repeat(50_000))
  let peer: Socket | undefined
  const server = createServer((socket) => {
    peer = socket
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write(hello)
      socket.once('data', (bytes) => {
        received.push(bytes)
        socket.pause()
        socket.on('data', (more) => received.push(more))
        socket.pause()
        socket.write('+OK\r\n'.repeat(count))
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = await connect({ port: (server.address() as { port: number }).port, reconnect: false, timeout: 0 })
  await Promise.all(values.map((value) => client.put('k', value)))
  const expected = Buffer.from(values.map((value) => `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$50000\r\n${value}\r\n`).join(''))
  const whole = expected.length
  t.true(hasRead() < whole)
  const others = [...values].map((value) => outcome(client.put('K', value.toUpperCase())))
  await turn()
  peer!.resume()
  await until(() => hasRead() >= whole)
  t.true(Buffer.concat(received).subarray(0, whole).equals(expected))
  peer!.destroy()
  await Promise.all(others)
  await new Promise((resolve) => server.close(resolve))
})

test('a call that may take long is not taken for a silent peer', async (t) => {
  // As a server does that carries out one command after the other.
  const held: string[] = []
  const handler: Handler = (args, peer) => {
    if (args[1] !== 'slow' && held.length === 0) return echo(args, peer)
    held.push(echo(args, peer) as string)
    return undefined
  }
  const { client, server, stop } = await start(handler, { pingInterval: 100 })
  let losses = 0
  client.on('disconnect', () => losses++)
  const slow = client.get('slow', { timeout: 0 })
  await until(() => held.length > 1)
  // Longer than the intervals after which it would be given up.
  await new Promise((resolve) => setTimeout(resolve, 500))
  server.peers[0]!.socket.write(held.splice(0).join(''))
  t.is(await slow, 'slow')
  t.is(losses, 0)
  await stop()
})

test('a server that closes in the middle of a frame loses the read to the next connection', async (t) => {
  const { client, stop } = await start((args, peer) => {
    if (peer.index > 0) return echo(args, peer)
    peer.socket.end('$100\r\nhalf')
    return undefined
  })
  t.is(await client.get('a'), 'a')
  await stop()
})

test('bytes that are no reply close the connection, and the next one is taken', async (t) => {
  for (const bytes of [
    'hello\r\n',
    '$5\r\nlonger than that\r\n',
    '*99999999999\r\n',
    '+OK\r\n+OK\r\n',
    'HTTP/1.1 400 Bad Request\r\n\r\n'
  ]) {
    const { client, stop } = await start((args, peer) => (peer.index === 0 ? bytes : echo(args, peer)))
    const lost = new Promise<ZkdbError>((resolve) => client.once('disconnect', resolve))
    const [read, write] = [outcome(client.get('a')), outcome(client.put('b', '1'))]
    t.is((await lost).code, 'ZKDB_PROTOCOL', bytes)
    t.true(['a', 'OK'].includes(await read))
    t.true(['ZKDB_UNKNOWN_OUTCOME', 'undefined'].includes(await write))
    await stop()
  }
})

test('a reply above the limit of the client ends its connection', async (t) => {
  const { client, stop } = await start(() => '$2000\r\n', { maxReplySize: 1024 })
  t.is(await outcome(client.get('a')), 'ZKDB_PROTOCOL')
  await stop()
})

test('pushes are events, and a listener that throws harms no reply', async (t) => {
  const { client, stop } = await start((args, peer) => `>2\r\n+news\r\n$1\r\nx\r\n${String(echo(args, peer))}`)
  const pushes: [string, Reply[]][] = []
  client.on('push', (kind, values) => pushes.push([kind, values]))
  t.is(await client.get('a'), 'a')
  await until(() => pushes.length === 1)
  t.deepEqual(pushes, [['news', [Buffer.from('x')]]])
  await stop()
})

test('a reply in the same piece as the end of the connection is not lost', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write(hello)
      socket.once('data', () => socket.end('$1\r\nx\r\n'))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const client = await connect({ port, reconnect: false })
  t.is(await client.get('a'), 'x')
  await client.close()
  await new Promise((resolve) => server.close(resolve))
})

/** Numbers of 0..1 from a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

test('with connections cut anywhere, no write is carried out twice, and every error tells the truth', async (t) => {
  t.log(`seed ${seed}: ZKDB_SEED=${seed} runs with it again`)
  const chance = randomOf(seed)
  const applied = new Map<string, number>()
  const { client, stop } = await start(
    (args, peer) => {
      const fate = chance()
      // Cut before, after, or in the middle of the answer.
      if (fate < 0.005) peer.socket.destroy()
      if (fate < 0.005 || peer.socket.destroyed) return undefined
      if (args[0] === 'SET') applied.set(args[1]!, (applied.get(args[1]!) ?? 0) + 1)
      if (fate > 0.01) return echo(args, peer)
      peer.socket.end(String(echo(args, peer)).slice(0, Math.floor(chance() * 5)))
      return undefined
    },
    { maxInFlight: 50, maxQueue: 100, timeout: 2000 }
  )
  const outcomes = new Map<string, number>()
  const one = async (id: number): Promise<void> => {
    const isWrite = chance() < 0.7
    const options = chance() < 0.2 ? { signal: AbortSignal.timeout(Math.floor(chance() * 8)) } : {}
    const result = await outcome(isWrite ? client.put(`k${id}`, 'x', options) : client.get(`k${id}`, options))
    const kind = result.startsWith('k') ? 'value' : result
    outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1)
    if (kind === 'ZKDB_BUSY') await new Promise((resolve) => setTimeout(resolve, 1))
    if (!isWrite)
      t.true([`k${id}`, 'ZKDB_ABORTED', 'ZKDB_UNREACHABLE', 'ZKDB_TIMEOUT', 'ZKDB_BUSY'].includes(result), result)
    else if (result === 'undefined') t.is(applied.get(`k${id}`), 1, `k${id} was acknowledged`)
    else if (result !== 'ZKDB_UNKNOWN_OUTCOME') t.false(applied.has(`k${id}`), `k${id} was ${result} and carried out`)
  }
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < 8000) await one(next++)
  }
  await Promise.all(Array.from({ length: 160 }, worker))
  await stop()
  t.true([...applied.values()].every((times) => times === 1))
  t.log(Object.fromEntries(outcomes))
  for (const seen of ['undefined', 'ZKDB_UNKNOWN_OUTCOME', 'ZKDB_ABORTED', 'ZKDB_BUSY'])
    t.true(outcomes.has(seen), seen)
})
