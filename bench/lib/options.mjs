/** What the command lines of bench/ have in common. */
import { InvalidArgumentError } from 'commander'

/** Parses a count; underscores between its digits are allowed. */
export function wholeNumber(text) {
  const number = Number(text.replaceAll('_', ''))
  if (!Number.isSafeInteger(number) || number < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.')
  return number
}
