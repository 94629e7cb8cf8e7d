/**
 * The engines that take part.
 *
 * An engine is { name, package, settings, document, open } and may have
 *   isOurs         zkdb in one of its forms: not a peer
 *   isReference    measured for orientation: not a peer
 *   isInMemory     keeps no files: it is loaded in the process that measures it
 *   isOnlyRelaxed  has no durable writes, or is there for loads that are not durable
 *   hasThreads     several worker threads can open the same database
 *   skips          names of workloads that it takes no part in
 *   fixtureOf      another engine, whose loaded databases it opens too
 *   groups         the groups of workloads it takes part in; all without it
 *
 * `open(options)` loads the engine's package and gives a function that opens a store: it may return a promise. Options
 * are folder, isDurable, isThreaded, valueSize and (zkdb) modulePath. A store has writeBatch, deleteBatch, deleteRange,
 * putSync, put, putMany, get or getAsync, getMany, scan, scanPacked, compact and close, or those that the engine can
 * do. Writes return, or give a promise that resolves, when they are as durable as the store was opened for.
 */
import betterSqlite from '../engines/better-sqlite3.mjs'
import classicLevel from '../engines/classic-level.mjs'
import lmdb from '../engines/lmdb.mjs'
import map from '../engines/map.mjs'
import rocksdb from '../engines/rocksdb.mjs'
import zkdb from '../engines/zkdb.mjs'

/** All engines, in the order of tables. */
export const engines = [...zkdb, ...lmdb, ...classicLevel, ...betterSqlite, ...rocksdb, ...map]

/** The engine of that name. @throws Error naming those there are */
export function engineNamed(name) {
  const found = engines.find((engine) => engine.name === name)
  if (found) return found
  throw new Error(`There is no engine '${name}'; there are ${engines.map((engine) => engine.name).join(', ')}`)
}

/** Whether an engine is one that zkdb is compared with. */
export function isPeer(engine) {
  return !engine.isOurs && !engine.isReference
}
