/**
 * The end of processes and threads in the middle of things: with work of every kind under way, in every order, and
 * with handles that nobody closed. Each runs in a process of its own, so that a crash is seen by its signal; then the
 * database must be free, whole, and hold what was acknowledged.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { open } from 'zkdb'
import { newFolder } from './helpers/shapes.js'
import { type End, exitCode, type TeardownTask, type ThreadPlan, type Work } from './helpers/teardown-child.js'

const child = fileURLToPath(new URL('./helpers/teardown-child.js', import.meta.url))

interface Result {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
  complaint: string
}

function runNode(args: string[]): Promise<Result> {
  const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const timer = setTimeout(() => started.kill('SIGKILL'), 60_000)
  let output = ''
  let complaint = ''
  started.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  started.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaint += chunk
  })
  return new Promise((resolve, reject) => {
    started.on('error', reject)
    started.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, output, complaint })
    })
  })
}

/** The exit code of a process that ends like this. */
const codes: Record<Exclude<End, 'spin'>, number> = {
  exit: exitCode,
  'exit later': exitCode,
  throw: 1,
  return: 0,
  'exit in transaction': exitCode,
  'throw in transaction': 1
}

async function assertEnds(t: ExecutionContext, task: Omit<TeardownTask, 'path'>): Promise<void> {
  const path = join(newFolder(), 'data')
  const what = JSON.stringify(task)
  const { code, signal, output, complaint } = await runNode([child, JSON.stringify({ ...task, path })])
  t.is(signal, null, `${what}: ${complaint}`)
  t.is(code, codes[task.end as Exclude<End, 'spin'>], `${what}: ${complaint}`)
  t.is(output, 'acknowledged\n', what)
  const db = await open({ path })
  t.deepEqual((await db.verify()).findings, [], what)
  t.is(db.getManySync(Array.from({ length: 500 }, (_, i) => `k${i}`)).filter((v) => v === undefined).length, 0, what)
  t.is(db.getSync('never 1'), undefined, what)
  t.is((await db.stats()).snapshotsOpen, 0, what)
  await db.close()
}

const works: Work[] = ['puts', 'batch', 'reads', 'scans', 'snapshots', 'operations', 'opening', 'closing']
const pairs: Work[][] = [
  ['puts', 'scans'],
  ['batch', 'snapshots'],
  ['reads', 'operations'],
  ['opening', 'closing']
]
const ends = ['exit', 'exit later', 'throw', 'exit in transaction', 'throw in transaction'] as const

for (const end of ends) {
  test(`a process may end with work of each kind under way: ${end}`, async (t) => {
    for (const work of pairs) await assertEnds(t, { work, end })
    await assertEnds(t, { work: works, end })
  })
}

test('a process waits at its natural end for the work that was asked for', async (t) => {
  // Reading goes on for ever.
  const ending = works.filter((work) => work !== 'reads')
  for (const work of ending) await assertEnds(t, { work: [work], end: 'return' })
  await assertEnds(t, { work: ending, end: 'return' })
})

const permutations = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0]
]
const three: ThreadPlan[] = [
  { work: ['puts', 'scans', 'reads'], end: 'return' },
  { work: ['batch', 'snapshots', 'operations'], end: 'return' },
  { work: ['opening', 'closing', 'puts'], end: 'return' }
]

test('three threads may be terminated in all orders with work under way', async (t) => {
  for (const order of permutations) {
    await assertEnds(t, { work: ['puts', 'scans'], end: 'exit', threads: three, order, pause: 3 })
    await assertEnds(t, { work: ['batch'], end: 'return', threads: three, order })
  }
  for (const order of [[], [1], [2, 0]]) {
    await assertEnds(t, { work: ['snapshots', 'puts'], end: 'exit', threads: three, order, pause: 1 })
  }
})

test('threads may exit and throw by themselves while others are terminated', async (t) => {
  for (const end of ends) {
    const threads = [{ work: works, end }, three[0]!, { work: ['puts', 'scans'] as Work[], end }]
    await assertEnds(t, { work: ['reads', 'scans'], end: 'exit', threads, order: [1], pause: 5 })
    await assertEnds(t, { work: ['puts'], end: 'throw', threads, order: [2, 0, 1] })
  }
})

test('a thread that is terminated inside a transaction lets the writers go on', async (t) => {
  const threads: ThreadPlan[] = [{ work: ['scans', 'snapshots'], end: 'spin' }]
  await assertEnds(t, { work: ['puts', 'batch'], end: 'return', threads, order: [0], pause: 20 })
  await assertEnds(t, { work: ['puts', 'batch', 'scans'], end: 'exit', threads, order: [0] })
  // The process ends while the thread is inside.
  await assertEnds(t, { work: ['scans'], end: 'exit', threads, order: [] })
})

/** Makes handles, drops all but the ones named by `keep`, collects, and uses what was kept. */
const collect = `
const zkdb = require('zkdb')
const [path, keep] = process.argv.slice(1)
const rest = () => new Promise((resolve) => setTimeout(resolve, 5))
let kept = []
function make(round) {
  const db = zkdb.openSync(path)
  db.putSync('a', '1')
  const entries = db.scanSync()[Symbol.iterator]()
  entries.next()
  const made = { db, snapshot: db.snapshot(), iterator: db.iterator(), keys: db.keys({ reverse: true }), entries }
  made.iterator.next().catch(() => {})
  db.put('later ' + round, 'v').catch(() => {})
  db.transactionSync((tx) => { made.tx = tx })
  kept.push(...keep.split(',').filter(Boolean).map((name) => made[name]))
}
async function main() {
  for (let round = 0; round < 25; round++) {
    make(round)
    if (round % 2) await rest()
    gc()
  }
  await rest()
  gc()
  await rest()
  for (const handle of kept) {
    if (handle instanceof zkdb.Database) handle.getSync('a')
    else if (handle instanceof zkdb.Snapshot) await handle.close()
    else if (typeof handle.next === 'function') await handle.next()
    else if (handle instanceof zkdb.Transaction) try { handle.get('a') } catch {}
  }
  kept = []
  gc()
  console.log('used')
}
main()
`

test('handles that nobody closed are collected in any order, and what is kept goes on working', async (t) => {
  const names = ['db', 'snapshot', 'iterator', 'keys', 'entries', 'tx']
  const choices = ['', ...names, 'db,snapshot', 'snapshot,iterator', 'iterator,entries,tx', names.join(',')]
  for (const keep of choices) {
    const path = join(newFolder(), 'data')
    const { code, signal, output, complaint } = await runNode(['--expose-gc', '-e', collect, path, keep])
    t.is(signal, null, `${keep}: ${complaint}`)
    t.is(code, 0, `${keep}: ${complaint}`)
    t.is(output, 'used\n', keep)
    const db = await open({ path })
    t.deepEqual((await db.verify()).findings, [], keep)
    t.is(db.getSync('later 24'), 'v', keep)
    await db.close()
  }
})
