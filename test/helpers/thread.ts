/**
 * The threads of workers.test.ts: what each does is said by its `workerData`. It posts `'ready'` when it works and,
 * when it is told to stop, what it did.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { type Database, openSync } from 'zkdb'

/** What a thread is started with. */
export interface ThreadTask {
  role: 'read' | 'write' | 'busy'
  options: { path: string }
  /** `busy`: how it ends, if by itself. */
  end?: 'exit' | 'close' | 'throw'
}

/** Accounts between which money moves: whoever reads a consistent state finds the same sum. */
export const accounts = Array.from({ length: 100 }, (_, i) => `acc${String.fromCharCode(97 + (i % 26))} ${i}`)
export const deposit = 1000
export const total = accounts.length * deposit

const task = workerData as ThreadTask
const sumOf = (values: (string | undefined)[]): number => values.reduce((sum, value) => sum + Number(value), 0)

function assertTotal(values: (string | undefined)[], what: string): void {
  const sum = sumOf(values)
  if (values.length !== accounts.length || sum !== total) {
    throw new Error(`${what} gave ${values.length} accounts with ${sum} instead of ${total}`)
  }
}

/** Moves money from one account to another and counts the transfers, in one of three ways. */
export async function transfer(db: Database, number: number): Promise<void> {
  const from = accounts[(number * 7) % accounts.length]!
  const to = accounts[(number * 13 + 1) % accounts.length]!
  if (from === to) return
  const [a, b] = db.getManySync([from, to]).map(Number) as [number, number]
  const operations = [
    { type: 'put' as const, key: from, value: String(a - (number % 50)) },
    { type: 'put' as const, key: to, value: String(b + (number % 50)) },
    { type: 'put' as const, key: 'transfers', value: String(number) }
  ]
  if (number % 3 === 0) await db.batch(operations)
  else if (number % 3 === 1) db.batchSync(operations)
  else {
    db.transactionSync((tx) => {
      for (const { key, value } of operations) tx.put(key, value)
    })
  }
}

/** Reads in every way and checks what must hold in each state. */
function readOnce(db: Database, seen: number): number {
  const range = { gte: 'acc', lt: 'acd' }
  assertTotal(
    [...db.scanSync(range)].map(([, value]) => value),
    'a scan'
  )
  assertTotal(
    [...db.scanSync({ ...range, reverse: true })].map(([, value]) => value),
    'a reverse scan'
  )
  assertTotal(db.getManySync(accounts), 'getManySync')
  const snapshot = db.snapshot()
  const before = Number(db.getSync('transfers', { snapshot }))
  assertTotal(
    accounts.map((key) => db.getSync(key, { snapshot })),
    'reads of a snapshot'
  )
  if (Number(db.getSync('transfers', { snapshot })) !== before) throw new Error('a snapshot changed')
  void snapshot.close()
  const now = Number(Buffer.from(db.getFast('transfers')!).toString())
  if (now < before || before < seen) throw new Error(`transfers went back: ${seen}, ${before}, ${now}`)
  return now
}

/** Does something until it is told to stop; then closes the database and posts how often it did it. */
async function untilStopped(db: Database, body: (count: number) => unknown): Promise<void> {
  let isStopped = false
  parentPort!.once('message', () => {
    isStopped = true
  })
  parentPort!.postMessage('ready')
  let count = 0
  for (; !isStopped; count++) {
    await body(count)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await db.close()
  parentPort!.postMessage(count)
}

/** Leaves work of every kind under way. */
function keepBusy(db: Database): void {
  db.snapshot()
  db.iterator()
    .next()
    .catch(() => undefined)
  db.scanSync()[Symbol.iterator]().next()
  for (let i = 0; i < 200; i++) db.put(`busy ${i}`, 'v'.repeat(i)).catch(() => undefined)
  for (const work of [db.verify(), db.compact(), db.checkpoint(), db.stats({ full: true })]) {
    work.catch(() => undefined)
  }
}

async function run(): Promise<void> {
  const db = openSync(task.options)
  let seen = 0
  switch (task.role) {
    case 'read':
      return untilStopped(db, () => {
        seen = readOnce(db, seen)
      })
    case 'write':
      return untilStopped(db, (count) => db.put(`write ${count % 1000}`, String(count)))
    case 'busy': {
      keepBusy(db)
      parentPort!.postMessage('ready')
      if (task.end === 'exit') process.exit(3)
      if (task.end === 'throw') throw new Error('the thread throws')
      if (task.end === 'close') return db.close()
      setInterval(() => keepBusy(db), 1)
    }
  }
}

// This file is imported for its constants too.
if (task && typeof task === 'object' && 'role' in task) await run()
