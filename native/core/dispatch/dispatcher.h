// A database some of whose partitions are remote: routes each key to the store that holds it, asks the stores at once
// and puts their answers together. A database that is local throughout has none, and its callers ask the Engine.
//
// Thread-safety: all functions from any thread.
//
// Invariants:
//  1. A failure of one store is that of its own keys; calls for keys of the others do not notice it.
//  2. A batch of one store is atomic. One of several is refused unless the caller allows it to be applied store by
//     store.
//  3. Nothing is connected before it is needed: a database opens while servers are down.
#pragma once

#include <memory>
#include <vector>

#include "core/dispatch/mixed_scan.h"
#include "core/dispatch/remote_store.h"
#include "core/dispatch/store.h"

namespace zkdb {

class Dispatcher {
 public:
  // Of the engine's configuration, when it has a remote partition; else nullptr. `transport` outlives it.
  static std::unique_ptr<Dispatcher> For(std::shared_ptr<Engine> engine, Transport* transport);

  // Pins the state of every store, and waits for it. A server that cannot be reached fails reads of its own keys. With
  // `only_local` remote keys are read at their latest state, and no scan is opened with it.
  std::shared_ptr<DispatchSnapshot> OpenSnapshot(bool only_local = false);

  // As those of Engine, with snapshots that this dispatcher has opened. Without one, each store is read at a state of
  // its own.
  zkdb_code Get(DispatchSnapshot* snapshot, Slice key, uint8_t* buffer, size_t capacity, size_t* size, Status* status);
  zkdb_code Expiry(DispatchSnapshot* snapshot, Slice key, uint64_t* time, Status* status);
  // With a failure, *done keys before it were answered.
  zkdb_code GetMany(DispatchSnapshot* snapshot, const uint8_t* keys, const uint32_t* offsets, uint32_t count,
                    uint8_t* buffer, size_t capacity, uint32_t* sizes, uint32_t* done, size_t* needed, Status* status);
  // ZKDB_CROSS_PARTITION. With `non_atomic` each store checks its own conditions and applies its own part; after a
  // failure the others are applied all the same.
  Status Write(Slice batch, zkdb_durability durability, bool non_atomic, WriteResult* result);
  Status Sync();
  // `snapshot` nullptr: the states that the stores have now.
  Status OpenScan(std::shared_ptr<DispatchSnapshot> snapshot, const KeyRange& range, const ScanOptions& options,
                  bool partial, std::unique_ptr<MixedScan>* out);
  Status PartitionFigures(uint32_t partition, bool full, zkdb_partition_stats* out);
  Status Estimate(uint32_t partition, const KeyRange& range, uint64_t* records);
  Status Check(const PartitionStore::Finding& finding, const Progress& progress, uint64_t* findings);
  // Whether the server of a partition answers; success for a local one.
  Status Probe(uint32_t partition);

  uint32_t partition_count() const { return selector_.partition_count(); }
  const DatabaseConfig& config() const { return engine_->whole_config(); }
  const Selector& selector() const { return selector_; }
  // What of a database with remote partitions is not possible.
  Status Refuse(const std::string& what) const;

 private:
  struct Place {
    uint32_t store;
    uint32_t partition;  // of the store's own
  };
  // The part of a batch that one store gets.
  struct Part {
    uint32_t store;
    std::vector<Operation> operations;
    std::unique_ptr<PendingWrite> pending;
  };

  Dispatcher(std::shared_ptr<Engine> engine, Transport* transport);
  uint32_t StoreOf(Slice key) const { return places_[selector_.Select(key)].store; }
  void Split(const Batch& batch, std::vector<Part>* parts) const;
  Status WriteParts(std::vector<Part>* parts, zkdb_durability durability, bool non_atomic, WriteResult* result);
  Status CrossesStores(const std::vector<Part>& parts) const;

  const std::shared_ptr<Engine> engine_;
  Transport* const transport_;
  const Selector& selector_;
  std::vector<std::unique_ptr<PartitionStore>> stores_;  // 0: the local one, also when nothing is local
  std::vector<RemoteStore*> remotes_;                    // by partition; nullptr: local
  std::vector<Place> places_;                            // by partition
};

}  // namespace zkdb
