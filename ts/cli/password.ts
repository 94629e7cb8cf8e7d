/**
 * Reading a password: from a terminal without showing it, twice, or the one line of standard input.
 */
import { Exit, inputError } from './exit.js'

const end = 0x0d
const newline = 0x0a
const interrupt = 0x03
const endOfInput = 0x04
const backspaces = [0x08, 0x7f]

/** Takes the last character, which may have several bytes, away. */
function withoutLast(bytes: number[]): number[] {
  let length = bytes.length - 1
  while (length > 0 && ((bytes[length] ?? 0) & 0xc0) === 0x80) length--
  return bytes.slice(0, Math.max(0, length))
}

/** Asks on a terminal; what is typed is not shown. */
function ask(prompt: string): Promise<Buffer> {
  const input = process.stdin
  process.stderr.write(prompt)
  input.setRawMode(true)
  input.resume()
  return new Promise((resolve) => {
    let typed: number[] = []
    const stop = (): void => {
      input.off('data', take)
      input.setRawMode(false)
      input.pause()
      process.stderr.write('\n')
    }
    const take = (data: Buffer): void => {
      for (const byte of data) {
        if (byte === interrupt) {
          stop()
          process.exit(Exit.interrupted)
        }
        if (byte === end || byte === newline || byte === endOfInput) {
          stop()
          resolve(Buffer.from(typed))
          return
        }
        typed = backspaces.includes(byte) ? withoutLast(typed) : [...typed, byte]
      }
    }
    input.on('data', take)
  })
}

/** The one line of standard input. */
async function readLine(): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of process.stdin) parts.push(part as Buffer)
  const text = Buffer.concat(parts)
  const lineEnd = text.indexOf(newline)
  if (lineEnd >= 0 && lineEnd < text.length - 1) throw inputError('standard input has more than one line: the password')
  const line = lineEnd < 0 ? text : text.subarray(0, lineEnd)
  return line.at(-1) === end ? line.subarray(0, -1) : line
}

/** Reads a new password. @throws ZkdbError `ZKDB_BAD_INPUT` when the two that were typed differ */
export async function readPassword(): Promise<Buffer> {
  if (!process.stdin.isTTY) return readLine()
  const first = await ask('New password: ')
  const second = await ask('Once more: ')
  if (first.equals(second)) return first
  throw inputError('the two passwords differ')
}
