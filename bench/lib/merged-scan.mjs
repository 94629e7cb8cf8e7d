/** A database over several servers, keys spread by their hash slots, and how fast it is read in the order of keys. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { open } from '../../dist/esm/index.js'
import { startZkdb } from './servers.mjs'
import { median } from './stats.mjs'

const run = promisify(execFile)
const script = fileURLToPath(new URL('measure-scan.mjs', import.meta.url))
const positions = 256
const batch = 10_000
const valueSize = 100

/** What the scan gives: packed chunks, records of strings, records of an asynchronous iterator. */
export const scanWays = ['packed', 'records', 'asynchronous']

/** The key with a rank, as redis-benchmark's. */
export function keyOf(rank) {
  return `key:${String(rank).padStart(12, '0')}`
}

/** Writes the configuration of a database whose partitions are those servers. */
function configure(file, servers) {
  const share = positions / servers.length
  const sections = servers.map(({ port }, i) => {
    const limits = ['DoHashing = Yes', `MinLimit = ${i * share}`, `MaxLimit = ${(i + 1) * share - 1}`]
    return [`[p${i}]`, ...limits, 'IsRemote = Yes', `AddressPath = 127.0.0.1:${port}`].join('\n')
  })
  const names = servers.map((_, i) => `p${i}`).join('; ')
  writeFileSync(file, `[main]\nPartitions = ${names}\n${sections.join('\n')}\n`)
}

async function fill(file, keys) {
  const db = await open(file)
  const value = 'x'.repeat(valueSize)
  for (let from = 0; from < keys; from += batch) {
    const count = Math.min(batch, keys - from)
    const puts = Array.from({ length: count }, (_, i) => ({ type: 'put', key: keyOf(from + i), value }))
    await db.batch(puts, { nonAtomic: true })
  }
  await db.close()
}

/**
 * @param {object} options - `folder`, `servers` (how many; divides 256), `keys`, `rounds`, `say` (told what goes on).
 * @returns by way of reading, as { perSecond, samples }
 */
export async function mergedScan({ folder, servers: count, keys, rounds, say }) {
  const servers = []
  try {
    for (let i = 0; i < count; i++) servers.push(await startZkdb(join(folder, String(i)), false))
    const file = join(folder, 'app.conf')
    configure(file, servers)
    say(`${keys} keys into ${count} servers`)
    await fill(file, keys)
    const figures = {}
    for (const way of scanWays) {
      say(`merged scan, ${way}`)
      const samples = []
      for (let round = 0; round < rounds; round++) {
        const { stdout } = await run(process.execPath, [script, file, way, String(keys)])
        samples.push(Number(stdout))
      }
      figures[way] = { perSecond: median(samples), samples }
    }
    return figures
  } finally {
    for (const server of servers) await server.stop()
  }
}
