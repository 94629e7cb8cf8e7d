/** Connections that cost a server memory and do nothing for it: how much, and what a good client notices. */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const settleMs = 3000
const dripMs = 2000

/** Resident memory of a process in MiB. */
function residentMiB(pid) {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024
}

function open(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.once('error', reject)
  })
}

/**
 * Opens `count` connections, half of which never send a whole command, and measures a good client before and meanwhile.
 *
 * @param {() => Promise<object>} measure - the good client's figures.
 * @returns as { addedMiB, before, meanwhile }
 */
export async function idleConnections({ server, count, measure }) {
  const before = await measure()
  const resident = residentMiB(server.pid)
  const sockets = []
  for (let i = 0; i < count; i += 100) {
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(100, count - i) }, () => open(server.port)))))
  }
  const slow = sockets.filter((_, i) => i % 2 === 0)
  for (const socket of slow) socket.on('error', () => undefined).write('*2\r\n$3\r\nGET\r\n$4000\r\n')
  await sleep(settleMs)
  // The key, a byte now and then: the command is never whole.
  const drip = setInterval(() => {
    for (const socket of slow) socket.write('x')
  }, dripMs)
  try {
    const meanwhile = await measure()
    return { addedMiB: residentMiB(server.pid) - resident, before, meanwhile }
  } finally {
    clearInterval(drip)
    for (const socket of sockets) socket.destroy()
  }
}
