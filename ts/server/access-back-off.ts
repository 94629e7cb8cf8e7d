/**
 * How long an address has to wait after failed logins: the more of them, the longer. A minute without one forgives one.
 */

/** Failures that cost nothing: people mistype. */
const freeFailures = 2
const firstDelayMs = 250
const maxDelayMs = 10_000
const forgiveMs = 60_000
const defaultMaxAddresses = 10_000

interface Failures {
  count: number
  lastMs: number
}

/** What an address is known by: that of IPv4, the first 64 bits of one of IPv6, which one owner has, or `unix`. */
export function networkOf(address: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]*))(?::\d+)?$/.exec(address) ?? []
  const host = (bracketed ?? plain ?? address).replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  if (/^[\d.]+$/.test(host)) return host
  if (!host.includes(':') || host.includes('/')) return 'unix'
  const [head = '', tail] = host.toLowerCase().split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

/** Failed logins by network. The oldest are forgotten when there are too many. */
export class BackOff {
  readonly #failures = new Map<string, Failures>()
  readonly #now: () => number
  readonly #maxAddresses: number

  /** `now` is a clock in milliseconds that never goes back. */
  constructor(now: () => number = () => performance.now(), maxAddresses = defaultMaxAddresses) {
    this.#now = now
    this.#maxAddresses = maxAddresses
  }

  /** How many networks are remembered. */
  get size(): number {
    return this.#failures.size
  }

  #countOf(failures: Failures | undefined): number {
    if (!failures) return 0
    return Math.max(0, failures.count - Math.floor((this.#now() - failures.lastMs) / forgiveMs))
  }

  /** Milliseconds until the network's next login may be checked. */
  delayOf(network: string): number {
    const failures = this.#failures.get(network)
    const count = this.#countOf(failures)
    if (!failures || count <= freeFailures) return 0
    const delay = Math.min(maxDelayMs, firstDelayMs * 2 ** (count - freeFailures - 1))
    return Math.max(0, failures.lastMs + delay - this.#now())
  }

  /** Notes a failed login. */
  failed(network: string): void {
    const count = this.#countOf(this.#failures.get(network)) + 1
    this.#failures.delete(network)
    this.#failures.set(network, { count, lastMs: this.#now() })
    if (this.#failures.size <= this.#maxAddresses) return
    const [oldest] = this.#failures.keys()
    if (oldest !== undefined) this.#failures.delete(oldest)
  }
}
