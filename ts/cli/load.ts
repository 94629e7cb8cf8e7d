/**
 * `zkdb load`: many records from a file or standard input.
 */
import { createReadStream, statSync } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { type Command, Option } from 'commander'
import { limits } from '../binding.js'
import { ZkdbError } from '../errors.js'
import {
  type ByteDatabase,
  type EncodingFlags,
  encodingsOf,
  interruptSignal,
  openToWrite,
  type Run,
  using,
  type WriteFlags,
  wholeNumber,
  withDatabase,
  withEncoding,
  withWriting
} from './common.js'
import { Exit, inputError, usageError } from './exit.js'
import { formatCount, formatSeconds } from './format.js'
import { formats, guessFormat, type LoadedLine, type LoadFormat, type LoadShape, readRecords } from './load-format.js'
import { note, out } from './output.js'
import { Progress } from './progress.js'

type LoadFlags = WriteFlags &
  EncodingFlags & {
    format?: LoadFormat
    keyColumn?: string
    valueColumn?: string
    keyField?: string
    valueField?: string
    value?: string
    batch: number
    skipBad?: boolean
  }

const batchBytesMax = 16 * 1024 * 1024
const shownBadLines = 5
const readSize = 256 * 1024

function shapeOf(file: string, flags: LoadFlags): LoadShape {
  const format = flags.format ?? guessFormat(file)
  if (format === undefined) {
    throw usageError(
      `The format of ${file === '-' ? 'standard input' : file} is not known; say --format ${formats.join('|')}`
    )
  }
  const encoding = encodingsOf(flags)
  return {
    format,
    keyField: flags.keyColumn ?? flags.keyField ?? 'key',
    valueField: flags.valueColumn ?? flags.valueField ?? 'value',
    constant: flags.value ?? '',
    keyEncoding: encoding.key,
    valueEncoding: encoding.value
  }
}

/** The input and its size in bytes; 0 when that is unknown. */
function openInput(file: string): { stream: Readable; size: number } {
  if (file === '-') return { stream: process.stdin, size: 0 }
  const status = statSync(file)
  if (status.isDirectory()) throw usageError(`${file} is a directory, not a file to load`)
  return { stream: createReadStream(file, { highWaterMark: readSize }), size: status.isFile() ? status.size : 0 }
}

/** Writes records in batches and keeps count. With isolated partitions a batch is atomic in each of them. */
class Loader {
  records = 0
  bad = 0
  readonly #db: ByteDatabase
  readonly #name: string
  readonly #flags: LoadFlags
  #batch: { type: 'put'; key: Buffer; value: Buffer }[] = []
  #batchBytes = 0

  constructor(db: ByteDatabase, name: string, flags: LoadFlags) {
    this.#db = db
    this.#name = name
    this.#flags = flags
  }

  /** Takes a line. @throws ZKDB_BAD_INPUT when it is no record and bad lines are not skipped */
  add(found: LoadedLine): void {
    const problem = 'problem' in found ? found.problem : problemOf(found.key, found.value)
    if (problem !== undefined) this.#skip(found.line, problem)
    else if ('key' in found) this.#put(found.key, found.value)
  }

  /** Writes what is waiting. */
  flush(): void {
    if (this.#batch.length === 0) return
    this.#db.batchSync(this.#batch, { durability: this.#flags.durability, nonAtomic: true })
    this.records += this.#batch.length
    this.#batch = []
    this.#batchBytes = 0
  }

  #put(key: Buffer, value: Buffer): void {
    this.#batch.push({ type: 'put', key, value })
    this.#batchBytes += key.length + value.length
    if (this.#batch.length >= this.#flags.batch || this.#batchBytes >= batchBytesMax) this.flush()
  }

  #skip(line: number, problem: string): void {
    if (!this.#flags.skipBad) {
      this.flush()
      const kept = `; the ${formatCount(this.records)} records before it are in the database (--skip-bad goes on)`
      throw inputError(`${this.#name}:${line}: ${problem}${kept}`)
    }
    this.bad++
    if (this.bad <= shownBadLines) note(`zkdb: ${this.#name}:${line}: ${problem}; skipped`)
    else if (this.bad === shownBadLines + 1) note('zkdb: further bad lines are counted only')
  }
}

function problemOf(key: Buffer, value: Buffer): string | undefined {
  if (key.length > limits.maxKeySize) {
    return `the key has ${formatCount(key.length)} bytes, more than ${formatCount(limits.maxKeySize)}`
  }
  if (value.length <= limits.maxValueSize) return undefined
  return `the value has ${formatCount(value.length)} bytes, more than ${formatCount(limits.maxValueSize)}`
}

/** Passes chunks on and reports how many bytes went by. */
async function* counted(input: AsyncIterable<Buffer>, report: (bytes: number) => void): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const chunk of input) {
    yield chunk
    bytes += chunk.length
    report(bytes)
  }
}

async function fill(loader: Loader, file: string, shape: LoadShape): Promise<void> {
  const signal = interruptSignal()
  const { stream, size } = openInput(file)
  const progress = new Progress('load', 'records', size)
  const watched = counted(addAbortSignal(signal, stream), (bytes) => progress.update(bytes, loader.records))
  try {
    for await (const line of readRecords(watched, shape)) loader.add(line)
    loader.flush()
  } catch (error) {
    if (!signal.aborted) throw error
    loader.flush()
    const records = formatCount(loader.records)
    throw new ZkdbError('ZKDB_ABORTED', `interrupted; the ${records} records read so far are in the database`)
  } finally {
    progress.stop()
    stream.destroy()
  }
}

async function load(path: string, file: string, flags: LoadFlags): Promise<number> {
  const shape = shapeOf(file, flags)
  if (file !== '-') statSync(file)
  const startedMs = performance.now()
  const loader = await using(openToWrite(path, flags), async (db) => {
    const loading = new Loader(db, file === '-' ? 'standard input' : file, flags)
    await fill(loading, file, shape)
    return loading
  })
  const seconds = (performance.now() - startedMs) / 1000
  const { records, bad } = loader
  if (flags.json) out.json({ records, bad, seconds, recordsPerSecond: Math.round(records / seconds) })
  else {
    const skipped = flags.skipBad ? `, ${formatCount(bad)} bad lines skipped` : ''
    const rate = formatCount(records / seconds)
    out.line(`Loaded ${formatCount(records)} records in ${formatSeconds(seconds)}: ${rate}/s${skipped}`)
  }
  return Exit.ok
}

/** Adds the command. `run` gets its exit code. */
export function addLoad(program: Command, run: Run): void {
  withWriting(withEncoding(withDatabase(program.command('load').summary('write many records from a file'))))
    .description(
      'Writes the records of a file. The format is guessed from the ending of its\n' +
        'name (.jsonl .ndjson .csv .tsv .tab .txt .lst):\n' +
        '  jsonl  a JSON object per line, {"key": ..., "value": ...}; a value that is\n' +
        '         no text is stored as JSON\n' +
        '  csv    with a header line; RFC 4180 quotes\n' +
        '  tsv    with a header line; no quotes\n' +
        '  lines  one key per line\n' +
        'A bad line ends the command with its number; what was read before it is\n' +
        'written.'
    )
    .argument('<file>', 'the file; - for standard input')
    .addOption(new Option('-f, --format <name>', 'instead of the ending').choices([...formats]))
    .option('--key-column <name>', 'column or member of the key (default: key)')
    .option('--value-column <name>', 'column or member of the value, * for the row as JSON (default: value)')
    .addOption(new Option('--key-field <name>', 'as --key-column').hideHelp())
    .addOption(new Option('--value-field <name>', 'as --value-column').hideHelp())
    .option('--value <text>', 'the value of every record, for lines (default: empty)')
    .option('--batch <n>', 'records per atomic batch', wholeNumber(1, 1_000_000), 1000)
    .option('--skip-bad', 'skip bad lines and count them')
    .addHelpText(
      'after',
      `
Examples:
  zkdb load app.conf users.jsonl
  zkdb load ./data cities.csv --key-column name --value-column '*' --create
  zkdb load ./words /usr/share/dict/words -f lines --create --durability none
  zkdb scan ./data --json | zkdb load ./copy - --format jsonl --create`
    )
    .action((path: string, file: string, flags: LoadFlags) => run(load(path, file, flags)))
}
