// Builds and runs the native tests of one preset of CMakePresets.json: release, debug, asan or tsan.
//   node scripts/test-native.mjs asan -R recovery    further arguments go to ctest
import { findProgram, jobs, run } from './run.mjs'

const [preset = 'release', ...rest] = process.argv.slice(2)
if (!findProgram('cmake')) {
  console.log('skipped: no cmake, which the native tests are built with (apt-get install cmake)')
  process.exit(0)
}
run('cmake', ['--preset', preset, '--log-level=WARNING'])
run('cmake', ['--build', '--preset', preset, '-j', jobs, '--', '--no-print-directory'])
run('ctest', ['--preset', preset, '-j', jobs, ...rest])
