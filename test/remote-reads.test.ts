/**
 * Asynchronous reads of remote partitions, from servers that live on the thread of the calls: they could not answer if
 * a call kept that thread. No test asserts a duration.
 */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import test from 'ava'
import type { Database, MissingPart } from 'zkdb'
import { JobQueue } from '../ts/job-queue.js'
import { outcome, turn } from './helpers/remote.js'
import { RemotePlace, remoteShapes } from './helpers/remote-shapes.js'
import { openPlace, startPlace } from './helpers/resp-place.js'
import { until } from './helpers/resp-server.js'

const impatient = ['ReplyTimeout = 300', 'ConnectTimeout = 120000']

/** Whether a promise is settled. */
function watch(promise: Promise<unknown>): { isSettled: boolean } {
  const state = { isSettled: false }
  const settle = (): void => {
    state.isSettled = true
  }
  promise.then(settle, settle)
  return state
}

const kinds: Record<string, (db: Database) => Promise<unknown>> = {
  get: (db) => db.get('m'),
  getMany: (db) => db.getMany(['a', 'm']),
  has: (db) => db.has('m'),
  hasMany: (db) => db.hasMany(['a', 'm']),
  getExpiry: (db) => db.getExpiry('m'),
  next: (db) => db.iterator().next(),
  nextv: (db) => db.keys().nextv(2),
  all: (db) => db.values().all(),
  'clear with a limit': (db) => db.clear({ gte: 'm', limit: 1 })
}

for (const [name, call] of Object.entries(kinds)) {
  test(`${name}: the event loop goes on and local keys are answered while a server does not answer`, async (t) => {
    const { db, low } = await openPlace(t)
    low.fill({ m: 'remote' })
    low.handler = (command, peer) => (command[0] === 'PEXPIRETIME' ? ':-1\r\n' : low.store.handler(command, peer))
    low.hold()
    const waiting = call(db)
    const state = watch(waiting)
    await until(() => low.heldCount > 0)
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    await until(() => ticks > 3)
    clearInterval(timer)
    t.is(await db.get('a'), 'local')
    t.deepEqual(await db.getMany(['a', 'b']), ['local', undefined])
    t.true(await db.has('a'))
    t.is(await db.getExpiry('a'), null)
    // Routing is without case: a range from the empty key on has keys of the servers.
    t.deepEqual(await db.keys({ gte: 'a', lt: 'f' }).all(), ['a'])
    t.false(state.isSettled)
    low.release()
    await waiting
  })
}

test('reads of a server that does not answer end with ZKDB_TIMEOUT, while timers of the program run', async (t) => {
  const { db, low } = await openPlace(t, impatient)
  low.hold()
  let ticks = 0
  const timer = setInterval(() => ticks++, 1)
  t.is(await outcome(db.get('m')), 'ZKDB_TIMEOUT')
  clearInterval(timer)
  t.true(ticks > 0)
  // Until the server is tried again they have the reason of the last failure.
  const others = [db.get('n'), db.has('m'), db.getExpiry('m'), db.getMany(['m', 'a']), db.keys().all()].map(outcome)
  for (const code of await Promise.all(others)) t.true(['ZKDB_TIMEOUT', 'ZKDB_UNREACHABLE'].includes(code), code)
  t.is(await db.get('a'), 'local')
})

test('1,000 concurrent gets are a few pipelined round trips over one connection', async (t) => {
  const { db, low } = await openPlace(t)
  const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`)
  low.fill(Object.fromEntries(keys.map((key, i) => [key, `value ${i}`])))
  const values = await Promise.all(keys.map((key) => db.get(key)))
  t.deepEqual(
    values,
    keys.map((_, i) => `value ${i}`)
  )
  t.is(low.server.commands.length, 1000)
  t.is(low.server.peers.length, 1)
  const { pieces } = low.server.peers[0]!
  t.true(pieces.length <= 20, `${pieces.length} pieces`)
})

test('what is looked up while a call is under way is put into the next one', async (t) => {
  const { db, low } = await openPlace(t)
  low.fill({ k: 'value' })
  low.hold()
  const first = db.get('k')
  await until(() => low.heldCount === 1)
  const later: Promise<unknown>[] = []
  for (let i = 0; i < 50; i++) {
    later.push(db.get('k'), db.has('k'))
    await turn()
  }
  t.is(low.server.commands.length, 1)
  low.release()
  t.is(await first, 'value')
  t.deepEqual(await Promise.all(later), Array.from({ length: 50 }, () => ['value', true]).flat())
  const { pieces } = low.server.peers[0]!
  t.is(low.server.peers.length, 1)
  t.true(pieces.length <= 4, `${pieces.length} pieces`)
})

test('a server that does not answer holds up neither another one nor the files of the program', async (t) => {
  const { db, low, high } = await openPlace(t)
  high.fill({ z: 'remote' })
  low.hold()
  const waiting = [db.get('m'), db.keys({ gte: 'g', lt: 'p' }).all()]
  await until(() => low.heldCount === 2)
  // More of them find no thread of their own.
  for (let i = 0; i < 10; i++) {
    waiting.push(db.get(`m${i}`), db.keys({ gte: 'g', lt: 'p' }).all())
    await turn()
  }
  t.is(await db.get('z'), 'remote')
  t.deepEqual(await db.getMany(['z', 'a']), ['remote', 'local'])
  t.true((await readFile('package.json')).length > 0)
  t.is(low.heldCount, 2)
  low.release()
  await Promise.all(waiting)
})

test('values of every form, size and place come back in the order of the keys', async (t) => {
  const { db, low, high } = await openPlace(t)
  const large = 'x'.repeat(3_000_000)
  const records: Record<string, string> = { m: '', n: 'h\u00e9\u4e16', o: large, p: '1' }
  low.fill(records)
  high.fill({ z: 'far' })
  const wanted = ['z', 'nothing', 'n', 'a', 'o', 'm', 'b', 'p', 'n', 'zz']
  const values = ['far', undefined, records.n, 'local', large, '', undefined, '1', records.n, undefined]
  t.deepEqual(await db.getMany(wanted), values)
  t.deepEqual(await Promise.all(wanted.map((key) => db.get(key))), values)
  const there = values.map((value) => value !== undefined)
  t.deepEqual(await db.hasMany(wanted), there)
  t.deepEqual(await Promise.all(wanted.map((key) => db.has(key))), there)
  for (const valueEncoding of ['buffer', 'view'] as const) {
    const bytes = await Promise.all(wanted.map((key) => db.get<string, Uint8Array>(key, { valueEncoding })))
    t.deepEqual(
      bytes.map((value) => value && Buffer.from(value).toString()),
      values
    )
    t.true(bytes.every((value) => value === undefined || value instanceof Uint8Array))
  }
  t.deepEqual(await db.sublevel('n').getMany(['a']), [undefined])
})

test('values that are more than a call has room for are all given', async (t) => {
  const { db, low } = await openPlace(t)
  const keys = Array.from({ length: 60 }, (_, i) => `k${i}`)
  const longValue = (i: number): string => String(i).padEnd(100_000, '.')
  low.fill(Object.fromEntries(keys.map((key, i) => [key, longValue(i)])))
  const values = await Promise.all(keys.map((key) => db.get(key)))
  t.true(values.every((value, i) => value === longValue(i)))
  // What the server was asked for behind the room was in vain, but not again and again.
  t.true(low.server.commands.length < 200, `${low.server.commands.length} commands`)
})

test('a key whose bytes are changed after the call is looked up as it was', async (t) => {
  const { db, low } = await openPlace(t)
  low.fill({ m: 'right', n: 'wrong' })
  const key = Buffer.from('m')
  const found = db.get<Buffer, string>(key, { keyEncoding: 'buffer' })
  key.write('n')
  t.is(await found, 'right')
})

test('a key that is too large is refused alone', async (t) => {
  const { db, low } = await openPlace(t)
  low.fill({ m: '1' })
  const calls = [db.get('m'), db.get('m'.repeat(70_000)), db.has('m'), db.getMany(['m', 'm'.repeat(70_000)])]
  t.deepEqual(await Promise.all(calls.map(outcome)), ['1', 'ZKDB_KEY_TOO_LARGE', 'true', 'ZKDB_KEY_TOO_LARGE'])
})

test('getExpiry gives the time of a remote record, null, or undefined', async (t) => {
  const { db, low } = await openPlace(t)
  const times: Record<string, number> = { m: 1_900_000_000_000, n: -1, o: -2 }
  low.handler = ([name, key]) => (name === 'PEXPIRETIME' && key! in times ? `:${times[key!]}\r\n` : '-ERR no\r\n')
  const keys = ['n', 'o', 'm', 'k', 'a']
  const answers = await Promise.all(keys.map((key) => outcome(db.getExpiry(key))))
  t.deepEqual(answers, ['null', 'undefined', '1900000000000', 'ZKDB_SERVER', 'null'])
})

test('an error of one key is that of its own calls', async (t) => {
  const { db, low } = await openPlace(t)
  low.fill({ k: '1', l: '2', m: '3' })
  low.handler = (command, peer) => {
    if (command[1]?.startsWith('k bad')) return '-ERR bad key\r\n'
    return command[1] === 'k no' ? '-NOPERM not yours\r\n' : low.store.handler(command, peer)
  }
  const keys = ['k', 'k bad', 'l', 'k no', 'm', 'k bad 2', 'k bad 3', 'k']
  const answers = ['1', 'ZKDB_SERVER', '2', 'ZKDB_AUTH', '3', 'ZKDB_SERVER', 'ZKDB_SERVER', '1']
  t.deepEqual(await Promise.all(keys.map((key) => outcome(db.get(key)))), answers)
  const many = [db.getMany(['k', 'l']), db.getMany(['k', 'k no', 'l']), db.has('k bad'), db.has('k'), db.get('a')]
  t.deepEqual(await Promise.all(many.map(outcome)), ['1,2', 'ZKDB_AUTH', 'ZKDB_SERVER', 'true', 'local'])
})

test('an error of one server is that of its own keys', async (t) => {
  const { db, low, high } = await openPlace(t)
  high.fill({ z: 'far' })
  await low.server.close()
  const calls = [
    db.get('z'),
    db.get('m'),
    db.get('a'),
    db.getMany(['a', 'z']),
    db.getMany(['a', 'z', 'm']),
    db.has('m')
  ]
  const answers = ['far', 'ZKDB_UNREACHABLE', 'local', 'local,far', 'ZKDB_UNREACHABLE', 'ZKDB_UNREACHABLE']
  t.deepEqual(await Promise.all(calls.map(outcome)), answers)
  const error = await t.throwsAsync(db.get('m'))
  t.regex(error!.message, /^partition \[low\] at /)
})

test('a connection that is lost in the middle costs nobody his answer', async (t) => {
  const { db, low } = await openPlace(t)
  const keys = Array.from({ length: 200 }, (_, i) => `k${i}`)
  low.fill(Object.fromEntries(keys.map((key) => [key, key])))
  low.handler = (command, peer) => {
    if (peer.index === 0 && peer.commands.length > 90) peer.socket.destroy()
    return peer.socket.destroyed ? undefined : low.store.handler(command, peer)
  }
  t.deepEqual(await Promise.all(keys.map((key) => db.get(key))), keys)
})

test('iterators read chunks of remote partitions in order, both ways, from where they are moved to', async (t) => {
  const { db, low, high } = await openPlace(t)
  const keysOf = (letter: string): string[] =>
    Array.from({ length: 3000 }, (_, i) => `${letter}${String(i).padStart(4, '0')}`)
  const [near, far] = [keysOf('m'), keysOf('z')]
  low.fill(Object.fromEntries(near.map((key) => [key, `value of ${key}`])))
  high.fill(Object.fromEntries(far.map((key) => [key, 'v'.repeat(200)])))
  low.store.mostRecords = 700
  const all = ['a', ...near, ...far]
  t.deepEqual(await db.keys().all(), all)
  t.deepEqual(await db.keys({ reverse: true }).all(), all.toReversed())
  t.deepEqual(
    await db.values({ gte: 'm', lt: 'n', limit: 2500 }).all(),
    near.slice(0, 2500).map((key) => `value of ${key}`)
  )
  const seen: string[] = []
  for await (const [key, value] of db.iterator({ gt: 'm0500', lt: 'z0100', keyEncoding: 'buffer' })) {
    seen.push(String(key))
    t.is(value.length, String(key).startsWith('m') ? 14 : 200)
  }
  t.deepEqual(seen, all.slice(all.indexOf('m0500') + 1, all.indexOf('z0100')))
  const iterator = db.keys({ limit: 4 })
  t.is(await iterator.next(), 'a')
  iterator.seek('m2998')
  t.deepEqual(await iterator.nextv(9), ['m2998', 'm2999', 'z0000'])
  t.is(await iterator.next(), undefined)
  await iterator.close()
  const views = await db.values<string, Uint8Array>({ gte: 'z', valueEncoding: 'view' }).all()
  t.is(views.length, 3000)
  t.true(views.every((view) => view.length === 200 && view[0] === 118))
  await db.clear({ gte: 'm', limit: 2999 })
  t.deepEqual(await db.keys({ lt: 'z' }).all(), ['a', 'm2999'])
})

test('an iterator gives a record that is larger than a chunk, and reads ahead of it', async (t) => {
  const { db, low } = await openPlace(t)
  const large = 'x'.repeat(1_000_000)
  low.fill({ m: large, n: 'small', o: large })
  t.deepEqual(await db.values().all(), ['local', large, 'small', large])
  low.store.mostRecords = 1
  const iterator = db.keys({ gte: 'g', lt: 'q' })
  t.deepEqual(await iterator.nextv(2), ['m', 'n'])
  // The record behind them was asked for with the second one.
  await until(() => low.commands('ZK.RANGE').some((command) => command.includes('n')))
  await iterator.close()
})

test('an iterator tells which part it could not read, or fails', async (t) => {
  const { db, low, high } = await openPlace(t)
  high.fill({ z: 'far' })
  await low.server.close()
  const missing: MissingPart[] = []
  const onMissing = (part: MissingPart): void => void missing.push(part)
  t.deepEqual(await db.keys({ onMissing } as never).all(), ['a', 'z'])
  t.like(missing, [{ partition: 1, from: undefined, error: { code: 'ZKDB_UNREACHABLE' } }])
  t.is(await outcome(db.keys().next()), 'ZKDB_UNREACHABLE')
})

test('what was asked for before close is answered, whatever is under way', async (t) => {
  const { db, low } = await openPlace(t)
  low.fill({ m: 'remote' })
  low.hold()
  const iterator = db.keys()
  const first = [db.get('m'), iterator.next()]
  await until(() => low.heldCount === 2)
  const second = [db.get('m'), db.getMany(['m', 'a']), db.has('m')]
  const closing = db.close()
  const state = watch(closing)
  t.is(await outcome(db.get('m')), 'LEVEL_DATABASE_NOT_OPEN')
  t.is(await outcome(db.getExpiry('m')), 'LEVEL_DATABASE_NOT_OPEN')
  await turn()
  t.false(state.isSettled)
  low.release()
  t.deepEqual(await Promise.all(first), ['remote', 'a'])
  t.deepEqual(await Promise.all(second), ['remote', ['remote', 'local'], true])
  await closing
  t.is(await outcome(iterator.next()), 'LEVEL_ITERATOR_NOT_OPEN')
  await db.open()
  t.is(await db.get('m'), 'remote')
})

test('a database is closed while a server does not answer, and the calls are rejected', async (t) => {
  const { db, low } = await openPlace(t, impatient)
  low.hold()
  const calls = [
    db.get('m'),
    db.getMany(['n', 'a']),
    db.has('m'),
    db.getExpiry('m'),
    db.keys().all(),
    db.iterator().next()
  ]
  const outcomes = Promise.all(calls.map(outcome))
  await db.close()
  for (const code of await outcomes) t.true(['ZKDB_TIMEOUT', 'ZKDB_UNREACHABLE'].includes(code), code)
})

test('a snapshot that is closed meanwhile is there until its reads are answered', async (t) => {
  const place = new RemotePlace(remoteShapes[2]!)
  await place.start()
  t.teardown(() => place.stop())
  const { open } = await import('zkdb')
  const db = await open(place.location)
  for (const key of ['a', 'm', 'z']) await db.put(key, 'old')
  const snapshot = db.snapshot()
  await db.put('a', 'new')
  t.is(await db.get('a', { snapshot }), 'old')
  t.deepEqual(await db.getMany(['m', 'a', 'z'], { snapshot }), ['old', 'old', 'old'])
  const calls: Promise<unknown>[] = [
    db.has('m', { snapshot }),
    db.hasMany(['a', 'm'], { snapshot }),
    db.get('m', { snapshot }),
    db.getExpiry('m', { snapshot }),
    db.keys({ snapshot }).all()
  ]
  const closed = snapshot.close()
  t.deepEqual(await Promise.all(calls), [true, [true, true], 'old', null, ['a', 'm', 'z']])
  await closed
  t.is(await outcome(db.get('m', { snapshot })), 'LEVEL_SNAPSHOT_NOT_OPEN')
  t.is(await outcome(db.getExpiry('m', { snapshot })), 'LEVEL_SNAPSHOT_NOT_OPEN')
  // A close of the database closes the snapshot too, while it is read.
  const another = db.snapshot()
  const last = [db.get('m', { snapshot: another }), db.keys({ snapshot: another }).next()]
  await db.close()
  t.deepEqual(await Promise.all(last), ['old', 'a'])
})

/** Starts reads that are not answered, in this process or a thread of it, and ends as it is told. */
const reader = `
const { Worker, isMainThread, workerData, parentPort } = require('node:worker_threads')
const zkdb = require('zkdb')
const [location, end] = isMainThread ? process.argv.slice(1) : workerData
const ignore = () => {}
function read() {
  const db = zkdb.openSync(location)
  globalThis.kept = [db, db.iterator(), db.snapshot()]
  for (let i = 0; i < 20; i++) {
    db.get('m' + i).catch(ignore)
    db.has('z' + i, { snapshot: kept[2] }).catch(ignore)
    db.getExpiry('m' + i).catch(ignore)
  }
  kept[1].next().catch(ignore)
  db.keys().all().catch(ignore)
  return db
}
async function main() {
  if (!isMainThread) {
    read()
    setInterval(ignore, 1000)
    setTimeout(() => parentPort.postMessage('reading'), 20)
    return
  }
  const db = read()
  if (end === 'exit') setTimeout(() => process.exit(0), 20)
  if (end === 'close') await db.close()
  if (end === 'collect') { kept = []; setTimeout(gc, 20) }
  if (end !== 'thread') return
  const worker = new Worker(process.env.READER, { eval: true, workerData: [location, end] })
  worker.once('message', () => void worker.terminate())
  await new Promise((resolve) => worker.once('exit', resolve))
}
main()
`

test('a process, and a thread, may end while its reads wait for servers', async (t) => {
  const { location, low, high } = await startPlace(t, impatient)
  low.hold()
  high.hold()
  for (const end of ['exit', 'return', 'close', 'collect', 'thread']) {
    const child = spawn(process.execPath, ['--expose-gc', '-e', reader, location, end], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, READER: reader }
    })
    let complaint = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text
    })
    const [code, signal] = await new Promise<unknown[]>((resolve) => child.on('close', (...how) => resolve(how)))
    t.deepEqual([code, signal, complaint], [0, null, ''], end)
  }
})

test('a queue runs as many jobs as it may, in order, and goes on after one that fails', async (t) => {
  const queue = new JobQueue(1 / 2)
  const most = Math.max(1, Math.floor(Number(process.env.UV_THREADPOOL_SIZE ?? 4) / 2))
  const begun: number[] = []
  const ends: (() => void)[] = []
  const jobs = Array.from({ length: 6 }, (_, i) =>
    outcome(
      queue.run(async () => {
        begun.push(i)
        await new Promise<void>((resolve) => ends.push(resolve))
        if (i === 1) throw Object.assign(new Error('failed'), { code: 'FAILED' })
        return i
      })
    )
  )
  for (let ended = 0; ended < 6; ended++) {
    await until(() => ends.length > ended)
    t.true(begun.length - ended <= most)
    ends[ended]!()
  }
  t.deepEqual(await Promise.all(jobs), ['0', 'FAILED', '2', '3', '4', '5'])
  t.deepEqual(begun, [0, 1, 2, 3, 4, 5])
})
