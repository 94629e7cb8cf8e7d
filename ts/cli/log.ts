/**
 * The log of a server: one JSON object per line, to standard error or to a file that can be opened anew, as log
 * rotation asks for.
 */
import { closeSync, openSync, writeSync } from 'node:fs'

/** How much: 0 errors, 1 beginning, end and audit, 2 connections refused and dropped, 3 figures by the minute. */
export type Verbosity = 0 | 1 | 2 | 3 | 4

/** Writes lines of JSON. Synchronously: what is logged before a crash is in the file. */
export class Log {
  readonly #path: string | undefined
  readonly #verbosity: number
  #descriptor: number

  /**
   * @param path - the file, which is appended to; undefined: standard error.
   * @throws a system error
   */
  constructor(path: string | undefined, verbosity: number) {
    this.#path = path
    this.#verbosity = verbosity
    this.#descriptor = path === undefined ? process.stderr.fd : openSync(path, 'a', 0o640)
  }

  /** Writes a line when the log is so verbose. A log that cannot be written does not stop the server. */
  write(verbosity: Verbosity, event: string, facts: object = {}): void {
    if (verbosity > this.#verbosity) return
    const line = { time: new Date().toISOString(), pid: process.pid, event, ...facts }
    try {
      writeSync(this.#descriptor, `${JSON.stringify(line)}\n`)
    } catch {
      // The disk is full, or nobody reads standard error any more.
    }
  }

  /** Opens the file anew, after it was moved away. With no success the old one goes on being written. */
  reopen(): void {
    if (this.#path === undefined) return
    try {
      const descriptor = openSync(this.#path, 'a', 0o640)
      closeSync(this.#descriptor)
      this.#descriptor = descriptor
    } catch (error) {
      this.write(0, 'log not reopened', { message: (error as Error).message })
    }
  }
}
