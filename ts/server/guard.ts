/**
 * Who may come in to a server: answers the logins that its threads ask for, from the access file and `AuthKey`, tells
 * them when rights change, and passes on what the audit keeps.
 *
 * Invariants:
 *  1. A login is answered with the rights that the access file gives at the moment of the answer.
 *  2. A file that cannot be read again, or is wrong, leaves the one before it in force.
 */
import { lastError } from '../binding.js'
import { ZkdbError } from '../errors.js'
import type { AuditEvent, AuditKind } from './access-audit.js'
import { type AccessFile, type AccessUser, packRights, readAccessFile } from './access-file.js'
import { keyUser, Logins } from './access-logins.js'
import { formatVerifier, type Verifier } from './access-verifier.js'
import { type NativeEvent, native } from './native.js'

/** What a guard goes by. */
export interface GuardSettings {
  accessFile?: string | undefined
  /** `AuthKey`. */
  password?: string | undefined
  onAudit?: ((event: AuditEvent) => void) | undefined
}

const nobody: AccessFile = { file: '', users: new Map(), addresses: [] }

function auditOf({ kind, client, address, user, command, reason, count, dropped }: NativeEvent): AuditEvent {
  const event: AuditEvent = { event: kind as AuditKind, client, address, user }
  if (command) event.command = command
  if (reason) event.reason = reason as NonNullable<AuditEvent['reason']>
  if (kind === 'denied' && count !== undefined) event.count = count
  if (dropped) event.dropped = dropped
  return event
}

function textOf(verifier: Verifier | undefined): string | undefined {
  return verifier && formatVerifier(verifier)
}

/** Whether connections of a user may not go on: he is gone, or the password that they may have come in with is. */
function mustEnd(before: AccessUser, now: AccessUser | undefined): boolean {
  return now === undefined || (before.verifier !== undefined && textOf(before.verifier) !== textOf(now.verifier))
}

/** Throws what the addon has to say about a call that failed; a server that is being closed needs no answer. */
function expectDone(result: number): void {
  if (result >= 0) return
  const error = lastError()
  if (error.code !== 'ZKDB_CLOSED') throw error
}

/** The guard of one server. */
export class Guard {
  /** Whether a client has to log in before anything else. */
  readonly needsLogin: boolean
  readonly #settings: GuardSettings
  readonly #logins: Logins
  readonly #checks = new Map<number, AbortController>()
  readonly #relayed = new Map<number, () => void>()
  #server: number | undefined
  #isClosed = false
  #early: NativeEvent[] = []

  /** @throws ZkdbError `ZKDB_CONFIG`: what `readAccessFile` says, or nobody could log in */
  constructor(settings: GuardSettings) {
    this.#settings = settings
    const file = this.#read()
    if (settings.accessFile !== undefined && file.users.size === 0 && settings.password === undefined) {
      const hint = `add one: zkdb user add ${settings.accessFile} NAME --rights read,write --databases 0`
      throw new ZkdbError('ZKDB_CONFIG', `${settings.accessFile}: has no user, so that nobody could log in; ${hint}`)
    }
    this.#logins = new Logins(file, { key: settings.password })
    this.needsLogin = settings.accessFile !== undefined || settings.password !== undefined
  }

  /** The addresses that may connect, for the addon. */
  get addresses(): string {
    return this.#logins.file.addresses.join(',')
  }

  /** Takes what the threads tell. */
  readonly onEvent = (event: NativeEvent): void => {
    if (this.#server === undefined) this.#early.push(event)
    else this.#take(event, this.#server)
  }

  /** The server runs, and has this number. */
  attach(server: number): void {
    this.#server = server
    for (const event of this.#early.splice(0)) this.#take(event, server)
  }

  /** The user that a certificate names, with his rights, or undefined. */
  rightsOf(name: string): Buffer | undefined {
    const user = this.#logins.file.users.get(name)
    return user && packRights(user)
  }

  /** `gone` is called when the addon has closed the connection. */
  whenGone(client: number, gone: () => void): void {
    this.#relayed.set(client, gone)
  }

  /** Tells the audit something that the session does not see. */
  audit(event: AuditEvent): void {
    this.#settings.onAudit?.(event)
  }

  /**
   * Reads the access file again; what comes back puts it in force.
   *
   * @throws ZkdbError `ZKDB_CONFIG`, as `readAccessFile`
   */
  prepareReload(): () => void {
    const file = this.#read()
    return () => this.#replace(file)
  }

  /** Checks no logins any more: the server is being closed, and refuses them by itself. */
  close(): void {
    this.#isClosed = true
    for (const gone of this.#checks.values()) gone.abort()
  }

  #read(): AccessFile {
    const { accessFile, password } = this.#settings
    if (accessFile === undefined) return nobody
    const file = readAccessFile(accessFile)
    if (password === undefined || !file.users.has(keyUser)) return file
    const problem = `[User ${keyUser}] is there, and AuthKey is the password of that user too; remove one of them`
    throw new ZkdbError('ZKDB_CONFIG', `${accessFile}: ${problem}`)
  }

  #replace(file: AccessFile): void {
    const before = this.#logins.file
    this.#logins.file = file
    const server = this.#server
    if (server === undefined) return
    if (file.addresses.join() !== before.addresses.join()) {
      expectDone(native.serverSetAddresses(server, this.addresses))
    }
    for (const [name, old] of before.users) {
      const now = file.users.get(name)
      if (now === undefined || mustEnd(old, now)) expectDone(native.serverChangeRights(server, name))
      else if (!packRights(old).equals(packRights(now))) {
        expectDone(native.serverChangeRights(server, name, packRights(now)))
      }
    }
  }

  #take(event: NativeEvent, server: number): void {
    const { kind, client } = event
    if (kind === 'check') {
      if (!this.#isClosed) void this.#check(event, server)
    } else if (kind === 'gone') {
      this.#checks.get(client)?.abort()
      this.#relayed.get(client)?.()
      this.#relayed.delete(client)
    } else {
      this.audit(auditOf(event))
    }
  }

  async #check({ client, address, user, password }: NativeEvent, server: number): Promise<void> {
    const gone = new AbortController()
    this.#checks.set(client, gone)
    const answer = await this.#logins.check(address, user, password ?? Buffer.alloc(0), gone.signal)
    this.#checks.delete(client)
    if (gone.signal.aborted) return
    if (answer.verdict !== 'welcome') return expectDone(native.serverFinishLogin(server, client, answer.verdict))
    const now = this.#logins.confirm(answer.user)
    if (now) expectDone(native.serverFinishLogin(server, client, 'welcome', packRights(now)))
    else expectDone(native.serverFinishLogin(server, client, 'refused'))
  }
}
