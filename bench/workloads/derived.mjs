/**
 * The same workloads under other conditions: numbers of partitions, shapes of records, numbers of records, and less
 * memory than data.
 */

import commit from './commit.mjs'
import get from './get.mjs'
import load from './load.mjs'
import overwrite from './overwrite.mjs'
import scan from './scan.mjs'

const all = [...load, ...commit, ...get, ...scan, ...overwrite]

function named(name) {
  const found = all.find((workload) => workload.name === name)
  if (!found) throw new Error(`There is no workload '${name}' to derive one from`)
  return found
}

/** A copy of a workload under another name, in another group and with other conditions. */
function derive(name, group, prefix, condition, more) {
  const base = named(name)
  const ownName = `${prefix}-${name}`
  const title = `${base.rows[name].title}; ${condition}`
  return { ...base, ...more, name: ownName, group, title, rows: { [ownName]: { ...base.rows[name], title } } }
}

/** Partitions: zkdb with 16 and 256 against zkdb with one. */
const partitions = [
  'load-sequential',
  'load-random',
  'load-random-durable',
  'concurrent-puts',
  'get-hit',
  'get-miss',
  'get-many',
  'scan-forward',
  'scan-reverse',
  'scan-packed',
  'range-100',
  'overwrite'
].map((name) => {
  const engines = ['zkdb', 'zkdb 16 partitions', 'zkdb 256 partitions']
  const workload = derive(name, 'partitions', 'partitions', 'partitions', { engines })
  for (const row of Object.values(workload.rows)) delete row.against
  return workload
})

const basic = ['load-random', 'load-random-durable', 'get-hit', 'get-many', 'scan-forward', 'range-100', 'overwrite']

/** Shapes of records: `scale` keeps the bytes of the data in bounds. */
const shapes = [
  { keySize: 10, valueSize: 1024, scale: 0.2 },
  { keySize: 16, valueSize: 16384, scale: 0.02 }
].flatMap(({ keySize, valueSize, scale }) =>
  basic.map((name) =>
    derive(name, 'shapes', `shape-${keySize}-${valueSize}`, `${keySize} B keys, ${valueSize} B values`, {
      keySize,
      valueSize,
      scale
    })
  )
)

/** How cost grows with the number of records. */
const sizes = ['load-random', 'get-hit', 'get-many', 'scan-forward', 'range-100'].map((name) =>
  derive(name, 'sizes', 'size', 'by number of records', { isBySize: true })
)

/** Less memory than data: the process may hold a quarter of the files' bytes beside what JavaScript needs. */
const memory = ['get-hit', 'scan-forward', 'overwrite'].map((name) =>
  derive(name, 'memory', 'memory', '4 times as much data as memory', {
    needsMemoryLimit: true,
    isOnDisk: true,
    keySize: 16,
    valueSize: 1024
  })
)

export default [...partitions, ...shapes, ...sizes, ...memory]
