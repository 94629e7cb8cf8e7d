/**
 * The text of the demonstration, at most 80 columns wide, and its verifications.
 */
import { formatCount } from '../cli/format.js'

const width = 78

function print(text = ''): void {
  process.stdout.write(`${text}\n`)
}

/** Prints steps, figures and verifications, and counts those that fail. */
export class Report {
  #step = 0
  #passed = 0
  #failed = 0

  /** How many verifications failed. */
  get failed(): number {
    return this.#failed
  }

  /** How many verifications passed. */
  get passed(): number {
    return this.#passed
  }

  /** Begins a step. */
  step(title: string): void {
    this.#step++
    print()
    print(`${`-- ${this.#step}. ${title} `.padEnd(width, '-')}`)
  }

  /** Lines of text, indented. */
  text(lines: string): void {
    for (const line of lines.split('\n')) print(line === '' ? '' : `   ${line}`)
  }

  /** A claim that was verified, or not. */
  verify(claim: string, isTrue: boolean): void {
    if (isTrue) this.#passed++
    else this.#failed++
    print(`   ${isTrue ? 'ok   ' : 'WRONG'} ${claim}`)
  }

  /** A claim that two numbers are equal. */
  verifyEqual(claim: string, actual: number, expected: number): void {
    const isEqual = actual === expected
    this.verify(`${claim}: ${formatCount(actual)}${isEqual ? '' : `, expected ${formatCount(expected)}`}`, isEqual)
  }

  /** The last line. */
  end(seconds: number): void {
    print()
    print(`${this.#passed} verifications passed, ${this.#failed} failed, in ${seconds.toFixed(1)} s.`)
  }
}
