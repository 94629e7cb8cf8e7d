/**
 * Databases with remote partitions: the servers they need, and their configuration files.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ServeOptions, type Server, serve } from 'zkdb/server'
import { CertificateAuthority, hasOpenssl } from './certificates.js'
import { serveInThread, type ThreadServer } from './server-thread.js'
import { newFolder } from './shapes.js'

/** What a partition is: on this machine, or on a server that is reached so. */
export type Kind = 'local' | 'tcp' | 'unix' | 'tls'

/** A shape: its partitions hold the keys up to `f`, up to `p`, and the others; with one alone it holds all. */
export interface RemoteShape {
  name: string
  kinds: readonly Kind[]
}

/** Whether there can be shapes with TLS. */
export const hasTls = hasOpenssl()
if (!hasTls) console.log('no openssl: the tests of remote partitions over TLS are skipped')

/** The shapes that suites run in. */
export const remoteShapes: readonly RemoteShape[] = [
  { name: 'a remote partition over TCP', kinds: ['tcp'] },
  { name: 'a remote partition over a Unix socket', kinds: ['unix'] },
  { name: 'local and remote partitions', kinds: ['local', 'tcp', 'unix'] },
  ...(hasTls
    ? ([
        { name: 'a remote partition over TLS', kinds: ['tls'] },
        { name: 'partitions over TLS among others', kinds: ['local', 'tls', 'tls'] }
      ] as const)
    : [])
]

let made: CertificateAuthority | undefined

/** The authority of the servers of this file of tests. */
export function authority(): CertificateAuthority {
  if (made === undefined) {
    made = new CertificateAuthority(newFolder(), 'authority')
    made.issue('server', 'DNS:localhost,IP:127.0.0.1')
  }
  return made
}

const limits = [['MaxLimit = f'], ['MinLimit = g', 'MaxLimit = p'], ['MinLimit = q']]

function certificate(): ServeOptions {
  return { tlsCertificate: authority().path('server.pem'), tlsKey: authority().path('server.key') }
}

/** A server of one partition. It keeps its folder and its address when it is started again. */
export class PartitionServer {
  readonly kind: Kind
  readonly folder: string
  readonly options: ServeOptions
  #server: Server | ThreadServer | undefined
  #address = ''

  constructor(kind: Kind, folder: string, options: ServeOptions) {
    this.kind = kind
    this.folder = folder
    this.options = options
  }

  /** Starts it, at the address that it had before. */
  async start(): Promise<void> {
    const path = join(this.folder, 'server.sock')
    const listen = this.#address || (this.kind === 'unix' ? path : '127.0.0.1:0')
    // Hundreds of them run in the memory of a test machine.
    const logFileSize = 256 * 1024
    const place = { path: join(this.folder, 'data'), partitions: 2, durability: 'none', logFileSize } as const
    this.#server =
      this.kind === 'tls'
        ? // Synchronous calls of a test would block the thread that speaks TLS for its server.
          await serveInThread(place, { listen: [], tlsListen: listen, threads: 1, ...certificate(), ...this.options })
        : await serve(place, { listen, threads: 1, ...this.options })
    this.#address = this.#server.address().replace(/^zkdbs:\/\//, '')
  }

  /** Stops it at once. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    await server?.close({ deadlineMs: 0 })
  }

  /** The address as a configuration has it. */
  get address(): string {
    const scheme = { unix: 'unix:', tls: 'zkdbs://', tcp: 'zkdb://', local: '' }[this.kind]
    return `${scheme}${this.#address}`
  }

  /** The keys of the partition's section. */
  get keys(): string[] {
    const tls = this.kind === 'tls' ? [`TlsCa = ${authority().path('authority.pem')}`] : []
    return ['IsRemote = Yes', `AddressPath = ${this.address}`, ...tls]
  }
}

/** The servers of a shape, and the configuration of the database over them. */
export class RemotePlace {
  readonly shape: RemoteShape
  readonly folder = newFolder()
  /** By partition; undefined for a local one. */
  readonly servers: (PartitionServer | undefined)[]
  /** The configuration file. */
  readonly location = join(this.folder, 'mixed.conf')

  constructor(shape: RemoteShape, options: ServeOptions = {}) {
    this.shape = shape
    this.servers = shape.kinds.map((kind) =>
      kind === 'local' ? undefined : new PartitionServer(kind, newFolder(), options)
    )
  }

  /** Starts the servers and writes the configuration. `keys` are further lines of remote partitions. */
  async start(keys: readonly string[] = []): Promise<void> {
    await Promise.all(this.servers.map((server) => server?.start()))
    const names = this.servers.map((_, i) => `part_${i}`)
    const sections = this.servers.flatMap((server, i) => [
      `[part_${i}]`,
      ...(names.length > 1 ? limits[i]! : []),
      ...(server === undefined ? [] : [...server.keys, ...keys])
    ])
    const main = [
      '[main]',
      'Database = mixed',
      `Partitions = ${names.join(';')}`,
      'Durability = none',
      'LogFileSize = 256K'
    ]
    writeFileSync(this.location, `${[...main, ...sections].join('\n')}\n`)
  }

  /** Stops the servers. */
  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server?.stop()))
  }
}
