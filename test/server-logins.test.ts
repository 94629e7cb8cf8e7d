/**
 * Users of a server over real sockets: logins, rights, back-off, reading the access file again, the audit.
 */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { open, type ZkdbError } from 'zkdb'
import { connect } from 'zkdb/remote'
import { type AuditEvent, type ServeOptions, type Server, serve } from 'zkdb/server'
import { section, verifier, writeAccess } from './helpers/access.js'
import { endOf, startZkdb, zkdb } from './helpers/command.js'
import { connectTo, encode, portOf, type RawClient, startServer, until } from './helpers/server.js'
import { newFolder } from './helpers/shapes.js'

const everything = ['Rights = read, write, scan, admin', 'Databases = *']
const wrongPassword = '-WRONGPASS invalid username-password pair or user is disabled.\r\n'

/** For logins where their limit is not what is tested: all tests of this file share one thread. */
const patientMs = 60_000

/** A server with an access file, and what its audit heard. */
interface Guarded {
  server: Server
  file: string
  audit: AuditEvent[]
}

async function startGuarded(t: ExecutionContext, lines: string[], options: ServeOptions = {}): Promise<Guarded> {
  const file = writeAccess(join(newFolder(), 'access.conf'), ...lines)
  const audit: AuditEvent[] = []
  const onAudit = (event: AuditEvent) => audit.push(event)
  const server = await startServer(t, { accessFile: file, onAudit, loginMs: patientMs, ...options })
  return { server, file, audit }
}

async function logIn(t: ExecutionContext, server: Server, user: string, password: string): Promise<RawClient> {
  const client = await connectTo(t, portOf(server))
  t.is(await client.line('AUTH', user, password), '+OK\r\n')
  return client
}

/** The reply to the last of several commands in one chunk; each has a reply of one line. */
async function lastOf(client: RawClient, ...commands: Buffer[]): Promise<string> {
  const before = client.received.length
  client.socket.write(Buffer.concat(commands))
  const lines = () => client.received.toString('latin1', before).split('\r\n')
  await client.wait(() => lines().length > commands.length)
  return lines()[commands.length - 1] ?? ''
}

// ---- logging in

for (const kind of ['TCP', 'a Unix socket']) {
  test(`a user logs in over ${kind} with AUTH and with HELLO, and nobody else does`, async (t) => {
    const path = join(newFolder(), 'zkdb.sock')
    const { server } = await startGuarded(t, [await section('alice', 'open sesame', ...everything), '[User ghost]'], {
      listen: kind === 'TCP' ? '127.0.0.1:0' : path
    })
    const place = kind === 'TCP' ? portOf(server) : path
    const client = await connectTo(t, place)
    t.is(await client.line('GET', 'k'), '-NOAUTH Authentication required.\r\n')
    for (const [user, password] of [
      ['alice', 'wrong'],
      ['ghost', ''],
      ['nobody', 'open sesame']
    ]) {
      t.is(await client.line('AUTH', user!, password!), wrongPassword)
    }
    t.is(await client.line('AUTH', 'alice', 'open sesame'), '+OK\r\n')
    t.is(await client.line('SET', 'k', 'v'), '+OK\r\n')
    t.is(await client.line('AUTH', 'alice', 'wrong'), wrongPassword)
    t.is(await client.line('GET', 'k'), '$1\r\nv\r\n', 'the login before stays')
    const greeting = await connectTo(t, place)
    t.regex(await greeting.line('HELLO', '3', 'AUTH', 'alice', 'wrong'), /^-WRONGPASS/)
    t.regex(await greeting.line('HELLO', '3', 'AUTH', 'alice', 'open sesame', 'SETNAME', 'me'), /^%/)
    await greeting.wait(() => greeting.received.includes('modules'))
    t.regex(await lastOf(greeting, encode('CLIENT', 'GETNAME')), /^\$2/)
  })
}

test('commands behind a login see its outcome, whatever chunk they come in', async (t) => {
  const { server } = await startGuarded(t, [await section('alice', 'right', ...everything)])
  const client = await connectTo(t, portOf(server))
  client.socket.write(
    Buffer.concat([
      encode('AUTH', 'alice', 'wrong'),
      encode('SET', 'k', '1'),
      encode('AUTH', 'alice', 'right'),
      encode('SET', 'k', '2'),
      encode('STRLEN', 'k')
    ])
  )
  const expected = `${wrongPassword}-NOAUTH Authentication required.\r\n+OK\r\n+OK\r\n:1\r\n`
  t.is((await client.size(expected.length)).toString(), expected)
})

test('clients of zkdb and of Redis log in with user and password', async (t) => {
  const { server } = await startGuarded(t, [await section('alice', 'right', ...everything)])
  const port = portOf(server)
  const own = await connect({ port, user: 'alice', password: 'right' })
  t.teardown(() => own.close())
  await own.put('k', 'v')
  const error = await t.throwsAsync(connect({ port, user: 'alice', password: 'wrong' }))
  t.is((error as ZkdbError).code, 'ZKDB_AUTH')
  const io = new Redis({ port, host: '127.0.0.1', username: 'alice', password: 'right' })
  t.teardown(() => io.disconnect())
  t.is(await io.get('k'), 'v')
  const redis = createClient({ socket: { port, host: '127.0.0.1' }, username: 'alice', password: 'right' })
  redis.on('error', () => undefined)
  await redis.connect()
  t.teardown(() => redis.destroy())
  t.is(await redis.get('k'), 'v')
  const stranger = createClient({
    socket: { port, host: '127.0.0.1', reconnectStrategy: false },
    username: 'alice',
    password: 'wrong'
  })
  stranger.on('error', () => undefined)
  await t.throwsAsync(() => stranger.connect(), { message: /WRONGPASS/ })
})

test('AuthKey is the password of the user default, beside those of the access file', async (t) => {
  const { server } = await startGuarded(t, [await section('alice', 'right', ...everything)], { password: 'the key' })
  for (const words of [
    ['AUTH', 'the key'],
    ['AUTH', 'default', 'the key'],
    ['AUTH', 'alice', 'right']
  ]) {
    t.is(await (await connectTo(t, portOf(server))).line(...words), '+OK\r\n')
  }
  t.is(await (await connectTo(t, portOf(server))).line('AUTH', 'right'), wrongPassword)
})

test.serial('who guesses waits longer and longer, also with the key, and is not dropped meanwhile', async (t) => {
  for (const { lines, options, user } of [
    { lines: [await section('alice', 'right', ...everything)], options: {}, user: 'alice' },
    { lines: ['; no user'], options: { password: 'right' }, user: 'default' }
  ]) {
    const { server } = await startGuarded(t, lines, { loginMs: 1500, ...options })
    const client = await connectTo(t, portOf(server))
    const startedAt = performance.now()
    for (let i = 0; i < 6; i++) t.is(await client.line('AUTH', user, 'guess'), wrongPassword)
    client.socket.destroy()
    const next = await connectTo(t, portOf(server))
    t.is(await next.line('AUTH', user, 'right'), '+OK\r\n')
    // 250, 500, 1,000 and 2,000 ms, less what timers may be early.
    t.true(performance.now() - startedAt > 3700)
    // The last one took longer than loginMs.
    t.is(server.stats().droppedLogin, 0)
  }
})

test('connections that end while their login is checked leave nothing behind', async (t) => {
  const { server } = await startGuarded(t, [await section('alice', 'right', ...everything)])
  const clients = await Promise.all(Array.from({ length: 60 }, () => connectTo(t, portOf(server))))
  for (const client of clients) client.socket.write(encode('AUTH', 'alice', 'wrong'))
  await clients[0]!.size(wrongPassword.length)
  for (const client of clients) client.socket.destroy()
  t.true(await until(() => server.stats().current === 0))
  // Sixty failures would make the next one wait for ten seconds.
  await logIn(t, server, 'alice', 'right')
})

test.serial('connections that come back all at once log in, and their password is hashed once', async (t) => {
  const made = verifier.formatVerifier(await verifier.makeVerifier(Buffer.from('right')))
  const { server } = await startGuarded(t, ['[User alice]', `Verifier = ${made}`, ...everything])
  const clients = await Promise.all(Array.from({ length: 400 }, () => connectTo(t, portOf(server))))
  t.deepEqual(
    [...new Set(await Promise.all(clients.map((client) => client.line('AUTH', 'alice', 'right'))))],
    ['+OK\r\n']
  )
  // Each by itself, one after the other, they would take longer than a client of these tests waits.
})

test('a stop does not wait for logins that wait, and answers them', async (t) => {
  const { server } = await startGuarded(t, [await section('alice', 'right', ...everything)])
  const client = await connectTo(t, portOf(server))
  for (let i = 0; i < 6; i++) client.socket.write(encode('AUTH', 'alice', 'guess'))
  await client.size(4 * wrongPassword.length)
  await server.close({ deadlineMs: 60_000 })
  t.regex((await client.end()).toString(), /-ERR the login could not be checked now; try again later\r\n$/)
})

test('a worker that is terminated while logins are checked takes nobody with it', async (t) => {
  const file = writeAccess(join(newFolder(), 'access.conf'), await section('alice', 'right', ...everything))
  const path = newFolder()
  const script = `
    const { parentPort } = require('node:worker_threads')
    const { serve } = require('zkdb/server')
    serve(${JSON.stringify(path)}, { listen: '127.0.0.1:0', accessFile: ${JSON.stringify(file)} })
      .then((server) => parentPort.postMessage(server.addresses()[0].port))`
  const worker = new Worker(script, { eval: true })
  const port = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const clients = await Promise.all(Array.from({ length: 20 }, () => connectTo(t, port)))
  for (const client of clients) client.socket.write(encode('AUTH', 'alice', 'wrong'))
  await clients[0]!.size(1)
  await worker.terminate()
  for (const client of clients) await client.end()
  const db = await open({ path })
  await db.put('k', 'v')
  t.is(await db.get('k'), 'v')
  await db.close()
})

// ---- rights

test('rights of verbs, keys and databases hold on the wire', async (t) => {
  const { server } = await startGuarded(t, [
    await section('reader', 'r', 'Rights = read', 'Databases = 0'),
    await section('writer', 'w', 'Rights = write', 'Databases = 0', 'Prefixes = cart:, user:7:'),
    await section('elsewhere', 'e', 'Rights = read, write', 'Databases = 7'),
    await section('scanner', 's', 'Rights = read, scan', 'Databases = 0', 'Prefixes = cart:'),
    await section('chief', 'c', ...everything),
    await section('nothing', 'n')
  ])
  const chief = await logIn(t, server, 'chief', 'c')
  t.is(await chief.line('MSET', 'cart:1', 'a', 'user:7:x', 'b', 'other', 'c'), '+OK\r\n')
  t.regex(await chief.line('CLIENT', 'LIST'), /user=chief/)
  const key = /^-NOPERM.* access one of the keys/
  const command = /^-NOPERM.* run the '/
  const cases: [user: string, command: string[], reply: RegExp][] = [
    ['reader', ['GET', 'other'], /^\$1\r\nc/],
    ['reader', ['SET', 'other', 'x'], command],
    ['reader', ['KEYS', '*'], command],
    ['reader', ['CLIENT', 'LIST'], command],
    ['writer', ['SET', 'cart:2', 'x'], /^\+OK/],
    ['writer', ['SET', 'user:7:', 'x'], /^\+OK/],
    ['writer', ['SET', 'user:70', 'x'], key],
    ['writer', ['MSET', 'cart:2', 'x', 'other', 'x'], key],
    ['writer', ['SET', 'cart:2', 'x', 'GET'], command],
    ['writer', ['GET', 'cart:1'], command],
    ['elsewhere', ['GET', 'cart:1'], /^-NOPERM.* the database/],
    ['scanner', ['KEYS', '*'], /^\*2\r\n/],
    ['scanner', ['GET', 'other'], key],
    ['scanner', ['DBSIZE'], /^-NOPERM/],
    ['nothing', ['GET', 'k'], /^-NOPERM/],
    ['nothing', ['PING'], /^\+PONG/]
  ]
  for (const [user, words, reply] of cases) {
    const client = await logIn(t, server, user, user[0]!)
    t.regex((await client.line(...words)).slice(), reply, `${user}: ${words.join(' ')}`)
    client.socket.destroy()
  }
})

// ---- reading the file again

test('reading the access file again takes rights away from connections that are there', async (t) => {
  const alice = await section('alice', 'right', 'Rights = read, write', 'Databases = 0')
  const { server, file } = await startGuarded(t, [alice])
  const client = await logIn(t, server, 'alice', 'right')
  t.is(await client.line('SET', 'k', 'v'), '+OK\r\n')
  writeAccess(file, alice.replace('read, write', 'read'))
  t.is(await client.line('SET', 'k', 'v'), '+OK\r\n', 'not before it is read')
  await server.reload()
  t.regex(await client.line('SET', 'k', 'w'), /^-NOPERM/)
  t.is(await client.line('GET', 'k'), '$1\r\nv\r\n')
  writeAccess(file, alice)
  await server.reload()
  t.is(await client.line('SET', 'k', 'w'), '+OK\r\n')
})

test('connections of a user who is gone, or has another password, are closed, and those of others stay', async (t) => {
  const [alice, bob, carol] = await Promise.all([
    section('alice', 'a', ...everything),
    section('bob', 'b', ...everything),
    section('carol', 'c', ...everything)
  ])
  const { server, file } = await startGuarded(t, [alice, bob, carol])
  const [a, b, c] = await Promise.all([
    logIn(t, server, 'alice', 'a'),
    logIn(t, server, 'bob', 'b'),
    logIn(t, server, 'carol', 'c')
  ])
  writeAccess(file, alice, await section('bob', 'new', ...everything), await section('dave', 'd', ...everything))
  await server.reload()
  await Promise.all([b.end(), c.end()])
  t.true(b.isClosed && c.isClosed)
  t.is(await a.line('SET', 'k', 'v'), '+OK\r\n')
  await logIn(t, server, 'bob', 'new')
  await logIn(t, server, 'dave', 'd')
  for (const [user, password] of [
    ['bob', 'b'],
    ['carol', 'c']
  ]) {
    t.is(await (await connectTo(t, portOf(server))).line('AUTH', user!, password!), wrongPassword)
  }
})

test('a file that is wrong leaves the one before it in force, and says what is wrong', async (t) => {
  const alice = await section('alice', 'right', ...everything)
  const { server, file } = await startGuarded(t, [alice])
  const client = await logIn(t, server, 'alice', 'right')
  writeAccess(file, '[User alice]', 'Rights = rite')
  await t.throwsAsync(server.reload(), { code: 'ZKDB_CONFIG', message: /access\.conf:2: .*"rite" is none of/ })
  writeAccess(file, '[User bob]')
  chmodSync(file, 0o644)
  await t.throwsAsync(server.reload(), { code: 'ZKDB_CONFIG', message: /chmod 600/ })
  t.is(await client.line('SET', 'k', 'v'), '+OK\r\n')
  await logIn(t, server, 'alice', 'right')
  await server.close()
  await t.throwsAsync(server.reload(), { code: 'ZKDB_CLOSED' })
})

test('addresses of the access file may connect, others are told and closed, also when it is read again', async (t) => {
  const alice = await section('alice', 'right', ...everything)
  const path = join(newFolder(), 'zkdb.sock')
  const { server, file } = await startGuarded(t, ['Addresses = 127.0.0.0/8, ::1', alice], {
    listen: ['127.0.0.1:0', path]
  })
  const client = await logIn(t, server, 'alice', 'right')
  const local = await connectTo(t, path)
  t.is(await local.line('AUTH', 'alice', 'right'), '+OK\r\n')
  writeAccess(file, 'Addresses = 10.0.0.0/8', alice)
  await server.reload()
  await client.end()
  t.true(client.isClosed)
  const refused = await connectTo(t, portOf(server))
  t.is((await refused.end()).toString(), '-DENIED this address may not connect to the server\r\n')
  t.is(server.stats().rejected, 1)
  t.is(await local.line('SET', 'k', 'v'), '+OK\r\n', 'a Unix socket has its own guard')
  writeAccess(file, alice)
  await server.reload()
  await logIn(t, server, 'alice', 'right')
})

// ---- the audit

test('the audit hears of logins, refusals, denials and admin commands, and of no key, value or password', async (t) => {
  const { server, audit } = await startGuarded(t, [
    await section('alice', 'pa55word', 'Rights = read', 'Databases = 0', 'Prefixes = mine:'),
    await section('chief', 'c', ...everything)
  ])
  const client = await connectTo(t, portOf(server))
  const { localPort } = client.socket
  await client.line('AUTH', 'alice', 'gue55')
  await client.line('AUTH', 'alice', 'pa55word')
  await client.line('SET', 'mine:secretkey', 'secretvalue')
  await client.line('GET', 'theirs:secretkey')
  await client.line('GET', 'mine:secretkey')
  const chief = await logIn(t, server, 'chief', 'c')
  await chief.line('CLIENT', 'KILL', 'USER', 'secretuser')
  t.true(await until(() => audit.length >= 6))
  const address = `127.0.0.1:${localPort}`
  const alice = { client: audit[0]!.client, address, user: 'alice' }
  t.deepEqual(audit.slice(0, 4), [
    { event: 'login-refused', ...alice },
    { event: 'login', ...alice },
    { event: 'denied', ...alice, command: 'SET', reason: 'command', count: 1 },
    { event: 'denied', ...alice, command: 'GET', reason: 'key', count: 2 }
  ])
  t.like(audit[4], { event: 'login', user: 'chief' })
  t.like(audit[5], { event: 'admin', user: 'chief', command: 'CLIENT' })
  t.notRegex(JSON.stringify(audit), /secret|55/)
})

test.serial('a flood of commands of an admin is counted where it is not told', async (t) => {
  const { server, audit } = await startGuarded(t, [await section('chief', 'c', ...everything)])
  const chief = await logIn(t, server, 'chief', 'c')
  const count = 50_000
  const before = chief.received.length
  chief.socket.write(Buffer.concat(Array.from({ length: count }, () => encode('CLIENT', 'KILL', 'USER', 'none'))))
  await chief.size(before + 4 * count)
  t.is(await chief.line('CLIENT', 'KILL', 'USER', 'none').then((text) => text.slice(-4)), ':0\r\n')
  const told = () => audit.filter(({ event }) => event === 'admin')
  const all = () => told().reduce((sum, { dropped = 0 }) => sum + 1 + dropped, 0)
  t.true(await until(() => all() === count + 1), `${all()} of ${count + 1}`)
})

// ---- settings

test('an access file is named relative to the configuration, and is checked before anything listens', async (t) => {
  const folder = newFolder()
  const config = join(folder, 'app.conf')
  writeFileSync(config, 'Partitions = p1\n[server]\nAccessFile = access.conf\n[p1]\n')
  const begin = () => serve(config, { listen: '127.0.0.1:0' })
  await t.throwsAsync(begin(), { code: 'ZKDB_CONFIG', message: /access\.conf: cannot be read/ })
  const file = writeAccess(join(folder, 'access.conf'), '; nobody')
  await t.throwsAsync(begin(), { code: 'ZKDB_CONFIG', message: /has no user.*zkdb user add/ })
  writeAccess(file, await section('default', 'd', ...everything))
  await t.throwsAsync(serve(config, { listen: '127.0.0.1:0', password: 'key' }), {
    code: 'ZKDB_CONFIG',
    message: /\[User default\].*AuthKey.*remove one/
  })
  chmodSync(file, 0o640)
  await t.throwsAsync(begin(), { code: 'ZKDB_CONFIG', message: /mode 0640.*chmod 600/ })
  chmodSync(file, 0o600)
  const server = await begin()
  await logIn(t, server, 'default', 'd')
  await server.close()
  await t.throwsAsync(serve(config, { listen: ':0', accessFile: '' }), { instanceOf: TypeError })
})

test('zkdb serve writes the audit to its log, and SIGHUP reads the access file again', async (t) => {
  const folder = newFolder()
  const file = join(folder, 'access.conf')
  const log = join(folder, 'zkdb.log')
  const add = (name: string) =>
    zkdb(['user', 'add', file, name, '--rights', 'read,write', '--databases', '0', '--iterations', '4096'], 'right\n')
  t.is(add('alice').exit, 0)
  const child = startZkdb(
    ['serve', newFolder(), '--create', '--json', '--listen', ':0', '--access-file', file].concat(['--log-file', log])
  )
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout!.on('data', (chunk) => (output += chunk))
  t.true(await until(() => output.includes('\n')))
  const port = Number((JSON.parse(output) as { addresses: string[] }).addresses[0]!.split(':').at(-1))
  const events = () =>
    readLog(log).filter(({ event }) => !['ready', 'stopping', 'stopped', 'figures'].includes(event as string))
  const client = await connectTo(t, port)
  t.is(await client.line('AUTH', 'alice', 'right'), '+OK\r\n')
  t.is(add('bob').exit, 0)
  t.is(await client.line('AUTH', 'bob', 'right'), wrongPassword)
  child.kill('SIGHUP')
  t.true(await until(() => events().some(({ event }) => event === 'reloaded')))
  t.is(await client.line('AUTH', 'bob', 'right'), '+OK\r\n')
  t.is(zkdb(['user', 'remove', file, 'alice']).exit, 0)
  chmodSync(file, 0o644)
  child.kill('SIGHUP')
  t.true(await until(() => events().some(({ event }) => event === 'not reloaded')))
  child.kill('SIGTERM')
  t.is(await endOf(child), 0)
  t.deepEqual(
    events().map(({ event, user }) => [event, user]),
    [
      ['login', 'alice'],
      ['login-refused', 'bob'],
      ['reloaded', undefined],
      ['login', 'bob'],
      ['not reloaded', undefined]
    ]
  )
})

function readLog(path: string): Record<string, unknown>[] {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>)
}
