/**
 * Explicit snapshots: `db.snapshot()`.
 */
import { AbstractSnapshot } from 'abstract-level'
import type { DatabaseHandle } from './batch-writer.js'
import { binding, checked } from './binding.js'

/**
 * The state of a database at one commit of its local partitions, and a state of each remote one. Pass it as the option
 * `snapshot` of a read; close it when it is no longer needed: the pages that it pins cannot be used again before, and
 * each remote partition keeps a connection for it.
 *
 * @example
 * const snapshot = db.snapshot()
 * await db.put('a', 'new')
 * await db.get('a', { snapshot }) // the old value
 * await snapshot.close()
 */
export class Snapshot extends AbstractSnapshot {
  /** Handle of the native snapshot; 0 when closed. */
  #id: number
  readonly #handle: DatabaseHandle
  readonly #sequence: number

  constructor(options: object, handle: DatabaseHandle) {
    // The types of abstract-level leave the constructor's argument out.
    super(...([options] as unknown as []))
    this.#handle = handle
    this.#id = checked(binding.snapshotOpen(handle.id, 0))
    this.#sequence = checked(binding.snapshotSequence(this.#id))
  }

  /** The number of the last commit of the local partitions that the snapshot sees. */
  get sequence(): number {
    return this.#sequence
  }

  async _close(): Promise<void> {
    // A database that was closed meanwhile has closed the snapshot: then this answers a code, which says nothing new.
    binding.snapshotClose(this.#id)
    this.#id = 0
  }

  /** The native handle, for reads on the database with this handle. */
  idFor(handle: DatabaseHandle): number {
    if (handle !== this.#handle) throw new TypeError("The option 'snapshot' must be a snapshot of the same database")
    return this.#id
  }
}

/** The native handle of the option `snapshot`; 0 for the latest state. */
export function snapshotHandle(snapshot: unknown, handle: DatabaseHandle): number {
  if (snapshot === undefined || snapshot === null) return 0
  if (!(snapshot instanceof Snapshot)) throw new TypeError("The option 'snapshot' must be a snapshot of this database")
  return snapshot.idFor(handle)
}

/** As {@link snapshotHandle}, for calls that abstract-level has not checked. @throws LEVEL_SNAPSHOT_NOT_OPEN */
export function openSnapshotHandle(snapshot: unknown, handle: DatabaseHandle): number {
  const id = snapshotHandle(snapshot, handle)
  if (snapshot instanceof Snapshot) {
    // Throws when it is closed. A synchronous read leaves nothing to wait for.
    snapshot.ref()
    snapshot.unref()
  }
  return id
}
