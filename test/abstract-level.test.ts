/**
 * The whole suite of abstract-level, in every partition shape.
 */
import test from 'ava'
import { Database } from 'zkdb'
import { runLevelSuite } from './helpers/level-suite.js'
import { newFolder, type Place, shapes } from './helpers/shapes.js'

/** A database whose partition options the suite does not see: it compares the options that hooks get with its own. */
class ShapedDatabase extends Database {
  readonly #place: Place

  constructor(place: Place, options?: object) {
    super(place.location, options)
    this.#place = place
  }

  override _open(options: object): Promise<void> {
    return super._open({ ...this.#place.options, ...options })
  }
}

for (const shape of shapes) {
  test.serial(`the suite of abstract-level passes with ${shape.name}`, async (t) => {
    t.timeout(600_000)
    const { passed, skipped, failures } = await runLevelSuite(
      (options) => new ShapedDatabase(shape.make(newFolder()), options)
    )
    t.log(`${passed} assertions passed, ${failures.length} failed, ${skipped} skipped`)
    t.deepEqual(failures, [])
    t.true(passed > 5000)
  })
}
