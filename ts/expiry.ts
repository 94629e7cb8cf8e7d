/**
 * How long a record lasts. It needs no addon, so that the remote client shares it.
 */

/** How long the record of a put lasts. */
export interface Expiry {
  /**
   * Milliseconds after which the record ends: it is then not there any more. Without it the record never ends, also
   * when the one that it replaces did.
   */
  ttl?: number | undefined
}

/** Milliseconds: 100,000 years. */
const longestTtl = 3.2e15

/** The option `ttl`; undefined: the record never ends. @throws TypeError for one that is not positive */
export function ttlOf({ ttl }: Expiry): number | undefined {
  if (ttl === undefined || (typeof ttl === 'number' && ttl > 0 && ttl <= longestTtl)) return ttl
  throw new TypeError(`The option 'ttl' must be a positive number of milliseconds, received ${String(ttl)}`)
}
