// The records of a range one by one, over a cursor of zkdb.h; and ranges from keys.
//
// Thread-safety: none; a reader belongs to one command.
//
// Invariants:
//  1. At most one chunk of records is in memory: 64 KiB, or one record that is larger, up to the limit that is given.
#pragma once

#include <memory>

#include "net/store.h"

namespace zkdb::net {

class RecordReader {
 public:
  // `largest` bytes: a record above it is ZKDB_VALUE_TOO_LARGE.
  explicit RecordReader(size_t largest) : largest_(largest) {}

  // `most`: records that will be asked for, at the most.
  zkdb_code Open(const Store& store, const zkdb_range* range, uint32_t scan_flags, uint64_t most);
  // The next record in *key and *value, valid until the next call. False at the end of the range or of `most`, and
  // after a failure: code() and error() tell.
  bool Next(Slice* key, Slice* value);

  zkdb_code code() const { return code_; }
  const zkdb_error& error() const { return error_; }
  // Whether the range is known to have no more records.
  bool exhausted() const { return done_ && left_ == 0; }

 private:
  bool Fill();
  void MakeRoom(size_t capacity);

  const size_t largest_;
  CursorHandle cursor_;
  uint64_t most_ = 0;
  std::unique_ptr<uint8_t[]> chunk_;
  size_t capacity_ = 0;
  const uint8_t* at_ = nullptr;
  uint32_t left_ = 0;  // records of the chunk
  bool done_ = false;
  zkdb_code code_ = ZKDB_OK;
  zkdb_error error_{};
};

// Below a prefix: what every key that begins with it is smaller than, or nothing when there is no such key.
std::string PrefixEnd(Slice prefix);

}  // namespace zkdb::net
