/**
 * The functions of the addon for servers; see native/addon/server_functions.cc.
 */
import { binding } from '../binding.js'
import type { NativeFailure } from '../errors.js'
import type { AuditKind } from './access-audit.js'
import type { ListenAddress } from './address.js'

/** A server that was started, or why it was not. */
export interface NativeServer extends NativeFailure {
  server: number
  addresses: ListenAddress[]
}

/** The figures of a server. Everything but `current` and `waitingBytes` is counted since its start. */
export interface ServerStats {
  /** Connections taken. */
  connections: number
  /** Connections that there are. */
  current: number
  /** Connections refused because of a limit, or of the addresses in the access file. */
  rejected: number
  commands: number
  bytesIn: number
  bytesOut: number
  /** How often a connection's commands had to wait because its replies were not read. */
  pauses: number
  /** Connections closed because they did not read or send for too long. */
  droppedSlow: number
  /** Connections closed because they had no command for too long. */
  droppedIdle: number
  /** Connections closed because they did not log in. */
  droppedLogin: number
  /** Commits that several connections shared. */
  sharedWrites: number
  /** Bytes of replies that wait for slow readers. */
  waitingBytes: number
  /** The name of a database that has to be reopened, because a write has failed for good. */
  failed?: string
}

/** How a login ended. */
export type NativeVerdict = 'welcome' | 'refused' | 'failed'

/** What the threads of a server tell: see native/addon/server_events.h. */
export interface NativeEvent {
  kind: 'check' | 'gone' | AuditKind
  client: number
  address: string
  user: string
  /** Of `check`. */
  password?: Buffer
  /** The rest is of the audit. */
  command?: string
  reason?: string
  count?: number
  dropped?: number
}

/** What the addon exports for servers. */
export interface NativeServerFunctions {
  serverStart(
    databases: string[],
    addresses: string[],
    settings: string[],
    onEvent: (event: NativeEvent) => void
  ): Promise<NativeServer> | number
  serverStop(server: number, deadlineMs: number): Promise<NativeFailure> | number
  serverStats(server: number): ServerStats | number
  serverFinishLogin(server: number, client: number, verdict: NativeVerdict, rights?: Uint8Array): number
  /** Without rights the user's connections are closed. */
  serverChangeRights(server: number, user: string, rights?: Uint8Array): number
  serverSetAddresses(server: number, addresses: string): number
  /** 1: it may come in, and `serverLeave` follows; 0: it may not. */
  serverAdmit(server: number, host: string): number
  serverLeave(server: number, host: string): number
  /** The file descriptor belongs to the caller. Without rights the peer has to log in. */
  serverAdopt(
    server: number,
    host: string,
    address: string,
    localAddress: string,
    user: string,
    rights?: Uint8Array
  ): { client: number; fd: number } | number
  serverKeys(file: string, names: string[]): NativeFailure & { values: (string | undefined)[] }
}

/** The functions of the addon. */
export const native = binding as unknown as NativeServerFunctions
