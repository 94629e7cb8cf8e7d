/**
 * The audit log: a line of JSON per login, denied command and command of an admin. It never holds a key, a value or a
 * password: the session does not tell them.
 */
import type { Writable } from 'node:stream'

/** What happened. */
export type AuditKind = 'login' | 'login-refused' | 'denied' | 'admin'

/** An event as the session tells it: `AuditEvent` of native/net/host.h. */
export interface AuditEvent {
  event: AuditKind
  /** The number of the connection. */
  client: number
  address: string
  user: string
  /** Of `denied` and `admin`: its name. */
  command?: string
  /** Of `denied`: what was missing. */
  reason?: 'command' | 'database' | 'key'
  /** Of `denied`: how many were denied since the login. The session tells the first 100, then each power of two. */
  count?: number
}

const defaultMaxWaiting = 1024 * 1024

/** Writes events to a stream. When the stream is too slow, events are dropped and counted rather than kept. */
export class AuditWriter {
  #stream: Writable
  readonly #maxWaiting: number
  readonly #now: () => Date
  #dropped = 0

  /** At most `maxWaiting` bytes wait in the stream. */
  constructor(stream: Writable, maxWaiting = defaultMaxWaiting, now: () => Date = () => new Date()) {
    this.#stream = stream
    this.#maxWaiting = maxWaiting
    this.#now = now
  }

  /** Writes to another stream from now on: the log was rotated. The caller ends the old one. */
  set stream(stream: Writable) {
    this.#stream = stream
  }

  /** Events that were dropped since the last line that says so. */
  get dropped(): number {
    return this.#dropped
  }

  /** Writes an event. */
  write(event: AuditEvent): void {
    if (this.#stream.writableLength >= this.#maxWaiting || !this.#stream.writable) {
      this.#dropped++
      return
    }
    if (this.#dropped > 0) {
      this.#line({ event: 'dropped', count: this.#dropped })
      this.#dropped = 0
    }
    this.#line(event)
  }

  #line(fields: object): void {
    this.#stream.write(`${JSON.stringify({ time: this.#now().toISOString(), ...fields })}\n`)
  }
}
