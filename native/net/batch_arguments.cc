#include "net/batch_arguments.h"

#include "net/numbers.h"

namespace zkdb::net {

namespace {

struct Operation {
  std::string_view name;
  zkdb_op kind;
  size_t arguments;  // behind the name
};

constexpr Operation kOperationForms[] = {
    {"PUT", ZKDB_OP_PUT, 2},
    {"DEL", ZKDB_OP_DELETE, 1},
    {"CLEAR", ZKDB_OP_DELETE_RANGE, 2},
    {"PUTNX", ZKDB_OP_PUT_IF_ABSENT, 2},
    {"PUTXX", ZKDB_OP_PUT_IF_PRESENT, 2},
    {"PUTIF", ZKDB_OP_PUT_IF_VALUE, 3},
    {"DELIF", ZKDB_OP_DELETE_IF_VALUE, 2},
};

}  // namespace

bool TakeBatchOptions(Arguments args, size_t* i, BatchOptions* out) {
  while (*i < args.size()) {
    if (IsWord(args[*i], "NONATOMIC")) {
      out->write_flags = ZKDB_WRITE_NON_ATOMIC;
      ++*i;
      continue;
    }
    if (!IsWord(args[*i], "DURABILITY") || *i + 1 == args.size()) return true;
    const Slice level = args[*i + 1];
    if (IsWord(level, "COMMIT")) {
      out->durability = ZKDB_DURABILITY_COMMIT;
    } else if (IsWord(level, "INTERVAL")) {
      out->durability = ZKDB_DURABILITY_INTERVAL;
    } else if (IsWord(level, "NONE")) {
      out->durability = ZKDB_DURABILITY_NONE;
    } else {
      return false;
    }
    *i += 2;
  }
  return true;
}

bool TakeOperation(Arguments args, size_t* i, BatchOperation* out) {
  for (const Operation& operation : kOperationForms) {
    if (!IsWord(args[*i], operation.name)) continue;
    if (*i + operation.arguments >= args.size()) return false;
    const Arguments given = args.subspan(*i + 1, operation.arguments);
    *i += 1 + operation.arguments;
    *out = {operation.kind, given[0], given.size() > 1 ? given[1] : Slice(), given.size() > 2 ? given[2] : Slice()};
    return true;
  }
  return false;
}

zkdb_range ClearRange(const BatchOperation& operation) {
  const uint32_t flags = operation.other.empty() ? 0 : uint32_t{ZKDB_RANGE_HAS_HI};
  return {operation.key.data, operation.key.size, operation.other.data, operation.other.size, flags};
}

}  // namespace zkdb::net
