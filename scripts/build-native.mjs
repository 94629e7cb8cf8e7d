// Builds the addon from source with node-gyp into build/Release/zkdb.node (build/Debug with --debug).
// Incremental: with nothing changed it takes two seconds. Needs g++ or clang++ with C++20, make and python3.
//
// This script is in the package too: on a platform without a prebuilt binary, run
//   npm run build:native
// inside node_modules/zkdb. npm brings the node-gyp that is used when the project has none.
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { platformFolder } from './platform.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** node-gyp as [program, ...arguments]: the project's own, or the one that npm puts on the PATH of its scripts. */
function nodeGyp() {
  try {
    const manifest = createRequire(import.meta.url).resolve('node-gyp/package.json')
    return [process.execPath, join(dirname(manifest), 'bin', 'node-gyp.js')]
  } catch {
    return ['node-gyp']
  }
}

/** Headers that lie beside this Node make a download unnecessary. */
function headerArguments() {
  const prefix = dirname(dirname(process.execPath))
  const given = process.env.npm_config_nodedir ?? process.env.npm_package_config_node_gyp_nodedir
  if (given || !existsSync(join(prefix, 'include', 'node', 'node_api.h'))) return []
  return [`--nodedir=${prefix}`]
}

const [program, ...first] = nodeGyp()
const mode = process.argv.includes('--debug') ? '--debug' : '--release'
const args = [...first, 'configure', 'build', mode, '--loglevel=warn', '--jobs', String(availableParallelism())]
const result = spawnSync(program, [...args, ...headerArguments()], { cwd: root, stdio: 'inherit' })
if (result.error) console.error(`${program}: ${result.error.message}`)
if (result.status !== 0) {
  console.error('The addon was not built. It needs a C++20 compiler (g++ 12 or clang 14), make and python3.')
  process.exit(result.status ?? 1)
}
// A binary in prebuilds/ is loaded before the one just built: it must not hide it.
rmSync(join(root, 'prebuilds', platformFolder()), { recursive: true, force: true })
