// Checks the format of the C++ sources with clang-format; --write formats them. Paths may be given.
// The formatter is the one in the npm package clang-format (version 15), so that everybody has the same.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { nativeFiles } from './native-files.mjs'
import { findProgram, root } from './run.mjs'

/** The path of clang-format 15: from the npm package where that has a binary for this platform. */
function formatter() {
  const binary = createRequire(import.meta.url)('clang-format').getNativeBinary
  let path
  try {
    path = binary()
  } catch {
    // Not packed for this platform.
  }
  return path && existsSync(path) ? path : findProgram('clang-format-15')
}

/** The first finding of each file in what clang-format printed. */
function firstFindings(output) {
  const first = new Map()
  for (const [, file, place] of output.matchAll(/^([^\s:]+):(\d+:\d+): error/gm)) {
    if (!first.has(file)) first.set(file, `${file}:${place}: not formatted`)
  }
  return [...first.values()]
}

const program = formatter()
if (!program) {
  console.log('skipped: no clang-format 15 for this platform')
  process.exit(0)
}
const paths = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const files = paths.length > 0 ? paths : nativeFiles()
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror']
const result = spawnSync(program, [...mode, '--style=file', ...files], { cwd: root, encoding: 'utf8' })
if (result.error) throw result.error
const findings = firstFindings(result.stderr)
if (result.status !== 0) {
  console.error(findings.length > 0 ? findings.join('\n') : result.stderr)
  console.error('Run: npm run format')
}
console.log(`clang-format: ${files.length} files, ${findings.length} to format`)
process.exitCode = result.status === 0 ? 0 : 1
