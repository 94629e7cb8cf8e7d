/**
 * The server through raw sockets: pipelines in pieces, shared commits, and the end.
 */
import { lstatSync, writeFileSync } from 'node:fs'
import { machine, release, type } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { open } from 'zkdb'
import { serve } from 'zkdb/server'
import { connectTo, encode, memoryOf, portOf, startServer, until } from './helpers/server.js'
import { newFolder } from './helpers/shapes.js'

test('a pipeline that is cut at every byte gives the replies of the whole', async (t) => {
  const server = await startServer(t)
  const commands = [
    encode('SET', 'a', 'x'.repeat(20)),
    encode('SET', 'b', 'two'),
    encode('GET', 'a'),
    encode('MULTI'),
    encode('INCR', 'n'),
    encode('EXEC'),
    encode('DEL', 'n')
  ]
  const bytes = Buffer.concat(commands)
  const whole = await connectTo(t, portOf(server))
  whole.socket.write(bytes)
  const expected = `+OK\r\n+OK\r\n$20\r\n${'x'.repeat(20)}\r\n+OK\r\n+QUEUED\r\n*1\r\n:1\r\n:1\r\n`
  t.is((await whole.size(expected.length)).toString(), expected)
  for (let cut = 1; cut < bytes.length; cut++) {
    const client = await connectTo(t, portOf(server))
    client.socket.write(bytes.subarray(0, cut))
    // A reply to what comes first shows that the first piece was read by itself.
    if (cut > commands[0]!.length) await client.size(5)
    else await new Promise((resolve) => setTimeout(resolve, 1))
    client.socket.write(bytes.subarray(cut))
    t.is((await client.size(expected.length)).toString(), expected, `cut at ${cut}`)
    client.socket.destroy()
  }
})

test('a value of 8 MiB comes back as it was sent, in pieces of odd sizes', async (t) => {
  const server = await startServer(t)
  const client = await connectTo(t, portOf(server))
  const value = Buffer.alloc(8 << 20, 'abcdefghijk')
  const bytes = Buffer.concat([encode('SET', 'big', value), encode('GET', 'big')])
  for (let at = 0; at < bytes.length; at += 77_777) client.socket.write(bytes.subarray(at, at + 77_777))
  const expected = Buffer.concat([Buffer.from(`+OK\r\n$${value.length}\r\n`), value, Buffer.from('\r\n')])
  const got = await client.size(expected.length)
  t.true(got.equals(expected))
})

test('SETs of many connections share commits, and each finds what it wrote', async (t) => {
  const server = await startServer(t, { threads: 1 })
  const clients = await Promise.all(Array.from({ length: 40 }, () => connectTo(t, portOf(server))))
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      clients.map(async (client, i) => {
        const before = client.received.length
        client.socket.write(encode('SET', `k${i}`, `${round}`))
        await client.size(before + 5)
        t.is(client.received.toString('latin1', before), '+OK\r\n')
        t.true((await client.line('GET', `k${i}`)).endsWith(`\r\n${round}\r\n`))
      })
    )
  }
  t.true(server.stats().sharedWrites > 0)
})

test('a GET behind a SET of the same chunk reads what was set', async (t) => {
  const server = await startServer(t)
  const client = await connectTo(t, portOf(server))
  client.socket.write(Buffer.concat([encode('SET', 'k', '1'), encode('GET', 'k'), encode('SET', 'k', '2')]))
  t.is((await client.size(17)).toString(), '+OK\r\n$1\r\n1\r\n+OK\r\n')
  t.is(await client.line('GET', 'k'), '$1\r\n2\r\n')
})

test('the database may be used and closed beside the server', async (t) => {
  const db = await open({ path: newFolder() })
  await db.put('k', 'before')
  const server = await serve(db, { listen: '127.0.0.1:0' })
  const client = await connectTo(t, portOf(server))
  t.is(await client.line('GET', 'k'), '$6\r\nbefore\r\n')
  t.is(await client.line('SET', 'k', 'after'), '+OK\r\n')
  t.is(await db.get('k'), 'after')
  await db.close()
  t.is(await client.line('GET', 'k'), '$5\r\nafter\r\n')
  await server.close()
  t.throws(() => server.stats(), { code: 'ZKDB_CLOSED' })
  await t.throwsAsync(() => connectTo(t, portOf(server)), { code: 'ECONNREFUSED' })
})

test('a Unix socket is for its owner alone, and is gone after the end', async (t) => {
  const path = join(newFolder(), 'zkdb.sock')
  const server = await startServer(t, { listen: path })
  t.is(server.address(), path)
  t.is(lstatSync(path).mode & 0o777, 0o600)
  const client = await connectTo(t, path)
  t.is(await client.line('PING'), '+PONG\r\n')
  await t.throwsAsync(serve({ path: newFolder() }, { listen: path }), { code: 'ZKDB_IO', message: /another server/ })
  await server.close()
  t.is(lstatSync(path, { throwIfNoEntry: false }), undefined)
})

test('a socket that a dead server left behind is replaced, and a file is not', async (t) => {
  const path = join(newFolder(), 'zkdb.sock')
  writeFileSync(path, 'mine')
  await t.throwsAsync(serve({ path: newFolder() }, { listen: path }), { code: 'ZKDB_IO', message: /not a socket/ })
})

test('a stop answers what has arrived, in order, and then closes', async (t) => {
  const server = await startServer(t)
  const clients = await Promise.all(Array.from({ length: 20 }, () => connectTo(t, portOf(server))))
  const count = 2000
  const pipeline = Buffer.concat(Array.from({ length: count }, (_, i) => encode('SET', `k${i}`, `${i}`)))
  for (const client of clients) client.socket.write(pipeline)
  // The first replies show that the pipelines are under way.
  await Promise.all(clients.map((client) => client.size(5)))
  const startedAt = Date.now()
  await server.close({ deadlineMs: 10_000 })
  t.true(Date.now() - startedAt < 9000)
  for (const client of clients) {
    const replies = (await client.end()).toString()
    t.true(client.isClosed)
    // What was answered was answered whole; nothing is cut in the middle.
    t.is(replies, '+OK\r\n'.repeat(replies.length / 5))
  }
})

test('a command that was sent before the stop began is answered', async (t) => {
  const server = await startServer(t)
  const clients = await Promise.all(Array.from({ length: 50 }, () => connectTo(t, portOf(server))))
  await Promise.all(clients.map((client) => client.line('PING')))
  await Promise.all(
    clients.map((client) => new Promise((resolve) => client.socket.write(encode('SET', 'k', 'v'), resolve)))
  )
  await server.close()
  for (const client of clients) t.is((await client.end()).toString(), '+PONG\r\n+OK\r\n')
})

test('clients are listed and killed over all threads', async (t) => {
  const server = await startServer(t, { threads: 3 })
  const clients = await Promise.all(Array.from({ length: 9 }, () => connectTo(t, portOf(server))))
  for (const [i, client] of clients.entries()) t.is(await client.line('CLIENT', 'SETNAME', `c${i}`), '+OK\r\n')
  const [first, ...others] = clients
  const before = first!.received.length
  first!.socket.write(encode('CLIENT', 'LIST'))
  await first!.wait(() => first!.received.includes('name=c8', before))
  const list = first!.received.toString('latin1', before)
  for (let i = 0; i < clients.length; i++) t.true(list.includes(`name=c${i} `))
  first!.socket.write(encode('CLIENT', 'KILL', 'SKIPME', 'YES', 'USER', 'default'))
  for (const client of others) {
    await client.end()
    t.true(client.isClosed)
  }
  await first!.wait(() => first!.received.toString('latin1').endsWith(':8\r\n'))
  t.is(await first!.line('PING'), '+PONG\r\n')
  t.true(await until(() => server.stats().current === 1))
})

test('INFO gives the figures of the server, the process and the machine', async (t) => {
  const before = process.cpuUsage()
  const server = await startServer(t, { threads: 3, maxConnections: 77 })
  const client = await connectTo(t, portOf(server))
  const idle = await connectTo(t, portOf(server))
  t.is(await idle.line('SET', 'k', 'v'), '+OK\r\n')
  t.true(await until(() => server.stats().bytesOut === 5))
  client.socket.write(encode('INFO'))
  await client.wait(() => client.received.includes('# Keyspace\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n'))
  const lines = client.received.toString('latin1').split('\r\n')
  const figures = new Map(lines.map((line) => line.split(/:(.*)/) as [string, string]))
  const figure = (name: string): number => Number(figures.get(name))
  t.is(figures.get('os'), `${type()} ${release()} ${machine()}`)
  t.is(figure('process_id'), process.pid)
  t.is(figure('tcp_port'), portOf(server))
  t.is(figure('zkdb_threads'), 3)
  t.true(figure('uptime_in_seconds') <= process.uptime())
  t.is(figure('connected_clients'), 2)
  t.is(figure('maxclients'), 77)
  t.is(figure('total_connections_received'), 2)
  // A command is counted when the chunk that it came in has been read.
  t.is(figure('total_commands_processed'), 1)
  t.is(figure('total_net_input_bytes'), idle.socket.bytesWritten + client.socket.bytesWritten)
  t.is(figure('total_net_output_bytes'), 5)
  const memory = memoryOf(process.pid)
  t.true(Math.abs(figure('used_memory_rss') - memory) < memory / 2, `${figure('used_memory_rss')}, ${memory}`)
  t.true(figure('used_memory') > 0 && figure('used_memory') < memory)
  const cpu = figure('used_cpu_user') + figure('used_cpu_sys')
  const after = process.cpuUsage()
  t.true(cpu >= (before.user + before.system) / 1e6 && cpu <= (after.user + after.system) / 1e6)
  t.is(server.stats().commands, 2)
})

test('addresses that other machines can reach are refused, and settings that make no sense', async (t) => {
  const path = newFolder()
  for (const listen of ['0.0.0.0:0', '[::]:0', '192.0.2.1:6379']) {
    await t.throwsAsync(serve({ path }, { listen }), { code: 'ZKDB_CONFIG', message: /other machines/ })
  }
  for (const listen of ['6379', 'localhost', '127.0.0.1:70000', 'a b:1', '127.0.0.1:']) {
    await t.throwsAsync(serve({ path }, { listen }), { code: 'ZKDB_CONFIG' }, listen)
  }
  await t.throwsAsync(serve({ path }, { listen: ':0', threads: 0 }), { code: 'ZKDB_CONFIG' })
  await t.throwsAsync(serve({ path }, { listen: ':0', maxConnections: 1.5 }), { instanceOf: TypeError })
  await t.throwsAsync(serve({ path }, { listen: ':0', password: '' }), { instanceOf: TypeError })
})

test('an address that is taken is an error that names it, and leaves the database free', async (t) => {
  const server = await startServer(t)
  const path = newFolder()
  await t.throwsAsync(serve({ path }, { listen: server.address() }), {
    code: 'ZKDB_IO',
    message: new RegExp(server.address())
  })
  const db = await open({ path })
  await db.close()
})
