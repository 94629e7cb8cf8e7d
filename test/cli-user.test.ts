/**
 * `zkdb user` as a user runs it.
 */
import { chmodSync, existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { file as access, verifier } from './helpers/access.js'
import { zkdb } from './helpers/command.js'
import { newFolder } from './helpers/shapes.js'

const quick = ['--iterations', String(verifier.minIterations)]

function newFile(text?: string): string {
  const path = join(newFolder(), 'access.conf')
  if (text !== undefined) writeFileSync(path, text, { mode: 0o600 })
  return path
}

async function isPassword(path: string, user: string, password: string): Promise<boolean> {
  const made = access.readAccessFile(path).users.get(user)?.verifier
  return made !== undefined && verifier.verify(made, Buffer.from(password))
}

test('user add makes the file, for its owner alone, without the password in it', async (t) => {
  const path = newFile()
  const rights = ['--rights', 'read,write', '--databases', '0,1', '--prefixes', 'cart:,a\\x2cb']
  const { exit, stderr } = zkdb(['user', 'add', path, 'alice', ...rights, ...quick], 'open sesame\n')
  t.is(stderr, `zkdb: alice is a user of ${path} now; a running server reads it again at SIGHUP\n`)
  t.is(exit, 0)
  t.is(statSync(path).mode & 0o777, 0o600)
  t.false(existsSync(`${path}.new`))
  const text = readFileSync(path, 'utf8')
  t.notRegex(text, /sesame/)
  t.regex(text, /^\[User alice\]\nVerifier = SCRAM-SHA-256\$4096:\S+\nRights = read,write\nDatabases = 0,1\n/)
  t.true(await isPassword(path, 'alice', 'open sesame'))
  t.like(access.readAccessFile(path).users.get('alice'), { verbs: ['read', 'write'], databases: [0, 1] })
})

test('a new password has the rounds that OWASP advises', (t) => {
  const path = newFile()
  t.is(zkdb(['user', 'add', path, 'alice'], 'x').exit, 0)
  t.is(access.readAccessFile(path).users.get('alice')?.verifier?.iterations, 600_000)
})

test('user password, add and remove leave everything else as it was', async (t) => {
  const old =
    '; ours\nAddresses = 127.0.0.1\n\n[User bob]\n; his rights\nRights = read\nDatabases = *\n\n' +
    '; the last\n[User eve]\n'
  const path = newFile(old)
  t.is(zkdb(['user', 'password', path, 'bob', ...quick], 'b1\r\n').exit, 0)
  t.true(await isPassword(path, 'bob', 'b1'))
  t.is(zkdb(['user', 'password', path, 'bob', ...quick], 'b2').exit, 0)
  t.true(await isPassword(path, 'bob', 'b2'))
  t.is(readFileSync(path, 'utf8').replace(/^Verifier.*\n/m, ''), old)
  t.is(zkdb(['user', 'add', path, 'al', '--no-password', '--rights', 'admin', '--databases', '*']).exit, 0)
  t.is(readFileSync(path, 'utf8').replace(/^Verifier.*\n/m, ''), `${old}\n[User al]\nRights = admin\nDatabases = *\n`)
  t.is(zkdb(['user', 'remove', path, 'bob']).exit, 0)
  const left = '; ours\nAddresses = 127.0.0.1\n\n; the last\n[User eve]\n\n[User al]\nRights = admin\nDatabases = *\n'
  t.is(readFileSync(path, 'utf8'), left)
})

test('user list says what each may do, and shows no verifier', (t) => {
  const path = newFile(
    '[User a]\nRights = read, scan\nDatabases = 0, 2\nPrefixes = x:, y\\x2c\n[User b]\nRights = admin\n' +
      'Databases = *\nPartitions = low\n[User c]\n'
  )
  zkdb(['user', 'password', path, 'a', ...quick], 'secret')
  const { exit, stdout } = zkdb(['user', 'list', path])
  t.is(exit, 0)
  t.is(
    stdout,
    'a: read, scan; databases 0, 2; prefixes x:, y\\x2c\nb: admin; every database; partitions low (no password)\n' +
      'c: nothing (no password)\n'
  )
  const lines = zkdb(['user', 'list', path, '--json']).stdout.trimEnd().split('\n')
  t.deepEqual(JSON.parse(lines[0] ?? ''), {
    user: 'a',
    password: true,
    iterations: 4096,
    rights: ['read', 'scan'],
    databases: [0, 2],
    prefixes: ['x:', 'y\\x2c'],
    partitions: []
  })
  t.is(lines.length, 3)
})

test('what is wrong changes nothing and says why', (t) => {
  const path = newFile('[User bob]\nRights = read\nDatabases = 0\n')
  const before = readFileSync(path, 'utf8')
  const cases: [args: string[], input: string, exit: number, message: RegExp][] = [
    [['add', path, 'bob'], 'x', 3, /ZKDB_EXISTS: .*\[User bob\] already/],
    [['add', path, 'Bob'], 'x', 3, /ZKDB_CONFIG: .*section \[User Bob\] is repeated/],
    [['add', path, 'a b'], 'x', 2, /ZKDB_INVALID: "a b": a user name/],
    [['add', path, 'al', '--rights', 'fly', '--databases', '0'], 'x', 3, /Rights = fly: "fly" is none of/],
    [['add', path, 'al', '--rights', 'read'], 'x', 3, /no Databases/],
    [['add', path, 'al', '--rights', 'read\nDatabases = *'], 'x', 2, /more than one line/],
    [['add', path, 'al', '--iterations', '1000'], 'x', 2, /4096\.\.10000000/],
    [['add', path, 'al'], '', 2, /ZKDB_BAD_INPUT: the password is empty/],
    [['add', path, 'al'], 'one\ntwo\n', 2, /more than one line/],
    [['add', path, 'al'], 'x'.repeat(5000), 2, /more than 4096 bytes/],
    [['password', path, 'al'], 'x', 3, /ZKDB_MISSING: .*no section \[User al\]/],
    [['remove', path, 'al'], '', 3, /ZKDB_MISSING/],
    [['remove', `${path}.none`, 'al'], '', 3, /ZKDB_MISSING/],
    [['list', `${path}.none`], '', 3, /ZKDB_CONFIG: .*cannot be read/],
    [['frobnicate'], '', 2, /unknown command/],
    [['add', path, 'al', '--password', 'secret'], '', 2, /unknown option/]
  ]
  for (const [args, input, exit, message] of cases) {
    const run = zkdb(['user', ...args, ...(args[0] === 'add' && !args.includes('--iterations') ? quick : [])], input)
    t.is(run.exit, exit, `${args.join(' ')}: ${run.stderr}`)
    t.regex(run.stderr, message)
    t.is(readFileSync(path, 'utf8'), before)
    t.false(existsSync(`${path}.new`))
  }
})

test('a file that others may read is not changed before that is put right', (t) => {
  const path = newFile('[User bob]\n')
  chmodSync(path, 0o644)
  const { exit, stderr } = zkdb(['user', 'add', path, 'al', '--no-password'])
  t.is(exit, 3)
  t.regex(stderr, /mode 0644.*chmod 600/)
})

test('two that change a file at once do not lose what one of them did', (t) => {
  const path = newFile('[User bob]\n')
  writeFileSync(`${path}.new`, '')
  const { exit, stderr } = zkdb(['user', 'add', path, 'al', '--no-password'])
  t.is(exit, 3)
  t.regex(stderr, /ZKDB_EXISTS: .*\.new is there: another "zkdb user" is at work/)
  t.true(existsSync(`${path}.new`))
})

test('a symbolic link to the file stays one', (t) => {
  const path = newFile('[User bob]\n')
  const link = join(newFolder(), 'link.conf')
  symlinkSync(path, link)
  t.is(zkdb(['user', 'add', link, 'al', '--no-password']).exit, 0)
  t.regex(readFileSync(path, 'utf8'), /\[User al\]/)
  t.is(readFileSync(link, 'utf8'), readFileSync(path, 'utf8'))
})
