/**
 * The cluster of a server: which servers hold which hash slots, from options or from `[server]` of a configuration, and
 * in the form that the addon reads.
 */
import { createHash } from 'node:crypto'
import { ZkdbError } from '../errors.js'
import { formatAddress, type ListenAddress } from './address.js'

/** The options of a cluster; those of `serve` have the same names. */
export interface ClusterOptions {
  cluster?: boolean | undefined
  clusterNodes?: string | undefined
  clusterAddress?: string | undefined
}

interface Node {
  host: string
  port: string
  address: string
  slots: string[]
}

function refuse(what: string): ZkdbError {
  return new ZkdbError('ZKDB_CONFIG', what, { urgency: 'urgent' })
}

function readNode(text: string): Node {
  const [address = '', ...slots] = text.split(/\s+/)
  const [, v6, name, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address) ?? []
  const host = v6 ?? name
  if (host === undefined || port === undefined || slots.length === 0 || !slots.every((s) => /^\d+(-\d+)?$/.test(s))) {
    throw refuse(`ClusterNodes: "${text}" is no node; write host:port and its slots: 10.0.0.1:6379 0-5460`)
  }
  return { host, port, address, slots }
}

/** The name of a node: what every server of the cluster makes of its address. */
export function clusterNodeId(address: string): string {
  return createHash('sha256').update(address.toLowerCase()).digest('hex').slice(0, 40)
}

/**
 * The setting of the addon for a cluster, as name and value; nothing without one.
 *
 * @param listen - where the server listens: its address in the cluster is the first of TCP, unless `clusterAddress`
 *   says how clients reach it.
 * @throws ZKDB_CONFIG when the nodes cannot be read, or this server is none of them; the addon refuses slots without a
 *   node or with two
 */
export function clusterSetting(options: ClusterOptions, listen: readonly ListenAddress[]): string[] {
  if (!options.cluster) return []
  if (!options.clusterNodes) {
    throw refuse('Cluster = Yes: ClusterNodes is missing: the nodes and their slots, 10.0.0.1:6379 0-8191; ...')
  }
  const texts = options.clusterNodes.split(/[;,]/).map((text) => text.trim())
  const nodes = texts.filter((text) => text !== '').map(readNode)
  const tcp = listen.find(({ path }) => path === '')
  const own = options.clusterAddress ?? (tcp ? formatAddress(tcp) : '')
  const isOwn = (node: Node) => node.address.toLowerCase() === own.toLowerCase()
  if (nodes.filter(isOwn).length !== 1) {
    throw refuse(
      `ClusterNodes: this server, ${own || 'which listens at no TCP address'}, does not stand there once; give ` +
        'ClusterAddress, the address of this server among the nodes'
    )
  }
  const ordered = [...nodes.filter(isOwn), ...nodes.filter((node) => !isOwn(node))]
  const line = ({ address, host, port, slots }: Node) =>
    `${clusterNodeId(address)} ${host} ${port} ${slots.join(' ')}\n`
  return ['cluster', ordered.map(line).join('')]
}
