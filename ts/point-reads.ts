/**
 * Point reads. The key is in the shared key buffer; what comes back is a string made by the addon, a copy, or for
 * `getFast` a view on the shared value buffer.
 */
import { binding, Code, cachedViewSize, checked, lastError, limits, registerShared, State, shared } from './binding.js'
import { type Data, keyTooLarge, viewOf, writeText } from './bytes.js'
import { BufferView, reserve, take } from './slab.js'

/** What a value is given as. */
export type ValueFormat = 'utf8' | 'buffer' | 'view'

/** Registers a new buffer when somebody detached the old one by way of a `getFast` view. */
export function assertShared(): void {
  if (shared.values.length === 0) registerShared()
}

/**
 * Reads a value.
 *
 * @param snapshot - handle of a snapshot, or 0.
 * @param keySize - of the key in the shared key buffer.
 */
export function readValue(db: number, snapshot: number, keySize: number, format: ValueFormat): Data | undefined {
  assertShared()
  if (format === 'utf8') {
    const text = binding.getText(db, snapshot, keySize)
    return typeof text === 'string' ? text : readRest(db, snapshot, keySize, text)?.toString('utf8')
  }
  const size = snapshot === 0 ? binding.get(db, keySize) : binding.getAt(db, snapshot, keySize)
  if (size < 0) return readRest(db, snapshot, keySize, size)
  const copy = reserve(size)
  shared.values.copy(copy, 0, 0, size)
  take(copy, size)
  return copy
}

/**
 * Reads the latest value as a view on the shared buffer, valid until the next call. The same object for the same
 * length.
 */
export function readFast(db: number, keySize: number): Buffer | undefined {
  assertShared()
  const size = binding.get(db, keySize)
  if (size < 0) return readRest(db, 0, keySize, size)
  if (size > cachedViewSize) return shared.values.subarray(0, size)
  const view = shared.views[size]
  if (view !== undefined) return view
  const made = shared.values.subarray(0, size)
  shared.views[size] = made
  return made
}

/** What follows on a read that did not give a value: nothing, a value that needs a larger buffer, or an error. */
function readRest(db: number, snapshot: number, keySize: number, code: number): Buffer | undefined {
  let result = code
  // Another thread may replace the value by a larger one between the calls.
  while (result === Code.bufferTooSmall) {
    const buffer = Buffer.allocUnsafeSlow(shared.state[State.needed]!)
    result = binding.getInto(db, snapshot, keySize, buffer)
    if (result >= 0) return buffer.subarray(0, result)
  }
  if (result === Code.notFound) return undefined
  throw lastError()
}

/** Whether the key is there. */
export function readHas(db: number, snapshot: number, keySize: number): boolean {
  return checked(binding.has(db, snapshot, keySize)) === 1
}

/** When the record ends, ms since 1970; null: never. Undefined when the key is not there. */
export function readExpiry(db: number, snapshot: number, keySize: number): number | null | undefined {
  const code = binding.expiry(db, snapshot, keySize)
  if (code === Code.notFound) return undefined
  checked(code)
  return shared.state[State.time]! || null
}

/** Keys one after another, and where each begins. Used again by the next call. */
let packedKeys = Buffer.allocUnsafeSlow(16 * 1024)
let offsets = new Uint32Array(257)
let sizes = new Uint32Array(256)

const absent = 0xffff_ffff
const maxPackedKeys = 1024 * 1024 * 1024

function room(key: Data): number {
  return typeof key === 'string' ? key.length * 3 : key.byteLength
}

/** Packs keys from `start` on, as many as may go into one call. Returns the index after the last one. */
function packKeys(keys: readonly Data[], start: number): number {
  const count = keys.length - start
  if (offsets.length <= count) {
    offsets = new Uint32Array(count * 2 + 1)
    sizes = new Uint32Array(count * 2)
  }
  let size = 0
  let i = start
  offsets[0] = 0
  for (; i < keys.length && size < maxPackedKeys; i++) {
    size += packKey(keys[i]!, size)
    offsets[i - start + 1] = size
  }
  return i
}

function packKey(key: Data, at: number): number {
  const data = typeof key === 'string' ? key : viewOf(key, 'key')
  if (data.length > limits.maxKeySize) throw keyTooLarge(Buffer.byteLength(data))
  const needed = at + room(data)
  if (needed > packedKeys.length) {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, packedKeys.length * 2))
    packedKeys.copy(grown, 0, 0, at)
    packedKeys = grown
  }
  if (typeof data !== 'string') {
    packedKeys.set(data, at)
    return data.length
  }
  const size = writeText(packedKeys, data, at)
  if (size > limits.maxKeySize) throw keyTooLarge(size)
  return size
}

/** Keys in packed form, for a native call that copies them: the next packing uses the memory again. */
export function packedKeysOf(keys: readonly Data[]): { keys: Buffer; offsets: Uint32Array } {
  packKeys(keys, 0)
  return { keys: packedKeys, offsets }
}

/** Calls `body` with `snapshot` or, where that is 0, with a new one that is closed afterwards. */
function pinned<T>(db: number, snapshot: number, areLocal: boolean, body: (snapshot: number) => T): T {
  if (snapshot !== 0) return body(snapshot)
  const id = checked(binding.snapshotOpen(db, areLocal ? 1 : 0))
  try {
    return body(id)
  } finally {
    binding.snapshotClose(id)
  }
}

/**
 * Reads many values of one state with one native call, or a few when they are large.
 *
 * @param areLocal - the keys are known to be in local partitions: no server is asked for a state.
 */
export function readMany(
  db: number,
  snapshot: number,
  keys: readonly Data[],
  format: ValueFormat,
  areLocal = false
): (Data | undefined)[] {
  if (keys.length === 0) return []
  const values: (Data | undefined)[] = []
  const count = packKeys(keys, 0)
  const done = readRound(db, snapshot, 0, count, format, values)
  // The state may have changed before a further call.
  return done === keys.length ? values : pinned(db, snapshot, areLocal, (id) => readRounds(db, id, keys, format))
}

function readRounds(db: number, snapshot: number, keys: readonly Data[], format: ValueFormat): (Data | undefined)[] {
  const values: (Data | undefined)[] = []
  while (values.length < keys.length) {
    const start = values.length
    const count = packKeys(keys, start) - start
    for (let done = 0; done < count; ) done += readRound(db, snapshot, done, count - done, format, values)
  }
  return values
}

/** One native call for the packed keys from `first` on. Returns how many it answered. */
function readRound(
  db: number,
  snapshot: number,
  first: number,
  count: number,
  format: ValueFormat,
  values: (Data | undefined)[]
): number {
  assertShared()
  let buffer = shared.values
  const places = first === 0 ? offsets : offsets.subarray(first)
  let done = checked(binding.getMany(db, snapshot, packedKeys, places, count, buffer, sizes))
  while (done === 0) {
    buffer = Buffer.allocUnsafeSlow(shared.state[State.needed]!)
    done = checked(binding.getMany(db, snapshot, packedKeys, places, count, buffer, sizes))
  }
  const used = shared.state[State.used]!
  if (format === 'utf8') takeTexts(buffer, done, shared.state[State.ascii] === 1, used, values)
  else takeBytes(buffer, done, used, format, values)
  return done
}

/** A string that is kept keeps at most a window of this many bytes alive. */
const windowSize = 4 * 1024

function takeTexts(buffer: Buffer, count: number, isAscii: boolean, used: number, values: (Data | undefined)[]): void {
  let at = 0
  let text = ''
  let textStart = 0
  let textEnd = 0
  for (let i = 0; i < count; i++) {
    const size = sizes[i]!
    if (size === absent) {
      values.push(undefined)
      continue
    }
    const end = at + size
    if (!isAscii || size > windowSize) {
      values.push(buffer.toString(isAscii ? 'latin1' : 'utf8', at, end))
    } else {
      if (end > textEnd) {
        textStart = at
        textEnd = Math.min(at + windowSize, used)
        text = buffer.toString('latin1', textStart, textEnd)
      }
      values.push(text.substring(at - textStart, end - textStart))
    }
    at = end
  }
}

function takeBytes(
  buffer: Buffer,
  count: number,
  used: number,
  format: ValueFormat,
  values: (Data | undefined)[]
): void {
  // One copy of them all: the shared buffer is used again.
  const copy = reserve(used)
  buffer.copy(copy, 0, 0, used)
  take(copy, used)
  const { buffer: memory, byteOffset } = copy
  let at = 0
  for (let i = 0; i < count; i++) {
    const size = sizes[i]!
    if (size === absent) {
      values.push(undefined)
      continue
    }
    const place = byteOffset + at
    values.push(format === 'view' ? new Uint8Array(memory, place, size) : new BufferView(memory, place, size))
    at += size
  }
}

/** Whether each of the keys is there, all in one state; `areLocal` as for {@link readMany}. */
export function readHasMany(db: number, snapshot: number, keys: readonly Data[], areLocal = false): boolean[] {
  if (keys.length < 2) return hasRounds(db, snapshot, keys)
  return pinned(db, snapshot, areLocal, (id) => hasRounds(db, id, keys))
}

function hasRounds(db: number, snapshot: number, keys: readonly Data[]): boolean[] {
  const answers: boolean[] = []
  while (answers.length < keys.length) {
    const start = answers.length
    const count = packKeys(keys, start) - start
    const found = new Uint8Array(count)
    checked(binding.hasMany(db, snapshot, packedKeys, offsets, count, found))
    for (const each of found) answers.push(each === 1)
  }
  return answers
}
