/**
 * The process of one measurement. It gets the specification as its only argument, in JSON, and sends one message:
 * { figures, peakMiB }, { wrong }, { unsupported } or { failed }.
 */
import { rmSync } from 'node:fs'
import process from 'node:process'
import { workloadNamed } from '../workloads/index.mjs'
import { Context, Unsupported, WrongAnswer } from './context.mjs'
import { engineNamed } from './engines.mjs'

/** Makes the fixture: all records, loaded in random order without durability, and closed. */
async function prepare(context) {
  const { folder } = context.spec
  rmSync(folder, { recursive: true, force: true })
  const store = await (await context.opener({ isDurable: false }))()
  await context.load(store, context.data.order)
  await store.close()
}

async function run() {
  const spec = JSON.parse(process.argv[2])
  const context = new Context(spec, workloadNamed(spec.workload), engineNamed(spec.engine))
  if (spec.isFixture) await prepare(context)
  else await context.workload.run(context)
  return { figures: context.figures, peakMiB: process.resourceUsage().maxRSS / 1024 }
}

function failure(error) {
  if (error instanceof WrongAnswer) return { wrong: error.message }
  if (error instanceof Unsupported) return { unsupported: error.message }
  return { failed: error instanceof Error ? (error.stack ?? error.message) : String(error) }
}

const message = await run().catch(failure)
// Some engines keep threads and timers: the answer is out, and the process has nothing left to do.
process.send(message, () => process.exit(0))
