/**
 * The whole suite of abstract-level, over databases that a factory makes. The suite is written for tape: its assertions
 * are counted here, and each that fails is a line of the failure.
 */
import { createRequire } from 'node:module'
import tape from 'tape'
import type { Database } from 'zkdb'

const suite = createRequire(import.meta.url)('abstract-level/test') as (options: object) => void

/** A line of tape's object stream. */
interface Row {
  type: string
  name: string
  ok?: boolean
  test?: number
  id?: number
  skip?: unknown
}

/** How many assertions passed and were skipped, and which failed. */
export interface Outcome {
  passed: number
  skipped: number
  failures: string[]
}

/** Runs the suite; the number of assertions, and those that failed. */
export async function runLevelSuite(make: (options?: object) => Database): Promise<Outcome> {
  const made: Database[] = []
  try {
    return await runWith((options) => {
      const db = make(options)
      made.push(db)
      return db
    })
  } finally {
    // Some tests of the suite leave their database open; it must not write into folders that are being removed.
    await Promise.allSettled(made.map((db) => db.close()))
  }
}

function runWith(factory: (options?: object) => Database): Promise<Outcome> {
  const harness = tape.createHarness()
  const names = new Map<number, string>()
  const failures: string[] = []
  let passed = 0
  let skipped = 0
  return new Promise((resolve, reject) => {
    const stream = harness.createStream({ objectMode: true })
    stream.on('data', (row: Row) => {
      if (row.type === 'test') names.set(row.id ?? -1, row.name)
      if (row.type !== 'assert') return
      if (row.skip) skipped++
      else if (row.ok) passed++
      else failures.push(`${names.get(row.test ?? -1)}: ${row.name}`)
    })
    stream.on('end', () => resolve({ passed, skipped, failures }))
    stream.on('error', reject)
    suite({ test: harness, factory })
  })
}
