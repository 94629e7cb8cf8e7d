// The C++ sources and headers under native/, as paths relative to the root.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'

export function nativeFiles(pattern = /\.(cc|h)$/) {
  return readdirSync(join(root, 'native'), { recursive: true })
    .map((entry) => `native/${entry.replaceAll('\\', '/')}`)
    .filter((path) => pattern.test(path))
    .sort()
}
