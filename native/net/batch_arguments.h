// The arguments of ZK.BATCH: options, then operations. Whoever checks rights reads them with the same functions as
// whoever carries them out.
//
// Thread-safety: pure functions.
#pragma once

#include <string_view>

#include "include/zkdb.h"
#include "net/resp_parser.h"
#include "net/store.h"

namespace zkdb::net {

struct BatchOptions {
  zkdb_durability durability = ZKDB_DURABILITY_DEFAULT;
  uint32_t write_flags = 0;
};

// As it is sent: nothing is said of the sizes.
struct BatchOperation {
  zkdb_op kind;
  Slice key;    // of CLEAR the first key
  Slice other;  // value, expected value, or the key before which CLEAR ends
  Slice value;  // of PUTIF
  // When the record ends: AT and KEEPTIME before a put; of EXPIRE its time, with a zkdb_expire_flag set.
  NewTime time;
};

// Takes DURABILITY level and NONATOMIC before the operations, from args[*i] on. False when the level is unknown.
bool TakeBatchOptions(Arguments args, size_t* i, BatchOptions* out);
// Takes the operation at args[*i]; false when none that is complete begins there.
bool TakeOperation(Arguments args, size_t* i, BatchOperation* out);
// The range of a CLEAR: up to the end of the database when no end is given.
zkdb_range ClearRange(const BatchOperation& operation);

}  // namespace zkdb::net
