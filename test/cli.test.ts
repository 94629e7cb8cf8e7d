/**
 * The command line, run as a program: every command, its exit codes, its errors and its help.
 */
import {
  closeSync,
  existsSync,
  openSync as openFile,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { endOf, startZkdb, zkdb, zkdbInto } from './helpers/command.js'
import { newFolder, threePartitions } from './helpers/shapes.js'

const commands = ['get', 'put', 'del', 'scan', 'load', 'stat', 'route', 'check', 'inspect', 'salvage', 'user']

/** A configuration of three partitions in a new folder. */
function threeConfiguration(text = threePartitions): string {
  const file = join(newFolder(), 'app.conf')
  writeFileSync(file, text)
  return file
}

/** A database directory with these records. */
function filled(records: Record<string, string>): string {
  const database = join(newFolder(), 'data')
  const lines = Object.entries(records).map(([key, value]) => JSON.stringify({ key, value }))
  const { exit, stderr } = zkdb(['load', database, '-', '--format', 'jsonl', '--create'], lines.join('\n'))
  if (exit !== 0) throw new Error(`load ended with ${exit}: ${stderr}`)
  return database
}

/** Resolves when the process has the database open: its number stands in the lock file. */
async function opened(database: string, pid: number | undefined): Promise<void> {
  const lock = join(database, 'log', 'zkdb.lock')
  while (!existsSync(lock) || readFileSync(lock, 'utf8').trim() !== String(pid)) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A file with this content in a new folder. */
function fileOf(name: string, content: string | Buffer): string {
  const file = join(newFolder(), name)
  writeFileSync(file, content)
  return file
}

// ---- help and usage

test('help lists every command and every exit code', (t) => {
  const { exit, stdout } = zkdb(['--help'])
  t.is(exit, 0)
  for (const command of commands) t.regex(stdout, new RegExp(`^  ${command} `, 'm'))
  for (const code of [0, 1, 2, 3, 4, 5, 6, 70, 130]) t.regex(stdout, new RegExp(`^  ${code} +\\S`, 'm'))
})

for (const command of commands) {
  test(`the help of ${command} has examples and fits 80 columns`, (t) => {
    const { exit, stdout } = zkdb([command, '--help'])
    t.is(exit, 0)
    t.regex(stdout, new RegExp(`Examples:\n  zkdb ${command} `))
    t.deepEqual(
      stdout.split('\n').filter((line) => line.length > 80),
      []
    )
  })
}

test('the version is that of the package', (t) => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  t.is(zkdb(['--version']).stdout.trim(), version)
})

test('wrong usage ends with 2 and says what is wrong', (t) => {
  const cases: [string[], RegExp][] = [
    [['bogus'], /unknown command 'bogus'/],
    [['get'], /missing required argument 'database'/],
    [['get', 'a', 'b', '--bogus'], /unknown option '--bogus'/],
    [['scan', 'a', '--limit', 'x'], /Not a whole number from 0 on/],
    [['put', 'a', 'b', 'c', '--partitions', '257'], /Not a whole number of 1\.\.256/],
    [['get', 'a', 'zz', '--hex'], /The key "zz" is not hex/],
    [['get', 'a', '???', '--encoding', 'base64'], /The key "\?\?\?" is not base64/],
    [['get', 'a', 'b', '--encoding', 'utf16'], /Allowed choices are utf8, hex, base64, latin1/],
    [['get', 'a', 'b', '-o', 'Bogus=1'], /the names are Durability/],
    [['scan', 'a', '--prefix', 'x', '--gt', 'y'], /exclude each other/],
    [['load', 'a', 'records.bin'], /say --format/]
  ]
  for (const [args, message] of cases) {
    const { exit, stdout, stderr } = zkdb(args)
    t.is(exit, 2, args.join(' '))
    t.regex(stderr, /^zkdb: ZKDB_USAGE: /)
    t.regex(stderr, message)
    t.is(stdout, '')
  }
})

test('with --json an error is one JSON object on standard error', (t) => {
  const usage = zkdb(['get', '--json'])
  t.is(usage.exit, 2)
  t.like(JSON.parse(usage.stderr), { error: { code: 'ZKDB_USAGE', exit: 2 } })
  const missing = zkdb(['get', join(newFolder(), 'none'), 'key', '--json'])
  t.is(missing.exit, 3)
  t.like(JSON.parse(missing.stderr), { error: { code: 'ZKDB_MISSING', exit: 3 } })
})

// ---- get, put, del

test('put writes what get prints', (t) => {
  const database = threeConfiguration()
  t.is(zkdb(['put', database, 'id:Kiwi', 'green']).exit, 0)
  const { exit, stdout } = zkdb(['get', database, 'id:Kiwi'])
  t.is(exit, 0)
  t.is(stdout, 'green')
  t.deepEqual(JSON.parse(zkdb(['get', database, 'id:Kiwi', '--json']).stdout), {
    key: 'id:Kiwi',
    found: true,
    value: 'green'
  })
})

test('get of a key that is not there ends with 1', (t) => {
  const database = filled({ a: '1' })
  const { exit, stdout, stderr } = zkdb(['get', database, 'b'])
  t.is(exit, 1)
  t.is(stdout, '')
  t.is(stderr, 'zkdb: the key "b" is not in the database\n')
  t.deepEqual(JSON.parse(zkdb(['get', database, 'b', '--json']).stdout), { key: 'b', found: false })
})

test('a value comes from standard input and goes to standard output byte by byte', (t) => {
  const database = filled({ a: '1' })
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 256))
  t.is(zkdb(['put', database, 'blob', '-'], bytes).exit, 0)
  t.deepEqual(zkdb(['get', database, 'blob']).bytes, bytes)
})

test('keys and values may be written in hex, base64 and latin1', (t) => {
  const database = filled({ a: '1' })
  t.is(zkdb(['put', database, '00ff', '80', '--hex']).exit, 0)
  t.is(zkdb(['get', database, '00ff', '--hex']).stdout, '80')
  t.is(zkdb(['get', database, 'AP8=', '-e', 'base64']).stdout, 'gA==')
  t.deepEqual(zkdb(['get', database, '00ff', '--key-encoding', 'hex']).bytes, Buffer.from([0x80]))
  t.is(zkdb(['put', database, 'k', '\u00e9', '--encoding', 'latin1']).exit, 0)
  t.deepEqual(zkdb(['get', database, 'k']).bytes, Buffer.from([0xe9]))
})

test('put with a condition that does not hold writes nothing and ends with 1', (t) => {
  const database = filled({ a: '1' })
  t.is(zkdb(['put', database, 'a', '2', '--if-absent']).exit, 1)
  t.is(zkdb(['put', database, 'b', '2', '--if-present']).exit, 1)
  t.is(zkdb(['scan', database]).stdout, 'a\t1\n')
  t.is(zkdb(['put', database, 'a', '3', '--if-present']).exit, 0)
  t.deepEqual(JSON.parse(zkdb(['put', database, 'b', '4', '--if-absent', '--json']).stdout), {
    key: 'b',
    written: true,
    existed: false
  })
  t.is(zkdb(['scan', database]).stdout, 'a\t3\nb\t4\n')
})

test('put makes a directory only when told to', (t) => {
  const database = join(newFolder(), 'new')
  const refused = zkdb(['put', database, 'a', '1'])
  t.is(refused.exit, 3)
  t.regex(refused.stderr, /ZKDB_MISSING: .*--create makes one/)
  t.is(zkdb(['put', database, 'a', '1', '--partitions', '5']).exit, 0)
  t.is((JSON.parse(zkdb(['stat', database, '--json']).stdout) as { partitions: object[] }).partitions.length, 5)
})

test('del deletes several keys and ends with 1 when one was not there', (t) => {
  const database = filled({ a: '1', b: '2', c: '3' })
  t.is(zkdb(['del', database, 'a', 'b']).exit, 0)
  const { exit, stderr } = zkdb(['del', database, 'c', 'd'])
  t.is(exit, 1)
  t.is(stderr, 'zkdb: the key "d" is not in the database\n')
  t.is(zkdb(['scan', database, '--count']).stdout, '0\n')
})

test('a key that is too large is refused with 2', (t) => {
  const database = filled({ a: '1' })
  const { exit, stderr } = zkdb(['put', database, 'k'.repeat(65_536), '1'])
  t.is(exit, 2)
  t.regex(stderr, /ZKDB_KEY_TOO_LARGE/)
})

// ---- scan

test('scan prints ranges in the order of keys over all partitions', (t) => {
  const database = threeConfiguration()
  const keys = ['id:q', 'id:Kiwi', 'id:lime', 'id:a', 'id:Z', 'x']
  for (const key of keys) t.is(zkdb(['put', database, key, key.length.toString()]).exit, 0)
  const scan = (...args: string[]): string[] =>
    zkdb(['scan', database, '--keys', ...args])
      .stdout.split('\n')
      .slice(0, -1)
  const sorted = ['id:Kiwi', 'id:Z', 'id:a', 'id:lime', 'id:q', 'x']
  t.deepEqual(scan(), sorted)
  t.deepEqual(scan('--reverse'), [...sorted].reverse())
  t.deepEqual(scan('--gt', 'id:Z', '--lte', 'id:q'), ['id:a', 'id:lime', 'id:q'])
  t.deepEqual(scan('--gte', 'id:Z', '--lt', 'id:q', '--limit', '2'), ['id:Z', 'id:a'])
  t.deepEqual(scan('--prefix', 'id:'), sorted.slice(0, 5))
  t.is(zkdb(['scan', database, '--prefix', 'x']).stdout, 'x\t1\n')
  t.is(zkdb(['scan', database, '--prefix', 'x', '--values']).stdout, '1\n')
  t.is(zkdb(['scan', database, '--count', '--prefix', 'id:']).stdout, '5\n')
  t.is(zkdb(['scan', database, '--prefix', 'x', '--json']).stdout, '{"key":"x","value":"1"}\n')
})

test('scan escapes what would break a line', (t) => {
  const database = filled({ 'tab\there': 'line\nend \\ \u0001' })
  t.is(zkdb(['put', database, 'ff', 'c3a9fe', '--hex']).exit, 0)
  t.is(zkdb(['scan', database]).stdout, 'tab\\there\tline\\nend \\\\ \\x01\n\\xff\t\\xc3\\xa9\\xfe\n')
})

test('what scan --json prints, load reads back without a loss', (t) => {
  const database = filled({ a: 'text', '': 'empty key', b: '' })
  t.is(zkdb(['put', database, '00ff', 'fe00', '--hex']).exit, 0)
  const dump = zkdb(['scan', database, '--json']).stdout
  const copy = join(newFolder(), 'copy')
  t.is(zkdb(['load', copy, '-', '-f', 'jsonl', '--partitions', '3'], dump).exit, 0)
  t.is(zkdb(['scan', copy, '--hex']).stdout, zkdb(['scan', database, '--hex']).stdout)
})

test('a reader that goes away ends scan quietly', async (t) => {
  const database = join(newFolder(), 'data')
  const keys = Array.from({ length: 50_000 }, (_, i) => `key ${i}`).join('\n')
  t.is(zkdb(['load', database, '-', '-f', 'lines', '--create', '--value', 'v'.repeat(50)], keys).exit, 0)
  const child = startZkdb(['scan', database])
  let stderr = ''
  child.stderr!.on('data', (chunk) => {
    stderr += chunk
  })
  child.stdout!.once('data', () => child.stdout!.destroy())
  t.is(await endOf(child), 0)
  t.is(stderr, '')
  t.is(zkdb(['check', database]).exit, 0)
})

// ---- load

test('load reads lines, with CR LF and without an end of the last line', (t) => {
  const database = join(newFolder(), 'data')
  const file = fileOf('keys.txt', 'one\r\ntwo\n\nthree')
  const { exit, stdout } = zkdb(['load', database, file, '--create', '--value', 'x'])
  t.is(exit, 0)
  t.regex(stdout, /^Loaded 4 records in [\d.]+ s: [\d,]+\/s\n$/)
  t.is(zkdb(['scan', database]).stdout, '\tx\none\tx\nthree\tx\ntwo\tx\n')
})

test('load reads CSV with quotes, and a row as JSON', (t) => {
  const database = join(newFolder(), 'data')
  const file = fileOf('cities.csv', '\ufeffname,people\n"Ber""lin",3.6\n"two\nlines",1\n')
  t.is(zkdb(['load', database, file, '--create', '--key-column', 'name', '--value-column', 'people']).exit, 0)
  t.is(zkdb(['scan', database]).stdout, 'Ber"lin\t3.6\ntwo\\nlines\t1\n')
  t.is(zkdb(['load', database, file, '--key-column', 'name', '--value-column', '*']).exit, 0)
  t.is(zkdb(['get', database, 'Ber"lin']).stdout, '{"name":"Ber\\"lin","people":"3.6"}')
})

test('load reads TSV without quotes', (t) => {
  const database = join(newFolder(), 'data')
  t.is(zkdb(['load', database, fileOf('a.tsv', 'key\tvalue\na\t"b\nc\td\n'), '--create']).exit, 0)
  t.is(zkdb(['scan', database]).stdout, 'a\t"b\nc\td\n')
})

test('load reads JSON lines with other member names, numbers and objects', (t) => {
  const database = join(newFolder(), 'data')
  const file = fileOf('a.jsonl', '{"id":7,"v":{"x":[1]}}\n\n{"id":"b","v":"text"}\n')
  t.is(zkdb(['load', database, file, '--create', '--key-field', 'id', '--value-field', 'v']).exit, 0)
  t.is(zkdb(['scan', database]).stdout, '7\t{"x":[1]}\nb\ttext\n')
})

test('load stops at a bad line with its number, and keeps what came before', (t) => {
  const database = join(newFolder(), 'data')
  const file = fileOf('a.jsonl', '{"key":"a","value":"1"}\nno json\n{"key":"b","value":"2"}\n')
  const { exit, stderr } = zkdb(['load', database, file, '--create'])
  t.is(exit, 2)
  t.regex(stderr, /^zkdb: ZKDB_BAD_INPUT: .*a\.jsonl:2: not JSON: .*the 1 records before it are in the database/)
  t.is(zkdb(['scan', database]).stdout, 'a\t1\n')
})

test('load --skip-bad counts bad lines of every kind', (t) => {
  const database = join(newFolder(), 'data')
  const lines = ['{"key":"a","value":"1"}', '[1]', '{"key":{},"value":1}', '{"value":1}', '{"key":"b"}']
  lines.push(JSON.stringify({ key: 'k'.repeat(65_536), value: '' }), '{"key":"c","value":"3"}')
  const json = zkdb(['load', database, '-', '-f', 'jsonl', '--create', '--skip-bad', '--json'], lines.join('\n'))
  t.is(json.exit, 0)
  t.like(JSON.parse(json.stdout), { records: 2, bad: 5 })
  t.regex(json.stderr, /standard input:6: the key has 65,536 bytes, more than 65,535; skipped/)
  const csv = zkdb(['load', database, '-', '-f', 'csv', '--skip-bad'], 'key,value\na,1,2\nd,4\ne\n')
  t.regex(csv.stdout, /^Loaded 1 records .*, 2 bad lines skipped\n$/)
  t.regex(csv.stderr, /standard input:2: .*standard input:4: /s)
  t.is(zkdb(['scan', database]).stdout, 'a\t1\nc\t3\nd\t4\n')
})

test('load names the columns that there are when the one it needs is missing', (t) => {
  const database = join(newFolder(), 'data')
  const { exit, stderr } = zkdb(['load', database, '-', '-f', 'csv', '--create'], 'name,people\nBerlin,3\n')
  t.is(exit, 2)
  t.regex(stderr, /there is no "key" for the key \(there is: name, people\); --key-column names another/)
})

test('load writes to isolated partitions', (t) => {
  const database = threeConfiguration(threePartitions.replace('[main]', '[main]\nIsolated_Partitions = Yes'))
  t.is(zkdb(['load', database, '-', '-f', 'lines'], 'id:a\nid:l\nid:q\n').exit, 0)
  t.is(zkdb(['scan', database, '--keys']).stdout, 'id:a\nid:l\nid:q\n')
})

test('load of a file that is not there touches no database and ends with 6', (t) => {
  const database = join(newFolder(), 'data')
  const { exit, stderr } = zkdb(['load', database, '/nowhere/a.csv', '--create'])
  t.is(exit, 6)
  t.regex(stderr, /^zkdb: ZKDB_IO: ENOENT/)
  t.is(statSync(database, { throwIfNoEntry: false }), undefined)
})

test('load that is interrupted keeps what was read and ends with 130', async (t) => {
  const database = join(newFolder(), 'data')
  const child = startZkdb(['load', database, '-', '-f', 'lines', '--create', '--batch', '10'])
  child.stdin!.write(Array.from({ length: 100 }, (_, i) => `${i}\n`).join(''))
  await opened(database, child.pid)
  await new Promise((resolve) => setTimeout(resolve, 300))
  child.kill('SIGINT')
  t.is(await endOf(child), 130)
  t.is(zkdb(['scan', database, '--count']).stdout, '100\n')
})

// ---- stat

test('stat shows the records, the fill and the balance of every partition', (t) => {
  const database = threeConfiguration()
  const lines = ['key', ...Array.from({ length: 600 }, (_, i) => `id:${'alq'[i % 3]}${i}`)].join('\n')
  t.is(zkdb(['load', database, '-', '-f', 'csv', '--value-column', 'key'], lines).exit, 0)
  const { exit, stdout } = zkdb(['stat', database])
  t.is(exit, 0)
  t.regex(stdout, /600 records in 3 partitions/)
  t.regex(stdout, /^partition +records +allocated +in use +depth +fill +changed +checkpoint$/m)
  for (const name of ['part_1', 'part_2', 'part_3']) {
    t.regex(stdout, new RegExp(`^${name} +200 .* %`, 'm'))
    t.regex(stdout, new RegExp(`^${name} +#{13} +33\\.3 % +200$`, 'm'))
  }
  t.notRegex(stdout, /WARNING/)
  t.deepEqual(
    stdout.split('\n').filter((line) => line.length > 80 && !line.includes(database)),
    []
  )
  const json = JSON.parse(zkdb(['stat', database, '--json']).stdout) as { partitions: { records: number }[] }
  t.deepEqual(
    json.partitions.map(({ records }) => records),
    [200, 200, 200]
  )
})

interface SkewWarning {
  partition: string
  kind: string
  limitStartPos: number
  balance: number[]
  configuration: string[]
}

/** Loads keys, expects the warning, applies what it says, and gives it with the balance of the new database. */
function balanced(
  configuration: string,
  keys: string[],
  encoding = 'utf8'
): { warning: SkewWarning | undefined; shares: number[] } {
  const database = threeConfiguration(configuration)
  zkdb(['load', database, '-', '-f', 'lines', '-e', encoding], keys.join('\n'))
  const { warning } = JSON.parse(zkdb(['stat', database, '--json']).stdout) as { warning?: SkewWarning }
  if (!warning) return { warning, shares: [] }
  const names = configuration.match(/^Partitions.*$/m)![0]
  const other = threeConfiguration(['[main]', names, ...warning.configuration, ''].join('\n'))
  const dump = zkdb(['scan', database, '--json']).stdout
  const loaded = zkdb(['load', other, '-', '-f', 'jsonl'], dump)
  if (loaded.exit !== 0) throw new Error(loaded.stderr)
  const { partitions } = JSON.parse(zkdb(['stat', other, '--json']).stdout) as { partitions: { records: number }[] }
  return { warning, shares: partitions.map(({ records }) => records / keys.length) }
}

const limitsAtStart = threePartitions.replaceAll('LimitStartPos = 3', 'LimitStartPos = 0')

test('a skewed database gets a warning with limits that balance it: "Key 1" to "Key 5000"', (t) => {
  const keys = Array.from({ length: 5000 }, (_, i) => `Key ${i + 1}`)
  const { warning, shares } = balanced(limitsAtStart, keys)
  t.is(warning?.partition, 'part_1')
  t.is(warning?.kind, 'text')
  t.true(warning!.limitStartPos >= 4)
  t.true(Math.max(...shares) < 0.5, String(shares))
  t.true(Math.min(...shares) > 0.2, String(shares))
})

test('a skewed database gets numeric limits where text limits cannot split it', (t) => {
  const keys = Array.from({ length: 3000 }, (_, i) => String.fromCharCode(0x80 + (i % 64), 0x80 + Math.floor(i / 64)))
  const { warning, shares } = balanced(limitsAtStart, keys, 'latin1')
  t.is(warning?.partition, 'part_3')
  t.is(warning?.kind, 'hashed')
  t.true(Math.max(...shares) < 0.5, String(shares))
})

test('a skewed database gets hashing where no byte splits it', (t) => {
  const keys = Array.from({ length: 4096 }, (_, i) => 'a'.padStart((i % 1400) + 1, 'a') + 'b'.repeat(i % 3))
  const { warning, shares } = balanced(limitsAtStart, [...new Set(keys)])
  t.is(warning?.kind, 'slot')
  t.true(Math.max(...shares) < 0.5, String(shares))
})

test('the warning is printed with the lines of the configuration', (t) => {
  const database = threeConfiguration(limitsAtStart)
  const keys = Array.from({ length: 2000 }, (_, i) => `Key ${i + 1}`).join('\n')
  zkdb(['load', database, '-', '-f', 'lines'], keys)
  const { exit, stdout } = zkdb(['stat', database])
  t.is(exit, 0)
  t.regex(stdout, /^WARNING: part_1 holds 100\.0 % of all records\.$/m)
  t.regex(stdout, /^ {4}\[part_2\]\n {4}MinLimit = .\n {4}MaxLimit = .\n {4}LimitStartPos = \d$/m)
  t.notRegex(zkdb(['stat', database, '--fast']).stdout, /WARNING/)
})

test('a database of few records or of one partition gets no warning', (t) => {
  const few = Array.from({ length: 900 }, (_, i) => `Key ${i}`)
  t.is(balanced(limitsAtStart, few).warning, undefined)
  const one = join(newFolder(), 'data')
  zkdb(['load', one, '-', '-f', 'lines', '--create'], Array.from({ length: 2000 }, (_, i) => `Key ${i}`).join('\n'))
  t.notRegex(zkdb(['stat', one]).stdout, /WARNING|balance/)
})

// ---- route

test('route explains text limits without opening data', (t) => {
  const database = threeConfiguration()
  const route = (key: string): string => zkdb(['route', database, key]).stdout
  t.regex(route('id:Kiwi'), /part_1 .*byte 3 is 0x4b 'K', compared without case as 0x6b 'k'/s)
  t.regex(route('id:lime'), /part_2 .*byte 3 is 0x6c 'l'/s)
  t.regex(route('id:Q'), /part_3/)
  t.regex(route('ab'), /part_1 .*the key has 2 bytes and so no byte 3: it compares as lowest/s)
  t.deepEqual(readdirSync(join(database, '..')), ['app.conf'])
  t.is(zkdb(['route', database, 'id:a', 'id:z', '--json']).stdout.trim().split('\n').length, 2)
})

test('route explains numbers and hash slots', (t) => {
  const hashed = threePartitions
    .replace('MaxLimit = k', 'IsHashed = Yes\nMaxLimit = 96')
    .replace('MinLimit = l\nMaxLimit = p', 'IsHashed = Yes\nMinLimit = 97\nMaxLimit = 180')
    .replace('MinLimit = q', 'IsHashed = Yes\nMinLimit = 181')
  t.regex(zkdb(['route', threeConfiguration(hashed), '000000b4', '--hex']).stdout, /part_2 .*byte 3 is 0xb4 = 180/s)
  const database = join(newFolder(), 'data')
  t.is(zkdb(['put', database, 'a', '1', '--partitions', '256']).exit, 0)
  const slots: [string, number][] = [
    ['123456789', 12739],
    ['{user1000}.following', 3443],
    ['foo{}{bar}', 8363]
  ]
  for (const [key, slot] of slots) {
    const { stdout } = zkdb(['route', database, key, '--json'])
    const { why, index } = JSON.parse(stdout) as { why: string; index: number }
    t.regex(why, new RegExp(`^hash slot ${slot}\\b`))
    t.is(index, Math.floor(slot / 64))
  }
})

// ---- check and inspect

interface PageLine {
  type: string
  number: number
  kind: string
  use: string
}

/** Changes bytes in the first leaf of a segment that is in use. */
function damageLeaf(segment: string): void {
  const lines = zkdb(['inspect', segment, '--json']).stdout.trim().split('\n')
  const pages = lines.map((line) => JSON.parse(line) as PageLine)
  const leaf = pages.find(({ kind, use }) => kind === 'leaf' && use === 'used')!
  const descriptor = openFile(segment, 'r+')
  writeSync(descriptor, Buffer.alloc(64, 0x5a), 0, 64, leaf.number * 4096 + 4000)
  closeSync(descriptor)
}

test('check finds nothing in a sound database, and every finding in a damaged one', (t) => {
  const records = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`key ${i}`, `value ${i}`]))
  const database = filled(records)
  const sound = zkdb(['check', database])
  t.is(sound.exit, 0)
  t.regex(sound.stdout, /^Nothing is wrong\./)
  t.like(JSON.parse(zkdb(['check', database, '--json']).stdout), { ok: true, count: 0, findings: [] })
  damageLeaf(join(database, 'p000', '000.zkd'))
  const damaged = zkdb(['check', database])
  t.is(damaged.exit, 1)
  t.regex(damaged.stdout, /000\.zkd/)
  t.regex(damaged.stderr, /(thing is|things are) wrong/)
  const read = zkdb(['scan', database])
  t.is(read.exit, 5)
  t.regex(read.stderr, /^zkdb: ZKDB_CORRUPT: .*000\.zkd/)
})

test('inspect prints the pages of a segment and the records of a log', (t) => {
  const database = filled({ a: '1' })
  const segment = join(database, 'p000', '000.zkd')
  const all = zkdb(['inspect', segment])
  t.is(all.exit, 0)
  t.regex(all.stdout, /^meta /m)
  const page = zkdb(['inspect', segment, '--page', '2', '--json'])
  t.is(page.exit, 0)
  for (const line of page.stdout.trim().split('\n')) t.notThrows(() => JSON.parse(line))
  const log = readdirSync(join(database, 'log')).find((name) => name.endsWith('.log'))!
  t.is(zkdb(['inspect', join(database, 'log', log)]).exit, 0)
  t.is(zkdb(['inspect', join(database, 'zkdb.conf')]).exit, 5)
  t.is(zkdb(['inspect', '/nowhere']).exit, 6)
})

// ---- places and errors

test('a wrong configuration ends with 3 and names section, key and value', (t) => {
  const database = threeConfiguration(threePartitions.replace('MinLimit = l', 'MinLimit = m'))
  for (const args of [
    ['get', database, 'a'],
    ['put', database, 'a', '1'],
    ['route', database, 'a']
  ]) {
    const { exit, stderr } = zkdb(args)
    t.is(exit, 3)
    t.regex(stderr, /^zkdb: ZKDB_CONFIG: .*\[part_2\] MinLimit = m: gap/)
  }
  t.deepEqual(readdirSync(join(database, '..')), ['app.conf'])
})

test('a database that another process has open ends with 4 and names the process', async (t) => {
  const database = filled({ a: '1' })
  const child = startZkdb(['load', database, '-', '-f', 'lines'])
  await opened(database, child.pid)
  const run = zkdb(['get', database, 'a'])
  t.is(run.exit, 4)
  t.regex(run.stderr, new RegExp(`^zkdb: ZKDB_LOCKED: .*\\b${child.pid}\\b`))
  child.stdin!.end()
  t.is(await endOf(child), 0)
})

test('options of the configuration can be given, and a bad value of one ends with 3', (t) => {
  const database = filled({ a: '1' })
  t.is(zkdb(['put', database, 'b', '2', '-o', 'Durability=none', '-o', 'CheckPoints=No']).exit, 0)
  t.is(zkdb(['get', database, 'b', '-o', 'SyncInterval=50']).stdout, '2')
  const bad = zkdb(['put', database, 'b', '2', '-o', 'Durability=perhaps'])
  t.is(bad.exit, 3)
  t.regex(bad.stderr, /Durability = perhaps/)
  t.is(zkdb(['put', database, 'b', '3', '-o', 'ReadOnly=Yes']).exit, 6)
})

test('output that is no terminal has no colours', (t) => {
  const database = filled({ a: '1' })
  for (const args of [
    ['check', database],
    ['stat', database],
    ['get', database]
  ]) {
    const { stdout, stderr } = zkdb(args)
    t.false(stdout.includes('\u001b') || stderr.includes('\u001b'))
  }
})

const testOnLinux = existsSync('/dev/full') ? test : test.skip

testOnLinux('output that cannot be written is an error and ends with 6', (t) => {
  const database = filled({ a: '1' })
  const { exit, stderr } = zkdbInto('/dev/full', ['scan', database])
  t.is(exit, 6)
  t.regex(stderr, /^zkdb: ZKDB_IO: ENOSPC/)
})
