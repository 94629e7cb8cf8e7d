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
  /** Whether TLS is spoken there. Not given: no. */
  isTls?: boolean
}

/** What guards an address. */
export interface Guards {
  isTls: boolean
  needsLogin: boolean
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

const advice = 'or listen at a loopback address (127.0.0.1) or a Unix socket'

function bad(text: string, isTls: boolean): ZkdbError {
  const forms = `host:port, [v6 address]:port${isTls ? ' or :port' : ', :port, or the absolute path of a Unix socket'}`
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

/** Why an address that other machines can reach may not be listened at, or undefined. */
function problemOf({ isTls, needsLogin }: Guards): string | undefined {
  if (isTls && needsLogin) return undefined
  if (isTls) return `anybody there could read and write everything: set AccessFile (zkdb user makes it), ${advice}`
  const keys = 'TlsAddressPath with TlsCertificate, TlsKey and AccessFile'
  return `passwords and records would pass in clear: set ${keys} instead, ${advice}`
}

/**
 * Reads an address. `:port` is that port of the loopback address.
 *
 * @throws ZKDB_CONFIG for one that is none, and for one that other machines can reach without TLS and a login
 */
export async function parseAddress(text: string, guards: Guards): Promise<ListenAddress> {
  const { isTls } = guards
  const path = text.startsWith('unix:') ? text.slice('unix:'.length) : text
  if (path.startsWith('/') && !isTls) return { host: '', port: 0, path }
  const [, v6, name, digits] = /^(?:\[([^\]]+)\]|([^:\s]*)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65535) throw bad(text, isTls)
  const address: ListenAddress = { host: await numeric(v6 ?? (name || '127.0.0.1'), text), port, path: '' }
  if (isTls) address.isTls = true
  const problem = isLocal(address) ? undefined : problemOf(guards)
  if (problem === undefined) return address
  throw new ZkdbError('ZKDB_CONFIG', `${text}: other machines can reach this address, and ${problem}`)
}

/** An address as it is printed; one of TLS as the URL that clients of zkdb take. */
export function formatAddress({ host, port, path, isTls }: ListenAddress): string {
  if (path !== '') return path
  return `${isTls ? 'zkdbs://' : ''}${host.includes(':') ? `[${host}]` : host}:${port}`
}
