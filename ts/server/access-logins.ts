/**
 * Checks logins: one at a time per network, after the delay that its failures earned, with the hashing off the main
 * thread. The second login with a password that was right costs microseconds.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { setTimeout as sleepMs } from 'node:timers/promises'
import { BackOff, networkOf } from './access-back-off.js'
import { type AccessFile, type AccessUser, verbs } from './access-file.js'
import { defaultIterations, formatVerifier, passwordBytes, type Verifier, verify } from './access-verifier.js'

/** Hashing uses the thread pool of Node, which writes use too. */
const defaultMaxHashing = 2
/** As many as there are connections, by default: after a restart all of them come back at once. */
const defaultMaxWaiting = 10_000
const defaultMaxWaitingPerNetwork = 1024

/** How a login ended: `failed` is one that could not be checked, because too many wait or the client went away. */
export type LoginAnswer = { verdict: 'welcome'; user: AccessUser } | { verdict: 'refused' } | { verdict: 'failed' }

/** The user whose password is `AuthKey`. */
export const keyUser = 'default'

/** Limits, sources of time, and the hashing; the defaults are for servers. */
export interface LoginsOptions {
  /** `AuthKey`: the password of the user `default`, who may do everything. */
  key?: string | undefined
  backOff?: BackOff
  /** Waits so many milliseconds; rejects when `signal` aborts. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<unknown>
  /** Whether a password is the verifier's. */
  verify?: (verifier: Verifier, password: Uint8Array) => Promise<boolean>
  maxHashing?: number
  maxWaiting?: number
  maxWaitingPerNetwork?: number
}

/** Lets so many in at once; the others wait in their order. */
class Gate {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async enter(): Promise<void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  leave(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#free++
  }
}

interface Lane {
  gate: Gate
  count: number
}

/** A password that was right, as an HMAC under a key that lives as long as the process, and the verifier it was for. */
interface Remembered {
  verifier: Verifier
  mark: Buffer
}

function stopped(signal?: AbortSignal): boolean {
  return signal?.aborted ?? false
}

/** The logins of one server. */
export class Logins {
  #file: AccessFile
  readonly #key = randomBytes(32)
  readonly #keyMark: Buffer | undefined
  readonly #keyUser: AccessUser
  readonly #remembered = new Map<string, Remembered>()
  readonly #lanes = new Map<string, Lane>()
  readonly #hashing: Gate
  readonly #backOff: BackOff
  readonly #sleep: NonNullable<LoginsOptions['sleep']>
  readonly #verify: NonNullable<LoginsOptions['verify']>
  readonly #maxWaiting: number
  readonly #maxWaitingPerNetwork: number
  #waiting = 0

  constructor(file: AccessFile, options: LoginsOptions = {}) {
    this.#file = file
    this.#keyMark = options.key === undefined ? undefined : this.#markOf(Buffer.from(options.key))
    this.#keyUser = { name: keyUser, verbs: [...verbs], databases: '*', prefixes: [], partitions: [] }
    this.#backOff = options.backOff ?? new BackOff()
    this.#sleep = options.sleep ?? ((ms, signal) => sleepMs(ms, undefined, signal ? { signal } : {}))
    this.#verify = options.verify ?? verify
    this.#hashing = new Gate(options.maxHashing ?? defaultMaxHashing)
    this.#maxWaiting = options.maxWaiting ?? defaultMaxWaiting
    this.#maxWaitingPerNetwork = options.maxWaitingPerNetwork ?? defaultMaxWaitingPerNetwork
  }

  /**
   * The file that logins are checked against. Assign one that was read again; what is under way uses the newer one, and
   * passwords that it did not change are still remembered.
   */
  get file(): AccessFile {
    return this.#file
  }

  set file(file: AccessFile) {
    for (const [name, user] of file.users) {
      const before = this.#file.users.get(name)?.verifier
      if (before && user.verifier && formatVerifier(before) === formatVerifier(user.verifier)) user.verifier = before
    }
    this.#file = file
    for (const [name, { verifier }] of this.#remembered) {
      if (file.users.get(name)?.verifier !== verifier) this.#remembered.delete(name)
    }
  }

  /** What a user who was welcome is now: undefined when the file does not have him any more, or another password. */
  confirm(user: AccessUser): AccessUser | undefined {
    if (user === this.#keyUser) return user
    const now = this.#file.users.get(user.name)
    return now?.verifier === user.verifier ? now : undefined
  }

  /**
   * Checks a login from `address` (as `host:port` or the path of a Unix socket). Never rejects. `signal` says that the
   * client is gone.
   */
  async check(address: string, user: string, password: Uint8Array, signal?: AbortSignal): Promise<LoginAnswer> {
    const network = networkOf(address)
    const lane = this.#lanes.get(network) ?? { gate: new Gate(1), count: 0 }
    if (this.#waiting >= this.#maxWaiting || lane.count >= this.#maxWaitingPerNetwork) return { verdict: 'failed' }
    this.#lanes.set(network, lane)
    this.#waiting++
    lane.count++
    await lane.gate.enter()
    try {
      return await this.#checkInTurn(network, user, password, signal)
    } catch {
      return { verdict: 'failed' }
    } finally {
      lane.gate.leave()
      this.#waiting--
      if (--lane.count === 0) this.#lanes.delete(network)
    }
  }

  async #checkInTurn(network: string, name: string, password: Uint8Array, signal?: AbortSignal): Promise<LoginAnswer> {
    if (stopped(signal)) return { verdict: 'failed' }
    const delay = this.#backOff.delayOf(network)
    // Also before a password that is remembered: a quick answer to the right one alone would be worth a guess.
    if (delay > 0) await this.#sleep(delay, signal)
    if (stopped(signal)) return { verdict: 'failed' }
    if (name === keyUser && this.#keyMark) return this.#checkKey(network, password)
    const user = this.#file.users.get(name)
    if (user?.verifier && this.#isRemembered(name, user.verifier, password)) return { verdict: 'welcome', user }
    const verifier = user?.verifier ?? this.#nobody(name)
    const isRight = await this.#hash(verifier, password)
    // The file may be another one by now.
    const current = this.#file.users.get(name)
    if (isRight && current !== undefined && current.verifier === verifier) {
      this.#remembered.set(name, { verifier, mark: this.#markOf(password) })
      return { verdict: 'welcome', user: current }
    }
    this.#backOff.failed(network)
    return { verdict: 'refused' }
  }

  #checkKey(network: string, password: Uint8Array): LoginAnswer {
    if (this.#keyMark && timingSafeEqual(this.#keyMark, this.#markOf(password))) {
      return { verdict: 'welcome', user: this.#keyUser }
    }
    this.#backOff.failed(network)
    return { verdict: 'refused' }
  }

  async #hash(verifier: Verifier, password: Uint8Array): Promise<boolean> {
    await this.#hashing.enter()
    try {
      return await this.#verify(verifier, password)
    } finally {
      this.#hashing.leave()
    }
  }

  #markOf(password: Uint8Array): Buffer {
    return createHmac('sha256', this.#key).update(passwordBytes(password)).digest()
  }

  #isRemembered(name: string, verifier: Verifier, password: Uint8Array): boolean {
    const remembered = this.#remembered.get(name)
    const mark = this.#markOf(password)
    return remembered !== undefined && remembered.verifier === verifier && timingSafeEqual(remembered.mark, mark)
  }

  /**
   * A verifier that no password has, for a user who is not there: checking it takes the time of a wrong password. Where
   * users have different numbers of iterations, a name that is unknown always has the number of the same one of them.
   */
  #nobody(name: string): Verifier {
    const counts = [...this.#file.users.values()].flatMap(({ verifier }) => (verifier ? [verifier.iterations] : []))
    const random = createHmac('sha256', this.#key).update(name).digest()
    const iterations = counts[random.readUInt32LE() % Math.max(1, counts.length)] ?? defaultIterations
    return { iterations, salt: random.subarray(0, 16), storedKey: randomBytes(32), serverKey: Buffer.alloc(32) }
  }
}
