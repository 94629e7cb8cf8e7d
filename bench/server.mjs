// The server of zkdb beside redis-server, with redis-benchmark as the client; the client of zkdb beside ioredis; idle
// connections; and a merged scan of several servers.
// `node bench/server.mjs --help` has the options.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Command } from 'commander'
import { idleConnections } from './lib/idle-connections.mjs'
import { describeMachine, describeVersions } from './lib/machine.mjs'
import { mergedScan } from './lib/merged-scan.mjs'
import { wholeNumber } from './lib/options.mjs'
import { redisBenchmark } from './lib/redis-benchmark.mjs'
import { serverReport } from './lib/server-report.mjs'
import { fill, startRedis, startZkdb, versionOf } from './lib/servers.mjs'
import { median } from './lib/stats.mjs'

const run = promisify(execFile)
const clientScript = fileURLToPath(new URL('lib/measure-client.mjs', import.meta.url))
const shape = { clients: 50, size: 100 }
/** Servers of the database that a merged scan reads. */
const scanServers = 4
/** Requests of one measurement, by pipeline; and where each of them waits for the disk. */
const requests = { 1: 200_000, 16: 2_000_000, 64: 4_000_000 }
const durableRequests = { 1: 20_000, 16: 200_000, 64: 800_000 }

const examples = `
Examples:
  node bench/server.mjs --rounds 1 --scale 10 --keys 10000
  node bench/server.mjs --results bench/results`

function program() {
  return new Command('bench:server')
    .description('Measures the server beside redis-server and the client beside ioredis, in turns.')
    .option('--keys <count>', 'keys in each server', wholeNumber, 1_000_000)
    .option('--rounds <count>', 'rounds; figures are their medians', wholeNumber, 5)
    .option('--scale <percent>', 'of the requests of a measurement', wholeNumber, 100)
    .option('--connections <count>', 'idle and slow connections', wholeNumber, 10_000)
    .option('--calls <count>', 'calls of a client measurement', wholeNumber, 200_000)
    .option('--dir <folder>', 'where the databases go; must be on the disk to be measured', tmpdir())
    .option('--json <file>', 'write the result there too')
    .option('--results <folder>', 'renew server.json and server.md there')
    .addHelpText('after', examples)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
}

/** The rows of redis-benchmark: which command, how, and on which pair of servers. */
function plan({ scale }) {
  const rows = []
  for (const isDurable of [false, true]) {
    const counts = isDurable ? durableRequests : requests
    for (const command of isDurable ? ['set'] : ['get', 'set']) {
      for (const [pipeline, count] of Object.entries(counts)) {
        const total = Math.max(shape.clients, Math.round((count * scale) / 100))
        rows.push({ command, pipeline: Number(pipeline), isDurable, requests: total, samples: { zkdb: [], redis: [] } })
      }
    }
  }
  return rows
}

function say(text) {
  process.stderr.write(`${text}\n`)
}

/** Measures the rows of one pair of servers in turns. */
async function race(servers, rows, { rounds, keys }) {
  for (const row of rows) {
    for (let round = 0; round < rounds; round++) {
      for (const server of round % 2 === 0 ? servers : [...servers].reverse()) {
        say(`round ${round + 1}: ${row.command} P${row.pipeline}${row.isDurable ? ' durable' : ''} ${server.name}`)
        row.samples[server.name].push(await redisBenchmark({ ...shape, ...row, keys, port: server.port }))
      }
    }
  }
}

/** ioredis and the client of zkdb on one server, in turns. */
async function raceClients(server, { rounds, keys, calls }) {
  const samples = { zkdb: [], ioredis: [] }
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? ['zkdb', 'ioredis'] : ['ioredis', 'zkdb']) {
      say(`round ${round + 1}: client ${name}`)
      const { stdout } = await run(process.execPath, [
        clientScript,
        name,
        String(server.port),
        String(keys),
        String(calls)
      ])
      samples[name].push({ perSecond: Number(stdout) })
    }
  }
  return samples
}

async function onPair(folder, isDurable, keys, work) {
  const servers = [await startZkdb(join(folder, 'zkdb'), isDurable), await startRedis(join(folder, 'redis'), isDurable)]
  try {
    for (const server of servers) {
      say(`${keys} keys into ${server.name}`)
      await fill(server.port, keys, shape.size)
    }
    return await work(servers)
  } finally {
    for (const server of servers) await server.stop()
  }
}

function goodClient(server, keys, scale) {
  const few = Math.max(shape.clients, Math.round((requests[1] * scale) / 200))
  return () => redisBenchmark({ ...shape, command: 'get', pipeline: 1, requests: few, keys, port: server.port })
}

async function measure(options, folder) {
  const rows = plan(options)
  const relaxed = await onPair(join(folder, 'relaxed'), false, options.keys, async (servers) => {
    await race(
      servers,
      rows.filter((row) => !row.isDurable),
      options
    )
    const clients = await raceClients(servers[0], options)
    say(`${options.connections} idle and slow connections`)
    const good = goodClient(servers[0], options.keys, options.scale)
    return { clients, idle: await idleConnections({ server: servers[0], count: options.connections, measure: good }) }
  })
  const durable = rows.filter((row) => row.isDurable)
  await onPair(join(folder, 'durable'), true, options.keys, (servers) => race(servers, durable, options))
  const place = { folder: join(folder, 'scan'), servers: scanServers, say }
  const scans = await mergedScan({ ...place, keys: options.keys, rounds: options.rounds })
  return { rows: rows.map(summarized), clients: medians(relaxed.clients), idle: relaxed.idle, scans }
}

/** The median of each figure of the samples of each name. */
function medians(samples) {
  return Object.fromEntries(
    Object.entries(samples).map(([name, list]) => {
      const figures = Object.keys(list[0]).map((key) => [key, median(list.map((sample) => sample[key]))])
      return [name, { ...Object.fromEntries(figures), samples: list }]
    })
  )
}

function summarized({ samples, ...row }) {
  const servers = medians(samples)
  return { ...row, servers, ratio: servers.zkdb.perSecond / servers.redis.perSecond }
}

async function main() {
  const options = program().parse().opts()
  if (!versionOf('redis-server') || !versionOf('redis-benchmark')) {
    throw new Error('redis-server and redis-benchmark are needed: on Debian, apt-get install redis-server redis-tools')
  }
  const folder = mkdtempSync(join(options.dir, 'zkdb-bench-server-'))
  try {
    const started = new Date().toISOString()
    const machine = describeMachine(folder)
    const versions = { ...describeVersions([{ package: 'zkdb' }]), redis: versionOf('redis-server') }
    const { keys, rounds, connections, calls } = options
    const figures = await measure(options, folder)
    const result = {
      started,
      machine,
      versions,
      configuration: { ...shape, keys, rounds, connections, calls, scanServers },
      ...figures
    }
    const report = serverReport(result)
    console.log(report)
    if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 1)}\n`)
    if (!options.results) return
    mkdirSync(options.results, { recursive: true })
    writeFileSync(join(options.results, 'server.json'), `${JSON.stringify(result, null, 1)}\n`)
    writeFileSync(join(options.results, 'server.md'), report)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 2
}
