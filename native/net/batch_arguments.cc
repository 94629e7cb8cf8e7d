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
    {"EXPIRE", ZKDB_OP_EXPIRE, 3},
};

constexpr int64_t kAllExpireFlags =
    ZKDB_EXPIRE_IF_NONE | ZKDB_EXPIRE_IF_ANY | ZKDB_EXPIRE_IF_LATER | ZKDB_EXPIRE_IF_EARLIER;

bool IsPut(zkdb_op kind) {
  return kind == ZKDB_OP_PUT || (kind >= ZKDB_OP_PUT_IF_ABSENT && kind <= ZKDB_OP_PUT_IF_VALUE);
}

bool TakeTimeNumber(Slice text, uint64_t* time) {
  int64_t number = 0;
  if (!ParseInteger(text, &number) || number < 0) return false;
  *time = static_cast<uint64_t>(number);
  return true;
}

// Takes AT ms, IN ms or KEEPTIME, which stand before a put. False when AT or IN has no time.
bool TakePutTime(Arguments args, size_t* i, NewTime* out) {
  if (IsWord(args[*i], "KEEPTIME")) {
    out->flags = ZKDB_PUT_KEEPS_TIME;
    ++*i;
  } else if (IsWord(args[*i], "AT") || IsWord(args[*i], "IN")) {
    if (*i + 1 >= args.size() || !TakeTimeNumber(args[*i + 1], &out->time)) return false;
    if (IsWord(args[*i], "IN")) out->time += zkdb_clock();
    out->flags = ZKDB_PUT_EXPIRES;
    *i += 2;
  }
  return *i < args.size();
}

// EXPIRE key ms flags: its value are the two numbers.
bool TakeExpire(BatchOperation* out) {
  int64_t flags = 0;
  if (!TakeTimeNumber(out->other, &out->time.time)) return false;
  if (!ParseInteger(out->value, &flags) || flags < 0 || flags > kAllExpireFlags) return false;
  out->time.flags = static_cast<uint8_t>(flags);
  return true;
}

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
  size_t at = *i;
  NewTime time;
  if (!TakePutTime(args, &at, &time)) return false;
  for (const Operation& operation : kOperationForms) {
    if (!IsWord(args[at], operation.name)) continue;
    if (at + operation.arguments >= args.size() || (time.flags != 0 && !IsPut(operation.kind))) return false;
    const Arguments given = args.subspan(at + 1, operation.arguments);
    *out = {operation.kind, given[0], given.size() > 1 ? given[1] : Slice(), given.size() > 2 ? given[2] : Slice(),
            time};
    if (operation.kind == ZKDB_OP_EXPIRE && !TakeExpire(out)) return false;
    *i = at + 1 + operation.arguments;
    return true;
  }
  return false;
}

zkdb_range ClearRange(const BatchOperation& operation) {
  const uint32_t flags = operation.other.empty() ? 0 : uint32_t{ZKDB_RANGE_HAS_HI};
  return {operation.key.data, operation.key.size, operation.other.data, operation.other.size, flags};
}

}  // namespace zkdb::net
