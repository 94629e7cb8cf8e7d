/**
 * `zkdb serve` as a program of its own: signals, files, memory, kill -9 and the supervisor.
 */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { openSync } from 'zkdb'
import { endOf, startZkdb, zkdb } from './helpers/command.js'
import { connectTo, encode, memoryOf, until } from './helpers/server.js'
import { newFolder } from './helpers/shapes.js'

interface Served {
  child: ChildProcess
  port: number
  pid: number
  log: () => string
}

/** Starts the command and waits until it is ready. */
async function startServe(t: ExecutionContext, args: string[]): Promise<Served> {
  const child = startZkdb(['serve', '--json', '--create', '--listen', '127.0.0.1:0', ...args])
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  let errors = ''
  child.stdout!.on('data', (chunk) => (output += chunk))
  child.stderr!.on('data', (chunk) => (errors += chunk))
  await until(() => output.includes('\n') || child.exitCode !== null)
  t.true(output.includes('\n'), errors)
  const { pid, addresses } = JSON.parse(output.split('\n')[0]!) as { pid: number; addresses: string[] }
  return { child, pid, port: Number(addresses[0]!.split(':').at(-1)), log: () => errors }
}

test('SIGTERM stops the server cleanly with exit code 0', async (t) => {
  const path = newFolder()
  const pidFile = join(newFolder(), 'zkdb.pid')
  const { child, port, pid, log } = await startServe(t, [path, '--pid-file', pidFile])
  t.is(readFileSync(pidFile, 'utf8'), `${pid}\n`)
  const client = await connectTo(t, port)
  t.is(await client.line('SET', 'k', 'v'), '+OK\r\n')
  child.kill('SIGTERM')
  t.is(await endOf(child), 0)
  t.false(existsSync(pidFile))
  const events = log()
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { event: string }).event)
  t.deepEqual(events, ['ready', 'stopping', 'stopped'])
  const db = openSync(path)
  t.is(db.getSync('k'), 'v')
  await db.close()
})

test('settings come from the section server of the configuration, and options go before them', async (t) => {
  const folder = newFolder()
  const config = join(folder, 'app.conf')
  const lines = ['Partitions = p1', '[server]', 'MaxConnections = 3', 'AuthKey = secret', 'LogFile = app.log', '[p1]']
  writeFileSync(config, lines.join('\n'))
  const { child, port } = await startServe(t, ['--config', config, '--max-connections', '1'])
  const client = await connectTo(t, port)
  t.regex(await client.line('GET', 'k'), /^-NOAUTH/)
  t.is(await client.line('AUTH', 'secret'), '+OK\r\n')
  t.regex((await (await connectTo(t, port)).end()).toString(), /^-ERR max number/)
  const log = join(folder, 'app.log')
  t.true(readFileSync(log, 'utf8').includes('"ready"'))
  renameSync(log, `${log}.1`)
  child.kill('SIGHUP')
  t.true(await until(() => existsSync(log)))
  child.kill('SIGTERM')
  t.is(await endOf(child), 0)
  t.true(readFileSync(log, 'utf8').includes('"stopped"'))
})

test('options set up a cluster, events, backups and the slow log', async (t) => {
  const copies = join(newFolder(), 'copies')
  const nodes = '10.0.0.1:7001 0-9999; 10.0.0.2:7002 10000-16383'
  const { child, port } = await startServe(t, [
    ...[newFolder(), '--cluster', '--cluster-nodes', nodes, '--cluster-address', '10.0.0.2:7002'],
    ...['--keyspace-events', 'Kx', '--backup-dir', copies, '--slow-log-time', '0', '--slow-log-length', '2']
  ])
  const client = await connectTo(t, port)
  t.is(await client.line('GET', 'b'), '-MOVED 3300 10.0.0.1:7001\r\n')
  for (let i = 0; i < 4; i++) t.is(await client.line('SET', 'a', 'v'), '+OK\r\n')
  t.is(await client.line('SLOWLOG', 'LEN'), ':2\r\n')
  t.regex(await client.line('CONFIG', 'GET', 'notify-keyspace-events'), /xK/)
  t.is(await client.line('BGSAVE'), '+Background saving started\r\n')
  t.true(existsSync(copies))
  child.kill('SIGTERM')
  t.is(await endOf(child), 0)
})

test('every key of [server] has its option in the help and its line in the documents', (t) => {
  const help = zkdb(['serve', '--help']).stdout
  const cli = readFileSync('docs/cli.md', 'utf8')
  const server = readFileSync('docs/server.md', 'utf8')
  const keys = [...readFileSync('ts/server/settings.ts', 'utf8').matchAll(/\{ name: '(\w+)', option:/g)]
  t.true(keys.length > 20)
  for (const [, key] of keys) {
    const row = cli.split('\n').find((line) => line.split('|')[1]?.includes(`\`${key}\``))
    t.truthy(row, `docs/cli.md: ${key}`)
    t.regex(server, new RegExp(`^\\| .*\`${key}\`.* \\|`, 'm'), 'docs/server.md')
    // A password is no argument: arguments are seen by others.
    const options = row?.split('|')[2]?.match(/--[a-z-]+/g) ?? []
    t.is(options.length > 0, key !== 'AuthKey', key)
    for (const option of options) t.regex(help, new RegExp(`^ +${option}[ \n]`, 'm'))
  }
  for (const [, option] of help.matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm)) {
    if (option !== '--help') t.true(cli.includes(`\`${option}`) || cli.includes(` ${option}`), option)
  }
})

test('what cannot be served ends with the exit code of its error', (t) => {
  const folder = newFolder()
  t.is(zkdb(['serve']).exit, 2)
  t.is(zkdb(['serve', join(folder, 'none.conf')]).exit, 3)
  const open = zkdb(['serve', folder, '--create', '--listen', '0.0.0.0:0'])
  t.is(open.exit, 3)
  t.regex(open.stderr, /other machines can reach/)
  const config = join(folder, 'app.conf')
  for (const line of ['MaxConnections = many', 'TcpDelay = maybe', 'AccessFile = hosts', 'MaxPacketSize = 1']) {
    writeFileSync(config, `Partitions = p1\n[server]\n${line}\n[p1]\n`)
    t.is(zkdb(['serve', config, '--listen', ':0']).exit, 3, line)
  }
  // An urgent error is not tried again.
  t.is(zkdb(['serve', config, '--supervise']).exit, 3)
})

test('a frame that announces 2^32-1 bytes is refused at once and allocates nothing', async (t) => {
  const { port, pid } = await startServe(t, [newFolder()])
  await (await connectTo(t, port)).line('PING')
  const before = memoryOf(pid)
  for (let i = 0; i < 200; i++) {
    const client = await connectTo(t, port)
    client.socket.write(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${2 ** 32 - 1}\r\n`)
    t.regex((await client.end()).toString(), /^-ERR Protocol error/)
    client.socket.destroy()
  }
  t.true(memoryOf(pid) - before < 8 << 20, `${memoryOf(pid) - before} bytes more`)
})

test('announced values of 15 MiB take no memory before they come', async (t) => {
  const { port, pid } = await startServe(t, [newFolder()])
  const clients = await Promise.all(Array.from({ length: 200 }, () => connectTo(t, port)))
  for (const client of clients) await client.line('PING')
  const before = memoryOf(pid)
  for (const client of clients) client.socket.write(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${15 << 20}\r\nabc`)
  await new Promise((resolve) => setTimeout(resolve, 500))
  t.true(memoryOf(pid) - before < 16 << 20, `${memoryOf(pid) - before} bytes more`)
})

test('5,000 idle and half-sending connections take less than 100 MB and hold up nobody', async (t) => {
  t.timeout(120_000)
  // Both processes have to have so many files open.
  const most = Number(/Max open files\s+\d+\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 5600)
  const count = Math.min(5000, most - 600)
  if (count < 5000) t.log(`only ${count} connections: a process may open ${most} files`)
  const { port, pid } = await startServe(t, [newFolder(), '--max-connections-per-address', '6000'])
  const good = await connectTo(t, port)
  await good.line('SET', 'k', 'v')
  const before = memoryOf(pid)
  const half = encode('SET', 'key', 'v'.repeat(500)).subarray(0, 200)
  for (let i = 0; i < count; i += 100) {
    const clients = await Promise.all(Array.from({ length: 100 }, () => connectTo(t, port)))
    for (const client of clients) client.socket.write(i % 200 === 0 ? half : encode('GET', 'k'))
  }
  t.is(await good.line('GET', 'k'), '$1\r\nv\r\n')
  const more = memoryOf(pid) - before
  t.log(`${Math.round(more / count)} bytes per connection`)
  t.true(more < 100e6, `${more} bytes more`)
})

test('kill -9 under load loses nothing that was acknowledged', async (t) => {
  const path = newFolder()
  for (let round = 0; round < 3; round++) {
    const { child, port, pid } = await startServe(t, [path])
    const clients = await Promise.all(Array.from({ length: 20 }, () => connectTo(t, port)))
    const sent = clients.map(() => 0)
    const feed = (i: number): void => {
      if (clients[i]!.isClosed) return
      const from = sent[i]!
      sent[i] = from + 10
      const sets = Array.from({ length: 10 }, (_, n) => encode('SET', `${round}-${i}-${from + n}`, `${from + n}`))
      clients[i]!.socket.write(Buffer.concat(sets), () => setImmediate(feed, i))
    }
    for (let i = 0; i < clients.length; i++) feed(i)
    t.true(await until(() => clients.every((client) => client.received.length > 500)))
    process.kill(pid, 'SIGKILL')
    t.is(await endOf(child), 'SIGKILL')
    await Promise.all(clients.map((client) => client.end()))
    const db = openSync(path)
    for (const [i, client] of clients.entries()) {
      const acknowledged = Math.floor(client.received.length / 5)
      t.is(
        client.received.toString(),
        '+OK\r\n'.repeat(acknowledged) + client.received.toString().slice(acknowledged * 5)
      )
      for (let n = 0; n < acknowledged; n++) t.is(db.getSync(`${round}-${i}-${n}`), `${n}`)
    }
    await db.close()
  }
})

test('the supervisor starts a killed child again, and ends with it at SIGTERM', async (t) => {
  const path = newFolder()
  const log = join(newFolder(), 'zkdb.log')
  const pidFile = join(newFolder(), 'zkdb.pid')
  const socket = join(newFolder(), 'zkdb.sock')
  const options = ['--supervise', '--log-file', log, '--pid-file', pidFile, '--unix', socket]
  const { child, pid } = await startServe(t, [path, ...options])
  t.is(await (await connectTo(t, socket)).line('SET', 'k', 'v'), '+OK\r\n')
  process.kill(pid, 'SIGKILL')
  const pidNow = (): number => (existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0)
  t.true(await until(() => pidNow() > 0 && pidNow() !== pid))
  const next = pidNow()
  t.true(await until(() => readFileSync(log, 'utf8').split('"ready"').length === 3))
  t.is(await (await connectTo(t, socket)).line('GET', 'k'), '$1\r\nv\r\n')
  child.kill('SIGTERM')
  t.is(await endOf(child), 0)
  t.throws(() => process.kill(next, 0), { code: 'ESRCH' })
})

test('a supervised child is replaced when ProcessLife is over', async (t) => {
  const log = join(newFolder(), 'zkdb.log')
  const socket = join(newFolder(), 'zkdb.sock')
  const options = ['--supervise', '--process-life', '2', '--log-file', log, '--unix', socket]
  const { child } = await startServe(t, [newFolder(), ...options])
  for (let i = 0; i < 2; i++) t.is(await (await connectTo(t, socket)).line('PING'), '+PONG\r\n')
  t.true(await until(() => readFileSync(log, 'utf8').split('"ready"').length === 3))
  t.true(readFileSync(log, 'utf8').includes('ProcessLife is over'))
  child.kill('SIGTERM')
  t.is(await endOf(child), 0)
})

test('a process that ends without closing its server ends, and leaves the database whole', async (t) => {
  const path = newFolder()
  const script = `
    import { serve } from 'zkdb/server'
    await serve(${JSON.stringify(path)}, { listen: '127.0.0.1:0' })
    process.exit(7)`
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 30_000, encoding: 'utf8' })
  t.is(done.status, 7, done.stderr)
  const db = openSync(path)
  db.putSync('k', 'v')
  t.is(db.getSync('k'), 'v')
  await db.close()
})
