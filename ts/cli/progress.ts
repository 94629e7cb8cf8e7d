/**
 * The progress bar on standard error; nothing when that is not a terminal.
 */
import cliProgress from 'cli-progress'
import { formatCount } from './format.js'

const refreshesPerSecond = 10

/** A bar over `total` units, with a rate of what `items` counts. */
export class Progress {
  readonly #bar: cliProgress.SingleBar | undefined
  readonly #unit: string
  readonly #startedMs = performance.now()

  /**
   * @param label - what is going on, as "load".
   * @param unit - what is counted, as "records"; empty: no rate is shown.
   * @param total - of the units that `update` reports; 0: unknown, then only counts are shown.
   */
  constructor(label: string, unit: string, total: number) {
    this.#unit = unit
    if (!process.stderr.isTTY) return
    const rate = unit ? ' | {items} | {rate}' : ''
    const format = total > 0 ? `${label} [{bar}] {percentage} %${rate} | ETA {eta_formatted}` : `${label}${rate}`
    this.#bar = new cliProgress.SingleBar({
      format,
      barCompleteChar: '#',
      barIncompleteChar: '.',
      barsize: 20,
      etaBuffer: 50,
      fps: refreshesPerSecond,
      hideCursor: true,
      clearOnComplete: true,
      stream: process.stderr
    })
    this.#bar.start(total > 0 ? total : 1, 0, this.#payload(0))
  }

  /** Shows how far it is; cheap enough to call often. */
  update(done: number, items = 0, total?: number): void {
    if (!this.#bar) return
    if (total !== undefined && total > 0) this.#bar.setTotal(total)
    this.#bar.update(done, this.#payload(items))
  }

  /** Removes the bar. */
  stop(): void {
    this.#bar?.stop()
  }

  #payload(items: number): { items: string; rate: string } {
    const seconds = (performance.now() - this.#startedMs) / 1000
    return {
      items: `${formatCount(items)} ${this.#unit}`,
      rate: `${formatCount(seconds > 0 ? items / seconds : 0)}/s`
    }
  }
}
