/**
 * A server of a database over TCP and Unix sockets. The work is done by threads of the addon; JavaScript starts it,
 * looks at its figures and stops it.
 */
import { availableParallelism } from 'node:os'
import { lastError } from '../binding.js'
import { Database, open } from '../database.js'
import type { OpenOptions } from '../database-options.js'
import { errorFrom, ZkdbError } from '../errors.js'
import { formatAddress, type ListenAddress, parseAddress } from './address.js'
import { native, type ServerStats } from './native.js'
import { nativeSettings, readServerKeys, type ServeOptions } from './settings.js'

const defaultAddress = '127.0.0.1:6379'
const defaultDeadlineMs = 5000
const maxDeadlineMs = 2 ** 32 - 1
const watchMs = 1000

/** Options of {@link Server.close}. */
export interface CloseOptions {
  /** Milliseconds for sending what was answered; connections that are left are then dropped. Default 5,000. */
  deadlineMs?: number
}

/** A server that runs. It keeps the process alive until it is closed. */
export class Server {
  readonly #id: number
  readonly #addresses: readonly ListenAddress[]
  readonly #watch: NodeJS.Timeout
  #closing: Promise<void> | undefined
  #isTold = false

  /** Made by {@link serve}. */
  constructor(id: number, addresses: readonly ListenAddress[], onUrgent: ServeOptions['onUrgent']) {
    this.#id = id
    this.#addresses = addresses
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

  /** Where it listens first: `'127.0.0.1:6379'`, or the path of a Unix socket. */
  address(): string {
    return formatAddress(this.#addresses[0]!)
  }

  /** All places where it listens, ports filled in. */
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
    const stopped = native.serverStop(this.#id, deadlineMs)
    if (typeof stopped === 'number') throw lastError()
    const result = await stopped
    clearInterval(this.#watch)
    if (result.code !== 0) throw errorFrom(result)
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

async function start(path: string, options: ServeOptions): Promise<Server> {
  const all: ServeOptions = { threads: Math.min(2, availableParallelism()), ...readServerKeys(path), ...given(options) }
  const listen = typeof all.listen === 'string' ? [all.listen] : (all.listen ?? [defaultAddress])
  const addresses = await Promise.all(listen.map(parseAddress))
  const flat = addresses.flatMap(({ host, port, path }) => [host, String(port), path])
  const starting = native.serverStart([path], flat, nativeSettings(all))
  if (typeof starting === 'number') throw lastError()
  const result = await starting
  if (result.code !== 0) throw errorFrom(result)
  return new Server(result.server, result.addresses, all.onUrgent)
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
 * @throws as `open`; ZKDB_CONFIG for settings, and for an address that other machines can reach; ZKDB_IO for one that
 *   cannot be had
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
