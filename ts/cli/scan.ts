/**
 * `zkdb scan`: records of a range, in the order of keys over all partitions.
 */
import type { Command } from 'commander'
import type { ScanOptions } from '../scan.js'
import {
  type ByteDatabase,
  type DatabaseFlags,
  type EncodingFlags,
  encodingsOf,
  interruptSignal,
  openToRead,
  type Run,
  using,
  wholeNumber,
  withDatabase,
  withEncoding
} from './common.js'
import { bytesOf, fieldOf, memberOf, type TextEncoding } from './encoding.js'
import { Exit, usageError } from './exit.js'
import { out } from './output.js'

interface RangeFlags {
  gt?: string
  gte?: string
  lt?: string
  lte?: string
  prefix?: string
}

type ScanFlags = DatabaseFlags &
  EncodingFlags &
  RangeFlags & {
    reverse?: boolean
    limit?: number
    keys?: boolean
    values?: boolean
    count?: boolean
  }

/** The lowest byte string above all that begin with `prefix`; undefined when there is none. */
export function endOfPrefix(prefix: Buffer): Buffer | undefined {
  let length = prefix.length
  while (length > 0 && prefix[length - 1] === 0xff) length--
  if (length === 0) return undefined
  const end = Buffer.from(prefix.subarray(0, length))
  end[length - 1]! += 1
  return end
}

function rangeOf(flags: RangeFlags, encoding: TextEncoding): ScanOptions<Buffer> {
  const bounds = (['gt', 'gte', 'lt', 'lte'] as const).filter((name) => flags[name] !== undefined)
  if (flags.prefix === undefined) {
    return Object.fromEntries(bounds.map((name) => [name, bytesOf(flags[name]!, encoding, `bound --${name}`)]))
  }
  if (bounds.length > 0) throw usageError(`--prefix and --${bounds[0]} exclude each other`)
  const prefix = bytesOf(flags.prefix, encoding, 'prefix')
  return { gte: prefix, lt: endOfPrefix(prefix) }
}

/** Writes one record as a line. */
function printer(flags: ScanFlags): (key: Buffer, value: Buffer) => void {
  const encoding = encodingsOf(flags)
  const showKey = !flags.values || Boolean(flags.keys)
  const showValue = !flags.keys || Boolean(flags.values)
  if (flags.json) {
    return (key, value) =>
      out.json({
        ...(showKey && memberOf('key', key, encoding.key)),
        ...(showValue && memberOf('value', value, encoding.value))
      })
  }
  if (!showValue) return (key) => out.line(fieldOf(key, encoding.key))
  if (!showKey) return (_, value) => out.line(fieldOf(value, encoding.value))
  return (key, value) => out.line(`${fieldOf(key, encoding.key)}\t${fieldOf(value, encoding.value)}`)
}

async function print(db: ByteDatabase, range: ScanOptions<Buffer>, flags: ScanFlags): Promise<number> {
  const signal = interruptSignal()
  const write = printer(flags)
  const onlyKeys = Boolean(flags.keys) && !flags.values
  for (const [key, value] of db.scanSync<Buffer, Buffer>({ ...range, values: !onlyKeys })) {
    write(key, value)
    if (!out.isFull) continue
    await out.flush()
    if (out.isClosed) return Exit.ok
    if (signal.aborted) return Exit.interrupted
  }
  return Exit.ok
}

/** Counts record by record, in pieces, so that Ctrl-C is seen. */
async function count(db: ByteDatabase, range: ScanOptions<Buffer>, flags: ScanFlags): Promise<number> {
  const signal = interruptSignal()
  let records = 0
  for (const _ of db.scanSync<Buffer, Buffer>({ ...range, values: false, unordered: true })) {
    if (++records % 100_000 !== 0) continue
    await new Promise(setImmediate)
    if (signal.aborted) return Exit.interrupted
  }
  if (flags.json) out.json({ records })
  else out.line(String(records))
  return Exit.ok
}

async function scan(path: string, flags: ScanFlags): Promise<number> {
  const range: ScanOptions<Buffer> = {
    ...rangeOf(flags, encodingsOf(flags).key),
    reverse: flags.reverse,
    limit: flags.limit
  }
  return using(openToRead(path, flags), (db) => (flags.count ? count(db, range, flags) : print(db, range, flags)))
}

/** Adds the command. `run` gets its exit code. */
export function addScan(program: Command, run: Run): void {
  withEncoding(withDatabase(program.command('scan').summary('print the records of a range in order')))
    .description(
      'Prints the records of a range in the order of their keys, merged over all\n' +
        'partitions: a line per record, key TAB value, where tabs, line ends,\n' +
        'backslashes and bytes that are no text are escaped (\\t, \\n, \\\\, \\x00). With\n' +
        '--json a line is {"key": ..., "value": ...}, which zkdb load reads; bytes that\n' +
        'are not UTF-8 come as "keyBase64" and "valueBase64".'
    )
    .option('--gt <key>', 'keys greater than this')
    .option('--gte <key>', 'keys greater than or equal to this')
    .option('--lt <key>', 'keys less than this')
    .option('--lte <key>', 'keys less than or equal to this')
    .option('--prefix <key>', 'keys that begin with this')
    .option('-r, --reverse', 'from the end to the start')
    .option('-n, --limit <n>', 'at most this many records', wholeNumber(0))
    .option('--keys', 'keys only')
    .option('--values', 'values only')
    .option('--count', 'only the number of records')
    .addHelpText(
      'after',
      `
Examples:
  zkdb scan app.conf --limit 10
  zkdb scan ./data --prefix user: --keys
  zkdb scan ./data --gte a --lt b --reverse
  zkdb scan ./data --json > dump.jsonl && zkdb load ./copy dump.jsonl --create`
    )
    .action((path: string, flags: ScanFlags) => run(scan(path, flags)))
}
