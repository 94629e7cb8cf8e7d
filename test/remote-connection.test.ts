/**
 * The remote client against servers of this process, some of which misbehave: pipelining, deadlines, aborts, lost
 * connections, unknown outcomes, back-pressure. No test asserts a duration.
 */
import { createServer, Socket } from 'node:net'
import test from 'ava'
import fc from 'fast-check'
import { connect, type RemoteOptions, type Reply, type ZkdbError } from 'zkdb/remote'
import { delayBefore } from '../ts/remote/settings.js'
import { bulk, type Handler, hello, RespServer, until } from './helpers/resp-server.js'

/** GET gives the key back, SET is fine, `hang` is never answered. */
const echo: Handler = ([name, key = '']) => {
  if (key.startsWith('hang')) return undefined
  if (name === 'GET' || name === 'ECHO') return bulk(key)
  return name === 'PING' ? '+PONG\r\n' : '+OK\r\n'
}

async function start(handler: Handler = echo, options: RemoteOptions = {}) {
  const server = await new RespServer(handler).listen()
  const client = await connect({ url: server.url, reconnect: { minDelay: 1, maxDelay: 5 }, ...options })
  const stop = async (): Promise<void> => {
    await client.close()
    await server.close()
  }
  return { server, client, stop }
}

const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(String, (error: ZkdbError) => error.code ?? error.name)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test.serial('all calls of a turn of the event loop go out as one write', async (t) => {
  const { server, client, stop } = await start()
  // What the server reads does not tell: the system joins writes that come fast.
  const { write } = Socket.prototype
  let writes = 0
  Socket.prototype.write = function (this: Socket, ...args: Parameters<typeof write>) {
    if (this.remotePort === server.port) writes++
    return write.apply(this, args)
  } as typeof write
  t.teardown(() => {
    Socket.prototype.write = write
  })
  const first = await Promise.all(Array.from({ length: 500 }, (_, i) => client.get(`key ${i}`)))
  t.deepEqual(
    first,
    first.map((_, i) => `key ${i}`)
  )
  t.is(writes, 1)
  t.deepEqual(server.peers[0]!.pieces, [500])
  // Calls from continuations of one turn belong together too, however deep they are.
  const chains = Array.from({ length: 20 }, async (_, i) => {
    for (let depth = 0; depth < i; depth++) await Promise.resolve()
    await client.put(`a${i}`, '1')
    return client.get(`b${i}`)
  })
  await Promise.all(chains)
  t.is(writes, 3)
  t.deepEqual(server.peers[0]!.pieces, [500, 20, 20])
  t.is(server.peers.length, 1)
  await stop()
})

test('a turn of more bytes than one block holds arrives in order', async (t) => {
  const { server, client, stop } = await start((args) => bulk(String(args[2]?.length)))
  const sizes = Array.from({ length: 40 }, (_, i) => (i * 7919) % 150_000)
  const replies = await Promise.all(sizes.map((size, i) => client.call('SET', `k${i}`, 'x'.repeat(size))))
  t.deepEqual(replies, sizes.map(String))
  t.deepEqual(
    server.commands.map(([, key]) => key),
    sizes.map((_, i) => `k${i}`)
  )
  await stop()
})

test('replies belong to their calls, however they are cut', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(40), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 50 }),
      async (keys, size) => {
        const { client, stop } = await start((args, peer) => {
          const bytes = Buffer.from(echo(args, peer) as string)
          for (let at = 0; at < bytes.length; at += size) peer.socket.write(bytes.subarray(at, at + size))
          return undefined
        })
        const values = await Promise.all(keys.map((key) => client.get('k'.repeat(key))))
        await stop()
        t.deepEqual(
          values,
          keys.map((key) => 'k'.repeat(key))
        )
      }
    ),
    { numRuns: 20 }
  )
})

test('an error reply rejects its call alone', async (t) => {
  const { client, stop } = await start(([, key]) => (key === 'bad' ? '-ZKDB_NO_SPACE full\r\n' : bulk(key ?? '')))
  const results = await Promise.all(['a', 'bad', 'b'].map((key) => outcome(client.get(key))))
  t.deepEqual(results, ['a', 'ZKDB_NO_SPACE', 'b'])
  await stop()
})

test('the greeting logs in, names the client and selects the database', async (t) => {
  const server = await new RespServer(echo).listen()
  const client = await connect(`${server.url.replace('//', '//ann@')}/3`, { password: 'secret', name: 'tests' })
  await client.get('a')
  t.deepEqual(server.greetings, [['HELLO', '3', 'AUTH', 'ann', 'secret', 'SETNAME', 'tests']])
  t.deepEqual(server.commands, [
    ['SELECT', '3'],
    ['GET', 'a']
  ])
  await client.close()
  await server.close()
})

test('a server that knows RESP2 alone is greeted again in its way', async (t) => {
  const greet: Handler = ([name]) => (name === 'AUTH' ? '+OK\r\n' : "-ERR unknown command 'HELLO'\r\n")
  const handler: Handler = (args, peer) => (args[0] === 'GET' ? '$-1\r\n' : echo(args, peer))
  const server = await new RespServer(handler, { greet }).listen()
  const client = await connect(server.url, { password: 'secret', database: 1 })
  t.is(await client.get('a'), undefined)
  t.deepEqual(server.greetings.at(-1), ['AUTH', 'secret'])
  t.deepEqual(server.commands.at(-2), ['SELECT', '1'])
  await client.close()
  await server.close()
})

test('a Unix socket works as TCP does', async (t) => {
  const server = await new RespServer(echo).listenOnPath()
  const client = await connect(server.url)
  t.is(await client.get('a'), 'a')
  await client.close()
  await server.close()
})

test('a refused login rejects, is urgent, and tells no secret', async (t) => {
  const repeat: Handler = (args) => `-ERR unknown command, with args beginning with: ${args.join(' ')}\r\n`
  const wrong: Handler = (args) => `-WRONGPASS ${args.join(' ')} is wrong\r\n`
  for (const greet of [repeat, wrong]) {
    const server = await new RespServer(echo, { greet }).listen()
    const error = (await t.throwsAsync(connect(server.url, { user: 'ann', password: 'hunter2' }))) as ZkdbError
    t.is(error.urgency, 'urgent')
    t.true(['ZKDB_AUTH', 'ZKDB_UNREACHABLE'].includes(error.code))
    t.false(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`.includes('hunter2'))
    await server.close()
  }
})

test('a password in the address is refused and not repeated', async (t) => {
  const error = (await t.throwsAsync(connect('zkdb://ann:hunter2@127.0.0.1:1'))) as ZkdbError
  t.is(error.code, 'ZKDB_CONFIG')
  t.false(String(error.stack).includes('hunter2'))
})

test('addresses and options of a wrong form are refused before anything is connected', async (t) => {
  const addresses = [
    '',
    'localhost:1',
    'http://a',
    'zkdb://',
    'zkdb://h/x',
    'zkdb://h/1/2',
    'zkdb://h?a',
    'zkdb://%zz@h',
    'unix:a',
    'zkdb://h:99999'
  ]
  for (const address of addresses) t.is(await outcome(connect(address)), 'ZKDB_CONFIG', address)
  const options = [
    { port: 0 },
    { port: 1.5 },
    { timeout: -1 },
    { maxInFlight: 0 },
    { tls: 5 },
    { name: 'a b' },
    { password: 7 },
    { reconnect: { minDelay: 0 } },
    { reconnect: { minDelay: 9, maxDelay: 8 } },
    { url: 'zkdbs://h', tls: false }
  ]
  for (const given of options) t.is(await outcome(connect(given as RemoteOptions)), 'TypeError', JSON.stringify(given))
  t.is(await outcome(connect(null as unknown as string)), 'TypeError')
})

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

test('a call ends at its deadline, and its late reply goes to nobody else', async (t) => {
  let late: (() => void) | undefined
  const { client, stop } = await start(([, key], peer) => {
    if (key !== 'slow') return bulk(key ?? '')
    late = () => peer.socket.write(bulk('slow'))
    return undefined
  })
  const slow = outcome(client.get('slow', { timeout: 10 }))
  await turn()
  t.is(await slow, 'ZKDB_TIMEOUT')
  const next = client.call('LPUSH', 'x')
  late!()
  t.is(await next, 'x')
  await stop()
})

test('the time limit of the client is that of calls without their own, and 0 is none', async (t) => {
  const { client, server, stop } = await start(echo, { timeout: 20 })
  const endless = outcome(client.get('hang', { timeout: 0 }))
  t.is(await outcome(client.get('hang')), 'ZKDB_TIMEOUT')
  t.is(await Promise.race([endless, Promise.resolve('waits')]), 'waits')
  server.cut()
  await until(() => server.commands.filter(([, key]) => key === 'hang').length === 3)
  server.cut()
  t.is(await endless, 'ZKDB_UNREACHABLE')
  await stop()
})

test('an abort before the call sends nothing', async (t) => {
  const { server, client, stop } = await start()
  const error = (await t.throwsAsync(client.put('a', '1', { signal: AbortSignal.abort('why') }))) as ZkdbError
  t.is(error.code, 'ZKDB_ABORTED')
  t.is(error.cause, 'why')
  await client.get('b')
  t.deepEqual(server.commands, [['GET', 'b']])
  await stop()
})

test('an abort in the turn of the call takes the command back, even a write', async (t) => {
  const { server, client, stop } = await start()
  const controller = new AbortController()
  const calls = [client.put('a', '1'), client.put('b', '2', { signal: controller.signal }), client.put('c', '3')]
  controller.abort()
  t.deepEqual(await Promise.all(calls.map(outcome)), ['undefined', 'ZKDB_ABORTED', 'undefined'])
  t.deepEqual(
    server.commands.map(([, key]) => key),
    ['a', 'c']
  )
  await stop()
})

test('an abort of what was sent: a read is aborted, the outcome of a write is unknown', async (t) => {
  const { server, client, stop } = await start()
  const controller = new AbortController()
  const { signal } = controller
  const calls = [client.get('hang', { signal }), client.put('hang', '1', { signal })].map(outcome)
  await until(() => server.commands.length === 2)
  controller.abort()
  t.deepEqual(await Promise.all(calls), ['ZKDB_ABORTED', 'ZKDB_UNKNOWN_OUTCOME'])
  server.cut()
  await stop()
})

test('a signal that many calls share keeps no listener when they are over', async (t) => {
  const { client, stop } = await start()
  const controller = new AbortController()
  let count = 0
  const { signal } = controller
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  let most = 0
  signal.addEventListener = ((...args: Parameters<typeof add>) => {
    most = Math.max(most, ++count)
    add(...args)
  }) as typeof add
  signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
    count--
    remove(...args)
  }) as typeof remove
  await Promise.all(Array.from({ length: 50 }, (_, i) => client.get(`k${i}`, { signal })))
  t.deepEqual([count, most], [0, 1])
  await stop()
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

test('what is in flight and what waits is bounded, and beyond it calls are refused at once', async (t) => {
  const waiting: (() => void)[] = []
  const handler: Handler = (args, peer) => {
    waiting.push(() => peer.socket.write(echo(args, peer) as string))
    return undefined
  }
  const { server, client, stop } = await start(handler, { maxInFlight: 4, maxQueue: 6 })
  const calls = Array.from({ length: 15 }, (_, i) => outcome(client.get(`k${i}`)))
  t.deepEqual(await Promise.all(calls.slice(10)), Array(5).fill('ZKDB_BUSY'))
  await until(() => server.commands.length === 4)
  await turn()
  t.deepEqual([client.inFlight, client.queued, server.commands.length], [4, 6, 4])
  while (server.commands.length < 10 || waiting.length > 0) {
    waiting.shift()?.()
    t.true(client.inFlight <= 4)
    await turn()
  }
  t.deepEqual(
    await Promise.all(calls.slice(0, 10)),
    Array.from({ length: 10 }, (_, i) => `k${i}`)
  )
  t.is(server.peers.length, 1)
  await stop()
})

test('the limits are of bytes too, and one large command may pass alone', async (t) => {
  const { client, server, stop } = await start(echo, { maxInFlightBytes: 1000, maxQueueBytes: 3000 })
  t.is(await client.put('large', 'x'.repeat(100_000)), undefined)
  const calls = Array.from({ length: 12 }, (_, i) => outcome(client.put(`k${i}`, 'x'.repeat(500))))
  const results = await Promise.all(calls)
  t.is(results.filter((result) => result === 'ZKDB_BUSY').length, 5)
  t.is(server.commands.length, 1 + 7)
  await stop()
})

test('calls that ended while they waited make room for others', async (t) => {
  const { client, server, stop } = await start(echo, { maxInFlight: 1, maxQueue: 4, timeout: 0 })
  const held = outcome(client.get('hang'))
  const controller = new AbortController()
  await until(() => server.commands.length === 1)
  const gone = Array.from({ length: 4 }, () => outcome(client.get('a', { signal: controller.signal })))
  t.is(await outcome(client.get('b')), 'ZKDB_BUSY')
  controller.abort()
  t.deepEqual(await Promise.all(gone), Array(4).fill('ZKDB_ABORTED'))
  const taken = outcome(client.get('c'))
  t.is(client.queued, 1)
  server.peers[0]!.socket.write(bulk('hang'))
  t.deepEqual(await Promise.all([held, taken]), ['hang', 'c'])
  await stop()
})

test('a peer that is silent for too long is given up, and reads go to the next connection', async (t) => {
  const silent: Handler = (args, peer) => (peer.index === 0 ? undefined : echo(args, peer))
  const { client, server, stop } = await start(silent, { pingInterval: 20 })
  const write = outcome(client.put('w', '1'))
  t.is(await client.get('a'), 'a')
  t.is(await write, 'ZKDB_UNKNOWN_OUTCOME')
  t.true(server.peers[0]!.commands.some(([name]) => name === 'PING'))
  await stop()
})

test('bytes on their way to the socket are not overwritten, even when the server answers before it has read', async (t) => {
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
  const whole = count * Buffer.byteLength(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$50000\r\n${values[0]}\r\n`)
  t.true(hasRead() < whole)
  const others = [...values].map((value) => outcome(client.put('K', value.toUpperCase())))
  await turn()
  peer!.resume()
  await until(() => hasRead() >= whole)
  const text = Buffer.concat(received).toString('latin1', 0, whole)
  t.deepEqual(
    [...text.matchAll(/\$50000\r\n(.)(\w+)/g)].map(([, first, rest]) => first!.repeat(50_000) === first! + rest!),
    values.map(() => true)
  )
  t.is(text.match(/[b-z]/g)?.length, values.filter(([first]) => first !== 'a').length * 50_000 + count)
  peer!.destroy()
  await Promise.all(others)
  await new Promise((resolve) => server.close(resolve))
})

test('a call that may take long is not taken for a silent peer', async (t) => {
  // As a server does that carries out one command after the other.
  let isFree = false
  const { client, server, stop } = await start((args, peer) => (isFree ? echo(args, peer) : undefined), {
    pingInterval: 5
  })
  let losses = 0
  client.on('disconnect', () => losses++)
  const slow = client.get('slow', { timeout: 0 })
  await until(() => server.commands.some(([name]) => name === 'PING'))
  // Longer than the intervals after which it would be given up.
  await new Promise((resolve) => setTimeout(resolve, 60))
  isFree = true
  server.peers[0]!.socket.write(`${bulk('slow')}+PONG\r\n`)
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

test('close waits for the answers that are due, and refuses later calls', async (t) => {
  let answer: (() => void) | undefined
  const { server, client } = await start((_, peer) => {
    answer = () => peer.socket.write('+OK\r\n+OK\r\n')
    return undefined
  })
  const calls = [client.put('a', '1'), client.put('b', '2')].map(outcome)
  const closed = client.close()
  t.is(await outcome(client.get('c')), 'ZKDB_CLOSED')
  await until(() => server.commands.length === 2)
  answer!()
  await closed
  t.deepEqual(await Promise.all(calls), ['undefined', 'undefined'])
  await client.close()
  await server.close()
})

test('close while there is no connection refuses what waits', async (t) => {
  const { server, client } = await start()
  await server.close()
  await until(() => !client.isConnected)
  const waiting = outcome(client.put('a', '1'))
  await client.close()
  t.is(await waiting, 'ZKDB_CLOSED')
})

test('close ends when a call that it waits for passes its deadline', async (t) => {
  const { server, client } = await start()
  const call = outcome(client.put('hang', '1', { timeout: 20 }))
  await until(() => server.commands.length === 1)
  await client.close()
  t.is(await call, 'ZKDB_UNKNOWN_OUTCOME')
  await server.close()
})

test('a client is closed at the end of its scope', async (t) => {
  const server = await new RespServer(echo).listen()
  const client = await connect(server.url)
  await client[Symbol.asyncDispose]()
  t.is(await outcome(client.get('a')), 'ZKDB_CLOSED')
  await server.close()
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
