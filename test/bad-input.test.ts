/**
 * Bad files and bad surroundings: each has its own code and a message that names the file; nothing that was written is
 * lost, and the process goes on. What callers pass is the subject of misuse.test.ts.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { open, openSync, ZkdbError } from 'zkdb'
import {
  damagePages,
  holdsAll,
  makeDatabase,
  makeReadOnly,
  mountSmall,
  records,
  setVersion,
  unmount
} from './helpers/damage.js'
import { newFolder } from './helpers/shapes.js'

/** Opening must fail with this code and a message with these parts, both ways. */
async function refused(t: ExecutionContext, path: string, code: string, ...parts: string[]): Promise<void> {
  const expected = { instanceOf: ZkdbError, code }
  for (const error of [t.throws(() => openSync(path), expected), await t.throwsAsync(open(path), expected)]) {
    for (const part of parts) t.true(error?.message.includes(part), `${part} in: ${error?.message}`)
    t.is((error as ZkdbError | undefined)?.urgency, 'urgent')
  }
}

/** With the right file in its place again everything is there. */
async function heals(t: ExecutionContext, path: string, segment: string, copy: string): Promise<void> {
  rmSync(segment, { force: true })
  copyFileSync(copy, segment)
  const db = await open(path)
  t.true(holdsAll(db))
  t.deepEqual((await db.verify()).findings, [])
  await db.close()
}

/** Ends a test that cannot run here, and says why. */
function skip(t: ExecutionContext, reason: string): void {
  t.log(`skipped: ${reason}`)
  t.pass()
}

const damages: Record<string, { code: string; damage: (segment: string) => void }> = {
  'a foreign file': {
    code: 'ZKDB_NOT_ZKDB',
    damage: (segment) => writeFileSync(segment, 'Dear diary,\n'.repeat(9999))
  },
  'a file of a newer format': { code: 'ZKDB_VERSION', damage: (segment) => setVersion(segment, 3) },
  'a truncated segment': { code: 'ZKDB_SEGMENT_MISSING', damage: (segment) => truncateSync(segment, 5 * 4096) },
  'a segment cut to less than its metas': {
    code: 'ZKDB_SEGMENT_MISSING',
    damage: (segment) => truncateSync(segment, 100)
  },
  'a missing segment': { code: 'ZKDB_SEGMENT_MISSING', damage: (segment) => rmSync(segment) }
}

for (const [name, { code, damage }] of Object.entries(damages)) {
  test(`${name} is refused with ${code}, and nothing is changed`, async (t) => {
    const path = join(newFolder(), 'data')
    const segment = await makeDatabase(path)
    const copy = join(newFolder(), 'copy')
    copyFileSync(segment, copy)
    damage(segment)
    await refused(t, path, code, segment)
    await heals(t, path, segment, copy)
  })
}

test('damaged pages take out the reads that need them, and nothing else', async (t) => {
  const path = join(newFolder(), 'data')
  const segment = await makeDatabase(path)
  const copy = join(newFolder(), 'copy')
  copyFileSync(segment, copy)
  damagePages(segment)
  const db = await open(path)
  const expected = { instanceOf: ZkdbError, code: 'ZKDB_CORRUPT' }
  const [key] = records[0]!
  const calls: Record<string, () => unknown> = {
    getSync: () => db.getSync(key),
    getFast: () => db.getFast(key),
    hasSync: () => db.hasSync(key),
    getManySync: () => db.getManySync([key]),
    scanSync: () => [...db.scanSync()],
    toArrays: () => db.scanSync({ reverse: true }).toArrays(),
    putSync: () => db.putSync(key, 'v'),
    transactionSync: () => db.transactionSync((tx) => tx.get(key))
  }
  for (const [name, call] of Object.entries(calls)) {
    const error = t.throws(call, expected, name)
    t.true(error?.message.includes(segment) && /page \d+/.test(error.message), `${name}: ${error?.message}`)
  }
  await t.throwsAsync(db.get(key), expected)
  await t.throwsAsync(db.put(key, 'v'), expected)
  await t.throwsAsync(db.iterator().all(), expected)
  const { ok, count, findings } = await db.verify()
  t.false(ok)
  t.true(count > 0 && findings[0]!.includes('000.zkd'), findings[0])
  await db.close().catch(() => undefined)
  await heals(t, path, segment, copy)
})

test('one damaged partition leaves the others as they are', async (t) => {
  const path = join(newFolder(), 'data')
  await makeDatabase(path, { partitions: 4 })
  const first = await open(path)
  const { directory } = first.partitions()[2]!
  const [lost, kept] = [2, 1].map((index) => records.filter(([key]) => first.partitionOf(key).index === index))
  await first.close()
  damagePages(join(directory, '000.zkd'))
  const db = await open(path)
  for (const [key] of lost!.slice(0, 10)) t.throws(() => db.getSync(key), { code: 'ZKDB_CORRUPT' })
  for (const [key, value] of kept!) t.is(db.getSync(key), value)
  db.putSync(kept![0]![0], 'still writable')
  t.is(db.getSync(kept![0]![0]), 'still writable')
  await db.close().catch(() => undefined)
})

test('a log of another database or of another time is refused', async (t) => {
  const [folder, other] = [newFolder(), newFolder()]
  const path = join(folder, 'data')
  await makeDatabase(path)
  await makeDatabase(join(other, 'data'))
  const logs = join(path, 'log')
  t.true(existsSync(logs), readdirSync(path).join())
  renameSync(logs, join(folder, 'log'))
  await t.throwsAsync(open(path), { instanceOf: ZkdbError, message: /log/ })
  rmSync(logs, { recursive: true, force: true })
  cpSync(join(other, 'data', 'log'), logs, { recursive: true })
  await refused(t, path, 'ZKDB_MISMATCH', path)
  rmSync(logs, { recursive: true })
  renameSync(join(folder, 'log'), logs)
  const db = await open(path)
  t.true(holdsAll(db))
  await db.close()
})

test('a full disk is an error; reads go on, and writes work again once there is room', async (t) => {
  const folder = newFolder()
  const reason = mountSmall(folder, '12m')
  if (reason !== undefined) return skip(t, `no small file system can be mounted: ${reason}`)
  try {
    const ballast = join(folder, 'ballast')
    writeFileSync(ballast, Buffer.alloc(5 << 20))
    const path = join(folder, 'data')
    const db = await open({ path, logFileSize: '256K', minCheckpointSize: '512K' })
    const written: [string, string][] = []
    const write = (): void => {
      const [key, value] = [`key ${String(written.length).padStart(6, '0')}`, 'v'.repeat(2000)]
      db.putSync(key, value)
      written.push([key, value])
    }
    const error = t.throws(
      () => {
        for (let i = 0; i < 10_000; i++) write()
      },
      { instanceOf: ZkdbError, code: 'ZKDB_NO_SPACE' }
    )
    t.true(error?.message.includes(folder), error?.message)
    t.log(`full after ${written.length} records: ${error?.message}`)
    await t.throwsAsync(db.put('x', 'v'.repeat(3_000_000)), { code: 'ZKDB_NO_SPACE' })
    t.deepEqual([...db.scanSync()], written)
    rmSync(ballast)
    for (let i = 0; i < 100; i++) write()
    t.deepEqual([...db.scanSync()], written)
    await db.close()
    const again = await open(path)
    t.deepEqual([...again.scanSync()], written)
    t.deepEqual((await again.verify()).findings, [])
    await again.close()
  } finally {
    unmount(folder)
  }
})

test('a read-only directory is an error that names it, and can be read with readOnly', async (t) => {
  const folder = newFolder()
  const mounted = mountSmall(folder, '64m') === undefined
  const path = join(folder, 'data')
  try {
    await makeDatabase(path, { logFileSize: '1M' })
    const reason = makeReadOnly(folder)
    if (reason !== undefined) return skip(t, reason)
    if (!mounted) chmodSync(path, 0o555)
    const denied = await t.throwsAsync(open(join(folder, 'new')), { instanceOf: ZkdbError, code: 'ZKDB_READ_ONLY' })
    t.true(denied?.message.includes(join(folder, 'new')), denied?.message)
    const db = await open({ path, readOnly: true })
    t.true(holdsAll(db))
    t.throws(() => db.putSync('a', 'b'), { instanceOf: ZkdbError, code: 'ZKDB_READ_ONLY' })
    await db.close()
    const writable = await t.throwsAsync(open(path), { instanceOf: ZkdbError })
    t.true(['ZKDB_READ_ONLY', 'ZKDB_IO'].includes(String((writable as ZkdbError).code)), writable?.message)
    t.true(writable?.message.includes(folder), writable?.message)
  } finally {
    if (mounted) unmount(folder)
    else for (const each of [folder, path]) chmodSync(each, 0o755)
  }
})

test('a second process is told who has the database, and gets it when that one is killed', async (t) => {
  const path = join(newFolder(), 'data')
  const code = `const db = require('zkdb').openSync(${JSON.stringify(path)})
    db.putSync('a', '1'); console.log('open'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await refused(t, path, 'ZKDB_LOCKED', String(child.pid), path)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const db = await open(path)
  t.is(db.getSync('a'), '1')
  await db.close()
})

test('a path that is no place for a database is refused and left alone', async (t) => {
  const folder = newFolder()
  const file = join(folder, 'notes.txt')
  writeFileSync(file, 'These are notes.\n')
  await refused(t, file, 'ZKDB_CONFIG', file)
  await refused(t, join(file, 'below'), 'ZKDB_IO', basename(dirname(join(file, 'below'))))
  t.deepEqual(readdirSync(folder), ['notes.txt'])
})
