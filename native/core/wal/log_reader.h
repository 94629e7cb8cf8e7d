// Reads the records of one log file in bounded chunks, and searches a file for claims: valid records which say that a
// sequence beyond the last readable one was on stable storage (invariant 5 of log.h).
//
// Thread-safety: one thread at a time.
//
// Invariants:
//  1. Memory is bounded by one chunk, or by one record whose checksum has been found right.
#pragma once

#include <cstdint>
#include <vector>

#include "core/os/env.h"
#include "core/wal/log_format.h"

namespace zkdb {

class LogReader {
 public:
  // `length` is the file's length in bytes, `seed` what RecordSeed gives for it.
  LogReader(File* file, uint64_t length, uint32_t seed) : file_(file), length_(length), seed_(seed) {}

  // Reads the record at `offset`. *valid = false: there is none with a right checksum.
  // The payload is valid until the next call.
  Status ReadRecord(uint64_t offset, RecordHeader* header, Slice* payload, bool* valid);

  // Sets *claim to the durable sequence of the first valid record at or after `from` that names one beyond `last`;
  // leaves it alone when there is none. ZKDB_CORRUPT when there are too many candidates to try them all.
  Status FindClaim(uint64_t from, uint64_t last, uint64_t* claim);

  // The same for a file whose header, and so whose seed, is damaged: follows the records from the first one on by their
  // chain of sequences, without their checksums. `last` is the sequence that the first record must name as previous.
  Status FindClaimInChain(uint64_t last, uint64_t* claim);

 private:
  Status Window(uint64_t offset, uint64_t n, const uint8_t** data, uint64_t* got);
  Status HasRightCrc(uint64_t offset, const RecordHeader& header, bool* right);
  Status ScanWindow(uint64_t offset, const uint8_t* data, uint64_t got, uint64_t last, uint64_t* claim);

  File* file_;
  const uint64_t length_;
  const uint32_t seed_;
  std::vector<uint8_t> buffer_;  // holds [buffer_offset_, buffer_offset_ + buffer_.size()) of the file
  uint64_t buffer_offset_ = 0;
  std::vector<uint8_t> scratch_;  // for checksums of records beyond the buffer
  uint64_t crc_budget_ = 0;       // bytes that FindClaim may still sum up
};

}  // namespace zkdb
