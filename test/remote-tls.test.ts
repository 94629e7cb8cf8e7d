/**
 * The remote client over TLS: which servers it takes, and which it refuses. The certificates are made by openssl.
 */
import { createServer } from 'node:tls'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { connect, type RemoteOptions, type ZkdbError } from 'zkdb/remote'
import { CertificateAuthority, hasOpenssl } from './helpers/certificates.js'
import { bulk, type Handler, RespServer, type ServerOptions } from './helpers/resp-server.js'
import { newFolder, removeFolder } from './helpers/shapes.js'

interface World {
  folder: string
  authority: CertificateAuthority
}
const test = anyTest as TestFn<World>
const echo: Handler = ([, key = '']) => bulk(key)

const isPossible = hasOpenssl()
if (!isPossible) console.log('no openssl: the tests of TLS are skipped')
const tlsTest = isPossible ? test.serial : test.serial.skip

test.before((t) => {
  t.context.folder = newFolder()
  if (isPossible) t.context.authority = new CertificateAuthority(t.context.folder, 'authority')
})
test.after.always((t) => removeFolder(t.context.folder))

interface Attempt {
  value?: unknown
  error?: ZkdbError
  /** What the server was told in greetings. */
  greetings: string[][]
}

/** What comes of connecting to a server with these TLS options and asking it something. */
async function attempt(tls: NonNullable<ServerOptions['tls']>, options: RemoteOptions): Promise<Attempt> {
  const server = await new RespServer(echo, { tls }).listen()
  const { greetings } = server
  try {
    const client = await connect({ host: 'localhost', port: server.port, tls: true, password: 'hunter2', ...options })
    const value = await client.get('key')
    await client.close()
    return { value, greetings }
  } catch (error) {
    return { error: error as ZkdbError, greetings }
  } finally {
    await server.close()
  }
}

/** Fails unless the server was refused, and the password went nowhere. */
function refused(t: ExecutionContext<World>, { error, greetings }: Attempt, why: RegExp): void {
  t.is(error?.code, 'ZKDB_UNREACHABLE')
  t.is(error?.urgency, 'urgent')
  t.regex(String(error?.message), why)
  t.false(`${error?.stack} ${String(error?.cause)}`.includes('hunter2'))
  t.deepEqual(greetings, [])
}

tlsTest('the certificate of an authority that the client knows is taken', async (t) => {
  const { authority } = t.context
  const server = await new RespServer(echo, { tls: authority.issue('good', 'DNS:localhost,IP:127.0.0.1') }).listen()
  const value = 'v'.repeat(60_000)
  for (const host of ['localhost', '127.0.0.1']) {
    const client = await connect(`zkdbs://${host}:${server.port}`, { tls: { ca: authority.cert } })
    t.deepEqual(await Promise.all([client.get('a'), client.get(value)]), ['a', value])
    await client.close()
  }
  await server.close()
})

tlsTest('a certificate that signed itself is refused', async (t) => {
  const { cert } = t.context.authority
  const own = new CertificateAuthority(t.context.folder, 'localhost').issue('own', 'DNS:localhost')
  refused(t, await attempt(own, {}), /certificate/i)
  refused(t, await attempt(own, { tls: { ca: cert } }), /certificate/i)
})

tlsTest('a certificate of another name is refused', async (t) => {
  const { authority } = t.context
  const other = authority.issue('other', 'DNS:other.example')
  refused(t, await attempt(other, { tls: { ca: authority.cert } }), /ERR_TLS_CERT_ALTNAME_INVALID/)
  const named = await attempt(other, { tls: { ca: authority.cert, servername: 'other.example' } })
  t.is(named.value, 'key')
})

tlsTest('a certificate that has expired is refused', async (t) => {
  const { authority } = t.context
  const expired = authority.issue('expired', 'DNS:localhost', -1)
  refused(t, await attempt(expired, { tls: { ca: authority.cert } }), /CERT_HAS_EXPIRED/)
})

tlsTest('a server below TLS 1.3 is refused, whatever the options say', async (t) => {
  const { authority } = t.context
  const old = { ...authority.issue('old', 'DNS:localhost'), maxVersion: 'TLSv1.2' as const }
  refused(t, await attempt(old, { tls: { ca: authority.cert, minVersion: 'TLSv1.2' } }), /protocol|version|alert/i)
})

tlsTest('a client shows its certificate, and a server that wants one refuses a client without', async (t) => {
  const { authority } = t.context
  const tls = { ...authority.issue('mutual', 'DNS:localhost'), ca: authority.cert, requestCert: true }
  const mine = authority.issue('client', 'DNS:client')
  t.is((await attempt(tls, { tls: { ca: authority.cert } })).error?.code, 'ZKDB_UNREACHABLE')
  t.is((await attempt(tls, { tls: { ca: authority.cert, ...mine } })).value, 'key')
})

test.serial('certificates that are none are refused before anything is connected', async (t) => {
  const error = await t.throwsAsync(connect({ port: 1, tls: { cert: 'not PEM', key: 'not PEM' } }))
  t.is((error as ZkdbError).code, 'ZKDB_CONFIG')
})

tlsTest('a server that speaks no TLS is refused, and so is one that says nothing', async (t) => {
  const plain = await new RespServer(echo).listen()
  const error = await t.throwsAsync(connect({ port: plain.port, tls: true, connectTimeout: 2000, password: 'hunter2' }))
  t.is((error as ZkdbError).code, 'ZKDB_UNREACHABLE')
  t.deepEqual(plain.greetings, [])
  await plain.close()
  const silent = createServer({}).on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as { port: number }
  const second = await t.throwsAsync(connect({ port, tls: true, connectTimeout: 500 }))
  t.is((second as ZkdbError).code, 'ZKDB_UNREACHABLE')
  await new Promise((resolve) => silent.close(resolve))
})
