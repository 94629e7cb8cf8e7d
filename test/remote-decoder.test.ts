/**
 * The decoder and the encoder of the remote client, without a socket: every way of cutting the input gives the same
 * replies, what is no reply is a typed error, and limits hold before memory is taken.
 */
import test from 'ava'
import fc from 'fast-check'
import { ZkdbError } from '../ts/errors.js'
import { Decoder, type ReplySink } from '../ts/remote/decoder.js'
import { Encoder } from '../ts/remote/encoder.js'
import type { Reply } from '../ts/remote/reply.js'
import { takeCommand } from './helpers/resp-server.js'
import { seed } from './helpers/seed.js'

fc.configureGlobal({ seed })

const mebibyte = 1024 * 1024

class Collector implements ReplySink {
  readonly replies: Reply[] = []
  readonly pushes: Reply[][] = []
  constructor(readonly depth = 0) {}
  textDepth(): number {
    return this.depth
  }
  reply(value: Reply): void {
    this.replies.push(value)
  }
  push(values: Reply[]): void {
    this.pushes.push(values)
  }
}

/** What comes out when the pieces go in; every piece lies in the same memory, which is overwritten behind each. */
function decode(pieces: Buffer[], depth = 0, limit = mebibyte): Collector {
  const sink = new Collector(depth)
  const decoder = new Decoder(sink, limit)
  const memory = Buffer.alloc(Math.max(1, ...pieces.map((piece) => piece.length)))
  for (const piece of pieces) {
    piece.copy(memory)
    decoder.push(memory, piece.length)
    memory.fill(0x78)
  }
  return sink
}

function errorOf(text: string | Buffer, limit?: number): ZkdbError {
  try {
    decode([Buffer.from(text as string)], 0, limit)
  } catch (error) {
    return error as ZkdbError
  }
  throw new Error(`${String(text)} was taken`)
}

const samples: [string, Reply][] = [
  ['+OK\r\n', 'OK'],
  ['+\r\n', ''],
  [':0\r\n', 0],
  [':-42\r\n', -42],
  [':+7\r\n', 7],
  [':9007199254740991\r\n', Number.MAX_SAFE_INTEGER],
  [':9223372036854775807\r\n', 9223372036854775807n],
  [':-9223372036854775808\r\n', -9223372036854775808n],
  ['$5\r\nhello\r\n', 'hello'],
  ['$0\r\n\r\n', ''],
  ['$4\r\n\r\n\r\n\r\n', '\r\n\r\n'],
  ['$6\r\n\u00fc\u20ac!\r\n', '\u00fc\u20ac!'],
  ['$-1\r\n', null],
  ['*-1\r\n', null],
  ['_\r\n', null],
  ['#t\r\n', true],
  ['#f\r\n', false],
  [',1.5\r\n', 1.5],
  [',-1e3\r\n', -1000],
  [',inf\r\n', Number.POSITIVE_INFINITY],
  [',-inf\r\n', Number.NEGATIVE_INFINITY],
  [',nan\r\n', Number.NaN],
  ['(3492890328409238509324850943850943825024385\r\n', 3492890328409238509324850943850943825024385n],
  ['(-12\r\n', -12n],
  ['=8\r\ntxt:text\r\n', 'text'],
  ['*0\r\n', []],
  ['%0\r\n', new Map()],
  ['*2\r\n:1\r\n*2\r\n$1\r\na\r\n_\r\n', [1, ['a', null]]],
  ['~2\r\n+a\r\n+b\r\n', ['a', 'b']],
  [
    '%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n#t\r\n',
    new Map<Reply, Reply>([
      ['a', 1],
      ['b', [true]]
    ])
  ],
  ['|1\r\n+ttl\r\n:3600\r\n$1\r\nx\r\n', 'x'],
  ['*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n', [1, 2]]
]
const allBytes = Buffer.from(samples.map(([bytes]) => bytes).join(''))
const allValues = samples.map(([, value]) => value)

test('every kind of reply is decoded', (t) => {
  for (const [bytes, value] of samples) t.deepEqual(decode([Buffer.from(bytes)]).replies, [value], bytes)
})

test('replies are the same wherever the input is cut in two', (t) => {
  for (let cut = 0; cut <= allBytes.length; cut++) {
    t.deepEqual(decode([allBytes.subarray(0, cut), allBytes.subarray(cut)]).replies, allValues, `cut at ${cut}`)
  }
})

test('replies are the same when they come byte by byte, and in pieces of any sizes', (t) => {
  t.deepEqual(decode([...allBytes].map((byte) => Buffer.of(byte))).replies, allValues)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
      const pieces: Buffer[] = []
      for (let at = 0, i = 0; at < allBytes.length; i++) {
        const size = sizes[i % sizes.length]!
        pieces.push(allBytes.subarray(at, at + size))
        at += size
      }
      t.deepEqual(decode(pieces).replies, allValues)
    })
  )
})

test('a bulk string of several chunks is whole, as text and as bytes', (t) => {
  const value = Buffer.from('0123456789abcdef'.repeat(40_000))
  const input = Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n+next\r\n')])
  const pieces: Buffer[] = []
  for (let at = 0; at < input.length; at += 65_536) pieces.push(input.subarray(at, at + 65_536))
  t.deepEqual(decode(pieces).replies, [value.toString(), 'next'])
  const [bytes] = decode(pieces, Number.POSITIVE_INFINITY).replies
  t.true(Buffer.isBuffer(bytes) && bytes.equals(value))
})

test('bulk strings are bytes of their own, or text from a depth on', (t) => {
  const input = Buffer.from('*2\r\n*1\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n')
  t.deepEqual(decode([input], 0).replies, [[['a'], 'b'], 'c'])
  t.deepEqual(decode([input], 2).replies, [[['a'], Buffer.from('b')], Buffer.from('c')])
  t.deepEqual(decode([input], Infinity).replies, [[[Buffer.from('a')], Buffer.from('b')], Buffer.from('c')])
})

test('errors are values with the code of zkdb, or the words of the server', (t) => {
  const input =
    '-ZKDB_NO_SPACE the disk is full\r\n-ERR no\r\n-WRONGPASS no\r\n!7\r\nERR ouc\r\n*2\r\n:1\r\n-ZKDB_CORRUPT x\r\n'
  const replies = decode([Buffer.from(input)]).replies as ZkdbError[]
  t.deepEqual(
    replies.slice(0, 4).map(({ code, message }) => [code, message]),
    [
      ['ZKDB_NO_SPACE', 'the disk is full'],
      ['ZKDB_SERVER', 'ERR no'],
      ['ZKDB_AUTH', 'WRONGPASS no'],
      ['ZKDB_SERVER', 'ERR ouc']
    ]
  )
  const inner = (replies[4] as unknown as ZkdbError[])[1]!
  t.true(inner instanceof ZkdbError)
  t.is(inner.urgency, 'urgent')
})

test('pushes go apart from replies', (t) => {
  const input = Buffer.from('>2\r\n+message\r\n$1\r\nx\r\n+OK\r\n>1\r\n+invalidate\r\n$1\r\ny\r\n')
  for (const pieces of [[input], [...input].map((byte) => Buffer.of(byte))]) {
    const { replies, pushes } = decode(pieces)
    t.deepEqual(replies, ['OK', 'y'])
    t.deepEqual(pushes, [['message', Buffer.from('x')], ['invalidate']])
  }
})

const refused = [
  'hello\r\n',
  '$x\r\n',
  '$-2\r\n',
  '*-3\r\n',
  '%-1\r\n',
  '$?\r\n',
  '$\r\n',
  ':\r\n',
  ':1x\r\n',
  ':--1\r\n',
  ':123456789012345678901\r\n',
  '#x\r\n',
  '#\r\n',
  ',one\r\n',
  ',\r\n',
  '(1.5\r\n',
  '_x\r\n',
  '+a\nb\r\n',
  '+a\rb\r\n',
  '$1\r\nab\r\n',
  '$1\r\na\n\r',
  '=2\r\nab\r\n',
  '=5\r\nabcde\r\n',
  '*1\r\n>1\r\n+a\r\n',
  '>0\r\n',
  '\r\n',
  `${'*1\r\n'.repeat(33)}:1\r\n`,
  `+${'x'.repeat(70_000)}\r\n`,
  `+${'x'.repeat(70_000)}`
]

test('what is no reply is a typed error, in one piece and byte by byte', (t) => {
  for (const text of refused) {
    t.is(errorOf(text).code, 'ZKDB_PROTOCOL', text.slice(0, 20))
    const pieces = [...Buffer.from(text)].map((byte) => Buffer.of(byte))
    const error = t.throws(() => decode(pieces), { instanceOf: ZkdbError }, text.slice(0, 20))
    t.is(error?.code, 'ZKDB_PROTOCOL')
  }
})

test('announced sizes are held against the limit before anything is allocated', (t) => {
  const before = process.memoryUsage().arrayBuffers
  for (const text of ['$4294967295\r\n', '*4294967295\r\n', '%99999999\r\n', '~4294967295\r\n', '=2147483648\r\n']) {
    t.is(errorOf(text).code, 'ZKDB_PROTOCOL', text)
    t.is(errorOf(`*2\r\n:1\r\n${text}`).code, 'ZKDB_PROTOCOL', text)
  }
  // Within the limit memory grows with what comes, not with what is announced.
  const decoder = new Decoder(new Collector(), 1024 * mebibyte)
  decoder.push(Buffer.from('$1000000000\r\nx'), 14)
  t.true(process.memoryUsage().arrayBuffers - before < 16 * mebibyte)
})

test('the limit of a reply counts all that is in it', (t) => {
  const element = `$300\r\n${'x'.repeat(300)}\r\n`
  t.is(decode([Buffer.from(`*3\r\n${element.repeat(3)}`)], 0, 1024).replies.length, 1)
  t.is(errorOf(`*4\r\n${element.repeat(4)}`, 1024).code, 'ZKDB_PROTOCOL')
  t.is(errorOf(`*4\r\n${`+${'x'.repeat(300)}\r\n`.repeat(4)}`, 1024).code, 'ZKDB_PROTOCOL')
  t.is(decode([Buffer.from(element.repeat(100))], 0, 1024).replies.length, 100)
})

test('random bytes give replies or a typed error, and nothing else', (t) => {
  const words = [
    '*',
    '$',
    '%',
    '~',
    '>',
    '|',
    ':',
    '+',
    '-',
    '!',
    '=',
    '_',
    '#t',
    ',',
    '(',
    '\r\n',
    '\r',
    '\n',
    '1',
    '2'
  ]
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
    // Replies of which a byte was changed.
    fc.tuple(fc.nat(allBytes.length - 1), fc.nat(255)).map(([place, byte]) => {
      const bytes = Buffer.from(allBytes)
      bytes[place] = byte
      return bytes
    }),
    fc
      .array(fc.constantFrom(...words, '0', '9', 'a', '-1'), { maxLength: 40 })
      .map((list) => Buffer.from(list.join('')))
  )
  let errors = 0
  let replies = 0
  fc.assert(
    fc.property(noise, fc.nat(400), (bytes, cut) => {
      const sink = new Collector()
      const decoder = new Decoder(sink, 4096)
      try {
        for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) decoder.push(piece, piece.length)
      } catch (error) {
        if ((error as ZkdbError).code !== 'ZKDB_PROTOCOL') throw error
        errors++
      }
      replies += sink.replies.length
    }),
    { numRuns: 20_000 }
  )
  t.log(`${replies} replies, ${errors} errors`)
  t.true(errors > 5000 && replies > 10_000)
})

const anyArgument = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ maxLength: 2000 }),
  fc.uint8Array({ maxLength: 2000 }),
  fc.integer(),
  fc.bigInt()
)
const textOf = (data: string | Uint8Array | number | bigint): string =>
  data instanceof Uint8Array ? Buffer.from(data).toString() : Buffer.from(String(data)).toString()

test('commands come out of the bytes that they were encoded into', (t) => {
  fc.assert(
    fc.property(fc.array(fc.array(anyArgument, { minLength: 1, maxLength: 5 }), { maxLength: 8 }), (commands) => {
      const encoder = new Encoder()
      const encoded = commands.map((command) => {
        encoder.all(command)
        return { block: encoder.block, start: encoder.start, end: encoder.end }
      })
      for (const [i, { block, start, end }] of encoded.entries()) {
        const bytes = block.buffer.subarray(start, end)
        const found = takeCommand(bytes)
        t.is(found?.size, bytes.length)
        t.deepEqual(found?.args, commands[i]!.map(textOf))
      }
    })
  )
})

test('what is encoded and sent back as replies is what was encoded', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 30 }), (values) => {
      const encoder = new Encoder()
      encoder.all(values)
      const bytes = encoder.block.buffer.subarray(encoder.start, encoder.end)
      const [reply] = decode([bytes], Number.POSITIVE_INFINITY).replies
      t.deepEqual(
        reply,
        values.map((value) => Buffer.from(value))
      )
    })
  )
})

test('a block is used again when all of its commands and writes are done with, and not before', (t) => {
  const encoder = new Encoder()
  const first = encoder.block
  const large = 'x'.repeat(40_000)
  encoder.all(['a', large])
  encoder.all(['b', large])
  t.not(encoder.block, first)
  t.is(first.users, 1)
  t.true(first.size > 0)
  encoder.release(first)
  t.is(first.size, 0)
  encoder.all(['c', large])
  t.is(encoder.block, first)
})

test('a command that cannot be encoded leaves nothing behind', (t) => {
  const encoder = new Encoder()
  encoder.all(['a'])
  const { size, users } = encoder.block
  t.throws(() => encoder.all(['b', { bad: true } as unknown as string]), { instanceOf: TypeError })
  t.throws(() => encoder.all(['b', Symbol('bad') as unknown as string]), { instanceOf: TypeError })
  t.deepEqual([encoder.block.size, encoder.block.users], [size, users])
})
