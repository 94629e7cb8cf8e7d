/** The measurements of server and client as text. */
import { markdownTable } from 'markdown-table'
import { digits } from './format.mjs'

/** The least that the server has to reach, as times redis-server; of durable writes against `appendfsync always`. */
const targets = { get: { 1: 1, 16: 1.2, 64: 1.3 }, set: { 1: 1, 16: 1, 64: 1 }, durable: 5, client: 1.3, scan: 1e6 }

function verdict(ratio, target) {
  return `${digits(ratio)}x | ${target}x | ${ratio >= target ? 'met' : 'MISSED'}`.split(' | ')
}

function latency({ p50Us, p99Us, p999Us }) {
  return [p50Us, p99Us, p999Us].map((value) => (value === undefined ? '-' : digits(value))).join(' / ')
}

function serverTable(rows) {
  const head = ['', 'zkdb', 'redis', 'ratio', 'target', '', 'zkdb p50 / p99 / p99.9, us', 'redis']
  const body = rows.map(({ command, pipeline, isDurable, servers, ratio }) => {
    const target = isDurable ? targets.durable : targets[command][pipeline]
    const { zkdb, redis } = servers
    const title = `${command.toUpperCase()}, pipeline ${pipeline}${isDurable ? ', durable' : ''}`
    const speeds = [zkdb, redis].map((server) => `${digits(server.perSecond / 1000)}k/s`)
    return [title, ...speeds, ...verdict(ratio, target), latency(zkdb), latency(redis)]
  })
  return markdownTable([head, ...body], { align: ['l', ...head.slice(1).map(() => 'r')] })
}

function clientTable({ zkdb, ioredis }) {
  const speeds = [zkdb, ioredis].map((client) => `${digits(client.perSecond / 1000)}k/s`)
  const row = [
    'GET, 1,000 promises together',
    ...speeds,
    ...verdict(zkdb.perSecond / ioredis.perSecond, targets.client)
  ]
  return markdownTable([['', 'zkdb/remote', 'ioredis', 'ratio', 'target', ''], row])
}

function conditions({ machine, versions, configuration, started }) {
  const { clients, size, keys, rounds } = configuration
  return [
    `* ${clients} connections, values of ${size} bytes, ${keys.toLocaleString('en-US')} keys, ${rounds} rounds in`,
    '  turns, medians; redis-benchmark is the client, and its latency is that of a whole pipeline.',
    '* Not durable: zkdb with durability `none`, redis without persistence. Durable: `commit`, and',
    '  `appendfsync always`.',
    `* ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}; redis ${versions.redis},`,
    `  Node ${versions.node}, zkdb ${versions.zkdb} (${versions.revision}); ${started}`
  ].join('\n')
}

function idleText({ before, meanwhile, addedMiB }, count) {
  return [
    `${count.toLocaleString('en-US')} connections that are idle, or send a command a byte at a time, add`,
    `${digits(addedMiB)} MiB to the server. A good client's GET has p50 / p99 / p99.9 of ${latency(before)} us without`,
    `them and ${latency(meanwhile)} us with them.`
  ].join('\n')
}

const scanTitles = {
  packed: '`scanSync().chunks()`, packed',
  records: '`scanSync()`, a key and a value each',
  asynchronous: '`iterator().nextv(1000)`'
}

function scanTable(scans) {
  const body = Object.entries(scans).map(([way, { perSecond }]) => {
    const isMet = perSecond >= targets.scan
    return [scanTitles[way], `${digits(perSecond / 1000)}k/s`, `${targets.scan / 1000}k/s`, isMet ? 'met' : 'MISSED']
  })
  return markdownTable([['', 'records', 'target', ''], ...body], { align: ['l', 'r', 'r', 'l'] })
}

/** The report in markdown. */
export function serverReport(result) {
  const client = 'The client, against the same server of zkdb; ioredis with `enableAutoPipelining`:'
  const idle = idleText(result.idle, result.configuration.connections)
  const scan = `A database on ${result.configuration.scanServers} servers is read in the order of its keys:`
  const clients = [client, clientTable(result.clients)]
  const parts = [conditions(result), serverTable(result.rows), ...clients, idle, scan, scanTable(result.scans)]
  return `# Server and client\n\n${parts.join('\n\n')}\n`
}
