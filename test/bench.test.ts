/**
 * The harness of bench/: what it measures is right, what is wrong gets no figure, and peers are compared as it says.
 * It runs without the peers, which are dependencies of bench/ alone.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'

interface Spec {
  workload: string
  engine: string
  n: number
  keySize: number
  valueSize: number
  form: string
}

interface Result {
  spec: Spec
  samples: { figures: { row: string; value: number }[]; peakMiB: number }[]
  wrong?: string
  failed?: string
  unsupported?: string
}

interface Row {
  id: string
  cells: Record<string, { value?: number }>
  best?: { name: string; value: number }
  ratio?: number
  isMet?: boolean
}

const part = (name: string): string => pathToFileURL(resolve('bench/lib', name)).href
const { Runner } = await import(part('runner.mjs'))
const { planSteps, selectEngines, selectWorkloads } = await import(part('plan.mjs'))
const { summarize } = await import(part('summary.mjs'))
const { Totals } = await import(part('data.mjs'))

/** Measures workloads on engines with a few records, once. `modulePath` takes the place of zkdb. */
async function measured(
  t: ExecutionContext,
  only: string[],
  engines: string[],
  modulePath = resolve('dist/esm/index.js')
): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), 'zkdb-bench-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const options = { n: 2000, rounds: 1, seed: 1, sizes: [1000], timeout: 300, folder, modulePath }
  const steps = planSteps({ ...options, workloads: selectWorkloads(only), engines: selectEngines(engines) })
  return new Runner(options).run(steps)
}

/** A module with zkdb's `openSync` whose databases are changed by `change`, which is JavaScript. */
function lyingModule(t: ExecutionContext, change: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'zkdb-bench-lie-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'lying.mjs')
  const zkdb = pathToFileURL(resolve('dist/esm/index.js')).href
  const lines = [
    `import { openSync as open } from '${zkdb}'`,
    'export function openSync(options) {',
    'const db = open(options)',
    change,
    'return db',
    '}'
  ]
  writeFileSync(path, lines.join('\n'))
  return path
}

test('every embedded workload without peers gives a figure for each of its rows', async (t) => {
  const only = ['load', 'get', 'scan', 'overwrite', 'commit', 'open', 'files']
  const results = await measured(t, only, ['zkdb', 'map'])
  t.true(results.length > 20)
  for (const { spec, samples, wrong, failed } of results) {
    t.is(wrong ?? failed, undefined, `${spec.engine}, ${spec.workload}`)
    for (const { figures } of samples) for (const { row, value } of figures) t.true(value > 0, row)
  }
  const rows: Row[] = summarize(results)
  t.true(rows.every((row) => row.cells.zkdb?.value !== undefined))
})

const lies: [what: string, workload: string, change: string][] = [
  [
    'a value that is not the one written',
    'get-hit',
    `const get = db.getFast.bind(db)
     db.getFast = (key) => { const value = Buffer.from(get(key)); value[0] ^= 1; return value }`
  ],
  ['a record that is missing', 'get-many', 'db.getManySync = (keys) => keys.map(() => undefined)'],
  [
    'a record that a scan leaves out',
    'scan-forward',
    'const scan = db.scanSync.bind(db); db.scanSync = (range) => [...scan(range)].slice(1)'
  ],
  ['an overwrite that is not done', 'overwrite', 'db.batchSync = () => undefined']
]

for (const [what, workload, change] of lies) {
  test(`${what} is told of and gets no figure`, async (t) => {
    // The fixture of the overwrite has to be loaded by the database as it is.
    const isLater = workload === 'overwrite'
    const lie = isLater ? `if (options.path.endsWith('run')) { ${change} }` : change
    const [result] = await measured(t, [workload], ['zkdb'], lyingModule(t, lie))
    t.truthy(result!.wrong)
    t.is(result!.samples.length, 0)
    const [row] = summarize([result]) as Row[]
    t.is(row!.cells.zkdb!.value, undefined)
    t.is(row!.ratio, undefined)
  })
}

/** A result of one figure per round, in nanoseconds. */
function resultOf(engine: string, values: number[], problem: Partial<Result> = {}): Result {
  const spec = { workload: 'get-hit', engine, n: 1000, keySize: 16, valueSize: 100, form: '' }
  return { spec, samples: values.map((value) => ({ figures: [{ row: 'get-hit', value }], peakMiB: 1 })), ...problem }
}

test('the ratio is that of the medians, to the best peer whose answers are right', (t) => {
  const results = [
    resultOf('zkdb', [90, 100, 500]),
    resultOf('lmdb', [300, 240, 100]),
    resultOf('rocksdb', [], { wrong: 'all values read' }),
    resultOf('classic-level', [400]),
    resultOf('map', [1])
  ]
  const [row] = summarize(results) as Row[]
  t.is(row!.best!.name, 'lmdb')
  t.is(row!.ratio, 2.4)
  t.true(row!.isMet)
})

test('a target that is not reached is missed', (t) => {
  const [row] = summarize([resultOf('zkdb', [100]), resultOf('lmdb', [200])]) as Row[]
  t.is(row!.ratio, 2)
  t.false(row!.isMet)
})

test('the sums of a read tell an order of bytes from another', (t) => {
  const digest = (values: string[]): string => {
    const totals = new Totals()
    for (const value of values) totals.add(Buffer.from('k'), Buffer.from(value))
    return totals.digest
  }
  t.not(digest(['a', 'b']), digest(['a', 'c']))
  t.not(digest(['a']), digest(['a', 'a']))
})
