// Keeps native/sources.json, the one list of native sources that binding.gyp and CMakeLists.txt read.
//   node scripts/list-sources.mjs           tells what is missing from the list or gone from disk (exit code 1)
//   node scripts/list-sources.mjs --write   writes the list anew from what is on disk
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = new URL('..', import.meta.url)
const listUrl = new URL('native/sources.json', root)

/** The list that the source `path` (relative to the root) belongs to; undefined for what is not a native source. */
export function listOf(path) {
  if (!/^native\/.*\.cc$/.test(path)) return undefined
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (name.endsWith('_fuzz.cc')) return 'fuzzers'
  if (path.startsWith('native/torture/')) return 'torture'
  // Tests, their runner, and what only tests use (test_main.cc, test_util.cc, fault_env.cc).
  if (name.endsWith('_test.cc') || name.startsWith('test_') || name.startsWith('fault_')) return 'tests'
  // It needs libuv, which Node has: it is in the addon alone.
  if (path.startsWith('native/net/loop/')) return 'server'
  if (path.startsWith('native/addon/')) return 'addon'
  // The rest of native/tool is what zkdb_inspect of zkdb.h calls.
  if (path === 'native/tool/main.cc') return 'tool'
  return 'core'
}

/** The sources on disk, sorted, as { core, server, addon, tool, tests, torture, fuzzers }. */
export function sourcesOnDisk() {
  const lists = { core: [], server: [], addon: [], tool: [], tests: [], torture: [], fuzzers: [] }
  for (const entry of readdirSync(new URL('native', root), { recursive: true })) {
    const path = `native/${entry.replaceAll('\\', '/')}`
    const list = listOf(path)
    if (list) lists[list].push(path)
  }
  for (const list of Object.values(lists)) list.sort()
  return lists
}

/** One line per difference between native/sources.json and the disk. */
export function differences() {
  const listed = JSON.parse(readFileSync(listUrl, 'utf8'))
  const onDisk = sourcesOnDisk()
  const lines = []
  for (const [name, paths] of Object.entries(onDisk)) {
    for (const path of paths) if (!listed[name]?.includes(path)) lines.push(`${path} is not in the list '${name}'`)
    for (const path of listed[name] ?? []) if (!paths.includes(path)) lines.push(`${path} is listed and does not exist`)
  }
  return lines
}

function main() {
  if (process.argv.includes('--write')) {
    const lists = sourcesOnDisk()
    writeFileSync(listUrl, `${JSON.stringify(lists, null, 2)}\n`)
    for (const [name, paths] of Object.entries(lists)) console.log(`${name}: ${paths.length}`)
    return
  }
  const lines = differences()
  for (const line of lines) console.error(line)
  if (lines.length > 0) {
    console.error('Run: node scripts/list-sources.mjs --write')
    process.exitCode = 1
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main()
