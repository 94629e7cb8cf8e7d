/**
 * The whole suite of abstract-level, in every partition shape. The suite is written for tape: its assertions are
 * counted here, and each that fails is a line of the failure.
 */
import { createRequire } from 'node:module'
import test from 'ava'
import tape from 'tape'
import { Database } from 'zkdb'
import { newFolder, type Place, type Shape, shapes } from './helpers/shapes.js'

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
interface Outcome {
  passed: number
  skipped: number
  failures: string[]
}

/** A database whose partition options the suite does not see: it compares the options that hooks get with its own. */
class ShapedDatabase extends Database {
  readonly #place: Place

  constructor(place: Place, options?: object) {
    super(place.location, options)
    this.#place = place
  }

  override _open(options: object): Promise<void> {
    return super._open({ ...this.#place.options, ...options })
  }
}

/** Runs the suite; the number of assertions, and those that failed. */
async function run(shape: Shape): Promise<Outcome> {
  const made: ShapedDatabase[] = []
  try {
    return await runWith((options) => {
      const db = new ShapedDatabase(shape.make(newFolder()), options)
      made.push(db)
      return db
    })
  } finally {
    // Some tests of the suite leave their database open; it must not write into folders that are being removed.
    await Promise.allSettled(made.map((db) => db.close()))
  }
}

function runWith(factory: (options?: object) => ShapedDatabase): Promise<Outcome> {
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

for (const shape of shapes) {
  test.serial(`the suite of abstract-level passes with ${shape.name}`, async (t) => {
    t.timeout(600_000)
    const { passed, skipped, failures } = await run(shape)
    t.log(`${passed} assertions passed, ${failures.length} failed, ${skipped} skipped`)
    t.deepEqual(failures, [])
    t.true(passed > 5000)
  })
}
