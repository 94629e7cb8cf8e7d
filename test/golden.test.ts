/**
 * Databases that an early build of each format version made: every later build reads what they hold, recovers those
 * that were not closed, and goes on writing. native/capi/golden_test.cc made them and says what they are.
 */
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { open } from 'zkdb'
import { newFolder } from './helpers/shapes.js'

const base = join('test', 'golden')
const bytes = { keyEncoding: 'buffer', valueEncoding: 'buffer' }

/** The golden databases, as paths: each has a file of the same name with the ending .txt beside it. */
function databases(): string[] {
  return readdirSync(base)
    .flatMap((version) => readdirSync(join(base, version)).map((name) => join(base, version, name)))
    .filter((path) => path.endsWith('.txt'))
    .map((path) => path.slice(0, -'.txt'.length))
    .sort()
}

/** What a golden database holds: a line per record, key and value in hex. */
function recordsOf(path: string): [key: Buffer, value: Buffer][] {
  const lines = readFileSync(`${path}.txt`, 'utf8').trimEnd().split('\n')
  return lines.map((line) => {
    const [key, value] = line.split(' ')
    return [Buffer.from(key!, 'hex'), Buffer.from(value!, 'hex')]
  })
}

test('there is a golden database of format version 1 that was closed, and one that was not', (t) => {
  const names = databases().map((path) => path.replaceAll('\\', '/'))
  t.true(names.includes('test/golden/v1/clean'))
  t.true(names.includes('test/golden/v1/dirty'))
})

for (const path of databases()) {
  test(`${path.replaceAll('\\', '/')} holds what was written, and can be written`, async (t) => {
    const expected = recordsOf(path)
    const folder = newFolder()
    cpSync(path, folder, { recursive: true })
    const options = { path: join(folder, 'test.conf'), ...bytes }
    const db = await open<Buffer, Buffer>(options)
    t.is((await db.stats()).recoveredRecords > 0, path.endsWith('dirty'))
    t.deepEqual([...db.scanSync()], expected)
    t.deepEqual([...db.scanSync({ reverse: true })].reverse(), expected)
    t.deepEqual(
      db.getManySync(expected.map(([key]) => key)),
      expected.map(([, value]) => value)
    )
    t.deepEqual((await db.verify()).findings, [])
    const value = Buffer.from('new')
    await db.batch(expected.map(([key]) => ({ type: 'put', key, value })))
    await db.close()
    const again = await open<Buffer, Buffer>(options)
    t.deepEqual(
      [...again.scanSync()],
      expected.map(([key]) => [key, value])
    )
    t.deepEqual((await again.verify()).findings, [])
    await again.close()
  })
}
