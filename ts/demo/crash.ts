/**
 * The crash: a child process writes numbered batches, each durable before it is acknowledged, until it is killed with
 * SIGKILL in the middle of its work.
 */
import { spawn } from 'node:child_process'
import { writeSync } from 'node:fs'
import { openSync } from '../index.js'

/** What a key of the crash looks like: a record in each of the three partitions per batch. */
const letters = ['C', 'M', 'W'] as const

const digits = 7
const standardOutput = 1
const delayMsMax = 30
const timeoutMs = 20_000

/** The argument that makes this program the writing child. */
export const writerArgument = '--crash-writer'

/** The three keys of batch `number`. */
export function crashKeys(number: number): string[] {
  return letters.map((letter) => `id:${letter}-crash/${String(number).padStart(digits, '0')}`)
}

/** The child: never returns. Writes batch after batch and acknowledges each by its number on standard output. */
export function runWriter(configuration: string): never {
  const db = openSync({ path: configuration, durability: 'commit' })
  for (let number = 1; ; number++) {
    db.batchSync(crashKeys(number).map((key) => ({ type: 'put', key, value: `batch ${number}` })))
    writeSync(standardOutput, `${number}\n`)
  }
}

/** How the child ended. */
export interface Crash {
  /** The last acknowledged batch. */
  acknowledged: number
  signal: string | null
  stderr: string
}

/**
 * Runs the child and kills it shortly after `target` acknowledgements.
 *
 * @param program - the file of this program.
 */
export function crash(program: string, configuration: string, target: number): Promise<Crash> {
  const child = spawn(process.execPath, [program, writerArgument, configuration], { stdio: ['ignore', 'pipe', 'pipe'] })
  let pending = ''
  let stderr = ''
  let acknowledged = 0
  let isDoomed = false
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  child.stdout.on('data', (chunk: Buffer) => {
    const lines = (pending + chunk.toString()).split('\n')
    pending = lines.pop() ?? ''
    acknowledged = Number(lines.at(-1) ?? acknowledged)
    if (acknowledged < target || isDoomed) return
    isDoomed = true
    setTimeout(() => child.kill('SIGKILL'), Math.random() * delayMsMax)
  })
  const timer = setTimeout(() => child.kill('SIGTERM'), timeoutMs)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (_, signal) => {
      clearTimeout(timer)
      resolve({ acknowledged, signal, stderr })
    })
  })
}
