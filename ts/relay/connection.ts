/**
 * One connection of a remote partition over TLS. The core's end of a pair of sockets says where it leads to, gets an
 * answer, and from then on what it sends goes encrypted to the server, and the server's answers come back. Each side is
 * read only as fast as the other one takes it.
 *
 * The request is a RESP array, as include/zkdb.h has it: TLS, host, port, name of the server, authority, certificate,
 * key. The answer is +OK, or an error with its code and reason.
 *
 * Invariants:
 *  1. Nothing is sent to a server before its certificate is verified and TLS 1.3 or later agreed on.
 *  2. When the core has closed its end, the connection to the server is cut; when that one ends, the core gets what was
 *     read from it, and the end.
 *  3. A failure before the first byte of the server is told the core as an error; it has no secret in it.
 */
import { isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { ZkdbError } from '../errors.js'
import { Decoder, type ReplySink } from '../remote/decoder.js'
import { failureText } from '../remote/failure-text.js'
import type { Reply } from '../remote/reply.js'
import { readClientFiles } from '../server/tls-files.js'

/** Bytes of a request: paths of files, and the name of a host. */
const maxRequest = 64 * 1024
const maxReason = 800
const keepAliveDelayMs = 30_000

/** Where a connection leads to. */
interface Target {
  host: string
  port: number
  serverName: string
  authority: string
  certificate: string
  key: string
}

function targetOf(request: Reply): Target {
  const words = Array.isArray(request) ? request.map(String) : []
  const [name, host = '', port = '', serverName = '', authority = '', certificate = '', key = ''] = words
  if (name !== 'TLS' || words.length !== 7) throw new ZkdbError('ZKDB_PROTOCOL', 'the relay for TLS was asked wrongly')
  return { host, port: Number(port), serverName, authority, certificate, key }
}

/** @throws ZKDB_CONFIG for files that cannot be used */
function optionsOf({ host, port, serverName, ...files }: Target): ConnectionOptions {
  const name = serverName || (isIP(host) === 0 ? host : undefined)
  const credentials = readClientFiles(files)
  return {
    host,
    port,
    ...credentials,
    ...(name && { servername: name }),
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3'
  }
}

/** A code and a reason in one line. */
function errorLine(error: unknown): string {
  const isOurs = error instanceof ZkdbError
  const reason = isOurs ? error.message : failureText(error as Error)
  // A certificate may have anything in it.
  const line = reason.replace(/[\s\p{Cc}]+/gu, ' ').trim()
  return `-${isOurs ? error.code : 'ZKDB_UNREACHABLE'} ${line.slice(0, maxReason)}\r\n`
}

/** A connection that is being made, or is relayed. */
export class RelayedConnection implements ReplySink {
  readonly #core: Socket
  readonly #request = new Decoder(this, maxRequest)
  #server: TLSSocket | undefined
  /** The server has sent something. */
  #isHeard = false

  /** @param core - the end of the pair, which this becomes the owner of. */
  constructor(core: Socket) {
    this.#core = core
    core.on('error', () => core.destroy())
    core.on('close', () => this.#server?.destroy())
    core.on('data', this.#take)
  }

  // ---- the request

  readonly #take = (bytes: Buffer): void => {
    try {
      this.#request.push(bytes, bytes.length)
    } catch (error) {
      this.#refuse(error)
    }
  }

  textDepth(): number {
    return 0
  }

  push(): void {
    this.#refuse(new ZkdbError('ZKDB_PROTOCOL', 'the relay for TLS was asked wrongly'))
  }

  reply(request: Reply): void {
    if (this.#server !== undefined) throw new ZkdbError('ZKDB_PROTOCOL', 'the relay for TLS was asked twice')
    const server = connect(optionsOf(targetOf(request)))
    this.#server = server
    server.setNoDelay(true)
    server.setKeepAlive(true, keepAliveDelayMs)
    server.on('secureConnect', () => this.#relay(server))
    server.on('error', (error) => this.#refuse(error))
    server.on('end', () => this.#ended())
    server.on('close', () => this.#ended())
  }

  // ---- what is relayed

  #relay(server: TLSSocket): void {
    this.#core.off('data', this.#take)
    this.#core.write('+OK\r\n')
    server.once('data', () => {
      this.#isHeard = true
    })
    server.pipe(this.#core)
    this.#core.pipe(server)
  }

  #ended(): void {
    this.#refuse(new ZkdbError('ZKDB_UNREACHABLE', 'it closed the connection before it took the login'))
  }

  /** Ends both sides; the reason is told while nothing else has been. */
  #refuse(error: unknown): void {
    const core = this.#core
    if (!this.#isHeard && !core.writableEnded && !core.destroyed) core.write(errorLine(error))
    this.#server?.unpipe(core)
    core.end()
    this.#server?.destroy()
    // Until it has closed its end too: what it sends meanwhile goes nowhere, and it reads the reason.
    core.resume()
  }
}
