// A read-write transaction: it holds the writer gate alone, changes private pages of the partitions it touches, and
// reads its own changes.
//
// Thread-safety: one thread at a time.
//
// Invariants:
//  1. Nothing is logged or visible before Commit; Abort, or a failed call, leaves the database as it was.
//  2. After a failed write inside the transaction only Abort is left.
#pragma once

#include <map>
#include <memory>

#include "core/engine/engine.h"

namespace zkdb {

class Transaction {
 public:
  // Waits for running batches. ZKDB_INVALID when this thread has one open already.
  static Status Begin(const std::shared_ptr<Engine>& engine, std::unique_ptr<Transaction>* out);
  ~Transaction() { Abort(); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // As Engine::Get, on the transaction's own state.
  zkdb_code Get(Slice key, uint8_t* buffer, size_t capacity, size_t* size, Status* status);
  Status Write(Slice batch, WriteResult* result);
  Status Commit(zkdb_durability durability, WriteResult* result);
  void Abort();

  // As Engine::Expiry, on the transaction's own state.
  zkdb_code Expiry(Slice key, uint64_t* time, Status* status);

  // The tree of a partition's records.
  TreeRoot RootOf(uint32_t partition) const;
  bool Touches(uint32_t partition) const { return touched_.contains(partition); }
  const std::shared_ptr<Engine>& engine() const { return engine_; }
  bool open() const { return open_; }
  // Changes with each write: a scan that sees another number must seek anew.
  uint64_t version() const { return version_; }

 private:
  explicit Transaction(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}
  zkdb_code Find(Slice key, RecordPlace* place, PageSpace** space, Status* status);
  Status Touch(uint32_t partition);
  Status Apply(Batch* batch, WriteResult* result);
  Status Verify();
  Status LogChanges(uint64_t* sequence);
  void End();

  std::shared_ptr<Engine> engine_;
  std::map<uint32_t, Trees> touched_;      // partitions whose writer lock this transaction holds
  std::map<uint32_t, LogGroups> changes_;  // for the log: one group per partition, whatever the order of the writes
  uint64_t change_bytes_ = 0;              // of all groups
  uint64_t existed_ = 0;
  uint64_t version_ = 0;
  bool open_ = false;
  Status failure_;
};

}  // namespace zkdb
