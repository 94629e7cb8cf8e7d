/**
 * `zkdb put`: writes a record.
 */
import type { Command } from 'commander'
import {
  type EncodingFlags,
  encodingsOf,
  openToWrite,
  type Run,
  using,
  type WriteFlags,
  withDatabase,
  withEncoding,
  withWriting
} from './common.js'
import { bytesOf } from './encoding.js'
import { Exit, usageError } from './exit.js'
import { note, out } from './output.js'

type PutFlags = WriteFlags & EncodingFlags & { ifAbsent?: boolean; ifPresent?: boolean }

async function readStandardInput(): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of process.stdin) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

/** The value that the argument names: itself, or all of standard input for `-`. */
async function readValue(text: string, flags: PutFlags): Promise<Buffer> {
  const encoding = encodingsOf(flags).value
  if (text !== '-') return bytesOf(text, encoding, 'value')
  const input = await readStandardInput()
  return encoding === 'utf8' ? input : bytesOf(input.toString('latin1').trim(), encoding, 'value')
}

async function put(path: string, keyText: string, valueText: string, flags: PutFlags): Promise<number> {
  if (flags.ifAbsent && flags.ifPresent) throw usageError('--if-absent and --if-present exclude each other')
  const key = bytesOf(keyText, encodingsOf(flags).key, 'key')
  const value = await readValue(valueText, flags)
  const { durability, ifAbsent, ifPresent } = flags
  const existed = await using(openToWrite(path, flags), async (db) => {
    const wasThere = db.hasSync(key)
    db.putSync(key, value, { durability, ifAbsent, ifPresent })
    return wasThere
  })
  const written = !(ifAbsent && existed) && !(ifPresent && !existed)
  if (flags.json) out.json({ key: keyText, written, existed })
  else if (!written) {
    note(
      `zkdb: the key ${JSON.stringify(keyText)} ${existed ? 'is there already' : 'is not there'}; nothing was written`
    )
  }
  return written ? Exit.ok : Exit.found
}

/** Adds the command. `run` gets its exit code. */
export function addPut(program: Command, run: Run): void {
  withWriting(withEncoding(withDatabase(program.command('put').summary('write a record'))))
    .description('Writes a record, and replaces the one that is there.')
    .argument('<key>', 'the key')
    .argument('<value>', 'the value; - reads it from standard input')
    .option('--if-absent', 'only when the key is not there')
    .option('--if-present', 'only when the key is there')
    .addHelpText(
      'after',
      `
Examples:
  zkdb put app.conf user:1 Ann
  zkdb put ./data user:1 Ann --create
  zkdb put ./data picture - < picture.png
  zkdb put ./data user:1 Ann --if-absent || echo "was there"`
    )
    .action((path: string, key: string, value: string, flags: PutFlags) => run(put(path, key, value, flags)))
}
