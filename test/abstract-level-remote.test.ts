/**
 * The whole suite of abstract-level over remote partitions: TCP, TLS, Unix socket, and mixed with local ones.
 */
import test from 'ava'
import { Database } from 'zkdb'
import { runLevelSuite } from './helpers/level-suite.js'
import { RemotePlace, remoteShapes } from './helpers/remote-shapes.js'

/** Databases whose servers are kept running: the suite opens a few of them again. */
const keptDatabases = 20

/** Both names of what a database with remote partitions does not promise: abstract-level makes the one of the other. */
const unpinned = { implicitSnapshots: false, snapshots: false }

/** A database with servers of its own, which start with its first open. */
class RemoteDatabase extends Database {
  readonly place: RemotePlace
  #isNew = true

  constructor(place: RemotePlace, options?: object) {
    super(place.location, options)
    this.place = place
    // A remote partition is there whether the database is made or not; iterators pin its state with their first read.
    Object.assign(this.supports, { createIfMissing: false, errorIfExists: false, ...unpinned })
  }

  override async _open(options: object): Promise<void> {
    if (this.#isNew) await this.place.start()
    this.#isNew = false
    await super._open(options)
  }

  // The suite expects batches over any keys to be applied; over several servers that has to be allowed.
  override _batch(operations: never[], options: object): Promise<void> {
    return super._batch(operations, { ...options, nonAtomic: true } as never)
  }
}

/** Stops the servers of databases that are closed, but for the last ones. */
function stopOld(made: RemoteDatabase[]): void {
  for (let i = 0; i < made.length - keptDatabases; i++) {
    const { place, status } = made[i]!
    if (status === 'closed') void place.stop()
  }
}

for (const shape of remoteShapes) {
  test.serial(`the suite of abstract-level passes with ${shape.name}`, async (t) => {
    t.timeout(600_000)
    const made: RemoteDatabase[] = []
    const { passed, skipped, failures } = await runLevelSuite((options) => {
      const db = new RemoteDatabase(new RemotePlace(shape), options)
      made.push(db)
      stopOld(made)
      return db
    })
    await Promise.all(made.map(({ place }) => place.stop()))
    t.log(`${passed} assertions passed, ${failures.length} failed, ${skipped} skipped`)
    t.deepEqual(failures, [])
    t.true(passed > 4000)
  })
}
