/** A zkdb server as a process: `node zkdb-server.mjs FOLDER PORT DURABILITY`. */
import process from 'node:process'
import { serve } from '../../dist/esm/server/index.js'

const [folder, port, durability] = process.argv.slice(2)
const server = await serve(
  { path: folder, durability },
  { listen: `127.0.0.1:${port}`, maxConnections: 20_000, maxConnectionsPerAddress: 20_000 }
)
process.once('SIGTERM', () => server.close())
