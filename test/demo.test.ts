/**
 * The main job of `npm start`, run as a program.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'

const program = join(process.cwd(), 'dist', 'esm', 'demo', 'main.js')

test('the demonstration loads, scans, crashes and recovers, and every verification passes', (t) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { encoding: 'utf8' })
  t.is(stderr, '')
  t.is(status, 0, stdout)
  t.notRegex(stdout, /WRONG/)
  t.regex(stdout, /135,233 places/)
  t.regex(stdout, /ok {4}no acknowledged batch is missing/)
  t.regex(stdout, /^(\d+) verifications passed, 0 failed/m)
  t.true(Number(/^(\d+) verifications passed/m.exec(stdout)?.[1]) >= 20)
  t.deepEqual(
    stdout.split('\n').filter((line) => line.length > 80 && !line.includes('{')),
    []
  )
  const folder = /folder: (\S+)/.exec(stdout)?.[1] ?? ''
  t.not(folder, '')
  t.false(existsSync(folder))
})
