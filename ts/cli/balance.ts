/**
 * Finds limits that spread the records of a database evenly, from a sample of its keys.
 *
 * Three kinds of routing are tried: text limits and numeric limits (IsHashed) on one byte of the key, at each of the
 * positions 0..63, and DoHashing. For a position, the cut points that make the fullest partition as small as possible
 * are found by trying sizes for it.
 */
import { foldByte, hashSlot, routingByte } from './routing.js'

/** The limits of one partition, as they are written in a configuration. */
export interface SuggestedLimits {
  min?: string
  max?: string
}

/** A way of routing, and what it gives for the sample. */
export interface Suggestion {
  kind: 'text' | 'hashed' | 'slot'
  /** LimitStartPos; 0 for slots. */
  position: number
  limits: SuggestedLimits[]
  /** Keys of the sample per partition. */
  counts: number[]
}

const positions = 64
/** A fullest partition of up to this many times the even share is good: simpler routing is then preferred. */
const goodEnough = 1.5

/** Ordered symbols, how many keys have each, and after which of them a limit can be drawn. */
interface Alphabet {
  counts: number[]
  canCutAfter: boolean[]
  /** Keys that are too short, which go to the first partition. */
  short: number
}

function isWritable(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f
}

/** The byte after `byte` in the alphabet of text limits, which is without A..Z. */
function nextFolded(byte: number): number {
  return byte === 0x40 ? 0x5b : byte + 1
}

function textAlphabet(keys: readonly Buffer[], position: number): Alphabet {
  const alphabet = byteAlphabet(keys, position, foldByte)
  alphabet.canCutAfter = alphabet.counts.map(
    (_, byte) => foldByte(byte) === byte && isWritable(byte) && isWritable(nextFolded(byte))
  )
  return alphabet
}

function byteAlphabet(keys: readonly Buffer[], position: number, fold = (byte: number) => byte): Alphabet {
  const counts = new Array<number>(256).fill(0)
  let short = 0
  for (const key of keys) {
    const byte = key[position]
    if (byte === undefined) short++
    else counts[fold(byte)]!++
  }
  return { counts, canCutAfter: counts.map((_, byte) => byte < 255), short }
}

function slotAlphabet(keys: readonly Buffer[]): Alphabet {
  const counts = new Array<number>(256).fill(0)
  for (const key of keys) counts[routingByte(hashSlot(key))]!++
  return { counts, canCutAfter: counts.map((_, byte) => byte < 255), short: 0 }
}

/** Fills partitions up to `size` one after another. Undefined when that takes more than `partitions`. */
function cutsFor(alphabet: Alphabet, partitions: number, size: number): number[] | undefined {
  const cuts: number[] = []
  let filled = alphabet.short
  let sinceCut = 0
  let lastCut = -1
  for (let symbol = 0; symbol < 256; symbol++) {
    const count = alphabet.counts[symbol]!
    if (filled + sinceCut + count > size && lastCut >= 0 && filled > 0) {
      if (cuts.push(lastCut) >= partitions) return undefined
      filled = 0
      lastCut = -1
    }
    if (filled + sinceCut + count > size) return undefined
    sinceCut += count
    if (!alphabet.canCutAfter[symbol]) continue
    filled += sinceCut
    sinceCut = 0
    lastCut = symbol
  }
  return cuts
}

/** Adds cuts, which split off symbols without keys, until there are enough; undefined when there are not. */
function withEnoughCuts(cuts: number[], alphabet: Alphabet, wanted: number): number[] | undefined {
  const all = new Set(cuts)
  for (let symbol = 255; symbol >= 0 && all.size < wanted; symbol--) {
    if (alphabet.canCutAfter[symbol]) all.add(symbol)
  }
  return all.size === wanted ? [...all].sort((a, b) => a - b) : undefined
}

/** The cut points with the smallest fullest partition. */
function bestCuts(alphabet: Alphabet, partitions: number): number[] | undefined {
  let low = 1
  let high = alphabet.short + alphabet.counts.reduce((sum, count) => sum + count, 0)
  let best: number[] = []
  while (low <= high) {
    const size = Math.floor((low + high) / 2)
    const cuts = cutsFor(alphabet, partitions, size)
    if (cuts && cuts.length < partitions) {
      best = cuts
      high = size - 1
    } else low = size + 1
  }
  return withEnoughCuts(best, alphabet, partitions - 1)
}

function countsOf(alphabet: Alphabet, cuts: readonly number[]): number[] {
  const counts = new Array<number>(cuts.length + 1).fill(0)
  counts[0] = alphabet.short
  let partition = 0
  for (let symbol = 0; symbol < 256; symbol++) {
    counts[partition]! += alphabet.counts[symbol]!
    if (symbol === cuts[partition]) partition++
  }
  return counts
}

function suggestionOf(
  kind: Suggestion['kind'],
  position: number,
  alphabet: Alphabet,
  n: number
): Suggestion | undefined {
  const cuts = bestCuts(alphabet, n)
  if (!cuts) return undefined
  const show = (symbol: number): string => (kind === 'text' ? String.fromCharCode(symbol) : String(symbol))
  const next = (symbol: number): number => (kind === 'text' ? nextFolded(symbol) : symbol + 1)
  const limits = Array.from({ length: n }, (_, i) => ({
    ...(i > 0 && { min: show(next(cuts[i - 1]!)) }),
    ...(i < n - 1 && { max: show(cuts[i]!) })
  }))
  return { kind, position, limits, counts: countsOf(alphabet, cuts) }
}

/** The share of the fullest partition. */
export function largestShare(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  return total > 0 ? Math.max(...counts) / total : 0
}

/** The better one of a kind: the fullest partition is smallest; of equals the first position. */
function bestOf(candidates: (Suggestion | undefined)[]): Suggestion | undefined {
  let best: Suggestion | undefined
  for (const candidate of candidates) {
    if (candidate && (!best || largestShare(candidate.counts) < largestShare(best.counts))) best = candidate
  }
  return best
}

/**
 * The way of routing that spreads the keys best over `partitions`: text limits where they do well, else numeric ones,
 * else hashing.
 */
export function suggestBalance(keys: readonly Buffer[], partitions: number): Suggestion {
  const longest = Math.min(positions, Math.max(1, ...keys.map((key) => key.length)))
  const places = Array.from({ length: longest }, (_, position) => position)
  const isGood = (found: Suggestion | undefined): boolean =>
    found !== undefined && largestShare(found.counts) <= goodEnough / partitions
  const text = bestOf(places.map((place) => suggestionOf('text', place, textAlphabet(keys, place), partitions)))
  if (isGood(text)) return text!
  const hashed = bestOf(places.map((place) => suggestionOf('hashed', place, byteAlphabet(keys, place), partitions)))
  if (isGood(hashed)) return hashed!
  const slot = suggestionOf('slot', 0, slotAlphabet(keys), partitions)
  return bestOf([slot, text, hashed])!
}

/** The lines of the configuration for a suggestion. */
export function configurationLines(suggestion: Suggestion, names: readonly string[]): string[] {
  return suggestion.limits.flatMap(({ min, max }, i) => [
    `[${names[i]}]`,
    ...(suggestion.kind === 'hashed' ? ['IsHashed = Yes'] : []),
    ...(suggestion.kind === 'slot' ? ['DoHashing = Yes'] : []),
    ...(min === undefined ? [] : [`MinLimit = ${min}`]),
    ...(max === undefined ? [] : [`MaxLimit = ${max}`]),
    ...(suggestion.kind === 'slot' ? [] : [`LimitStartPos = ${suggestion.position}`])
  ])
}
