/**
 * A command between its call and its answer, and the list of all of them.
 */
import { ZkdbError } from '../errors.js'
import type { Aborts } from './aborts.js'
import type { Block } from './encoder.js'
import type { Reply } from './reply.js'

/** What is known of a command besides its bytes. A set of bits. */
export const Trait = {
  none: 0,
  /** It changes nothing: it may be sent again when its answer did not come. */
  read: 1,
  /** Its bulk strings are given as text. */
  text: 2,
  /** Those inside an array of the reply are given as text. */
  innerText: 4,
  /** Its caller said how long it may take: silence meanwhile means nothing. */
  patient: 8
} as const

/** Where a request is on its way. */
export const Stage = { waiting: 0, sent: 1, settled: 2 } as const

/** What a caller gets for a reply; undefined: the reply itself. */
export type Convert = ((reply: Reply) => unknown) | undefined

type Resolve = (value: unknown) => void
type Reject = (error: unknown) => void

let created: Request
const keepFunctions = (resolve: Resolve, reject: Reject): void => {
  created.resolve = resolve
  created.reject = reject
}

/** A command whose answer somebody waits for. It has a promise from the first moment on. */
export class Request {
  readonly promise: Promise<unknown>
  resolve!: Resolve
  reject!: Reject
  stage: number = Stage.waiting
  wasRetried = false
  next: Request | null = null
  /** Who watches the signal. */
  aborts: Aborts | undefined = undefined

  /**
   * @param deadline - of `performance.now()`; Infinity: none.
   */
  constructor(
    readonly traits: number,
    readonly convert: Convert,
    readonly block: Block,
    readonly start: number,
    readonly end: number,
    readonly deadline: number,
    readonly signal: AbortSignal | undefined
  ) {
    // One function for all promises: an executor of its own would be another object per command.
    created = this
    this.promise = new Promise(keepFunctions)
  }

  get isPatient(): boolean {
    return (this.traits & Trait.patient) !== 0 && this.stage !== Stage.settled
  }

  get isRead(): boolean {
    return (this.traits & Trait.read) !== 0
  }

  /** Bytes. */
  get size(): number {
    return this.end - this.start
  }

  /** Gives the answer to the caller. */
  answer(reply: Reply): void {
    this.#leave()
    if (typeof reply === 'object' && reply instanceof ZkdbError) this.reject(reply)
    else if (this.convert === undefined) this.resolve(reply)
    else this.#convert(reply, this.convert)
  }

  #convert(reply: Reply, convert: NonNullable<Convert>): void {
    try {
      this.resolve(convert(reply))
    } catch (error) {
      this.reject(error)
    }
  }

  /** Ends it with an error. A write that was sent has an unknown outcome, whatever the reason is. */
  fail(reason: ZkdbError): void {
    const isUnknown = this.stage === Stage.sent && !this.isRead
    this.#leave()
    this.reject(isUnknown ? unknownOutcome(reason) : reason)
  }

  #leave(): void {
    this.stage = Stage.settled
    if (this.signal !== undefined) this.aborts?.remove(this, this.signal)
  }
}

function unknownOutcome(cause: ZkdbError): ZkdbError {
  const message =
    `A write was sent, and whether it was carried out is not known: ${cause.message}. ` +
    'It is not sent again; read what it wrote, or make it conditional, before you repeat it'
  return new ZkdbError('ZKDB_UNKNOWN_OUTCOME', message, { cause })
}

/**
 * Requests in the order of their calls: first those that were sent, then those that wait.
 *
 * Invariants:
 *  1. `sentCount` and `sentBytes` are of the sent ones, `waitingCount` and `waitingBytes` of the others; requests that
 *     are settled count until they are taken out.
 *  2. A sent request stays until its reply has come, because replies have no other name than their place.
 */
export class RequestList {
  head: Request | null = null
  /** The first that was not sent. */
  waiting: Request | null = null
  sentCount = 0
  sentBytes = 0
  waitingCount = 0
  waitingBytes = 0
  /** Waiting requests that a deadline or a signal has settled. */
  settledWaiting = 0
  #lastSent: Request | null = null
  #tail: Request | null = null

  /** Appends a request that waits. */
  append(request: Request): void {
    if (this.#tail === null) this.head = request
    else this.#tail.next = request
    this.#tail = request
    if (this.waiting === null) this.waiting = request
    this.waitingCount++
    this.waitingBytes += request.size
  }

  /** Makes the first waiting request a sent one. REQUIRES: there is one, and it is not settled. */
  send(): void {
    const request = this.waiting!
    request.stage = Stage.sent
    this.#lastSent = request
    this.waiting = request.next
    this.waitingCount--
    this.waitingBytes -= request.size
    this.sentCount++
    this.sentBytes += request.size
  }

  /** Takes out the request whose reply has come. REQUIRES: one is sent. */
  shift(): Request {
    const request = this.head!
    this.head = request.next
    if (this.head === null) this.#tail = null
    if (this.#lastSent === request) this.#lastSent = null
    // What is old and not collected yet must not keep alive what came after it.
    request.next = null
    this.sentCount--
    this.sentBytes -= request.size
    return request
  }

  /** Takes out the first waiting request. REQUIRES: there is one. */
  dropWaiting(): Request {
    const request = this.waiting!
    this.waiting = request.next
    if (this.#lastSent === null) this.head = request.next
    else this.#lastSent.next = request.next
    if (this.#tail === request) this.#tail = this.#lastSent
    request.next = null
    if (request.stage === Stage.settled) this.settledWaiting--
    this.waitingCount--
    this.waitingBytes -= request.size
    return request
  }

  /** Takes out the waiting requests that are settled, when there are enough to be worth the walk. */
  dropSettled(): Request[] {
    if (this.settledWaiting * 8 < this.waitingCount || this.settledWaiting === 0) return []
    const dropped: Request[] = []
    const kept: Request[] = []
    while (this.waiting !== null) {
      const request = this.dropWaiting()
      if (request.stage === Stage.settled) dropped.push(request)
      else kept.push(request)
    }
    for (const request of kept) this.append(request)
    return dropped
  }

  /** Takes everything out, in order. */
  clear(): Request[] {
    const all: Request[] = []
    for (let request = this.head; request !== null; request = request.next) all.push(request)
    for (const request of all) request.next = null
    this.head = this.waiting = this.#lastSent = this.#tail = null
    this.sentCount = this.sentBytes = this.waitingCount = this.waitingBytes = this.settledWaiting = 0
    return all
  }
}
