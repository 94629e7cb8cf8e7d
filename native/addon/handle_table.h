// Numbers for native objects: JavaScript holds an integer, never a pointer, so that no value it passes can crash.
//
// Thread-safety: a table belongs to one JavaScript thread. A DbRef is shared with the jobs that run on the thread pool,
// which touch `db` and what `write_mutex` guards and nothing else.
//
// Invariants:
//  1. An id is `generation << kSlotBits | slot`; a released slot gets a new generation, so an old id finds nothing.
//     Slots are used in turn, at least kMinSlots of them, so that a generation comes again after 16 million handles.
//  2. An id is never 0 and fits into 30 bits: V8 keeps it as a small integer.
//  3. Snapshots, cursors and transactions name the id of their database and are released before it; a cursor over a
//     transaction names it and is released before it.
//  4. A snapshot or cursor that was lent to a job is closed when its handle is released and the last such job is gone:
//     before the database, which waits for its jobs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "include/zkdb.h"

namespace zkdb::addon {

class Job;
class TlsGate;
class WriteJob;

// An open database together with what this environment runs on it.
struct DbRef {
  std::shared_ptr<TlsGate> tls_gate;  // which `db` passes sockets to; nullptr: it speaks no TLS
  zkdb_db* db = nullptr;

  // Held around every write of this handle: asynchronous batches run in the order in which they were queued, and a
  // synchronous write first runs those that are still waiting.
  std::mutex write_mutex;
  std::deque<WriteJob*> queued;

  uint32_t jobs_in_flight = 0;   // JavaScript thread only
  Job* pending_close = nullptr;  // JavaScript thread only: starts when the last job in flight is done
  bool abandoned = false;        // JavaScript thread only: close without a job once nothing is in flight

  ~DbRef();
  void CloseNow();  // REQUIRES: no job in flight.
};

enum class HandleKind : uint8_t { kFree, kDb, kSnapshot, kCursor, kTxn };

struct Handle {
  HandleKind kind = HandleKind::kFree;
  uint32_t generation = 1;
  uint32_t parent = 0;       // id of the database, for the other kinds
  uint32_t transaction = 0;  // id of the transaction that a cursor reads, or 0
  uint64_t serial = 0;       // of all handles of the table, never used again
  void* object = nullptr;
  std::shared_ptr<void> loan;  // owns `object` from its first Lend on
  std::shared_ptr<DbRef> db;
};

class HandleTable {
 public:
  static constexpr uint32_t kSlotBits = 16;
  static constexpr uint32_t kSlotMask = (1u << kSlotBits) - 1;
  static constexpr uint32_t kMinSlots = 1024;
  static constexpr uint32_t kGenerationMask = (1u << 14) - 1;

  ~HandleTable() { ReleaseAll(); }

  // The id of a new handle, or 0 when 65,535 handles are open.
  uint32_t Add(HandleKind kind, void* object, std::shared_ptr<DbRef> db, uint32_t parent);

  // The handle with this id and kind, or null.
  Handle* Find(uint32_t id, HandleKind kind) {
    const size_t slot = id & kSlotMask;
    if (slot >= handles_.size()) return nullptr;
    Handle& handle = handles_[slot];
    return handle.kind == kind && handle.generation == id >> kSlotBits ? &handle : nullptr;
  }

  // The serial number of an open handle of any kind, or 0.
  uint64_t SerialOf(uint32_t id) const;

  // Shares the native object of a snapshot or cursor with a job, which lets go of it on the JavaScript thread.
  std::shared_ptr<void> Lend(Handle* handle);

  // Whether a job has the object.
  static bool IsLent(const Handle& handle) { return handle.loan.use_count() > 1; }

  // Releases the native object of a snapshot, cursor or transaction and frees its slot.
  void Release(Handle* handle);

  // Releases the cursors that read this transaction.
  void ReleaseCursorsOf(uint32_t transaction);

  // Releases everything that was opened on the database and gives its DbRef to the caller, who closes it.
  std::shared_ptr<DbRef> Detach(uint32_t db_id);

  // Releases every handle and closes every database on which nothing is in flight.
  void ReleaseAll();

 private:
  static void CloseObject(HandleKind kind, void* object);
  void Free(Handle* handle);

  std::vector<Handle> handles_;
  std::deque<uint32_t> free_slots_;
  uint64_t next_serial_ = 1;
};

}  // namespace zkdb::addon
