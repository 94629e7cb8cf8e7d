/**
 * The types of the calls of 2000, and how an exception becomes a 0.
 */
import { appendFileSync } from 'node:fs'
import { typeName } from './bytes.js'
import { type Urgency, ZkdbError } from './errors.js'

/** A place for an answer: what `int *found` is in C. */
export interface Out<T> {
  value: T
}

/**
 * What went wrong in the last call that got it. A call that succeeds clears it.
 *
 * @example
 * const err = new ZkError()
 * if (!zkDB_Open(err, 'app.conf', db)) console.error(err.code, err.message)
 */
export class ZkError {
  /** A code of {@link ZkdbError}, or `''`. */
  code = ''
  /** For a person, or `''`. */
  message = ''
  /** `urgent` when opening or closing failed or the database needs recovery: then a server does not go on. */
  urgency: Urgency = 'regular'
  /** The error behind it. */
  cause: unknown = undefined

  /** Forgets the error. */
  clear(): void {
    this.code = ''
    this.message = ''
    this.urgency = 'regular'
    this.cause = undefined
  }

  /** Takes over an exception. */
  set(error: unknown): void {
    const { code, message, urgency } = error as Partial<ZkdbError>
    this.code = error instanceof TypeError || typeof code !== 'string' ? 'ZKDB_INVALID' : code
    this.message = message ?? String(error)
    this.urgency = urgency ?? 'regular'
    this.cause = error
  }
}

/** A "database thang": a byte string with a length, used for keys and data. */
export class ZkDBT {
  #bytes: Uint8Array | undefined = new Uint8Array(0)

  /** The bytes. @throws ZKDB_CLOSED after zkDBTFree */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) throw new ZkdbError('ZKDB_CLOSED', 'The thang is freed')
    return this.#bytes
  }

  /** Takes a copy of the bytes. */
  set(bytes: Uint8Array): void {
    this.take(Uint8Array.prototype.slice.call(bytes))
  }

  /** Takes bytes that nobody else changes. */
  take(bytes: Uint8Array): void {
    if (this.#bytes === undefined) throw new ZkdbError('ZKDB_CLOSED', 'The thang is freed')
    this.#bytes = bytes
  }

  /** Forgets the bytes: the thang cannot be used any more. */
  free(): void {
    this.bytes
    this.#bytes = undefined
  }
}

/** Something with a log file: messages of failed calls on it are written there. */
export interface Logged {
  logFile: string | null
}

/** Writes a line to the log of `target`. A log that cannot be written changes nothing about the call. */
export function log(target: Logged | undefined, message: string): void {
  if (typeof target?.logFile !== 'string') return
  try {
    appendFileSync(target.logFile, `${new Date().toISOString()} ${process.pid} ${message}\n`)
  } catch {
    // The caller gets the error of the call itself.
  }
}

/** Runs a call: 1 when it returns, 0 with the details in `err` and in the log when it throws. */
export function guarded(
  err: ZkError | null | undefined,
  target: Logged | undefined,
  name: string,
  body: () => void
): number {
  try {
    if (err instanceof ZkError) err.clear()
    body()
    return 1
  } catch (error) {
    if (err instanceof ZkError) err.set(error)
    const { code, message, urgency } = error as Partial<ZkdbError>
    log(target, `${name}: ${urgency ?? 'regular'} ${code ?? 'ZKDB_INVALID'}: ${message}`)
    return 0
  }
}

/** Checks a thang. */
export function thang(value: unknown, what: string): ZkDBT {
  if (value instanceof ZkDBT) return value
  throw new TypeError(`The ${what} must be a ZkDBT, received ${typeName(value)}`)
}

/** Checks a place for an answer. */
export function out<T>(value: unknown, what: string): Out<T> {
  if (typeof value === 'object' && value !== null) return value as Out<T>
  throw new TypeError(`The ${what} must be an object with a value, received ${typeName(value)}`)
}

/** Puts an answer into its place, if the caller gave one. */
export function answer<T>(place: Out<T> | null | undefined, value: T): void {
  if (typeof place === 'object' && place !== null) place.value = value
}

/** The first `size` bytes of what a caller gives as bytes. */
export function bytesOf(buffer: unknown, size: unknown): Uint8Array {
  const bytes = typeof buffer === 'string' ? Buffer.from(buffer) : buffer
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`The buffer must be a string or a Uint8Array, received ${typeName(buffer)}`)
  }
  const length = size ?? bytes.length
  if (!Number.isInteger(length) || (length as number) < 0 || (length as number) > bytes.length) {
    throw new TypeError(`The size must be a whole number of 0..${bytes.length}, received ${String(size)}`)
  }
  return bytes.subarray(0, length as number)
}
