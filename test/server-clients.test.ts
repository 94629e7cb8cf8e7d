/**
 * Programs and libraries for Redis that nobody here wrote, as they are.
 */
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import test from 'ava'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { hasProgram, portOf, startServer, until } from './helpers/server.js'
import { newFolder } from './helpers/shapes.js'

// The server is in this process: a client program must not block it.
const run = promisify(execFile)

/** The first rows of figures that a program without an end prints. */
async function firstRows(child: ChildProcessWithoutNullStreams, count: number): Promise<string[]> {
  const rows: string[] = []
  const timer = setTimeout(() => child.kill(), 20_000)
  for await (const line of createInterface(child.stdout)) {
    if (/^\d/.test(line)) rows.push(line)
    if (rows.length === count) break
  }
  clearTimeout(timer)
  child.kill()
  return rows
}

test('redis-cli works as it is', async (t) => {
  if (!hasProgram(t, 'redis-cli')) return
  const port = String(portOf(await startServer(t)))
  const cli = async (...args: string[]): Promise<string> => (await run('redis-cli', ['-p', port, ...args])).stdout
  t.is(await cli('SET', 'k', 'v'), 'OK\n')
  t.is(await cli('GET', 'k'), 'v\n')
  t.is(await cli('-3', 'HELLO', '3').then((text) => text.includes('zkdb')), true)
  t.is(await cli('INCRBY', 'n', '5'), '5\n')
  t.is(await cli('MGET', 'k', 'none', 'n'), 'v\n\n5\n')
  t.is(await cli('--scan'), 'k\nn\n')
  t.is(await cli('DEL', 'k', 'n'), '2\n')
})

test('redis-cli shows the figures of the server, once and as they go on', async (t) => {
  if (!hasProgram(t, 'redis-cli')) return
  const server = await startServer(t)
  const port = String(portOf(server))
  await run('redis-cli', ['-p', port, 'MSET', 'a', '1', 'b', '2'])
  t.true(await until(() => server.stats().current === 0))
  const { stdout } = await run('redis-cli', ['-p', port, 'INFO'])
  const figures = new Map(stdout.split('\r\n').map((line) => line.split(/:(.*)/) as [string, string]))
  t.is(figures.get('redis_mode'), 'standalone')
  t.is(figures.get('tcp_port'), port)
  t.is(figures.get('process_id'), String(process.pid))
  t.is(figures.get('connected_clients'), '1')
  t.is(figures.get('total_connections_received'), '2')
  t.is(figures.get('db0'), 'keys=2,expires=0,avg_ttl=0')
  t.is((await run('redis-cli', ['-p', port, '-3', 'INFO', 'replication'])).stdout.includes('role:master\r\n'), true)
  t.true(await until(() => server.stats().current === 0))
  if (!hasProgram(t, 'stdbuf')) return
  // Keys, memory, clients, blocked clients, requests (and how many more), connections.
  const rows = await firstRows(spawn('stdbuf', ['-oL', 'redis-cli', '-p', port, '--stat', '-i', '1']), 2)
  t.is(rows.length, 2)
  for (const row of rows) t.regex(row, /^2 +\d+\.\d\d[KM] +1 +0 +\d+ \(\+\d+\) +4 *$/)
})

test('redis-cli shows settings under the names of Redis, and no password', async (t) => {
  if (!hasProgram(t, 'redis-cli')) return
  const server = await startServer(t, { password: 'secret', maxConnections: 77, maxIdleMs: 90_000 })
  const cli = async (...args: string[]): Promise<string> => {
    const { stdout } = await run('redis-cli', ['--no-auth-warning', '-a', 'secret', '-p', `${portOf(server)}`, ...args])
    return stdout
  }
  t.is(await cli('CONFIG', 'GET', 'maxclients'), 'maxclients\n77\n')
  t.is(await cli('CONFIG', 'GET', 'port', 'bind', 'timeout'), `bind\n127.0.0.1\nport\n${portOf(server)}\ntimeout\n90\n`)
  t.notRegex(await cli('CONFIG', 'GET', '*'), /secret|pass|auth/)
  t.regex(await cli('CONFIG', 'SET', 'maxclients', '1'), /^ERR CONFIG GET alone is known/)
})

test('redis-benchmark works as it is', async (t) => {
  if (!hasProgram(t, 'redis-benchmark')) return
  const port = String(portOf(await startServer(t)))
  const args = ['-p', port, '-t', 'ping,set,get,incr,mset', '-n', '5000', '-c', '20', '-P', '8', '-r', '1000', '--csv']
  const { stdout } = await run('redis-benchmark', args)
  for (const name of ['PING_INLINE', 'PING_MBULK', 'SET', 'GET', 'INCR', 'MSET (10 keys)']) {
    const [, rate] = new RegExp(`"${name.replace(/[()]/g, '\\$&')}","([\\d.]+)"`).exec(stdout) ?? []
    t.true(Number(rate) > 0, `${name}: ${stdout}`)
  }
})

test('ioredis works as it is, with automatic pipelining and transactions', async (t) => {
  const server = await startServer(t)
  const client = new Redis({ port: portOf(server), host: '127.0.0.1', enableAutoPipelining: true })
  t.teardown(() => client.disconnect())
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`k${i}`, `v${i}`)))
  const values = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.get(`k${i}`)))
  t.deepEqual(
    values,
    Array.from({ length: 1000 }, (_, i) => `v${i}`)
  )
  t.is(await client.get('none'), null)
  t.deepEqual(await client.multi().incr('n').get('n').exec(), [
    [null, 1],
    [null, '1']
  ])
  t.deepEqual(await client.mget('k1', 'none'), ['v1', null])
  await t.throwsAsync(() => client.call('NOSUCH'), { message: /unknown command/ })
})

test('ioredis logs in with the password, over a Unix socket too', async (t) => {
  const path = join(newFolder(), 'zkdb.sock')
  const server = await startServer(t, { listen: ['127.0.0.1:0', path], password: 'secret' })
  for (const place of [{ port: portOf(server), host: '127.0.0.1' }, { path }]) {
    const client = new Redis({ ...place, password: 'secret' })
    t.teardown(() => client.disconnect())
    t.is(await client.set('k', 'v'), 'OK')
    t.is(await client.get('k'), 'v')
  }
})

for (const RESP of [2, 3] as const) {
  test(`node-redis works as it is with RESP${RESP}`, async (t) => {
    const server = await startServer(t)
    const client = createClient({ url: `redis://${server.address()}`, RESP })
    client.on('error', () => undefined)
    await client.connect()
    t.teardown(() => client.destroy())
    await Promise.all(Array.from({ length: 500 }, (_, i) => client.set(`k${i}`, `v${i}`)))
    t.is(await client.get('k499'), 'v499')
    t.is(await client.get('none'), null)
    t.is(await client.incr('n'), 1)
    t.deepEqual(await client.multi().set('a', '1').get('a').exec(), ['OK', '1'] as never)
    const keys: string[] = []
    for await (const batch of client.scanIterator({ MATCH: 'k49*' })) keys.push(...batch)
    t.is(keys.length, 11)
    t.is(await client.del(['k1', 'k2', 'none']), 2)
  })
}
