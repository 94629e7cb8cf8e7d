// The local partitions of a database as a PartitionStore.
//
// Thread-safety: that of PartitionStore.
#pragma once

#include <memory>
#include <vector>

#include "core/dispatch/store.h"

namespace zkdb {

class LocalSnapshot : public StoreSnapshot {
 public:
  explicit LocalSnapshot(std::shared_ptr<Snapshot> snapshot) : snapshot_(std::move(snapshot)) {}
  const std::shared_ptr<Snapshot>& snapshot() const { return snapshot_; }

 private:
  const std::shared_ptr<Snapshot> snapshot_;
};

class LocalStore : public PartitionStore {
 public:
  explicit LocalStore(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}

  std::shared_ptr<StoreSnapshot> MakeSnapshot() override {
    return std::make_shared<LocalSnapshot>(std::make_shared<Snapshot>(engine_));
  }
  zkdb_code Get(StoreSnapshot* snapshot, Slice key, uint8_t* buffer, size_t capacity, size_t* size,
                Status* status) override {
    return engine_->Get(Of(snapshot).get(), key, buffer, capacity, size, status);
  }
  zkdb_code Expiry(StoreSnapshot* snapshot, Slice key, uint64_t* time, Status* status) override {
    return engine_->Expiry(Of(snapshot).get(), key, time, status);
  }
  std::unique_ptr<PendingGets> StartGets(StoreSnapshot* snapshot, std::vector<Slice> keys) override;
  std::unique_ptr<PendingWrite> StartWrite(std::vector<Operation> operations, zkdb_durability durability,
                                           bool non_atomic) override;
  Status Sync() override { return engine_->Sync(); }
  Status OpenChunks(std::shared_ptr<StoreSnapshot> snapshot, const ScanBounds* bounds,
                    std::unique_ptr<ChunkSource>* out) override;
  Status PartitionFigures(uint32_t partition, bool full, zkdb_partition_stats* out) override {
    return engine_->PartitionFigures(partition, full, out);
  }
  Status Estimate(uint32_t partition, const KeyRange& range, uint64_t* records) override {
    return engine_->Estimate(partition, range, records);
  }
  Status Check(const Finding& finding, const Progress& progress, uint64_t* findings) override {
    return engine_->Check(finding, progress, findings);
  }

 private:
  static std::shared_ptr<Snapshot> Of(const StoreSnapshot* snapshot) {
    return snapshot == nullptr ? nullptr : static_cast<const LocalSnapshot*>(snapshot)->snapshot();
  }

  const std::shared_ptr<Engine> engine_;
};

}  // namespace zkdb
