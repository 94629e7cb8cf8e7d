// Runs the tests of native/torture for a long time, two side by side, and prints what each has done.
import { spawn, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { root, run } from './run.mjs'

const usage = `Usage: npm run torture -- [options]

Runs every torture test: power cuts, kills, I/O errors, failed allocations, damage, isolation, models, age.

  --minutes N    how long in all (default 30); the tests share it evenly
  --seed S       the seed of every test (default: another one for each)
  --only TEXT    only tests whose name contains TEXT
  --list         the names of the tests
  --json         the figures as JSON

Examples:
  npm run torture -- --minutes 60
  npm run torture -- --only power_cut --seed 7

A failure prints its seed and the command that replays it. Exit code 1 when a test failed.`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string' },
    only: { type: 'string', default: '' },
    list: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false }
  }
})
const program = join(root, 'out/release/zkdb_torture')

/** The tests that are asked for; those that only run as the child of another one have none of their own. */
function names() {
  const listed = spawnSync(program, ['--list'], { encoding: 'utf8' })
  return listed.stdout
    .split('\n')
    .filter((name) => name !== '' && !name.startsWith('a_child_') && name.includes(values.only))
}

/** Runs one test for `seconds`; resolves to { name, ok, figures }. */
function torture(name, seconds) {
  const env = { ...process.env, ZKDB_SECONDS: String(seconds) }
  if (values.seed !== undefined) env.ZKDB_SEED = values.seed
  const child = spawn(program, [name], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const figures = {}
  createInterface({ input: child.stdout }).on('line', (line) => {
    const found = /^figure [^.]*\.(\S+) (\d+)$/.exec(line)
    if (found) figures[found[1]] = Number(found[2])
  })
  const log = []
  createInterface({ input: child.stderr }).on('line', (line) => log.push(line))
  return new Promise((resolve) => {
    child.on('close', (code) => {
      if (code !== 0) for (const line of log) console.error(line)
      resolve({ name, ok: code === 0, figures })
    })
  })
}

function report({ name, ok, figures }) {
  if (values.json) return
  const text = Object.entries(figures).map(([figure, n]) => `${figure} ${n.toLocaleString('en-US')}`)
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}${text.length > 0 ? `: ${text.join(', ')}` : ''}`)
}

async function main() {
  run('cmake', ['--preset', 'release', '--log-level=WARNING'])
  run('cmake', ['--build', '--preset', 'release', '-j', '2', '--target', 'zkdb_torture', '--', '--no-print-directory'])
  const all = names()
  if (values.list) return console.log(all.join('\n'))
  const lanes = Math.max(1, availableParallelism())
  const seconds = Math.max(1, Math.floor((Number(values.minutes) * 60 * lanes) / all.length))
  const results = []
  const queue = [...all]
  const lane = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      results.push(await torture(name, seconds))
      report(results.at(-1))
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  const failed = results.filter((result) => !result.ok).length
  if (values.json) console.log(JSON.stringify(results, null, 2))
  else console.log(`${results.length - failed} passed, ${failed} failed`)
  process.exitCode = failed > 0 ? 1 : 0
}

if (values.help) console.log(usage)
else if (!(Number(values.minutes) > 0)) {
  console.error(`--minutes ${values.minutes}: a number above 0 is needed`)
  process.exitCode = 2
} else await main()
