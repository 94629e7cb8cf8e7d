/**
 * Files that hold secrets: they are read only when nobody else can read or change them.
 */
import { closeSync, fstatSync, openSync, readFileSync, type Stats } from 'node:fs'
import { ZkdbError } from '../errors.js'

/** Why a file may not hold secrets, or undefined: it must be the user's own, and nobody else's to read or change. */
function problemOfMode(file: string, holds: string, { mode, uid }: Stats): string | undefined {
  const own = process.getuid?.()
  if (own === undefined) return undefined
  if ((mode & 0o077) !== 0) {
    const shown = (mode & 0o777).toString(8).padStart(4, '0')
    return `others may read or change it (mode ${shown}), and it holds ${holds}: chmod 600 ${file}`
  }
  return uid === own || uid === 0 || own === 0 ? undefined : `belongs to user ${uid}, not to ${own}, who runs this`
}

/** An error of the configuration that names a file. */
export function fileError(file: string, reason: string, cause?: unknown): ZkdbError {
  return new ZkdbError('ZKDB_CONFIG', `${file}: ${reason}`, cause === undefined ? {} : { cause })
}

/** What was read, and about the file. */
export interface PrivateFile {
  bytes: Buffer
  stats: Stats
}

/**
 * Reads a file.
 *
 * @param holds - what is secret in it, for the error that others may read it.
 * @throws ZkdbError `ZKDB_CONFIG`: it cannot be read, is no file, or others may read or change it
 */
export function readPrivateFile(file: string, holds: string): PrivateFile {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (cause) {
    throw fileError(file, `cannot be read: ${(cause as Error).message}`, cause)
  }
  try {
    const stats = fstatSync(descriptor)
    const problem = stats.isFile() ? problemOfMode(file, holds, stats) : 'is not a file'
    if (problem) throw fileError(file, problem)
    return { bytes: readFileSync(descriptor), stats }
  } finally {
    closeSync(descriptor)
  }
}
