/**
 * Making databases with bad files, and small or read-only file systems.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Database, open } from 'zkdb'

/** Records enough for several levels of pages. */
export const records: readonly [key: string, value: string][] = Array.from({ length: 3000 }, (_, i) => [
  `key ${String(i).padStart(5, '0')}`,
  `value ${i} ${'v'.repeat(i % 150)}`
])

/** A new database with {@link records}, closed; the path of its only partition's first segment. */
export async function makeDatabase(path: string, options: object = {}): Promise<string> {
  const db = await open({ path, ...options })
  db.batchSync(records.map(([key, value]) => ({ type: 'put', key, value })))
  const [partition] = db.partitions()
  await db.close()
  return join(partition!.directory, '000.zkd')
}

/** Whether a database holds exactly {@link records}. */
export function holdsAll(db: Database): boolean {
  return JSON.stringify([...db.scanSync()]) === JSON.stringify(records)
}

/** CRC-32C, bit by bit. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

const metaSize = 4096
const versionAt = 8
const checksumAt = 12

/** Writes a format version into the metas of a segment, with right checksums. */
export function setVersion(segment: string, version: number): void {
  const bytes = readFileSync(segment)
  for (const meta of [bytes.subarray(0, metaSize), bytes.subarray(metaSize, 2 * metaSize)]) {
    if (meta.every((byte) => byte === 0)) continue
    meta.writeUInt32LE(version, versionAt)
    meta.writeUInt32LE(0, checksumAt)
    meta.writeUInt32LE(crc32c(meta), checksumAt)
  }
  writeFileSync(segment, bytes)
}

/** Changes a byte of every page from the third on. */
export function damagePages(segment: string, pageSize = 4096): void {
  const bytes = readFileSync(segment)
  for (let at = 2 * pageSize + 100; at < bytes.length; at += pageSize) bytes[at]! ^= 0x55
  writeFileSync(segment, bytes)
}

/** Mounts a file system of `size` in memory on a folder; why that is not possible, or undefined. */
export function mountSmall(folder: string, size: string): string | undefined {
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder])
  return status === 0 ? undefined : (error?.message ?? stderr.toString().trim())
}

/** Unmounts what {@link mountSmall} mounted. */
export function unmount(folder: string): void {
  spawnSync('umount', ['-l', folder])
}

/** Takes the right to write in a folder away; why that is not possible, or undefined. */
export function makeReadOnly(folder: string): string | undefined {
  chmodSync(folder, 0o555)
  if (process.getuid?.() !== 0) return undefined
  // The superuser may write anyway, unless the file system says no.
  if (statSync(folder).dev === statSync(join(folder, '..')).dev) return 'the superuser may write everywhere'
  const { status, stderr } = spawnSync('mount', ['-o', 'remount,ro', folder])
  return status === 0 ? undefined : stderr.toString().trim()
}
