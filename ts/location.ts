/**
 * Where this package is, and the binaries that may lie in it. Works in both module formats without anything that only
 * one of them has: the folder of this file is read off a stack trace.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The path of the file that calls this function. */
function callerFile(): string {
  const previous = Error.prepareStackTrace
  const limit = Error.stackTraceLimit
  try {
    Error.stackTraceLimit = 2
    Error.prepareStackTrace = (_, sites) => sites
    const sites = new Error().stack as unknown as NodeJS.CallSite[]
    const name = sites[0]?.getFileName() ?? ''
    return name.startsWith('file:') ? fileURLToPath(name) : name
  } finally {
    Error.prepareStackTrace = previous
    Error.stackTraceLimit = limit
  }
}

/** Whether `folder` holds the package.json of this package. */
function isPackageRoot(folder: string): boolean {
  const manifest = join(folder, 'package.json')
  if (!existsSync(manifest)) return false
  try {
    return (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'zkdb'
  } catch {
    return false
  }
}

/** The folder of this package: the nearest one above this file whose package.json has the name zkdb. */
export function packageRoot(): string {
  const file = callerFile()
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (isPackageRoot(folder)) return folder
    if (folder === dirname(folder)) break
  }
  // This file was bundled into another one: then the package is found as that file would find it.
  return dirname(createRequire(file).resolve('zkdb/package.json'))
}

/**
 * The folders of this platform in prebuilds/, the likelier one first. The C library is not asked for, which takes
 * milliseconds: a binary of the other one does not load, and then the next place is tried.
 */
export function platformFolders(): string[] {
  const base = `${process.platform}-${process.arch}`
  return process.platform === 'linux' ? [`${base}-glibc`, `${base}-musl`] : [base]
}

/** The places of the addon, in the order in which they are tried. `ZKDB_BINARY` names one that comes first. */
export function binaryCandidates(root: string): string[] {
  const given = process.env.ZKDB_BINARY
  return [
    ...(given ? [given] : []),
    ...platformFolders().map((folder) => join(root, 'prebuilds', folder, 'zkdb.node')),
    join(root, 'build', 'Release', 'zkdb.node'),
    join(root, 'build', 'Debug', 'zkdb.node'),
    join(root, 'out', 'addon', 'Release', 'zkdb.node'),
    join(root, 'out', 'addon', 'zkdb.node')
  ]
}
