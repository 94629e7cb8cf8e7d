/**
 * Runs a process with less memory for itself and the pages it reads: in a control group, because nothing else counts
 * the page cache. (`ulimit` bounds address space, which a memory map takes without using memory.)
 *
 * There are two ways. `--memory-group DIR` names a memory control group that was made for this and that holds no
 * process: its limit is set, and the process joins it. Otherwise systemd-run makes one, where systemd runs.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const limitFiles = ['memory.max', 'memory.limit_in_bytes']

/** Why no limit can be set; undefined when one can. */
export function whyNoLimit(group) {
  if (group) {
    if (limitFiles.some((name) => existsSync(join(group, name)))) return undefined
    return `${group} is no memory control group: it has neither ${limitFiles.join(' nor ')}`
  }
  if (existsSync('/run/systemd/system')) return undefined
  return 'no limit can be set: systemd does not run, and --memory-group names no control group'
}

/** The command that runs `command` with at most `bytes` of memory. */
export function limited(command, bytes, group) {
  if (!group) {
    const properties = ['-p', `MemoryMax=${bytes}`, '-p', 'MemorySwapMax=0']
    return ['systemd-run', '--quiet', '--scope', ...properties, ...command]
  }
  const file = limitFiles.map((name) => join(group, name)).find(existsSync)
  writeFileSync(file, String(bytes))
  return ['sh', '-c', `echo $$ > "$0/cgroup.procs" && exec "$@"`, group, ...command]
}
