/**
 * What the command line knows about routing: the rule of a partition as the core describes it, and the hash slot of a
 * key, to explain a choice that the core made.
 */

/** Compared bytes: text limits (folded to lower case), or one byte that is a number. */
export interface ByteRule {
  kind: 'text' | 'hashed'
  /** 0-based position of the first compared byte. */
  start: number
  /** How many bytes are compared. */
  width: number
}

/** How the keys of a database are routed. */
export type RoutingRule = { kind: 'single' } | { kind: 'slot' } | ByteRule

const bytesPattern = /^bytes (\d+)\.\.(\d+) /
const slotsPerRoutingByte = 64
const slotCount = 16384
const crcPolynomial = 0x1021

/** Reads the rule that `partitions()` or the router gives for a partition. */
export function parseRule(rule: string): RoutingRule {
  const bytes = bytesPattern.exec(rule)
  if (!bytes) return { kind: rule.startsWith('hash slots') ? 'slot' : 'single' }
  const start = Number(bytes[1])
  return { kind: rule.endsWith('without case') ? 'text' : 'hashed', start, width: Number(bytes[2]) - start + 1 }
}

/** The part of a key that is hashed: what stands between the first `{` and the next `}`, else all of it. */
export function hashTag(key: Buffer): Buffer {
  const open = key.indexOf(0x7b)
  const close = open < 0 ? -1 : key.indexOf(0x7d, open + 1)
  return close > open + 1 ? key.subarray(open + 1, close) : key
}

/** The Redis Cluster slot of a key: CRC-16/XMODEM modulo 16,384. */
export function hashSlot(key: Buffer): number {
  let crc = 0
  for (const byte of hashTag(key)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ crcPolynomial) & 0xffff : (crc << 1) & 0xffff
  }
  return crc % slotCount
}

/** The number 0..255 that the limits of a `DoHashing` partition are compared with. */
export function routingByte(slot: number): number {
  return Math.floor(slot / slotsPerRoutingByte)
}

/** A byte as text limits compare it: `A`..`Z` as `a`..`z`. */
export function foldByte(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
}

/** A byte for a person: `0x4b 'K'`. */
export function showByte(byte: number): string {
  const hex = `0x${byte.toString(16).padStart(2, '0')}`
  return byte > 0x20 && byte < 0x7f ? `${hex} '${String.fromCharCode(byte)}'` : hex
}

function explainText(key: Buffer, rule: ByteRule): string {
  const compared = key.subarray(rule.start, rule.start + rule.width)
  const folded = Buffer.from(compared).map(foldByte)
  const place = rule.width === 1 ? `byte ${rule.start} is` : `bytes ${rule.start}..${rule.start + rule.width - 1} are`
  const changed = compared.equals(folded) ? '' : `, compared without case as ${[...folded].map(showByte).join(' ')}`
  const short = compared.length < rule.width ? ', and where the key ends it compares as lowest' : ''
  return `${place} ${[...compared].map(showByte).join(' ')}${changed}${short}`
}

/** Why a key goes where it goes: which bytes or which slot decided. */
export function explainRouting(key: Buffer, rule: RoutingRule): string {
  if (rule.kind === 'single') return 'there is one partition'
  if (rule.kind === 'slot') {
    const slot = hashSlot(key)
    const tag = hashTag(key)
    const part = tag.length < key.length ? ` of the hash tag {${tag.toString()}}` : ''
    return `hash slot ${slot}${part}, routing byte ${slot} / 64 = ${routingByte(slot)}`
  }
  if (key.length <= rule.start) {
    const bytes = key.length === 1 ? '1 byte' : `${key.length} bytes`
    return `the key has ${bytes} and so no byte ${rule.start}: it compares as lowest`
  }
  if (rule.kind === 'text') return explainText(key, rule)
  return `byte ${rule.start} is ${showByte(key[rule.start]!)} = ${key[rule.start]}`
}
