/**
 * `zkdb get`: the value of a key.
 */
import type { Command } from 'commander'
import {
  type DatabaseFlags,
  type EncodingFlags,
  encodingsOf,
  openToRead,
  type Run,
  using,
  withDatabase,
  withEncoding
} from './common.js'
import { bytesOf, memberOf } from './encoding.js'
import { Exit } from './exit.js'
import { note, out } from './output.js'

type GetFlags = DatabaseFlags & EncodingFlags

async function get(path: string, keyText: string, flags: GetFlags): Promise<number> {
  const encoding = encodingsOf(flags)
  const key = bytesOf(keyText, encoding.key, 'key')
  const value = await using(openToRead(path, flags), async (db) => db.getSync(key))
  const found = value !== undefined
  if (flags.json) out.json({ key: keyText, found, ...(value && memberOf('value', value, encoding.value)) })
  else if (!found) note(`zkdb: the key ${JSON.stringify(keyText)} is not in the database`)
  else {
    out.write(encoding.value === 'utf8' ? value : value.toString(encoding.value))
    if (out.isTerminal) out.line()
  }
  return found ? Exit.ok : Exit.found
}

/** Adds the command. `run` gets its exit code. */
export function addGet(program: Command, run: Run): void {
  withEncoding(withDatabase(program.command('get').summary('print the value of a key')))
    .description('Prints the value of a key: its bytes as they are, with a line end only on a terminal.')
    .argument('<key>', 'the key')
    .addHelpText(
      'after',
      `
Examples:
  zkdb get app.conf user:1
  zkdb get ./data user:1 --json
  zkdb get ./data picture > picture.png
  zkdb get ./data 00ff17 --hex`
    )
    .action((path: string, key: string, flags: GetFlags) => run(get(path, key, flags)))
}
