/**
 * Writes with conditions on top of abstract-level, whose put, del and batch give nothing back: the result travels in an
 * object that goes down with the options, and a condition that failed comes up as an error of its own, so that no
 * 'write' event is emitted for what was not written.
 */
import type { WriteResult } from './batch-writer.js'
import type { EncodingSource } from './codec.js'
import { type Conditions, withExpectedValue } from './write-options.js'

/** Where the outcome of a write travels in its options. */
export const outcome: unique symbol = Symbol('zkdb outcome')

/** The outcome of one write. */
export interface Outcome {
  result?: WriteResult
}

/** Options on their way through abstract-level. */
export interface OutcomeOptions {
  [outcome]?: Outcome | undefined
}

/** A condition failed: nothing was written. Never leaves zkdb. */
class ConditionFailed extends Error {
  readonly outcome: Outcome

  constructor(holder: Outcome) {
    super('a condition failed')
    this.outcome = holder
  }
}

/** Puts the result where {@link conditionally} finds it. Throws when a condition failed. */
export function deliver(options: OutcomeOptions, result: WriteResult): void {
  const holder = options[outcome]
  if (holder === undefined) return
  holder.result = result
  if (!result.applied) throw new ConditionFailed(holder)
}

/**
 * Runs a write that has conditions and gives its result.
 *
 * @param source - whose value encoding `ifValue` has.
 * @param options - the options with the conditions.
 * @param write - the write of abstract-level, with the options that it is to be given.
 */
export async function conditionally<T extends object>(
  source: EncodingSource,
  options: T,
  write: (options: T) => Promise<unknown>
): Promise<WriteResult | undefined> {
  // A sublevel has made the outcome already, and reports it.
  if ((options as OutcomeOptions)[outcome] !== undefined) {
    await write(options)
    return undefined
  }
  const holder: Outcome = {}
  try {
    await write({ ...withExpectedValue(options, source), [outcome]: holder })
  } catch (error) {
    if (!(error instanceof ConditionFailed) || error.outcome !== holder) throw error
  }
  return holder.result
}

/** The operations of a batch with their expected values encoded. */
export function encodeExpectations<T extends object>(
  source: EncodingSource,
  operations: readonly T[],
  options: Conditions
): T[] {
  return operations.map((operation) => {
    const own = operation as Conditions & { sublevel?: EncodingSource | null }
    const expected = own.ifValue ?? options.ifValue
    if (expected === undefined) return operation
    const encoded = withExpectedValue(
      { ...operation, ifValue: expected, valueEncoding: own.valueEncoding ?? options.valueEncoding },
      own.sublevel ?? source
    )
    return encoded as T
  })
}
