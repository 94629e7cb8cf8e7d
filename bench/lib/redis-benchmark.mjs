/** Runs redis-benchmark and reads its report. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const percentiles = { p50Us: 50, p99Us: 99, p999Us: 99.9 }

/** The latency below which at least `percent` of the requests were, from the lines of the distribution. */
function latencyOf(text, percent) {
  for (const [, share, milliseconds] of text.matchAll(/([\d.]+)% <= ([\d.]+) milliseconds/g)) {
    if (Number(share) >= percent) return Number(milliseconds) * 1000
  }
  return undefined
}

/**
 * Measures one command.
 *
 * @param {object} options - `port`, `command` ('get' or 'set'), `pipeline`, `requests`, `clients`, `keys` (how many
 *   there are), `size` (bytes of a value).
 * @returns as { perSecond, p50Us, p99Us, p999Us }; the latency is that of a whole pipeline.
 */
export async function redisBenchmark({ port, command, pipeline, requests, clients, keys, size }) {
  const numbers = { '-p': port, '-n': requests, '-c': clients, '-r': keys, '-d': size, '-P': pipeline }
  const args = Object.entries(numbers).flatMap(([name, value]) => [name, String(value)])
  const { stdout } = await run('redis-benchmark', ['-h', '127.0.0.1', ...args, '-t', command, '--precision', '3'])
  const perSecond = Number(/throughput summary: ([\d.]+) requests per second/.exec(stdout)?.[1])
  if (!(perSecond > 0)) throw new Error(`redis-benchmark printed no throughput: ${stdout.slice(-500)}`)
  const latencies = Object.entries(percentiles).map(([name, percent]) => [name, latencyOf(stdout, percent)])
  return { perSecond, ...Object.fromEntries(latencies) }
}
