// Packs the package, installs the tarball with --ignore-scripts in an empty folder, opens it from an ESM and from a
// CommonJS program, and compiles a TypeScript program of each kind against its declarations.
// Prints a TAP line per check; exit code 1 when one fails.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  'esm.mjs': "import { open } from 'zkdb'\nimport * as legacy from 'zkdb/legacy'\n",
  'cjs.cjs': "const { open } = require('zkdb')\nconst legacy = require('zkdb/legacy')\n"
}
const body = `
async function main() {
  const db = await open({ path: process.argv[2], partitions: 4 })
  await db.put('key', 'value')
  const value = await db.get('key')
  await db.close()
  if (value !== 'value') throw new Error('read ' + value)
  if (typeof legacy.zkDB_Open !== 'function') throw new Error('zkdb/legacy has no zkDB_Open')
}
main()
`

const typescript = `
import { open } from 'zkdb'
import { zkDB_Open } from 'zkdb/legacy'
export async function lengthOf(path: string): Promise<number> {
  const db = await open({ path, partitions: 4 })
  const value: string | undefined = await db.get('key')
  // @ts-expect-error a key is text unless the caller says otherwise
  await db.get(Symbol('key'))
  return (value ?? '').length + zkDB_Open.length
}
`

/** Compiles `file` against the installed package; throws with the compiler's output. */
function compile(file) {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const flags = '--noEmit --strict --target es2022 --module nodenext --skipLibCheck --types node'.split(' ')
  writeFileSync(join(folder, file), typescript)
  output(process.execPath, [tsc, ...flags, '--typeRoots', join(root, 'node_modules', '@types'), file], folder)
}

try {
  const tarball = packed()
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  check('the tarball installs without scripts', () => {
    output('npm', ['install', '--ignore-scripts', '--prefer-offline', tarball], folder)
  })
  check('the packed package.json runs nothing at install', checkManifest)
  for (const [file, start] of Object.entries(programs)) {
    check(`the installed package opens from ${file}`, () => {
      writeFileSync(join(folder, file), start + body)
      output(process.execPath, [file, join(folder, `data-${file}`)], folder)
    })
  }
  for (const file of ['esm.mts', 'cjs.cts']) check(`the declarations fit ${file}`, () => compile(file))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed > 0 ? 1 : 0
