// The new database of a salvage: records and deletes come one by one and are written in large batches.
//
// Thread-safety: none; one salvage uses one.
//
// Invariants:
//  1. Operations take effect in the order of the calls.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/engine/engine.h"

namespace zkdb {

class SalvageWriter {
 public:
  // Makes the database in `directory`, which must be new or empty, with the partitions of the configuration file.
  Status Open(Env* env, const std::string& config_file, const std::string& directory);

  // `time`: when the record ends, 0 for never.
  Status Put(Slice key, Slice value, uint64_t time) { return Add(ZKDB_OP_PUT, key, value, time); }
  Status Delete(Slice key) { return Add(ZKDB_OP_DELETE, key, Slice("", 0), 0); }
  // An operation of a log, of any kind but a range, with the clock by which it was applied.
  Status AddLogged(const Operation& op);
  // Deletes the records of `range` that belong to the partition.
  Status DeleteRange(uint32_t partition, const KeyRange& range);

  // Writes what is waiting, closes the database and tells how many records it has.
  Status Close(uint64_t* records);

 private:
  Status Add(zkdb_op kind, Slice key, Slice value, uint64_t time);
  Status FlushFull();
  Status Flush();

  Env* env_ = nullptr;
  std::string directory_;
  std::shared_ptr<Engine> engine_;
  std::vector<uint8_t> batch_;
};

}  // namespace zkdb
