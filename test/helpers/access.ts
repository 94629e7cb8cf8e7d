/**
 * The modules of the server's access control, which no entry of the package exports, as they were built.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

function load<T>(name: string): Promise<T> {
  return import(pathToFileURL(join(process.cwd(), 'dist', 'esm', 'server', `${name}.js`)).href) as Promise<T>
}

export const file = await load<typeof import('../../ts/server/access-file.js')>('access-file')
export const verifier = await load<typeof import('../../ts/server/access-verifier.js')>('access-verifier')
export const backOff = await load<typeof import('../../ts/server/access-back-off.js')>('access-back-off')
export const logins = await load<typeof import('../../ts/server/access-logins.js')>('access-logins')
export const audit = await load<typeof import('../../ts/server/access-audit.js')>('access-audit')
