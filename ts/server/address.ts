/**
 * Where a server listens: addresses as people write them, and which of them only this machine can reach.
 */
import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { ZkdbError } from '../errors.js'

/** A place to listen at: a TCP address, or the path of a Unix socket. */
export interface ListenAddress {
  /** A numeric address; empty for a Unix socket. */
  host: string
  /** 0: any free one. */
  port: number
  /** Of a Unix socket; empty for TCP. */
  path: string
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

function bad(text: string): ZkdbError {
  const forms = 'host:port, [v6 address]:port, :port, or the absolute path of a Unix socket'
  return new ZkdbError('ZKDB_CONFIG', `${text}: is not an address to listen at; write ${forms}`)
}

async function numeric(host: string, text: string): Promise<string> {
  if (isIP(host)) return host
  try {
    return (await lookup(host)).address
  } catch (error) {
    throw new ZkdbError('ZKDB_CONFIG', `${text}: the name ${host} has no address`, { cause: error })
  }
}

/** Whether only programs of this machine reach the address. */
export function isLocal({ host, path }: ListenAddress): boolean {
  return path !== '' || loopback.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
}

/**
 * Reads an address. `:port` is that port of the loopback address.
 *
 * @throws ZKDB_CONFIG for one that is none, and for one that other machines can reach
 */
export async function parseAddress(text: string): Promise<ListenAddress> {
  const path = text.startsWith('unix:') ? text.slice('unix:'.length) : text
  if (path.startsWith('/')) return { host: '', port: 0, path }
  const [, v6, name, digits] = /^(?:\[([^\]]+)\]|([^:\s]*)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65535) throw bad(text)
  const address = { host: await numeric(v6 ?? (name || '127.0.0.1'), text), port, path: '' }
  if (isLocal(address)) return address
  throw new ZkdbError(
    'ZKDB_CONFIG',
    `${text}: other machines can reach this address, and the server has no TLS yet to keep strangers out; ` +
      'listen at a loopback address (127.0.0.1) or a Unix socket, and let a tunnel bring the others in'
  )
}

/** An address as it is printed. */
export function formatAddress({ host, port, path }: ListenAddress): string {
  if (path !== '') return path
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
