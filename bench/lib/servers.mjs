/** Servers under measurement: zkdb's and redis-server, each a process of its own on a port that is free. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('zkdb-server.mjs', import.meta.url))
const startMs = 20_000
/** Commands of one write while a server is filled. */
const fillBatch = 1000

/** The version that a program prints, or undefined when it is not there. */
export function versionOf(program) {
  const { stdout, error } = spawnSync(program, ['--version'], { encoding: 'utf8' })
  return error ? undefined : /\d+\.\d+\.\d+/.exec(stdout)?.[0]
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

async function start(name, command, args, port) {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  for (const deadline = Date.now() + startMs; !(await accepts(port)); await sleep(20)) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`${name} did not begin to listen on port ${port}`)
    }
  }
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  return { name, port, pid: child.pid, stop }
}

/** zkdb with one partition; `isDurable`: a write is on the disk when it is answered. */
export async function startZkdb(folder, isDurable) {
  const port = await freePort()
  mkdirSync(folder, { recursive: true })
  return start('zkdb', process.execPath, [script, folder, String(port), isDurable ? 'commit' : 'none'], port)
}

/** redis-server: without persistence, or with its append-only file synced before each answer. */
export async function startRedis(folder, isDurable) {
  const port = await freePort()
  mkdirSync(folder, { recursive: true })
  const persistence = isDurable ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no']
  const place = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '']
  return start('redis', 'redis-server', [...place, ...persistence], port)
}

function setCommands(from, count, value) {
  const parts = []
  for (let i = from; i < from + count; i++) {
    parts.push(`*3\r\n$3\r\nSET\r\n$16\r\nkey:${String(i).padStart(12, '0')}\r\n$${value.length}\r\n${value}\r\n`)
  }
  return parts.join('')
}

/** Writes the keys `key:000000000000` and on, those of redis-benchmark's `-r`, with values of `size` bytes. */
export async function fill(port, count, size) {
  const socket = connect(port, '127.0.0.1')
  const value = 'x'.repeat(size)
  const replies = count * '+OK\r\n'.length
  let received = 0
  const done = new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('data', (chunk) => {
      received += chunk.length
      if (chunk.includes(0x2d)) reject(new Error(`a SET was refused: ${chunk.toString()}`))
      if (received >= replies) resolve()
    })
  })
  for (let from = 0; from < count; from += fillBatch) {
    const hasRoom = socket.write(setCommands(from, Math.min(fillBatch, count - from), value))
    if (!hasRoom) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), done])
  }
  await done
  socket.destroy()
}
