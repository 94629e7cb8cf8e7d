/**
 * The calls that the layers of 2000 have in common: one set over whatever finds the store of a target.
 */
import { accessSync, constants, writeFileSync } from 'node:fs'
import { Op } from './binding.js'
import { typeName } from './bytes.js'
import { LegacyCursor, type LegacyStore } from './legacy-store.js'
import { answer, guarded, type Logged, type Out, out, thang, type ZkDBT, type ZkError } from './legacy-types.js'

type Err = ZkError | null | undefined
type Flag = Out<number> | null | undefined

/** The calls on a target: a database or a partition. */
export interface Calls<Target> {
  fetch(err: Err, target: Target, key: ZkDBT, data: ZkDBT, found: Out<number>): number
  update(err: Err, target: Target, key: ZkDBT, data: ZkDBT, overwrite: number | boolean, existed?: Flag): number
  store(err: Err, target: Target, key: ZkDBT, data: ZkDBT, existed?: Flag): number
  put(err: Err, target: Target, key: ZkDBT, data: ZkDBT, existed?: Flag): number
  replace(err: Err, target: Target, key: ZkDBT, data: ZkDBT, existed?: Flag): number
  delete(err: Err, target: Target, key: ZkDBT, existed?: Flag): number
  setLog(err: Err, target: Target, logFile: string | null): number
  getLog(err: Err, target: Target, logFile: Out<string | null>): number
  checkPointsActivate(err: Err, target: Target, on?: number | boolean): number
  getDataBaseName(err: Err, target: Target, name: Out<string>): number
  cursorOpen(err: Err, target: Target, cursor: Out<LegacyCursor | null>): number
  cursorClose(err: Err, cursor: LegacyCursor): number
  cursorAbort(err: Err, cursor: LegacyCursor): number
  cursorGetNext(err: Err, cursor: LegacyCursor, key: ZkDBT, data: ZkDBT, found: Out<number>): number
  cursorDeleteCurrent(err: Err, cursor: LegacyCursor): number
  cursorUpdateCurrent(err: Err, cursor: LegacyCursor, data: ZkDBT): number
}

function cursorOf(cursor: unknown): LegacyCursor {
  if (cursor instanceof LegacyCursor) return cursor
  throw new TypeError(`The cursor must be one that CursorOpen gave, received ${typeName(cursor)}`)
}

function logOf(cursor: unknown): Logged | undefined {
  return cursor instanceof LegacyCursor ? cursor.store : undefined
}

/** Checks that a log can be written, and makes the file. */
function assertLogFile(logFile: unknown): asserts logFile is string | null {
  if (logFile === null) return
  if (typeof logFile !== 'string' || logFile === '') {
    throw new TypeError(`The log file must be a path or null, received ${typeName(logFile)}`)
  }
  writeFileSync(logFile, '', { flag: 'a' })
  accessSync(logFile, constants.W_OK)
}

function writeCall<Target>(
  name: string,
  storeOf: (target: Target) => LegacyStore,
  kindOf: (overwrite: number | boolean) => number
): (err: Err, target: Target, key: ZkDBT, data: ZkDBT, overwrite: number | boolean, existed?: Flag) => number {
  return (err, target, key, data, overwrite, existed) =>
    guarded(err, loggedOf(storeOf, target), name, () => {
      const kind = kindOf(overwrite)
      const result = storeOf(target).write(kind, thang(key, 'key'), thang(data, 'data').bytes)
      // A condition that failed says it: Store finds the record there, Replace does not.
      const wasThere = result.applied ? result.existed > 0 : kind === Op.putIfAbsent
      answer(existed, wasThere ? 1 : 0)
    })
}

/** Where the failures of a call on `target` are logged, if it is something that can be asked. */
function loggedOf<Target>(storeOf: (target: Target) => LegacyStore, target: Target): Logged | undefined {
  try {
    return storeOf(target)
  } catch {
    return undefined
  }
}

/** The calls on what is in the cursor's hand; the same for every target. */
function cursorCalls(prefix: string): Omit<Calls<never>, keyof ReturnType<typeof targetCalls>> {
  return {
    cursorClose: (err, cursor) => guarded(err, logOf(cursor), `${prefix}_CursorClose`, () => cursorOf(cursor).close()),
    cursorAbort: (err, cursor) => guarded(err, logOf(cursor), `${prefix}_CursorAbort`, () => cursorOf(cursor).abort()),
    cursorGetNext: (err, cursor, key, data, found) =>
      guarded(err, logOf(cursor), `${prefix}_CursorGetNext`, () => {
        const record = cursorOf(cursor).next()
        if (record !== undefined) {
          thang(key, 'key').set(record.key)
          thang(data, 'data').set(record.data)
        }
        out<number>(found, 'found').value = record === undefined ? 0 : 1
      }),
    cursorDeleteCurrent: (err, cursor) =>
      guarded(err, logOf(cursor), `${prefix}_CursorDeleteCurrent`, () => cursorOf(cursor).deleteCurrent()),
    cursorUpdateCurrent: (err, cursor, data) =>
      guarded(err, logOf(cursor), `${prefix}_CursorUpdateCurrent`, () =>
        cursorOf(cursor).updateCurrent(thang(data, 'data').bytes)
      )
  }
}

function recordCalls<Target>(prefix: string, storeOf: (target: Target) => LegacyStore) {
  const update = writeCall(`${prefix}_Update`, storeOf, (overwrite) => (overwrite ? Op.put : Op.putIfAbsent))
  const store = writeCall(`${prefix}_Store`, storeOf, () => Op.putIfAbsent)
  const put = writeCall(`${prefix}_Put`, storeOf, () => Op.put)
  const replace = writeCall(`${prefix}_Replace`, storeOf, () => Op.putIfPresent)
  const calls: Pick<Calls<Target>, 'fetch' | 'update' | 'store' | 'put' | 'replace' | 'delete'> = {
    fetch: (err, target, key, data, found) =>
      guarded(err, loggedOf(storeOf, target), `${prefix}_Fetch`, () => {
        const place = out<number>(found, 'found')
        const value = storeOf(target).fetch(thang(key, 'key'))
        if (value !== undefined) thang(data, 'data').take(value)
        place.value = value === undefined ? 0 : 1
      }),
    update,
    store: (err, target, key, data, existed) => store(err, target, key, data, 0, existed),
    put: (err, target, key, data, existed) => put(err, target, key, data, 1, existed),
    replace: (err, target, key, data, existed) => replace(err, target, key, data, 1, existed),
    delete: (err, target, key, existed) =>
      guarded(err, loggedOf(storeOf, target), `${prefix}_Delete`, () => {
        const result = storeOf(target).write(Op.delete, thang(key, 'key'), new Uint8Array(0))
        answer(existed, result.existed > 0 ? 1 : 0)
      })
  }
  return calls
}

function targetCalls<Target>(prefix: string, storeOf: (target: Target) => LegacyStore) {
  const run = (err: Err, target: Target, name: string, body: (store: LegacyStore) => void): number =>
    guarded(err, loggedOf(storeOf, target), `${prefix}_${name}`, () => body(storeOf(target)))
  const calls = {
    ...recordCalls(prefix, storeOf),
    setLog: (err: Err, target: Target, logFile: string | null): number =>
      run(err, target, 'SetLog', (store) => {
        assertLogFile(logFile)
        store.logFile = logFile
      }),
    getLog: (err: Err, target: Target, logFile: Out<string | null>): number =>
      run(err, target, 'GetLog', (store) => {
        out<string | null>(logFile, 'log file').value = store.logFile
      }),
    checkPointsActivate: (err: Err, target: Target, on: number | boolean = 1): number =>
      run(err, target, 'CheckPointsActivate', (store) => store.activateCheckpoints(Boolean(on))),
    getDataBaseName: (err: Err, target: Target, name: Out<string>): number =>
      run(err, target, 'GetDataBaseName', (store) => {
        out<string>(name, 'name').value = store.name
      }),
    cursorOpen: (err: Err, target: Target, cursor: Out<LegacyCursor | null>): number =>
      run(err, target, 'CursorOpen', (store) => {
        out<LegacyCursor | null>(cursor, 'cursor').value = new LegacyCursor(store)
      })
  }
  return calls
}

/** The calls with the names that begin with `prefix`, on targets whose store `storeOf` finds, or throws. */
export function callsOn<Target>(prefix: string, storeOf: (target: Target) => LegacyStore): Calls<Target> {
  return { ...targetCalls(prefix, storeOf), ...cursorCalls(prefix) }
}
