/**
 * Standard output and the terminal. Output is binary-safe, waits for a slow reader, and a reader that went away (EPIPE)
 * ends it quietly.
 */
import picocolors from 'picocolors'

const flushSize = 64 * 1024

/** Collects what is written and hands it on in large pieces. */
export class Output {
  readonly #stream: NodeJS.WriteStream
  #parts: Buffer[] = []
  #size = 0
  #isClosed = false

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
    // The callback of each write gets the error too, and there it is handled.
    stream.on('error', () => undefined)
  }

  /** Whether the reader went away: nothing more needs to be written. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Whether it is a terminal. */
  get isTerminal(): boolean {
    return Boolean(this.#stream.isTTY)
  }

  /** Adds bytes or text. */
  write(data: Buffer | string): void {
    const part = typeof data === 'string' ? Buffer.from(data) : data
    this.#parts.push(part)
    this.#size += part.length
  }

  /** Adds a line. */
  line(text = ''): void {
    this.write(`${text}\n`)
  }

  /** Adds a JSON object as a line. */
  json(value: unknown): void {
    this.line(JSON.stringify(value))
  }

  /** Whether so much is waiting that `flush` is due. */
  get isFull(): boolean {
    return this.#size >= flushSize
  }

  /** Hands on what is waiting; resolves when it is written. @throws a system error, but for EPIPE */
  async flush(): Promise<void> {
    const data = Buffer.concat(this.#parts)
    this.#parts = []
    this.#size = 0
    if (data.length === 0 || this.#isClosed) return
    const error = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => {
      this.#stream.write(data, resolve)
    })
    if (!error) return
    this.#isClosed = true
    if (error.code !== 'EPIPE') throw error
  }
}

function wantsColour(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, TERM } = process.env
  return Boolean(stream.isTTY) && !NO_COLOR && TERM !== 'dumb'
}

/** Standard output. */
export const out = new Output(process.stdout)

/** Colours of standard output; plain text unless it is a terminal and NO_COLOR is not set. */
export const colour = picocolors.createColors(wantsColour(process.stdout))

/** Colours of standard error. */
export const errorColour = picocolors.createColors(wantsColour(process.stderr))

/** Writes a line to standard error. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`)
}
