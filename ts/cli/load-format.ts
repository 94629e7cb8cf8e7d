/**
 * The formats that `zkdb load` reads, as a stream of records with their line numbers.
 */
import { parse } from 'csv-parse'
import { bytesOf, type TextEncoding } from './encoding.js'
import { inputError } from './exit.js'

/** The formats of `--format`. */
export const formats = ['jsonl', 'csv', 'tsv', 'lines'] as const

/** How a file is written. */
export type LoadFormat = (typeof formats)[number]

/** How records are taken out of the file. */
export interface LoadShape {
  format: LoadFormat
  /** Member or column of the key. */
  keyField: string
  /** Member or column of the value; `*`: the whole row as JSON. */
  valueField: string
  /** The value of every record, for lines. */
  constant: string
  keyEncoding: TextEncoding
  valueEncoding: TextEncoding
}

/** A record, or what is wrong with a line. */
export interface LoadedRecord {
  /** From 1. */
  line: number
  key: Buffer
  value: Buffer
}

/** A line that is no record. */
export interface BadLine {
  line: number
  problem: string
}

/** What the reader gives for each line. */
export type LoadedLine = LoadedRecord | BadLine

const lineSizeMax = 256 * 1024 * 1024
const lineFeed = 0x0a
const carriageReturn = 0x0d
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

/** The format that the ending of a file's name says. */
export function guessFormat(file: string): LoadFormat | undefined {
  const ending = /\.([a-z]+)$/i.exec(file)?.[1]?.toLowerCase()
  if (ending === 'jsonl' || ending === 'ndjson') return 'jsonl'
  if (ending === 'csv' || ending === 'tsv') return ending
  if (ending === 'tab') return 'tsv'
  return ending === 'txt' || ending === 'lst' ? 'lines' : undefined
}

function withoutEnd(line: Buffer): Buffer {
  return line.at(-1) === carriageReturn ? line.subarray(0, -1) : line
}

/** Splits bytes into lines; the end of a line is LF or CR LF. */
async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pending: Buffer[] = []
  let pendingSize = 0
  let isFirst = true
  const take = (tail: Buffer): Buffer => {
    const line = withoutEnd(pending.length > 0 ? Buffer.concat([...pending, tail]) : tail)
    pending = []
    pendingSize = 0
    const hasMark = isFirst && line.subarray(0, 3).equals(byteOrderMark)
    isFirst = false
    return hasMark ? line.subarray(3) : line
  }
  for await (const chunk of input) {
    let start = 0
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      yield take(chunk.subarray(start, end))
      start = end + 1
    }
    pending.push(chunk.subarray(start))
    pendingSize += chunk.length - start
    if (pendingSize > lineSizeMax) throw inputError(`A line is longer than ${lineSizeMax} bytes`)
  }
  if (pendingSize > 0) yield take(Buffer.alloc(0))
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

type Row = Record<string, unknown>

/** The key and value of a row, or what is wrong with it. */
function recordOf(row: Row, shape: LoadShape, line: number): LoadedLine {
  const key = memberBytes(row, shape.keyField, shape.keyEncoding, 'key')
  if (typeof key === 'string') return { line, problem: key }
  const value =
    shape.valueField === '*'
      ? Buffer.from(JSON.stringify(row))
      : memberBytes(row, shape.valueField, shape.valueEncoding, 'value')
  return typeof value === 'string' ? { line, problem: value } : { line, key, value }
}

function memberBytes(row: Row, name: string, encoding: TextEncoding, what: 'key' | 'value'): Buffer | string {
  const packed = row[`${name}Base64`]
  const member = Object.hasOwn(row, name) ? row[name] : undefined
  try {
    if (member === undefined && typeof packed === 'string') return bytesOf(packed, 'base64', what)
    if (member === undefined) return missing(row, name, what)
    const isScalar = typeof member === 'string' || typeof member === 'number'
    if (what === 'key' && !isScalar) return `the key ${JSON.stringify(name)} is neither a text nor a number`
    return bytesOf(asText(member), encoding, what)
  } catch (error) {
    return (error as Error).message
  }
}

function missing(row: Row, name: string, what: string): string {
  const names = Object.keys(row).slice(0, 12).join(', ')
  const star = what === 'value' ? `; --value-column '*' takes the whole row as JSON` : ''
  const found = `there is no ${JSON.stringify(name)} for the ${what} (there is: ${names})`
  return `${found}; --${what}-column names another${star}`
}

async function* readLines(input: AsyncIterable<Buffer>, shape: LoadShape): AsyncGenerator<LoadedLine> {
  const value = bytesOf(shape.constant, shape.valueEncoding, 'value')
  let line = 0
  for await (const text of linesOf(input)) {
    line++
    if (shape.keyEncoding === 'utf8') {
      yield { line, key: Buffer.from(text), value }
      continue
    }
    yield recordOf({ [shape.keyField]: text.toString() }, { ...shape, valueField: shape.keyField }, line)
  }
}

async function* readJson(input: AsyncIterable<Buffer>, shape: LoadShape): AsyncGenerator<LoadedLine> {
  let line = 0
  for await (const bytes of linesOf(input)) {
    line++
    const text = bytes.toString()
    if (text.trim() === '') continue
    let row: unknown
    try {
      row = JSON.parse(text)
    } catch (error) {
      yield { line, problem: `not JSON: ${(error as Error).message}` }
      continue
    }
    if (typeof row === 'object' && row !== null && !Array.isArray(row)) yield recordOf(row as Row, shape, line)
    else yield { line, problem: 'not a JSON object' }
  }
}

interface CsvRow {
  record: Row
  info: { lines: number }
}

interface CsvError {
  message: string
  lines?: number
}

async function* readSeparated(input: AsyncIterable<Buffer>, shape: LoadShape): AsyncGenerator<LoadedLine> {
  const bad: BadLine[] = []
  const isTsv = shape.format === 'tsv'
  const parser = parse({
    bom: true,
    columns: true,
    delimiter: isTsv ? '\t' : ',',
    info: true,
    quote: isTsv ? null : '"',
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error) => {
      const { message, lines } = error as unknown as CsvError
      bad.push({ line: lines ?? parser.info.lines, problem: message })
    }
  })
  const feeding = feed(input, parser)
  for await (const { record, info } of parser as AsyncIterable<CsvRow>) {
    while (bad.length > 0) yield bad.shift()!
    yield recordOf(record, shape, info.lines)
  }
  yield* bad
  await feeding
}

async function feed(input: AsyncIterable<Buffer>, parser: ReturnType<typeof parse>): Promise<void> {
  try {
    for await (const chunk of input) {
      if (parser.destroyed) return
      if (!parser.write(chunk)) await new Promise((resolve) => parser.once('drain', resolve).once('close', resolve))
    }
    parser.end()
  } catch (error) {
    parser.destroy(error as Error)
  }
}

/** Reads records. A line that is none comes as {@link BadLine}. */
export function readRecords(input: AsyncIterable<Buffer>, shape: LoadShape): AsyncGenerator<LoadedLine> {
  if (shape.format === 'jsonl') return readJson(input, shape)
  return shape.format === 'lines' ? readLines(input, shape) : readSeparated(input, shape)
}
