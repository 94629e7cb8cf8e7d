/**
 * Access control of the server: verifiers, the access file, back-off, the order and the cost of logins.
 */
import { createHash, createHmac } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { backOff, file, logins, stored, verifier } from './helpers/access.js'
import { newFolder } from './helpers/shapes.js'

const least = verifier.minIterations

function accessOf(text: string) {
  return file.parseAccess(Buffer.from(text), 'access.conf')
}

// ---- verifiers

test('a verifier has the keys of the example of RFC 7677', async (t) => {
  const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
  const { storedKey, serverKey } = await verifier.makeVerifier(Buffer.from('pencil'), 4096, salt)
  const nonce = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
  const messages = [
    'n=user,r=rOprNGfwEbeRWgbNEkqO',
    `r=${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`,
    `c=biws,r=${nonce}`
  ].join(',')
  const sign = (key: Buffer) => createHmac('sha256', key).update(messages).digest()
  t.is(sign(serverKey).toString('base64'), '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')
  const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64')
  const signature = sign(storedKey)
  const clientKey = Buffer.from(proof.map((byte, i) => byte ^ (signature[i] ?? 0)))
  t.deepEqual(createHash('sha256').update(clientKey).digest(), storedKey)
})

test('a verifier knows its password alone, and comes back from its text', async (t) => {
  const made = await verifier.makeVerifier(Buffer.from('open sesame'), least)
  const read = verifier.parseVerifier(verifier.formatVerifier(made))
  if (typeof read === 'string') return t.fail(read)
  t.deepEqual(read, made)
  t.true(await verifier.verify(read, Buffer.from('open sesame')))
  for (const wrong of ['', 'open', 'open sesame ', 'OPEN SESAME']) {
    t.false(await verifier.verify(read, Buffer.from(wrong)), wrong)
  }
  const other = await verifier.makeVerifier(Buffer.from('open sesame'), least)
  t.notDeepEqual(other.storedKey, made.storedKey, 'each has a salt of its own')
})

test('a password is the same however its letters are composed, and may be any bytes', async (t) => {
  const made = await verifier.makeVerifier(Buffer.from('caf\u00e9'), least)
  t.true(await verifier.verify(made, Buffer.from('cafe\u0301')))
  const bytes = await verifier.makeVerifier(Buffer.from([0xff, 0xfe]), least)
  t.true(await verifier.verify(bytes, Buffer.from([0xff, 0xfe])))
  t.false(await verifier.verify(bytes, Buffer.from([0xff, 0xfd])))
})

test('what is no verifier is refused with a reason', async (t) => {
  const good = await stored('x')
  t.is(typeof verifier.parseVerifier(good), 'object')
  t.is(typeof verifier.parseVerifier('secret'), 'string')
  t.is(typeof verifier.parseVerifier(`${good}x`), 'string')
  t.regex(String(verifier.parseVerifier(good.replace(/\$\d+/, '$4095'))), /has 4095 iterations; 4096 to/)
  t.regex(String(verifier.parseVerifier(good.replace(/\$\d+/, '$99999999999'))), /99999999999 iterations/)
  t.regex(String(verifier.parseVerifier(good.replace(/:[^:]*$/, ':AAAA'))), /32 bytes/)
})

// ---- the file

test('an access file says who may do what', async (t) => {
  const text =
    `; users\n[User alice]\nVerifier = ${await stored('a')}\nrights = Read, WRITE\nDatabases = 0, 7\n` +
    'Prefixes = cart:, a\\x2cb\\\\\\x20\n[ user  bob ]\nRights = scan\nDatabases = *\n' +
    'Partitions = low, high,\n[User eve]\n'
  const access = accessOf(text)
  t.deepEqual([...access.users.keys()], ['alice', 'bob', 'eve'])
  const { verifier: made, ...alice } = access.users.get('alice') ?? { verifier: undefined }
  t.is(made?.iterations, least)
  t.deepEqual(alice, {
    name: 'alice',
    verbs: ['read', 'write'],
    databases: [0, 7],
    prefixes: [Buffer.from('cart:'), Buffer.from('a,b\\ ')],
    partitions: []
  })
  t.like(access.users.get('bob'), { verbs: ['scan'], databases: '*', prefixes: [], partitions: ['low', 'high'] })
  t.deepEqual(access.users.get('eve'), { name: 'eve', verbs: [], databases: [], prefixes: [], partitions: [] })
  t.deepEqual(access.addresses, [])
})

test('an error of an access file names file, line, section, key and value', (t) => {
  const cases: [text: string, message: RegExp][] = [
    [
      '[User a]\nRights = read, rite\n',
      /^access\.conf:2: \[User a\] Rights = read, rite: "rite" is none of read, write/
    ],
    ['[User a]\nRights =\nDatabases = 0\n', /:2: \[User a\] Rights = : the list is empty/],
    ['[User a]\nRights = read\nDatabases = 0\nPrefixes = ,\n', /:4: \[User a\] Prefixes = ,: the list is empty/],
    ['[User a]\nRights = read\n', /:1: \[User a\]: there are Rights but no Databases/],
    ['[User a]\nDatabases = 0, x\n', /:2: \[User a\] Databases = 0, x: "x" is not the number/],
    ['[User a]\nDatabases = 4294967296\n', /is not the number of a database/],
    ['[User a]\nDatabases = 1, *\n', /name nothing beside it/],
    ['[User a]\nPrefixes = a\\n\n', /after a backslash stands xHH/],
    ['[User a]\nPrefixes = a\nPartitions = b\n', /:1: \[User a\]: give Prefixes or Partitions, not both/],
    ['[User a]\nPassword = x\n', /Password = x: is none of the keys/],
    ['[User a]\nconstructor = x\n', /is none of the keys/],
    ['[User a]\nVerifier = hunter2\n', /Verifier = \(not shown\): write SCRAM-SHA-256/],
    ['[User a b]\n', /:1: \[User a b\]: a user name has 1 to 64/],
    ['[Group a]\n', /:1: \[Group a\]: the sections of an access file/],
    ['Rights = read\n', /:1: \[main\] Rights = read: before the first user only Addresses/],
    ['[User a]\n[user A]\n', /:2: section \[user A\] is repeated/],
    ['[User a]\nRights = read\nrights = write\n', /:3: \[User a\] rights = write: the key is repeated/],
    ['Addresses = localhost\n', /Addresses = localhost: "localhost" is no IP address/],
    ['Addresses = 10.0.0.0/33\n', /no ADDRESS\/BITS/],
    ['Addresses = fe80::1%eth0\n', /no ADDRESS\/BITS/],
    ['nonsense\n', /^access\.conf:1: /]
  ]
  for (const [text, message] of cases) {
    const error = t.throws(() => accessOf(text), { code: 'ZKDB_CONFIG' }, text)
    t.regex(error?.message ?? '', message)
    t.notRegex(error?.message ?? '', /hunter2/)
  }
})

test('addresses of an access file are a list of networks', (t) => {
  const access = accessOf('Addresses = 127.0.0.1, 10.1.0.0/16, ::1, 2001:db8::/32,\n[User a]\n')
  t.deepEqual(access.addresses, ['127.0.0.1', '10.1.0.0/16', '::1', '2001:db8::/32'])
})

test('an access file that others may read is refused', (t) => {
  const path = join(newFolder(), 'access.conf')
  writeFileSync(path, '[User a]\n', { mode: 0o600 })
  t.is(file.readAccessFile(path).users.size, 1)
  for (const mode of [0o604, 0o640, 0o602, 0o620, 0o644, 0o777]) {
    chmodSync(path, mode)
    const error = t.throws(() => file.readAccessFile(path), { code: 'ZKDB_CONFIG' })
    t.regex(error?.message ?? '', new RegExp(`mode ${mode.toString(8).padStart(4, '0')}.*chmod 600`))
  }
  t.throws(() => file.readAccessFile(`${path}.none`), { code: 'ZKDB_CONFIG', message: /cannot be read/ })
  const folder = join(newFolder(), 'folder')
  mkdirSync(folder, { mode: 0o700 })
  t.throws(() => file.readAccessFile(folder), { code: 'ZKDB_CONFIG', message: /is not a file/ })
})

test('rights are packed as the session reads them', (t) => {
  // The bytes are those of native/net/rights_test.cc.
  const some = { databases: [0, 7], prefixes: [Buffer.from('b:'), Buffer.from([0xff])], partitions: ['low'] }
  t.is(
    file.packRights({ verbs: ['read', 'scan'], ...some }).toString('latin1'),
    '\x05\0\0\0\x02\0\0\0\0\0\0\0\x07\0\0\0\x02\0\0\0\x02\0\0\0b:\x01\0\0\0\xff\x01\0\0\0\x03\0\0\0low'
  )
  const all = file.packRights({ verbs: [...file.verbs], databases: '*', prefixes: [], partitions: [] })
  t.is(all.toString('latin1'), '\x0f\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0')
})

// ---- back-off

/** A clock that moves when it is told to. */
class Clock {
  ms = 1000
  readonly slept: number[] = []
  readonly now = (): number => this.ms
  readonly sleep = async (ms: number): Promise<void> => {
    this.slept.push(ms)
    this.ms += ms
  }
}

test('delays grow with the failures of a network, up to ten seconds, and are forgiven by time', (t) => {
  const clock = new Clock()
  const failures = new backOff.BackOff(clock.now)
  const delays: number[] = []
  for (let i = 0; i < 10; i++) {
    failures.failed('10.0.0.1')
    delays.push(failures.delayOf('10.0.0.1'))
  }
  t.deepEqual(delays, [0, 0, 250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000])
  t.is(failures.delayOf('10.0.0.2'), 0)
  clock.ms += 4000
  t.is(failures.delayOf('10.0.0.1'), 6000)
  clock.ms += 6000
  t.is(failures.delayOf('10.0.0.1'), 0)
  failures.failed('10.0.0.1')
  t.is(failures.delayOf('10.0.0.1'), 10_000)
  clock.ms += 8 * 60_000
  failures.failed('10.0.0.1')
  t.is(failures.delayOf('10.0.0.1'), 500, 'eleven failures, eight forgiven, one more')
  clock.ms += 60 * 60_000
  failures.failed('10.0.0.1')
  t.is(failures.delayOf('10.0.0.1'), 0)
})

test('failures of any number of networks take bounded memory, and the oldest go first', (t) => {
  const failures = new backOff.BackOff(new Clock().now, 100)
  for (let i = 0; i < 3; i++) failures.failed('first')
  for (let i = 0; i < 99; i++) failures.failed(`10.0.0.${i}`)
  t.is(failures.delayOf('first'), 250)
  failures.failed('one more')
  t.is(failures.delayOf('first'), 0)
  t.is(failures.size, 100)
})

test('a network is an IPv4 address, the half of an IPv6 address, or all Unix sockets', (t) => {
  const networks: [address: string, network: string][] = [
    ['127.0.0.1:4711', '127.0.0.1'],
    ['127.0.0.1', '127.0.0.1'],
    ['[::ffff:1.2.3.4]:80', '1.2.3.4'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['[2001:db8:0:1:2:3:4:5]:80', '2001:db8:0:1::/64'],
    ['[2001:DB8::1]:80', '2001:db8:0:0::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['[fe80::1%eth0]:9', 'fe80:0:0:0::/64'],
    ['[::1]:1', '0:0:0:0::/64'],
    ['/run/zkdb.sock', 'unix'],
    ['/run/a:1', 'unix'],
    ['', 'unix']
  ]
  for (const [address, network] of networks) t.is(backOff.networkOf(address), network, address)
})

// ---- logins

async function twoUsers() {
  return accessOf(`[User alice]\nVerifier = ${await stored('right')}\nRights = read\nDatabases = 0\n[User ghost]\n`)
}

test('a login is welcome with its password and refused for every other reason', async (t) => {
  const clock = new Clock()
  const all = new logins.Logins(await twoUsers(), { backOff: new backOff.BackOff(clock.now), sleep: clock.sleep })
  const check = (user: string, password: string) => all.check('1.2.3.4:5', user, Buffer.from(password))
  t.like(await check('alice', 'right'), { verdict: 'welcome', user: { name: 'alice', verbs: ['read'] } })
  t.like(await check('alice', 'right'), { verdict: 'welcome' })
  for (const [user, password] of [
    ['alice', 'wrong'],
    ['alice', ''],
    ['ghost', ''],
    ['nobody', 'right'],
    ['', '']
  ]) {
    t.deepEqual(await check(user ?? '', password ?? ''), { verdict: 'refused' })
  }
  t.deepEqual(clock.slept, [250, 500])
  t.like(await check('alice', 'right'), { verdict: 'welcome' }, 'late, but welcome')
  t.deepEqual(clock.slept, [250, 500, 1000])
})

test('a password that was right is forgotten with its verifier', async (t) => {
  const all = new logins.Logins(await twoUsers())
  t.like(await all.check('::1', 'alice', Buffer.from('right')), { verdict: 'welcome' })
  all.file = accessOf(`[User alice]\nVerifier = ${await stored('other')}\n`)
  t.deepEqual(await all.check('::1', 'alice', Buffer.from('right')), { verdict: 'refused' })
  t.like(await all.check('::1', 'alice', Buffer.from('other')), { verdict: 'welcome' })
  all.file = accessOf('[User alice]\n')
  t.deepEqual(await all.check('::1', 'alice', Buffer.from('other')), { verdict: 'refused' })
})

test('a password that was right is still remembered when the file is read again and has not changed it', async (t) => {
  const text = `[User alice]\nVerifier = ${await stored('right')}\n`
  let hashed = 0
  const all = new logins.Logins(accessOf(text), {
    verify: (one, password) => {
      hashed++
      return verifier.verify(one, password)
    }
  })
  t.like(await all.check('::1', 'alice', Buffer.from('right')), { verdict: 'welcome' })
  all.file = accessOf(`${text}Rights = read\nDatabases = 0\n`)
  t.like(await all.check('::1', 'alice', Buffer.from('right')), { verdict: 'welcome', user: { verbs: ['read'] } })
  t.is(hashed, 1)
})

test('who was welcome is confirmed as long as the file has him with the same password', async (t) => {
  const text = `[User alice]\nVerifier = ${await stored('right')}\n`
  const all = new logins.Logins(accessOf(text))
  const answer = await all.check('::1', 'alice', Buffer.from('right'))
  if (answer.verdict !== 'welcome') return t.fail(answer.verdict)
  all.file = accessOf(`${text}Rights = read\nDatabases = 0\n`)
  t.deepEqual(all.confirm(answer.user)?.verbs, ['read'])
  all.file = accessOf(`[User alice]\nVerifier = ${await stored('right')}\n`)
  t.is(all.confirm(answer.user), undefined)
  all.file = accessOf('[User bob]\n')
  t.is(all.confirm(answer.user), undefined)
})

test('the key of the user default lets in to everything, and guessing it is slowed down as others are', async (t) => {
  const clock = new Clock()
  const backOffs = new backOff.BackOff(clock.now)
  const all = new logins.Logins(await twoUsers(), { key: 'secret', backOff: backOffs, sleep: clock.sleep })
  const check = (password: string) => all.check('::1', 'default', Buffer.from(password))
  for (let i = 0; i < 4; i++) t.deepEqual(await check('guess'), { verdict: 'refused' })
  t.deepEqual(clock.slept, [250])
  const answer = await check('secret')
  t.like(answer, { verdict: 'welcome', user: { name: 'default', databases: '*', prefixes: [], partitions: [] } })
  if (answer.verdict === 'welcome') t.is(all.confirm(answer.user), answer.user)
  t.deepEqual(clock.slept, [250, 500])
})

test('a login under way is held against the file that is read meanwhile', async (t) => {
  const all = new logins.Logins(await twoUsers())
  const answer = all.check('::1', 'alice', Buffer.from('right'))
  all.file = accessOf('[User bob]\n')
  t.deepEqual(await answer, { verdict: 'refused' })
})

test('an unknown user costs the hashing of a wrong password, a known password none', async (t) => {
  const made = verifier.formatVerifier(await verifier.makeVerifier(Buffer.from('right'), 5000))
  const clock = new Clock()
  const rounds: number[] = []
  const all = new logins.Logins(accessOf(`[User alice]\nVerifier = ${made}\n`), {
    backOff: new backOff.BackOff(clock.now),
    sleep: clock.sleep,
    verify: (one, password) => {
      rounds.push(one.iterations)
      return verifier.verify(one, password)
    }
  })
  const check = (user: string, password: string) => all.check('::1', user, Buffer.from(password))
  t.deepEqual(await check('alice', 'wrong'), { verdict: 'refused' })
  t.deepEqual(await check('nobody', 'wrong'), { verdict: 'refused' })
  t.like(await check('alice', 'right'), { verdict: 'welcome' })
  t.deepEqual(rounds, [5000, 5000, 5000])
  t.like(await check('alice', 'right'), { verdict: 'welcome' })
  t.is(rounds.length, 3)
})

test('logins of a network are checked one at a time, and only so many wait', async (t) => {
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const clock = new Clock()
  const failures = new backOff.BackOff(clock.now)
  for (let i = 0; i < 3; i++) failures.failed('1.1.1.1')
  const all = new logins.Logins(await twoUsers(), {
    backOff: failures,
    sleep: () => held,
    maxWaiting: 8,
    maxWaitingPerNetwork: 5
  })
  const right = Buffer.from('right')
  const first = Array.from({ length: 5 }, () => all.check('1.1.1.1:1', 'alice', right))
  t.deepEqual(await all.check('1.1.1.1:2', 'alice', right), { verdict: 'failed' })
  t.like(await all.check('2.2.2.2:2', 'alice', right), { verdict: 'welcome' }, 'others do not wait')
  release()
  for (const answer of await Promise.all(first)) t.like(answer, { verdict: 'welcome' })
  t.like(await all.check('1.1.1.1:2', 'alice', right), { verdict: 'welcome' })
})

test('the login of a client that went away is not checked', async (t) => {
  const clock = new Clock()
  const failures = new backOff.BackOff(clock.now)
  for (let i = 0; i < 9; i++) failures.failed('unix')
  const all = new logins.Logins(await twoUsers(), { backOff: failures })
  const gone = new AbortController()
  const answers = [1, 2].map(() => all.check('/run/x', 'alice', Buffer.from('right'), gone.signal))
  gone.abort()
  t.deepEqual(await Promise.all(answers), [{ verdict: 'failed' }, { verdict: 'failed' }])
})
