/**
 * `zkdb salvage`, run as a program: sound and damaged databases, its figures, exit codes and help.
 */
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { endOf, startZkdb, zkdb } from './helpers/command.js'
import { damagePages, records } from './helpers/damage.js'
import { newFolder } from './helpers/shapes.js'

const pageSize = 4096
const kindAt = 12
const leafKind = 1
const branchKind = 2

interface Summary {
  ok: boolean
  records: number
  unsureRecords: number
  lostRecords: number
  lostPages: number
  logGaps: number
  count: number
  findings: string[]
}

/** A database directory with `records`, made by the command line. */
function filled(): string {
  const database = join(newFolder(), 'data')
  const lines = records.map(([key, value]) => JSON.stringify({ key, value }))
  const { exit, stderr } = zkdb(['load', database, '-', '--format', 'jsonl', '--create'], lines.join('\n'))
  if (exit !== 0) throw new Error(`load ended with ${exit}: ${stderr}`)
  return database
}

/** What a database holds, by key. */
function contentOf(database: string): Map<string, string> {
  const { exit, stdout, stderr } = zkdb(['scan', database, '--json'])
  if (exit !== 0) throw new Error(`scan ended with ${exit}: ${stderr}`)
  const lines = stdout.trim().split('\n').filter(Boolean)
  return new Map(lines.map((line) => JSON.parse(line) as { key: string; value: string }).map((r) => [r.key, r.value]))
}

/** Destroys the pages of a kind; gives their number. */
function destroy(segment: string, kind: number, countMax = Number.POSITIVE_INFINITY): number {
  const bytes = readFileSync(segment)
  let count = 0
  for (let at = 2 * pageSize; at < bytes.length && count < countMax; at += pageSize) {
    if (bytes[at + kindAt] !== kind) continue
    bytes.fill(0x23, at + 100, at + 200)
    count++
  }
  writeFileSync(segment, bytes)
  return count
}

/** Every file of a folder with its bytes. */
function snapshotOf(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return new Map(
    files.map((entry) => join(entry.parentPath, entry.name)).map((path) => [path, readFileSync(path, 'hex')])
  )
}

test('help lists salvage, with examples that fit 80 columns', (t) => {
  t.regex(zkdb(['--help']).stdout, /^ {2}salvage /m)
  const { exit, stdout } = zkdb(['salvage', '--help'])
  t.is(exit, 0)
  t.regex(stdout, /Examples:\n {2}zkdb salvage /)
  t.deepEqual(
    stdout.split('\n').filter((line) => line.length > 80),
    []
  )
})

test('a sound database is salvaged whole, and nothing in it is changed', (t) => {
  const database = filled()
  const before = snapshotOf(database)
  const rescued = join(newFolder(), 'rescued')
  const { exit, stdout, stderr } = zkdb(['salvage', database, rescued])
  t.is(exit, 0, stderr)
  t.regex(stdout, /^Brought 3,000 records into /)
  t.regex(stdout, /^Nothing is lost\./m)
  t.is(stderr, '')
  t.deepEqual(contentOf(rescued), new Map(records))
  t.deepEqual(snapshotOf(database), before)
})

test('a database without branches and metas gives all its records back', (t) => {
  const database = filled()
  const segment = join(database, 'p000', '000.zkd')
  t.true(destroy(segment, branchKind) > 0)
  t.is(zkdb(['scan', database]).exit, 5)
  const rescued = join(newFolder(), 'rescued')
  const run = zkdb(['salvage', database, rescued, '--json'])
  t.is(run.exit, 1)
  const summary = JSON.parse(run.stdout) as Summary
  t.like(summary, { ok: false, records: 3000, unsureRecords: 0, lostRecords: 0, logGaps: 0 })
  t.regex(summary.findings[0]!, /000\.zkd: page \d+: /)
  t.deepEqual(contentOf(rescued), new Map(records))
  const bytes = readFileSync(segment)
  writeFileSync(segment, bytes.fill(0x23, 0, 2 * pageSize))
  const unsure = zkdb(['salvage', join(database, 'zkdb.conf'), join(newFolder(), 'rescued')])
  t.is(unsure.exit, 1)
  t.regex(unsure.stdout, /^Brought 3,000 records into /m)
  t.regex(unsure.stdout, /^Unsure: 3,000 records were in pages that may not be in use any more/m)
  t.regex(unsure.stderr, /things are wrong; read the lines above/)
})

test('a damaged leaf costs its records, and the lines name file, page and keys', (t) => {
  const database = filled()
  const segment = join(database, 'p000', '000.zkd')
  t.is(destroy(segment, leafKind, 3), 3)
  const rescued = join(newFolder(), 'rescued')
  const { exit, stdout } = zkdb(['salvage', database, rescued])
  t.is(exit, 1)
  t.regex(stdout, /p000\/000\.zkd: page \d+: the checksum does not match: the records from 'key .*' are lost/)
  t.regex(stdout, /^Lost: what was in 3 pages$/m)
  const content = contentOf(rescued)
  t.true(content.size > 2500 && content.size < 3000)
  const all = new Map(records)
  for (const [key, value] of content) t.is(all.get(key), value)
  t.is(zkdb(['check', rescued]).exit, 0)
})

test('nothing is invented when every page is damaged', (t) => {
  const database = filled()
  damagePages(join(database, 'p000', '000.zkd'))
  const rescued = join(newFolder(), 'rescued')
  const summary = JSON.parse(zkdb(['salvage', database, rescued, '--json']).stdout) as Summary
  t.like(summary, { ok: false, records: 0, unsureRecords: 0 })
  t.true(summary.lostPages > 10)
  t.is(contentOf(rescued).size, 0)
})

test('a salvage needs a database, a place of its own, and nobody who has the database open', async (t) => {
  const database = filled()
  const folder = newFolder()
  t.is(zkdb(['salvage', join(folder, 'none'), join(folder, 'a')]).exit, 3)
  t.is(zkdb(['salvage', folder, join(folder, 'b')]).exit, 3)
  const full = zkdb(['salvage', database, database])
  t.is(full.exit, 3)
  t.regex(full.stderr, /^zkdb: ZKDB_EXISTS: .*needs an empty directory/)
  t.is(zkdb(['salvage', database]).exit, 2)
  const copy = join(folder, 'copy')
  cpSync(database, copy, { recursive: true })
  const child = startZkdb(['load', copy, '-', '-f', 'lines'])
  const lock = join(copy, 'log', 'zkdb.lock')
  while (!existsSync(lock) || readFileSync(lock, 'utf8').trim() !== String(child.pid)) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const locked = zkdb(['salvage', copy, join(folder, 'c')])
  t.is(locked.exit, 4)
  t.regex(locked.stderr, new RegExp(`^zkdb: ZKDB_LOCKED: .*\\b${child.pid}\\b`))
  t.false(existsSync(join(folder, 'c')))
  child.stdin!.end()
  t.is(await endOf(child), 0)
})
