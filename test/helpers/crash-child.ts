/**
 * The process that crash tests kill: writes units without end and reports through its standard output, synchronously,
 * before it starts one and when it was acknowledged.
 */
import { writeSync } from 'node:fs'
import { type Database, openSync } from 'zkdb'
import { type CrashTask, restOfRow, type Unit, unitOf } from './crash-units.js'

const task = JSON.parse(process.argv[2]!) as CrashTask
const report = (line: string): void => void writeSync(1, `${line}\n`)
const optionsOf = (unit: Unit) => (unit.isDurable ? { durability: 'commit' as const } : {})

/** Concurrent puts: all are started before the first is acknowledged. */
async function burst(db: Database, row: number[]): Promise<void> {
  report(`start ${row.at(-1)}`)
  await Promise.all(
    row.map(async (number) => {
      const unit = unitOf(task.seed, number)
      const [write] = unit.writes
      if (write!.type === 'put') await db.put(write!.key, write!.value, optionsOf(unit))
      else await db.del(write!.key, optionsOf(unit))
      report(`done ${number}`)
    })
  )
}

function one(db: Database, unit: Unit): void {
  if (unit.kind === 'batch') {
    db.batchSync(unit.writes, optionsOf(unit))
    return
  }
  db.transactionSync((tx) => {
    for (const write of unit.writes) {
      if (write.type === 'put') tx.put(write.key, write.value)
      else tx.del(write.key)
    }
  }, optionsOf(unit))
}

async function writeForEver(db: Database): Promise<never> {
  for (let first = task.first; ; first = 64 * (Math.floor(first / 64) + 1)) {
    const row = restOfRow(first)
    if (unitOf(task.seed, first).kind === 'put') {
      await burst(db, row)
      continue
    }
    for (const number of row) {
      report(`start ${number}`)
      one(db, unitOf(task.seed, number))
      report(`done ${number}`)
    }
  }
}

const db = openSync(task.options)
report('open')
if (task.onlyOpen) setInterval(() => undefined, 1000)
else await writeForEver(db)
