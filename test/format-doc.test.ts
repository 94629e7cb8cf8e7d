/**
 * docs/format.md against the code: its tables of constants and fields are those of the headers, and the bytes of its
 * worked example carry the checksums that the document says they do.
 */
import { readFileSync } from 'node:fs'
import test from 'ava'

const doc = readFileSync('docs/format.md', 'utf8')
const headers = [
  'native/core/format/layout.h',
  'native/core/wal/log_format.h',
  'native/core/txn/batch.h',
  'native/include/zkdb.h'
].map((path) => readFileSync(path, 'utf8'))

/** The value of a constant as a header writes it: a number, shifted, less another one. */
function numberOf(expression: string): number | undefined {
  const plain = expression.replaceAll(/uint64_t\{(\d+)\}/g, '$1').replaceAll(/\b(0x[0-9A-Fa-f]+|\d+)[uUlL]+/g, '$1')
  const match = /^\(?(0x[0-9A-Fa-f]+|\d+)(?: << (\d+))?\)?(?: - (\d+))?$/.exec(plain.trim())
  if (!match) return undefined
  return Number(match[1]) * 2 ** Number(match[2] ?? 0) - Number(match[3] ?? 0)
}

/** Every constant of the headers whose value is a number. */
function constants(): Map<string, number | undefined> {
  const found = new Map<string, number | undefined>()
  for (const text of headers) {
    for (const match of text.matchAll(/^inline constexpr \w+ (k\w+) = ([^;]+);/gm)) {
      found.set(match[1] ?? '', numberOf(match[2] ?? ''))
    }
    for (const match of text.matchAll(/^#define (ZKDB_\w+) (\w+)/gm))
      found.set(match[1] ?? '', numberOf(match[2] ?? ''))
  }
  return found
}

test('the constants of the document have the values of the code', (t) => {
  const code = constants()
  const rows = [...doc.matchAll(/^\| `((?:k|ZKDB_MAX|ZKDB_OP)\w+)` \| (\w+) \|/gm)]
  t.true(rows.length >= 29)
  for (const row of rows) t.is(code.get(row[1] ?? ''), Number(row[2]), row[1])
})

/** `offset size` of each row of a comment's table: the lines from `offset size meaning` to the first that is no row. */
function fieldsOfComment(text: string, title: string): string[] {
  const lines = text.slice(text.indexOf(title)).split('\n')
  const begin = lines.findIndex((line) => /^(\/\/| \*)\s+offset\s+size\s+meaning/.test(line))
  const fields: string[] = []
  for (const line of lines.slice(begin + 1)) {
    if (!/^(\/\/| \*)\s+\S/.test(line)) break
    const row = /^(?:\/\/| \*)\s{1,9}(\S{1,4})\s+(\S{1,5})\s{2,}\S/.exec(line)
    if (row) fields.push(`${row[1]} ${row[2]}`)
  }
  return fields
}

/** The same of the first table after `place` in the document. */
function fieldsOfDocument(place: number): string[] {
  const table = doc.slice(doc.indexOf('|---|', place)).split('\n').slice(1)
  const end = table.findIndex((line) => !line.startsWith('|'))
  return table.slice(0, end).map((line) => {
    const [, offset, size] = line.split('|')
    return `${offset?.trim()} ${size?.trim()}`
  })
}

test('the fields of the document have the places of the code', (t) => {
  const marks = [...doc.matchAll(/^<!-- fields: (\S+)#(.+) -->$/gm)]
  t.is(marks.length, 7)
  for (const mark of marks) {
    const text = readFileSync(mark[1] ?? '', 'utf8')
    t.true(text.includes(mark[2] ?? ''), mark[2])
    const fields = fieldsOfComment(text, mark[2] ?? '')
    t.true(fields.length >= 3, mark[2])
    t.deepEqual(fieldsOfDocument(mark.index), fields, mark[2])
  }
})

/** The bytes of the dump after `<!-- bytes: name -->`, with what a `*` line stands for. */
function dump(name: string): Buffer {
  const begin = doc.indexOf(`<!-- bytes: ${name} -->`)
  const text = doc.slice(doc.indexOf('```\n', begin) + 4)
  const lines = text.slice(0, text.indexOf('```')).trimEnd().split('\n')
  const first = Number.parseInt(lines[0] ?? '', 16)
  const last = Number.parseInt(lines.at(-1) ?? '', 16)
  const bytes = Buffer.alloc(last + 16 - first)
  for (const line of lines.filter((each) => each !== '*')) {
    const hex = line.slice(10, 49).replaceAll(' ', '')
    bytes.write(hex, Number.parseInt(line, 16) - first, 'hex')
  }
  return bytes
}

/** CRC-32C of `bytes`, continued from `seed`. */
function crc32c(seed: number, bytes: Buffer): number {
  let crc = ~seed
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

/** A block with a checksum field at 12 that counts as zero. */
function crcWithout12(block: Buffer): number {
  const copy = Buffer.from(block)
  copy.writeUInt32LE(0, 12)
  return crc32c(0, copy)
}

test('the bytes of the example carry right checksums', (t) => {
  const header = dump('log header')
  t.is(header.length, 8192)
  t.is(header.readUInt32LE(12), crcWithout12(header))
  const meta = dump('meta')
  t.is(meta.length, 4096)
  t.is(meta.readUInt32LE(12), crcWithout12(meta))
  const leaf = dump('leaf')
  t.is(leaf.length, 4096)
  t.is(leaf.readUInt32LE(0), crc32c(0, leaf.subarray(4)))
  const record = dump('log record')
  const seed = crc32c(0, Buffer.concat([header.subarray(56, 60), header.subarray(32, 40)]))
  t.is(record.readUInt32LE(0), crc32c(seed, record.subarray(4, 32 + record.readUInt32LE(4))))
})

test('the leaf of the example holds the records that the document names', (t) => {
  const leaf = dump('leaf')
  const records: Record<string, string> = {}
  for (let i = 0; i < leaf.readUInt16LE(16); i++) {
    const slot = 24 + i * 8
    const cell = leaf.readUInt16LE(slot + 4)
    const tail = cell + 2
    const value = tail + (leaf.readUInt16LE(slot + 6) & 0x1fff) - 4
    const head = Buffer.from(leaf.subarray(slot, slot + 4)).reverse()
    const key = head.toString() + leaf.toString('utf8', tail, value)
    records[key] = leaf.toString('utf8', value, value + leaf.readUInt16LE(cell))
  }
  t.deepEqual(records, { 'city:oslo': 'Norway', 'city:riga': 'Latvia', 'city:rome': 'Italy' })
})
