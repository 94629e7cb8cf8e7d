/**
 * `zkdb user`: the users of an access file. Passwords come from the terminal or from standard input, never from the
 * command line, where other processes see them.
 */
import type { Command } from 'commander'
import { addUser, removeUser, setVerifier, type UserEntries } from '../server/access-editor.js'
import { type AccessUser, parseIni, readAccessFile, readAccessText, userOf, verbs } from '../server/access-file.js'
import {
  defaultIterations,
  formatVerifier,
  makeVerifier,
  maxIterations,
  maxPasswordSize,
  minIterations
} from '../server/access-verifier.js'
import { type CommonOptions, type Run, wholeNumber } from './common.js'
import { Exit, inputError } from './exit.js'
import { note, out } from './output.js'
import { readPassword } from './password.js'

interface PasswordFlags extends CommonOptions {
  iterations?: number
}

interface AddFlags extends PasswordFlags, Omit<UserEntries, 'verifier'> {
  password: boolean
}

async function newVerifier(flags: PasswordFlags): Promise<string> {
  const password = await readPassword()
  if (password.length === 0) throw inputError('the password is empty')
  if (password.length > maxPasswordSize) throw inputError(`the password has more than ${maxPasswordSize} bytes`)
  return formatVerifier(await makeVerifier(password, flags.iterations ?? defaultIterations))
}

function done(flags: CommonOptions, user: string, text: string): number {
  if (flags.json) out.json({ user, done: true })
  else note(`zkdb: ${text}`)
  return Exit.ok
}

async function add(file: string, name: string, flags: AddFlags): Promise<number> {
  const { rights, databases, prefixes, partitions } = flags
  const entries = Object.entries({ rights, databases, prefixes, partitions }).filter(([, value]) => value !== undefined)
  const verifier = flags.password ? { verifier: await newVerifier(flags) } : {}
  addUser(file, name, { ...verifier, ...Object.fromEntries(entries) })
  return done(flags, name, `${name} is a user of ${file} now; a running server reads it again at SIGHUP`)
}

async function remove(file: string, name: string, flags: CommonOptions): Promise<number> {
  removeUser(file, name)
  return done(flags, name, `${name} is no user of ${file} any more; a running server reads it again at SIGHUP`)
}

async function changePassword(file: string, name: string, flags: PasswordFlags): Promise<number> {
  const isThere = parseIni(readAccessText(file).bytes, file).some(({ section }) => userOf(section) === name)
  // Asking for a password that nobody gets would be rude.
  setVerifier(file, name, isThere ? await newVerifier(flags) : '')
  return done(flags, name, `${name} has a new password; a running server reads it again at SIGHUP`)
}

/** A prefix as the file writes it. */
function shownPrefix(prefix: Buffer): string {
  const escaped = (byte: number) => `\\x${byte.toString(16).padStart(2, '0')}`
  return [...prefix]
    .map((byte, i) => {
      const isEdge = byte === 0x20 && (i === 0 || i === prefix.length - 1)
      if (byte < 0x20 || byte > 0x7e || byte === 0x2c || isEdge) return escaped(byte)
      return byte === 0x5c ? '\\\\' : String.fromCharCode(byte)
    })
    .join('')
}

function describe({ name, verifier, verbs, databases, prefixes, partitions }: AccessUser) {
  return {
    user: name,
    password: verifier !== undefined,
    iterations: verifier?.iterations ?? 0,
    rights: verbs,
    databases,
    prefixes: prefixes.map(shownPrefix),
    partitions
  }
}

async function list(file: string, flags: CommonOptions): Promise<number> {
  for (const user of readAccessFile(file).users.values()) {
    const all = describe(user)
    if (flags.json) {
      out.json(all)
      continue
    }
    const keys =
      all.prefixes.length > 0 ? `prefixes ${all.prefixes.join(', ')}` : `partitions ${all.partitions.join(', ')}`
    const place = all.prefixes.length + all.partitions.length > 0 ? keys : 'every key'
    const where = all.databases === '*' ? 'every database' : `databases ${all.databases.join(', ')}`
    const may = all.rights.length > 0 ? `${all.rights.join(', ')}; ${where}; ${place}` : 'nothing'
    out.line(`${all.user}: ${may}${all.password ? '' : ' (no password)'}`)
  }
  return Exit.ok
}

function withIterations(command: Command): Command {
  const text = `rounds of hashing, ${minIterations}..${maxIterations} (default: ${defaultIterations})`
  return command.option('--iterations <n>', text, wholeNumber(minIterations, maxIterations))
}

/** Adds the command and its own commands. `run` gets the exit code. */
export function addUserCommand(program: Command, run: Run): void {
  const user = program
    .command('user')
    .summary('add, remove and list the users of a server')
    .description('Changes the access file, which says who may log in to a server and do what.')
    .addHelpText(
      'after',
      `
Examples:
  zkdb user add access.conf alice --rights read,write --databases 0
  zkdb user add access.conf bob --rights read --databases 0 --prefixes cart:,x:
  zkdb user password access.conf alice < password.txt
  zkdb user list access.conf
  zkdb user remove access.conf alice`
    )
  const part = (name: string, summary: string) =>
    user.command(name).summary(summary).description(`${summary}.`).option('--json', 'print JSON')
  const file = '<file>'
  withIterations(part('add', 'Add a user; the password is asked for, or comes from standard input'))
    .argument(file, 'the access file; it is made when it is not there')
    .argument('<name>', 'the user')
    .option('--rights <list>', `of ${verbs.join(', ')} (default: nothing)`)
    .option('--databases <list>', 'numbers, or * for every database')
    .option('--prefixes <list>', 'only keys that begin with one of them')
    .option('--partitions <list>', 'only keys of these partitions')
    .option('--no-password', 'no password: only a certificate names this user')
    .action((path: string, name: string, flags: AddFlags) => run(add(path, name, flags)))
  part('remove', 'Remove a user')
    .argument(file, 'the access file')
    .argument('<name>', 'the user')
    .action((path: string, name: string, flags: CommonOptions) => run(remove(path, name, flags)))
  withIterations(part('password', 'Give a user a new password, asked for or from standard input'))
    .argument(file, 'the access file')
    .argument('<name>', 'the user')
    .action((path: string, name: string, flags: PasswordFlags) => run(changePassword(path, name, flags)))
  part('list', 'List the users and what they may do')
    .argument(file, 'the access file')
    .action((path: string, flags: CommonOptions) => run(list(path, flags)))
  for (const command of user.commands) command.exitOverride().copyInheritedSettings(program)
}
