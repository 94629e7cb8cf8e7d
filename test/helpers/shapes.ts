/**
 * Fresh places for databases, and the partition shapes in which a test runs.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A database to be made: what the constructor of `Database` takes. */
export interface Place {
  location: string
  options: { partitions?: number }
}

/** A partition shape: makes places for new databases of this shape. */
export interface Shape {
  name: string
  make(folder: string): Place
}

/** The three partitions of seed 003, by text limits. */
export const threePartitions = `; three partitions by the fourth character
[main]
Database = test
Partitions = part_1;part_2;part_3;
LogFileSize = 1M

[part_1]
MaxLimit = k
LimitStartPos = 3

[part_2]
MinLimit = l
MaxLimit = p
LimitStartPos = 3

[part_3]
MinLimit = q
LimitStartPos = 3
`

/** The shapes that every suite runs in. */
export const shapes: readonly Shape[] = [
  { name: '1 partition', make: (folder) => ({ location: join(folder, 'data'), options: {} }) },
  {
    name: '3 partitions by text limits',
    make: (folder) => {
      const location = join(folder, 'three.conf')
      writeFileSync(location, threePartitions)
      return { location, options: {} }
    }
  },
  {
    name: '256 hashed partitions',
    make: (folder) => ({ location: join(folder, 'data'), options: { partitions: 256 } })
  }
]

/** The base of temporary folders: memory where there is some. */
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
const root = mkdtempSync(join(base, 'zkdb-test-'))
let count = 0
// Databases that a test left open may be writing still.
process.on('exit', () => rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))

/** A new, empty folder; gone when the process ends. */
export function newFolder(): string {
  const folder = join(root, String(++count))
  mkdirSync(folder)
  return folder
}

/** Removes a folder early, for tests that make many. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}
