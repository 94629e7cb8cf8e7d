/**
 * The functions of the zkDB library of 2000, with the rules of its document.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import * as zk from 'zkdb/legacy'
import { newFolder, threePartitions } from './helpers/shapes.js'

const holder = <T>(): zk.Out<T | null> => ({ value: null })

/** A thang with these bytes. */
function thang(text: string): zk.ZkDBT {
  const place = holder<zk.ZkDBT>()
  zk.zkDBTCreate(null, text, undefined, place)
  return place.value!
}

const text = (dbt: zk.ZkDBT): string => Buffer.from(dbt.bytes).toString()

/** A configuration file with three partitions. */
function configuration(): string {
  const file = join(newFolder(), 'three.conf')
  writeFileSync(file, threePartitions)
  return file
}

function opened(file = configuration()): zk.Out<zk.ZkDB> {
  const err = new zk.ZkError()
  const db = holder<zk.ZkDB>()
  if (!zk.zkDB_Open(err, file, db)) throw new Error(`${err.code}: ${err.message}`)
  return db as zk.Out<zk.ZkDB>
}

function records(db: zk.ZkDB): string[] {
  const cursor = holder<zk.ZkDBCursor>()
  zk.zkDB_CursorOpen(null, db, cursor)
  const [key, data, found] = [thang(''), thang(''), { value: 0 }]
  const list: string[] = []
  while (zk.zkDB_CursorGetNext(null, cursor.value!, key, data, found) && found.value) {
    list.push(`${text(key)}=${text(data)}`)
  }
  zk.zkDB_CursorClose(null, cursor.value!)
  return list
}

test('a thang holds a copy of its bytes until it is freed', (t) => {
  const err = new zk.ZkError()
  const place = holder<zk.ZkDBT>()
  t.is(zk.zkDBTNew(err, place), 1)
  const dbt = place.value!
  const source = Buffer.from('hello')
  t.is(zk.zkDBSetKeyOrData(err, dbt, source, 4), 1)
  source.fill(0)
  const buffer = holder<Uint8Array>()
  const size = { value: 0 }
  t.is(zk.zkDBGetKeyOrData(err, dbt, buffer, size), 1)
  t.is(Buffer.from(buffer.value!).toString(), 'hell')
  t.is(size.value, 4)
  t.is(zk.zkDBSetKeyOrData(err, dbt, source, 6), 0)
  t.is(err.code, 'ZKDB_INVALID')
  t.is(zk.zkDBTFree(err, dbt), 1)
  t.is(err.code, '')
  t.is(zk.zkDBTFree(err, dbt), 0)
})

test('store, put, replace, update and delete report what happened', (t) => {
  const db = opened()
  const existed = { value: -1 }
  const run = (call: (...args: never[]) => number, ...args: unknown[]): number => {
    existed.value = -1
    t.is((call as (...args: unknown[]) => number)(null, db.value, ...args, existed), 1)
    return existed.value
  }
  const key = thang('Key 1')
  const value = (): string | undefined => {
    const data = thang('')
    const found = { value: -1 }
    t.is(zk.zkDB_Fetch(null, db.value, key, data, found), 1)
    return found.value ? text(data) : undefined
  }
  t.is(run(zk.zkDB_Replace, key, thang('no')), 0)
  t.is(value(), undefined)
  t.is(run(zk.zkDB_Store, key, thang('1')), 0)
  t.is(run(zk.zkDB_Store, key, thang('2')), 1)
  t.is(value(), '1')
  t.is(run(zk.zkDB_Update, key, thang('3'), 0), 1)
  t.is(value(), '1')
  t.is(run(zk.zkDB_Update, key, thang('4'), 1), 1)
  t.is(value(), '4')
  t.is(run(zk.zkDB_Replace, key, thang('5')), 1)
  t.is(run(zk.zkDB_Put, key, thang('6')), 1)
  t.is(value(), '6')
  t.is(run(zk.zkDB_Delete, key), 1)
  t.is(run(zk.zkDB_Delete, key), 0)
  t.is(run(zk.zkDB_Put, key, thang('7')), 0)
  t.is(run(zk.zkDB_Update, thang('Key 2'), thang('8'), 0), 0)
  const name = { value: '' }
  t.is(zk.zkDB_GetDataBaseName(null, db.value, name), 1)
  t.is(name.value, 'test')
  t.is(zk.zkDB_CheckPointsActivate(null, db.value), 1)
  t.is(zk.zkDB_Close(null, db), 1)
  t.is(db.value, null as never)
})

test('a cursor applies its changes when it is closed and drops them when it is aborted', (t) => {
  const db = opened()
  for (const key of ['abca', 'abcm', 'abcz']) zk.zkDB_Put(null, db.value, thang(key), thang('old'))
  const err = new zk.ZkError()
  const change = (end: (err: zk.ZkError, cursor: zk.ZkDBCursor) => number): void => {
    const cursor = holder<zk.ZkDBCursor>()
    const [key, data, found] = [thang(''), thang(''), { value: 0 }]
    t.is(zk.zkDB_CursorOpen(err, db.value, cursor), 1)
    t.is(zk.zkDB_CursorDeleteCurrent(err, cursor.value!), 0)
    t.is(err.code, 'ZKDB_INVALID')
    zk.zkDB_CursorGetNext(err, cursor.value!, key, data, found)
    t.is(zk.zkDB_CursorUpdateCurrent(err, cursor.value!, thang('new')), 1)
    zk.zkDB_CursorGetNext(err, cursor.value!, key, data, found)
    t.is(zk.zkDB_CursorDeleteCurrent(err, cursor.value!), 1)
    t.is(zk.zkDB_CursorUpdateCurrent(err, cursor.value!, thang('new')), 0)
    zk.zkDB_CursorGetNext(err, cursor.value!, key, data, found)
    t.is(`${text(key)}=${text(data)}`, 'abcz=old')
    zk.zkDB_CursorGetNext(err, cursor.value!, key, data, found)
    t.is(found.value, 0)
    t.deepEqual(records(db.value), ['abca=old', 'abcm=old', 'abcz=old'])
    t.is(end(err, cursor.value!), 1)
    t.is(zk.zkDB_CursorGetNext(err, cursor.value!, key, data, found), 0)
    t.is(err.code, 'ZKDB_CLOSED')
  }
  change(zk.zkDB_CursorAbort)
  t.deepEqual(records(db.value), ['abca=old', 'abcm=old', 'abcz=old'])
  change(zk.zkDB_CursorClose)
  t.deepEqual(records(db.value), ['abca=new', 'abcz=old'])
  zk.zkDB_Close(null, db)
})

test('a local partition has the keys that belong to it', (t) => {
  const file = configuration()
  const db = opened(file)
  for (const key of ['abca', 'abcm', 'abcz']) zk.zkDB_Put(null, db.value, thang(key), thang('v'))
  const err = new zk.ZkError()
  const partition = new zk.ZkLocalPartition(file, 'part_2')
  const [data, found] = [thang(''), { value: -1 }]
  t.is(zk.zkLocalPartition_Fetch(err, partition, thang('abcm'), data, found), 0)
  t.is(err.code, 'ZKDB_CLOSED')
  t.is(zk.zkLocalPartition_Open(err, partition), 1)
  t.is(zk.zkLocalPartition_Fetch(err, partition, thang('abcm'), data, found), 1)
  t.is(found.value, 1)
  t.is(zk.zkLocalPartition_Put(err, partition, thang('abca'), data), 0)
  t.regex(err.message, /part_1/)
  const cursor = holder<zk.ZkDBCursor>()
  t.is(zk.zkLocalPartition_CursorOpen(err, partition, cursor), 1)
  const key = thang('')
  t.is(zk.zkLocalPartition_CursorGetNext(err, cursor.value!, key, data, found), 1)
  t.is(text(key), 'abcm')
  t.is(zk.zkLocalPartition_CursorGetNext(err, cursor.value!, key, data, found), 1)
  t.is(found.value, 0)
  t.is(zk.zkLocalPartition_CursorClose(err, cursor.value!), 1)
  t.is(zk.zkLocalPartition_Close(err, partition), 1)
  t.is(zk.zkLocalPartition_Open(err, new zk.ZkLocalPartition(file, 'part_9')), 0)
  t.is(err.code, 'ZKDB_CONFIG')
  t.is(err.urgency, 'urgent')
  zk.zkDB_Close(null, db)
})

test('failed calls are logged where SetLog says', (t) => {
  const db = opened()
  const logFile = join(newFolder(), 'zk.log')
  t.is(zk.zkDB_SetLog(null, db.value, logFile), 1)
  const place: zk.Out<string | null> = { value: null }
  t.is(zk.zkDB_GetLog(null, db.value, place), 1)
  t.is(place.value, logFile)
  t.is(zk.zkDB_Fetch(null, db.value, 'no thang' as never, thang(''), { value: 0 }), 0)
  t.regex(readFileSync(logFile, 'utf8'), /zkDB_Fetch: regular ZKDB_INVALID/)
  t.is(zk.zkDB_SetLog(null, db.value, join(newFolder(), 'no', 'folder')), 0)
  zk.zkDB_Close(null, db)
})

test('nothing that is passed throws', (t) => {
  const err = new zk.ZkError()
  const missing = join(newFolder(), 'missing', 'app.conf')
  t.is(zk.zkDB_Open(err, 7 as never, holder()), 0)
  t.is(zk.zkDB_Open(err, missing, undefined as never), 0)
  t.false(existsSync(missing))
  t.is(zk.zkDB_Close(err, holder() as never), 0)
  t.is(zk.zkDB_Fetch(err, {} as never, thang('a'), thang(''), { value: 0 }), 0)
  t.is(zk.zkDB_CursorGetNext(err, null as never, thang(''), thang(''), { value: 0 }), 0)
  t.is(zk.zkLocalPartition_Open(err, null as never), 0)
  t.is(zk.zkDBTCreate(err, 'abc', -1, holder()), 0)
  t.is(err.code, 'ZKDB_INVALID')
})
