/**
 * One connection to the server: the socket, the greeting (HELLO, AUTH, SELECT), and then bytes for the decoder.
 *
 * Invariants:
 *  1. The owner hears `ready` at most once and `lost` exactly once, unless it calls `destroy` first: then nothing.
 *  2. Until `ready` nothing but the greeting is sent.
 *  3. No error that comes from here holds the password.
 */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ZkdbError } from '../errors.js'
import { Decoder, type ReplySink } from './decoder.js'
import { type Argument, Encoder } from './encoder.js'
import { failureText } from './failure-text.js'
import { protocolError, type Reply } from './reply.js'
import { placeOf, type Settings } from './settings.js'

/** Bytes that one read takes. */
const readSize = 128 * 1024
const keepAliveDelayMs = 30_000

/** Who has the connection. As a sink it gets what comes after the greeting. */
export interface LinkOwner extends ReplySink {
  /** The server has taken the greeting. */
  ready(): void
  /** There is no connection any more, or there never was. */
  lost(error: ZkdbError): void
}

/** A connection that is being made, or is there. */
export class Link implements ReplySink {
  readonly #settings: Settings
  readonly #owner: LinkOwner
  readonly #decoder: Decoder
  readonly #socket: Socket
  readonly #timer: NodeJS.Timeout
  /** Answers of the greeting that are due: what to do with each. */
  #steps: ((reply: Reply) => void)[] = []
  #isReady = false
  #isOver = false

  constructor(settings: Settings, owner: LinkOwner) {
    this.#settings = settings
    this.#owner = owner
    this.#decoder = new Decoder(this, settings.maxReplySize)
    // Throws when Node cannot use the certificates that it was given: then there is no timer either.
    this.#socket = this.#open()
    this.#timer = setTimeout(() => {
      this.#end(this.#unreachable(`no answer within ${settings.connectTimeout} ms`))
    }, settings.connectTimeout)
    this.#socket.on('error', (error) => this.#end(this.#failure(error)))
    this.#socket.on('end', () => this.#ended())
    this.#socket.on('close', () => this.#ended())
  }

  /** Sends bytes; `done` is called when they are not needed any more. */
  write(bytes: Uint8Array, done: () => void): void {
    this.#socket.write(bytes, done)
  }

  /** What is written until `uncork` goes out together. */
  cork(): void {
    this.#socket.cork()
  }

  uncork(): void {
    this.#socket.uncork()
  }

  /** Says goodbye; the owner hears nothing more. */
  finish(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#socket.end()
    this.#socket.destroySoon()
  }

  /** Cuts the connection; the owner hears nothing more. */
  destroy(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#socket.destroy()
  }

  #open(): Socket {
    const { host, path, port, tls } = this.#settings
    const buffer = Buffer.allocUnsafeSlow(readSize)
    const callback = (size: number): boolean => {
      this.#receive(buffer, size)
      return true
    }
    const place = path === '' ? { host, port } : { path }
    const common = { ...place, noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveDelayMs }
    if (tls === undefined) {
      return connectPlain({ ...common, onread: { buffer, callback } }, () => this.#greet())
    }
    const socket = connectTls({ ...common, ...tls, ...place }, () => this.#greet())
    socket.setNoDelay(true)
    // Decrypted bytes come in buffers of their own.
    return socket.on('data', (bytes) => this.#receive(bytes, bytes.length))
  }

  #receive(bytes: Buffer, size: number): void {
    if (this.#isOver) return
    try {
      this.#decoder.push(bytes, size)
    } catch (error) {
      this.#end(error instanceof ZkdbError ? error : protocolError(`a reply that cannot be taken (${String(error)})`))
    }
  }

  // ---- the greeting

  #greet(): void {
    const { user, password, name, database } = this.#settings
    const hello: Argument[] = ['HELLO', 3]
    if (password !== '') hello.push('AUTH', user, password)
    if (name !== '') hello.push('SETNAME', name)
    this.#ask(hello, (reply) => this.#greeted(reply))
    if (database !== 0) this.#ask(['SELECT', database], (reply) => this.#mustBeFine(reply, `SELECT ${database}`))
  }

  #greeted(reply: Reply): void {
    if (!(reply instanceof ZkdbError)) return
    const isOld = /^(NOPROTO|ERR unknown command)/.test(reply.message)
    if (!isOld) {
      this.#mustBeFine(reply, 'HELLO')
      return
    }
    // A server that knows RESP2 alone, which may have refused SELECT for want of a login.
    const { user, password, name, database } = this.#settings
    this.#steps = this.#steps.map(() => () => undefined)
    if (password !== '') {
      const login = user === 'default' ? ['AUTH', password] : ['AUTH', user, password]
      this.#ask(login, (answer) => this.#mustBeFine(answer, 'AUTH'))
    }
    if (name !== '') this.#ask(['CLIENT', 'SETNAME', name], () => undefined)
    this.#ask(['SELECT', database], (answer) => this.#mustBeFine(answer, `SELECT ${database}`))
  }

  #mustBeFine(reply: Reply, command: string): void {
    if (!(reply instanceof ZkdbError)) return
    const word = /^[A-Z][A-Z0-9_]*/.exec(reply.message)?.[0] ?? 'an error'
    const said = this.#withoutSecret(reply.message, word)
    const text = `The server at ${placeOf(this.#settings)} refuses ${command}: ${said}`
    const code = reply.code === 'ZKDB_SERVER' ? 'ZKDB_UNREACHABLE' : reply.code
    this.#end(new ZkdbError(code, text, { urgency: 'urgent' }))
  }

  /** Some servers repeat the arguments of a command that they refuse. */
  #withoutSecret(message: string, word: string): string {
    const { password } = this.#settings
    const quotes = /with args beginning with/i.test(message) || (password !== '' && message.includes(password))
    return quotes ? word : message
  }

  #ask(command: Argument[], step: (reply: Reply) => void): void {
    const encoder = new Encoder()
    encoder.all(command)
    this.#steps.push(step)
    this.#socket.write(encoder.block.buffer.subarray(encoder.start, encoder.end))
  }

  // ---- as the decoder's sink, until the greeting is over

  textDepth(): number {
    if (this.#steps.length === 0) throw protocolError('a reply that no command asked for')
    return 0
  }

  reply(value: Reply): void {
    this.#steps.shift()?.(value)
    if (this.#steps.length > 0 || this.#isOver) return
    clearTimeout(this.#timer)
    this.#isReady = true
    this.#decoder.sink = this.#owner
    this.#owner.ready()
  }

  push(values: Reply[]): void {
    this.#owner.push(values)
  }

  // ---- ends

  #ended(): void {
    const inside = this.#decoder.isInside ? ' in the middle of a reply' : ''
    const when = this.#isReady ? '' : ' before it took the login'
    this.#end(this.#unreachable(`it closed the connection${inside}${when}`))
  }

  #failure(error: Error & { code?: string }): ZkdbError {
    return this.#unreachable(failureText(error), error)
  }

  #unreachable(why: string, cause?: unknown): ZkdbError {
    const message = `No connection to the server at ${placeOf(this.#settings)}: ${why}`
    return new ZkdbError('ZKDB_UNREACHABLE', message, cause === undefined ? {} : { cause })
  }

  #end(error: ZkdbError): void {
    if (this.#isOver) return
    this.destroy()
    this.#owner.lost(error)
  }
}
