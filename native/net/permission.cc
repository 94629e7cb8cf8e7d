#include "net/permission.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "net/batch_arguments.h"
#include "net/command_keys.h"
#include "net/glob.h"
#include "net/numbers.h"
#include "net/range_arguments.h"
#include "net/record_reader.h"

namespace zkdb::net {

namespace {

bool SeesKeys(const Access& access, const Command& command, Arguments args) {
  return AllKeys(command, args, [&](Slice key) { return access.Sees(key); });
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

// A channel of keyspace events: "__keyspace@0__:key" or "__keyevent@0__:set".
struct EventChannel {
  uint32_t database = 0;
  bool by_key = false;
  Slice rest;  // behind the colon
};

constexpr std::string_view kEventNames = "__key";
constexpr std::string_view kByKey = "__keyspace@";
constexpr std::string_view kByEvent = "__keyevent@";

bool StartsWith(Slice text, std::string_view start) {
  return text.size >= start.size() && std::memcmp(text.data, start.data(), start.size()) == 0;
}

// False when the text is none, or is too short for it to be known.
bool ReadEventChannel(Slice text, EventChannel* out) {
  out->by_key = StartsWith(text, kByKey);
  if (!out->by_key && !StartsWith(text, kByEvent)) return false;
  size_t at = kByKey.size();
  uint64_t number = 0;
  const size_t digits = at;
  for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9' && at < digits + 10; ++at) {
    number = number * 10 + (text.data[at] - uint64_t{'0'});
  }
  if (at == digits || number > UINT32_MAX || !StartsWith(text.Sub(at), "__:")) return false;
  out->database = static_cast<uint32_t>(number);
  out->rest = text.Sub(at + 3);
  return true;
}

bool HearsEvents(const Access& access, const EventChannel& events) {
  if (events.by_key && events.database == access.database()) return access.Sees(events.rest);
  return access.SeesEverything(events.database);
}

bool SeesBelow(const Access& access, Slice prefix) {
  const std::string end = PrefixEnd(prefix);
  return access.SeesRange(
      {prefix.data, prefix.size, end.data(), end.size(), end.empty() ? 0 : uint32_t{ZKDB_RANGE_HAS_HI}});
}

bool AllowsSelect(const Access& access, Arguments args) {
  int64_t number = 0;
  if (!ParseInteger(args[1], &number) || number < 0 || number > UINT32_MAX) return true;
  return access.AllowsDatabase(static_cast<uint32_t>(number));
}

}  // namespace

bool MayHear(const Access& access, Slice channel) {
  EventChannel events;
  return ReadEventChannel(channel, &events) ? HearsEvents(access, events) : access.Sees(channel);
}

bool MayHearPattern(const Access& access, Slice pattern) {
  const Slice prefix = GlobPrefix(pattern);
  EventChannel events;
  if (ReadEventChannel(prefix, &events)) {
    if (events.by_key && events.database == access.database()) return SeesBelow(access, events.rest);
    return access.SeesEverything(events.database);
  }
  const size_t shared = std::min(prefix.size, kEventNames.size());
  const bool may_be_events = StartsWith(prefix, kEventNames.substr(0, shared));
  return may_be_events ? access.SeesEveryDatabase() : SeesBelow(access, prefix);
}

uint32_t VerbsOf(const Command& command, Arguments args) {
  return command.verbs | (command.more_verbs == nullptr ? 0 : command.more_verbs(args));
}

Denial Judge(const Access& access, const Command& command, Arguments args) {
  if (!access.Holds(VerbsOf(command, args))) return Denial::kCommand;
  bool sees = true;
  // PUBLISH names one channel, and then the message.
  const auto last = static_cast<std::ptrdiff_t>(command.arity > 0 ? 2 : args.size());
  switch (command.reach) {
    case Reach::kNothing: return Denial::kNone;
    case Reach::kSelect: return AllowsSelect(access, args) ? Denial::kNone : Denial::kDatabase;
    case Reach::kDatabase:
    case Reach::kVisible: break;
    case Reach::kKeys: sees = SeesKeys(access, command, args); break;
    case Reach::kRange: sees = SeesRangeOf(access, args); break;
    case Reach::kOperations: sees = SeesOperations(access, args); break;
    case Reach::kEverything: sees = access.SeesEverything(); break;
    case Reach::kServer: sees = access.SeesEveryDatabase(); break;
    case Reach::kChannels:
      sees =
          std::all_of(args.begin() + 1, args.begin() + last, [&](Slice channel) { return MayHear(access, channel); });
      break;
    case Reach::kPatterns:
      sees = std::all_of(args.begin() + 1, args.end(), [&](Slice pattern) { return MayHearPattern(access, pattern); });
      break;
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

uint32_t SubscribeVerbs(Arguments args) {
  const bool events = std::any_of(args.begin() + 1, args.end(), [](Slice name) { return StartsWith(name, kByEvent); });
  return events ? uint32_t{kVerbScan} : 0;
}

uint32_t ClientVerbs(Arguments args) {
  for (const char* word : {"ID", "INFO", "GETNAME", "SETNAME", "SETINFO"}) {
    if (IsWord(args[1], word)) return 0;
  }
  return kVerbAdmin;
}

}  // namespace zkdb::net
