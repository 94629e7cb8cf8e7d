/** The kept results: JSON, a table and charts in a folder. A run of some workloads replaces theirs alone. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { workloads } from '../workloads/index.mjs'
import { chartsOf } from './charts.mjs'
import { reportOf } from './report.mjs'
import { summarize, suspicions } from './summary.mjs'

const jsonName = 'latest.json'

/** What a result is replaced by: one of the same workload, and for workloads by size of the same size. */
function keyOf({ spec }) {
  const workload = workloads.find((one) => one.name === spec.workload)
  return workload?.isBySize ? `${spec.workload}@${spec.n}` : spec.workload
}

function read(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, jsonName), 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw new Error(`${join(folder, jsonName)} cannot be read: ${error.message}`)
  }
}

/** The kept run with the workloads of the new one in place of its own. */
function merge(kept, run) {
  const fresh = new Set(run.results.map(keyOf))
  const known = (result) => workloads.some((workload) => workload.name === result.spec.workload)
  const left = kept.results.filter((result) => known(result) && !fresh.has(keyOf(result)))
  const position = ({ spec }) => workloads.findIndex((workload) => workload.name === spec.workload)
  const results = [...left, ...run.results].sort((a, b) => position(a) - position(b) || a.spec.n - b.spec.n)
  const rows = summarize(results)
  const stillThere = (kept.parts ?? []).filter((part) => left.some(({ started }) => started === part.started))
  const parts = [...stillThere, ...run.parts].sort((one, other) => (one.started < other.started ? -1 : 1))
  const native = run.native ?? kept.native
  return { ...run, started: parts[0].started, parts, results, rows, native, suspicions: suspicions(rows, run.machine) }
}

/**
 * Renews a folder of results.
 *
 * @param {boolean} isFull - the run holds every workload: nothing of what is kept stays.
 */
export function writeResults(folder, run, isFull) {
  mkdirSync(folder, { recursive: true })
  const kept = isFull ? undefined : read(folder)
  const whole = kept ? merge(kept, run) : run
  for (const name of readdirSync(folder)) if (name.endsWith('.svg')) rmSync(join(folder, name))
  const charts = chartsOf(whole.rows)
  for (const { file, svg } of charts) writeFileSync(join(folder, file), `${svg}\n`)
  writeFileSync(join(folder, 'table.md'), reportOf(whole, charts))
  writeFileSync(join(folder, jsonName), `${JSON.stringify(whole, null, 1)}\n`)
}
