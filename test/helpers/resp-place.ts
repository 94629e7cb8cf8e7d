/**
 * A database over servers of this thread: what they answer, and when, is up to the test. Only calls that leave this
 * thread free can be answered.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type Database, open } from 'zkdb'
import { type Handler, RespServer } from './resp-server.js'
import { RespStore } from './resp-store.js'
import { newFolder } from './shapes.js'

/** A server of one partition. Its `handler` can be replaced. */
export class StoreServer {
  readonly store = new RespStore()
  readonly server: RespServer
  handler: Handler = this.store.handler
  /** Answers that were held back: each is the connection and the bytes. */
  readonly #held: (() => void)[] = []
  #isHolding = false

  constructor() {
    const handler: Handler = (command, peer) => {
      const answer = this.handler(command, peer)
      if (!this.#isHolding || answer === undefined) return answer
      this.#held.push(() => peer.socket.write(answer))
      return undefined
    }
    this.server = new RespServer(handler, { encoding: 'latin1' })
  }

  /** Commands whose answers are held back. */
  get heldCount(): number {
    return this.#held.length
  }

  /** Holds answers back. */
  hold(): void {
    this.#isHolding = true
  }

  /** Gives what was held back, and answers from now on. */
  release(): void {
    this.#isHolding = false
    for (const give of this.#held.splice(0)) give()
  }

  /** Writes records behind the back of the database. */
  fill(records: Record<string, string>): void {
    for (const [key, value] of Object.entries(records)) {
      this.store.handler(['SET', key, Buffer.from(value).toString('latin1')], undefined as never)
    }
  }

  /** The commands of this name that came. */
  commands(name: string): string[][] {
    return this.server.commands.filter(([first]) => first === name)
  }
}

/** A database: keys up to `f` are local, those up to `p` are on the first server, the others on the second one. */
export interface RespPlace {
  location: string
  low: StoreServer
  high: StoreServer
}

/** Starts the servers and writes the configuration; `keys` are further lines of the remote partitions. */
export async function startPlace(t: ExecutionContext, keys: readonly string[] = []): Promise<RespPlace> {
  const [low, high] = [new StoreServer(), new StoreServer()]
  for (const { server } of [low, high]) {
    await server.listen()
    t.teardown(() => server.close())
  }
  // Time limits that a machine with other work to do keeps too.
  const patience = keys.length > 0 ? keys : ['ReplyTimeout = 120000', 'ConnectTimeout = 120000']
  const location = join(newFolder(), 'mixed.conf')
  const remote = ({ server }: StoreServer): string[] => ['IsRemote = Yes', `AddressPath = ${server.url}`, ...patience]
  const lines = [
    ...['[main]', 'Partitions = local; low; high', 'Durability = none', 'LogFileSize = 256K'],
    ...['[local]', 'MaxLimit = f'],
    ...['[low]', 'MinLimit = g', 'MaxLimit = p', ...remote(low)],
    ...['[high]', 'MinLimit = q', ...remote(high)]
  ]
  writeFileSync(location, `${lines.join('\n')}\n`)
  return { location, low, high }
}

/** As {@link startPlace}, with the database, which is open and has a local record `a`. */
export async function openPlace(
  t: ExecutionContext,
  keys: readonly string[] = []
): Promise<RespPlace & { db: Database }> {
  const place = await startPlace(t, keys)
  const db = await open(place.location)
  t.teardown(() => {
    for (const server of [place.low, place.high]) server.release()
    return db.close()
  })
  db.putSync('a', 'local')
  return { ...place, db }
}
