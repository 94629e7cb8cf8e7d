/**
 * What the commands share: the common options and opening a database by them.
 */
import { statSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Database, open } from '../database.js'
import type { OpenOptions } from '../database-options.js'
import { ZkdbError } from '../errors.js'
import { encodings, type TextEncoding } from './encoding.js'
import { usageError } from './exit.js'

/** Options that every command has. */
export interface CommonOptions {
  json?: boolean
}

/** Options of the commands that open a database. */
export interface DatabaseFlags extends CommonOptions {
  option?: Record<string, unknown>
}

/** Options of the commands that write. */
export interface WriteFlags extends DatabaseFlags {
  create?: boolean
  partitions?: number
  durability?: 'commit' | 'interval' | 'none'
}

/** Options of the commands that read or print keys and values. */
export interface EncodingFlags {
  hex?: boolean
  encoding?: TextEncoding
  keyEncoding?: TextEncoding
  valueEncoding?: TextEncoding
}

/** Runs a command: awaits its exit code. */
export type Run = (exit: Promise<number>) => Promise<void>

/** A database of bytes. */
export type ByteDatabase = Database<Buffer, Buffer>

/** Reads a whole number from `min` on. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (number >= min && number <= max) return number
    throw new InvalidArgumentError(
      max === Number.MAX_SAFE_INTEGER ? `Not a whole number from ${min} on.` : `Not a whole number of ${min}..${max}.`
    )
  }
}

type OptionKind = 'text' | 'number' | 'flag'

const optionKinds: readonly (readonly [name: string, option: string, kind: OptionKind])[] = [
  ['Durability', 'durability', 'text'],
  ['SyncInterval', 'syncInterval', 'number'],
  ['PageSize', 'pageSize', 'text'],
  ['SegmentSize', 'segmentSize', 'text'],
  ['LogFileSize', 'logFileSize', 'text'],
  ['MinCheckpointSize', 'minCheckpointSize', 'text'],
  ['MinCheckpointTime', 'minCheckpointTime', 'number'],
  ['CheckPoints', 'checkpoints', 'flag'],
  ['SnapshotLimit', 'snapshotLimit', 'text'],
  ['VerifyAll', 'verifyAll', 'flag'],
  ['ReadOnly', 'readOnly', 'flag']
]

function optionValue(kind: OptionKind, text: string): unknown {
  if (kind === 'text') return text
  if (kind === 'number') return wholeNumber(0)(text)
  if (/^(yes|true|on|1)$/i.test(text)) return true
  if (/^(no|false|off|0)$/i.test(text)) return false
  throw new InvalidArgumentError('Say Yes or No.')
}

/** Collects `--option Name=Value`. */
function collectOption(text: string, previous: Record<string, unknown> = {}): Record<string, unknown> {
  const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  const known = optionKinds.find(([known]) => known.toLowerCase() === name.trim().toLowerCase())
  if (known) return { ...previous, [known[1]]: optionValue(known[2], value.trim()) }
  const names = optionKinds.map(([known]) => known).join(', ')
  throw new InvalidArgumentError(`Write Name=Value; the names are ${names}.`)
}

/** Adds the options of commands that open a database. */
export function withDatabase(command: Command): Command {
  return command
    .argument('<database>', 'configuration file, or directory with a zkdb.conf')
    .option('--json', 'print JSON')
    .option('-o, --option <Name=Value>', 'set an option as in [main] of the configuration; repeatable', collectOption)
}

/** What an acknowledged write survives. */
export function durabilityOption(): Option {
  const text = 'what a write that is done survives (default: as the configuration says)'
  return new Option('--durability <level>', text).choices(['commit', 'interval', 'none'])
}

/** Adds the options of commands that write. */
export function withWriting(command: Command): Command {
  return command
    .option('--create', 'make the database directory if there is none')
    .option('--partitions <n>', 'the same, with this many hashed partitions (1..256)', wholeNumber(1, 256))
    .addOption(durabilityOption())
}

/** Adds the options about keys and values as text. */
export function withEncoding(command: Command): Command {
  const choice = (flags: string, text: string): Option => new Option(flags, text).choices([...encodings])
  return command
    .option('--hex', 'short for --encoding hex')
    .addOption(choice('-e, --encoding <name>', 'how keys and values are written (default: utf8)'))
    .addOption(choice('--key-encoding <name>', 'the same for keys alone'))
    .addOption(choice('--value-encoding <name>', 'the same for values alone'))
}

/** The encodings of keys and values that the options say. */
export function encodingsOf(flags: EncodingFlags): { key: TextEncoding; value: TextEncoding } {
  if (flags.hex && flags.encoding && flags.encoding !== 'hex') {
    throw usageError(`--hex and --encoding ${flags.encoding} contradict each other`)
  }
  const both = flags.hex ? 'hex' : (flags.encoding ?? 'utf8')
  return { key: flags.keyEncoding ?? both, value: flags.valueEncoding ?? both }
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

function openBytes(path: string, flags: DatabaseFlags, options: Partial<OpenOptions<Buffer, Buffer>>) {
  const all = { ...options, ...flags.option, path, keyEncoding: 'buffer', valueEncoding: 'buffer' }
  return open<Buffer, Buffer>(all)
}

/**
 * Opens a database for reading. A database that was not closed cleanly is recovered, which needs writing.
 *
 * @throws as `open`
 */
export async function openToRead(path: string, flags: DatabaseFlags): Promise<ByteDatabase> {
  assertThere(path)
  try {
    return await openBytes(path, flags, { createIfMissing: false, readOnly: true })
  } catch (error) {
    const isUnclean = error instanceof ZkdbError && error.code === 'ZKDB_READ_ONLY'
    if (!isUnclean || flags.option?.readOnly === true) throw error
    return openBytes(path, flags, { createIfMissing: false })
  }
}

/**
 * Opens a database for writing. A configuration file is enough for one to be made; a directory that is not there needs
 * `--create` or `--partitions`.
 *
 * @throws as `open`
 */
export async function openToWrite(path: string, flags: WriteFlags): Promise<ByteDatabase> {
  const isNew = Boolean(flags.create) || flags.partitions !== undefined
  if (!isNew) assertThere(path, '; --create makes one, --partitions N one with N partitions')
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
  return openBytes(path, flags, { createIfMissing: isNew || isFile, partitions: flags.partitions })
}

function assertThere(path: string, hint = ''): void {
  if (!isThere(path)) throw new ZkdbError('ZKDB_MISSING', `${path}: there is no file or directory of this name${hint}`)
}

/** Opens, runs `body` and closes, whatever happens. */
export async function using<T>(opening: Promise<ByteDatabase>, body: (db: ByteDatabase) => Promise<T>): Promise<T> {
  const db = await opening
  let result: T
  try {
    result = await body(db)
  } catch (error) {
    // What went wrong first is what is reported.
    await db.close().catch(() => undefined)
    throw error
  }
  await db.close()
  return result
}

/** Aborts at Ctrl-C; a second one ends the process at once. */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController()
  process.once('SIGINT', () => {
    controller.abort()
    process.once('SIGINT', () => process.exit(130))
  })
  return controller.signal
}
