/**
 * The supervisor of `zkdb serve --supervise`: runs the server as a child and starts it again, with growing pauses, when
 * it ends unexpectedly. After an urgent error (the database cannot be opened, closed or recovered) it does not.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { Exit } from './exit.js'
import type { Log } from './log.js'

const firstPauseMs = 100
const longestPauseMs = 10_000
/** A child that lived so long has not failed at once: pauses begin anew. */
const longLifeMs = 60_000
const killAfterMs = 15_000

/** Exit codes of a child that another start would give again. */
const urgentExits: ReadonlySet<number> = new Set([Exit.usage, Exit.config, Exit.locked, Exit.corrupt, Exit.io])

/** Set in a supervised child. */
export const supervisedVariable = 'ZKDB_SUPERVISED'

function startChild(): ChildProcess {
  const args = process.argv.slice(1).filter((argument) => argument !== '--supervise')
  const env = { ...process.env, [supervisedVariable]: '1' }
  return spawn(process.execPath, [...process.execArgv, ...args], { stdio: 'inherit', env })
}

function endOf(child: ChildProcess): Promise<{ exit: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve) => {
    child.once('error', () => resolve({ exit: Exit.io, signal: null }))
    child.once('exit', (exit, signal) => resolve({ exit, signal }))
  })
}

/** A pause that a stop cuts short. */
function pause(ms: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    stopped.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** Signals that end the supervisor end its child first. */
function forwardSignals(current: () => ChildProcess | undefined, deadlineMs: number): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      stop.abort()
      current()?.kill('SIGTERM')
      setTimeout(() => current()?.kill('SIGKILL'), deadlineMs + killAfterMs).unref()
    })
  }
  process.on('SIGHUP', () => current()?.kill('SIGHUP'))
  return stop.signal
}

/** Runs children until one ends as it should, or with an urgent error. Gives the exit code of the last. */
export async function supervise(log: Log, deadlineMs: number): Promise<number> {
  let child: ChildProcess | undefined
  const stopped = forwardSignals(() => child, deadlineMs)
  process.on('SIGHUP', () => log.reopen())
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    const startedAt = performance.now()
    child = startChild()
    const { exit, signal } = await endOf(child)
    child = undefined
    const code = exit ?? Exit.internal
    if (stopped.aborted || code === Exit.ok) return code
    if (urgentExits.has(code)) {
      log.write(0, 'not restarted', {
        exit: code,
        message: 'the child ended with an urgent error, which it has logged'
      })
      return code
    }
    if (performance.now() - startedAt > longLifeMs) pauseMs = firstPauseMs
    log.write(0, 'restart', { exit, signal, pauseMs })
    await pause(pauseMs, stopped)
    if (stopped.aborted) return Exit.ok
  }
}
