/**
 * The processes of remote-partitions-tls.test.ts: each uses a database with a partition over TLS and ends as its task
 * says. `threads` starts threads that do so, and terminates them at different times.
 */
import { readdirSync, readlinkSync, writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { open, openSync } from 'zkdb'

export interface ChildTask {
  path: string
  how: 'close' | 'return' | 'exit' | 'throw' | 'kill' | 'threads'
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** How many sockets this process has; -1 where that cannot be seen. */
function sockets(): number {
  const folder = '/proc/self/fd'
  try {
    return readdirSync(folder).filter((fd) => isSocket(`${folder}/${fd}`)).length
  } catch {
    return -1
  }
}

function isSocket(fd: string): boolean {
  try {
    return readlinkSync(fd).startsWith('socket:')
  } catch {
    return false
  }
}

function threads(): number {
  try {
    return readdirSync('/proc/self/task').length
  } catch {
    return -1
  }
}

/** Waits until there are no more of them than before. */
async function back(count: () => number, before: number): Promise<void> {
  for (let i = 0; i < 500 && count() > before; i++) await pause(20)
  if (count() > before) throw new Error(`${count()} instead of ${before}: ${count.name}`)
}

async function close(path: string): Promise<void> {
  // Threads of the pool and of the engine are there from now on.
  const first = await open({ path })
  await first.put('a', '0')
  await first.close()
  await pause(200)
  const before = { threads: threads(), sockets: sockets() }
  for (let i = 0; i < 3; i++) {
    const [one, two] = [openSync({ path }), await open({ path })]
    one.putSync('a', `${i}`)
    if (two.getSync('a') !== `${i}`) throw new Error('another value')
    await one.close()
    two.putSync('b', '1')
    await two.close()
  }
  writeSync(1, 'written\n')
  await back(threads, before.threads)
  await back(sockets, before.sockets)
  writeSync(1, 'threads and sockets as before\n')
}

async function terminate(path: string): Promise<void> {
  const before = sockets()
  for (let i = 0; i < 24; i++) {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { tlsPath: path } })
    worker.on('error', () => undefined)
    const ready = new Promise((resolve) => worker.once('message', resolve))
    if (i % 3 > 0) await Promise.race([ready, new Promise((resolve) => worker.once('exit', resolve))])
    await pause((i % 4) * 15)
    await worker.terminate()
  }
  await back(sockets, before)
  writeSync(1, 'sockets as before\n')
}

async function run({ path, how }: ChildTask): Promise<void> {
  if (how === 'close') return close(path)
  if (how === 'threads') return terminate(path)
  const db = openSync({ path })
  db.putSync('a', '1')
  writeSync(1, 'written\n')
  for (let i = 0; i < 50; i++) db.put(`b${i}`, '1').catch(() => undefined)
  if (how === 'exit') process.exit(7)
  if (how === 'throw') throw new Error('the end')
  if (how === 'kill') process.kill(process.pid, 'SIGKILL')
}

/** Leaves work under way, and goes on with it until it is terminated. */
async function keepBusy(path: string): Promise<void> {
  const { parentPort } = await import('node:worker_threads')
  const db = openSync({ path })
  parentPort!.postMessage('ready')
  for (let i = 0; ; i++) {
    for (let k = 0; k < 10; k++) db.put(`t${k}`, `${i}`).catch(() => undefined)
    db.getSync('t1')
    await pause(1)
  }
}

const given = (workerData as { tlsPath?: string } | null)?.tlsPath
if (!isMainThread && given) await keepBusy(given)
else if (isMainThread && process.argv[2]) await run(JSON.parse(process.argv[2]) as ChildTask)
