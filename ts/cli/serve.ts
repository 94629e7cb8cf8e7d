/**
 * `zkdb serve`: a server of a database, until a signal ends it.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { ZkdbError } from '../errors.js'
import type { AuditEvent } from '../server/access-audit.js'
import { formatAddress } from '../server/address.js'
import type { ServerStats } from '../server/native.js'
import { type Server, serve } from '../server/server.js'
import { type ProcessSettings, readServerKeys, type ServeOptions } from '../server/settings.js'
import { openToWrite, type Run, using, type WriteFlags, wholeNumber, withWriting } from './common.js'
import { Exit, failureOf, usageError } from './exit.js'
import { Log } from './log.js'
import { out } from './output.js'
import { supervise, supervisedVariable } from './supervise.js'

interface ServeFlags extends WriteFlags {
  config?: string
  listen?: string[]
  unix?: string[]
  tlsListen?: string[]
  tlsCertificate?: string
  tlsKey?: string
  tlsClientCa?: string
  tlsRequireClientCertificate?: boolean
  accessFile?: string
  threads?: number
  maxConnections?: number
  maxConnectionsPerAddress?: number
  maxIdleTime?: number
  maxPacketSize?: number
  listenQueueLength?: number
  tcpDelay?: boolean
  cluster?: boolean
  clusterNodes?: string
  clusterAddress?: string
  keyspaceEvents?: string
  backupDir?: string
  slowLogTime?: number
  slowLogLength?: number
  logFile?: string
  pidFile?: string
  verbose?: number
  processLife?: number
  deadline: number
  supervise?: boolean
}

/** Why a server that runs is to end, and with which exit code. */
interface Ending {
  reason: string
  exit: number
}

const watchMs = 1000
const figuresMs = 60_000
const hardEndMs = 10_000

function optionsOf(flags: ServeFlags): ServeOptions & ProcessSettings {
  const times = (value: number | undefined, factor: number) => (value === undefined ? undefined : value * factor)
  const listen = [...(flags.listen ?? []), ...(flags.unix ?? [])]
  const { threads, maxConnections, maxConnectionsPerAddress, listenQueueLength, tcpDelay } = flags
  const { tlsListen, tlsCertificate, tlsKey, tlsClientCa, tlsRequireClientCertificate, accessFile } = flags
  const { cluster, clusterNodes, clusterAddress, keyspaceEvents, slowLogLength } = flags
  const { logFile, pidFile, verbose, processLife } = flags
  const all = {
    listen: listen.length > 0 ? listen : undefined,
    ...{ tlsListen, tlsCertificate, tlsKey, tlsClientCa, tlsRequireClientCertificate, accessFile },
    maxIdleMs: times(flags.maxIdleTime, 1000),
    maxPacketSize: times(flags.maxPacketSize, 1024),
    ...{ threads, maxConnections, maxConnectionsPerAddress, listenQueueLength, tcpDelay },
    ...{ cluster, clusterNodes, clusterAddress, keyspaceEvents, slowLogLength },
    backupDirectory: flags.backupDir,
    slowLogUs: flags.slowLogTime,
    ...{ logFile, pidFile, verbose, processLife }
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as ServeOptions
}

/** Logs what limits did since the last look. */
function logLimits(log: Log, now: ServerStats, before: ServerStats): void {
  for (const name of ['rejected', 'droppedSlow', 'droppedIdle', 'droppedLogin'] as const) {
    const count = now[name] - before[name]
    if (count > 0) log.write(2, 'connections closed by a limit', { limit: name, count })
  }
}

/** Waits for a signal, for a failure that only reopening ends, or for the end of the child's life. */
function ending(server: Server, log: Log, processLife: number, urgent: Promise<ZkdbError>): Promise<Ending> {
  return new Promise((resolve) => {
    let before = server.stats()
    let figuresAt = Date.now() + figuresMs
    const watch = setInterval(() => {
      const now = server.stats()
      logLimits(log, now, before)
      before = now
      if (processLife > 0 && now.connections >= processLife) end('ProcessLife is over', Exit.restart)
      if (Date.now() < figuresAt) return
      figuresAt = Date.now() + figuresMs
      log.write(3, 'figures', now)
    }, watchMs)
    const end = (reason: string, exit: number): void => {
      clearInterval(watch)
      resolve({ reason, exit })
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => end(signal, Exit.ok))
    void urgent.then((error) => {
      log.write(0, 'error', { code: error.code, urgency: error.urgency, message: error.message })
      end(error.message, Exit.restart)
    })
  })
}

async function close(server: Server, log: Log, deadlineMs: number): Promise<void> {
  // What was acknowledged is durable: ending without closing costs a recovery, and nothing else.
  const hardEnd = setTimeout(() => {
    log.write(0, 'stopped without closing', { message: 'a command did not end within the deadline' })
    process.exit(Exit.io)
  }, deadlineMs + hardEndMs)
  hardEnd.unref()
  await server.close({ deadlineMs })
  clearTimeout(hardEnd)
}

function removePidFile(path: string): void {
  // Another server may have taken the file over meanwhile.
  try {
    if (readFileSync(path, 'utf8').trim() === String(process.pid)) rmSync(path)
  } catch {
    // It is gone.
  }
}

async function reload(server: Server, log: Log): Promise<void> {
  try {
    await server.reload()
    log.write(1, 'reloaded')
  } catch (error) {
    const { code, message } = failureOf(error)
    log.write(0, 'not reloaded', { code, message })
  }
}

async function runServer(path: string, settings: ServeOptions & ProcessSettings, flags: ServeFlags): Promise<number> {
  const log = new Log(settings.logFile, settings.verbose ?? 1)
  // Before the server runs there is nothing to read again.
  let running: Server | undefined
  process.on('SIGHUP', () => {
    log.reopen()
    if (running) void reload(running, log)
  })
  let tell: (error: ZkdbError) => void
  const urgent = new Promise<ZkdbError>((resolve) => (tell = resolve))
  const { logFile: _, pidFile, verbose: __, processLife = 0, ...options } = settings
  try {
    const onUrgent = (error: ZkdbError) => tell(error)
    // Verbose = 0 is for errors alone.
    const onAudit = ({ event, ...facts }: AuditEvent) => log.write(1, event, facts)
    const server = await using(openToWrite(path, flags), (db) => serve(db, { ...options, onUrgent, onAudit }))
    running = server
    const addresses = server.addresses().map(formatAddress)
    if (pidFile) writeFileSync(pidFile, `${process.pid}\n`)
    log.write(1, 'ready', { database: path, addresses })
    if (flags.json) out.json({ ready: true, pid: process.pid, addresses })
    else out.line(`zkdb: serving ${path} on ${addresses.join(', ')}, pid ${process.pid}`)
    await out.flush()
    const { reason, exit } = await ending(server, log, process.env[supervisedVariable] ? processLife : 0, urgent)
    log.write(1, 'stopping', { reason, stats: server.stats() })
    await close(server, log, flags.deadline * 1000)
    log.write(1, 'stopped', { exit })
    return exit
  } catch (error) {
    const { code, message } = failureOf(error)
    const urgency = error instanceof ZkdbError ? error.urgency : 'regular'
    log.write(0, 'error', { code, urgency, message })
    throw error
  } finally {
    if (pidFile) removePidFile(pidFile)
  }
}

async function serveCommand(database: string | undefined, flags: ServeFlags): Promise<number> {
  const path = flags.config ?? database
  if (path === undefined || (flags.config !== undefined && database !== undefined)) {
    throw usageError('name one database: a configuration file with --config, or a directory')
  }
  const settings = { ...readServerKeys(path), ...optionsOf(flags) }
  if (flags.supervise) return supervise(new Log(settings.logFile, settings.verbose ?? 1), flags.deadline * 1000)
  return runServer(path, settings, flags)
}

/** Collects an option that may be given several times. */
function collect(text: string, previous: string[] = []): string[] {
  return [...previous, text]
}

function withGuards(command: Command): Command {
  return command
    .option('--access-file <file>', 'AccessFile: who may log in and do what; "zkdb user" makes it')
    .option('--tls-listen <host:port>', 'TlsAddressPath: where TLS is spoken, repeatable', collect)
    .option('--tls-certificate <file>', 'TlsCertificate: of the server, in PEM')
    .option('--tls-key <file>', 'TlsKey: its key, for nobody else to read')
    .option('--tls-client-ca <file>', 'TlsClientCa: authorities whose certificates name users')
    .option('--tls-require-client-certificate', 'TlsRequireClientCertificate = Yes')
}

function withServices(command: Command): Command {
  return command
    .option('--cluster', 'Cluster = Yes: one of several servers that share the hash slots')
    .option('--cluster-nodes <nodes>', 'ClusterNodes: "host:port 0-8191; host:port 8192-16383"')
    .option('--cluster-address <host:port>', 'ClusterAddress: which of the nodes this one is')
    .option('--keyspace-events <letters>', 'KeyspaceEvents: of K, E, g, $, x and A, or Yes')
    .option('--backup-dir <directory>', 'BackupDir: where BGSAVE puts its copies')
    .option('--slow-log-time <us>', 'SlowLogTime: from which on a command is noted', wholeNumber(0, 2 ** 31))
    .option('--slow-log-length <n>', 'SlowLogLength: how many commands are kept', wholeNumber(0, 100_000))
}

function withLimits(command: Command): Command {
  const count = wholeNumber(1, 1_000_000)
  return command
    .option('--threads <n>', 'threads that serve connections', wholeNumber(1, 64))
    .option('--max-connections <n>', 'MaxConnections', count)
    .option('--max-connections-per-address <n>', 'MaxConnectionsPerAddress', count)
    .option('--max-idle-time <seconds>', 'MaxIdleTime; 0: none', wholeNumber(0, 2 ** 31))
    .option('--max-packet-size <KiB>', 'MaxPacketSize', wholeNumber(4, 2 ** 20))
    .option('--listen-queue-length <n>', 'ListenQueueLength', wholeNumber(1, 65535))
    .option('--tcp-delay', 'TcpDelay = Yes')
    .option('--log-file <path>', 'LogFile; default: standard error')
    .option('--pid-file <path>', 'PidFile')
    .option('--verbose <n>', 'Verbose: 0 errors, 1 beginning, end and logins, 2 limits, 3 figures', wholeNumber(0, 4))
    .option('--process-life <n>', 'ProcessLife: connections after which a supervised child is replaced; 0: none', count)
    .option('--deadline <seconds>', 'for a clean stop', wholeNumber(0, 3600), 10)
}

/** Adds the command. `run` gets its exit code. */
export function addServe(program: Command, run: Run): void {
  const command = program
    .command('serve')
    .summary('serve a database to Redis clients')
    .description(
      'Serves a database over TCP, TLS and Unix sockets to Redis clients. Settings come from [server] in the ' +
        'configuration; options go before them. SIGTERM stops it cleanly; SIGHUP opens the log anew, and reads the ' +
        'access file and the certificates again.'
    )
    .argument('[database]', 'configuration file, or directory with a zkdb.conf')
    .option('--json', 'print JSON')
    .option('--config <file>', 'the same as the argument')
    .option('--listen <host:port>', 'where to listen, repeatable; default: AddressPath, or 127.0.0.1:6379', collect)
    .option('--unix <path>', 'a Unix socket to listen at, repeatable', collect)
    .option('--supervise', 'start the server as a child, and again when it ends unexpectedly')
  withLimits(withServices(withGuards(withWriting(command))))
    .addHelpText(
      'after',
      `
Examples:
  zkdb serve ./data --create
  zkdb serve --config app.conf --listen 127.0.0.1:6400 --unix /run/app/zkdb.sock
  redis-cli -p 6400 get user:1

Other machines are let in with TLS and a login:
  zkdb user add access.conf alice --rights read,write --databases 0
  zkdb serve --config app.conf --access-file access.conf --tls-listen 0.0.0.0:6380 \\
    --tls-certificate server.pem --tls-key server.key
  redis-cli --tls --cacert ca.pem -h db.example -p 6380 --user alice --askpass get user:1`
    )
    .action((database: string | undefined, flags: ServeFlags) => run(serveCommand(database, flags)))
}
