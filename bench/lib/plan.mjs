/** Which measurements a run consists of. */

import { workloads } from '../workloads/index.mjs'
import { engineNamed, engines } from './engines.mjs'

const shape = { keySize: 16, valueSize: 100 }
/** A scale never gives fewer records. */
const fewestRecords = 1000

/**
 * The workloads of a selection: names, groups, or beginnings of names; all when it is empty.
 *
 * @throws Error naming what there is
 */
export function selectWorkloads(only) {
  if (only.length === 0) return workloads
  const matches = (workload, word) => workload.name === word || workload.group === word
  for (const word of only) {
    if (workloads.some((workload) => matches(workload, word) || workload.name.startsWith(`${word}-`))) continue
    if (word === 'limits') continue
    const groups = [...new Set(workloads.map((workload) => workload.group))]
    throw new Error(`There is no workload '${word}'. Groups: ${groups.join(', ')}, limits; --list shows all workloads`)
  }
  return workloads.filter((workload) =>
    only.some((word) => matches(workload, word) || (!isGroup(word) && workload.name.startsWith(`${word}-`)))
  )
}

function isGroup(word) {
  return workloads.some((workload) => workload.group === word)
}

/** The engines of a selection; all when it is empty. */
export function selectEngines(names) {
  return names.length === 0 ? engines : names.map(engineNamed)
}

/** Whether an engine takes part in a workload. */
export function takesPart(engine, workload) {
  if (workload.engines) return workload.engines.includes(engine.name)
  if (engine.skips?.includes(workload.name)) return false
  if (engine.groups && !engine.groups.includes(workload.group)) return false
  if (workload.isDurable && engine.isOnlyRelaxed) return false
  return !(workload.isOnDisk && engine.isInMemory)
}

/**
 * The steps of a run: each is a workload at one number of records, with the specifications that its rounds measure.
 *
 * @param {object} options - workloads, engines, n, sizes and seed.
 */
export function planSteps({ workloads: selected, engines: taking, n, sizes, seed, modulePath }) {
  return selected
    .flatMap((workload) => {
      const counts = workload.isBySize ? sizes : [Math.max(fewestRecords, Math.round(n * (workload.scale ?? 1)))]
      return counts.map((count) => ({ workload, n: count }))
    })
    .map(({ workload, n: count }) => {
      const { keySize = shape.keySize, valueSize = shape.valueSize } = workload
      const base = { workload: workload.name, n: count, keySize, valueSize, seed, modulePath }
      const specs = taking
        .filter((engine) => takesPart(engine, workload))
        .flatMap((engine) => (workload.forms ?? ['']).map((form) => ({ ...base, engine: engine.name, form })))
      return { workload, n: count, keySize, valueSize, specs }
    })
    .filter((step) => step.specs.length > 0)
}

/** The name of the loaded database that a measurement reads; undefined when it makes its own. */
export function fixtureOf(spec, workload) {
  const engine = engineNamed(spec.engine)
  if (!workload.fixture || engine.isInMemory) return undefined
  return `${engine.fixtureOf ?? engine.name}-${spec.n}-${spec.keySize}-${spec.valueSize}`.replaceAll(' ', '-')
}
