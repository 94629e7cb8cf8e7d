/**
 * The signals that calls may be aborted by: one listener per signal, however many calls share it.
 */
import type { Request } from './request.js'

/** Requests by their signal. */
export class Aborts {
  readonly #onAbort: (request: Request, signal: AbortSignal) => void
  readonly #watched = new Map<AbortSignal, { requests: Set<Request>; listener: () => void }>()

  constructor(onAbort: (request: Request, signal: AbortSignal) => void) {
    this.#onAbort = onAbort
  }

  /** Watches a signal for a request. */
  add(request: Request, signal: AbortSignal): void {
    let watched = this.#watched.get(signal)
    if (watched === undefined) {
      const requests = new Set<Request>()
      const listener = (): void => {
        for (const each of [...requests]) this.#onAbort(each, signal)
      }
      watched = { requests, listener }
      this.#watched.set(signal, watched)
      signal.addEventListener('abort', listener)
    }
    watched.requests.add(request)
  }

  /** A request that is over. */
  remove(request: Request, signal: AbortSignal): void {
    const watched = this.#watched.get(signal)
    if (watched === undefined) return
    watched.requests.delete(request)
    if (watched.requests.size > 0) return
    signal.removeEventListener('abort', watched.listener)
    this.#watched.delete(signal)
  }
}
