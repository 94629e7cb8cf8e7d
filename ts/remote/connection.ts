/**
 * A connection that outlives its sockets: it writes all commands of a turn of the event loop at once, gives replies to
 * their callers, holds calls back when the server is slow, and connects again when the socket is lost.
 *
 * Invariants:
 *  1. Commands are sent in the order of their calls. Reads that are sent a second time come before what was never sent.
 *  2. A write is handed to a socket at most once. When its answer does not come it rejects with ZKDB_UNKNOWN_OUTCOME.
 *  3. At most maxInFlight commands, and maxInFlightBytes bytes unless it is one command, are sent and unanswered; at
 *     most maxQueue commands and maxQueueBytes bytes wait beside them. More is refused with ZKDB_BUSY.
 *  4. A promise settles once, from a reply, a deadline, an abort, a lost connection, or the end.
 */
import { performance } from 'node:perf_hooks'
import { ZkdbError } from '../errors.js'
import { Aborts } from './aborts.js'
import { type Argument, type Block, Encoder } from './encoder.js'
import { Link, type LinkOwner } from './link.js'
import { protocolError, type Reply } from './reply.js'
import { type Convert, Request, RequestList, Stage, Trait } from './request.js'
import { delayBefore, placeOf, type Settings, wholeNumber } from './settings.js'

/** Options of every call. */
export interface CallOptions {
  /** Milliseconds; 0: no limit. Default: that of the client. */
  timeout?: number | undefined
  /** Ends the call with `ZKDB_ABORTED`. A write that was sent already ends with `ZKDB_UNKNOWN_OUTCOME`. */
  signal?: AbortSignal | undefined
}

/** What the owner of a connection hears. */
export interface ConnectionEvents {
  connect(): void
  disconnect(error: ZkdbError): void
  push(values: Reply[]): void
  error(error: ZkdbError): void
}

const State = { connecting: 0, ready: 1, waiting: 2, closed: 3 } as const

/** Milliseconds between two looks at the deadlines. */
const leastSweepMs = 5

/** See the file's head. */
export class Connection implements LinkOwner {
  readonly #settings: Settings
  readonly #events: ConnectionEvents
  readonly #encoder = new Encoder()
  readonly #requests = new RequestList()
  readonly #aborts = new Aborts((request, signal) => {
    this.#fail(request, aborted(signal))
    this.#checkDrained()
  })
  #state: number = State.connecting
  #link: Link | undefined
  #isClosing = false
  #isFlushDue = false
  /** The time of this turn, as far as anybody asked. */
  #now = 0
  #nextDeadline = Number.POSITIVE_INFINITY
  #sweepTimer: NodeJS.Timeout | undefined
  #retryTimer: NodeJS.Timeout | undefined
  #pulse: NodeJS.Timeout | undefined
  /** Attempts to connect that failed since the last reply. */
  #attempts = 0
  /** Replies since the last beat of the pulse. */
  #wasHeard = false
  #wasAsked = false
  #opened: { resolve: () => void; reject: (error: ZkdbError) => void } | undefined
  #drained: (() => void) | undefined

  constructor(settings: Settings, events: ConnectionEvents) {
    this.#settings = settings
    this.#events = events
  }

  /** Whether commands go out at once. */
  get isReady(): boolean {
    return this.#state === State.ready
  }

  /** Commands that are sent and not answered. */
  get inFlight(): number {
    return this.#requests.sentCount
  }

  /** Commands that wait to be sent. */
  get queued(): number {
    return this.#requests.waitingCount
  }

  /** Makes the first connection; a failure is final. */
  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opened = { resolve, reject }
      try {
        this.#link = new Link(this.#settings, this)
      } catch (cause) {
        this.#shut(new ZkdbError('ZKDB_CLOSED', 'The client never had a connection'))
        const why = `The options of TLS cannot be used: ${String((cause as Error).message)}`
        reject(new ZkdbError('ZKDB_CONFIG', why, { urgency: 'urgent', cause }))
      }
    })
  }

  // ---- calls

  /** A command of a head and one argument. */
  one(head: Uint8Array, a: Argument, traits: number, convert: Convert, options?: CallOptions): Promise<unknown> {
    try {
      if (options !== undefined || this.#isClosing) this.#admit(options)
      this.#encoder.one(head, a)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#enqueue(traits, convert, options)
  }

  /** A command of a head and two arguments. */
  two(
    head: Uint8Array,
    a: Argument,
    b: Argument,
    traits: number,
    convert: Convert,
    options?: CallOptions
  ): Promise<unknown> {
    try {
      if (options !== undefined || this.#isClosing) this.#admit(options)
      this.#encoder.two(head, a, b)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#enqueue(traits, convert, options)
  }

  /** A command with its name as first argument. */
  all(args: readonly Argument[], traits: number, convert: Convert, options?: CallOptions): Promise<unknown> {
    try {
      if (options !== undefined || this.#isClosing) this.#admit(options)
      this.#encoder.all(args)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#enqueue(traits, convert, options)
  }

  /** Throws what is against a call. */
  #admit(options: CallOptions | undefined): void {
    if (this.#isClosing) throw new ZkdbError('ZKDB_CLOSED', 'The client is closed')
    if (options?.timeout !== undefined) wholeNumber('timeout', options.timeout, 0, 2 ** 31 - 1)
    const signal = options?.signal
    if (signal === undefined) return
    if (!(signal instanceof AbortSignal)) throw new TypeError("The option 'signal' must be an AbortSignal")
    if (signal.aborted) throw aborted(signal)
  }

  /** Puts the command that the encoder has just written into the list. */
  #enqueue(traits: number, convert: Convert, options: CallOptions | undefined): Promise<unknown> {
    const { block, start, end } = this.#encoder
    if (!this.#hasRoom(end - start)) {
      this.#encoder.release(block)
      return Promise.reject(this.#busy())
    }
    if (!this.#isFlushDue) this.#beginTurn()
    const timeout = options?.timeout ?? this.#settings.timeout
    const deadline = timeout === 0 ? Number.POSITIVE_INFINITY : this.#now + timeout
    const all = options?.timeout === undefined ? traits : traits | Trait.patient
    const request = new Request(all, convert, block, start, end, deadline, options?.signal)
    this.#requests.append(request)
    if (deadline < this.#nextDeadline) this.#sweepAt(deadline)
    if (request.signal !== undefined) {
      request.aborts = this.#aborts
      this.#aborts.add(request, request.signal)
    }
    return request.promise
  }

  #hasRoom(bytes: number): boolean {
    if (this.#fits(bytes)) return true
    this.#dropSettled()
    return this.#fits(bytes)
  }

  #fits(bytes: number): boolean {
    const { sentCount, sentBytes, waitingCount, waitingBytes } = this.#requests
    const { maxInFlight, maxInFlightBytes, maxQueue, maxQueueBytes } = this.#settings
    if (sentCount + waitingCount >= maxInFlight + maxQueue) return false
    return waitingCount === 0 || sentBytes + waitingBytes + bytes <= maxInFlightBytes + maxQueueBytes
  }

  #busy(): ZkdbError {
    const { sentCount, waitingCount } = this.#requests
    return new ZkdbError(
      'ZKDB_BUSY',
      `${sentCount} commands are unanswered and ${waitingCount} wait to be sent to ${placeOf(this.#settings)}: ` +
        'wait for some of them, or raise maxQueue and maxQueueBytes'
    )
  }

  #fail(request: Request, error: ZkdbError): void {
    if (request.stage === Stage.waiting) this.#requests.settledWaiting++
    request.fail(error)
  }

  // ---- sending

  #beginTurn(): void {
    if (this.#state === State.ready) this.#flushSoon()
    else this.#now = performance.now()
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    this.#now = performance.now()
    setImmediate(this.#flush)
  }

  /** Sends what waits, as far as the limits of what is in flight allow. */
  readonly #flush = (): void => {
    this.#isFlushDue = false
    const link = this.#link
    if (this.#state !== State.ready || link === undefined) return
    const list = this.#requests
    const encoder = this.#encoder
    let block: Block | undefined
    let start = 0
    let end = 0
    let isCorked = false
    for (let request = list.waiting; request !== null; request = list.waiting) {
      if (request.stage === Stage.settled) {
        encoder.release(list.dropWaiting().block)
        continue
      }
      if (!this.#mayFly(request.size)) break
      list.send()
      if (request.block === block && request.start === end) {
        end = request.end
        continue
      }
      if (block !== undefined) {
        if (!isCorked) link.cork()
        isCorked = true
        this.#write(link, block, start, end)
      }
      block = request.block
      start = request.start
      end = request.end
    }
    if (block !== undefined) this.#write(link, block, start, end)
    if (isCorked) link.uncork()
    this.#checkDrained()
  }

  #mayFly(bytes: number): boolean {
    const { sentCount, sentBytes } = this.#requests
    if (sentCount === 0) return true
    return sentCount < this.#settings.maxInFlight && sentBytes + bytes <= this.#settings.maxInFlightBytes
  }

  #write(link: Link, block: Block, start: number, end: number): void {
    const encoder = this.#encoder
    block.users++
    link.write(block.buffer.subarray(start, end), () => encoder.release(block))
  }

  // ---- what comes from the link

  textDepth(): number {
    const request = this.#requests.head
    if (request === null || this.#requests.sentCount === 0) throw protocolError('a reply that no command asked for')
    if ((request.traits & Trait.text) !== 0) return 0
    return (request.traits & Trait.innerText) !== 0 ? 2 : Number.POSITIVE_INFINITY
  }

  reply(value: Reply): void {
    const list = this.#requests
    const request = list.shift()
    this.#encoder.release(request.block)
    this.#wasHeard = true
    if (request.stage !== Stage.settled) request.answer(value)
    // With half of the flight over the rest is worth a write.
    if (list.waiting !== null && list.sentCount <= this.#settings.maxInFlight >>> 1) this.#flushSoon()
    if (this.#isClosing) this.#checkDrained()
  }

  push(values: Reply[]): void {
    this.#wasHeard = true
    this.#events.push(values)
  }

  ready(): void {
    this.#state = State.ready
    // The greeting alone is no success: a server may take it and then fall over.
    this.#wasHeard = false
    this.#wasAsked = false
    this.#pulse = setInterval(this.#beat, this.#settings.pingInterval)
    this.#pulse.unref()
    this.#opened?.resolve()
    this.#opened = undefined
    this.#flushSoon()
    this.#events.connect()
  }

  lost(error: ZkdbError): void {
    const wasReady = this.#state === State.ready
    clearInterval(this.#pulse)
    this.#link = undefined
    this.#state = State.waiting
    if (this.#wasHeard) this.#attempts = 0
    this.#wasHeard = false
    if (this.#opened !== undefined) {
      const { reject } = this.#opened
      this.#opened = undefined
      this.#shut(error)
      reject(new ZkdbError(error.code, error.message, { urgency: 'urgent', cause: error.cause }))
      return
    }
    this.#keepWhatMayBeSent(error)
    if (wasReady) this.#events.disconnect(error)
    const { reconnect } = this.#settings
    const isFinal = error.code === 'ZKDB_AUTH' || reconnect === undefined || this.#attempts >= reconnect.maxAttempts
    if (isFinal || this.#isClosing) {
      if (!this.#isClosing) this.#events.error(error)
      this.#shut(error)
      return
    }
    const delay = delayBefore(this.#attempts++, reconnect, Math.random())
    this.#retryTimer = setTimeout(() => {
      this.#state = State.connecting
      this.#link = new Link(this.#settings, this)
    }, delay)
  }

  /** After the connection: sent writes fail, sent reads go first in the next one, once. */
  #keepWhatMayBeSent(error: ZkdbError): void {
    for (const request of this.#requests.clear()) {
      const wasSent = request.stage === Stage.sent
      if (wasSent && (!request.isRead || request.wasRetried)) request.fail(error)
      if (request.stage === Stage.settled) {
        this.#encoder.release(request.block)
        continue
      }
      request.wasRetried = wasSent
      request.stage = Stage.waiting
      this.#requests.append(request)
    }
  }

  /** Looks after a connection on which nothing comes: the other side may be gone without a word. */
  readonly #beat = (): void => {
    if (this.#wasHeard) this.#attempts = 0
    if (!this.#wasHeard && this.#wasAsked) {
      if (this.#requests.head?.isPatient) return
      const silence = `nothing came for ${2 * this.#settings.pingInterval} ms, not even an answer to PING`
      this.#link?.destroy()
      this.lost(new ZkdbError('ZKDB_UNREACHABLE', `No connection to ${placeOf(this.#settings)}: ${silence}`))
      return
    }
    this.#wasAsked = !this.#wasHeard
    this.#wasHeard = false
    if (this.#wasAsked && !this.#isClosing) this.all(['PING'], Trait.read, undefined).catch(() => {})
  }

  // ---- deadlines

  #sweepAt(deadline: number): void {
    this.#nextDeadline = deadline
    clearTimeout(this.#sweepTimer)
    const delay = Math.max(leastSweepMs, Math.ceil(deadline - performance.now()))
    // The sweep itself waits for the replies that have come while this process was busy.
    this.#sweepTimer = setTimeout(() => setImmediate(this.#sweep), delay)
  }

  readonly #sweep = (): void => {
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (let request = this.#requests.head; request !== null; request = request.next) {
      if (request.stage === Stage.settled) continue
      if (request.deadline <= now) this.#fail(request, this.#late(request))
      else next = Math.min(next, request.deadline)
    }
    this.#dropSettled()
    this.#nextDeadline = Number.POSITIVE_INFINITY
    if (next !== Number.POSITIVE_INFINITY) this.#sweepAt(next)
    this.#checkDrained()
  }

  #late(request: Request): ZkdbError {
    const where = this.#state === State.ready ? '' : ', to which there is no connection'
    const what = request.stage === Stage.sent ? 'No answer from' : 'Not sent to'
    return new ZkdbError('ZKDB_TIMEOUT', `${what} the server at ${placeOf(this.#settings)} in time${where}`)
  }

  /** Takes out waiting requests that nobody waits for any more. */
  #dropSettled(): void {
    for (const request of this.#requests.dropSettled()) this.#encoder.release(request.block)
  }

  // ---- the end

  /** Waits for the answers that are due, and ends. What has not been sent when there is no connection is refused. */
  close(): Promise<void> {
    if (this.#isClosing) return Promise.resolve()
    this.#isClosing = true
    if (this.#state !== State.ready) {
      this.#shut(new ZkdbError('ZKDB_CLOSED', 'The client was closed before there was a connection'))
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      this.#drained = resolve
      this.#checkDrained()
    })
  }

  #checkDrained(): void {
    if (!this.#isClosing || this.#state !== State.ready) return
    for (let request = this.#requests.head; request !== null; request = request.next) {
      if (request.stage !== Stage.settled) return
    }
    this.#link?.finish()
    this.#shut(new ZkdbError('ZKDB_CLOSED', 'The client is closed'))
  }

  /** Ends everything; no promise stays open. */
  #shut(error: ZkdbError): void {
    this.#isClosing = true
    this.#state = State.closed
    clearTimeout(this.#sweepTimer)
    clearTimeout(this.#retryTimer)
    clearInterval(this.#pulse)
    this.#link?.destroy()
    this.#link = undefined
    for (const request of this.#requests.clear()) {
      if (request.stage !== Stage.settled) request.fail(error)
      this.#encoder.release(request.block)
    }
    this.#drained?.()
    this.#drained = undefined
  }
}

function aborted(signal: AbortSignal): ZkdbError {
  return new ZkdbError('ZKDB_ABORTED', 'The call was aborted', { cause: signal.reason })
}
