/**
 * All workloads, in the order of reports.
 *
 * A workload is { name, group, title, rows, run } and may have
 *   fixture           'read': a loaded database that all rounds share; 'copy': a copy of it for each measurement
 *   isDurable         stores are opened so that each write is durable when it is acknowledged
 *   isOnDisk          says nothing about an engine without files
 *   forms             ways to do the same, of which the best one of each engine counts
 *   engines           names of the only engines that take part
 *   keySize, valueSize, scale   another shape of records; `scale` times the number of records
 *   isBySize          runs with each of the sizes
 *   needsMemoryLimit  runs with less memory than data
 * `rows` names its figures: { title, unit, against, isHigherBetter }. `against` is the row that peers are compared by.
 */
import commit from './commit.mjs'
import derived from './derived.mjs'
import files from './files.mjs'
import get from './get.mjs'
import load from './load.mjs'
import micro from './micro.mjs'
import open from './open.mjs'
import overwrite from './overwrite.mjs'
import scan from './scan.mjs'
import threads from './threads.mjs'
import ycsb from './ycsb.mjs'

export const workloads = [
  ...load,
  ...commit,
  ...get,
  ...scan,
  ...overwrite,
  ...ycsb,
  ...threads,
  ...files,
  ...open,
  ...derived,
  ...micro
]

/** The workload of that name. */
export function workloadNamed(name) {
  const found = workloads.find((workload) => workload.name === name)
  if (!found) throw new Error(`There is no workload '${name}'`)
  return found
}
