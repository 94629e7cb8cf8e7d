// The floor that shows that the design is right: zkdb beside lmdb, process by process in turn, medians and ratios.
//
//   npm run build && (cd bench && npm install) && node bench/floor.mjs [--records N] [--rounds N] [--json]
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false }
  }
})
const engines = ['lmdb', 'zkdb']
const wanted = { 'point get': 1.5, load: 3, 'durable load': 10, 'concurrent puts': 5, 'full scan': 3 }
const script = fileURLToPath(new URL('workload.mjs', import.meta.url))

function run(engine) {
  const folder = mkdtempSync(join(tmpdir(), `zkdb-bench-${engine}-`))
  try {
    const done = spawnSync(process.execPath, [script, engine, folder, values.records], { encoding: 'utf8' })
    if (done.status !== 0) throw new Error(`${engine}: ${done.stderr}`)
    return JSON.parse(done.stdout)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

const results = { lmdb: [], zkdb: [] }
for (let round = 0; round < Number(values.rounds); round++) {
  for (const engine of engines) {
    process.stderr.write(`round ${round + 1} of ${values.rounds}: ${engine}\n`)
    results[engine].push(run(engine))
  }
}
const rows = Object.keys(results.zkdb[0]).map((name) => {
  const [lmdb, zkdb] = engines.map((engine) => median(results[engine].map((figures) => figures[name])))
  return { workload: name, lmdb, zkdb, ratio: lmdb / zkdb, floor: wanted[name] }
})
if (values.json) {
  console.log(JSON.stringify({ records: Number(values.records), rounds: Number(values.rounds), rows }))
} else {
  console.log(`${values.records} records of 16 + 100 bytes; ns per operation, medians of ${values.rounds} rounds`)
  for (const { workload, lmdb, zkdb, ratio, floor } of rows) {
    const figures = [lmdb, zkdb, ratio].map((n) => n.toPrecision(4).padStart(10)).join('')
    console.log(`${workload.padEnd(18)}${figures}${floor ? `   floor ${floor}` : ''}`)
  }
}
