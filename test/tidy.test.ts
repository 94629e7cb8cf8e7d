/**
 * The rules of the sources that a machine can check: sizes, characters, include direction, left-over markers, the list
 * of native sources, and what may stand in package-lock.json. CONTRIBUTING.md gives the reasons.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { functionsOf } from './helpers/source-functions.js'

const maxColumns = 120
const maxFunctionLines = 70
const maxFileLines = 600

const folders = ['native', 'ts', 'test', 'bench', 'scripts', 'cmake', '.ci']
const single = ['binding.gyp', 'CMakeLists.txt', 'ava.config.js']

/** The source files of the repository, as paths relative to its root. */
function sources(pattern: RegExp): string[] {
  const inFolders = folders.filter(existsSync).flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((entry) => `${folder}/${entry.replaceAll('\\', '/')}`)
      .filter((path) => !path.startsWith('test/golden/') && !path.includes('/node_modules/'))
  )
  return [...inFolders, ...single].filter((path) => pattern.test(path)).sort()
}

const code = /\.(cc|h|ts|mts|cts|mjs|js|gyp)$|CMakeLists\.txt$|\.cmake$|^\.ci\/run$/
const read = (path: string): string => readFileSync(path, 'utf8')

/** One finding per line of the sources for which `problem` has something to say. */
function lineFindings(pattern: RegExp, problem: (line: string) => string | undefined): string[] {
  return sources(pattern).flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, index) => {
        const found = problem(line)
        return found ? [`${path}:${index + 1}: ${found}`] : []
      })
  )
}

test('no line is longer than 120 columns', (t) => {
  const tooLong = (line: string) => (line.length > maxColumns ? `${line.length} columns` : undefined)
  t.deepEqual(lineFindings(code, tooLong), [])
})

test('no function is longer than 70 lines', (t) => {
  const findings = sources(/\.(cc|h|ts|mjs)$/).flatMap((path) =>
    functionsOf(read(path))
      .filter((found) => found.lines > maxFunctionLines)
      .map((found) => `${path}:${found.line}: ${found.lines} lines: ${found.head.slice(-80)}`)
  )
  t.deepEqual(findings, [])
})

test('the length of a function is counted from its head to its closing brace', (t) => {
  const cpp = [
    'namespace a {',
    'struct S {',
    '  int f() const {',
    '    if (x) {',
    '      y = "}";',
    '    }',
    '  }',
    '};',
    'static int g(',
    '    int a) {',
    '}',
    '}'
  ].join('\n')
  const names = functionsOf(cpp).map((found) => `${found.head}: ${found.lines}`)
  t.deepEqual(names, ['int f() const: 5', 'static int g( int a): 3'])
  const ts = [
    'class A extends B {',
    '  get(k: string): void {',
    '  }',
    '}',
    'const f = () => {',
    '  for (;;) {',
    '  }',
    '}'
  ].join('\n')
  const lines = functionsOf(ts).map((found) => found.lines)
  t.deepEqual(lines, [2, 4])
})

test('no file is longer than 600 lines', (t) => {
  const findings = sources(code)
    .map((path) => ({ path, lines: read(path).split('\n').length - 1 }))
    .filter(({ lines }) => lines > maxFileLines)
    .map(({ path, lines }) => `${path}: ${lines} lines`)
  t.deepEqual(findings, [])
})

test('sources are ASCII', (t) => {
  const foreign = (line: string) => /[^\t\x20-\x7e]/.exec(line)?.[0]
  t.deepEqual(lineFindings(code, foreign), [])
})

test('no marker of unfinished work is left over', (t) => {
  const markers = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`)
  // scripts/count-tests.mjs reads a keyword of the TAP format that is one of them.
  const isKeyword = (line: string) => line.includes('# SKIP') || line.includes('SKIP|')
  t.deepEqual(
    lineFindings(code, (line) => (isKeyword(line) ? undefined : markers.exec(line)?.[0])),
    []
  )
})

// Each folder may include those of a smaller rank, and itself. Folders of the same rank never include each other.
const ranks: Record<string, number> = {
  include: 0,
  'core/base': 1,
  'core/os': 2,
  'core/format': 3,
  'core/segment': 4,
  'core/wal': 4,
  'core/btree': 5,
  'core/partition': 6,
  'core/txn': 7,
  'core/scan': 7,
  'core/remote': 7,
  'core/engine': 8,
  'core/dispatch': 9,
  tool: 10,
  capi: 11,
  torture: 12
}
/** The folders that see the C interface alone, and the ones that each may include. */
const outside: Record<string, string[]> = {
  addon: ['include', 'net/loop'],
  net: ['include', 'core/base'],
  'net/loop': ['include', 'core/base', 'net'],
  'net/pair': ['include', 'core/base', 'core/os', 'core/engine', 'core/dispatch', 'net']
}

/** The folder of `path`, a path relative to native/. */
function nativeFolder(path: string): string {
  const parts = path.split('/')
  return parts[0] === 'core' || /^net\/(loop|pair)\//.test(path) ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}

/** Whether a source in folder `from` may include a header in folder `to`. */
function mayInclude(from: string, to: string): boolean {
  if (from === to) return true
  const allowed = outside[from]
  if (allowed) return allowed.includes(to)
  const fromRank = ranks[from]
  const toRank = ranks[to]
  return fromRank !== undefined && toRank !== undefined && toRank < fromRank
}

test('native folders include only folders below them', (t) => {
  const findings = sources(/^native\/.*\.(cc|h)$/).flatMap((path) => {
    const from = nativeFolder(path.slice('native/'.length))
    return [...read(path).matchAll(/^#include "([^"]+)"/gm)]
      .map((match) => match[1] ?? '')
      .filter((included) => !mayInclude(from, nativeFolder(included)))
      .map((included) => `${path} includes ${included}`)
  })
  t.deepEqual(findings, [])
})

test('quoted includes are paths from native/ that exist', (t) => {
  const findings = sources(/^native\/.*\.(cc|h)$/).flatMap((path) =>
    [...read(path).matchAll(/^#include "([^"]+)"/gm)]
      .map((match) => match[1] ?? '')
      .filter((included) => !existsSync(`native/${included}`))
      .map((included) => `${path} includes ${included}`)
  )
  t.deepEqual(findings, [])
})

test('every native source is in native/sources.json', (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/list-sources.mjs'], { encoding: 'utf8' })
  t.is(stderr, '')
  t.is(status, 0)
})

test('package-lock.json names no registry', (t) => {
  const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, { resolved?: string }> }
  const findings = Object.entries(lock.packages)
    .filter(([, entry]) => entry.resolved !== undefined)
    .map(([name, entry]) => `${name}: ${entry.resolved}`)
  t.deepEqual(findings, [])
})

test('what is published runs nothing when it is installed', (t) => {
  const manifest = JSON.parse(read('package.json')) as { gypfile: boolean; scripts: Record<string, string> }
  t.false(manifest.gypfile)
  for (const event of ['preinstall', 'install', 'postinstall']) t.is(manifest.scripts[event], undefined)
})
