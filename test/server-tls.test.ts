/**
 * The server over TLS: who gets in with which certificate, what is refused, and that limits and ends are those of plain
 * sockets.
 */
import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import type { ZkdbError } from 'zkdb'
import { connect } from 'zkdb/remote'
import { type AuditEvent, type ServeOptions, type Server, serve } from 'zkdb/server'
import { section, writeAccess } from './helpers/access.js'
import { type Certificate, CertificateAuthority, hasOpenssl } from './helpers/certificates.js'
import { endOf, startZkdb } from './helpers/command.js'
import { connectTo, encode, RawClient, readLate, startServer, until } from './helpers/server.js'
import { newFolder } from './helpers/shapes.js'

interface World {
  authority: CertificateAuthority
  server: Certificate
  alice: Certificate
}
const test = anyTest as TestFn<World>

const isPossible = hasOpenssl()
if (!isPossible) console.log('no openssl: the tests of TLS are skipped')
const tlsTest = isPossible ? test : test.skip
/** For what has limits of time: other tests make certificates, and hold up everything while they do. */
const timedTest = isPossible ? test.serial : test.serial.skip

test.before((t) => {
  if (!isPossible) return
  const authority = new CertificateAuthority(newFolder(), 'authority')
  t.context.authority = authority
  t.context.server = authority.issue('server', 'DNS:localhost,IP:127.0.0.1')
  t.context.alice = authority.issue('alice', 'DNS:alice')
})

const everything = ['Rights = read, write, scan, admin', 'Databases = *']

/** Writes a certificate and its key, as options of `serve`. */
function filesOf({ cert, key }: Certificate, folder = newFolder()): { tlsCertificate: string; tlsKey: string } {
  const [tlsCertificate, tlsKey] = [join(folder, 'server.pem'), join(folder, 'server.key')]
  writeFileSync(tlsCertificate, cert)
  writeFileSync(tlsKey, key, { mode: 0o600 })
  return { tlsCertificate, tlsKey }
}

/** A server with TLS alone, on a free port. */
function startTls(t: ExecutionContext<World>, options: ServeOptions = {}): Promise<Server> {
  // All tests of this file share one thread: where limits of time are not what is tested, they are far away.
  const defaults = { listen: [], tlsListen: '127.0.0.1:0', loginMs: 60_000, ...filesOf(t.context.server) }
  return startServer(t, { ...defaults, ...options })
}

/** The options of a server that knows alice by her certificate. */
async function withAlice(t: ExecutionContext<World>, ...rights: string[]): Promise<ServeOptions> {
  const folder = newFolder()
  const tlsClientCa = join(folder, 'clients.pem')
  writeFileSync(tlsClientCa, t.context.authority.cert)
  const lines = ['[User alice]', ...rights, await section('bob', 'b', ...everything)]
  return { tlsClientCa, accessFile: writeAccess(join(folder, 'access.conf'), ...lines) }
}

function tlsPort(server: Server): number {
  return server.addresses().find(({ isTls }) => isTls)!.port
}

/** A connection that the test reads as it likes. Rejects when TLS is refused before it is there. */
async function rawTls(t: ExecutionContext<World>, server: Server, options: ConnectionOptions = {}) {
  const socket = connectTls({ host: 'localhost', port: tlsPort(server), ca: t.context.authority.cert, ...options })
  t.teardown(() => socket.destroy())
  await new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed')))
  })
  return new RawClient(socket)
}

/** Whether a client with these options is refused: before anything is there, or before a command is answered. */
async function isRefused(t: ExecutionContext<World>, server: Server, options: ConnectionOptions): Promise<boolean> {
  try {
    const client = await rawTls(t, server, options)
    client.socket.write(encode('PING'))
    await client.end()
    return client.isClosed && client.received.length === 0
  } catch {
    return true
  }
}

// ---- clients

tlsTest('clients of zkdb and of Redis work over TLS, with values of any size', async (t) => {
  const { authority } = t.context
  const server = await startTls(t, { password: 'secret' })
  t.is(server.address(), `zkdbs://127.0.0.1:${tlsPort(server)}`)
  const own = await connect(`zkdbs://localhost:${tlsPort(server)}`, { password: 'secret', tls: { ca: authority.cert } })
  t.teardown(() => own.close())
  const big = 'v'.repeat(3 << 20)
  await Promise.all([own.put('k', 'v'), own.put('big', big)])
  t.is(await own.get('big'), big)
  await Promise.all(Array.from({ length: 500 }, (_, i) => own.put(`k${i}`, `v${i}`)))
  const values = await Promise.all(Array.from({ length: 500 }, (_, i) => own.get(`k${i}`)))
  t.deepEqual(
    values,
    Array.from({ length: 500 }, (_, i) => `v${i}`)
  )
  const tls = { ca: authority.cert }
  const io = new Redis({ port: tlsPort(server), host: 'localhost', password: 'secret', tls })
  t.teardown(() => io.disconnect())
  t.is(await io.get('big'), big)
  const redis = createClient({
    socket: { host: 'localhost', port: tlsPort(server), tls: true, ca: authority.cert },
    password: 'secret'
  })
  redis.on('error', () => undefined)
  await redis.connect()
  t.teardown(() => redis.destroy())
  t.is(await redis.get('k499'), 'v499')
})

tlsTest('a client sees its own address in the list of clients', async (t) => {
  const server = await startTls(t)
  const client = await rawTls(t, server)
  client.socket.write(encode('CLIENT', 'LIST'))
  await client.wait(() => client.received.includes(' laddr='))
  const { localPort, remotePort } = client.socket
  t.regex(client.received.toString(), new RegExp(`addr=127.0.0.1:${localPort} laddr=127.0.0.1:${remotePort} `))
})

tlsTest('plain sockets and TLS serve the same records side by side', async (t) => {
  const server = await startTls(t, { listen: '127.0.0.1:0' })
  t.is(server.addresses().length, 2)
  const plain = await connectTo(t, server.addresses()[0]!.port)
  const secret = await rawTls(t, server)
  t.is(await plain.line('SET', 'k', 'plain'), '+OK\r\n')
  t.is(await secret.line('GET', 'k'), '$5\r\nplain\r\n')
})

// ---- certificates of clients

tlsTest('a certificate names its user, who needs no password and has his rights', async (t) => {
  const audit: AuditEvent[] = []
  const options = await withAlice(t, 'Rights = read, write', 'Databases = 0', 'Prefixes = a:')
  const server = await startTls(t, { ...options, onAudit: (event) => audit.push(event) })
  const client = await rawTls(t, server, t.context.alice)
  t.is(await client.line('SET', 'a:1', 'v'), '+OK\r\n')
  t.regex(await client.line('SET', 'b:1', 'v'), /^-NOPERM/)
  t.is(await client.line('AUTH', 'bob', 'b'), '+OK\r\n')
  t.is(await client.line('SET', 'b:1', 'v'), '+OK\r\n')
  t.is(await client.line('RESET'), '+RESET\r\n')
  t.regex(await client.line('SET', 'b:1', 'v'), /^-NOPERM/, 'RESET brings back the user of the certificate')
  const own = await connect({
    host: 'localhost',
    port: tlsPort(server),
    tls: { ca: t.context.authority.cert, ...t.context.alice }
  })
  t.is(await own.get('a:1'), 'v')
  await own.close()
  t.like(audit[0], { event: 'login', user: 'alice', certificate: 'ok' })
  t.true(await until(() => audit.some(({ event, user }) => event === 'login' && user === 'bob')))
})

tlsTest('without a certificate, or with one that names nobody, a client has to log in', async (t) => {
  const server = await startTls(t, await withAlice(t, ...everything))
  const stranger = t.context.authority.issue('stranger', 'DNS:stranger')
  for (const options of [{}, stranger]) {
    const client = await rawTls(t, server, options)
    t.regex(await client.line('GET', 'k'), /^-NOAUTH/)
    t.is(await client.line('AUTH', 'bob', 'b'), '+OK\r\n')
    t.is(await client.line('SET', 'k', 'v'), '+OK\r\n')
  }
})

tlsTest('a certificate that has expired, or is of another authority, is refused, required or not', async (t) => {
  const other = new CertificateAuthority(newFolder(), 'other').issue('alice', 'DNS:alice')
  const namesake = new CertificateAuthority(newFolder(), 'authority').issue('alice', 'DNS:alice')
  const late = t.context.authority.issue('late', 'DNS:alice', -1)
  for (const tlsRequireClientCertificate of [false, true]) {
    const audit: AuditEvent[] = []
    const server = await startTls(t, {
      ...(await withAlice(t, ...everything)),
      tlsRequireClientCertificate,
      onAudit: (event) => audit.push(event)
    })
    for (const certificate of [other, namesake, late]) t.true(await isRefused(t, server, certificate))
    if (!tlsRequireClientCertificate) {
      const reasons = audit.map(({ event, certificate }) => `${event} ${certificate}`)
      t.is(reasons.length, 3)
      t.is(reasons[2], 'login-refused CERT_HAS_EXPIRED')
    }
    const alice = await rawTls(t, server, t.context.alice)
    t.is(await alice.line('SET', 'k', 'v'), '+OK\r\n')
    t.true(await until(() => server.stats().current === 1))
  }
})

tlsTest('where a certificate is required, a client without one is refused', async (t) => {
  const options = { ...(await withAlice(t, ...everything)), tlsRequireClientCertificate: true }
  const server = await startTls(t, options)
  t.true(await isRefused(t, server, {}))
  const client = await rawTls(t, server, t.context.alice)
  t.is(await client.line('PING'), '+PONG\r\n')
})

tlsTest('a user who is removed loses the connections of his certificate', async (t) => {
  const options = await withAlice(t, ...everything)
  const server = await startTls(t, options)
  const client = await rawTls(t, server, t.context.alice)
  t.is(await client.line('SET', 'k', 'v'), '+OK\r\n')
  writeAccess(options.accessFile!, '[User carol]')
  await server.reload()
  await client.end()
  t.true(client.isClosed)
  t.regex(await (await rawTls(t, server, t.context.alice)).line('GET', 'k'), /^-NOAUTH/)
})

// ---- the certificate of the server

tlsTest('a client refuses a server whose certificate has expired, has another name or authority', async (t) => {
  const { authority } = t.context
  const other = new CertificateAuthority(newFolder(), 'other').issue('server', 'DNS:localhost')
  const cases: [Certificate, RegExp][] = [
    [authority.issue('expired', 'DNS:localhost', -1), /CERT_HAS_EXPIRED/],
    [authority.issue('named', 'DNS:other.example'), /ERR_TLS_CERT_ALTNAME_INVALID/],
    [other, /certificate/i]
  ]
  for (const [certificate, why] of cases) {
    const server = await startTls(t, filesOf(certificate))
    const tls = { ca: authority.cert }
    const error = await t.throwsAsync(connect({ host: 'localhost', port: tlsPort(server), tls, password: 'hunter2' }))
    t.is((error as ZkdbError).code, 'ZKDB_UNREACHABLE')
    t.regex(error!.message, why)
  }
})

tlsTest('new connections get a new certificate, and old ones go on', async (t) => {
  const folder = newFolder()
  const server = await startTls(t, filesOf(t.context.server, folder))
  const serialOf = ({ socket }: RawClient) => (socket as TLSSocket).getPeerCertificate().serialNumber
  const before = await rawTls(t, server)
  t.is(await before.line('SET', 'k', 'v'), '+OK\r\n')
  const next = t.context.authority.issue('next', 'DNS:localhost')
  filesOf(next, folder)
  await server.reload()
  const after = await rawTls(t, server)
  t.not(serialOf(after), serialOf(before))
  t.is(await after.line('GET', 'k'), '$1\r\nv\r\n')
  t.is(await before.line('SET', 'k', 'w'), '+OK\r\n')
  // A certificate without its key, or none at all, changes nothing.
  writeFileSync(join(folder, 'server.pem'), t.context.server.cert)
  await t.throwsAsync(server.reload(), { code: 'ZKDB_CONFIG', message: /server\.key: is not the key of/ })
  writeFileSync(join(folder, 'server.pem'), 'nothing')
  await t.throwsAsync(server.reload(), { code: 'ZKDB_CONFIG', message: /server\.pem: is not a certificate/ })
  t.is(serialOf(await rawTls(t, server)), serialOf(after))
})

// ---- what is refused

tlsTest('a session is not resumed: each connection shows its certificate', async (t) => {
  const server = await startTls(t, await withAlice(t, ...everything))
  let session: Buffer | undefined
  const first = await rawTls(t, server, t.context.alice)
  first.socket.on('session', (bytes: Buffer) => (session = bytes))
  t.is(await first.line('PING'), '+PONG\r\n')
  // A ticket would come with the first records. Without one, what the client has of the session is tried.
  session ??= (first.socket as TLSSocket).getSession()
  const second = await rawTls(t, server, session ? { session } : {})
  t.false((second.socket as TLSSocket).isSessionReused())
  t.regex(await second.line('GET', 'k'), /^-NOAUTH/)
})

tlsTest('TLS below 1.3 is refused', async (t) => {
  const server = await startTls(t)
  await t.throwsAsync(rawTls(t, server, { maxVersion: 'TLSv1.2' }))
  t.is(((await rawTls(t, server)).socket as TLSSocket).getProtocol(), 'TLSv1.3')
})

tlsTest('what is no TLS is closed without an answer that it could take for one', async (t) => {
  const server = await startTls(t)
  const client = await connectTo(t, tlsPort(server))
  client.socket.write(encode('SET', 'k', 'v'))
  const answer = await client.end()
  t.true(client.isClosed)
  t.false(/OK|ERR/.test(answer.toString('latin1')))
  t.is(await (await rawTls(t, server)).line('EXISTS', 'k'), ':0\r\n')
})

timedTest('who does not agree on keys in time is closed, also with a byte now and then', async (t) => {
  const server = await startTls(t, { loginMs: 500 })
  const silent = await connectTo(t, tlsPort(server))
  const loris = await connectTo(t, tlsPort(server))
  // The head of a record that announces a long greeting, and then its bytes one by one.
  const bytes = Buffer.concat([Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), Buffer.alloc(500, 7)])
  for (let i = 0; i < 200 && !loris.isClosed; i++) {
    loris.socket.write(bytes.subarray(i, i + 1))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  t.true(loris.isClosed)
  await silent.end()
  t.true(silent.isClosed)
  t.true(await until(() => server.stats().current === 0))
})

timedTest('who does not log in has a limit of time and small frames over TLS too', async (t) => {
  const server = await startTls(t, { password: 'secret', loginMs: 600 })
  const big = await rawTls(t, server)
  big.socket.write('*2\r\n$3\r\nGET\r\n$5000\r\n')
  t.regex((await big.end()).toString(), /^-ERR Protocol error/)
  const late = await rawTls(t, server)
  const good = await rawTls(t, server)
  t.is(await good.line('AUTH', 'secret'), '+OK\r\n')
  await late.end()
  t.true(late.isClosed)
  t.is(await good.line('SET', 'k', 'v'.repeat(5000)), '+OK\r\n')
  t.is(server.stats().droppedLogin, 1)
})

tlsTest('addresses that other machines can reach need TLS and a login', async (t) => {
  const files = filesOf(t.context.server)
  const path = newFolder()
  const begin = (options: ServeOptions) => serve({ path }, options)
  const open = { code: 'ZKDB_CONFIG', message: /0\.0\.0\.0:0: other machines can reach/ }
  await t.throwsAsync(begin({ listen: '0.0.0.0:0' }), { ...open, message: /TlsAddressPath with TlsCertificate/ })
  await t.throwsAsync(begin({ listen: '0.0.0.0:0', password: 'secret' }), open)
  await t.throwsAsync(begin({ listen: [], tlsListen: '0.0.0.0:0', ...files }), { ...open, message: /set AccessFile/ })
  const server = await begin({ tlsListen: '0.0.0.0:0', ...files, password: 'secret' })
  t.teardown(() => server.close({ deadlineMs: 0 }))
  t.deepEqual(
    server.addresses().map(({ host, isTls }) => [host, isTls]),
    [['0.0.0.0', true]]
  )
  const client = await rawTls(t, server)
  t.regex(await client.line('GET', 'k'), /^-NOAUTH/)
  t.is(await client.line('AUTH', 'secret'), '+OK\r\n')
})

tlsTest('settings that do not go together are refused, and a key that others may read', async (t) => {
  const files = filesOf(t.context.server)
  const tlsListen = ':0'
  const begin = (options: ServeOptions) => serve({ path: newFolder() }, options)
  const refused = (message: RegExp) => ({ code: 'ZKDB_CONFIG', message })
  await t.throwsAsync(begin({ tlsListen }), refused(/needs TlsCertificate and TlsKey/))
  await t.throwsAsync(begin(files), refused(/no address where it is spoken/))
  const required = { tlsListen, ...files, tlsRequireClientCertificate: true }
  await t.throwsAsync(begin(required), refused(/needs TlsClientCa/))
  await t.throwsAsync(begin({ tlsListen: '/run/x.sock', ...files }), refused(/is not an address/))
  await t.throwsAsync(begin({ ...files, tlsListen, tlsKey: `${files.tlsKey}.none` }), refused(/cannot be read/))
  await t.throwsAsync(begin({ ...files, tlsListen, tlsKey: files.tlsCertificate }), refused(/chmod 600/))
  chmodSync(files.tlsKey, 0o644)
  await t.throwsAsync(begin({ ...files, tlsListen }), refused(/server\.key: others may read.*mode 0644.*chmod 600/))
  chmodSync(files.tlsKey, 0o600)
  const first = await begin({ ...files, tlsListen })
  t.teardown(() => first.close({ deadlineMs: 0 }))
  const taken = begin({ ...files, tlsListen: `127.0.0.1:${tlsPort(first)}` })
  await t.throwsAsync(taken, { code: 'ZKDB_IO', message: /EADDRINUSE/ })
})

// ---- limits and ends

tlsTest('connections over TLS count for the limits of all and of one address, from their first packet', async (t) => {
  const server = await startTls(t, { listen: '127.0.0.1:0', maxConnectionsPerAddress: 3 })
  const plain = await connectTo(t, server.addresses()[0]!.port)
  t.is(await plain.line('PING'), '+PONG\r\n')
  const client = await rawTls(t, server)
  t.is(await client.line('PING'), '+PONG\r\n')
  const silent = await connectTo(t, tlsPort(server))
  t.true(await until(() => server.stats().current === 3))
  t.true(await isRefused(t, server, {}))
  t.is(server.stats().rejected, 1)
  silent.socket.destroy()
  t.true(await until(() => server.stats().current === 2))
  t.is(await (await rawTls(t, server)).line('PING'), '+PONG\r\n')
})

tlsTest('addresses of the access file hold over TLS', async (t) => {
  const options = await withAlice(t, ...everything)
  const server = await startTls(t, options)
  const client = await rawTls(t, server, t.context.alice)
  t.is(await client.line('PING'), '+PONG\r\n')
  writeAccess(options.accessFile!, 'Addresses = 10.0.0.0/8', '[User alice]', ...everything)
  await server.reload()
  await client.end()
  t.true(client.isClosed)
  t.true(await isRefused(t, server, t.context.alice))
})

timedTest('an idle connection is closed, and its client told', async (t) => {
  const server = await startTls(t, { maxIdleMs: 500 })
  const client = await rawTls(t, server)
  t.is(await client.line('PING'), '+PONG\r\n')
  await client.end()
  t.true(client.isClosed)
  t.is(server.stats().droppedIdle, 1)
  t.true(await until(() => server.stats().current === 0))
})

tlsTest('a client that ends its side gets the replies to all that it sent', async (t) => {
  const server = await startTls(t)
  const client = await rawTls(t, server)
  const count = 20_000
  client.socket.end(Buffer.concat(Array.from({ length: count }, (_, i) => encode('SET', `k${i}`, 'v'))))
  t.is((await client.end()).toString(), '+OK\r\n'.repeat(count))
  t.true(await until(() => server.stats().current === 0))
})

tlsTest('a connection that breaks in the middle of a command leaves nothing behind', async (t) => {
  const server = await startTls(t)
  for (let i = 0; i < 20; i++) {
    const socket = connectPlain(tlsPort(server), '127.0.0.1')
    const client = await rawTls(t, server, { socket, servername: 'localhost' })
    client.socket.write(encode('SET', 'whole', 'v'))
    client.socket.write(encode('SET', 'half', 'v'.repeat(1000)).subarray(0, 500))
    await client.size(5)
    if (i % 2 === 0) client.socket.destroy()
    else socket.resetAndDestroy()
  }
  t.true(await until(() => server.stats().current === 0))
  t.is(await (await rawTls(t, server)).line('EXISTS', 'whole', 'half'), ':1\r\n')
})

tlsTest('QUIT and a protocol error are answered, and then the server closes', async (t) => {
  const server = await startTls(t)
  const quitting = await rawTls(t, server)
  quitting.socket.write(encode('QUIT'))
  t.is((await quitting.end()).toString(), '+OK\r\n')
  const wrong = await rawTls(t, server)
  wrong.socket.write('*1\r\n!\r\n')
  t.regex((await wrong.end()).toString(), /^-ERR Protocol error/)
  const killer = await rawTls(t, server)
  const killed = await rawTls(t, server)
  await killed.line('CLIENT', 'SETNAME', 'x')
  t.is(await killer.line('CLIENT', 'KILL', 'SKIPME', 'YES', 'USER', 'default'), ':1\r\n')
  await killed.end()
  t.true(killed.isClosed)
})

timedTest('a reader that stops is paused, then dropped, and others go on', async (t) => {
  const server = await startTls(t, { stuckMs: 1000, threads: 1 })
  const good = await rawTls(t, server)
  t.is(await good.line('SET', 'big', 'x'.repeat(1 << 20)), '+OK\r\n')
  const slow = await rawTls(t, server)
  slow.socket.pause()
  slow.socket.write(Buffer.concat(Array.from({ length: 200 }, () => encode('GET', 'big'))))
  t.true(await until(() => server.stats().pauses > 0))
  for (let i = 0; i < 20; i++) t.is(await good.line('SET', `k${i}`, 'v'), '+OK\r\n')
  t.true(await until(() => server.stats().droppedSlow === 1))
  t.true(await until(() => server.stats().current === 1))
})

timedTest('a reader that is slow but reads gets everything', async (t) => {
  const server = await startTls(t, { stuckMs: 3000 })
  const client = await rawTls(t, server)
  await readLate(t, server, client)
})

tlsTest('a stop sends what was answered, and closes', async (t) => {
  const server = await startTls(t)
  const clients = await Promise.all(Array.from({ length: 20 }, () => rawTls(t, server)))
  const count = 2000
  const pipeline = Buffer.concat(Array.from({ length: count }, (_, i) => encode('SET', `k${i}`, `${i}`)))
  for (const client of clients) client.socket.write(pipeline)
  await Promise.all(clients.map((client) => client.size(5)))
  await server.close({ deadlineMs: 10_000 })
  for (const client of clients) {
    const replies = (await client.end()).toString()
    t.true(client.isClosed)
    t.is(replies, '+OK\r\n'.repeat(replies.length / 5))
  }
  const late = connectPlain(tlsPort(server), '127.0.0.1')
  t.is(
    await new Promise((resolve) => late.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))),
    'ECONNREFUSED'
  )
})

tlsTest(
  'zkdb serve speaks TLS as its options and its configuration say, and SIGHUP renews the certificate',
  async (t) => {
    const folder = newFolder()
    filesOf(t.context.server, folder)
    writeAccess(join(folder, 'access.conf'), await section('alice', 'right', ...everything))
    const config = join(folder, 'app.conf')
    const lines = ['TlsAddressPath = 0.0.0.0:0', 'TlsCertificate = server.pem', 'TlsKey = server.key']
    writeFileSync(config, `Partitions = p1\n[server]\nAccessFile = access.conf\n${lines.join('\n')}\n[p1]\n`)
    const child = startZkdb(['serve', '--json', '--config', config, '--tls-listen', ':0'])
    t.teardown(() => child.kill('SIGKILL'))
    let [output, log] = ['', '']
    child.stdout!.on('data', (chunk) => (output += chunk))
    child.stderr!.on('data', (chunk) => (log += chunk))
    t.true(await until(() => output.includes('\n') || child.exitCode !== null), log)
    const [address = ''] = (JSON.parse(output) as { addresses: string[] }).addresses
    t.regex(address, /^zkdbs:\/\/127\.0\.0\.1:\d+$/)
    const tls = { ca: t.context.authority.cert }
    const client = await connect(address, { user: 'alice', password: 'right', tls })
    t.teardown(() => client.close())
    await client.put('k', 'v')
    const next = t.context.authority.issue('renewed', 'DNS:renewed.example')
    filesOf(next, folder)
    child.kill('SIGHUP')
    t.true(await until(() => log.includes('"reloaded"')))
    t.is(await client.get('k'), 'v')
    const options = { user: 'alice', password: 'right', tls: { ...tls, servername: 'renewed.example' } }
    const other = await connect(address, options)
    t.is(await other.get('k'), 'v')
    await other.close()
    // A connection over TLS has three file descriptors. None of them stays.
    const opened = () => readdirSync(`/proc/${child.pid}/fd`).length
    const before = opened()
    for (let i = 0; i < 30; i++) {
      const socket = connectTls({ host: '127.0.0.1', port: Number(address.split(':').at(-1)), ...options.tls })
      await new Promise((resolve) => socket.once('secureConnect', resolve))
      if (i % 2 === 0) socket.end(encode('PING'))
      else socket.destroy()
    }
    t.true(await until(() => opened() <= before), `${opened()} of ${before}`)
    child.kill('SIGTERM')
    t.is(await endOf(child), 0)
  }
)
