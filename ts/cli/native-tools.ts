/**
 * The functions of the addon that only the command line uses: routing by a configuration alone, and looking into files.
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

/** See native/addon/tool_functions.cc. */
export interface NativeTools {
  /** Routes keys by a configuration file; opens no data. */
  route(file: string, keys: Uint8Array[]): NativeRoutes
  /** Describes a file line by line until `sink` answers true. `page` -1: all of it. */
  inspect(file: string, page: number, asJson: number, sink: (text: string) => boolean): NativeFailure
}

/** The functions of the addon. */
export const tools = binding as unknown as NativeTools
