/**
 * What looks after a server: BGSAVE, LASTSAVE, SLOWLOG, MEMORY USAGE, and the keys of `[server]` that set them up.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { Redis } from 'ioredis'
import { open } from 'zkdb'
import { portOf, startServer, until } from './helpers/server.js'
import { newFolder } from './helpers/shapes.js'

const main = '[main]\nDatabase = care\nPartitions = p\n[p]\n'

test('BGSAVE makes a copy that opens, while the database is in use', async (t) => {
  const folder = newFolder()
  const file = join(folder, 'care.conf')
  writeFileSync(file, `${main}[server]\nBackupDir = copies\nSlowLogTime = 0\nSlowLogLength = 5\n`)
  const client = new Redis({ port: portOf(await startServer(t, {}, file)), host: '127.0.0.1' })
  t.teardown(() => client.disconnect())
  await client.mset('a', '1', 'b', '2')
  t.is(await client.lastsave(), 0)
  t.is(await client.bgsave(), 'Background saving started' as 'OK')
  t.true(await until(() => readdirSync(join(folder, 'copies')).length === 1))
  for (let info = ''; !info.includes('rdb_bgsave_in_progress:0'); ) info = await client.info('persistence')
  t.regex(await client.info('persistence'), /rdb_last_bgsave_status:ok/)
  t.true(Math.abs((await client.lastsave()) - Date.now() / 1000) < 3600)
  await client.set('b', 'later')
  const [copy] = readdirSync(join(folder, 'copies'))
  const db = await open(join(folder, 'copies', copy!))
  t.deepEqual(await db.getMany(['a', 'b']), ['1', '2'])
  await db.close()
  // The newest five; AUTH is among those that were cut away, and so is the first MSET.
  t.is(await client.slowlog('LEN'), 5)
  const [newest] = (await client.slowlog('GET', 1)) as [number, number, number, string[], string, string][]
  t.deepEqual(
    newest?.[3].map((word) => word.toUpperCase()),
    ['SLOWLOG', 'LEN']
  )
  t.is(await client.slowlog('RESET'), 'OK')
})

test('a server without BackupDir refuses BGSAVE', async (t) => {
  const client = new Redis({ port: portOf(await startServer(t)), host: '127.0.0.1' })
  t.teardown(() => client.disconnect())
  await t.throwsAsync(() => client.bgsave(), { message: /set BackupDir/ })
  await client.set('key', 'value')
  t.is(await client.memory('USAGE', 'key'), 24)
  t.is(await client.memory('USAGE', 'none'), null)
})

test('the server stops in the middle of a backup', async (t) => {
  const folder = newFolder()
  const server = await startServer(t, { backupDirectory: join(folder, 'copies') })
  const client = new Redis({ port: portOf(server), host: '127.0.0.1', retryStrategy: () => null })
  t.teardown(() => client.disconnect())
  for (let i = 0; i < 20; i++) await client.mset(...Array.from({ length: 1000 }, (_, j) => `${i}-${j}`))
  await client.bgsave()
  await t.notThrowsAsync(() => server.close({ deadlineMs: 100 }))
})

test('the keys of [server] set up a cluster and keyspace events', async (t) => {
  const file = join(newFolder(), 'care.conf')
  const keys = 'Cluster = Yes\nClusterNodes = 10.0.0.1:7001 0-9999; 10.0.0.2:7002 10000-16383\n'
  writeFileSync(file, `${main}[server]\n${keys}ClusterAddress = 10.0.0.2:7002\nKeyspaceEvents = KA\n`)
  const client = new Redis({ port: portOf(await startServer(t, {}, file)), host: '127.0.0.1' })
  const subscriber = client.duplicate()
  t.teardown(() => {
    client.disconnect()
    subscriber.disconnect()
  })
  await t.throwsAsync(() => client.get('b'), { message: 'MOVED 3300 10.0.0.1:7001' })
  const heard: string[] = []
  subscriber.on('pmessage', (_, channel, text) => heard.push(`${channel} ${text}`))
  await subscriber.psubscribe('*')
  t.is(await client.set('a', '1'), 'OK')
  t.true(await until(() => heard.length > 0))
  t.deepEqual(heard, ['__keyspace@0__:a set'])
  await t.throwsAsync(() => client.publish('a', 'x'), { message: /is part of a cluster/ })
})
