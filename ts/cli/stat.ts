/**
 * `zkdb stat`: figures of a database and its partitions, their balance, and what would balance them.
 */
import type { Command } from 'commander'
import type { DatabaseStats, PartitionStats } from '../operations.js'
import { configurationLines, largestShare, type Suggestion, suggestBalance } from './balance.js'
import { balanceChart, type Share, table } from './bars.js'
import { type ByteDatabase, type DatabaseFlags, openToRead, type Run, using, withDatabase } from './common.js'
import { Exit } from './exit.js'
import { formatBytes, formatCount, formatShare } from './format.js'
import { colour, out } from './output.js'
import { parseRule } from './routing.js'

type StatFlags = DatabaseFlags & { fast?: boolean; all?: boolean }

const sampleSize = 10_000
const skewedRecords = 1000
const skewedShare = 0.9
const shownPartitions = 32

/** The partition that holds nearly everything, when there is one. */
export function skewedPartition(partitions: readonly Share[]): Share | undefined {
  const total = partitions.reduce((sum, { records }) => sum + records, 0)
  if (partitions.length < 2 || total < skewedRecords) return undefined
  return partitions.find(({ records }) => records > skewedShare * total)
}

/** Every n-th key, so that there are at most {@link sampleSize} of them, spread over the whole database. */
function sampleKeys(db: ByteDatabase, total: number): Buffer[] {
  const step = Math.max(1, Math.ceil(total / sampleSize))
  const keys: Buffer[] = []
  let i = 0
  for (const [key] of db.scanSync<Buffer, Buffer>({ values: false, unordered: true })) {
    if (i++ % step === 0) keys.push(Buffer.from(key))
  }
  return keys
}

interface Advice {
  full: Share
  share: number
  suggestion: Suggestion
  configuration: string[]
}

function adviceFor(db: ByteDatabase, stats: DatabaseStats): Advice | undefined {
  const local = stats.partitions.filter(({ isRemote }) => !isRemote)
  const full = skewedPartition(local)
  if (!full) return undefined
  const total = local.reduce((sum, { records }) => sum + records, 0)
  const names = stats.partitions.map(({ name }) => name)
  const suggestion = suggestBalance(sampleKeys(db, total), names.length)
  return { full, share: full.records / total, suggestion, configuration: configurationLines(suggestion, names) }
}

function explainSkew({ full, share, suggestion }: Advice, stats: DatabaseStats): string {
  const rule = parseRule(stats.partitions[0]!.rule)
  const place = 'start' in rule ? `\nLimits compare byte ${rule.start} of the key (LimitStartPos = ${rule.start}).` : ''
  const what =
    suggestion.kind === 'slot'
      ? 'No single byte of the keys spreads them; hashing does:'
      : `Byte ${suggestion.position} of the keys spreads them:`
  return `${full.name} holds ${formatShare(share)} of all records.${place}\n${what}`
}

function printAdvice(advice: Advice, stats: DatabaseStats, path: string): void {
  const { suggestion, configuration } = advice
  out.line()
  out.line(`${colour.yellow('WARNING')}: ${explainSkew(advice, stats)}`)
  out.line()
  for (const line of configuration) out.line(`    ${line}`)
  out.line()
  const shares = stats.partitions.map(({ name }, i) => ({ name, records: suggestion.counts[i]! }))
  const total = suggestion.counts.reduce((sum, count) => sum + count, 0)
  out.line(`With these, a sample of ${formatCount(total)} keys lies so:`)
  out.line(balanceChart(cutShares(shares)))
  out.line()
  out.line('Limits are fixed when a database is made. To move the records to a new one:')
  out.line(`    zkdb scan ${path} --json | zkdb load NEW.conf - --format jsonl`)
}

/** The largest ones and how many there are besides. */
function cutShares<T extends Share>(shares: readonly T[], all = false): T[] {
  if (all || shares.length <= shownPartitions) return [...shares]
  return [...shares].sort((a, b) => b.records - a.records).slice(0, shownPartitions)
}

/** Bytes of the pages that hold records. REQUIRES: figures that were read with `full`. */
function bytesInUse({ leafPages, branchPages, overflowPages, pageSize }: PartitionStats): number {
  return (leafPages + branchPages + overflowPages) * pageSize
}

function fillOf(partition: PartitionStats): string {
  const { leafPages, leafBytesUsed, pageSize } = partition
  return leafPages > 0 ? formatShare(leafBytesUsed / (leafPages * pageSize)) : '-'
}

/** The table of partitions. `hasFill`: the figures were read with `full`. */
export function partitionTable(partitions: readonly PartitionStats[], hasFill: boolean): string {
  const head = ['partition', 'records', 'allocated', 'in use', 'depth', 'fill', 'changed', 'checkpoint']
  const rows = partitions.map((partition) => {
    if (partition.error !== undefined) return [partition.name, 'unreachable', '', '', '', '', '', '']
    const { pageSize, pagesAllocated } = partition
    return [
      partition.name,
      formatCount(partition.records),
      formatBytes(pagesAllocated * pageSize),
      hasFill ? formatBytes(bytesInUse(partition)) : '-',
      String(partition.depth),
      hasFill ? fillOf(partition) : '-',
      formatCount(partition.dirtyPages),
      `#${partition.checkpointSequence}`
    ]
  })
  return table(head, rows)
}

function printSummary(name: string, path: string, stats: DatabaseStats, hasFill: boolean): void {
  const sum = (of: (partition: PartitionStats) => number): number =>
    stats.partitions.reduce((total, partition) => total + of(partition), 0)
  out.line(`${colour.bold(name)} (${path})`)
  const partitions = stats.partitions.length === 1 ? '1 partition' : `${stats.partitions.length} partitions`
  const allocated = formatBytes(sum((p) => p.pagesAllocated * p.pageSize))
  const inUse = hasFill ? `, ${formatBytes(sum(bytesInUse))} in use` : ''
  out.line(`${formatCount(sum((p) => p.records))} records in ${partitions}, ${allocated} allocated${inUse}`)
}

function printLog(stats: DatabaseStats): void {
  const files = stats.logFiles === 1 ? '1 file' : `${stats.logFiles} files`
  out.line()
  out.line(
    `log: ${files}, ${formatBytes(stats.logBytes)} since the oldest checkpoint; ` +
      `commit #${stats.sequence}, durable up to #${stats.durableSequence}`
  )
  if (stats.recoveredRecords > 0) {
    const bytes = formatBytes(stats.recoveredBytes)
    out.line(`recovered now: ${formatCount(stats.recoveredRecords)} log records (${bytes}) were replayed`)
  }
  if (stats.failed) out.line(colour.red('An earlier write failed: writes are refused until the database is reopened.'))
}

function print(db: ByteDatabase, path: string, stats: DatabaseStats, flags: StatFlags): void {
  const shown = cutShares(stats.partitions, flags.all)
  printSummary(db.name, path, stats, !flags.fast)
  out.line()
  out.line(partitionTable(shown, !flags.fast))
  const hidden = stats.partitions.length - shown.length
  if (hidden > 0) out.line(`and ${hidden} smaller ones (--all shows them)`)
  printLog(stats)
  if (stats.partitions.length === 1) return
  out.line()
  const even = formatShare(1 / stats.partitions.length)
  out.line(
    `balance (even: ${even}; the fullest holds ${formatShare(largestShare(stats.partitions.map((p) => p.records)))})`
  )
  out.line(balanceChart(shown))
}

function printJson(db: ByteDatabase, stats: DatabaseStats, advice: Advice | undefined): void {
  const warning = advice && {
    partition: advice.full.name,
    share: advice.share,
    kind: advice.suggestion.kind,
    limitStartPos: advice.suggestion.position,
    limits: advice.suggestion.limits,
    balance: advice.suggestion.counts,
    configuration: advice.configuration
  }
  out.json({ name: db.name, ...stats, ...(warning && { warning }) })
}

async function stat(path: string, flags: StatFlags): Promise<number> {
  return using(openToRead(path, flags), async (db) => {
    const stats = await db.stats({ full: !flags.fast })
    const advice = flags.fast ? undefined : adviceFor(db, stats)
    if (flags.json) printJson(db, stats, advice)
    else {
      print(db, path, stats, flags)
      if (advice) printAdvice(advice, stats, path)
    }
    return Exit.ok
  })
}

/** Adds the command. `run` gets its exit code. */
export function addStat(program: Command, run: Run): void {
  withDatabase(program.command('stat').summary('print figures, balance and advice about partitions'))
    .description(
      'Prints figures of every partition: records, bytes allocated and in use, depth\n' +
        'of the tree, fill of its leaves, pages changed since the last checkpoint and\n' +
        'the number of that checkpoint; the state of the log; and a chart of the\n' +
        'balance. When one partition holds more than 90 % of at least 1,000 records, it\n' +
        'says which limits would spread them.'
    )
    .option('--fast', 'no figures that need reading the whole database: no bytes in use, no fill, no advice')
    .option('--all', `show all partitions, not the ${shownPartitions} largest`)
    .addHelpText(
      'after',
      `
Examples:
  zkdb stat app.conf
  zkdb stat ./data --json`
    )
    .action((path: string, flags: StatFlags) => run(stat(path, flags)))
}
