/**
 * What the tests of the server share: a server over a new database, and a client that sends bytes and collects bytes.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import { type ServeOptions, type Server, serve } from 'zkdb/server'
import { newFolder } from './shapes.js'

/** Starts a server on a free port, over a new database unless `path` names one. It is closed when the test ends. */
export async function startServer(t: ExecutionContext, options: ServeOptions = {}, path?: string): Promise<Server> {
  const server = await serve({ path: path ?? newFolder() }, { listen: '127.0.0.1:0', threads: 2, ...options })
  t.teardown(() => server.close({ deadlineMs: 100 }))
  return server
}

/** The port of a server. */
export function portOf(server: Server): number {
  return server.addresses()[0]!.port
}

/** A command as clients send it. */
export function encode(...words: (string | Buffer)[]): Buffer {
  const parts = words.flatMap((word) => [`$${Buffer.byteLength(word)}\r\n`, word, '\r\n'])
  return Buffer.concat([`*${words.length}\r\n`, ...parts].map((part) => Buffer.from(part)))
}

/** A connection that the test reads as it likes. */
export class RawClient {
  readonly socket: Socket
  /** Whether the other side has closed, or the connection broke. */
  isClosed = false
  #chunks: Buffer[] = []
  #size = 0
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      this.#chunks.push(chunk)
      this.#size += chunk.length
      this.#wake?.()
    })
    socket.on('error', () => undefined)
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.isClosed = true
        this.#wake?.()
      })
    }
  }

  /** Everything that has come. */
  get received(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? Buffer.alloc(0)
  }

  /** Waits until `done` says so, the connection is closed, or the time is over. */
  async wait(done: () => boolean, timeoutMs = 20_000): Promise<Buffer> {
    const until = Date.now() + timeoutMs
    for (;;) {
      if (done() || this.isClosed || Date.now() >= until) return this.received
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, until - Date.now())
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Waits for so many bytes in all. */
  size(bytes: number, timeoutMs?: number): Promise<Buffer> {
    return this.wait(() => this.#size >= bytes, timeoutMs)
  }

  /** Waits until the other side closes. */
  end(timeoutMs?: number): Promise<Buffer> {
    return this.wait(() => false, timeoutMs)
  }

  /** Sends a command and waits for a reply of one line. */
  async line(...words: (string | Buffer)[]): Promise<string> {
    const before = this.#size
    this.socket.write(encode(...words))
    await this.wait(() => this.#size > before && this.received.includes('\r\n', before))
    return this.received.toString('latin1', before)
  }
}

/** Connects to a port of this machine, or to the path of a Unix socket. */
export async function connectTo(t: ExecutionContext, place: number | string): Promise<RawClient> {
  const socket = typeof place === 'string' ? connect(place) : connect(place, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let timer: NodeJS.Timeout | undefined
  await new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no connection to ${place} in 30 seconds`)), 30_000)
    socket.once('connect', resolve)
    socket.once('error', reject)
  }).finally(() => clearTimeout(timer))
  return new RawClient(socket)
}

/** Asks for so much that the server has to wait for the reader, who begins late, and checks that all of it comes. */
export async function readLate(t: ExecutionContext, server: Server, client: RawClient): Promise<void> {
  const value = 'y'.repeat(100_000)
  await client.line('SET', 'v', value)
  const before = client.received.length
  client.socket.pause()
  const count = 300
  client.socket.write(Buffer.concat(Array.from({ length: count }, () => encode('GET', 'v'))))
  t.true(await until(() => server.stats().pauses > 0))
  await new Promise((resolve) => setTimeout(resolve, 300))
  client.socket.resume()
  const reply = `$100000\r\n${value}\r\n`
  await client.size(before + count * reply.length)
  t.true(client.received.toString('latin1', before) === reply.repeat(count))
  t.is(server.stats().droppedSlow, 0)
}

/** Whether a program is there; says so when it is not. */
export function hasProgram(t: ExecutionContext, program: string): boolean {
  if (!spawnSync(program, ['--version']).error) return true
  t.log(`skipped: no ${program}`)
  t.pass()
  return false
}

/** Waits until `done` says so. */
export async function until(done: () => boolean, timeoutMs = 20_000): Promise<boolean> {
  const end = Date.now() + timeoutMs
  while (!done()) {
    if (Date.now() >= end) return false
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return true
}

/** Resident memory of a process, in bytes. */
export function memoryOf(pid: number | string): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}
