/**
 * Threads of one process share a database: readers see whole commits only, threads end in any order and with work
 * under way, handles that nobody closed are collected, and the lock is given back with the last of them.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { type Database, open, openSync } from 'zkdb'
import { newFolder, type Shape, shapes } from './helpers/shapes.js'
import { accounts, deposit, type ThreadTask, transfer } from './helpers/thread.js'

const program = new URL('./helpers/thread.js', import.meta.url)
const seconds = Number(process.env.ZKDB_WORKER_SECONDS ?? 2)

/** Starts a thread; resolves when it is at work. */
async function start(task: ThreadTask): Promise<Worker> {
  const worker = new Worker(program, { workerData: task })
  const [message] = await once(worker, 'message')
  if (message !== 'ready') throw new Error(`the thread said ${message}`)
  return worker
}

/** Stops a thread that reads or writes; what it counted. */
async function stop(worker: Worker): Promise<number> {
  const exit = once(worker, 'exit')
  const count = once(worker, 'message')
  worker.postMessage('stop')
  const [[counted], [code]] = await Promise.all([count, exit])
  if (code !== 0) throw new Error(`the thread ended with ${code}`)
  return counted as number
}

function optionsOf(shape: Shape): { path: string } {
  const { location, options } = shape.make(newFolder())
  return { path: location, ...options }
}

/** Runs a CommonJS program in a process of its own, with the garbage collector at hand, and gives what it prints. */
async function inProcess(body: string, path: string): Promise<string> {
  const code = `const zkdb = require('zkdb'); const path = ${JSON.stringify(path)};\n${body}`
  const args = ['--expose-gc', '-e', code]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 })
  return stdout.trim()
}

async function assertWhole(t: ExecutionContext, db: Database): Promise<void> {
  t.deepEqual((await db.verify()).findings, [])
}

for (const shape of shapes) {
  test(`two threads read whole commits while a third one writes, with ${shape.name}`, async (t) => {
    const options = optionsOf(shape)
    const db = await open(options)
    db.batchSync(accounts.map((key) => ({ type: 'put', key, value: String(deposit) })))
    db.putSync('transfers', '0')
    const readers = await Promise.all([start({ role: 'read', options }), start({ role: 'read', options })])
    const failure = Promise.race(readers.map(async (reader) => Promise.reject((await once(reader, 'error'))[0])))
    failure.catch(() => undefined)
    let count = 1
    for (const end = Date.now() + seconds * 1000; Date.now() < end; count++) {
      await transfer(db, count)
      if (count % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
      if (count % 1000 === 0) await db.checkpoint()
    }
    const reads = await Promise.race([Promise.all(readers.map(stop)), failure])
    t.log(`${count} transfers, ${reads[0]} and ${reads[1]} rounds of reads`)
    t.true(reads[0]! > 0 && reads[1]! > 0)
    await assertWhole(t, db)
    t.is((await db.stats()).snapshotsOpen, 0)
    await db.close()
  })
}

test('threads that end with work under way, in any order, leave the database whole', async (t) => {
  const options = { path: join(newFolder(), 'data'), partitions: 4 }
  const db = await open(options)
  await db.put('mine', '1')
  for (let round = 0; round < 6; round++) {
    const busy = await Promise.all(Array.from({ length: 3 }, () => start({ role: 'busy', options })))
    const order = [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0]
    ][round % 3]!
    for (const index of order) {
      await busy[index]!.terminate()
      t.is(db.getSync('mine'), '1')
      db.putSync('round', String(round))
    }
  }
  await assertWhole(t, db)
  t.is((await db.stats()).snapshotsOpen, 0)
  await db.close()
})

test('a thread that exits, throws or closes with work under way leaves the database whole', async (t) => {
  const options = { path: join(newFolder(), 'data') }
  const db = await open(options)
  const codes = { exit: 3, throw: 1, close: 0 }
  for (const end of ['exit', 'throw', 'close', 'exit', 'throw', 'close'] as const) {
    const worker = new Worker(program, { workerData: { role: 'busy', options, end } satisfies ThreadTask })
    const errors: Error[] = []
    worker.on('error', (error) => errors.push(error))
    const code = await new Promise((resolve) => worker.on('exit', resolve))
    t.is(code, codes[end], end)
    t.deepEqual(
      errors.map((error) => error.message),
      end === 'throw' ? ['the thread throws'] : []
    )
    db.putSync('after', end)
  }
  await assertWhole(t, db)
  await db.close()
})

test('the threads go on when the one that opened first closes, and the last one gives the lock back', async (t) => {
  const options = { path: join(newFolder(), 'data') }
  const first = await open(options)
  await first.put('a', '1')
  const writers = [await start({ role: 'write', options }), await start({ role: 'write', options })]
  await first.close()
  t.throws(() => first.getSync('a'), { code: 'LEVEL_DATABASE_NOT_OPEN' })
  const look = "zkdb.open(path).then((db) => db.close()).then(() => console.log('free'), (e) => console.log(e.code))"
  t.is(await inProcess(look, options.path), 'ZKDB_LOCKED')
  t.true((await stop(writers[0]!)) > 0)
  t.is(await inProcess(look, options.path), 'ZKDB_LOCKED')
  t.true((await stop(writers[1]!)) > 0)
  t.is(await inProcess(look, options.path), 'free')
  const again = openSync(options)
  t.is(again.getSync('a'), '1')
  t.true(again.hasSync('write 0'))
  await again.close()
})

test('a thread that is terminated gives the lock back', async (t) => {
  const options = { path: join(newFolder(), 'data') }
  const worker = await start({ role: 'busy', options })
  await worker.terminate()
  const look = "zkdb.open(path).then((db) => db.close()).then(() => console.log('free'), (e) => console.log(e.message))"
  t.is(await inProcess(look, options.path), 'free')
})

test('handles that nobody closed are collected, and the database with the last of them', async (t) => {
  const path = join(newFolder(), 'data')
  const output = await inProcess(
    `
    const rest = () => new Promise((resolve) => setTimeout(resolve, 10))
    function forget(count) {
      for (let i = 0; i < count; i++) {
        const db = zkdb.openSync(path)
        db.putSync('k' + i, 'v'.repeat(100))
        db.snapshot()
        db.iterator()
        db.keys().next().catch(() => {})
        db.scanSync()[Symbol.iterator]().next()
        db.put('later ' + i, 'v').catch(() => {})
      }
    }
    async function main() {
      for (let i = 0; i < 10; i++) {
        forget(20)
        await rest()
        gc()
      }
      let left = 'locked'
      for (let i = 0; i < 200 && left === 'locked'; i++) {
        gc()
        await rest()
        const { status } = require('node:child_process').spawnSync(process.execPath, ['-e',
          "require('zkdb').open(process.argv[1]).then((db) => db.close(), () => process.exit(1))", path])
        if (status === 0) left = 'given back'
      }
      console.log(left)
      const db = zkdb.openSync(path)
      const { findings } = await db.verify()
      console.log(findings.length, (await db.stats()).snapshotsOpen, [...db.scanSync()].length)
      await db.close()
    }
    main()`,
    path
  )
  t.is(output, 'given back\n0 0 40')
})
