#include "net/permission.h"

#include <algorithm>

#include "net/batch_arguments.h"
#include "net/numbers.h"
#include "net/range_arguments.h"

namespace zkdb::net {

namespace {

bool SeesKeys(const Access& access, const Command& command, Arguments args) {
  const auto count = static_cast<int>(args.size());
  const int last = std::min(command.last_key < 0 ? count + command.last_key : command.last_key, count - 1);
  for (int i = command.first_key; i <= last; i += command.key_step) {
    if (!access.Sees(args[static_cast<size_t>(i)])) return false;
  }
  return true;
}

bool SeesRangeOf(const Access& access, Arguments args) {
  RangeOptions options;
  return !ParseRange(args.subspan(1), false, &options) || access.SeesRange(options.range);
}

bool SeesOperations(const Access& access, Arguments args) {
  BatchOptions options;
  size_t i = 1;
  if (!TakeBatchOptions(args, &i, &options)) return true;
  BatchOperation operation;
  while (i < args.size() && TakeOperation(args, &i, &operation)) {
    const bool sees =
        operation.kind == ZKDB_OP_DELETE_RANGE ? access.SeesRange(ClearRange(operation)) : access.Sees(operation.key);
    if (!sees) return false;
  }
  return true;
}

bool AllowsSelect(const Access& access, Arguments args) {
  int64_t number = 0;
  if (!ParseInteger(args[1], &number) || number < 0 || number > UINT32_MAX) return true;
  return access.AllowsDatabase(static_cast<uint32_t>(number));
}

}  // namespace

uint32_t VerbsOf(const Command& command, Arguments args) {
  return command.verbs | (command.more_verbs == nullptr ? 0 : command.more_verbs(args));
}

Denial Judge(const Access& access, const Command& command, Arguments args) {
  if (!access.Holds(VerbsOf(command, args))) return Denial::kCommand;
  bool sees = true;
  switch (command.reach) {
    case Reach::kNothing: return Denial::kNone;
    case Reach::kSelect: return AllowsSelect(access, args) ? Denial::kNone : Denial::kDatabase;
    case Reach::kDatabase:
    case Reach::kVisible: break;
    case Reach::kKeys: sees = SeesKeys(access, command, args); break;
    case Reach::kRange: sees = SeesRangeOf(access, args); break;
    case Reach::kOperations: sees = SeesOperations(access, args); break;
    case Reach::kEverything: sees = access.SeesEverything(); break;
  }
  if (!access.AllowsDatabase()) return Denial::kDatabase;
  return sees ? Denial::kNone : Denial::kKey;
}

uint32_t SetVerbs(Arguments args) {
  const auto options = args.subspan(3);
  const bool gets = std::any_of(options.begin(), options.end(), [](Slice option) { return IsWord(option, "GET"); });
  return gets ? uint32_t{kVerbRead} : 0;
}

uint32_t ZkBatchVerbs(Arguments args) {
  BatchOptions options;
  size_t i = 1;
  if (!TakeBatchOptions(args, &i, &options)) return 0;
  uint32_t verbs = 0;
  BatchOperation operation;
  while (i < args.size() && TakeOperation(args, &i, &operation)) {
    switch (operation.kind) {
      case ZKDB_OP_PUT_IF_VALUE:
      case ZKDB_OP_DELETE_IF_VALUE: verbs |= kVerbRead; break;
      case ZKDB_OP_DELETE_RANGE: verbs |= kVerbScan; break;
      default: break;
    }
  }
  return verbs;
}

uint32_t ClientVerbs(Arguments args) {
  for (const char* word : {"ID", "INFO", "GETNAME", "SETNAME", "SETINFO"}) {
    if (IsWord(args[1], word)) return 0;
  }
  return kVerbAdmin;
}

}  // namespace zkdb::net
