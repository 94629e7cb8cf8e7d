/**
 * A small RESP server in this process for the tests of the remote client. It greets as a server of RESP3 does, and
 * otherwise does what the test says, which may be misbehaviour.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'

/** One connection to the server. */
export interface Peer {
  socket: Socket
  /** From 0, in the order of the connections. */
  index: number
  /** Commands that came after the greeting, as text. */
  commands: string[][]
  /** How many commands came with each piece that the socket gave. */
  pieces: number[]
  /** Bytes that are no whole command yet. */
  rest: Buffer
}

/** What to answer to a command: bytes of RESP; undefined: nothing. */
export type Handler = (command: string[], peer: Peer) => string | Buffer | undefined

export const hello = '%3\r\n$6\r\nserver\r\n$4\r\nzkdb\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:1\r\n'
export const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`
export const array = (items: string[]): string => `*${items.length}\r\n${items.join('')}`

/** The arguments of the first whole command of `bytes` and its size, or undefined. */
export function takeCommand(
  bytes: Buffer,
  encoding: BufferEncoding = 'utf8'
): { args: string[]; size: number } | undefined {
  let at = 0
  const line = (): number | undefined => {
    const end = bytes.indexOf('\r\n', at)
    if (end < 0) return undefined
    const number = Number(bytes.toString('latin1', at + 1, end))
    at = end + 2
    return number
  }
  const count = bytes.length > 0 ? line() : undefined
  if (count === undefined) return undefined
  const args: string[] = []
  for (let i = 0; i < count; i++) {
    const size = line()
    if (size === undefined || at + size + 2 > bytes.length) return undefined
    args.push(bytes.toString(encoding, at, at + size))
    at += size + 2
  }
  return { args, size: at }
}

/** How a server differs from the plain one. */
export interface ServerOptions {
  /** Answers HELLO and AUTH. */
  greet?: Handler
  tls?: TlsOptions
  /** Of the arguments that the handlers get. Default utf8. */
  encoding?: BufferEncoding
}

/** A server that is listening. */
export class RespServer {
  readonly peers: Peer[] = []
  /** The commands of every greeting. */
  readonly greetings: string[][] = []
  readonly #server: Server
  readonly #handler: Handler
  readonly #greet: Handler
  readonly #encoding: BufferEncoding
  #folder = ''
  /** The address for `connect`. */
  url = ''

  constructor(handler: Handler, options: ServerOptions = {}) {
    this.#handler = handler
    this.#greet = options.greet ?? (() => hello)
    this.#encoding = options.encoding ?? 'utf8'
    const accept = (socket: Socket): void => this.#accept(socket)
    this.#server = options.tls ? createTlsServer(options.tls, accept) : createServer(accept)
    // A client that refuses the certificate is no failure of the server.
    this.#server.on('tlsClientError', () => undefined)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Commands of all connections, without the greetings. */
  get commands(): string[][] {
    return this.peers.flatMap((peer) => peer.commands)
  }

  async listen(port = 0): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', resolve)
    })
    this.url = `zkdb://127.0.0.1:${this.port}`
    return this
  }

  async listenOnPath(): Promise<this> {
    this.#folder = mkdtempSync(join(tmpdir(), 'zkdb-remote-'))
    const path = join(this.#folder, 'socket')
    await new Promise<void>((resolve) => this.#server.listen(path, resolve))
    this.url = `unix:${path}`
    return this
  }

  /** Cuts all connections. */
  cut(): void {
    for (const { socket } of this.peers) socket.destroy()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
    if (this.#folder !== '') rmSync(this.#folder, { recursive: true, force: true })
  }

  #accept(socket: Socket): void {
    const peer: Peer = {
      socket,
      index: this.peers.length,
      commands: [],
      pieces: [],
      rest: Buffer.alloc(0)
    }
    this.peers.push(peer)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => this.#receive(peer, bytes))
  }

  #receive(peer: Peer, bytes: Buffer): void {
    peer.rest = Buffer.concat([peer.rest, bytes])
    const answers: Buffer[] = []
    let count = 0
    const take = () => takeCommand(peer.rest, this.#encoding)
    for (let found = take(); found !== undefined; found = take()) {
      peer.rest = peer.rest.subarray(found.size)
      const isGreeting = found.args[0] === 'HELLO' || found.args[0] === 'AUTH'
      ;(isGreeting ? this.greetings : peer.commands).push(found.args)
      if (!isGreeting) count++
      const answer = (isGreeting ? this.#greet : this.#handler)(found.args, peer)
      if (answer !== undefined) answers.push(Buffer.from(answer as string))
    }
    if (count > 0) peer.pieces.push(count)
    if (answers.length > 0 && !peer.socket.destroyed) peer.socket.write(Buffer.concat(answers))
  }
}

/** Waits until `condition` holds; a test that waits in vain fails by its time limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2))
}
