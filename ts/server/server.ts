/**
 * A server of a database over TCP, TLS and Unix sockets. The work is done by threads of the addon; JavaScript starts
 * it, checks logins, speaks TLS, looks at its figures and stops it.
 */
import { availableParallelism } from 'node:os'
import { lastError } from '../binding.js'
import { Database, open } from '../database.js'
import type { OpenOptions } from '../database-options.js'
import { errorFrom, ZkdbError } from '../errors.js'
import { startTlsRelay } from '../tls-relay.js'
import { formatAddress, type ListenAddress, parseAddress } from './address.js'
import { clusterSetting } from './cluster.js'
import { Guard } from './guard.js'
import { type NativeServer, native, type ServerStats } from './native.js'
import { checkTexts, listOf, nativeSettings, readServerKeys, type ServeOptions, tlsFilesOf } from './settings.js'
import { TlsFront, type TlsSettings } from './tls.js'
import { readTlsFiles, type TlsFiles } from './tls-files.js'

const defaultAddress = '127.0.0.1:6379'
const defaultDeadlineMs = 5000
const maxDeadlineMs = 2 ** 32 - 1
const watchMs = 1000
const defaultQueueLength = 511
const defaultLoginMs = 5000
const defaultStuckMs = 60_000

/** Options of {@link Server.close}. */
export interface CloseOptions {
  /** Milliseconds for sending what was answered; connections that are left are then dropped. Default 5,000. */
  deadlineMs?: number
}

/** What a server consists of. */
interface Parts {
  id: number
  addresses: readonly ListenAddress[]
  guard: Guard
  front: TlsFront | undefined
  files: TlsFiles | undefined
  onUrgent: ServeOptions['onUrgent']
}

/** A server that runs. It keeps the process alive until it is closed. */
export class Server {
  readonly #id: number
  readonly #addresses: readonly ListenAddress[]
  readonly #guard: Guard
  readonly #front: TlsFront | undefined
  readonly #files: TlsFiles | undefined
  readonly #watch: NodeJS.Timeout
  #closing: Promise<void> | undefined
  #isTold = false

  /** Made by {@link serve}. */
  constructor({ id, addresses, guard, front, files, onUrgent }: Parts) {
    this.#id = id
    this.#addresses = addresses
    this.#guard = guard
    this.#front = front
    this.#files = files
    this.#watch = setInterval(() => this.#lookForFailure(onUrgent), watchMs)
  }

  #lookForFailure(onUrgent: ServeOptions['onUrgent']): void {
    if (this.#isTold || onUrgent === undefined) return
    const stats = native.serverStats(this.#id)
    if (typeof stats === 'number' || stats.failed === undefined) return
    this.#isTold = true
    onUrgent(
      new ZkdbError('ZKDB_FAILED', `${stats.failed}: an earlier write failed; the database has to be reopened`, {
        urgency: 'urgent'
      })
    )
  }

  /** Where it listens first: `'127.0.0.1:6379'`, the path of a Unix socket, or with TLS alone `zkdbs://host:port`. */
  address(): string {
    return formatAddress(this.#addresses[0]!)
  }

  /** All places where it listens, ports filled in; those of TLS last. */
  addresses(): ListenAddress[] {
    return this.#addresses.map((address) => ({ ...address }))
  }

  /**
   * The figures so far.
   *
   * @throws ZKDB_CLOSED after `close`
   */
  stats(): ServerStats {
    const stats = native.serverStats(this.#id)
    if (typeof stats === 'number') throw lastError()
    return stats
  }

  /**
   * Reads the access file and the certificates again. Connections stay, with the rights that their users have now;
   * those of users who are gone or have another password are closed, and so are those of addresses that may not connect
   * any more. New connections get the new certificates.
   *
   * @throws ZKDB_CONFIG when something is wrong with a file: then all of them stay as they were; ZKDB_CLOSED
   * @example
   * process.on('SIGHUP', () => server.reload().catch(console.error))
   */
  async reload(): Promise<void> {
    if (this.#closing) throw new ZkdbError('ZKDB_CLOSED', 'the server is closed')
    const putInForce = this.#guard.prepareReload()
    const credentials = this.#files && readTlsFiles(this.#files)
    putInForce()
    if (this.#front && credentials) this.#front.credentials = credentials
  }

  /**
   * Takes no more connections, answers the commands that have arrived, sends the replies, and closes. Called again, it
   * gives the same promise.
   *
   * @throws the error of closing the database, when nobody else has it open
   * @example
   * process.once('SIGTERM', () => server.close({ deadlineMs: 10_000 }))
   */
  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options.deadlineMs ?? defaultDeadlineMs)
    return this.#closing
  }

  async #close(deadlineMs: number): Promise<void> {
    if (!Number.isSafeInteger(deadlineMs) || deadlineMs < 0 || deadlineMs > maxDeadlineMs) {
      throw new TypeError(`The option 'deadlineMs' must be a whole number of 0..${maxDeadlineMs}`)
    }
    const endsAt = performance.now() + deadlineMs
    this.#front?.stopListening()
    this.#guard.close()
    const stopped = native.serverStop(this.#id, deadlineMs)
    if (typeof stopped === 'number') throw lastError()
    const result = await stopped
    await this.#front?.drain(Math.max(0, endsAt - performance.now()))
    clearInterval(this.#watch)
    if (result.code !== 0) throw errorFrom(result)
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** With two processors one is left to the network and the clients, which a second thread would wait for. */
function defaultThreads(): number {
  return availableParallelism() > 2 ? 2 : 1
}

async function start(path: string, options: ServeOptions): Promise<Server> {
  const all: ServeOptions = { threads: defaultThreads(), ...readServerKeys(path), ...given(options) }
  checkTexts(all)
  const files = tlsFilesOf(all)
  const credentials = files && readTlsFiles(files)
  const guard = new Guard(all)
  const { needsLogin } = guard
  const secure = listOf(all.tlsListen)
  const plain = all.listen === undefined && secure.length > 0 ? [] : listOf(all.listen ?? defaultAddress)
  const addresses = await Promise.all(plain.map((text) => parseAddress(text, { isTls: false, needsLogin })))
  const encrypted = await Promise.all(secure.map((text) => parseAddress(text, { isTls: true, needsLogin })))
  if (addresses.length + encrypted.length === 0) {
    throw new ZkdbError('ZKDB_CONFIG', 'the server has no address to listen at: set AddressPath (listen)')
  }
  const { server: id, addresses: bound } = await startNative(path, addresses, all, guard)
  const front = credentials && new TlsFront(id, guard, credentials, tlsSettings(all))
  try {
    startTlsRelay()
    for (const address of encrypted) if (front) bound.push(await front.listen(address))
    return new Server({ id, addresses: bound, guard, front, files, onUrgent: all.onUrgent })
  } catch (error) {
    front?.stopListening()
    await native.serverStop(id, 0)
    throw error
  }
}

async function startNative(
  path: string,
  addresses: ListenAddress[],
  options: ServeOptions,
  guard: Guard
): Promise<NativeServer> {
  const flat = addresses.flatMap(({ host, port, path }) => [host, String(port), path])
  const settings = [
    ...nativeSettings(options),
    ...clusterSetting(options, addresses),
    ...['addresses', guard.addresses, 'needsLogin', String(guard.needsLogin)]
  ]
  const starting = native.serverStart([path], flat, settings, guard.onEvent)
  if (typeof starting === 'number') throw lastError()
  const result = await starting
  if (result.code !== 0) throw errorFrom(result)
  guard.attach(result.server)
  return result
}

function tlsSettings(options: ServeOptions): TlsSettings {
  return {
    requireClientCertificate: options.tlsRequireClientCertificate ?? false,
    listenQueueLength: options.listenQueueLength ?? defaultQueueLength,
    tcpDelay: options.tcpDelay ?? false,
    loginMs: options.loginMs ?? defaultLoginMs,
    stuckMs: options.stuckMs ?? defaultStuckMs
  }
}

function given(options: ServeOptions): ServeOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/**
 * Serves a database to Redis clients: redis-cli, ioredis, node-redis and others work as they are.
 *
 * The settings are those of `[server]` in the configuration, with `options` before them. An open database may go on
 * being used beside the server, and may be closed before it: the server has it open by itself.
 *
 * @param database - an open database, a configuration file, a directory, or options of `open` with `path`.
 * @returns the server, which has begun to listen.
 * @throws as `open`; ZKDB_CONFIG for settings, for files that are named in them, and for an address that other machines
 *   can reach without TLS and a login; ZKDB_IO for one that cannot be had
 * @example
 * const server = await serve('./data', { listen: '127.0.0.1:6379' })
 * console.log(server.address())
 * await server.close()
 */
export async function serve(
  database: string | Pick<Database, 'location'> | OpenOptions<unknown, unknown>,
  options: ServeOptions = {}
): Promise<Server> {
  if (database instanceof Database) return start(database.location, options)
  const opened = await open(database as string | OpenOptions<unknown, unknown>)
  try {
    return await start(opened.location, options)
  } finally {
    await opened.close()
  }
}
