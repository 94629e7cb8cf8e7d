/**
 * `zkdb salvage`: the records of a damaged database into a new one.
 */
import { statSync } from 'node:fs'
import type { Command } from 'commander'
import { binding, lastError, State, shared } from '../binding.js'
import { errorFrom, ZkdbError } from '../errors.js'
import { type CommonOptions, interruptSignal, type Run } from './common.js'
import { Exit } from './exit.js'
import { formatCount, formatSeconds } from './format.js'
import { type NativeSalvage, tools } from './native-tools.js'
import { colour, note, out } from './output.js'
import { Progress } from './progress.js'

const progressIntervalMs = 100

function showProgress(progress: Progress, job: number): void {
  if (binding.jobProgress(job) !== 1) return
  const { state } = shared
  progress.update(state[State.progressDone]!, 0, state[State.progressTotal]!)
}

async function runSalvage(source: string, destination: string): Promise<NativeSalvage> {
  const signal = interruptSignal()
  const started = tools.salvage(source, destination)
  if (typeof started === 'number') throw lastError()
  const { job, promise } = started
  signal.addEventListener('abort', () => void binding.jobAbort(job), { once: true })
  const progress = new Progress('salvage', '', 100)
  const timer = setInterval(() => showProgress(progress, job), progressIntervalMs)
  try {
    const result = await promise
    if (result.code !== 0) throw errorFrom(result)
    return result
  } finally {
    clearInterval(timer)
    progress.stop()
  }
}

function counted(count: number, one: string, many: string): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}

function describe(result: NativeSalvage, destination: string, seconds: number): void {
  for (const finding of result.findings) out.line(finding)
  const hidden = result.count - result.findings.length
  if (hidden > 0) out.line(`and ${formatCount(hidden)} more`)
  const { records, unsureRecords, lostRecords, pages, lostPages, logCommits, logGaps } = result
  const read = `${counted(pages, 'page', 'pages')} and ${counted(logCommits, 'commit', 'commits')} of the log`
  out.line(`Brought ${counted(records, 'record', 'records')} into ${destination} from ${read}`)
  if (lostPages > 0 || lostRecords > 0) {
    const single = lostRecords > 0 ? `, and ${counted(lostRecords, 'record', 'records')} of other pages` : ''
    out.line(`Lost: what was in ${counted(lostPages, 'page', 'pages')}${single}`)
  }
  if (logGaps > 0) out.line(`Lost: commits at ${counted(logGaps, 'place', 'places')} of the log`)
  if (unsureRecords > 0) {
    const were = unsureRecords === 1 ? 'was' : 'were'
    out.line(`Unsure: ${counted(unsureRecords, 'record', 'records')} ${were} in pages that may not be in use any more`)
  }
  if (result.count === 0) out.line(`${colour.green('Nothing is lost.')} It took ${formatSeconds(seconds)}.`)
  else note(`zkdb: ${counted(result.count, 'thing is', 'things are')} wrong; read the lines above`)
}

async function salvage(source: string, destination: string, flags: CommonOptions): Promise<number> {
  if (statSync(source, { throwIfNoEntry: false }) === undefined) {
    throw new ZkdbError('ZKDB_MISSING', `${source}: there is no file or directory of this name`)
  }
  const startedMs = performance.now()
  const result = await runSalvage(source, destination)
  const seconds = (performance.now() - startedMs) / 1000
  const { code: _code, ...figures } = result
  if (flags.json) out.json({ ok: result.count === 0, ...figures, seconds })
  else describe(result, destination, seconds)
  return result.count === 0 ? Exit.ok : Exit.found
}

/** Adds the command. `run` gets its exit code. */
export function addSalvage(program: Command, run: Run): void {
  program
    .command('salvage')
    .summary('bring the records of a damaged database into a new one')
    .argument('<source>', 'configuration file, or directory with a zkdb.conf')
    .argument('<destination>', 'directory of the new database; new or empty')
    .option('--json', 'print JSON')
    .description(
      'Reads the files of a damaged database page by page, without opening it, and\n' +
        'writes every record of the undamaged pages and of the log after them into a\n' +
        'new database with the same partitions. The source is not changed and must not\n' +
        'be open. Prints a line per thing that is wrong, with file and page; exit code 1\n' +
        'when there is one.'
    )
    .addHelpText(
      'after',
      `
Examples:
  zkdb salvage ./data ./rescued
  zkdb salvage app.conf /backup/rescued --json`
    )
    .action((source: string, destination: string, flags: CommonOptions) => run(salvage(source, destination, flags)))
}
