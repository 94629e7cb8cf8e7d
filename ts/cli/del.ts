/**
 * `zkdb del`: deletes records.
 */
import type { Command } from 'commander'
import {
  durabilityOption,
  type EncodingFlags,
  encodingsOf,
  openToWrite,
  type Run,
  using,
  type WriteFlags,
  withDatabase,
  withEncoding
} from './common.js'
import { bytesOf } from './encoding.js'
import { Exit } from './exit.js'
import { note, out } from './output.js'

type DelFlags = WriteFlags & EncodingFlags

async function del(path: string, keyTexts: string[], flags: DelFlags): Promise<number> {
  const encoding = encodingsOf(flags)
  const keys = keyTexts.map((text) => bytesOf(text, encoding.key, 'key'))
  const existed = await using(openToWrite(path, flags), async (db) => {
    const there = keys.map((key) => db.hasSync(key))
    db.batchSync(
      keys.map((key) => ({ type: 'del' as const, key })),
      { durability: flags.durability }
    )
    return there
  })
  keyTexts.forEach((key, i) => {
    if (flags.json) out.json({ key, deleted: existed[i] })
    else if (!existed[i]) note(`zkdb: the key ${JSON.stringify(key)} is not in the database`)
  })
  return existed.every(Boolean) ? Exit.ok : Exit.found
}

/** Adds the command. `run` gets its exit code. */
export function addDel(program: Command, run: Run): void {
  withEncoding(withDatabase(program.command('del').summary('delete records')))
    .description('Deletes records in one atomic batch. Exit code 1 when one of the keys was not there.')
    .argument('<key...>', 'the keys')
    .addOption(durabilityOption())
    .addHelpText(
      'after',
      `
Examples:
  zkdb del app.conf user:1
  zkdb del ./data user:1 user:2 user:3 --json`
    )
    .action((path: string, keys: string[], flags: DelFlags) => run(del(path, keys, flags)))
}
