/**
 * One connection over TLS: what the client sends goes, decrypted, to the socket of the addon's session, and the replies
 * come back. Each side is read only as fast as the other one takes it, and an end is passed on.
 *
 * Invariants:
 *  1. When the addon has ended its side, the client gets what was read from there, then the end of TLS, and a moment to
 *     end too. A client that does not take it is cut off after `stuckMs`.
 *  2. When the client's connection is gone, so is the socket to the addon.
 */
import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

/** How long a client may take to end its side; as `kLinger_ms` of native/net/loop/connection.h. */
const lingerMs = 1000

/** A connection that is relayed. */
export class Relay {
  readonly #client: TLSSocket
  readonly #session: Socket
  readonly #stuckMs: number
  #timer: NodeJS.Timeout | undefined

  /** @param fd - the end of the addon's socket, which the relay becomes the owner of. */
  constructor(client: TLSSocket, fd: number, stuckMs: number) {
    this.#client = client
    this.#stuckMs = stuckMs
    this.#session = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true })
    client.on('error', () => client.destroy())
    client.on('close', () => this.#clientClosed())
    client.on('finish', () => this.#cutAfter(lingerMs))
    this.#session.on('error', () => client.end())
    this.#session.on('end', () => this.ended())
    this.#session.on('close', () => this.ended())
    client.pipe(this.#session)
    this.#session.pipe(client)
  }

  /** The addon has ended its side: what it sent is on its way. */
  ended(): void {
    if (this.#timer === undefined) this.#cutAfter(this.#stuckMs)
  }

  #cutAfter(ms: number): void {
    if (this.#client.destroyed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#client.destroy(), ms)
  }

  #clientClosed(): void {
    clearTimeout(this.#timer)
    this.#session.destroy()
  }
}
