// Packs the package, installs the tarball with --ignore-scripts in an empty folder, runs an ESM and a CommonJS program
// with it, and compiles a TypeScript program of each kind against its declarations and runs what came out.
// Prints a TAP line per check; exit code 1 when one fails.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { platformFolder } from './platform.mjs'
import { root } from './run.mjs'

const installEvents = ['preinstall', 'install', 'postinstall']
const folder = mkdtempSync(join(tmpdir(), 'zkdb-pack-'))
let done = 0
let failed = 0

function report(name, problem) {
  console.log(`${problem ? 'not ok' : 'ok'} ${++done} - ${name}`)
  if (!problem) return
  console.log(problem.replace(/^/gm, '    '))
  failed++
}

/** The standard output of a program that must succeed. */
function output(program, args, cwd) {
  const result = spawnSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  if (result.status !== 0) throw new Error(`${program} ${args.join(' ')}:\n${result.stdout}${result.stderr}`)
  return result.stdout
}

function check(name, body) {
  try {
    report(name, body())
  } catch (error) {
    report(name, error.message)
  }
}

function packed() {
  const lines = output('npm', ['pack', '--silent', '--pack-destination', folder], root).trim().split('\n')
  return join(folder, lines.at(-1))
}

function checkManifest() {
  const manifest = JSON.parse(readFileSync(join(folder, 'node_modules', 'zkdb', 'package.json'), 'utf8'))
  const scripts = installEvents.filter((event) => manifest.scripts?.[event])
  if (scripts.length > 0) return `the packed package.json has install scripts: ${scripts}`
  return manifest.gypfile === false ? undefined : 'without "gypfile": false npm would run node-gyp at install'
}

const programs = {
  'esm.mjs': `
import { open } from 'zkdb'
import * as legacy from 'zkdb/legacy'
import * as remote from 'zkdb/remote'
import { serve } from 'zkdb/server'
`,
  'cjs.cjs': `
const { open } = require('zkdb')
const legacy = require('zkdb/legacy')
const remote = require('zkdb/remote')
const { serve } = require('zkdb/server')
`
}
const body = `
async function main() {
  const db = await open({ path: process.argv[2], partitions: 4 })
  await db.put('key', 'value')
  const value = await db.get('key')
  await db.close()
  if (value !== 'value') throw new Error('read ' + value)
  if (typeof legacy.zkDB_Open !== 'function') throw new Error('zkdb/legacy has no zkDB_Open')
  const error = await remote.connect({ path: process.argv[2] + '/none' }).catch((error) => error)
  if (error.code !== 'ZKDB_UNREACHABLE') throw new Error('zkdb/remote gave ' + error)
  const listen = process.argv[2] + '.sock'
  const server = await serve(process.argv[2], { listen, password: 'secret' })
  const client = await remote.connect({ path: listen, password: 'secret' })
  const served = await client.get('key')
  await client.close()
  await server.close()
  if (served !== 'value') throw new Error('zkdb/server gave ' + served)
}
main()
`

const typescript = `
import { type Database, open, type Snapshot, ZkdbError } from 'zkdb'
import { zkDB_Open } from 'zkdb/legacy'
import { connect, type RemoteClient } from 'zkdb/remote'
import { type AuditEvent, type ServeOptions, type Server, serve } from 'zkdb/server'
async function serveGuarded(path: string, events: AuditEvent[]): Promise<string> {
  const options: ServeOptions = { listen: [':0'], password: 'secret', onAudit: (event) => events.push(event) }
  const server: Server = await serve(path, options)
  await server.reload()
  await server.close({ deadlineMs: 100 })
  return server.address()
}
async function remoteLength(url: string): Promise<number> {
  const db: RemoteClient<string, string> = await connect(url, { timeout: 1000 })
  const names: string[] = await db.range<string>({ gte: 'k', values: false }).toArray()
  await db.put('key', 'value', { ifAbsent: true, signal: AbortSignal.timeout(1000) })
  await db.close()
  return names.length
}
async function lengthOf(path: string): Promise<number> {
  const db: Database<string, string> = await open({ path, partitions: 4 })
  await db.put('key', 'value', { durability: 'interval' })
  const snapshot: Snapshot = db.snapshot()
  const value: string | undefined = await db.get('key', { snapshot })
  // @ts-expect-error a key is text unless the caller says otherwise
  await db.get(Symbol('key')).catch((error: ZkdbError | TypeError) => error.message)
  const records: [string, string][] = [...db.scanSync({ gte: 'k' })]
  await snapshot.close()
  await db.close()
  if (typeof remoteLength !== 'function' || typeof serveGuarded !== 'function') throw new Error('not compiled')
  if (typeof zkDB_Open !== 'function' || records.length !== 1) throw new ZkdbError('TEST', 'not what was written')
  return (value ?? '').length
}
lengthOf(process.argv[2]!).then((length) => console.log(length))
`

/** Compiles `file` against the installed package and runs the outcome; throws with what was said. */
function compileAndRun(file) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const flags = '--strict --target es2022 --module nodenext --skipLibCheck --types node --outDir compiled'.split(' ')
  writeFileSync(join(folder, file), typescript)
  output(process.execPath, [tsc, ...flags, '--typeRoots', join(root, 'node_modules', '@types'), file], folder)
  const compiled = join('compiled', file.replace('ts', 'js'))
  const printed = output(process.execPath, [compiled, join(folder, `data-${file}`)], folder).trim()
  return printed === '5' ? undefined : `it printed ${printed} instead of 5`
}

/** The addon that the installed package loads must be the one in it. */
function checkBinary() {
  const binary = join(folder, 'node_modules', 'zkdb', 'prebuilds', platformFolder(), 'zkdb.node')
  if (!existsSync(binary)) return `${binary} is not in the tarball`
  const built = join(folder, 'node_modules', 'zkdb', 'build')
  return existsSync(built) ? `${built} was made at install` : undefined
}

// The binary that packing puts into prebuilds/ goes before the one that is built: it must not stay and hide that.
const staged = join(root, 'prebuilds', platformFolder())
const wasStaged = existsSync(staged)
try {
  const tarball = packed()
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  check('the tarball installs without scripts', () => {
    output('npm', ['install', '--ignore-scripts', '--prefer-offline', tarball], folder)
  })
  check('the packed package.json runs nothing at install', checkManifest)
  check('the binary of this platform is in the tarball', checkBinary)
  for (const [file, start] of Object.entries(programs)) {
    check(`${file} runs with the installed package`, () => {
      writeFileSync(join(folder, file), start + body)
      output(process.execPath, [file, join(folder, `data-${file}`)], folder)
    })
  }
  for (const file of ['esm.mts', 'cjs.cts']) check(`${file} compiles and runs`, () => compileAndRun(file))
} finally {
  rmSync(folder, { recursive: true, force: true })
  if (!wasStaged) rmSync(staged, { recursive: true, force: true })
}
process.exitCode = failed > 0 ? 1 : 0
