// A scan over all partitions of a database: of a snapshot, or of a transaction's own state.
//
// Thread-safety: one thread at a time.
//
// Invariants:
//  1. A snapshot's scan reads one cut of all partitions, however long it takes.
//  2. A transaction's scan goes on after the last key it gave, in the state the transaction then has.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/engine/transaction.h"
#include "core/scan/merge.h"

namespace zkdb {

class DatabaseScan {
 public:
  // Over a snapshot. ZKDB_CLOSED, ZKDB_SNAPSHOT_EXPIRED, ZKDB_CORRUPT.
  static Status Open(std::shared_ptr<Snapshot> snapshot, const KeyRange& range, const ScanOptions& options,
                     std::unique_ptr<DatabaseScan>* out);
  // Over a transaction, which must outlive the scan.
  static Status Open(Transaction* transaction, const KeyRange& range, const ScanOptions& options,
                     std::unique_ptr<DatabaseScan>* out);

  // As RangeScan::Pack.
  Status Pack(uint8_t* buffer, size_t capacity, uint32_t max_records, size_t* used, uint32_t* count, bool* done,
              bool* too_small);
  Status Seek(Slice key);

 private:
  DatabaseScan(const KeyRange& range, const ScanOptions& options);
  Status CheckOpen() const;
  Status Start(const KeyRange& range);
  KeyRange Range() const;
  Status PackTransaction(uint8_t* buffer, size_t capacity, uint32_t max_records, size_t* used, uint32_t* count,
                         bool* done, bool* too_small);
  Status Reposition();
  void Strip(uint8_t* buffer, size_t* used, uint32_t count) const;

  std::shared_ptr<Snapshot> snapshot_;
  Transaction* transaction_ = nullptr;
  Engine* engine_ = nullptr;
  std::string lo_;
  std::string hi_;
  KeyRange range_;
  ScanOptions options_;
  std::unique_ptr<RangeScan> scan_;

  uint64_t version_ = 0;  // of the transaction when scan_ was made
  std::string last_key_;  // given last
  bool has_last_ = false;
  std::string seek_key_;  // where a record is looked for until one was given
  bool has_seek_ = false;
  bool narrowed_ = false;       // scan_ begins behind a last key, not at the range's end
  std::vector<uint8_t> whole_;  // records with keys, where the caller does not want them
};

}  // namespace zkdb
