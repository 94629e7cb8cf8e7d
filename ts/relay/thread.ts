/**
 * The thread of the relay: takes the sockets that the addon passes to it. It ends when the addon lets go of it.
 */
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { workerData } from 'node:worker_threads'
import { binding } from '../binding.js'
import { RelayedConnection } from './connection.js'

binding.tlsRelayServe((workerData as { zkdbTlsRelay: number }).zkdbTlsRelay, (fd) => {
  let socket: Socket
  try {
    socket = new Socket({ fd, readable: true, writable: true })
  } catch {
    closeSync(fd)
    return
  }
  new RelayedConnection(socket)
})
