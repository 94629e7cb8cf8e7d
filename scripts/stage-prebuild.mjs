// Before `npm pack` and `npm publish`: puts the addon that was built into prebuilds/, stripped.
// Binaries of other platforms that lie in prebuilds/ already stay there. The next build of the addon removes this one.
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { platformFolder } from './platform.mjs'
import { findProgram, root, run } from './run.mjs'

const built = join(root, 'build', 'Release', 'zkdb.node')
const folder = join(root, 'prebuilds', platformFolder())
if (!existsSync(built)) {
  console.error(`${built} does not exist: run npm run build:native first`)
  process.exit(1)
}
mkdirSync(folder, { recursive: true })
copyFileSync(built, join(folder, 'zkdb.node'))
if (findProgram('strip')) run('strip', ['-S', '-x', join(folder, 'zkdb.node')])
