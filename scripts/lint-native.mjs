// Runs clang-tidy over the C++ sources, several at a time. Without arguments: over those of the core and the tools in
// native/sources.json; tests are held to the compiler's warnings alone.
// Reads the compile commands of the release preset.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, jobs, root, run } from './run.mjs'

const build = join(root, 'out', 'release')

/** Runs clang-tidy on one source; resolves to true when it has nothing to say. */
function lint(program, path) {
  const flags = ['-p', build, '--quiet', '--extra-arg=-Wno-unknown-warning-option']
  const child = spawn(program, [...flags, path], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (errors += chunk))
  return new Promise((resolve) => {
    child.on('close', (code) => {
      const clean = code === 0 && output.trim() === ''
      if (!clean) console.error(output.trim() || errors.trim())
      resolve(clean)
    })
  })
}

/** Lints the sources in `queue` until none is left; resolves to the number with findings. */
async function worker(program, queue) {
  let failed = 0
  for (let path = queue.shift(); path; path = queue.shift()) {
    if (!(await lint(program, path))) failed++
  }
  return failed
}

async function main() {
  const program = findProgram('clang-tidy-14', 'clang-tidy')
  if (!program || !findProgram('cmake')) {
    console.log(`skipped: no ${program ? 'cmake' : 'clang-tidy'}`)
    return
  }
  run('cmake', ['--preset', 'release', '--log-level=WARNING'], { stdio: ['ignore', 'ignore', 'inherit'] })
  if (!existsSync(join(build, 'compile_commands.json'))) throw new Error(`${build} has no compile_commands.json`)
  const { core, tool } = JSON.parse(readFileSync(join(root, 'native', 'sources.json'), 'utf8'))
  const given = process.argv.slice(2)
  const queue = given.length > 0 ? [...given] : [...core, ...tool]
  const count = queue.length
  const failed = await Promise.all(Array.from({ length: Number(jobs) }, () => worker(program, queue)))
  const total = failed.reduce((sum, n) => sum + n, 0)
  console.log(`clang-tidy: ${count} files, ${total} with findings`)
  if (total > 0) process.exitCode = 1
}

await main()
