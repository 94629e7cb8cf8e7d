/**
 * The access file: who may log in, and what each user may do. It has the INI dialect of the configuration file.
 *
 *     ; only these may connect at all (none given: everybody)
 *     Addresses = 127.0.0.1, 10.0.0.0/8
 *
 *     [User alice]
 *     Verifier  = SCRAM-SHA-256$600000:...       (made by "zkdb user"; without it only a certificate names the user)
 *     Rights    = read, write, scan              (of read, write, scan, admin; without it nothing is allowed)
 *     Databases = 0, 1                           (numbers, or * for every one)
 *     Prefixes  = cart:, user:alice:             (or Partitions = names; without both: every key)
 *
 * A prefix may hold `\xHH` for any byte (a comma, a blank at its end) and `\\` for a backslash.
 */
import { isIP } from 'node:net'
import { binding } from '../binding.js'
import { errorFrom, type NativeFailure, ZkdbError } from '../errors.js'
import { parseVerifier, type Verifier } from './access-verifier.js'
import { type PrivateFile, readPrivateFile } from './private-file.js'

/** What may be done, as `Rights` names it. */
export const verbs = ['read', 'write', 'scan', 'admin'] as const

/** One of `verbs`. */
export type VerbName = (typeof verbs)[number]

/** What a user may do: as `Rights` of native/net/rights.h. */
export interface UserRights {
  verbs: VerbName[]
  /** Numbers, or every one. */
  databases: number[] | '*'
  /** A key begins with one of them; none: any key. */
  prefixes: Buffer[]
  /** A key belongs to one of them; none: any key. */
  partitions: string[]
}

function uint32(number: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(number)
  return bytes
}

function packList(list: Buffer[]): Buffer[] {
  return [uint32(list.length), ...list.flatMap((bytes) => [uint32(bytes.length), bytes])]
}

/** Rights as the session takes them: see `ParseRights` of native/net/rights.h. */
export function packRights({ verbs: names, databases, prefixes, partitions }: UserRights): Buffer {
  const bits = names.reduce((sum, name) => sum | (1 << verbs.indexOf(name)), 0)
  const numbers = databases === '*' ? [0xffffffff] : [databases.length, ...databases]
  const texts = partitions.map((name) => Buffer.from(name))
  return Buffer.concat([uint32(bits), ...numbers.map(uint32), ...packList(prefixes), ...packList(texts)])
}

/** A user of the file. */
export interface AccessUser extends UserRights {
  name: string
  /** Without it no password is right. */
  verifier?: Verifier
}

/** A file that was read. */
export interface AccessFile {
  file: string
  users: Map<string, AccessUser>
  /** The addresses and networks (ADDRESS/BITS) that clients may connect from; none: any. */
  addresses: string[]
}

/** A line of an INI file: a section's header, or an entry of it. */
export interface IniLine {
  line: number
  section: string
  key: string | null
  value: string | null
}

interface IniBinding {
  parseIni(text: Uint8Array, file: string): NativeFailure & { entries: (number | string | null)[] }
}

/**
 * Takes an INI text apart with the parser of the configuration file.
 *
 * @throws ZkdbError `ZKDB_CONFIG` that names file and line
 */
export function parseIni(text: Uint8Array, file: string): IniLine[] {
  const result = (binding as unknown as IniBinding).parseIni(text, file)
  if (result.code !== 0) throw errorFrom(result)
  const lines: IniLine[] = []
  for (let i = 0; i < result.entries.length; i += 4) {
    const [line, section, key, value] = result.entries.slice(i, i + 4)
    lines.push({ line: line as number, section: section as string, key: key as null, value: value as null })
  }
  return lines
}

/** The user that a section is about, or undefined. */
export function userOf(section: string): string | undefined {
  return /^user\s+(.*)$/i.exec(section)?.[1]
}

/** Why a name cannot be a user's, or undefined. Names stand between blanks in CLIENT LIST. */
export function problemOfName(name: string): string | undefined {
  if (/^[!-Z\\^-~]{1,64}$/.test(name)) return undefined
  return 'a user name has 1 to 64 ASCII characters without blanks and brackets'
}

function refuse(file: string, { line, section, key, value }: IniLine, reason: string): never {
  // What is stored of a password stays out of logs.
  const shown = key?.toLowerCase() === 'verifier' ? '(not shown)' : value
  const entry = key === null ? '' : ` ${key} = ${shown}`
  throw new ZkdbError('ZKDB_CONFIG', `${file}:${line}: [${section}]${entry}: ${reason}`)
}

/** The parts of a list; a string is the reason why there is none. */
function listOf(value: string): string[] | string {
  const parts = value.split(',').map((part) => part.trim())
  const there = parts.filter((part) => part !== '')
  return there.length > 0 ? there : 'the list is empty; remove the line, or name something'
}

/** The bytes of a prefix; a string is what is wrong with it. */
export function parsePrefix(text: string): Buffer | string {
  if (/\\(?!x[0-9a-f]{2}|\\)/i.test(text)) return `"${text}": after a backslash stands xHH or a backslash`
  const parts = text.split(/(\\x[0-9a-f]{2}|\\\\)/i).map((part) => {
    if (part === '\\\\') return Buffer.from('\\')
    return /^\\x/i.test(part) ? Buffer.from(part.slice(2), 'hex') : Buffer.from(part)
  })
  return Buffer.concat(parts)
}

const setters: Record<string, (user: AccessUser, value: string) => string | undefined> = {
  verifier(user, value) {
    const verifier = parseVerifier(value)
    if (typeof verifier === 'string') return verifier
    user.verifier = verifier
    return undefined
  },
  rights(user, value) {
    const words = listOf(value)
    if (typeof words === 'string') return words
    const unknown = words.find((word) => !verbs.includes(word.toLowerCase() as VerbName))
    if (unknown !== undefined) return `"${unknown}" is none of ${verbs.join(', ')}`
    user.verbs = verbs.filter((verb) => words.some((word) => word.toLowerCase() === verb))
    return undefined
  },
  databases(user, value) {
    const words = listOf(value)
    if (typeof words === 'string') return words
    if (words.includes('*')) {
      user.databases = '*'
      return words.length === 1 ? undefined : '* is every database: name nothing beside it'
    }
    const wrong = words.find((word) => !/^(0|[1-9]\d{0,9})$/.test(word) || Number(word) > 0xffffffff)
    if (wrong !== undefined) return `"${wrong}" is not the number of a database`
    user.databases = words.map(Number)
    return undefined
  },
  prefixes(user, value) {
    const words = listOf(value)
    if (typeof words === 'string') return words
    for (const word of words) {
      const prefix = parsePrefix(word)
      if (typeof prefix === 'string') return prefix
      user.prefixes.push(prefix)
    }
    return undefined
  },
  partitions(user, value) {
    const words = listOf(value)
    if (typeof words === 'string') return words
    user.partitions = words
    return undefined
  }
}

function takeAddresses(list: string[], value: string): string | undefined {
  const words = listOf(value)
  if (typeof words === 'string') return words
  for (const word of words) {
    const [, address = '', bits] = /^([^/%]*)(?:\/(\d{1,3}))?$/.exec(word) ?? []
    const version = isIP(address)
    if (version === 0 || Number(bits ?? 0) > (version === 4 ? 32 : 128)) {
      return `"${word}" is no IP address, and no ADDRESS/BITS`
    }
    list.push(word)
  }
  return undefined
}

function checkUser(file: string, header: IniLine, user: AccessUser): void {
  if (user.verbs.length > 0 && user.databases.length === 0) {
    refuse(file, header, 'there are Rights but no Databases; write Databases = 0, or * for every one')
  }
  if (user.prefixes.length > 0 && user.partitions.length > 0) {
    refuse(file, header, 'give Prefixes or Partitions, not both')
  }
}

/**
 * Reads the text of an access file.
 *
 * @throws ZkdbError `ZKDB_CONFIG` that names file, line, section, key and value
 */
export function parseAccess(text: Uint8Array, file: string): AccessFile {
  const users = new Map<string, AccessUser>()
  const addresses: string[] = []
  const headers = new Map<AccessUser, IniLine>()
  let user: AccessUser | undefined
  for (const line of parseIni(text, file)) {
    let problem: string | undefined
    if (line.key === null) {
      const name = userOf(line.section)
      const isMain = line.section.toLowerCase() === 'main'
      if (name === undefined && !isMain) refuse(file, line, 'the sections of an access file are [User NAME]')
      problem = name === undefined ? undefined : problemOfName(name)
      user = name === undefined ? undefined : { name, verbs: [], databases: [], prefixes: [], partitions: [] }
      if (user) headers.set(user, line)
    } else if (user) {
      const set = Object.hasOwn(setters, line.key.toLowerCase()) ? setters[line.key.toLowerCase()] : undefined
      problem = set
        ? set(user, line.value ?? '')
        : 'is none of the keys Verifier, Rights, Databases, Prefixes, Partitions'
    } else {
      problem =
        line.key.toLowerCase() === 'addresses'
          ? takeAddresses(addresses, line.value ?? '')
          : 'before the first user only Addresses is known'
    }
    if (problem) refuse(file, line, problem)
  }
  for (const [each, header] of headers) {
    checkUser(file, header, each)
    users.set(each.name, each)
  }
  return { file, users, addresses }
}

/** The bytes of an access file. @throws as `readAccessFile` */
export function readAccessText(file: string): PrivateFile {
  return readPrivateFile(file, 'what guards the passwords')
}

/**
 * Reads an access file.
 *
 * @throws ZkdbError `ZKDB_CONFIG`: it cannot be read, others may read it, or what is in it is wrong
 */
export function readAccessFile(file: string): AccessFile {
  return parseAccess(readAccessText(file).bytes, file)
}
