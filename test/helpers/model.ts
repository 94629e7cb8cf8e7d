/**
 * An ordered map in plain JavaScript with the meaning of Level's ranges: what a database is compared with.
 * Keys are strings of the characters 0..255, which stand for bytes, so that the order of strings is the order of keys.
 */

/** Bounds as Level has them; a range that lacks one is open on that side. */
export interface ModelRange {
  gt?: string
  gte?: string
  lt?: string
  lte?: string
  reverse?: boolean
  limit?: number
}

/** A write; with `put` the value that is written. */
export type ModelWrite = { type: 'put'; key: string; value: string } | { type: 'del'; key: string }

export type ModelEntry = [key: string, value: string]

/** The ordered map. */
export class Model {
  readonly #values: Map<string, string>
  #sorted: string[] | undefined

  constructor(values: Iterable<ModelEntry> = []) {
    this.#values = new Map(values)
  }

  get size(): number {
    return this.#values.size
  }

  get(key: string): string | undefined {
    return this.#values.get(key)
  }

  write(writes: readonly ModelWrite[]): void {
    for (const write of writes) {
      if (write.type === 'put') this.#values.set(write.key, write.value)
      else this.#values.delete(write.key)
    }
    this.#sorted = undefined
  }

  /** The entries of a range, in its direction and up to its limit. */
  entries(range: ModelRange = {}): ModelEntry[] {
    const keys = this.#keys().filter((key) => isInRange(key, range))
    if (range.reverse) keys.reverse()
    return keys.slice(0, range.limit).map((key) => [key, this.#values.get(key)!])
  }

  /** What is left of a range for an iterator that seeks `target`; nothing when that lies outside of the range. */
  seek(target: string, range: ModelRange): ModelEntry[] {
    if (!isInRange(target, range)) return []
    const { limit, ...unlimited } = range
    const after = (key: string): boolean => (range.reverse ? key <= target : key >= target)
    return this.entries(unlimited)
      .filter(([key]) => after(key))
      .slice(0, limit)
  }

  clear(range: ModelRange): void {
    this.write(this.entries(range).map(([key]) => ({ type: 'del', key })))
  }

  copy(): Model {
    return new Model(this.#values)
  }

  #keys(): string[] {
    this.#sorted ??= [...this.#values.keys()].sort()
    return [...this.#sorted]
  }
}

/** Whether a key is in a range. `gte` goes before `gt` and `lte` before `lt`. */
function isInRange(key: string, { gt, gte, lt, lte }: ModelRange): boolean {
  if (gte !== undefined ? key < gte : gt !== undefined && key <= gt) return false
  return !(lte !== undefined ? key > lte : lt !== undefined && key >= lt)
}
