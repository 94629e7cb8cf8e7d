/**
 * The relay for TLS: a thread that speaks TLS for the databases of this JavaScript environment whose configuration has
 * a `zkdbs://` address, while this thread may wait in a synchronous call.
 *
 * Invariants:
 *  1. There is none before a database needs it, and at most one that runs: the addon says when to start it.
 *  2. It does not keep Node running. It ends by itself when the last such database is closed, and with this thread.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { binding } from './binding.js'
import { ZkdbError } from './errors.js'
import { packageRoot } from './location.js'

function start(relay: number): void {
  // Of both module formats the one that needs no loader of this program.
  const file = join(packageRoot(), 'dist', 'cjs', 'relay', 'thread.js')
  const worker = new Worker(file, { workerData: { zkdbTlsRelay: relay }, execArgv: [] })
  worker.unref()
  // Who waits for it is told by the addon.
  worker.on('error', () => undefined)
  worker.on('exit', () => void binding.tlsRelayEnded(relay))
}

/**
 * Starts the relay when something that was just opened needs it.
 *
 * @throws ZKDB_IO when no thread can be started
 */
export function startTlsRelay(): void {
  const relay = binding.tlsRelayWanted()
  if (relay <= 0) return
  try {
    start(relay)
  } catch (cause) {
    binding.tlsRelayEnded(relay)
    const message = `The relay for TLS cannot be started: ${(cause as Error).message}`
    throw new ZkdbError('ZKDB_IO', message, { urgency: 'urgent', cause })
  }
}

/** As {@link startTlsRelay}, for the handle of a database, which is closed when there can be no relay. */
export function withTlsRelay(id: number): number {
  try {
    startTlsRelay()
    return id
  } catch (error) {
    binding.closeSync(id)
    throw error
  }
}
