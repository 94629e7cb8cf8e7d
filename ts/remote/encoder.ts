/**
 * From commands to bytes. A command is written once, when it is called, into a block that many commands share, and
 * stays there until its reply has come: so it can be sent again without keeping its arguments, which are the caller's.
 *
 * Invariants:
 *  1. Bytes of a block never change while a command in it is unanswered or a write of it to the socket is under way.
 *  2. A command lies in one block, in a piece. A command that throws while it is written leaves nothing.
 *  3. Blocks in use hold unanswered commands, except for the one that is filled: memory is that of the commands,
 *     rounded up to blocks.
 */
import { ZkdbError } from '../errors.js'
import { typeName, viewOf } from '../text.js'

/** What a command takes as an argument; a number is written in decimal. */
export type Argument = string | Uint8Array | number | bigint

/** Bytes. A larger command has a block of its own. */
const blockSize = 64 * 1024
/** Blocks that are kept for later. */
const keptBlocks = 4
/** Bytes around an argument: `$`, ten digits, two line ends. */
const argumentRoom = 16
/** Strings up to this length are copied by a loop; longer ones by Node's encoder. */
const loopLength = 48
/** Strings up to this length get room for the worst case; longer ones are measured first. */
const measureLength = 1024
/** Bytes of one argument and of one command: what a string of RESP can have here, and what Node's buffers can. */
const maxArgument = 1024 * 1024 * 1024
const maxCommand = 2 * 1024 * 1024 * 1024 - 16 * 1024 * 1024

interface FastBuffer extends Buffer {
  utf8Write?: (text: string, offset: number) => number
  latin1Write?: (text: string, offset: number) => number
}
const writeUtf8 =
  (Buffer.prototype as FastBuffer).utf8Write ??
  function (this: Buffer, text: string, offset: number) {
    return this.write(text, offset, 'utf8')
  }
const writeLatin1 =
  (Buffer.prototype as FastBuffer).latin1Write ??
  function (this: Buffer, text: string, offset: number) {
    return this.write(text, offset, 'latin1')
  }

/** A piece of memory with commands. */
export class Block {
  readonly buffer: Buffer
  /** Bytes that are written. */
  size = 0
  /** Commands in it that are unanswered, and writes of it that are under way. */
  users = 0

  constructor(size: number) {
    this.buffer = Buffer.allocUnsafeSlow(size)
  }
}

/** The beginning of a command: the number of its arguments and its name. */
export function commandHead(name: string, count: number): Buffer {
  return Buffer.from(`*${count}\r\n$${Buffer.byteLength(name)}\r\n${name}\r\n`)
}

function room(data: Argument): number {
  if (typeof data === 'string') {
    return argumentRoom + (data.length <= measureLength ? data.length * 3 : Buffer.byteLength(data))
  }
  if (typeof data === 'number' || typeof data === 'bigint') return argumentRoom + String(data).length
  const size = argumentRoom + viewOf(data, 'argument').byteLength
  if (size <= maxArgument + argumentRoom) return size
  throw tooLarge(`An argument of ${size - argumentRoom} bytes`, maxArgument)
}

function tooLarge(what: string, limit: number): ZkdbError {
  return new ZkdbError(
    'ZKDB_VALUE_TOO_LARGE',
    `${what} is more than the ${limit} bytes that one can have: split it over several keys or calls`
  )
}

/** Writes commands. After a call the command is `[start, end)` of `block`, which it uses until it is released. */
export class Encoder {
  block = new Block(blockSize)
  start = 0
  end = 0
  readonly #free: Block[] = []

  /** A command of a head and one argument. */
  one(head: Uint8Array, a: Argument): void {
    this.#begin(head, room(a))
    this.#argument(a)
    this.#finish()
  }

  /** A command of a head and two arguments. */
  two(head: Uint8Array, a: Argument, b: Argument): void {
    this.#begin(head, room(a) + room(b))
    this.#argument(a)
    this.#argument(b)
    this.#finish()
  }

  /** A command of any number of arguments, the first of which is its name. */
  all(args: readonly Argument[]): void {
    let size = 0
    for (const data of args) size += room(data)
    this.#begin(Buffer.from(`*${args.length}\r\n`), size)
    for (const data of args) this.#argument(data)
    this.#finish()
  }

  /** Ends a use of a block. */
  release(block: Block): void {
    if (--block.users > 0) return
    block.size = 0
    if (block === this.block || block.buffer.length !== blockSize || this.#free.length === keptBlocks) return
    this.#free.push(block)
  }

  #begin(head: Uint8Array, size: number): void {
    const needed = head.length + size
    if (needed > maxCommand) throw tooLarge(`A command of ${needed} bytes`, maxCommand)
    if (this.block.size + needed > this.block.buffer.length) this.#next(needed)
    const { block } = this
    const { buffer } = block
    const start = block.size
    for (let i = 0; i < head.length; i++) buffer[start + i] = head[i]!
    this.start = start
    this.end = start + head.length
  }

  /** Takes a block with room for `needed` bytes. */
  #next(needed: number): void {
    const full = this.block
    this.block = needed > blockSize ? new Block(needed) : (this.#free.pop() ?? new Block(blockSize))
    // A large block that is done with before it was left is nobody's now.
    if (full.users === 0 && full.buffer.length === blockSize && this.#free.length < keptBlocks) {
      full.size = 0
      this.#free.push(full)
    }
  }

  #finish(): void {
    this.block.size = this.end
    this.block.users++
  }

  #argument(data: Argument): void {
    if (typeof data === 'string') this.#text(data)
    else if (typeof data === 'number' || typeof data === 'bigint') this.#text(String(data))
    else this.#bytes(viewOf(data, 'argument'))
  }

  #bytes(data: Uint8Array): void {
    this.#length(data.byteLength)
    this.block.buffer.set(data, this.end)
    this.end += data.byteLength
    this.#lineEnd()
  }

  #text(text: string): void {
    const { length } = text
    if (length > loopLength) {
      this.#longText(text)
      return
    }
    const before = this.end
    this.#length(length)
    const { buffer } = this.block
    const at = this.end
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) {
        this.end = before
        this.#longText(text)
        return
      }
      buffer[at + i] = unit
    }
    this.end = at + length
    this.#lineEnd()
  }

  #longText(text: string): void {
    const size = Buffer.byteLength(text)
    this.#length(size)
    // As many bytes as units: all of them are ASCII.
    if (size === text.length) writeLatin1.call(this.block.buffer, text, this.end)
    else writeUtf8.call(this.block.buffer, text, this.end)
    this.end += size
    this.#lineEnd()
  }

  #length(size: number): void {
    const { buffer } = this.block
    let at = this.end
    buffer[at++] = 36
    if (size < 10) {
      buffer[at++] = 48 + size
    } else if (size < 100) {
      const tens = (size / 10) | 0
      buffer[at++] = 48 + tens
      buffer[at++] = 48 + size - tens * 10
    } else {
      at += buffer.write(String(size), at, 'latin1')
    }
    buffer[at] = 13
    buffer[at + 1] = 10
    this.end = at + 2
  }

  #lineEnd(): void {
    const { buffer } = this.block
    buffer[this.end] = 13
    buffer[this.end + 1] = 10
    this.end += 2
  }
}

/** What is wrong with an argument of a command, or undefined. */
export function argumentProblem(data: unknown): string | undefined {
  const type = typeof data
  if (type === 'string' || type === 'bigint' || ArrayBuffer.isView(data)) return undefined
  if (type === 'number') return Number.isFinite(data) ? undefined : `the number ${String(data)}`
  return typeName(data)
}
