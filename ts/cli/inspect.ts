/**
 * `zkdb inspect`: the pages of a segment or the records of a log, without opening the database.
 */
import type { Command } from 'commander'
import { errorFrom } from '../errors.js'
import { type CommonOptions, type Run, wholeNumber } from './common.js'
import { Exit } from './exit.js'
import { tools } from './native-tools.js'
import { out } from './output.js'

type InspectFlags = CommonOptions & { page?: number }

async function inspect(file: string, flags: InspectFlags): Promise<number> {
  const failure = tools.inspect(file, flags.page ?? -1, flags.json ? 1 : 0, (text) => {
    out.line(text)
    return out.isClosed
  })
  await out.flush()
  if (failure.code !== 0 && !out.isClosed) throw errorFrom(failure)
  return Exit.ok
}

/** Adds the command. `run` gets its exit code. */
export function addInspect(program: Command, run: Run): void {
  program
    .command('inspect')
    .summary('print the pages or log records of a file')
    .argument('<file>', 'a segment file or a log file of a database')
    .option('--json', 'print a JSON object per line')
    .option('--page <n>', 'this page in full', wholeNumber(0))
    .description(
      'Prints what is in a segment file (its meta pages and a line per page) or a log\n' +
        'file (a line per record). It only reads, needs no lock, and decodes what it\n' +
        'can of a damaged file.'
    )
    .addHelpText(
      'after',
      `
Examples:
  zkdb inspect data/part_1/000.zkd
  zkdb inspect data/part_1/000.zkd --page 7
  zkdb inspect data/log/zkdb-00000001.log --json`
    )
    .action((file: string, flags: InspectFlags) => run(inspect(file, flags)))
}
