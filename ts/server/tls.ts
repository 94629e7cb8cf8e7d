/**
 * TLS: Node takes the connections, agrees on keys, and relays what is in them to sessions of the addon.
 *
 * Invariants:
 *  1. TLS 1.3 alone, and every connection shows its certificate anew: sessions are not resumed.
 *  2. A connection counts for the limits of the server from its first packet to its end (`serverAdmit`, `serverLeave`).
 *  3. A client with a certificate that does not hold is not served, whether one was asked for or only welcome.
 */
import { constants } from 'node:crypto'
import { createServer as createListener, type Server as Listener, type Socket } from 'node:net'
import { createServer, type Server as Handshakes, type TLSSocket, type TlsOptions } from 'node:tls'
import { ZkdbError } from '../errors.js'
import { formatAddress, type ListenAddress } from './address.js'
import type { Guard } from './guard.js'
import { native } from './native.js'
import { Relay } from './relay.js'
import type { TlsCredentials } from './tls-files.js'

/** How a server speaks TLS. */
export interface TlsSettings {
  /** Whether a client without a certificate is refused. */
  requireClientCertificate: boolean
  listenQueueLength: number
  tcpDelay: boolean
  /** Milliseconds for agreeing on keys. */
  loginMs: number
  stuckMs: number
}

const keepAliveMs = 300_000

function contextOf(credentials: TlsCredentials): TlsOptions {
  return { ...credentials, minVersion: 'TLSv1.3', secureOptions: constants.SSL_OP_NO_TICKET }
}

/** The address of a client, as the sessions of plain sockets have it. */
function peerOf({ remoteAddress = '', remotePort = 0 }: Socket): { host: string; address: string } {
  const host = remoteAddress.replace(/%.*$/, '')
  return { host, address: formatAddress({ host, port: remotePort, path: '' }) }
}

/** Whom a certificate names: undefined without one, and when the subject has no name or several. */
function nameOf(socket: TLSSocket): string | undefined {
  const name: unknown = socket.getPeerCertificate().subject?.CN
  return typeof name === 'string' ? name : undefined
}

function listen(server: Listener, { host, port }: ListenAddress, backlog: number): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const address = formatAddress({ host, port, path: '' })
      reject(new ZkdbError('ZKDB_IO', `${address}: ${cause.message}`, { urgency: 'urgent', cause }))
    })
    server.listen({ host, port, backlog }, () => {
      const bound = server.address() as { address: string; port: number }
      resolve({ host: bound.address, port: bound.port, path: '', isTls: true })
    })
  })
}

/** What speaks TLS for one server. */
export class TlsFront {
  readonly #server: number
  readonly #guard: Guard
  readonly #settings: TlsSettings
  readonly #handshakes: Handshakes
  readonly #listeners: Listener[] = []
  readonly #sockets = new Set<Socket>()
  #relayed = 0
  #emptied: (() => void) | undefined

  /** @throws what Node says of credentials that it cannot use */
  constructor(server: number, guard: Guard, credentials: TlsCredentials, settings: TlsSettings) {
    this.#server = server
    this.#guard = guard
    this.#settings = settings
    this.#handshakes = createServer({
      ...contextOf(credentials),
      requestCert: credentials.ca !== undefined,
      rejectUnauthorized: settings.requireClientCertificate,
      handshakeTimeout: settings.loginMs
    })
    this.#handshakes.on('secureConnection', (socket) => this.#adopt(socket))
    this.#handshakes.on('tlsClientError', (_error, socket) => socket.destroy())
  }

  /**
   * Listens. Gives the address, its port filled in.
   *
   * @throws ZKDB_IO for an address that cannot be had
   */
  async listen(address: ListenAddress): Promise<ListenAddress> {
    const { tcpDelay, listenQueueLength } = this.#settings
    const listener = createListener({
      noDelay: !tcpDelay,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs
    })
    listener.on('connection', (socket) => this.#take(socket))
    const bound = await listen(listener, address, listenQueueLength)
    // Without file descriptors, say: the others go on, and it is tried again with the next connection.
    listener.on('error', () => undefined)
    this.#listeners.push(listener)
    return bound
  }

  /** New connections get these from now on; those that there are stay as they are. */
  set credentials(credentials: TlsCredentials) {
    this.#handshakes.setSecureContext(contextOf(credentials))
  }

  /** Takes no more connections. */
  stopListening(): void {
    for (const listener of this.#listeners) listener.close()
  }

  /** Waits until the last relayed connection has ended; after `ms` milliseconds everything is dropped. */
  async drain(ms: number): Promise<void> {
    if (this.#relayed > 0) {
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.#emptied = resolve
        timer = setTimeout(resolve, ms)
      })
      clearTimeout(timer)
    }
    for (const socket of this.#sockets) socket.destroy()
  }

  #take(socket: Socket): void {
    const { host } = peerOf(socket)
    socket.on('error', () => socket.destroy())
    if (host === '' || native.serverAdmit(this.#server, host) !== 1) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      native.serverLeave(this.#server, host)
    })
    this.#handshakes.emit('connection', socket)
  }

  /** The user of a certificate, with his rights; nothing without one. False when it does not hold. */
  #userOf(socket: TLSSocket, address: string): { user: string; rights?: Buffer } | false {
    if (socket.getPeerX509Certificate() === undefined) return { user: '' }
    const user = nameOf(socket) ?? ''
    if (!socket.authorized) {
      const certificate = String(socket.authorizationError)
      this.#guard.audit({ event: 'login-refused', client: 0, address, user, certificate })
      return false
    }
    const rights = this.#guard.rightsOf(user)
    return rights ? { user, rights } : { user: '' }
  }

  #adopt(socket: TLSSocket): void {
    // Only from here on: who ends his side before the keys are agreed on is gone.
    socket.allowHalfOpen = true
    const { host, address } = peerOf(socket)
    const known = host === '' ? false : this.#userOf(socket, address)
    if (!known) {
      socket.destroy()
      return
    }
    const local = formatAddress({ host: socket.localAddress ?? '', port: socket.localPort ?? 0, path: '' })
    const adopted = native.serverAdopt(this.#server, host, address, local, known.user, known.rights)
    if (typeof adopted === 'number') {
      // No file descriptor is left, or the server is being closed.
      socket.destroy()
      return
    }
    const relay = new Relay(socket, adopted.fd, this.#settings.stuckMs)
    this.#relayed++
    socket.once('close', () => {
      if (--this.#relayed === 0) this.#emptied?.()
    })
    this.#guard.whenGone(adopted.client, () => relay.ended())
    if (known.rights) {
      this.#guard.audit({ event: 'login', client: adopted.client, address, user: known.user, certificate: 'ok' })
    }
  }
}
