/**
 * Random steps on a database give what an ordered map gives, in every partition shape. The seed is printed with every
 * run; `ZKDB_SEED` runs with one again, `ZKDB_PROPERTY_SECONDS` sets the time per shape (default 14).
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { open } from 'zkdb'
import { Model } from './helpers/model.js'
import { compareAll, type Step, steps, take, type World } from './helpers/model-steps.js'
import { newFolder, removeFolder, threePartitions } from './helpers/shapes.js'

const seed = Number(process.env.ZKDB_SEED ?? Math.floor(Math.random() * 2 ** 31))
const seconds = Number(process.env.ZKDB_PROPERTY_SECONDS ?? 14)

/** Keys are bytes; a string of the characters 0..255 stands for them. */
const bytes = {
  name: 'latin1',
  format: 'buffer' as const,
  encode: (text: string): Buffer => Buffer.from(text, 'latin1'),
  decode: (data: Uint8Array): string => Buffer.from(data).toString('latin1')
}

/** A configuration file in `folder`. */
function textPartitions(folder: string): string {
  const path = join(folder, 'three.conf')
  writeFileSync(path, threePartitions)
  return path
}

const shapes: Record<string, (folder: string) => object> = {
  '1 partition': (folder) => ({ path: join(folder, 'data'), logFileSize: '1M' }),
  '1 partition with segments of 64 KiB and constant checkpoints': (folder) => {
    return { path: join(folder, 'data'), segmentSize: '64K', logFileSize: '64K', minCheckpointSize: '64K' }
  },
  '3 partitions by text limits': (folder) => ({ path: textPartitions(folder) }),
  '256 hashed partitions': (folder) => ({ path: join(folder, 'data'), partitions: 256, logFileSize: '1M' })
}

/** Takes the steps in a new database and compares all the way. */
async function follow(list: Step[], make: (folder: string) => object): Promise<void> {
  const folder = newFolder()
  const options = { ...make(folder), keyEncoding: bytes } as unknown as { path: string }
  const world: World = {
    db: await open(options),
    model: new Model(),
    snapshots: [],
    async reopen() {
      await world.db.close()
      return open(options)
    }
  }
  try {
    for (const step of list) await take(world, step)
    await compareAll(world)
    await reopenAndCompare(world)
  } finally {
    await world.db.close()
    removeFolder(folder)
  }
}

async function reopenAndCompare(world: World): Promise<void> {
  world.snapshots = []
  world.db = await world.reopen()
  await compareAll(world)
}

for (const [name, make] of Object.entries(shapes)) {
  test.serial(`random steps give what an ordered map gives, with ${name}`, async (t) => {
    t.timeout((seconds + 120) * 1000)
    t.log(`seed ${seed}: ZKDB_SEED=${seed} runs with it again`)
    let runs = 0
    let taken = 0
    const property = fc.asyncProperty(steps, async (list) => {
      await follow(list, make)
      runs++
      taken += list.length
    })
    const limits = { numRuns: 1_000_000, interruptAfterTimeLimit: seconds * 1000 }
    await fc.assert(property, { seed, ...limits, includeErrorInReport: true })
    t.log(`${runs} runs, ${taken} steps`)
    t.true(runs > 0)
  })
}
