/**
 * Numbers and bars for people. Plain ASCII.
 */

const sizeUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** 1234567 as "1,234,567". */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** Bytes as "12.3 MiB". */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < sizeUnits.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${sizeUnits[unit]}`
}

/** A share of 0..1 as "12.3 %". */
export function formatShare(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

/** Seconds as "0.012 s", "1.23 s", "2 min 5 s". */
export function formatSeconds(seconds: number): string {
  if (seconds < 0.1) return `${seconds.toFixed(3)} s`
  if (seconds < 120) return `${seconds.toFixed(2)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

/** A bar of `#` for a share of 0..1; at least one `#` when the share is not 0. */
export function bar(share: number, width: number): string {
  const length = share > 0 ? Math.max(1, Math.round(share * width)) : 0
  return '#'.repeat(Math.min(length, width)).padEnd(width)
}

/** Cuts a text that is too long, with dots. */
export function shorten(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 3)}...`
}
