/**
 * The remote client against servers of this process: pipelining, logins, deadlines, aborts, back-pressure, the end. No
 * test asserts a duration. What happens when connections are lost is in remote-loss.test.ts.
 */
import { Socket } from 'node:net'
import test from 'ava'
import fc from 'fast-check'
import { connect, type RemoteOptions, type ZkdbError } from 'zkdb/remote'
import { echo, outcome, start, turn } from './helpers/remote.js'
import { bulk, type Handler, RespServer, until } from './helpers/resp-server.js'
import { seed } from './helpers/seed.js'

fc.configureGlobal({ seed })

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
