/**
 * What a child that will be killed writes: a row of units, each computed from a seed and its number, so that the parent
 * can say what the state is after any of them. And the protocol in which the child tells how far it is.
 */
import type { ModelWrite } from './model.js'

/** How a unit is written: as one of many concurrent puts, as a batch, or as a transaction. */
export type UnitKind = 'put' | 'batch' | 'transaction'

/** Writes that are whole or not there at all. */
export interface Unit {
  kind: UnitKind
  /** Written with durability `commit`, whatever the database has. */
  isDurable: boolean
  writes: ModelWrite[]
}

/** What the child is started with, as JSON. */
export interface CrashTask {
  /** Options of `open`. */
  options: { path: string }
  /** Open the database, which recovers it, and wait. */
  onlyOpen: boolean
  seed: number
  /** The first unit. */
  first: number
}

/** Lines that the child prints: it is open; it starts the units up to a number; a unit was acknowledged. */
export type Report = { what: 'open' } | { what: 'start' | 'done'; unit: number }

const keys = 400

/** A generator of numbers from 0 up to 1 (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The unit of a number. Units come in rows of 64 of a kind, so that puts come in bursts. */
export function unitOf(seed: number, unit: number): Unit {
  const row = Math.floor(unit / 64)
  const kind = (['put', 'batch', 'transaction'] as const)[row % 3]!
  const random = randomFrom(Math.imul(seed, 31) + unit)
  const count = kind === 'put' ? 1 : 1 + Math.floor(random() * 12)
  const writes = Array.from({ length: count }, (_, i): ModelWrite => {
    const number = Math.floor(random() * keys)
    // The fourth character spreads the keys over the text partitions.
    const key = `key${String.fromCharCode(97 + (number % 26))}${number}`
    if (random() < 0.2) return { type: 'del', key }
    const size = random() < 0.03 ? 6000 : Math.floor(random() * 120)
    return { type: 'put', key, value: `${unit}.${i} ${'v'.repeat(size)}` }
  })
  return { kind, isDurable: unit % 200 === 199, writes }
}

/** The numbers of the row of `unit`, from it on. */
export function restOfRow(unit: number): number[] {
  return Array.from({ length: 64 - (unit % 64) }, (_, i) => unit + i)
}

/** Reads the lines of the child; a line that was cut off by its end is left out. */
export function parseReports(text: string): Report[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [what, unit] = line.split(' ')
      return what === 'open' ? { what } : { what: what as 'start' | 'done', unit: Number(unit) }
    })
}
