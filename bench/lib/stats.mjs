/** Medians and what goes with them. */

/** The median; of an even number the mean of the two in the middle. NaN of none. */
export function median(numbers) {
  if (numbers.length === 0) return Number.NaN
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The smallest value that at least `fraction` of the numbers do not exceed. */
export function percentile(numbers, fraction) {
  if (numbers.length === 0) return Number.NaN
  const sorted = Float64Array.from(numbers).sort()
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(fraction * sorted.length) - 1))]
}

/** How far the samples lie apart: (largest - smallest) / median. */
export function spread(numbers) {
  if (numbers.length === 0) return Number.NaN
  return (Math.max(...numbers) - Math.min(...numbers)) / median(numbers)
}

/** The geometric mean. */
export function geometricMean(numbers) {
  return Math.exp(numbers.reduce((sum, number) => sum + Math.log(number), 0) / numbers.length)
}
