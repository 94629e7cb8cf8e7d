/** What the figures were measured on and with. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, release, totalmem, type, version } from 'node:os'
import { dirname } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { syncLatency } from './disk.mjs'

const bench = dirname(dirname(fileURLToPath(import.meta.url)))

function output(program, args, options = {}) {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], ...options }).trim()
  } catch {
    return ''
  }
}

/** The machine: processor, memory, kernel, and the file system and disk under `folder`. */
export function describeMachine(folder) {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    architecture: arch(),
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    kernel: `${type()} ${release()}`,
    system: version(),
    fileSystem: output('stat', ['-f', '-c', '%T', folder]) || 'unknown',
    fdatasyncMicroseconds: syncLatency(folder)
  }
}

/** The installed version of a package of bench/. */
export function packageVersion(name) {
  const path = name === 'zkdb' ? `${bench}/../package.json` : `${bench}/node_modules/${name}/package.json`
  return JSON.parse(readFileSync(path, 'utf8')).version
}

/** Versions of what took part. */
export function describeVersions(engines) {
  const packages = [...new Set(engines.map((engine) => engine.package).filter(Boolean))]
  const revision = output('git', ['rev-parse', '--short', 'HEAD'], { cwd: bench })
  const isChanged = output('git', ['status', '--porcelain', '--', '../native', '../ts'], { cwd: bench }) !== ''
  return {
    node: process.version,
    v8: process.versions.v8,
    revision: isChanged ? `${revision} with changes` : revision,
    compiler: output('g++', ['-dumpfullversion']),
    ...Object.fromEntries(packages.map((name) => [name, packageVersion(name)]))
  }
}
