/**
 * `zkdb route`: which partition a key belongs to, and why, from the configuration alone.
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { errorFrom, ZkdbError } from '../errors.js'
import { type CommonOptions, type EncodingFlags, encodingsOf, type Run, withEncoding } from './common.js'
import { bytesOf, fieldOf } from './encoding.js'
import { Exit } from './exit.js'
import { tools } from './native-tools.js'
import { colour, out } from './output.js'
import { explainRouting, parseRule } from './routing.js'

type RouteFlags = CommonOptions & EncodingFlags

/** The configuration file of a database: itself, or the one in the directory. */
function configurationOf(path: string): string {
  const status = statSync(path, { throwIfNoEntry: false })
  if (!status) throw new ZkdbError('ZKDB_MISSING', `${path}: there is no file or directory of this name`)
  return status.isDirectory() ? join(path, 'zkdb.conf') : path
}

async function route(path: string, keyTexts: string[], flags: RouteFlags): Promise<number> {
  const { key: encoding } = encodingsOf(flags)
  const file = configurationOf(path)
  const keys = keyTexts.map((text) => bytesOf(text, encoding, 'key'))
  const answer = tools.route(file, keys)
  if (answer.code !== 0) throw errorFrom(answer)
  const { partitions } = answer
  answer.indexes.forEach((index, i) => {
    const partition = partitions[index]!
    const key = keys[i]!
    const why = explainRouting(key, parseRule(partition.rule))
    if (flags.json) {
      const { name, isRemote, rule, directory } = partition
      out.json({
        key: keyTexts[i],
        partition: name,
        index,
        partitions: partitions.length,
        isRemote,
        rule,
        why,
        directory
      })
      return
    }
    if (i > 0) out.line()
    out.line(`key        ${fieldOf(key, encoding)}`)
    out.line(`partition  ${colour.bold(partition.name)} (number ${index + 1} of ${partitions.length})`)
    out.line(`because    ${why}`)
    out.line(`rule       ${partition.rule}`)
    out.line(`where      ${partition.isRemote ? `remote, ${partition.directory}` : partition.directory}`)
  })
  return Exit.ok
}

/** Adds the command. `run` gets its exit code. */
export function addRoute(program: Command, run: Run): void {
  withEncoding(program.command('route').summary('say which partition a key belongs to'))
    .description('Says which partition a key belongs to, and why. Reads the configuration only, no data.')
    .argument('<database>', 'configuration file, or directory with a zkdb.conf')
    .argument('<key...>', 'the keys')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  zkdb route app.conf "Key 1"
  zkdb route app.conf id:Kiwi id:lime id:Quince --json
  zkdb route ./data 00ff17 --hex`
    )
    .action((path: string, keys: string[], flags: RouteFlags) => run(route(path, keys, flags)))
}
