/**
 * Servers in a thread of their own, which goes on while a test is in a synchronous call. This file is the thread, too.
 */
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { OpenOptions } from 'zkdb'
import { type ServeOptions, type Server, serve } from 'zkdb/server'

type Place = OpenOptions<unknown, unknown>

interface Request {
  id: number
  start?: { place: Place; options: ServeOptions }
}

interface Answer {
  id: number
  address?: string
  error?: string
}

/** A server in the thread. */
export interface ThreadServer {
  address(): string
  close(options?: object): Promise<void>
}

let worker: Worker | undefined
let count = 0
const waiting = new Map<number, (answer: Answer) => void>()

function ask(request: Request): Promise<Answer> {
  if (worker === undefined) {
    worker = new Worker(fileURLToPath(import.meta.url), { workerData: { zkdbServers: true } })
    worker.on('message', (answer: Answer) => waiting.get(answer.id)?.(answer))
  }
  // It keeps nobody waiting but those who wait for it.
  worker.ref()
  return new Promise((resolve, reject) => {
    waiting.set(request.id, (answer) => {
      waiting.delete(request.id)
      if (waiting.size === 0) worker!.unref()
      if (answer.error === undefined) resolve(answer)
      else reject(new Error(answer.error))
    })
    worker!.postMessage(request)
  })
}

/** As `serve`; the options have no functions. */
export async function serveInThread(place: Place, options: ServeOptions): Promise<ThreadServer> {
  const id = ++count
  const { address } = await ask({ id, start: { place, options } })
  return { address: () => address!, close: () => ask({ id }).then(() => undefined) }
}

const servers = new Map<number, Server>()

async function answer({ id, start }: Request): Promise<Answer> {
  if (start === undefined) {
    await servers.get(id)!.close({ deadlineMs: 0 })
    servers.delete(id)
    return { id }
  }
  const server = await serve(start.place, start.options)
  servers.set(id, server)
  return { id, address: server.address() }
}

if (!isMainThread && (workerData as { zkdbServers?: true } | null)?.zkdbServers) {
  parentPort!.on('message', (request: Request) => {
    answer(request)
      .catch((error: Error) => ({ id: request.id, error: `${error.name}: ${error.message}` }))
      .then((said) => parentPort!.postMessage(said))
  })
}
