/**
 * ARCHITECTURE.md and docs/safety.md against the sources: every file, function and word that they name in backticks is
 * there.
 *
 * - `PATH` is a file or folder, from the root or from native/.
 * - `PATH: NAME` is a function in that file: `Class::Name` is defined in it, `name` stands before a parenthesis in it.
 * - `Class::Name` is declared or defined somewhere; of anything else each word is in a source.
 * - `words_with_underscores` in docs/safety.md are names of native tests.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import test from 'ava'

const roots = ['', 'native/']
const sources = ['native', 'ts', 'test', 'scripts'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((entry) => `${folder}/${entry.replaceAll('\\', '/')}`)
    .filter(
      (path) => /\.(cc|h|ts|mjs)$/.test(path) && !path.endsWith('/architecture.test.ts') && statSync(path).isFile()
    )
)
const read = (path: string): string => readFileSync(path, 'utf8')
const everything = [...sources, 'package.json'].map(read).join('\n')
const words = new Set(everything.match(/[A-Za-z_]\w*/g))

function find(path: string): string | undefined {
  return roots.map((root) => root + path).find(existsSync)
}

function hasFunction(path: string, name: string): boolean {
  const text = read(path)
  const escaped = name.replace(/[#$]/g, '\\$&')
  if (name.startsWith('#')) return new RegExp(`${escaped}\\(`).test(text)
  if (name.includes('::')) return new RegExp(`\\b${escaped}(\\(|<)`).test(text)
  return new RegExp(`\\b${escaped}\\(`).test(text)
}

/** A member that a header declares or a source defines. */
function hasMember(owner: string, name: string): boolean {
  if (everything.includes(`${owner}::${name}`)) return true
  const declares = new RegExp(`\\b(class|struct) ${owner}\\b[\\s\\S]*\\b${name}\\b`)
  return sources.some((path) => path.endsWith('.h') && declares.test(read(path)))
}

/** What is wrong with a text in backticks, or undefined. */
function problem(token: string): string | undefined {
  const place = /^(\S+\.\w+): (\S+)$/.exec(token)
  if (place) {
    const path = find(place[1] ?? '')
    if (path === undefined) return `${token}: there is no such file`
    return hasFunction(path, place[2] ?? '') ? undefined : `${token}: the file has no such function`
  }
  if (/^[\w.-]+(\/[\w.-]+)+\/?$|^[\w-]+\.(md|txt|gyp|json|h)$/.test(token)) {
    return find(token) === undefined ? `${token}: there is no such file` : undefined
  }
  const member = /^(\w+)::(\w+)$/.exec(token)
  if (member) return hasMember(member[1] ?? '', member[2] ?? '') ? undefined : `${token}: no such member`
  const unknown = (token.match(/[A-Za-z_]\w*/g) ?? []).filter((word) => word.length > 1 && !words.has(word))
  return unknown.length > 0 ? `${token}: no source has ${unknown.join(', ')}` : undefined
}

/** The texts in backticks, which may go over the end of a line. */
function tokensOf(document: string): string[] {
  const prose = document.replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/`([^`]+)`/g)].map((match) => (match[1] ?? '').replaceAll(/\s+/g, ' '))
}

for (const path of ['ARCHITECTURE.md', 'docs/safety.md']) {
  test(`every file and function that ${path} names exists`, (t) => {
    const tokens = tokensOf(read(path))
    t.true(tokens.length > 40)
    t.deepEqual(
      tokens.map(problem).filter((found) => found !== undefined),
      []
    )
  })
}

test('the native tests that docs/safety.md names exist', (t) => {
  const tests = new Set([...everything.matchAll(/^(?:[A-Z]+_)?TEST\((\w+)/gm)].map((match) => match[1] ?? ''))
  const named = tokensOf(read('docs/safety.md')).filter((token) => /^[a-z0-9]+(_[a-z0-9]+){3,}$/.test(token))
  t.true(named.length > 20)
  t.deepEqual(
    named.filter((name) => !tests.has(name)),
    []
  )
})

test('the tests of test/ that docs/safety.md names exist', (t) => {
  const quoted = [...read('docs/safety.md').matchAll(/"([^"]+)"/g)].map((match) =>
    (match[1] ?? '').replaceAll(/\s+/g, ' ')
  )
  t.true(quoted.length > 10)
  t.deepEqual(
    quoted.filter((name) => !everything.includes(`'${name}'`)),
    []
  )
})

test('what the check finds wrong is wrong', (t) => {
  t.is(problem('core/engine/read.cc: Engine::Get'), undefined)
  t.truthy(problem('core/engine/read.cc: Engine::Grab'))
  t.truthy(problem('core/engine/none.cc: Engine::Get'))
  t.truthy(problem('core/none'))
  t.truthy(problem('Engine::Grab'))
  t.truthy(problem('grabbed'))
})

test('each decision is one page, and is in the list', (t) => {
  const list = read('docs/adr/README.md')
  const files = readdirSync('docs/adr').filter((name) => /^\d{4}-/.test(name))
  t.true(files.length >= 18)
  for (const name of files) {
    const text = read(`docs/adr/${name}`)
    t.true(list.includes(`(${name})`), name)
    t.true(text.split('\n').length <= 60, name)
    for (const part of ['## Context', '## Decision', '## Consequences']) t.true(text.includes(part), name)
  }
})
