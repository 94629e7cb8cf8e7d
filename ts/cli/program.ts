/**
 * The program: its commands, how one is run, and how parsing ends.
 */
import { Command, CommanderError } from 'commander'
import { limits } from '../binding.js'
import { addCheck } from './check.js'
import { addDel } from './del.js'
import { Exit, exitHelp, report, wantsJson } from './exit.js'
import { addGet } from './get.js'
import { addInspect } from './inspect.js'
import { addLoad } from './load.js'
import { errorColour, note, out } from './output.js'
import { addPut } from './put.js'
import { addRoute } from './route.js'
import { addSalvage } from './salvage.js'
import { addScan } from './scan.js'
import { addServe } from './serve.js'
import { addStat } from './stat.js'
import { addUserCommand } from './user.js'

/** Awaits a command, flushes its output and sets the exit code. */
async function run(exit: Promise<number>): Promise<void> {
  try {
    process.exitCode = await exit
  } catch (error) {
    process.exitCode = report(error)
  }
  await out.flush().catch((error: unknown) => {
    process.exitCode = report(error)
  })
}

function makeProgram(): Command {
  const program = new Command('zkdb')
    .description('Reads, writes and examines zkdb databases.')
    .version(limits.version)
    .showHelpAfterError('(add --help for the options and examples)')
    .configureHelp({ showGlobalOptions: false })
    .exitOverride()
    .addHelpText(
      'after',
      `
A database is named by its configuration file, or by the directory that it is in.
Examples:
  zkdb load ./data cities.csv --key-column name --value-column '*' --create
  zkdb get ./data Berlin
  zkdb scan ./data --prefix Ber
  zkdb stat ./data

${exitHelp}`
    )
  program.configureOutput({
    writeErr: (text) => void (wantsJson || process.stderr.write(text)),
    outputError: (text, write) => write(text.replace(/^error: /, `${errorColour.red('zkdb:')} ZKDB_USAGE: `))
  })
  const data = [addGet, addPut, addDel, addScan, addLoad]
  const care = [addStat, addRoute, addCheck, addInspect, addSalvage, addServe, addUserCommand]
  for (const add of [...data, ...care]) add(program, run)
  for (const command of program.commands) command.exitOverride().copyInheritedSettings(program)
  return program
}

/** Commander throws at the end of help and version too, and after it printed what is wrong. */
function endOfParsing(error: unknown): number {
  if (!(error instanceof CommanderError)) return report(error)
  if (error.exitCode === 0) return Exit.ok
  if (wantsJson) {
    const message = error.message.replace(/^error: /, '')
    note(JSON.stringify({ error: { code: 'ZKDB_USAGE', message, exit: Exit.usage } }))
  }
  return Exit.usage
}

/** Runs the command that the arguments of the process say, and sets the exit code. */
export async function main(): Promise<void> {
  try {
    await makeProgram().parseAsync()
  } catch (error) {
    process.exitCode = endOfParsing(error)
  }
}
