/** Files of the measured databases: their size, copies of them, and how long the disk takes to make bytes durable. */
import { Buffer } from 'node:buffer'
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  cpSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { percentile } from './stats.mjs'

const pageSize = 4096
const blockSize = 512

/** Bytes that a file or folder takes on the disk (allocated blocks, not lengths). */
export function diskBytes(path) {
  const stats = statSync(path)
  if (!stats.isDirectory()) return stats.blocks * blockSize
  return readdirSync(path).reduce((sum, name) => sum + diskBytes(join(path, name)), 0)
}

/** Copies a database and waits until the copy is on the disk, so that its writing back is not part of what follows. */
export function copyDatabase(from, to) {
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to, { recursive: true })
  spawnSync('sync', ['-f', to])
}

/** Takes the files of a folder out of the page cache. */
export function dropFromCache(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) dropFromCache(path)
    else spawnSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], { stdio: 'ignore' })
  }
}

/**
 * Measures fdatasync after a 4 KiB write: appended, and over space that is there.
 *
 * @returns microseconds, as { appendP50, appendP99, overwriteP50, overwriteP99 }
 */
export function syncLatency(folder, count = 200) {
  const path = join(folder, `sync-latency-${process.pid}`)
  const page = Buffer.alloc(pageSize, 1)
  const file = openSync(path, 'w')
  const measure = () =>
    Array.from({ length: count }, (_, i) => {
      const begin = process.hrtime.bigint()
      writeSync(file, page, 0, pageSize, i * pageSize)
      fdatasyncSync(file)
      return Number(process.hrtime.bigint() - begin) / 1000
    })
  try {
    const append = measure()
    const overwrite = measure()
    return {
      appendP50: percentile(append, 0.5),
      appendP99: percentile(append, 0.99),
      overwriteP50: percentile(overwrite, 0.5),
      overwriteP99: percentile(overwrite, 0.99)
    }
  } finally {
    closeSync(file)
    rmSync(path, { force: true })
  }
}
