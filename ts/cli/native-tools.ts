/**
 * The functions of the addon that only the command line uses: routing by a configuration alone, looking into files, and
 * salvage.
 */
import { binding, type NativePartition } from '../binding.js'
import type { NativeFailure } from '../errors.js'

/** Where keys belong. */
export interface NativeRoutes extends NativeFailure {
  /** All partitions, in the order of the configuration. */
  partitions: NativePartition[]
  /** A partition per key. */
  indexes: number[]
}

/** How a salvage ended: the figures of `zkdb_salvage_result`. */
export interface NativeSalvage extends NativeFailure {
  records: number
  unsureRecords: number
  lostRecords: number
  pages: number
  lostPages: number
  logCommits: number
  logGaps: number
  /** How many findings there are. */
  count: number
  /** The first 1,000 of them. */
  findings: string[]
}

/** See native/addon/tool_functions.cc. */
export interface NativeTools {
  /** Routes keys by a configuration file; opens no data. */
  route(file: string, keys: Uint8Array[]): NativeRoutes
  /** Describes a file line by line until `sink` answers true. `page` -1: all of it. */
  inspect(file: string, page: number, asJson: number, sink: (text: string) => boolean): NativeFailure
  /** Brings the records of a damaged database into a new one; see `jobProgress` and `jobAbort` of the binding. */
  salvage(source: string, destination: string): { job: number; promise: Promise<NativeSalvage> } | number
}

/** The functions of the addon. */
export const tools = binding as unknown as NativeTools
