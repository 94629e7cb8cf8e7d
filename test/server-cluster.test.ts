/**
 * Servers that share the hash slots of Redis Cluster, and clients of Redis Cluster that nobody here wrote.
 */
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { Cluster, Redis } from 'ioredis'
import { createCluster } from 'redis'
import { type Server, serve } from 'zkdb/server'
import { hasProgram, startServer } from './helpers/server.js'
import { newFolder } from './helpers/shapes.js'

const run = promisify(execFile)

/** Time limits that a machine with other work to do keeps too. */
const patience = { slotsRefreshTimeout: 60_000, redisOptions: { connectTimeout: 60_000 } }

/** Ports that nobody listens at now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    ports.push((server.address() as { port: number }).port)
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve))
  return ports
}

/** Three servers with a third of the slots each; */
async function startCluster(t: ExecutionContext): Promise<{ servers: Server[]; ports: number[] }> {
  for (let attempt = 0; ; attempt++) {
    const ports = await freePorts(3)
    const ranges = ['0-5460', '5461-10922', '10923-16383']
    const clusterNodes = ports.map((port, i) => `127.0.0.1:${port} ${ranges[i]}`).join('; ')
    const servers: Server[] = []
    try {
      for (const port of ports) {
        servers.push(await serve({ path: newFolder() }, { listen: `127.0.0.1:${port}`, cluster: true, clusterNodes }))
      }
      t.teardown(() => Promise.all(servers.map((server) => server.close({ deadlineMs: 100 }))))
      return { servers, ports }
    } catch (error) {
      // Somebody else has taken one of the ports meanwhile.
      await Promise.all(servers.map((server) => server.close({ deadlineMs: 0 })))
      if (attempt === 5 || (error as { code?: string }).code !== 'ZKDB_IO') throw error
    }
  }
}

/** A key of each slot: `{n}` is in one, and 16,384 slots need some 160,000 tags. */
function keysOfAllSlots(): string[] {
  const keys = new Map<number, string>()
  for (let n = 0; keys.size < 16384; n++) {
    const slot = slotOf(String(n))
    if (!keys.has(slot)) keys.set(slot, `{${n}}`)
  }
  return [...keys.values()]
}

/** CRC-16 of the text, modulo 16,384. */
function slotOf(text: string): number {
  let crc = 0
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
  }
  return crc % 16384
}

async function sizes(ports: number[]): Promise<number[]> {
  return await Promise.all(
    ports.map(async (port) => {
      const client = new Redis({ port, host: '127.0.0.1' })
      const size = await client.dbsize()
      client.disconnect()
      return size
    })
  )
}

test('ioredis finds the server of every slot', async (t) => {
  const { ports } = await startCluster(t)
  const cluster = new Cluster([{ host: '127.0.0.1', port: ports[0]! }], patience)
  t.teardown(() => cluster.disconnect())
  const keys = keysOfAllSlots()
  await Promise.all(keys.map((key) => cluster.set(key, key)))
  const values = await Promise.all(keys.map((key) => cluster.get(key)))
  t.deepEqual(values, keys)
  // 0..5460, 5461..10922 and 10923..16383.
  t.deepEqual(await sizes(ports), [5461, 5462, 5461])
})

test('ioredis pipelines, uses hash tags and transactions, and is told of keys in several slots', async (t) => {
  const { ports } = await startCluster(t)
  const cluster = new Cluster([{ host: '127.0.0.1', port: ports[2]! }], { ...patience, enableAutoPipelining: true })
  t.teardown(() => cluster.disconnect())
  t.deepEqual(await cluster.pipeline().set('{user:1}:name', 'Ann').incr('{user:1}:n').get('{user:1}:name').exec(), [
    [null, 'OK'],
    [null, 1],
    [null, 'Ann']
  ])
  t.is(await cluster.mset('{user:1}:a', '1', '{user:1}:b', '2'), 'OK')
  t.deepEqual(await cluster.mget('{user:1}:a', '{user:1}:b', '{user:1}:c'), ['1', '2', null])
  t.deepEqual(await cluster.multi().incr('{user:1}:n').get('{user:1}:n').exec(), [
    [null, 2],
    [null, '2']
  ])
  // With automatic pipelining ioredis refuses it by itself.
  const plain = new Cluster([{ host: '127.0.0.1', port: ports[2]! }], patience)
  t.teardown(() => plain.disconnect())
  await t.throwsAsync(() => plain.mget('a', 'b', 'c'), { message: /CROSSSLOT/ })
  t.is((await cluster.cluster('INFO')).includes('cluster_state:ok'), true)
})

test('ioredis follows MOVED when what it knows of the slots is wrong', async (t) => {
  const { ports } = await startCluster(t)
  const cluster = new Cluster([{ host: '127.0.0.1', port: ports[0]! }], patience)
  t.teardown(() => cluster.disconnect())
  await cluster.set('a', '1')
  const single = new Redis({ port: ports[0]!, host: '127.0.0.1' })
  t.teardown(() => single.disconnect())
  await t.throwsAsync(() => single.get('a'), { message: `MOVED 15495 127.0.0.1:${ports[2]}` })
  // The client believes that the first server has all slots.
  const known = (cluster as unknown as { slots: string[][] }).slots
  for (let slot = 0; slot < 16384; slot++) known[slot] = [`127.0.0.1:${ports[0]}`]
  t.is(await cluster.get('a'), '1')
})

test('node-redis finds the servers of keys', async (t) => {
  const { ports } = await startCluster(t)
  const cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${ports[1]}` }] })
  cluster.on('error', () => undefined)
  await cluster.connect()
  t.teardown(() => cluster.destroy())
  const keys = keysOfAllSlots().filter((_, i) => i % 16 === 0)
  await Promise.all(keys.map((key) => cluster.set(key, key)))
  t.deepEqual(await Promise.all(keys.map((key) => cluster.get(key))), keys)
  t.is(
    (await sizes(ports)).reduce((sum, size) => sum + size),
    keys.length
  )
  t.deepEqual(await cluster.multi().set('{x}1', '1').get('{x}1').exec(), ['OK', '1'] as never)
  t.deepEqual(await cluster.mGet(['{x}1', '{x}2']), ['1', null])
})

test('redis-cli and redis-benchmark work with a cluster', async (t) => {
  if (!hasProgram(t, 'redis-cli') || !hasProgram(t, 'redis-benchmark')) return
  const { ports } = await startCluster(t)
  const cli = async (...args: string[]): Promise<string> =>
    (await run('redis-cli', ['-c', '-p', String(ports[0]), ...args])).stdout
  t.is(await cli('SET', 'a', '1'), 'OK\n')
  t.is(await cli('GET', 'a'), '1\n')
  t.regex(await cli('CLUSTER', 'SHARDS'), /replication-offset/)
  const args = ['--cluster', '-p', String(ports[0]), '-t', 'set,get', '-n', '3000', '-r', '1000', '-c', '10', '--csv']
  const { stdout } = await run('redis-benchmark', args)
  for (const name of ['SET', 'GET']) {
    const [, rate] = new RegExp(`"${name}","([\\d.]+)"`).exec(stdout) ?? []
    t.true(Number(rate) > 0, stdout)
  }
})

test('settings of a cluster that do not fit are refused', async (t) => {
  const refused = async (options: object, message: RegExp) => {
    const error = await t.throwsAsync(() => serve({ path: newFolder() }, { listen: '127.0.0.1:7001', ...options }))
    t.is((error as { code?: string }).code, 'ZKDB_CONFIG')
    t.regex(error!.message, message)
  }
  const nodes = '127.0.0.1:7001 0-8191; 127.0.0.1:7002 8192-16383'
  await refused({ cluster: true }, /ClusterNodes is missing/)
  await refused({ cluster: true, clusterNodes: 'here 0-16383' }, /"here 0-16383" is no node/)
  await refused({ cluster: true, clusterNodes: '127.0.0.1:7001' }, /is no node/)
  await refused({ cluster: true, clusterNodes: '127.0.0.1:7002 0-16383' }, /does not stand there once/)
  await refused({ cluster: true, clusterNodes: nodes, clusterAddress: '10.0.0.1:7001' }, /10\.0\.0\.1:7001, does not/)
  await refused({ cluster: true, clusterNodes: '127.0.0.1:7001 0-9000' }, /slot 9001 is given to no node/)
  await refused({ cluster: true, clusterNodes: `${nodes}; 127.0.0.1:7003 5` }, /slot 5 is given to two nodes/)
})

test('a server without Cluster = Yes is none of a cluster, whatever its nodes', async (t) => {
  const server = await startServer(t, { clusterNodes: 'whatever' })
  const client = new Redis({ port: server.addresses()[0]!.port, host: '127.0.0.1' })
  t.teardown(() => client.disconnect())
  await t.throwsAsync(() => client.cluster('SLOTS'), { message: 'ERR This instance has cluster support disabled' })
  t.is(await client.mset('a', '1', 'b', '2'), 'OK')
})
