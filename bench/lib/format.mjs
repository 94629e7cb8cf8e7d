/** Figures as a person reads them. */

const scales = [
  [1, 'ns'],
  [1e3, 'us'],
  [1e6, 'ms'],
  [1e9, 's']
]

/** Three significant digits without an exponent. */
export function digits(number) {
  if (!Number.isFinite(number)) return '-'
  const text = Number(number.toPrecision(3))
  return Math.abs(text) >= 1000 ? Math.round(text).toLocaleString('en-US') : String(text)
}

/** A figure with its unit. */
export function figure(value, unit) {
  if (unit !== 'ns') return `${digits(value)}${unit === 'x' ? 'x' : ` ${unit}`}`
  const [scale, name] = scales.findLast(([from]) => value >= from) ?? scales[0]
  return `${digits(value / scale)} ${name}`
}

/** A cell of a table: the median, and in brackets how far the rounds lie apart. */
export function cellText(cell, unit) {
  if (cell === undefined) return ''
  if (cell.wrong) return 'WRONG'
  if (cell.failed) return 'failed'
  if (cell.unsupported) return '-'
  const apart = cell.samples.length > 1 ? ` (${Math.round(cell.spread * 100)} %)` : ''
  return `${figure(cell.value, unit)}${apart}`
}

/** A target as text. */
export function targetText(target) {
  if (target === undefined) return ''
  if (target.atMost !== undefined) return `<= ${target.atMost}`
  if (target.atLeast !== undefined) return `>= ${target.atLeast}`
  return `${target.ratio}x`
}
