/**
 * System calls of the built command line fail, injected by strace: what the Env of the native tests pretends, seen from
 * outside. Where there is no strace, or it may not trace, every test says so and counts as skipped.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest from 'ava'
import { zkdb } from './helpers/command.js'

const program = join(process.cwd(), 'dist', 'esm', 'cli', 'main.js')

// Allocators and reports of sanitizers do not go well with being traced.
const canTrace =
  process.platform === 'linux' &&
  process.env.LD_PRELOAD === undefined &&
  spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', 'true']).status === 0
if (!canTrace) console.log('no strace: its tests are skipped')
const test = canTrace ? anyTest.serial : anyTest.serial.skip

interface Traced {
  exit: number | null
  stderr: string
  stdout: string
  /** Lines of the trace, one per call. */
  calls: string[]
}

const directories: string[] = []
anyTest.after.always(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

/** A database with one record, closed. */
function made(): string {
  const directory = mkdtempSync(join(tmpdir(), 'zkdb-strace-'))
  directories.push(directory)
  const database = join(directory, 'db')
  const { exit, stderr } = zkdb(['put', database, 'a', 'one', '--create'])
  if (exit !== 0) throw new Error(stderr)
  return database
}

const segmentOf = (database: string) => join(database, 'p000', '000.zkd')

/** Runs the command line under strace with one injection; `path` limits it to calls on that file. */
function traced(inject: string, args: string[], path?: string): Traced {
  const trace = join(directories.at(-1)!, 'trace')
  const call = inject.split(':')[0]!
  const only = path === undefined ? [] : ['-P', path]
  const done = spawnSync(
    'strace',
    [
      '-f',
      '-qq',
      '-o',
      trace,
      '-e',
      `trace=${call}`,
      '-e',
      `inject=${inject}`,
      ...only,
      process.execPath,
      program,
      ...args
    ],
    { encoding: 'utf8' }
  )
  const calls = readFileSync(trace, 'utf8')
    .split('\n')
    .filter((line) => line.includes(`${call}(`))
  return { exit: done.status, stderr: done.stderr, stdout: done.stdout, calls }
}

const injected = (run: Traced) => run.calls.filter((line) => line.includes('INJECTED')).length

test('a failed fdatasync is an error, is not repeated, and the database opens again', (t) => {
  for (const error of ['EIO', 'EINTR', 'ENOSPC']) {
    const database = made()
    const run = traced(`fdatasync:error=${error}:when=1`, ['put', database, 'b', 'two'])
    t.true(injected(run) > 0)
    t.true(run.exit === 5 || run.exit === 6, run.stderr)
    t.regex(run.stderr, /^zkdb: ZKDB_(FAILED|IO|NO_SPACE): .*sync of/)
    const descriptor = /fdatasync\((\d+)/.exec(run.calls.find((line) => line.includes('INJECTED'))!)![1]!
    t.is(run.calls.filter((line) => line.includes(`fdatasync(${descriptor})`)).length, 1)
    t.is(zkdb(['get', database, 'a']).stdout, 'one')
    t.is(zkdb(['check', database]).exit, 0)
    t.is(zkdb(['put', database, 'c', 'three']).exit, 0)
  }
})

test('a failed write of the log is an error, and the database opens again', (t) => {
  for (const error of ['EIO', 'ENOSPC']) {
    const database = made()
    const run = traced(`pwritev:error=${error}:when=1+`, ['put', database, 'b', 'two'])
    t.true(injected(run) > 0)
    t.true(run.exit === 5 || run.exit === 6, run.stderr)
    t.regex(run.stderr, /^zkdb: ZKDB_(FAILED|IO|NO_SPACE): /)
    t.is(zkdb(['get', database, 'b']).exit, 1)
    t.is(zkdb(['check', database]).exit, 0)
    t.is(zkdb(['put', database, 'b', 'two']).exit, 0)
    t.is(zkdb(['get', database, 'b']).stdout, 'two')
  }
})

test('interrupted calls are finished', (t) => {
  for (const call of ['pwritev', 'fallocate', 'ftruncate', 'flock']) {
    const database = made()
    const run = traced(`${call}:error=EINTR:when=1`, ['put', database, 'b', 'two'])
    t.true(injected(run) > 0, call)
    t.is(run.exit, 0, run.stderr)
    t.is(zkdb(['get', database, 'b']).stdout, 'two')
    t.is(zkdb(['check', database]).exit, 0)
  }
})

test('a disk without room refuses the write and nothing else', (t) => {
  const database = made()
  const run = traced('fallocate:error=ENOSPC:when=1+', ['put', database, 'b', 'two'])
  t.true(injected(run) > 0)
  t.is(run.exit, 6, run.stderr)
  t.regex(run.stderr, /^zkdb: ZKDB_NO_SPACE: /)
  t.is(zkdb(['get', database, 'a']).stdout, 'one')
  t.is(zkdb(['get', database, 'b']).exit, 1)
  t.is(zkdb(['put', database, 'b', 'two']).exit, 0)
  t.is(zkdb(['check', database]).exit, 0)
})

test('a segment that cannot be opened or mapped is an error with its name, and is whole afterwards', (t) => {
  for (const inject of ['openat:error=EMFILE:when=1+', 'openat:error=EIO:when=1+', 'mmap:error=ENOMEM:when=1+']) {
    const database = made()
    const run = traced(inject, ['get', database, 'a'], segmentOf(database))
    t.true(injected(run) > 0, inject)
    t.is(run.exit, 6, run.stderr)
    t.regex(run.stderr, /^zkdb: ZKDB_IO: .*000\.zkd/)
    t.is(zkdb(['get', database, 'a']).stdout, 'one')
    t.is(zkdb(['check', database]).exit, 0)
  }
})
