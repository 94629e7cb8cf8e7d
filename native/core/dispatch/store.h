// A place that holds partitions of a database, and what the database needs of it: this process (LocalStore: an Engine
// with all local partitions) or a server (RemoteStore: one partition, which is a whole database there).
//
// Thread-safety: a PartitionStore may be used by any number of threads at once; what it gives out, by one at a time.
//
// Invariants:
//  1. Start... asks without waiting for the answer where that is possible, so that several stores work at once; the
//     object that it gives waits. A failure to ask comes with the answer.
//  2. The store, and bytes and snapshots that were given to Start..., outlive what it gives out.
//  3. A snapshot is read through the store that made it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/engine/engine.h"
#include "core/scan/packed_stream.h"

namespace zkdb {

// A state of one store that stays for as long as this object, which any number of threads may read from. That of the
// local store is pinned when it is made. Another one is pinned by Start and Wait, or by the first range that is read.
class StoreSnapshot {
 public:
  virtual ~StoreSnapshot() = default;
  // Asks for it, and waits for the answer. What goes wrong is told by whoever reads the state.
  virtual void Start() {}
  virtual void Wait() {}
  // Told from time to time while it is in use: a server closes what nobody uses.
  virtual void KeepAlive(uint64_t) {}
};

// Answers to look-ups, in the order of the keys.
class PendingGets {
 public:
  virtual ~PendingGets() = default;
  // The next value is copied to `buffer`: ZKDB_OK with *size, ZKDB_NOT_FOUND, ZKDB_BUFFER_TOO_SMALL with *size (then no
  // further call), or a failure in *status.
  virtual zkdb_code Next(uint8_t* buffer, size_t capacity, size_t* size, Status* status) = 0;
};

class PendingWrite {
 public:
  virtual ~PendingWrite() = default;
  // The index of a failed condition is that of the operation: Operation::index.
  virtual Status Finish(WriteResult* result) = 0;
};

class PartitionStore {
 public:
  using Finding = std::function<bool(const std::string&)>;

  virtual ~PartitionStore() = default;

  virtual std::shared_ptr<StoreSnapshot> MakeSnapshot() = 0;

  // `snapshot` nullptr: the latest state.
  virtual zkdb_code Get(StoreSnapshot* snapshot, Slice key, uint8_t* buffer, size_t capacity, size_t* size,
                        Status* status) = 0;
  // As Engine::Expiry.
  virtual zkdb_code Expiry(StoreSnapshot* snapshot, Slice key, uint64_t* time, Status* status) = 0;
  virtual std::unique_ptr<PendingGets> StartGets(StoreSnapshot* snapshot, std::vector<Slice> keys) = 0;
  // Operations of keys of this store: all or nothing, unless `non_atomic` allows partition by partition.
  virtual std::unique_ptr<PendingWrite> StartWrite(std::vector<Operation> operations, zkdb_durability durability,
                                                   bool non_atomic) = 0;
  virtual Status Sync() = 0;
  // Records of a range; `bounds` outlives the source. `snapshot` is never nullptr.
  virtual Status OpenChunks(std::shared_ptr<StoreSnapshot> snapshot, const ScanBounds* bounds,
                            std::unique_ptr<ChunkSource>* out) = 0;

  // ---- `partition` counts the store's own, from 0
  virtual Status PartitionFigures(uint32_t partition, bool full, zkdb_partition_stats* out) = 0;
  virtual Status Estimate(uint32_t partition, const KeyRange& range, uint64_t* records) = 0;

  // As Engine::Check.
  virtual Status Check(const Finding& finding, const Progress& progress, uint64_t* findings) = 0;
};

}  // namespace zkdb
