/**
 * Tables and the balance chart: how the records lie over the partitions.
 */
import Table from 'cli-table3'
import { bar, formatCount, formatShare, shorten } from './format.js'

/** What the chart shows of a partition. */
export interface Share {
  name: string
  records: number
}

const noBorders = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  '
}
const nameWidth = 16
const barWidth = 40

/** A table without lines: the first column left, the others right. */
export function table(head: string[], rows: string[][]): string {
  const colAligns = head.map((_, i) => (i === 0 ? 'left' : 'right') as 'left' | 'right')
  const made = new Table({
    head,
    colAligns,
    chars: noBorders,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 }
  })
  made.push(...rows.map((row) => row.map((cell, i) => (i === 0 ? shorten(cell, nameWidth) : cell))))
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/** A line per partition: name, bar, share, records. The bars are to the scale of all records. */
export function balanceChart(shares: readonly Share[]): string {
  const total = shares.reduce((sum, { records }) => sum + records, 0)
  const width = Math.min(nameWidth, Math.max(...shares.map(({ name }) => name.length)))
  return shares
    .map(({ name, records }) => {
      const share = total > 0 ? records / total : 0
      const label = shorten(name, nameWidth).padEnd(width)
      return `${label}  ${bar(share, barWidth)} ${formatShare(share).padStart(7)}  ${formatCount(records)}`.trimEnd()
    })
    .join('\n')
}
