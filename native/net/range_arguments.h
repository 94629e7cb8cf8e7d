// Ranges as arguments of ZK.RANGE and ZK.CLEAR: [GT key | GTE key] [LT key | LTE key], and for ZK.RANGE [REVERSE]
// [LIMIT n] [KEYS | VALUES] [SNAPSHOT id | PIN]. Whoever checks rights reads them with the same function as whoever
// carries them out.
//
// Thread-safety: pure functions.
#pragma once

#include "include/zkdb.h"
#include "net/resp_parser.h"

namespace zkdb::net {

struct RangeOptions {
  zkdb_range range{};  // of the arguments' bytes; its bounds may be too long for a key
  uint32_t scan_flags = 0;
  uint64_t limit = UINT64_MAX;
  uint64_t snapshot = 0;  // its number, or 0 for the latest state
  bool pin = false;       // a snapshot of that is opened for what is behind the piece
  bool keys = true;
  bool values = true;
};

// Reads the arguments behind the name; `bounds_only` those of ZK.CLEAR. False when they are no range.
bool ParseRange(Arguments options, bool bounds_only, RangeOptions* out);

}  // namespace zkdb::net
