/**
 * Remote partitions over TLS: which servers are taken and which refused, and that the relay ends with those who need
 * it. The suites of remote partitions run over TLS beside the others (helpers/remote-shapes.ts).
 */
import { spawn } from 'node:child_process'
import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { type Database, open, openSync, type ZkdbError } from 'zkdb'
import { connect } from 'zkdb/remote'
import { type ServeOptions, serve } from 'zkdb/server'
import { section, writeAccess } from './helpers/access.js'
import { type Certificate, CertificateAuthority } from './helpers/certificates.js'
import { authority, hasTls, PartitionServer, RemotePlace } from './helpers/remote-shapes.js'
import { bulk, type Handler, RespServer } from './helpers/resp-server.js'
import { until } from './helpers/server.js'
import { newFolder } from './helpers/shapes.js'
import type { ChildTask } from './helpers/tls-child.js'

const test = anyTest as TestFn
const tlsTest = hasTls ? test.serial : test.serial.skip
const child = fileURLToPath(new URL('./helpers/tls-child.js', import.meta.url))
const shape = { name: 'TLS alone', kinds: ['tls'] } as const

/** A configuration with one partition on the server at an address. */
function configFor(address: string, ...keys: string[]): string {
  const path = join(newFolder(), 'tls.conf')
  const lines = ['[main]', 'Partitions = far', '[far]', 'IsRemote = Yes', `AddressPath = ${address}`, ...keys]
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

/** What a write through a configuration fails with. It waits on the thread pool: the server may be on this thread. */
async function failure(t: ExecutionContext, address: string, ...keys: string[]): Promise<ZkdbError> {
  const db = await open({ path: configFor(address, ...keys) })
  const error = await t.throwsAsync(db.put('a', '1'))
  await db.close()
  return error as ZkdbError
}

const echo: Handler = ([, key = '']) => bulk(key)

/** A server with this certificate is refused for this reason by a partition, and by the client in the same words. */
async function refused(t: ExecutionContext, tls: Certificate & { maxVersion?: 'TLSv1.2' }, why: RegExp): Promise<void> {
  const server = await new RespServer(echo, { tls }).listen()
  t.teardown(() => server.close())
  const address = `zkdbs://localhost:${server.port}`
  const error = await failure(t, address, `TlsCa = ${authority().path('authority.pem')}`, 'AuthKey = hunter2')
  t.is(error.code, 'ZKDB_UNREACHABLE')
  t.true(error.message.startsWith(`partition [far] at ${address}: `), error.message)
  t.regex(error.message, why)
  t.false(error.message.includes('hunter2'))
  const options = { tls: { ca: authority().cert }, reconnect: false } as const
  const other = (await t.throwsAsync(connect(address, options))) as ZkdbError
  const said = (text: string): string => text.slice(text.indexOf(': ') + 2)
  t.is(said(error.message), said(other.message).replace(/\s+/g, ' '))
  t.deepEqual(server.greetings, [])
}

tlsTest('a server whose certificate does not hold is refused, with what to do', async (t) => {
  await refused(t, authority().issue('expired', 'DNS:localhost', -1), /CERT_HAS_EXPIRED: .*: renew it/)
  await refused(t, authority().issue('named', 'DNS:other.example'), /ERR_TLS_CERT_ALTNAME_INVALID: .*TlsServerName/)
  const stranger = new CertificateAuthority(newFolder(), 'stranger').issue('localhost', 'DNS:localhost')
  await refused(t, stranger, /UNABLE_TO_VERIFY_LEAF_SIGNATURE: .*TlsCa/)
})

tlsTest('a server below TLS 1.3, one without TLS and one that is not there are refused', async (t) => {
  const old = { ...authority().issue('old', 'DNS:localhost'), maxVersion: 'TLSv1.2' as const }
  await refused(t, old, /the server does not speak TLS 1\.3/)
  const plain = createServer((socket) => socket.once('data', () => socket.end('-ERR unknown command\r\n')))
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
  t.teardown(() => plain.close())
  const address = `zkdbs://127.0.0.1:${(plain.address() as { port: number }).port}`
  t.regex((await failure(t, address)).message, /does not speak TLS at this address/)
  await new Promise((resolve) => plain.close(resolve))
  const gone = await failure(t, address)
  t.is(gone.code, 'ZKDB_UNREACHABLE')
  t.regex(gone.message, /at zkdbs:\/\/127\.0\.0\.1:\d+: ECONNREFUSED: .*; nothing listens there/)
})

tlsTest('a server that says nothing is left after ConnectTimeout', async (t) => {
  const open = new Set<Socket>()
  const silent = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
    socket.resume()
  })
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { port: number }
  const began = performance.now()
  const error = await failure(t, `zkdbs://127.0.0.1:${port}`, 'ConnectTimeout = 300')
  const took = performance.now() - began
  t.is(error.code, 'ZKDB_UNREACHABLE')
  t.regex(error.message, /no TLS within ConnectTimeout, 300 ms/)
  t.true(took >= 290 && took < 10_000, `${took} ms`)
  // The relay has let go of it, too.
  t.true(await until(() => open.size === 0))
  silent.close()
})

tlsTest('a name that is given is the one that the certificate must have', async (t) => {
  const named = authority().issue('elsewhere', 'DNS:other.example')
  const files = { tlsCertificate: authority().path('elsewhere.pem'), tlsKey: authority().path('elsewhere.key') }
  t.truthy(named.cert)
  const server = new PartitionServer('tls', newFolder(), files)
  await server.start()
  const db = openSync({ path: configFor(server.address, ...server.keys.slice(2), 'TlsServerName = other.example') })
  db.putSync('a', '1')
  t.is(db.getSync('a'), '1')
  await db.close()
  await server.stop()
})

tlsTest('a certificate of the client is its login, and a server that wants one says so', async (t) => {
  const [folder, ca] = [newFolder(), authority().path('authority.pem')]
  authority().issue('alice', 'DNS:alice')
  const lines = [
    '[User alice]',
    'Rights = read, write',
    'Databases = *',
    await section('bob', 'b', 'Rights = read', 'Databases = *')
  ]
  const options: ServeOptions = {
    tlsClientCa: ca,
    tlsRequireClientCertificate: true,
    accessFile: writeAccess(join(folder, 'access.conf'), ...lines)
  }
  const server = new PartitionServer('tls', folder, options)
  await server.start()
  const keys = server.keys.slice(2)
  const pair = [`TlsCertificate = ${authority().path('alice.pem')}`, `TlsKey = ${authority().path('alice.key')}`]
  const db = openSync({ path: configFor(server.address, ...keys, ...pair) })
  db.putSync('a', '1')
  t.is(db.getSync('a'), '1')
  await db.close()

  const without = await failure(t, server.address, ...keys)
  t.is(without.code, 'ZKDB_UNREACHABLE')
  t.regex(without.message, /the server asks for a certificate.*TlsCertificate and TlsKey/)
  await server.stop()
})

tlsTest('files that cannot be used are refused by name', async (t) => {
  const [folder, server] = [newFolder(), 'zkdbs://localhost:1']
  const key = join(folder, 'open.key')
  authority().issue('carol', 'DNS:carol')
  writeFileSync(key, authority().issue('carol', 'DNS:carol').key)
  chmodSync(key, 0o644)
  const certificate = `TlsCertificate = ${authority().path('carol.pem')}`
  const readable = await failure(t, server, certificate, `TlsKey = ${key}`)
  t.is(readable.code, 'ZKDB_CONFIG')
  t.regex(readable.message, /open\.key: others may read or change it \(mode 0644\).*the key of the client: chmod 600/)
  const other = await failure(t, server, certificate, `TlsKey = ${authority().path('authority.key')}`)
  t.regex(other.message, /is not the key of the certificate in/)
  const none = await failure(t, server, 'TlsCa = none.pem')
  t.regex(none.message, /partition \[far\] at zkdbs:\/\/localhost:1: \/.*\/none\.pem: cannot be read/)
})

test.serial('keys of TLS are for addresses with TLS, and a certificate has a key', async (t) => {
  const refuse = async (address: string, why: RegExp, ...keys: string[]): Promise<void> => {
    const error = (await t.throwsAsync(open({ path: configFor(address, ...keys) }))) as ZkdbError
    t.is(error.code, 'ZKDB_CONFIG')
    t.regex(error.message, why)
  }
  await refuse('zkdb://localhost', /TlsCa = x: the address in AddressPath is not zkdbs:/, 'TlsCa = x')
  await refuse('zkdbs://localhost', /TlsKey \(not given\): TlsCertificate and TlsKey/, 'TlsCertificate = x')
})

tlsTest('a server that is restarted is used again', async (t) => {
  const place = new RemotePlace(shape)
  await place.start()
  const db = openSync({ path: place.location })
  for (let i = 0; i < 3; i++) {
    db.putSync('a', `${i}`)
    t.is(db.getSync('a'), `${i}`)
    await place.stop()
    t.throws(() => db.getSync('a'), { code: 'ZKDB_UNREACHABLE' })
    await place.start()
    t.true(await until(() => reads(db)))
    t.is(db.getSync('a'), `${i}`)
  }
  await db.close()
  await place.stop()
})

function reads(db: Database): boolean {
  try {
    db.getSync('a')
    return true
  } catch {
    return false
  }
}

tlsTest('a server may have partitions over TLS itself', async (t) => {
  const place = new RemotePlace({ name: 'behind', kinds: ['local', 'tls', 'tls'] })
  await place.start()
  const server = await serve({ path: place.location }, { listen: '127.0.0.1:0', threads: 1 })
  const client = await connect(`zkdb://${server.address()}`)
  for (const key of ['a', 'm', 'z']) await client.put(key, key)
  t.deepEqual(await client.getMany(['z', 'm', 'a']), ['z', 'm', 'a'])
  await client.close()
  await server.close()
  await place.stop()
})

// ---- how the relay ends

interface End {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
  /** Its temporary files. */
  left: string[]
}

function runChild(task: ChildTask): Promise<End> {
  const TMPDIR = newFolder()
  const started = spawn(process.execPath, [child, JSON.stringify(task)], { env: { ...process.env, TMPDIR } })
  const timer = setTimeout(() => started.kill('SIGKILL'), 60_000)
  let output = ''
  for (const stream of [started.stdout, started.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
    })
  }
  return new Promise((resolve) => {
    started.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, output, left: readdirSync(TMPDIR) })
    })
  })
}

tlsTest(
  'the relay ends with the last database, and with the process however that ends, and leaves no files',
  async (t) => {
    const place = new RemotePlace(shape)
    await place.start()
    for (const how of ['close', 'return', 'exit', 'throw', 'kill'] as const) {
      const { code, signal, output, left } = await runChild({ path: place.location, how })
      t.deepEqual(left, [], how)
      t.is(signal, how === 'kill' ? 'SIGKILL' : null, `${how}: ${output}`)
      t.is(code, { close: 0, return: 0, exit: 7, throw: 1, kill: null }[how], `${how}: ${output}`)
      t.regex(output, how === 'close' ? /^written\nthreads and sockets as before\n$/ : /^written\n/, how)
    }
    t.deepEqual(readdirSync(place.folder), ['mixed.conf'])
    await place.stop()
  }
)

tlsTest('threads that have such databases may be terminated at any time', async (t) => {
  const place = new RemotePlace(shape)
  await place.start()
  const { code, signal, output } = await runChild({ path: place.location, how: 'threads' })
  t.is(signal, null, output)
  t.is(code, 0, output)
  t.regex(output, /sockets as before\n$/)
  await place.stop()
})
