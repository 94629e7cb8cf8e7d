/**
 * The processes and threads of teardown.test.ts: each leaves work of the kinds that its task names under way and then
 * ends as the task says, without closing anything. A process prints what it got acknowledged.
 */
import { writeSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { type Database, open, openSync } from 'zkdb'

/** What is left under way. */
export type Work = 'puts' | 'batch' | 'reads' | 'scans' | 'snapshots' | 'operations' | 'opening' | 'closing'

/** How a process or thread ends; `spin` never leaves a transaction by itself. */
export type End = 'exit' | 'exit later' | 'throw' | 'return' | 'exit in transaction' | 'throw in transaction' | 'spin'

export interface ThreadPlan {
  work: Work[]
  end: End
}

export interface TeardownTask extends ThreadPlan {
  path: string
  /** Threads that the process starts before its own work. */
  threads?: ThreadPlan[]
  /** The threads that are terminated, in this order; the others end by themselves. */
  order?: number[]
  /** Milliseconds between two terminations, and before the process ends. */
  pause?: number
}

export const exitCode = 7

const ignore = (): undefined => undefined
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What must not be collected: a handle that is gone has no work. */
const kept: unknown[] = []

async function keepReading(db: Database): Promise<void> {
  for (let i = 0; ; i++) {
    await Promise.all([db.get(`k${i % 500}`), db.getMany([`k${i % 7}`, 'none'])])
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function startScans(db: Database): void {
  for (const reverse of [false, true]) {
    const iterator = db.iterator({ reverse })
    iterator.next().catch(ignore)
    kept.push(iterator)
    const keys = db.keys({ reverse })
    keys.nextv(100).catch(ignore)
    kept.push(keys)
    const entries = db.scanSync({ reverse })[Symbol.iterator]()
    entries.next()
    kept.push(entries)
  }
}

const starts: Record<Work, (db: Database, path: string) => void> = {
  puts: (db) => {
    for (let i = 0; i < 300; i++) db.put(`put ${i}`, 'v'.repeat(i)).catch(ignore)
  },
  batch: (db) => {
    const operations = Array.from({ length: 3000 }, (_, i) => ({ type: 'put' as const, key: `b${i}`, value: 'w' }))
    db.batch(operations).catch(ignore)
  },
  reads: (db) => {
    for (let i = 0; i < 4; i++) keepReading(db).catch(ignore)
  },
  scans: startScans,
  snapshots: (db) => {
    for (let i = 0; i < 5; i++) kept.push(db.snapshot())
  },
  operations: (db) => {
    const running = [db.compact(), db.verify(), db.checkpoint(), db.stats({ full: true }), db.sync()]
    for (const operation of running) operation.catch(ignore)
  },
  opening: (_db, path) => {
    for (const other of [path, path, `${path}-other`]) open({ path: other }).catch(ignore)
  },
  closing: (_db, path) => {
    openSync({ path }).close().catch(ignore)
  }
}

/** Ends this process or thread in the middle of what it does. */
async function endAs(db: Database, end: End): Promise<void> {
  if (end === 'return') return
  if (end === 'exit later') await pause(5)
  if (end.startsWith('exit') && end !== 'exit in transaction') process.exit(exitCode)
  if (end === 'throw') throw new Error('the end')
  db.transactionSync((tx) => {
    for (let i = 0; i < 100; i++) tx.put(`never ${i}`, 'n'.repeat(3000))
    if (end === 'exit in transaction') process.exit(exitCode)
    if (end === 'throw in transaction') throw new Error('the end')
    parentPort?.postMessage('ready')
    for (;;) tx.get('never 1')
  })
}

async function runThread(task: TeardownTask): Promise<void> {
  const db = openSync({ path: task.path })
  kept.push(db)
  for (const work of task.work) starts[work](db, task.path)
  if (task.end !== 'spin') parentPort!.postMessage('ready')
  // What is to be terminated stays alive until then.
  if (task.end === 'return') setInterval(ignore, 1000)
  await endAs(db, task.end)
}

async function startThread(path: string, plan: ThreadPlan): Promise<Worker> {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { teardown: { ...plan, path } } })
  worker.on('error', ignore)
  await new Promise((resolve) => {
    worker.once('message', resolve)
    worker.once('exit', resolve)
  })
  return worker
}

async function runProcess(task: TeardownTask): Promise<void> {
  const db = openSync({ path: task.path })
  kept.push(db)
  for (let i = 0; i < 500; i++) db.putSync(`k${i}`, String(i))
  writeSync(1, 'acknowledged\n')
  const threads = await Promise.all((task.threads ?? []).map((plan) => startThread(task.path, plan)))
  // A thread inside a transaction keeps the writers of all others waiting: its end lets them go on.
  for (const work of task.work) starts[work](db, task.path)
  for (const index of task.order ?? []) {
    void threads[index]!.terminate()
    await pause(task.pause ?? 0)
  }
  // Whoever of the threads is left ends with the process.
  for (const thread of threads) thread.unref()
  await endAs(db, task.end)
}

const given = (workerData as { teardown?: TeardownTask } | null)?.teardown
if (!isMainThread && given) await runThread(given)
else if (isMainThread && process.argv[2]) await runProcess(JSON.parse(process.argv[2]) as TeardownTask)
