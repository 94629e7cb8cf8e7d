/**
 * The settings of a server: its options, the keys of `[server]` in a configuration file, and their form for the addon.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { typeName } from '../bytes.js'
import { errorFrom, type NativeFailure, ZkdbError } from '../errors.js'
import type { AuditEvent } from './access-audit.js'
import { native } from './native.js'
import type { TlsFiles } from './tls-files.js'

/**
 * Options of {@link serve}. Each goes before the key of `[server]` that is named with it.
 *
 * @example
 * await serve('app.conf', { listen: ['127.0.0.1:6379', '/run/app/zkdb.sock'], maxConnections: 500 })
 */
export interface ServeOptions {
  /** `host:port`, `:port` (loopback) or the path of a Unix socket. Default `AddressPath`, else `127.0.0.1:6379`. */
  listen?: string | readonly string[] | undefined
  /** Threads that serve connections, 1..64. Default 2, or 1 with one or two processors. */
  threads?: number | undefined
  /** Connections that may wait to be taken: `ListenQueueLength`. Default 511. */
  listenQueueLength?: number | undefined
  /** Connections at a time: `MaxConnections`. Default 10,000. */
  maxConnections?: number | undefined
  /** Of these, from one address: `MaxConnectionsPerAddress`. Default 1,024. */
  maxConnectionsPerAddress?: number | undefined
  /** Milliseconds without a command after which a connection is closed; 0: never. `MaxIdleTime`, there in seconds. */
  maxIdleMs?: number | undefined
  /** Bytes of one command: `MaxPacketSize`, there in KiB. Default 16 MiB. */
  maxPacketSize?: number | undefined
  /** Whether small replies may wait to be sent together (Nagle): `TcpDelay`. Default false. */
  tcpDelay?: boolean | undefined
  /** Where TLS is spoken, as `host:port` or `:port` (loopback): `TlsAddressPath`. */
  tlsListen?: string | readonly string[] | undefined
  /** File of the certificate and those that lead to its authority, in PEM: `TlsCertificate`. */
  tlsCertificate?: string | undefined
  /** File of its key, which nobody else may read: `TlsKey`. */
  tlsKey?: string | undefined
  /** File of the authorities whose certificates name users: `TlsClientCa`. */
  tlsClientCa?: string | undefined
  /** Whether a client without a certificate is refused: `TlsRequireClientCertificate`. Default false. */
  tlsRequireClientCertificate?: boolean | undefined
  /** File of the users: `AccessFile`; `zkdb user` makes it. Default: nobody has to log in. */
  accessFile?: string | undefined
  /** What the user `default`, who may do everything, has to log in with: `AuthKey`. */
  password?: string | undefined
  /** Milliseconds that a new connection has to log in. Default 5,000. */
  loginMs?: number | undefined
  /** Milliseconds in which a slow reader or sender has to move 64 KiB. Default 60,000. */
  stuckMs?: number | undefined
  /** Milliseconds without a use after which a client's snapshot is closed. Default 60,000. */
  snapshotIdleMs?: number | undefined
  /** Bytes of replies that may wait for slow readers, of all connections. Default 1 GiB. */
  maxWaitingBytes?: number | undefined
  /** Whether the server is one of a cluster: `Cluster`. It then answers for its own hash slots alone. Default false. */
  cluster?: boolean | undefined
  /** The nodes of the cluster and their slots, `'10.0.0.1:6379 0-8191; 10.0.0.2:6379 8192-16383'`: `ClusterNodes`. */
  clusterNodes?: string | undefined
  /** Which of the nodes this server is: `ClusterAddress`. Default: the first TCP address that it listens at. */
  clusterAddress?: string | undefined
  /**
   * Which keyspace events are published, as Redis writes it: `K` by key, `E` by event, `g` for `del`, `expire` and
   * `persist`, `$` for `set`, `x` for `expired`, `A` for all; `Yes` is `KEA`. Default: none. `KeyspaceEvents`.
   */
  keyspaceEvents?: string | undefined
  /** Where BGSAVE puts its copies; made when it is not there. `BackupDir`. Default: BGSAVE is refused. */
  backupDirectory?: string | undefined
  /** Microseconds from which on a command is noted for SLOWLOG: `SlowLogTime`. Default 10,000. */
  slowLogUs?: number | undefined
  /** How many commands SLOWLOG keeps; 0: none. `SlowLogLength`. Default 128. */
  slowLogLength?: number | undefined
  /** Told of logins, of refusals and denials, and of commands of admins. It never hears a key, value or password. */
  onAudit?: ((event: AuditEvent) => void) | undefined
  /** Told once when the database has to be reopened, because a write has failed for good. */
  onUrgent?: ((error: ZkdbError) => void) | undefined
}

/** The keys of `[server]` that are about the process rather than its connections. */
export interface ProcessSettings {
  /** Path of the log; standard error otherwise. */
  logFile?: string
  pidFile?: string
  /** 0 (errors only) to 4. */
  verbose?: number
  /** Connections after which a supervised child is replaced; 0: never. */
  processLife?: number
}

type Kind = 'number' | 'seconds' | 'kib' | 'flag' | 'text' | 'path'

interface Key {
  name: string
  option: string
  kind: Kind
}

const keys: readonly Key[] = [
  { name: 'AddressPath', option: 'listen', kind: 'text' },
  { name: 'ListenQueueLength', option: 'listenQueueLength', kind: 'number' },
  { name: 'MaxConnections', option: 'maxConnections', kind: 'number' },
  { name: 'MaxConnectionsPerAddress', option: 'maxConnectionsPerAddress', kind: 'number' },
  { name: 'MaxIdleTime', option: 'maxIdleMs', kind: 'seconds' },
  { name: 'MaxPacketSize', option: 'maxPacketSize', kind: 'kib' },
  { name: 'TcpDelay', option: 'tcpDelay', kind: 'flag' },
  { name: 'AccessFile', option: 'accessFile', kind: 'path' },
  { name: 'TlsAddressPath', option: 'tlsListen', kind: 'text' },
  { name: 'TlsCertificate', option: 'tlsCertificate', kind: 'path' },
  { name: 'TlsKey', option: 'tlsKey', kind: 'path' },
  { name: 'TlsClientCa', option: 'tlsClientCa', kind: 'path' },
  { name: 'TlsRequireClientCertificate', option: 'tlsRequireClientCertificate', kind: 'flag' },
  { name: 'AuthKey', option: 'password', kind: 'text' },
  { name: 'Cluster', option: 'cluster', kind: 'flag' },
  { name: 'ClusterNodes', option: 'clusterNodes', kind: 'text' },
  { name: 'ClusterAddress', option: 'clusterAddress', kind: 'text' },
  { name: 'KeyspaceEvents', option: 'keyspaceEvents', kind: 'text' },
  { name: 'BackupDir', option: 'backupDirectory', kind: 'path' },
  { name: 'SlowLogTime', option: 'slowLogUs', kind: 'number' },
  { name: 'SlowLogLength', option: 'slowLogLength', kind: 'number' },
  { name: 'Threads', option: 'threads', kind: 'number' },
  { name: 'LogFile', option: 'logFile', kind: 'path' },
  { name: 'PidFile', option: 'pidFile', kind: 'path' },
  { name: 'Verbose', option: 'verbose', kind: 'number' },
  { name: 'ProcessLife', option: 'processLife', kind: 'number' }
]

const factors: Partial<Record<Kind, number>> = { number: 1, seconds: 1000, kib: 1024 }

function readValue({ name, kind }: Key, text: string, file: string): unknown {
  const refuse = (reason: string): ZkdbError =>
    new ZkdbError('ZKDB_CONFIG', `${file}: [server] ${name} = ${text}: ${reason}`, { urgency: 'urgent' })
  if (text === '') throw refuse('the value is empty; give one or remove the key')
  if (kind === 'text') return text
  if (kind === 'path') return isAbsolute(text) ? text : join(dirname(file), text)
  if (kind === 'flag') {
    if (/^(yes|no)$/i.test(text)) return /^yes$/i.test(text)
    throw refuse('is neither Yes nor No')
  }
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(number)) throw refuse('is not a whole number')
  return number * (factors[kind] ?? 1)
}

/** The configuration file of a path that `open` takes; undefined for a directory that has none yet. */
function configOf(path: string): string | undefined {
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? /\.(conf|cfg|ini)$/.test(path)
  const file = resolve(isFile ? path : join(path, 'zkdb.conf'))
  return isFile || existsSync(file) ? file : undefined
}

interface NativeKeys extends NativeFailure {
  values: (string | undefined)[]
}

/**
 * The keys of `[server]` of a configuration, as options.
 *
 * @throws ZKDB_CONFIG for a file that is wrong, and for a key with a value that it cannot have
 */
export function readServerKeys(path: string): ServeOptions & ProcessSettings {
  const file = configOf(path)
  if (file === undefined) return {}
  const names = keys.map((key) => key.name)
  const result = native.serverKeys(file, names) as NativeKeys
  if (result.code !== 0) throw errorFrom(result)
  const found = keys.flatMap((key, index) => {
    const text = result.values[index]
    return text === undefined ? [] : [[key.option, readValue(key, text, file)]]
  })
  return Object.fromEntries(found) as ServeOptions & ProcessSettings
}

/** Options that go to the addon: the name here, the name there, and the smallest and largest number. */
const nativeNames: readonly (readonly [option: keyof ServeOptions, name: string, min: number, max: number])[] = [
  ['threads', 'threads', 1, 64],
  ['listenQueueLength', 'backlog', 1, 65535],
  ['maxConnections', 'maxConnections', 1, 1_000_000],
  ['maxConnectionsPerAddress', 'maxConnectionsPerAddress', 1, 1_000_000],
  ['maxIdleMs', 'idleMs', 0, 2 ** 41],
  ['loginMs', 'loginMs', 1, 2 ** 41],
  ['stuckMs', 'stuckMs', 1, 2 ** 41],
  ['snapshotIdleMs', 'snapshotIdleMs', 1, 2 ** 41],
  ['maxPacketSize', 'maxPacketSize', 4096, 2 ** 30],
  ['slowLogUs', 'slowLogUs', 0, 2 ** 41],
  ['slowLogLength', 'slowLogLength', 0, 100_000],
  ['maxWaitingBytes', 'maxWaitingBytes', 0, Number.MAX_SAFE_INTEGER]
]

/** Bits of `EventClass` in native/net/keyspace_events.h. */
const eventClasses: Record<string, number> = { K: 1, E: 2, g: 4, $: 8, x: 16, A: 28 }

/** The number of a text like `KEA`. @throws ZKDB_CONFIG for letters that mean nothing here */
function keyspaceEventClasses(text: string): number {
  const letters = /^yes$/i.test(text) ? 'KEA' : /^no$/i.test(text) ? '' : text
  let classes = 0
  for (const letter of letters) {
    const bits = eventClasses[letter]
    if (bits === undefined) {
      throw new ZkdbError('ZKDB_CONFIG', `KeyspaceEvents = ${text}: "${letter}" is none of K, E, g, $, x and A`, {
        urgency: 'urgent'
      })
    }
    classes |= bits
  }
  return classes
}

/**
 * Names and values of the options for the addon, in turn.
 *
 * @throws TypeError for a value of a wrong type, ZKDB_CONFIG for a number out of its range
 */
export function nativeSettings(options: ServeOptions): string[] {
  const list: string[] = []
  for (const [option, name, min, max] of nativeNames) {
    const value = options[option]
    if (value === undefined) continue
    if (!Number.isSafeInteger(value)) {
      throw new TypeError(`The option '${option}' must be a whole number, received ${typeName(value)} ${String(value)}`)
    }
    if ((value as number) < min || (value as number) > max) {
      throw new ZkdbError('ZKDB_CONFIG', `${option} = ${String(value)}: is outside ${min}..${max}`)
    }
    list.push(name, String(value))
  }
  if (options.keyspaceEvents !== undefined) {
    list.push('keyspaceEvents', String(keyspaceEventClasses(options.keyspaceEvents)))
  }
  if (options.backupDirectory !== undefined) {
    const directory = resolve(options.backupDirectory)
    mkdirSync(directory, { recursive: true })
    list.push('backupDirectory', directory)
  }
  if (options.tcpDelay) list.push('tcpDelay', 'true')
  return list
}

const texts = ['password', 'accessFile', 'tlsCertificate', 'tlsKey', 'tlsClientCa'] as const

/** @throws TypeError for an option of these that is no text, or an empty one */
export function checkTexts(options: ServeOptions): void {
  for (const option of texts) {
    const value: unknown = options[option]
    if (value === undefined || (typeof value === 'string' && value !== '')) continue
    throw new TypeError(`The option '${option}' must be a string that is not empty`)
  }
}

/** An option that is one text or several, as a list. */
export function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return typeof value === 'string' ? [value] : (value ?? [])
}

/**
 * The files of TLS, or undefined when it is not spoken.
 *
 * @throws ZKDB_CONFIG when one is missing, or there is no address for them
 */
export function tlsFilesOf(options: ServeOptions): TlsFiles | undefined {
  const { tlsCertificate, tlsKey, tlsClientCa, tlsRequireClientCertificate } = options
  const refuse = (reason: string): ZkdbError => new ZkdbError('ZKDB_CONFIG', reason, { urgency: 'urgent' })
  if (listOf(options.tlsListen).length === 0) {
    const given = tlsCertificate ?? tlsKey ?? tlsClientCa ?? (tlsRequireClientCertificate || undefined)
    if (given === undefined) return undefined
    throw refuse('there are settings of TLS, and no address where it is spoken: set TlsAddressPath (tlsListen)')
  }
  if (tlsCertificate === undefined || tlsKey === undefined) {
    throw refuse('TlsAddressPath (tlsListen) needs TlsCertificate and TlsKey: the certificate and key of the server')
  }
  if (tlsRequireClientCertificate && tlsClientCa === undefined) {
    throw refuse('TlsRequireClientCertificate needs TlsClientCa: the authorities that sign certificates of clients')
  }
  return { certificate: tlsCertificate, key: tlsKey, clientCa: tlsClientCa }
}
