/**
 * `zkdb check`: reads every page and says what is wrong.
 */
import type { Command } from 'commander'
import { type DatabaseFlags, interruptSignal, openToRead, type Run, using, withDatabase } from './common.js'
import { Exit } from './exit.js'
import { formatCount, formatSeconds } from './format.js'
import { colour, note, out } from './output.js'
import { Progress } from './progress.js'

async function check(path: string, flags: DatabaseFlags): Promise<number> {
  const signal = interruptSignal()
  const startedMs = performance.now()
  const result = await using(openToRead(path, flags), async (db) => {
    const progress = new Progress('check', '', 100)
    try {
      return await db.verify({ signal, onProgress: ({ done, total }) => progress.update(done, 0, total) })
    } finally {
      progress.stop()
    }
  })
  const seconds = (performance.now() - startedMs) / 1000
  if (flags.json) out.json({ ok: result.ok, count: result.count, findings: result.findings, seconds })
  else {
    for (const finding of result.findings) out.line(finding)
    const hidden = result.count - result.findings.length
    if (hidden > 0) out.line(`and ${formatCount(hidden)} more`)
    if (result.ok) out.line(`${colour.green('Nothing is wrong.')} Checked in ${formatSeconds(seconds)}.`)
    else note(`zkdb: ${formatCount(result.count)} ${result.count === 1 ? 'thing is' : 'things are'} wrong in ${path}`)
  }
  return result.ok ? Exit.ok : Exit.found
}

/** Adds the command. `run` gets its exit code. */
export function addCheck(program: Command, run: Run): void {
  withDatabase(program.command('check').summary('verify every page of a database'))
    .description(
      'Reads every page and checks checksums, the order of keys, reachability, free\n' +
        'space, and that every record is in the partition that the configuration says.\n' +
        'Prints a line per finding; exit code 1 when there is one.'
    )
    .addHelpText(
      'after',
      `
Examples:
  zkdb check app.conf
  zkdb check ./data --json`
    )
    .action((path: string, flags: DatabaseFlags) => run(check(path, flags)))
}
