/**
 * better-sqlite3: SQLite with a synchronous binding, a table of keys and values.
 *
 * Settings:
 *  - `journal_mode = WAL` (https://github.com/WiseLibs/better-sqlite3/blob/master/docs/performance.md) with
 *    `synchronous = FULL` where a workload is durable: each commit is synced. Otherwise `NORMAL`: synced at
 *    checkpoints, never torn (https://sqlite.org/pragma.html#pragma_synchronous);
 *  - `mmap_size` of 16 GiB (cut to SQLite's limit of 2 GiB) and a page cache of 256 MiB (https://sqlite.org/mmap.html);
 *  - `locking_mode = EXCLUSIVE` unless threads take part: no lock calls, no shared memory
 *    (https://sqlite.org/pragma.html#pragma_locking_mode);
 *  - `WITHOUT ROWID` for values of up to 200 bytes, one B-tree instead of two, as https://sqlite.org/withoutrowid.html
 *    advises; with a rowid for larger ones, as it advises too;
 *  - prepared statements; 1,000 concurrent puts are gathered by hand into one transaction, because the binding has no
 *    asynchronous call.
 */
import { Buffer } from 'node:buffer'
import { join } from 'node:path'

const smallValue = 200
const pageRecords = 1000

const pragmas = ['journal_mode = WAL', 'mmap_size = 17179869184', 'cache_size = -262144', 'busy_timeout = 60000']

class Store {
  #db
  #put
  #get
  #del
  #writeAll
  #first
  #next
  #last
  #previous

  constructor(db) {
    this.#db = db
    this.#put = db.prepare('INSERT INTO kv VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
    this.#get = db.prepare('SELECT value FROM kv WHERE key = ?').pluck()
    this.#del = db.prepare('DELETE FROM kv WHERE key = ?')
    const page = (where, order) =>
      db.prepare(`SELECT key, value FROM kv WHERE ${where} ORDER BY key ${order} LIMIT ?`).raw()
    this.#first = page('key >= ?', 'ASC')
    this.#next = page('key > ?', 'ASC')
    this.#last = page('key <= ?', 'DESC')
    this.#previous = page('key < ?', 'DESC')
    this.#writeAll = db.transaction((keys, values) => {
      for (let i = 0; i < keys.length; i++) this.#put.run(keys[i], values[i])
    })
  }

  writeBatch(keys, values) {
    this.#writeAll(keys, values)
  }

  deleteBatch(keys) {
    this.#db.transaction(() => {
      for (const key of keys) this.#del.run(key)
    })()
  }

  deleteRange(gte, lt) {
    this.#db.prepare('DELETE FROM kv WHERE key >= ? AND key < ?').run(gte, lt)
  }

  putSync(key, value) {
    this.#put.run(key, value)
  }

  async putMany(keys, values) {
    this.#writeAll(keys, values)
  }

  get(key) {
    return this.#get.get(key)
  }

  getMany(keys) {
    return keys.map((key) => this.#get.get(key))
  }

  /** Pages of `all`, which is faster than `iterate` and holds no more than a page. */
  scan({ gte, limit = Number.POSITIVE_INFINITY, reverse }, totals) {
    let statement = reverse ? this.#last : this.#first
    let from = reverse ? Buffer.alloc(64, 0xff) : (gte ?? Buffer.alloc(0))
    for (let left = limit; left > 0; left -= pageRecords) {
      const rows = statement.all(from, Math.min(left, pageRecords))
      for (const [key, value] of rows) totals.add(key, value)
      if (rows.length < pageRecords) return
      from = rows[rows.length - 1][0]
      statement = reverse ? this.#previous : this.#next
    }
  }

  compact() {
    this.#db.exec('VACUUM')
    this.#db.pragma('wal_checkpoint(TRUNCATE)')
  }

  close() {
    this.#db.close()
  }
}

export default [
  {
    name: 'better-sqlite3',
    package: 'better-sqlite3',
    hasThreads: true,
    settings: [
      { setting: 'journal_mode = WAL, synchronous = FULL, or NORMAL where not durable', why: 'equal durability' },
      { setting: 'mmap_size = 16 GiB, cache_size = 256 MiB', why: 'the measured data stays in memory' },
      { setting: 'locking_mode = EXCLUSIVE unless threads take part', why: 'no lock calls' },
      { setting: 'WITHOUT ROWID for values of up to 200 bytes', why: 'one B-tree instead of two' }
    ],
    document: 'https://sqlite.org/withoutrowid.html',
    async open({ folder, isDurable, isThreaded, valueSize }) {
      const { default: Database } = await import('better-sqlite3')
      const shape = valueSize <= smallValue ? 'WITHOUT ROWID' : ''
      return (at = folder) => {
        const db = new Database(join(at, 'data.db'))
        if (!isThreaded) db.pragma('locking_mode = EXCLUSIVE')
        for (const pragma of pragmas) db.pragma(pragma)
        db.pragma(`synchronous = ${isDurable ? 'FULL' : 'NORMAL'}`)
        db.exec(`CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB NOT NULL) ${shape}`)
        return new Store(db)
      }
    }
  }
]
