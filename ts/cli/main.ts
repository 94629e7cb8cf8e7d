#!/usr/bin/env node
/**
 * The command line `zkdb`. The program is loaded here, so that a native addon that cannot be loaded gives an exit code
 * of its own.
 */
import { report } from './exit.js'

try {
  const { main } = await import('./program.js')
  await main()
} catch (error) {
  process.exitCode = report(error)
}
