// Compiles ts/ twice: dist/esm (ECMAScript modules) and dist/cjs (CommonJS), each with its declarations, and removes
// from both what was compiled from a source that is gone.
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './run.mjs'

const dist = join(root, 'dist')
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')

/** Removes the compiled files of `folder` that have no source in ts/. */
function removeStale(folder) {
  for (const entry of readdirSync(folder, { recursive: true })) {
    const compiled = /^(.*?)(?:\.d)?\.([cm]?)[jt]s$/.exec(entry)
    if (!compiled) continue
    const source = join(root, 'ts', `${compiled[1]}.${compiled[2]}ts`)
    if (!existsSync(source)) rmSync(join(folder, entry))
  }
}

mkdirSync(join(dist, 'cjs'), { recursive: true })
writeFileSync(join(dist, 'cjs', 'package.json'), '{ "type": "commonjs" }\n')
run(process.execPath, [tsc, '-p', 'tsconfig.json'])
run(process.execPath, [tsc, '-p', 'tsconfig.cjs.json'])
for (const format of ['esm', 'cjs']) removeStale(join(dist, format))

const cli = join(dist, 'esm', 'cli', 'main.js')
if (existsSync(cli)) chmodSync(cli, 0o755)
