// Where scans of the SCAN command go on: from the number that a client holds to the key that its scan has reached.
// Clients read a cursor as an integer, some as a JavaScript number, so the key itself cannot be in it.
//
// Thread-safety: all functions may be called by any thread.
//
// Invariants:
//  1. A number means the same key as long as it is known, however often and on whatever connection of its user it is
//     used. To other users it means nothing.
//  2. At most `max_count` positions and `max_bytes` of keys and users' names are kept: the oldest are forgotten first.
//  3. Numbers are 1 to 2^53 - 1, each given once.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "core/base/slice.h"

namespace zkdb::net {

class ScanCursors {
 public:
  // `first` is the first number that is given out; a server that starts anew takes one that it has not given before
  // (its clock in microseconds), so that a cursor of its last life is not taken for another one.
  explicit ScanCursors(uint64_t first, size_t max_count = 65536, size_t max_bytes = size_t{16} << 20)
      : max_count_(max_count), max_bytes_(max_bytes), first_(1 + first % (kLargest - 1)) {}

  // Keeps a position behind `key` of a user's scan of `database`; returns its number.
  uint64_t Save(uint32_t database, Slice user, Slice key);
  // The key of a number; false when the number is not known (any more), or is of another database or user.
  bool Find(uint64_t number, uint32_t database, Slice user, std::string* key) const;

 private:
  static constexpr uint64_t kLargest = (uint64_t{1} << 53) - 1;
  struct Position {
    uint32_t database;
    std::string user;
    std::string key;
  };

  const size_t max_count_;
  const size_t max_bytes_;
  mutable std::mutex mutex_;
  uint64_t first_;  // number of positions_.front()
  size_t bytes_ = 0;
  std::deque<Position> positions_;
};

}  // namespace zkdb::net
