/**
 * Ranges: from Level's gt, gte, lt and lte to what the addon takes.
 */
import { RangeFlag, ScanFlag } from './binding.js'
import { type Data, writeBound } from './bytes.js'
import type { ZkdbError } from './errors.js'

/** Encoded bounds. Where both are given, gte goes before gt and lte before lt, as in Level. */
export interface EncodedRange {
  gt?: Data | undefined
  gte?: Data | undefined
  lt?: Data | undefined
  lte?: Data | undefined
}

/** A range whose bounds lie in the shared key buffer, lower bound first, until the next call that writes a key. */
export interface NativeRange {
  loSize: number
  hiSize: number
  flags: number
}

/** Writes the bounds of a range into the shared key buffer. */
export function writeRange(range: EncodedRange): NativeRange {
  let flags = 0
  let loSize = 0
  let hiSize = 0
  const lo = range.gte ?? range.gt
  if (lo !== undefined && lo !== null) {
    const bound = writeBound(lo, 0)
    loSize = bound.size
    if (bound.isCut || (range.gte ?? null) === null) flags |= RangeFlag.loExclusive
  }
  const hi = range.lte ?? range.lt
  if (hi !== undefined && hi !== null) {
    const bound = writeBound(hi, loSize)
    hiSize = bound.size
    flags |= RangeFlag.hasHi
    if (bound.isCut || (range.lte ?? null) !== null) flags |= RangeFlag.hiInclusive
  }
  return { loSize, hiSize, flags }
}

const bytesOf = (data: Data): Uint8Array => (typeof data === 'string' ? Buffer.from(data) : data)

/** Whether a key lies in a range. */
export function isInRange(key: Data, range: EncodedRange): boolean {
  const bytes = bytesOf(key)
  const order = (bound: Data): number => Buffer.compare(bytes, bytesOf(bound))
  const lo = range.gte ?? range.gt ?? undefined
  const hi = range.lte ?? range.lt ?? undefined
  // A key that equals the bound is in the range when the bound is one of gte and lte.
  const least = (range.gte ?? null) === null ? 1 : 0
  const greatest = (range.lte ?? null) === null ? -1 : 0
  return (lo === undefined || order(lo) >= least) && (hi === undefined || order(hi) <= greatest)
}

/** How a scan goes through its range. */
export interface ScanMode {
  reverse?: boolean | undefined
  keys?: boolean | undefined
  values?: boolean | undefined
  unordered?: boolean | undefined
  onMissing?: ((part: MissingPart) => void) | undefined
  /** Remote partitions are read at their states of the first read: no server is waited for before. */
  pinLater?: boolean | undefined
}

/** What a scan with `onMissing` could not read. */
export interface MissingPart {
  /** The partition whose keys are missing, as `partitionOf` counts. */
  partition: number
  /** The key behind which they are missing, in the direction of the scan; undefined: all of them. */
  from: Buffer | undefined
  /** Why. */
  error: ZkdbError
}

/** The `zkdb_scan_flag` set of a mode. */
export function scanFlags(mode: ScanMode): number {
  return (
    (mode.reverse ? ScanFlag.reverse : 0) |
    (mode.keys === false ? ScanFlag.noKeys : 0) |
    (mode.values === false ? ScanFlag.noValues : 0) |
    (mode.unordered ? ScanFlag.unordered : 0) |
    (mode.onMissing ? ScanFlag.partial : 0) |
    (mode.pinLater ? ScanFlag.pinLater : 0)
  )
}
