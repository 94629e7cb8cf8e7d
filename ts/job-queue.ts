/**
 * Jobs on the thread pool of libuv that may wait for a server: of those of one database some run at a time, in the
 * order of the calls. The pool is that of the whole process, for files and names of hosts too.
 */

/** What libuv takes when nobody says how many threads the pool has, and what it takes at most. */
const usualThreads = 4
const mostThreads = 1024

function threadsOfPool(): number {
  const threads = Number.parseInt(process.env.UV_THREADPOOL_SIZE ?? '', 10)
  return threads >= 1 ? Math.min(threads, mostThreads) : usualThreads
}

/** Jobs of which at most so many run. */
export class JobQueue {
  readonly #most: number
  #running = 0
  readonly #waiting: (() => void)[] = []

  /** @param share - of the threads of the pool; one job may run in any case. */
  constructor(share: number) {
    this.#most = Math.max(1, Math.floor(threadsOfPool() * share))
  }

  /** Starts a job when it is its turn; the promise is that of the job. */
  async run<Result>(start: () => Promise<Result>): Promise<Result> {
    if (this.#running < this.#most) this.#running++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await start()
    } finally {
      const next = this.#waiting.shift()
      // A job that waits takes over the place of this one.
      if (next === undefined) this.#running--
      else next()
    }
  }
}
