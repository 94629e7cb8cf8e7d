/**
 * Misuse: wrong types, closed and forgotten handles, memory that was taken away, threads that end in the middle of
 * things. Each gives its own error, and nothing ends the process.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { Database, open, openSync } from 'zkdb'
import { newFolder } from './helpers/shapes.js'

const run = promisify(execFile)
// biome-ignore lint/suspicious/noExplicitAny: wrong types are the subject
type Any = any

const make = (): Any => openSync(join(newFolder(), 'data'))

/** Runs a CommonJS program in a process of its own, with `zkdb` and `folder`, and gives what it prints. */
async function program(body: string, folder = join(newFolder(), 'data')): Promise<string> {
  const head = `const zkdb = require('zkdb'); const folder = ${JSON.stringify(folder)};`
  const { stdout } = await run(process.execPath, ['--expose-gc', '-e', `${head}\n${body}`], { timeout: 60_000 })
  return stdout.trim()
}

/** Runs a program in a thread; the exit code. */
function thread(body: string, folder: string, until?: (worker: Worker) => void): Promise<number> {
  const head = `const zkdb = require('zkdb'); const folder = ${JSON.stringify(folder)};
    const { parentPort } = require('node:worker_threads');`
  const worker = new Worker(`${head}\n${body}`, { eval: true })
  until?.(worker)
  return new Promise((resolve, reject) => {
    worker.on('error', reject)
    worker.on('exit', resolve)
  })
}

test('wrong types of paths and options throw a TypeError', (t) => {
  for (const location of [undefined, null, 7, '', 'a\0b', {}, [], { path: 7 }]) {
    t.throws(() => new Database(location as Any), { instanceOf: TypeError }, String(location))
    t.throws(() => openSync(location as Any), { instanceOf: TypeError }, String(location))
  }
  const path = join(newFolder(), 'data')
  for (const option of [{ partitions: '3' }, { partitions: 1.5 }, { durability: 7 }, { readOnly: 'Yes' }]) {
    t.throws(() => openSync({ path, ...option } as Any), { instanceOf: TypeError }, JSON.stringify(option))
  }
  for (const option of [{ partitions: 257 }, { partitions: 0 }, { partitions: -1 }, { durability: 'maybe' }]) {
    t.throws(() => openSync({ path, ...option } as Any), { code: 'ZKDB_CONFIG' }, JSON.stringify(option))
  }
})

test('wrong types of keys, values and options throw', async (t) => {
  const db = make()
  for (const key of [undefined, null]) {
    for (const call of ['getFast', 'hasSync', 'delSync', 'partitionOf']) {
      t.throws(() => db[call](key), { code: 'LEVEL_INVALID_KEY' }, call)
    }
    t.throws(() => db.putSync(key, 'v'), { code: 'LEVEL_INVALID_KEY' })
    t.throws(() => db.putSync('k', key), { code: 'LEVEL_INVALID_VALUE' })
    t.throws(() => db.getManySync([key]), { code: 'LEVEL_INVALID_KEY' })
  }
  const bad = { name: 'bad', format: 'view', encode: () => 7, decode: () => 7 }
  t.throws(() => db.getManySync(['a'], { keyEncoding: bad }), { instanceOf: TypeError })
  t.throws(() => db.putSync('a', 'b', { valueEncoding: bad }), { instanceOf: TypeError })
  t.throws(() => db.getSync('a', { keyEncoding: bad }), { instanceOf: TypeError })
  await t.throwsAsync(db.put('a', 'b', { keyEncoding: bad }), { instanceOf: TypeError })
  for (const keys of [undefined, null, 'a', 7, {}]) {
    t.throws(() => db.getManySync(keys), { instanceOf: TypeError })
    t.throws(() => db.batchSync(keys), { instanceOf: TypeError })
  }
  for (const operation of [null, 7, {}, { type: 'get', key: 'a' }]) {
    t.throws(() => db.batchSync([operation]), { instanceOf: TypeError })
  }
  for (const body of [undefined, 7, {}]) t.throws(() => db.transactionSync(body), { instanceOf: TypeError })
  t.throws(() => db.putSync('a', 'b', 7), { instanceOf: TypeError })
  t.throws(() => db.putSync('a', 'b', { durability: 'maybe' }), { instanceOf: TypeError })
  t.throws(() => db.putSync('a', 'b', { durability: 'toString' }), { instanceOf: TypeError })
  t.throws(() => db.putSync('a', 'b', { ifAbsent: true, ifPresent: true }), { instanceOf: TypeError })
  t.throws(() => db.delSync('a', { ifAbsent: true }), { instanceOf: TypeError })
  await t.throwsAsync(db.put('a', 'b', { durability: 7 }), { instanceOf: TypeError })
  await t.throwsAsync(db.batch().put('a', 'b', { ifAbsent: true }).write(), { instanceOf: TypeError })
  await t.throwsAsync(db.backup(7), { instanceOf: TypeError })
  await t.throwsAsync(db.verify({ signal: {} }), { instanceOf: TypeError })
  await t.throwsAsync(db.verify({ onProgress: 7 }), { instanceOf: TypeError })
  const other = make()
  t.throws(() => db.getSync('a', { snapshot: other.snapshot() }), { instanceOf: TypeError })
  t.throws(() => db.scanSync({ snapshot: { ref() {}, unref() {} } }), { instanceOf: TypeError })
  t.throws(() => db.batchSync([{ type: 'put', key: 'a', value: 'b', sublevel: 7 }]), { instanceOf: TypeError })
  await t.throwsAsync(db.batch([{ type: 'put', key: 'a', value: 'b', sublevel: other.sublevel('x') }]), {
    instanceOf: TypeError
  })
  t.deepEqual([...db.scanSync()], [])
  await Promise.all([db.close(), other.close()])
})

test('keys up to 65,535 bytes are taken, longer ones refused', async (t) => {
  const db = make()
  const code = 'ZKDB_KEY_TOO_LARGE'
  for (const unit of ['k', '\u00e9', '\u20ac']) {
    const count = Math.floor(65_535 / Buffer.byteLength(unit))
    const [longest, tooLong] = [unit.repeat(count), unit.repeat(count + 1)]
    db.putSync(longest, 'v')
    t.is(db.getSync(longest), 'v')
    t.deepEqual(db.getManySync([longest, 'x']), ['v', undefined])
    t.is([...db.scanSync({ gte: longest, limit: 1 })].length, 1)
    for (const call of ['getSync', 'getFast', 'hasSync', 'delSync', 'partitionOf']) {
      t.throws(() => db[call](tooLong), { code }, call)
    }
    t.throws(() => db.putSync(tooLong, 'v'), { code })
    t.throws(() => db.getManySync([tooLong]), { code })
    t.throws(() => db.transactionSync((tx: Any) => tx.get(tooLong)), { code })
    await t.throwsAsync(db.put(tooLong, 'v'), { code })
    await t.throwsAsync(db.get(tooLong), { code })
    // As a bound it is no key: it lies behind its prefix.
    t.is([...db.scanSync({ gte: tooLong, lt: `${longest}x` })].length, 0)
    t.is([...db.scanSync({ gte: longest, lt: tooLong })].length, 1)
  }
  t.throws(() => db.putSync(new Uint8Array(65_536), 'v', { keyEncoding: 'view' }), { code })
  await db.close()
})

test('values over 1 GiB are refused before memory is set aside for them', async (t) => {
  const db = make()
  const value = new Uint8Array(2 ** 30 + 1)
  t.throws(() => db.putSync('a', value, { valueEncoding: 'view' }), { code: 'ZKDB_VALUE_TOO_LARGE' })
  await t.throwsAsync(db.put('a', value, { valueEncoding: 'view' }), { code: 'ZKDB_VALUE_TOO_LARGE' })
  await db.close()
})

test('a closed database refuses every call', async (t) => {
  const db = make()
  db.putSync('a', '1')
  const scan = db.scanSync()
  const iterator = scan[Symbol.iterator]()
  const snapshot = db.snapshot()
  const asynchronous = db.iterator()
  await db.close()
  const code = 'LEVEL_DATABASE_NOT_OPEN'
  for (const call of ['getSync', 'getFast', 'hasSync', 'delSync', 'partitionOf', 'explain', 'scanSync', 'clearSync']) {
    t.throws(() => db[call]('a'), { code }, call)
  }
  for (const call of ['getManySync', 'batchSync', 'transactionSync', 'snapshot', 'partitions', 'activateCheckpoints']) {
    t.throws(() => db[call]([]), { code }, call)
  }
  for (const call of ['stats', 'sync', 'checkpoint', 'verify', 'compact', 'get', 'put', 'del']) {
    const args = call === 'put' ? ['a', 'b'] : call === 'get' || call === 'del' ? ['a'] : []
    await t.throwsAsync(db[call](...args), { code }, call)
  }
  t.throws(() => [...scan], { code })
  t.throws(() => iterator.next(), { code: 'ZKDB_CLOSED' })
  t.throws(() => snapshot.ref(), { code: 'LEVEL_SNAPSHOT_NOT_OPEN' })
  await t.throwsAsync(asynchronous.next(), { code: 'LEVEL_ITERATOR_NOT_OPEN' })
  await db.close()
  await snapshot.close()
})

test('a transaction is of no use after its callback', async (t) => {
  const db = make()
  let kept: Any
  let scan: Any
  db.transactionSync((tx: Any) => {
    kept = tx
    scan = tx.scan()
  })
  for (const call of ['get', 'put', 'del', 'has', 'scan']) {
    t.throws(() => kept[call]('a', 'b'), { code: 'ZKDB_CLOSED' }, call)
  }
  t.throws(() => [...scan], { code: 'ZKDB_CLOSED' })
  await db.close()
})

test('closing waits for what is under way, and stops long operations', async (t) => {
  const db = make()
  const put = db.put('a', '1')
  const verify = db.verify()
  const [closed, written, verified] = await Promise.allSettled([db.close(), put, verify])
  t.is(closed.status, 'fulfilled')
  t.is(written.status, 'fulfilled')
  if (verified.status === 'rejected') {
    t.true(['ZKDB_ABORTED', 'LEVEL_DATABASE_NOT_OPEN'].includes((verified.reason as Any).code))
  }
})

test('memory of a getFast view that is moved to another thread is replaced', async (t) => {
  const db = make()
  db.putSync('a', 'first')
  const view = db.getFast('a')
  structuredClone(view.buffer, { transfer: [view.buffer] })
  t.is(view.length, 0)
  t.is(Buffer.from(db.getFast('a')).toString(), 'first')
  t.is(db.getSync('a'), 'first')
  const again = db.getFast('a')
  structuredClone(again.buffer, { transfer: [again.buffer] })
  t.deepEqual(db.getManySync(['a']), ['first'])
  t.is(
    db.transactionSync((tx: Any) => tx.get('a')),
    'first'
  )
  const key = new Uint8Array([1, 2, 3])
  structuredClone(key.buffer, { transfer: [key.buffer] })
  t.throws(() => db.getSync(key, { keyEncoding: 'view' }), { instanceOf: TypeError })
  t.throws(() => db.putSync('a', key, { valueEncoding: 'view' }), { instanceOf: TypeError })
  t.is(db.getSync('a'), 'first')
  await db.close()
})

test('calls from inside an encoding do not disturb the call that they are in', async (t) => {
  const db = make()
  db.batchSync([
    { type: 'put', key: 'a', value: '1' },
    { type: 'put', key: 'b', value: '2' }
  ])
  const nosy = {
    name: 'nosy',
    format: 'utf8',
    encode: (text: string) => {
      db.getSync('b')
      db.putSync('c', '3')
      return text
    },
    decode: (text: string) => `${text}${db.getSync('b')}`
  }
  t.is(db.getSync('a', { keyEncoding: nosy, valueEncoding: nosy }), '12')
  t.deepEqual(db.getManySync(['a', 'b'], { keyEncoding: nosy, valueEncoding: nosy }), ['12', '22'])
  db.batchSync([
    { type: 'put', key: 'd', value: '4', keyEncoding: nosy, valueEncoding: nosy },
    { type: 'put', key: 'e', value: '5', keyEncoding: nosy }
  ])
  t.deepEqual(db.getManySync(['c', 'd', 'e']), ['3', '4', '5'])
  await db.close()
})

test('databases, scans and snapshots that are forgotten are closed by the garbage collector', async (t) => {
  const output = await program(`
    async function main() {
      for (let i = 0; i < 20; i++) {
        let db = zkdb.openSync(folder)
        db.batchSync(Array.from({ length: 100 }, (_, j) => ({ type: 'put', key: 'k' + j, value: 'v' })))
        db.scanSync()[Symbol.iterator]().next()
        db.snapshot()
        await db.iterator().next()
        db = undefined
        gc()
        await new Promise(setImmediate)
      }
      gc()
      await new Promise((resolve) => setTimeout(resolve, 50))
      gc()
      await new Promise((resolve) => setTimeout(resolve, 50))
      const db = await zkdb.open(folder)
      console.log(db.getSync('k99'), (await db.stats()).snapshotsOpen)
      await db.close()
    }
    main()`)
  t.is(output, 'v 0')
})

test('an iterator keeps its database from being collected', async (t) => {
  const output = await program(`
    async function main() {
      let db = zkdb.openSync(folder)
      db.batchSync(Array.from({ length: 1000 }, (_, j) => ({ type: 'put', key: 'k' + j, value: 'v' })))
      const scan = db.scanSync()[Symbol.iterator]()
      const iterator = db.iterator()
      db = undefined
      for (let i = 0; i < 5; i++) { gc(); await new Promise(setImmediate) }
      let count = 0
      while (!scan.next().done) count++
      console.log(count, (await iterator.all()).length)
    }
    main()`)
  t.is(output, '1000 1000')
})

test('a process may end without closing anything', async (t) => {
  const busy = `
    const db = zkdb.openSync(folder)
    db.putSync('a', '1')
    db.snapshot(); db.iterator(); db.scanSync()[Symbol.iterator]().next()
    for (let i = 0; i < 1000; i++) db.put('k' + i, 'v').catch(() => {})
    db.verify().catch(() => {})
    console.log('done')`
  for (const end of ['', 'process.exit(0)', 'setImmediate(() => process.exit(0))']) {
    const folder = join(newFolder(), 'data')
    t.is(await program(`${busy}\n${end}`, folder), 'done', end)
    const db = await open(folder)
    t.is(db.getSync('a'), '1')
    t.true((await db.verify()).ok)
    await db.close()
  }
})

test('threads may end or be terminated in the middle of anything', async (t) => {
  const folder = join(newFolder(), 'data')
  const db = await open(folder)
  const busy = `
    const db = zkdb.openSync(folder)
    db.putSync('thread', '1')
    db.snapshot(); db.iterator(); db.scanSync()[Symbol.iterator]().next()
    for (let i = 0; i < 1000; i++) db.put('k' + i, 'v').catch(() => {})
    db.verify().catch(() => {})
    db.compact().catch(() => {})
    parentPort.postMessage('busy')`
  t.is(await thread(busy, folder), 0)
  t.is(await thread(`${busy}; process.exit(3)`, folder), 3)
  const forEver = `${busy}; setInterval(() => db.put('t', String(Date.now())), 1)`
  for (let i = 0; i < 5; i++) {
    await thread(forEver, folder, (worker) => worker.once('message', () => setTimeout(() => worker.terminate(), i * 3)))
  }
  t.is(await db.get('thread'), '1')
  t.true((await db.verify()).ok)
  await db.close()
})

test('threads share a database, and see what the others commit', async (t) => {
  const folder = join(newFolder(), 'data')
  const db = await open(folder)
  const write = (name: string): string => `
    const db = zkdb.openSync(folder)
    for (let i = 0; i < 200; i++) db.putSync('${name} ' + i, 'v')
    db.close()`
  const codes = await Promise.all([thread(write('a'), folder), thread(write('b'), folder)])
  t.deepEqual(codes, [0, 0])
  t.is([...db.scanSync({ values: false })].length, 400)
  await db.close()
})
