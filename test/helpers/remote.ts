/**
 * What the tests of the remote client share: a server that echoes, and a client of it.
 */
import { connect, type RemoteClient, type RemoteOptions, type ZkdbError } from 'zkdb/remote'
import { bulk, type Handler, RespServer } from './resp-server.js'

/** GET gives the key back, SET is fine, `hang` is never answered. */
export const echo: Handler = ([name, key = '']) => {
  if (key.startsWith('hang')) return undefined
  if (name === 'GET' || name === 'ECHO') return bulk(key)
  return name === 'PING' ? '+PONG\r\n' : '+OK\r\n'
}

/** A server, a client of it, and what ends both. */
export interface World {
  server: RespServer
  client: RemoteClient
  stop(): Promise<void>
}

/** Starts a server and connects to it. */
export async function start(handler: Handler = echo, options: RemoteOptions = {}): Promise<World> {
  const server = await new RespServer(handler).listen()
  // Time limits that a machine with other work to do keeps too.
  const patience = { timeout: 120_000, connectTimeout: 120_000, pingInterval: 120_000 }
  const reconnect = { minDelay: 1, maxDelay: 5 }
  const client = await connect({ url: server.url, reconnect, ...patience, ...options })
  const stop = async (): Promise<void> => {
    await client.close()
    await server.close()
  }
  return { server, client, stop }
}

/** The result of a call as text, or the code of its error. */
export const outcome = (promise: Promise<unknown>): Promise<string> =>
  promise.then(String, (error: ZkdbError) => error.code ?? error.name)
/** The end of this turn of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
