/**
 * How the command line ends: the exit codes, and errors in the one form in which they are printed.
 */
import { ZkdbError } from '../errors.js'
import { errorColour, note } from './output.js'

/** The exit codes of `zkdb`. Scripts rely on them: they are only added to. */
export const Exit = {
  ok: 0,
  found: 1,
  usage: 2,
  config: 3,
  locked: 4,
  corrupt: 5,
  io: 6,
  internal: 70,
  restart: 75,
  interrupted: 130
} as const

/** The table of `zkdb --help`. */
export const exitHelp = `Exit codes:
  0    done
  1    the key is not there, a condition did not hold, check found something, or
       salvage lost something
  2    usage, or bad input data
  3    the configuration is wrong, or there is no database at that place
  4    another process has the database open
  5    the files are damaged or foreign, or the database needs recovery
  6    a file could not be read or written, or the disk is full
  70   a defect of zkdb: please report it
  75   a server that is to be started again: a write has failed for good, or
       ProcessLife is over
  130  interrupted with Ctrl-C`

const exitOfCode: Readonly<Record<string, number>> = {
  ZKDB_USAGE: Exit.usage,
  ZKDB_BAD_INPUT: Exit.usage,
  ZKDB_INVALID: Exit.usage,
  ZKDB_KEY_TOO_LARGE: Exit.usage,
  ZKDB_VALUE_TOO_LARGE: Exit.usage,
  ZKDB_BATCH_TOO_LARGE: Exit.usage,
  ZKDB_CROSS_PARTITION: Exit.usage,
  ZKDB_REMOTE: Exit.usage,
  ZKDB_CONFIG: Exit.config,
  ZKDB_EXISTS: Exit.config,
  ZKDB_MISSING: Exit.config,
  ZKDB_LOCKED: Exit.locked,
  ZKDB_CORRUPT: Exit.corrupt,
  ZKDB_NOT_ZKDB: Exit.corrupt,
  ZKDB_VERSION: Exit.corrupt,
  ZKDB_SEGMENT_MISSING: Exit.corrupt,
  ZKDB_MISMATCH: Exit.corrupt,
  ZKDB_FAILED: Exit.corrupt,
  ZKDB_READ_ONLY: Exit.io,
  ZKDB_IO: Exit.io,
  ZKDB_NO_SPACE: Exit.io,
  ZKDB_NO_MEMORY: Exit.io,
  ZKDB_SNAPSHOT_EXPIRED: Exit.io,
  ZKDB_UNREACHABLE: Exit.io,
  ZKDB_UNKNOWN_OUTCOME: Exit.io,
  ZKDB_TIMEOUT: Exit.io,
  ZKDB_AUTH: Exit.io,
  ZKDB_PROTOCOL: Exit.io,
  ZKDB_SERVER: Exit.io,
  ZKDB_ABORTED: Exit.interrupted
}

/** An error of the command line itself: wrong usage or bad input. */
export function usageError(message: string): ZkdbError {
  return new ZkdbError('ZKDB_USAGE', message)
}

/** An error of the data that a command reads. */
export function inputError(message: string): ZkdbError {
  return new ZkdbError('ZKDB_BAD_INPUT', message)
}

/** What is printed about an error, and the exit code that it gives. */
export interface Failure {
  exit: number
  code: string
  message: string
}

interface ErrorLike {
  code?: unknown
  message?: unknown
  syscall?: unknown
  stack?: unknown
}

/** Classifies whatever was thrown. A defect keeps its stack. */
export function failureOf(thrown: unknown): Failure {
  const error = (thrown ?? {}) as ErrorLike
  const message = typeof error.message === 'string' ? error.message : String(thrown)
  const code = typeof error.code === 'string' ? error.code : ''
  const exit = exitOfCode[code]
  if (exit !== undefined) return { exit, code, message }
  if (error.syscall !== undefined) return { exit: Exit.io, code: 'ZKDB_IO', message }
  const stack = typeof error.stack === 'string' ? error.stack : message
  return { exit: Exit.internal, code: code || 'ZKDB_INTERNAL', message: stack }
}

/** Whether output and errors are to be JSON. */
export const wantsJson = process.argv.includes('--json')

/** Prints an error to standard error and gives its exit code. */
export function report(thrown: unknown): number {
  const { exit, code, message } = failureOf(thrown)
  if (wantsJson) note(JSON.stringify({ error: { code, message, exit } }))
  else note(`${errorColour.red('zkdb:')} ${code}: ${message}`)
  return exit
}
