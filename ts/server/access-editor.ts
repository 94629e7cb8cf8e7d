/**
 * Changes access files: a user comes, goes, or gets another password. What else stands in the file, comments too, stays
 * as it is. The new file takes the place of the old one at once, and only when it can be read as an access file.
 */
import {
  closeSync,
  existsSync,
  fchownSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ZkdbError } from '../errors.js'
import { type IniLine, parseAccess, parseIni, problemOfName, readAccessText, userOf } from './access-file.js'

/** What a new user's section says, as it stands in the file. */
export interface UserEntries {
  verifier?: string
  rights?: string
  databases?: string
  prefixes?: string
  partitions?: string
}

const spelling: Record<keyof UserEntries, string> = {
  verifier: 'Verifier',
  rights: 'Rights',
  databases: 'Databases',
  prefixes: 'Prefixes',
  partitions: 'Partitions'
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Makes the file that is to take the place of `file`; it is also the lock between two that change it. */
function openNew(path: string): number {
  try {
    return openSync(path, 'wx', 0o600)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    const message = `${path} is there: another "zkdb user" is at work, or was killed; then remove that file`
    throw new ZkdbError('ZKDB_EXISTS', message, { cause })
  }
}

/** The first line of a section, and the last one that is its own: comments behind it belong to what follows. */
function linesOf(lines: IniLine[], name: string): { header: number; last: number } | undefined {
  const own = lines.filter(({ section }) => userOf(section) === name)
  const header = own.find(({ key }) => key === null)
  return header && { header: header.line, last: Math.max(...own.map(({ line }) => line)) }
}

/** The text of an access file, line by line. */
class AccessText {
  readonly #file: string
  readonly #lines: string[]

  constructor(text: Buffer, file: string) {
    this.#file = file
    this.#lines = text.toString('latin1').split('\n')
  }

  get bytes(): Buffer {
    return Buffer.from(this.#lines.join('\n'), 'latin1')
  }

  #find(name: string): { header: number; last: number; verifier?: number } {
    const lines = parseIni(this.bytes, this.#file)
    const found = linesOf(lines, name)
    if (!found) throw new ZkdbError('ZKDB_MISSING', `${this.#file}: there is no section [User ${name}]`)
    const verifier = lines.find(({ section, key }) => userOf(section) === name && key?.toLowerCase() === 'verifier')
    return verifier ? { ...found, verifier: verifier.line } : found
  }

  add(name: string, entries: UserEntries): void {
    if (linesOf(parseIni(this.bytes, this.#file), name)) {
      const hint = '"zkdb user password" gives a new password, "zkdb user remove" removes the user'
      throw new ZkdbError('ZKDB_EXISTS', `${this.#file}: there is a section [User ${name}] already; ${hint}`)
    }
    const keys = Object.keys(spelling) as (keyof UserEntries)[]
    const section = keys.flatMap((key) => (entries[key] === undefined ? [] : [`${spelling[key]} = ${entries[key]}`]))
    while (this.#lines.at(-1)?.trim() === '') this.#lines.pop()
    const gap = this.#lines.length > 0 ? [''] : []
    const text = [...gap, `[User ${name}]`, ...section, ''].join('\n')
    this.#lines.push(...Buffer.from(text).toString('latin1').split('\n'))
  }

  remove(name: string): void {
    const { header, last } = this.#find(name)
    const isGap = this.#lines[header - 2]?.trim() === ''
    this.#lines.splice(header - (isGap ? 2 : 1), last - header + (isGap ? 2 : 1))
  }

  setVerifier(name: string, text: string): void {
    const { header, verifier } = this.#find(name)
    const line = `Verifier = ${text}`
    if (verifier === undefined) this.#lines.splice(header, 0, line)
    else this.#lines[verifier - 1] = line
  }
}

function replaceFile(file: string, temporary: string, descriptor: number, change: (text: AccessText) => void): void {
  const old = existsSync(file) ? readAccessText(file) : undefined
  const text = new AccessText(old?.bytes ?? Buffer.alloc(0), file)
  change(text)
  parseAccess(text.bytes, file)
  const bytes = text.bytes
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at)
  if (old && process.getuid?.() === 0) fchownSync(descriptor, old.stats.uid, old.stats.gid)
  fsyncSync(descriptor)
  renameSync(temporary, file)
  syncFolder(dirname(file))
}

function edit(path: string, change: (text: AccessText) => void): void {
  const file = existsSync(path) ? realpathSync(path) : resolve(path)
  const temporary = `${file}.new`
  const descriptor = openNew(temporary)
  let isDone = false
  try {
    replaceFile(file, temporary, descriptor, change)
    isDone = true
  } finally {
    closeSync(descriptor)
    if (!isDone) rmSync(temporary, { force: true })
  }
}

/**
 * Adds a user; makes the file when it is not there.
 *
 * @throws ZkdbError `ZKDB_EXISTS` when the user is there, `ZKDB_CONFIG` for what is wrong; a system error
 */
export function addUser(file: string, name: string, entries: UserEntries): void {
  const problem = problemOfName(name)
  if (problem) throw new ZkdbError('ZKDB_INVALID', `"${name}": ${problem}`)
  for (const [key, value] of Object.entries(entries)) {
    if (/[\r\n]/.test(value)) throw new ZkdbError('ZKDB_INVALID', `${key}: the value has more than one line`)
  }
  edit(file, (text) => text.add(name, entries))
}

/** Removes a user. @throws ZkdbError `ZKDB_MISSING` when there is none; as `addUser` */
export function removeUser(file: string, name: string): void {
  if (!existsSync(file)) throw new ZkdbError('ZKDB_MISSING', `${file}: there is no file of this name`)
  edit(file, (text) => text.remove(name))
}

/** Gives a user a verifier. @throws ZkdbError `ZKDB_MISSING` when there is none; as `addUser` */
export function setVerifier(file: string, name: string, verifier: string): void {
  if (!existsSync(file)) throw new ZkdbError('ZKDB_MISSING', `${file}: there is no file of this name`)
  edit(file, (text) => text.setVerifier(name, verifier))
}
