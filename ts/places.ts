/**
 * Where the keys of a database with remote partitions are: its local partitions are one place, and each remote one is a
 * place of its own, which commits by itself.
 */
import type { BatchBuffer } from './batch-buffer.js'
import type { DatabaseHandle } from './batch-writer.js'
import { binding, checked, type NativePartition, Op } from './binding.js'
import { type Data, writeKey } from './bytes.js'

/** The place of what is local; that of remote partition `i` is `i + 1`. */
export const localPlace = 0
/** The place of a batch over several places. */
export const spanning = -1

const headerSize = 8

/** The places of a database that has a remote partition. */
export class Places {
  readonly #handle: DatabaseHandle
  readonly #places: number[]
  /** How many there are. */
  readonly count: number

  /** @param places - by partition. */
  constructor(handle: DatabaseHandle, places: number[]) {
    this.#handle = handle
    this.#places = places
    this.count = new Set(places).size
  }

  /** The place of a key. */
  ofKey(key: Data): number {
    return this.#places[checked(binding.partitionOf(this.#handle.id, writeKey(key)))] ?? localPlace
  }

  /** The place of a packed batch (native/include/zkdb.h has its form); a range counts as one over several places. */
  ofBatch({ buffer, size }: BatchBuffer): number {
    let place: number | undefined
    for (let at = 0; at < size; ) {
      const keySize = buffer.readUInt16LE(at + 2)
      const end = at + headerSize + keySize
      if (buffer[at] === Op.deleteRange) return spanning
      const next = this.ofKey(buffer.subarray(at + headerSize, end))
      if (place !== undefined && next !== place) return spanning
      place = next
      at = end + buffer.readUInt32LE(at + 4)
    }
    return place ?? localPlace
  }
}

/** The places of a database, or undefined when all of it is local. */
export function placesOf(handle: DatabaseHandle): Places | undefined {
  if (checked(binding.remoteCount(handle.id)) === 0) return undefined
  const count = checked(binding.partitionCount(handle.id))
  const places: number[] = []
  for (let index = 0; index < count; index++) {
    const partition = binding.partitionDescribe(handle.id, index)
    const isRemote = typeof partition !== 'number' && (partition as NativePartition).isRemote
    places.push(isRemote ? index + 1 : localPlace)
  }
  return new Places(handle, places)
}
