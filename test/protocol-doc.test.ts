/**
 * docs/protocol.md against the code: it has the commands of the table with the rights that they need, and its examples
 * are what a server answers, byte for byte.
 */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { connectTo, encode, portOf, startServer } from './helpers/server.js'

const doc = readFileSync('docs/protocol.md', 'utf8')
const table = readFileSync('native/net/command_table.cc', 'utf8')

const letters: Record<string, string> = {
  0: '-',
  kVerbRead: 'r',
  kVerbWrite: 'w',
  kVerbScan: 's',
  kVerbAdmin: 'a',
  kReadWrite: 'rw',
  kReadScan: 'rs',
  kWriteScan: 'ws',
  kReadAdmin: 'ra'
}

/** Command and rights of each line of the table. */
function commandsOfTable(): Map<string, string> {
  const lines = table.matchAll(/^ {4}\{"([A-Z.]+)", \w+, -?\d+, [\w |]+, (\w+), \w+,/gm)
  return new Map([...lines].map(([, name, verbs]) => [name!, letters[verbs!] ?? `no letter for ${verbs}`]))
}

/** The same of the tables below "Commands". A line may have several commands, with rights for all or one for each. */
function commandsOfDocument(): Map<string, string> {
  const chapter = doc.slice(doc.indexOf('\n## Commands\n'), doc.indexOf('\n## Batches\n'))
  const found = new Map<string, string>()
  for (const [, cells, rights] of chapter.matchAll(/^\| (`[A-Z][^|]*) \| ([^|]+) \|/gm)) {
    const names = [...cells!.matchAll(/`([A-Z.]+)/g)].map(([, name]) => name!)
    const given = rights!.replace(/ \(.*\)/, '').split(', ')
    for (const [i, name] of names.entries()) found.set(name, given[i] ?? given[0]!)
  }
  return found
}

test('the document has every command of the table with its rights, and no others', (t) => {
  const commands = commandsOfTable()
  t.true(commands.size > 50)
  t.deepEqual(Object.fromEntries(commandsOfDocument()), Object.fromEntries(commands))
})

test('the server has the commands of the table', async (t) => {
  const client = await connectTo(t, portOf(await startServer(t)))
  t.is(await client.line('COMMAND', 'COUNT'), `:${commandsOfTable().size}\r\n`)
})

interface Step {
  command: string[]
  reply: string[]
}

/** The sessions of the document, each a list of commands with the lines of their replies. */
function sessions(): Step[][] {
  return [...doc.matchAll(/^<!-- session -->\n```\n([^`]+)```$/gm)].map(([, text]) => {
    const steps: Step[] = []
    for (const line of text!.trimEnd().split('\n')) {
      if (line.startsWith('C: ')) steps.push({ command: line.slice(3).split(' '), reply: [] })
      else steps.at(-1)!.reply.push(line.replace(/^S: /, ''))
    }
    return steps
  })
}

test('the examples are what a server answers', async (t) => {
  const all = sessions()
  t.is(all.length, [...doc.matchAll(/<!-- session -->/g)].length)
  t.true(all.length >= 7)
  for (const steps of all) {
    const client = await connectTo(t, portOf(await startServer(t)))
    const names = new Map<string, string>()
    let at = 0
    for (const { command, reply } of steps) {
      const words = command.map((word) => word.replace(/^\{(\w+)\}$/, (_, name: string) => names.get(name)!))
      client.socket.write(encode(...words))
      const lines = () => client.received.toString('latin1', at).split('\r\n')
      await client.wait(() => lines().length > reply.length)
      const got = lines().slice(0, -1)
      reply.forEach((line, i) => {
        const name = /^:\{(\w+)\}$/.exec(line)?.[1]
        if (name === undefined || !/^:\d+$/.test(got[i] ?? '')) return
        names.set(name, got[i]!.slice(1))
        got[i] = line
      })
      t.deepEqual(got, reply, command.join(' '))
      at = client.received.length
    }
  }
})

test('the document has the equivalents of all commands of 2000', (t) => {
  const chapter = doc.slice(doc.indexOf('\n## The commands of zkDB (2000)\n'))
  const names = ['Connect', 'Disconnect', 'Fetch', 'Delete', 'Update', 'ResetGet', 'GetNext', 'TransactionBegin']
  for (const name of [...names, 'TransactionCommit', 'TransactionAbort'])
    t.regex(chapter, new RegExp(`^\\| ${name}`, 'm'))
})
