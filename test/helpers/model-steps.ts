/**
 * Random steps on a database and on the model beside it: how they are made (fast-check shrinks them), and how each is
 * taken and compared.
 */
import { deepStrictEqual, ok, strictEqual } from 'node:assert'
import fc from 'fast-check'
import type { Database, Snapshot } from 'zkdb'
import type { Model, ModelEntry, ModelRange, ModelWrite } from './model.js'

/** A database under test, the model of it, and the snapshots that are held, each with the model of its moment. */
export interface World {
  db: Database
  model: Model
  snapshots: { snapshot: Snapshot; model: Model }[]
  /** Closes the database and opens it again. */
  reopen(): Promise<Database>
}

type Way = 'async' | 'sync'

/** A step. */
export type Step =
  | { do: 'put' | 'del' | 'burst' | 'batch' | 'transaction' | 'rollback'; way: Way; writes: ModelWrite[] }
  | { do: 'putIf'; condition: 'ifAbsent' | 'ifPresent' | 'ifValue'; key: string; value: string }
  | { do: 'fill'; prefix: string; start: number; count: number; value: string }
  | { do: 'clear'; way: Way; range: ModelRange }
  | { do: 'scan'; how: 'iterator' | 'scanSync' | 'packed' | 'keys'; range: ModelRange; at: number }
  | { do: 'seek'; range: ModelRange; targets: string[] }
  | { do: 'read'; keys: string[]; at: number }
  | { do: 'hold' | 'release'; at: number }
  | { do: 'reopen' | 'checkpoint' | 'compact' | 'sync' }

// ---- how steps are made

const prefixes = ['', 'a', 'Key ', 'abcK', 'abcm', 'abcZ', '{tag}', '\xff\xff', '\0', `long ${'x'.repeat(3000)}`]

const key = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.constantFrom(...prefixes), fc.nat(60)).map(([start, n]) => `${start}${n}`) },
  { weight: 1, arbitrary: fc.constantFrom(...prefixes) },
  { weight: 1, arbitrary: fc.nat(3).map((n) => 'k'.repeat(65_535 - n)) }
)

const value = fc
  .tuple(
    fc.constantFrom('', 'v', '\u20ac', 'value '),
    fc.nat(999),
    fc.oneof(
      { weight: 12, arbitrary: fc.constantFrom(1, 4, 30) },
      { weight: 1, arbitrary: fc.constantFrom(600, 1500, 30_000) }
    )
  )
  .map(([text, n, times]) => `${text}${n}`.repeat(times))

const write: fc.Arbitrary<ModelWrite> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('put' as const), key, value }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('del' as const), key }) }
)
const put = fc.record({ type: fc.constant('put' as const), key, value })
const del = fc.record({ type: fc.constant('del' as const), key })
const way = fc.constantFrom<Way>('async', 'sync')

const range: fc.Arbitrary<ModelRange> = fc
  .tuple(
    fc.constantFrom('gt', 'gte', undefined),
    fc.constantFrom('lt', 'lte', undefined),
    key,
    key,
    fc.boolean(),
    fc.option(fc.nat(40), { nil: undefined })
  )
  .map(([lower, upper, a, b, reverse, limit]) => ({
    ...(lower && { [lower]: a < b ? a : b }),
    ...(upper && { [upper]: a < b ? b : a }),
    reverse,
    ...(limit !== undefined && { limit })
  }))

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), way, writes: fc.tuple(put) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('del' as const), way, writes: fc.tuple(del) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('burst', 'batch', 'transaction', 'rollback'),
      way,
      writes: fc.array(write, { maxLength: 20 })
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('putIf' as const),
      condition: fc.constantFrom('ifAbsent', 'ifPresent', 'ifValue'),
      key,
      value
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fill' as const),
      prefix: fc.constantFrom(...prefixes.slice(0, -1)),
      start: fc.nat(300),
      count: fc.integer({ min: 1, max: 400 }),
      value
    })
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('clear' as const), way, range }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('scan' as const),
      how: fc.constantFrom('iterator', 'scanSync', 'packed', 'keys'),
      range,
      at: fc.nat(9)
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('seek' as const), range, targets: fc.array(key, { maxLength: 4 }) })
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('read' as const), keys: fc.array(key, { maxLength: 30 }), at: fc.nat(9) })
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('hold', 'hold', 'release'), at: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('reopen', 'checkpoint', 'checkpoint', 'compact', 'sync') }) }
)

/** Random steps; fast-check shrinks them to the fewest and simplest that still fail. */
export const steps: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 1, maxLength: 60, size: 'max' })

// ---- how they are taken

/** A value that is too long for a report is given by its start and length. */
function short(text: string | undefined): string | undefined {
  return text !== undefined && text.length > 60 ? `${text.slice(0, 40)}... (${text.length})` : text
}

function same(actual: readonly (readonly [string, string | undefined])[], expected: ModelEntry[], what: string): void {
  const differs = (i: number): boolean => actual[i]![0] !== expected[i]![0] || actual[i]![1] !== expected[i]![1]
  const length = Math.min(actual.length, expected.length)
  for (let i = 0; i < length; i++) {
    if (differs(i)) deepStrictEqual(actual[i]!.map(short), expected[i]!.map(short), `${what}: entry ${i}`)
  }
  strictEqual(actual.length, expected.length, `${what}: number of entries`)
}

/** The state to read: a held snapshot, or the latest one. */
function stateAt(world: World, at: number): { model: Model; snapshot?: Snapshot } {
  return world.snapshots[at] ?? { model: world.model }
}

function packedEntries(db: Database, options: object): [string, string][] {
  return db
    .scanSync(options)
    .toArrays()
    .chunks.flatMap(({ buffer, offsets, count }) =>
      Array.from({ length: count }, (_, i): [string, string] => [
        buffer.toString('latin1', offsets[3 * i], offsets[3 * i + 1]),
        buffer.toString('utf8', offsets[3 * i + 1], offsets[3 * i + 2])
      ])
    )
}

async function scan(world: World, step: Extract<Step, { do: 'scan' }>): Promise<void> {
  const { model, snapshot } = stateAt(world, step.at)
  const options = { ...step.range, snapshot }
  const expected = model.entries(step.range)
  if (step.how === 'iterator') same(await world.db.iterator(options as object).all(), expected, 'iterator')
  if (step.how === 'scanSync') same([...world.db.scanSync(options)], expected, 'scanSync')
  if (step.how === 'packed') same(packedEntries(world.db, options), expected, 'packed scan')
  if (step.how === 'keys') {
    const keys = await world.db.keys(options as object).all()
    deepStrictEqual(
      keys.map(short),
      expected.map(([key]) => short(key))
    )
  }
}

async function seek({ db, model }: World, { range, targets }: Extract<Step, { do: 'seek' }>): Promise<void> {
  const { limit, ...unlimited } = range
  const iterator = db.iterator(unlimited)
  for (const target of targets) {
    iterator.seek(target)
    const entries = await iterator.nextv(5)
    same(entries as ModelEntry[], model.seek(target, { ...unlimited, limit: 5 }), `seek ${short(target)}`)
  }
  await iterator.close()
}

async function read(world: World, { keys, at }: Extract<Step, { do: 'read' }>): Promise<void> {
  const { db } = world
  const { model, snapshot } = stateAt(world, at)
  const options = snapshot ? { snapshot } : {}
  const expected = keys.map((key) => short(model.get(key)))
  deepStrictEqual(db.getManySync(keys, options).map(short), expected, 'getManySync')
  deepStrictEqual((await db.getMany(keys, options)).map(short), expected, 'getMany')
  deepStrictEqual(
    keys.map((key) => short(db.getSync(key, options))),
    expected,
    'getSync'
  )
  deepStrictEqual(
    keys.map((key) => db.hasSync(key, options)),
    expected.map((value) => value !== undefined),
    'hasSync'
  )
  if (snapshot) return
  for (const key of keys) {
    const view = db.getFast(key)
    ok((view && Buffer.from(view).toString()) === model.get(key), `getFast ${short(key)}`)
  }
}

/** A transaction that sees its own writes; `rollback` ends it by an exception. */
function transact({ db, model }: World, writes: ModelWrite[], rollback: boolean): void {
  const inside = model.copy()
  const stop = new Error('roll back')
  try {
    db.transactionSync((tx) => {
      for (const write of writes) {
        if (write.type === 'put') tx.put(write.key, write.value)
        else tx.del(write.key)
        inside.write([write])
        ok(tx.get(write.key) === inside.get(write.key), `tx.get ${short(write.key)}`)
      }
      same([...tx.scan()], inside.entries(), 'scan in the transaction')
      same([...tx.scan({ reverse: true, limit: 7 })], inside.entries({ reverse: true, limit: 7 }), 'its reverse scan')
      if (rollback) throw stop
    })
  } catch (error) {
    if (error !== stop) throw error
  }
  if (!rollback) model.write(writes)
}

function writeAsync(db: Database, write: ModelWrite): Promise<void> {
  return write.type === 'put' ? db.put(write.key, write.value) : db.del(write.key)
}

function writeSync(db: Database, write: ModelWrite): void {
  if (write.type === 'put') db.putSync(write.key, write.value)
  else db.delSync(write.key)
}

async function change(world: World, step: Extract<Step, { way: Way; writes: ModelWrite[] }>): Promise<void> {
  const { db, model } = world
  if (step.do === 'transaction' || step.do === 'rollback') return transact(world, step.writes, step.do === 'rollback')
  if (step.do === 'burst') await Promise.all(step.writes.map((write) => writeAsync(db, write)))
  else if (step.do === 'batch' && step.way === 'async') await db.batch(step.writes)
  else if (step.do === 'batch') db.batchSync(step.writes)
  else if (step.way === 'async') await writeAsync(db, step.writes[0]!)
  else writeSync(db, step.writes[0]!)
  model.write(step.writes)
}

function putIf({ db, model }: World, { condition, key, value }: Extract<Step, { do: 'putIf' }>): void {
  const old = model.get(key)
  const options = condition === 'ifValue' ? { ifValue: old ?? 'something else' } : { [condition]: true }
  const expected = condition === 'ifAbsent' ? old === undefined : old !== undefined
  strictEqual(db.putSync(key, value, options)?.applied, expected, `${condition} ${short(key)}`)
  if (expected) model.write([{ type: 'put', key, value }])
}

async function reopen(world: World): Promise<void> {
  world.snapshots = []
  world.db = await world.reopen()
}

async function hold(world: World): Promise<void> {
  if (world.snapshots.length < 10) world.snapshots.push({ snapshot: world.db.snapshot(), model: world.model.copy() })
}

async function release({ snapshots }: World, at: number): Promise<void> {
  const [held] = snapshots.splice(at % Math.max(1, snapshots.length), 1)
  await held?.snapshot.close()
}

/** Takes a step in the database and in the model, and compares what the database answers. */
export async function take(world: World, step: Step): Promise<void> {
  const { db, model } = world
  switch (step.do) {
    case 'putIf':
      return putIf(world, step)
    case 'fill': {
      const { prefix, start, count, value } = step
      const writes = Array.from({ length: count }, (_, i): ModelWrite => {
        return { type: 'put', key: `${prefix}${start + i}`, value: value.slice(0, 300) }
      })
      db.batchSync(writes)
      return model.write(writes)
    }
    case 'clear':
      if (step.way === 'async') await db.clear(step.range)
      else db.clearSync(step.range)
      return model.clear(step.range)
    case 'scan':
      return scan(world, step)
    case 'seek':
      return seek(world, step)
    case 'read':
      return read(world, step)
    case 'hold':
      return hold(world)
    case 'release':
      return release(world, step.at)
    case 'reopen':
      return reopen(world)
    case 'checkpoint':
    case 'compact':
    case 'sync':
      return db[step.do]()
    default:
      return change(world, step)
  }
}

/** Compares everything: the whole map, forward and reverse, every held snapshot, the check of the trees. */
export async function compareAll({ db, model, snapshots }: World): Promise<void> {
  same([...db.scanSync()], model.entries(), 'the whole map')
  same([...db.scanSync({ reverse: true })], model.entries({ reverse: true }), 'the whole map in reverse')
  for (const held of snapshots) {
    same([...db.scanSync({ snapshot: held.snapshot })], held.model.entries(), 'a held snapshot')
  }
  const { findings } = await db.verify()
  deepStrictEqual(findings, [])
  const { partitions } = await db.stats()
  strictEqual(
    partitions.reduce((sum, { records }) => sum + records, 0),
    model.size,
    'records in the figures'
  )
}
