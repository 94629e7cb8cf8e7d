/**
 * Where a server is and how it is talked to: the options of `connect`, their defaults, and the forms of addresses.
 */
import type { ConnectionOptions } from 'node:tls'
import { ZkdbError } from '../errors.js'
import { typeName } from '../text.js'

/** When a lost connection is made again. */
export interface ReconnectOptions {
  /** Milliseconds before the second attempt; it doubles with every attempt that fails. Default 20. */
  minDelay?: number | undefined
  /** The longest delay, in milliseconds. Default 500. */
  maxDelay?: number | undefined
  /** Attempts in a row after which the client gives up. Default: it does not. */
  maxAttempts?: number | undefined
}

/** Options of a remote client. */
export interface RemoteOptions {
  /** `zkdb://user@host:port/database`, `zkdbs://...` (TLS), or `unix:/path`. Options go before what it says. */
  url?: string | undefined
  /** Default `127.0.0.1`. */
  host?: string | undefined
  /** Default 6379, the port of RESP. */
  port?: number | undefined
  /** The path of a Unix socket, instead of host and port. */
  path?: string | undefined
  /** The number of the database on the server. Default 0. */
  database?: number | undefined
  /** Default `default`, when there is a password. */
  user?: string | undefined
  /** Default: the environment's `ZKDB_PASSWORD`. It never stands in a URL, where logs and process lists show it. */
  password?: string | undefined
  /** A name for this client in the server's list of clients. */
  name?: string | undefined
  /** TLS, with `ca`, `cert`, `key`, `servername` and others of `node:tls`. At least TLS 1.3, the server is verified. */
  tls?: boolean | ConnectionOptions | undefined

  /** Milliseconds that a call may take; 0: no limit. Default 10,000. */
  timeout?: number | undefined
  /** Milliseconds for making a connection and logging in. Default 5,000. */
  connectTimeout?: number | undefined
  /**
   * Milliseconds of silence after which the server is asked whether it lives; after as many more the connection is
   * given up, unless the oldest unanswered call has a `timeout` of its own: it may take long. Default 15,000.
   */
  pingInterval?: number | undefined
  /** `false`: a lost connection ends the client. */
  reconnect?: ReconnectOptions | false | undefined

  /** Commands that are sent and not answered. Default 10,000. */
  maxInFlight?: number | undefined
  /** Bytes of these. Default 16 MiB. One command alone may have more. */
  maxInFlightBytes?: number | undefined
  /** Commands that wait to be sent; beyond it calls reject with `ZKDB_BUSY`. Default 100,000. */
  maxQueue?: number | undefined
  /** Bytes of these. Default 64 MiB. */
  maxQueueBytes?: number | undefined
  /** Bytes of a reply, with 16 more for each element. Default 128 MiB. */
  maxReplySize?: number | undefined

  /** As in `Database`: utf8, buffer, view, json, hex, base64, or an encoding object. Default utf8. */
  keyEncoding?: string | object | undefined
  /** As `keyEncoding`. */
  valueEncoding?: string | object | undefined
}

/** {@link ReconnectOptions} with everything in them. */
export interface BackOff {
  minDelay: number
  maxDelay: number
  maxAttempts: number
}

/** The options with everything in them. */
export interface Settings {
  host: string
  port: number
  path: string
  database: number
  user: string
  password: string
  name: string
  tls: ConnectionOptions | undefined
  timeout: number
  connectTimeout: number
  pingInterval: number
  reconnect: BackOff | undefined
  maxInFlight: number
  maxInFlightBytes: number
  maxQueue: number
  maxQueueBytes: number
  maxReplySize: number
}

const defaultPort = 6379
const mebibyte = 1024 * 1024
const maxTimer = 2 ** 31 - 1

/** Numbers among the options: default, least and greatest value. */
const numbers = {
  port: [defaultPort, 1, 65_535],
  database: [0, 0, 2 ** 32 - 1],
  timeout: [10_000, 0, maxTimer],
  connectTimeout: [5_000, 1, maxTimer],
  pingInterval: [15_000, 1, maxTimer],
  maxInFlight: [10_000, 1, 1_000_000],
  maxInFlightBytes: [16 * mebibyte, 1, 1024 * mebibyte],
  maxQueue: [100_000, 0, 10_000_000],
  maxQueueBytes: [64 * mebibyte, 0, 4096 * mebibyte],
  maxReplySize: [128 * mebibyte, 1024, 1024 * mebibyte]
} as const

function wrongAddress(why: string): ZkdbError {
  // Without the address itself: it may hold what should not be in it.
  const forms = 'zkdb://user@host:port/database, zkdbs://user@host:port/database (TLS), or unix:/path'
  return new ZkdbError('ZKDB_CONFIG', `The address of the server ${why}; the forms are ${forms}`)
}

/** A number in its limits. @throws TypeError */
export function wholeNumber(name: string, value: unknown, least: number, greatest: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= greatest) return value as number
  const received = typeof value === 'number' ? String(value) : typeName(value)
  throw new TypeError(`The option '${name}' must be a whole number of ${least}..${greatest}, received ${received}`)
}

function text(name: string, value: unknown, fallback: string): string {
  if (value === undefined || value === null) return fallback
  if (typeof value !== 'string')
    throw new TypeError(`The option '${name}' must be a string, received ${typeName(value)}`)
  return value
}

/** Options that a URL stands for. */
export function optionsOfUrl(url: string): RemoteOptions {
  if (url.startsWith('unix:')) {
    const path = url.slice('unix:'.length).replace(/^\/\/(?=\/)/, '')
    if (!path.startsWith('/')) throw wrongAddress('has no absolute path behind unix:')
    return { path }
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined) throw wrongAddress('is not a URL')
  if (parsed.protocol !== 'zkdb:' && parsed.protocol !== 'zkdbs:') throw wrongAddress('is of an unknown kind')
  if (parsed.password !== '') {
    throw wrongAddress("has a password in it: use the option 'password' or the environment's ZKDB_PASSWORD")
  }
  if (parsed.search !== '' || parsed.hash !== '') throw wrongAddress('has something behind the database')
  if (parsed.hostname === '') throw wrongAddress('has no host')
  if (!/^(\/\d{0,10})?$/.test(parsed.pathname)) throw wrongAddress('has a database that is not a number')
  const options: RemoteOptions = { host: parsed.hostname.replace(/^\[(.*)\]$/, '$1') }
  if (parsed.protocol === 'zkdbs:') options.tls = true
  if (parsed.port !== '') options.port = Number(parsed.port)
  if (parsed.username !== '') options.user = userOf(parsed.username)
  if (parsed.pathname.length > 1) options.database = Number(parsed.pathname.slice(1))
  return options
}

function userOf(encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    throw wrongAddress('has a user with a % that encodes nothing')
  }
}

function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>
}

function reconnectOf(options: RemoteOptions['reconnect']): Settings['reconnect'] {
  if (options === false) return undefined
  const { minDelay = 20, maxDelay = 500, maxAttempts = Number.POSITIVE_INFINITY } = options ?? {}
  wholeNumber('reconnect.minDelay', minDelay, 1, maxTimer)
  wholeNumber('reconnect.maxDelay', maxDelay, minDelay, maxTimer)
  if (maxAttempts !== Number.POSITIVE_INFINITY) wholeNumber('reconnect.maxAttempts', maxAttempts, 1, maxTimer)
  return { minDelay, maxDelay, maxAttempts }
}

/** TLS options: what the caller gave, but never an older version than 1.3. */
function tlsOf(given: RemoteOptions['tls'], isAsked: boolean): ConnectionOptions | undefined {
  if (given !== undefined && typeof given !== 'boolean' && (typeof given !== 'object' || given === null)) {
    throw new TypeError(`The option 'tls' must be a boolean or an object, received ${typeName(given)}`)
  }
  if (given === false && isAsked) throw new TypeError("The option 'tls' is false, and the address asks for TLS")
  if (!isAsked && !given) return undefined
  return { rejectUnauthorized: true, ...(typeof given === 'object' ? given : {}), minVersion: 'TLSv1.3' }
}

/**
 * Options with defaults, checked.
 *
 * @throws TypeError, and ZKDB_CONFIG for a wrong address; neither has the password or the address in its message
 */
export function settingsOf(location: string | RemoteOptions, more: RemoteOptions = {}): Settings {
  if (typeof location !== 'string' && (typeof location !== 'object' || location === null)) {
    throw new TypeError(`The address must be a URL or options, received ${typeName(location)}`)
  }
  const given = typeof location === 'string' ? { ...more, url: location } : location
  const fromUrl = given.url === undefined ? {} : optionsOfUrl(text('url', given.url, ''))
  const options: RemoteOptions = { ...fromUrl, ...defined(given) }
  const number = (name: keyof typeof numbers): number => {
    const [fallback, least, greatest] = numbers[name]
    return wholeNumber(name, options[name] ?? fallback, least, greatest)
  }
  return {
    host: text('host', options.host, '127.0.0.1'),
    port: number('port'),
    path: text('path', options.path, ''),
    database: number('database'),
    user: text('user', options.user, 'default'),
    password: text('password', options.password, process.env.ZKDB_PASSWORD ?? ''),
    name: nameOf(options.name),
    tls: tlsOf(options.tls, fromUrl.tls === true),
    timeout: number('timeout'),
    connectTimeout: number('connectTimeout'),
    pingInterval: number('pingInterval'),
    reconnect: reconnectOf(options.reconnect),
    maxInFlight: number('maxInFlight'),
    maxInFlightBytes: number('maxInFlightBytes'),
    maxQueue: number('maxQueue'),
    maxQueueBytes: number('maxQueueBytes'),
    maxReplySize: number('maxReplySize')
  }
}

function nameOf(name: unknown): string {
  const given = text('name', name, '')
  if (!/^[\x21-\x7e]*$/.test(given)) throw new TypeError("The option 'name' must be of printable ASCII without spaces")
  return given
}

/** The server as messages name it: no user, no password. */
export function placeOf(settings: Settings): string {
  if (settings.path !== '') return `unix:${settings.path}`
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host
  return `${settings.tls ? 'zkdbs' : 'zkdb'}://${host}:${settings.port}`
}

/**
 * Milliseconds before an attempt to connect: exponential, with jitter over its upper half, so that clients of a server
 * that came back do not come all at once.
 *
 * @param attempt - how many have failed in a row, from 0: then it is at once.
 * @param random - a number of 0..1.
 */
export function delayBefore(attempt: number, options: BackOff, random: number): number {
  if (attempt === 0) return 0
  const whole = Math.min(options.maxDelay, options.minDelay * 2 ** Math.min(attempt - 1, 30))
  return whole * (0.5 + random / 2)
}
