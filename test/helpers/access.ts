/**
 * The modules of the server's access control, which no entry of the package exports, as they were built.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

function load<T>(name: string): Promise<T> {
  return import(pathToFileURL(join(process.cwd(), 'dist', 'esm', 'server', `${name}.js`)).href) as Promise<T>
}

export const file = await load<typeof import('../../ts/server/access-file.js')>('access-file')
export const verifier = await load<typeof import('../../ts/server/access-verifier.js')>('access-verifier')
export const backOff = await load<typeof import('../../ts/server/access-back-off.js')>('access-back-off')
export const logins = await load<typeof import('../../ts/server/access-logins.js')>('access-logins')

/** A verifier as text, made with as few rounds as are allowed. */
export async function stored(password: string): Promise<string> {
  return verifier.formatVerifier(await verifier.makeVerifier(Buffer.from(password), verifier.minIterations))
}

/** Writes an access file that its owner alone may read. */
export function writeAccess(path: string, ...lines: string[]): string {
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 })
  return path
}

/** Lines of an access file: a user with a password, and what else the section says. */
export async function section(name: string, password: string, ...entries: string[]): Promise<string> {
  return [`[User ${name}]`, `Verifier = ${await stored(password)}`, ...entries].join('\n')
}
