// The keys that a command names, as its line in the command table says where they stand.
//
// Thread-safety: pure functions.
#pragma once

#include <algorithm>

#include "net/batch_arguments.h"
#include "net/command_table.h"

namespace zkdb::net {

// Calls `take` for each key of a command whose arguments fit its arity, up to the first for which it gives false; gives
// false then.
template <typename F>
bool AllKeys(const Command& command, Arguments args, F take) {
  if (command.first_key == 0) return true;
  const auto count = static_cast<int>(args.size());
  const int last = std::min(command.last_key < 0 ? count + command.last_key : command.last_key, count - 1);
  for (int i = command.first_key; i <= last; i += command.key_step) {
    if (!take(args[static_cast<size_t>(i)])) return false;
  }
  return true;
}

// The same of the operations of a ZK.BATCH that name a key, not a range.
template <typename F>
bool AllOperationKeys(Arguments args, F take) {
  BatchOptions options;
  size_t i = 1;
  if (!TakeBatchOptions(args, &i, &options)) return true;
  BatchOperation operation;
  while (i < args.size() && TakeOperation(args, &i, &operation)) {
    if (operation.kind != ZKDB_OP_DELETE_RANGE && !take(operation.key)) return false;
  }
  return true;
}

}  // namespace zkdb::net
