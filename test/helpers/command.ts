/**
 * Running the built command line and demonstration as a user does: as a program of their own.
 */
import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'

const program = join(process.cwd(), 'dist', 'esm', 'cli', 'main.js')
const outputMax = 64 * 1024 * 1024

/** What a run of the command line gave. */
export interface Run {
  exit: number | null
  stdout: string
  stderr: string
  /** Standard output as bytes. */
  bytes: Buffer
}

/** Runs `zkdb` with these arguments; `input` is its standard input. */
export function zkdb(args: string[], input: string | Buffer = '', env: NodeJS.ProcessEnv = {}): Run {
  const done: SpawnSyncReturns<Buffer> = spawnSync(process.execPath, [program, ...args], {
    input,
    env: { ...process.env, ...env },
    maxBuffer: outputMax
  })
  return {
    exit: done.status,
    stdout: done.stdout.toString(),
    stderr: done.stderr.toString(),
    bytes: done.stdout
  }
}

/** Runs `zkdb` with a file as its standard output. */
export function zkdbInto(file: string, args: string[]): Run {
  const descriptor = openSync(file, 'w')
  const done = spawnSync(process.execPath, [program, ...args], { stdio: ['ignore', descriptor, 'pipe'] })
  closeSync(descriptor)
  return { exit: done.status, stdout: '', stderr: done.stderr.toString(), bytes: Buffer.alloc(0) }
}

/** Starts `zkdb` with pipes. */
export function startZkdb(args: string[]): ChildProcess {
  return spawn(process.execPath, [program, ...args], { stdio: 'pipe' })
}

/** Waits for the end: an exit code or a signal. */
export function endOf(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal)))
}
