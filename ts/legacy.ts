/**
 * The functions of the zkDB library of 2000 under their own names, for programs that were written against it.
 *
 * Every function answers 0 when an error occurred, with the details in the {@link ZkError}, and 1 for success. "Not
 * found" is not an error. What C gives back through a pointer comes back in an object with a `value`. Everything is
 * synchronous, and nothing throws.
 *
 * @example
 * const err = new ZkError()
 * const db = { value: null }, key = { value: null }, data = { value: null }, found = { value: 0 }
 * zkDB_Open(err, 'app.conf', db) || process.exit(1)
 * zkDBTCreate(err, 'Key 1', 5, key)
 * zkDBTNew(err, data)
 * if (zkDB_Fetch(err, db.value, key.value, data.value, found) && found.value) console.log(data.value.bytes)
 * zkDB_Close(err, db)
 */
import { typeName } from './bytes.js'
import { callsOn } from './legacy-calls.js'
import { LegacyCursor, LegacyStore, ZkLocalPartition, ZkRemotePartition } from './legacy-store.js'
import { bytesOf, guarded, type Out, out, thang, ZkDBT, ZkError } from './legacy-types.js'

export {
  LegacyCursor as ZkDBCursor,
  LegacyStore as ZkDB,
  type Out,
  ZkDBT,
  ZkError,
  ZkLocalPartition,
  ZkRemotePartition
}

type Err = ZkError | null | undefined

// ---- thangs

/** Makes an empty thang. */
export function zkDBTNew(err: Err, dbt: Out<ZkDBT | null>): number {
  return guarded(err, undefined, 'zkDBTNew', () => {
    out<ZkDBT | null>(dbt, 'thang').value = new ZkDBT()
  })
}

/**
 * Makes a thang with a copy of the first `size` bytes of `buffer`.
 *
 * @param buffer - a string counts as its UTF-8 bytes.
 * @param size - bytes. Default: all.
 */
export function zkDBTCreate(
  err: Err,
  buffer: Uint8Array | string,
  size: number | undefined,
  dbt: Out<ZkDBT | null>
): number {
  return guarded(err, undefined, 'zkDBTCreate', () => {
    const made = new ZkDBT()
    made.set(bytesOf(buffer, size))
    out<ZkDBT | null>(dbt, 'thang').value = made
  })
}

/** Frees a thang: it cannot be used any more. */
export function zkDBTFree(err: Err, dbt: ZkDBT): number {
  return guarded(err, undefined, 'zkDBTFree', () => thang(dbt, 'thang').free())
}

/** Sets the bytes of a thang to a copy of the first `size` bytes of `buffer`. See {@link zkDBTCreate}. */
export function zkDBSetKeyOrData(err: Err, dbt: ZkDBT, buffer: Uint8Array | string, size?: number): number {
  return guarded(err, undefined, 'zkDBSetKeyOrData', () => thang(dbt, 'thang').set(bytesOf(buffer, size)))
}

/** Gives the bytes of a thang, as they are (not a copy), and their number. */
export function zkDBGetKeyOrData(err: Err, dbt: ZkDBT, buffer: Out<Uint8Array | null>, size?: Out<number>): number {
  return guarded(err, undefined, 'zkDBGetKeyOrData', () => {
    const { bytes } = thang(dbt, 'thang')
    out<Uint8Array | null>(buffer, 'buffer').value = bytes
    if (size !== undefined && size !== null) size.value = bytes.length
  })
}

// ---- databases

function databaseOf(db: unknown): LegacyStore {
  if (db instanceof LegacyStore) return db
  throw new TypeError(`The database must be one that zkDB_Open gave, received ${typeName(db)}`)
}

/**
 * Opens a database.
 *
 * @param dbfile - its configuration file (think of it as the database itself), or a directory.
 */
export function zkDB_Open(err: Err, dbfile: string, db: Out<LegacyStore | null>): number {
  return guarded(err, undefined, 'zkDB_Open', () => {
    const place = out<LegacyStore | null>(db, 'database')
    place.value = new LegacyStore(dbfile)
  })
}

/** Closes a database and sets the place to null. Cursors on it are of no use any more; their changes are dropped. */
export function zkDB_Close(err: Err, db: Out<LegacyStore | null>): number {
  const store = db?.value instanceof LegacyStore ? db.value : undefined
  return guarded(err, store, 'zkDB_Close', () => {
    const place = out<LegacyStore | null>(db, 'database')
    databaseOf(place.value).close()
    place.value = null
  })
}

const database = callsOn<LegacyStore>('zkDB', databaseOf)

/** Looks up `key`: `found` becomes 1 and `data` the value, or `found` becomes 0. */
export const zkDB_Fetch = database.fetch
/** Creates or modifies; without the permission to overwrite, an existing record stays. `existed`: it was there. */
export const zkDB_Update = database.update
/** Stores a new record. One that exists (`existed` becomes 1) stays as it is. */
export const zkDB_Store = database.store
/** Stores a record, whether it exists or not. */
export const zkDB_Put = database.put
/** Overwrites an existing record. When there is none (`existed` becomes 0) nothing is written. */
export const zkDB_Replace = database.replace
/** Deletes a record. `existed`: whether it was there. */
export const zkDB_Delete = database.delete
/** Says where messages of failed calls are logged: a file that they are added to, or null for nowhere. */
export const zkDB_SetLog = database.setLog
/** Gives where messages are logged. */
export const zkDB_GetLog = database.getLog
/** Turns periodic checkpoints on, or with `on` 0 off. */
export const zkDB_CheckPointsActivate = database.checkPointsActivate
/** Gives the logical name of the database. */
export const zkDB_GetDataBaseName = database.getDataBaseName
/** Opens a cursor over all records in the order of keys. It sees the state of this moment. */
export const zkDB_CursorOpen = database.cursorOpen
/** Writes what the cursor changed, as one transaction, and ends it. */
export const zkDB_CursorClose = database.cursorClose
/** Undoes what the cursor changed, and ends it. */
export const zkDB_CursorAbort = database.cursorAbort
/** Goes to the next record: `found` becomes 1, and `key` and `data` are set; at the end `found` becomes 0. */
export const zkDB_CursorGetNext = database.cursorGetNext
/** Deletes the record that the cursor is on, when the cursor is closed. */
export const zkDB_CursorDeleteCurrent = database.cursorDeleteCurrent
/** Sets the data of the record that the cursor is on, when the cursor is closed. */
export const zkDB_CursorUpdateCurrent = database.cursorUpdateCurrent

// ---- local partitions

function localOf(partition: unknown): LegacyStore {
  return localPartition(partition).opened()
}

function localPartition(partition: unknown): ZkLocalPartition {
  if (partition instanceof ZkLocalPartition) return partition
  throw new TypeError(`The partition must be a ZkLocalPartition, received ${typeName(partition)}`)
}

/** Opens the partition: it needs the whole configuration, and locks the whole database. */
export function zkLocalPartition_Open(err: Err, partition: ZkLocalPartition): number {
  return guarded(err, partition, 'zkLocalPartition_Open', () => localPartition(partition).open())
}

/** Closes the partition. It can be opened again. */
export function zkLocalPartition_Close(err: Err, partition: ZkLocalPartition): number {
  return guarded(err, partition, 'zkLocalPartition_Close', () => localPartition(partition).close())
}

const local = callsOn<ZkLocalPartition>('zkLocalPartition', localOf)

/** As {@link zkDB_Fetch}, for the keys of one partition; other keys are an error. So are the functions below. */
export const zkLocalPartition_Fetch = local.fetch
/** As {@link zkDB_Update}. */
export const zkLocalPartition_Update = local.update
/** As {@link zkDB_Store}. */
export const zkLocalPartition_Store = local.store
/** As {@link zkDB_Put}. */
export const zkLocalPartition_Put = local.put
/** As {@link zkDB_Replace}. */
export const zkLocalPartition_Replace = local.replace
/** As {@link zkDB_Delete}. */
export const zkLocalPartition_Delete = local.delete
/** As {@link zkDB_SetLog}. */
export const zkLocalPartition_SetLog = local.setLog
/** As {@link zkDB_GetLog}. */
export const zkLocalPartition_GetLog = local.getLog
/** As {@link zkDB_CheckPointsActivate}. */
export const zkLocalPartition_CheckPointsActivate = local.checkPointsActivate
/** As {@link zkDB_GetDataBaseName}. */
export const zkLocalPartition_GetDataBaseName = local.getDataBaseName
/** As {@link zkDB_CursorOpen}: over the records of the partition. */
export const zkLocalPartition_CursorOpen = local.cursorOpen
/** As {@link zkDB_CursorClose}. */
export const zkLocalPartition_CursorClose = local.cursorClose
/** As {@link zkDB_CursorAbort}. */
export const zkLocalPartition_CursorAbort = local.cursorAbort
/** As {@link zkDB_CursorGetNext}. */
export const zkLocalPartition_CursorGetNext = local.cursorGetNext
/** As {@link zkDB_CursorDeleteCurrent}. */
export const zkLocalPartition_CursorDeleteCurrent = local.cursorDeleteCurrent
/** As {@link zkDB_CursorUpdateCurrent}. */
export const zkLocalPartition_CursorUpdateCurrent = local.cursorUpdateCurrent

// ---- remote partitions

function remoteOf(partition: unknown): LegacyStore {
  return remotePartition(partition).opened()
}

function remotePartition(partition: unknown): ZkRemotePartition {
  if (partition instanceof ZkRemotePartition) return partition
  throw new TypeError(`The partition must be a ZkRemotePartition, received ${typeName(partition)}`)
}

/**
 * Connects to the server of a partition and logs in. A connection that is lost later is made again by the next call;
 * until the server is back, calls answer 0 with `ZKDB_UNREACHABLE`. It needs the whole configuration, and locks the
 * local partitions of the database.
 */
export function zkRemotePartition_Connect(err: Err, partition: ZkRemotePartition): number {
  return guarded(err, partition, 'zkRemotePartition_Connect', () => remotePartition(partition).open())
}

/** Ends the connections to the server of a partition. It can be connected again. */
export function zkRemotePartition_Disconnect(err: Err, partition: ZkRemotePartition): number {
  return guarded(err, partition, 'zkRemotePartition_Disconnect', () => remotePartition(partition).close())
}

const remote = callsOn<ZkRemotePartition>('zkRemotePartition', remoteOf)

/** As {@link zkDB_Fetch}, for the keys of one partition; other keys are an error. So are the functions below. */
export const zkRemotePartition_Fetch = remote.fetch
/** As {@link zkDB_Update}. */
export const zkRemotePartition_Update = remote.update
/** As {@link zkDB_Store}. */
export const zkRemotePartition_Store = remote.store
/** As {@link zkDB_Put}. */
export const zkRemotePartition_Put = remote.put
/** As {@link zkDB_Replace}. */
export const zkRemotePartition_Replace = remote.replace
/** As {@link zkDB_Delete}. */
export const zkRemotePartition_Delete = remote.delete
/** As {@link zkDB_SetLog}. */
export const zkRemotePartition_SetLog = remote.setLog
/** As {@link zkDB_GetLog}. */
export const zkRemotePartition_GetLog = remote.getLog
/** As {@link zkDB_CheckPointsActivate}. */
export const zkRemotePartition_CheckPointsActivate = remote.checkPointsActivate
/** As {@link zkDB_GetDataBaseName}. */
export const zkRemotePartition_GetDataBaseName = remote.getDataBaseName
/** As {@link zkDB_CursorOpen}. */
export const zkRemotePartition_CursorOpen = remote.cursorOpen
/** As {@link zkDB_CursorClose}. */
export const zkRemotePartition_CursorClose = remote.cursorClose
/** As {@link zkDB_CursorAbort}. */
export const zkRemotePartition_CursorAbort = remote.cursorAbort
/** As {@link zkDB_CursorGetNext}. */
export const zkRemotePartition_CursorGetNext = remote.cursorGetNext
/** As {@link zkDB_CursorDeleteCurrent}. */
export const zkRemotePartition_CursorDeleteCurrent = remote.cursorDeleteCurrent
/** As {@link zkDB_CursorUpdateCurrent}. */
export const zkRemotePartition_CursorUpdateCurrent = remote.cursorUpdateCurrent
