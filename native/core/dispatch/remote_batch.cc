#include "core/dispatch/remote_batch.h"

#include <algorithm>

namespace zkdb {
namespace {

// The bounds of CLEAR: from the first key on, before the second one, which is empty for the end of the database.
struct ClearBounds {
  std::string from;
  std::string before;
};

// False when the range holds no key.
bool BoundsOf(const Operation& op, ClearBounds* out) {
  const KeyRange range = op.range();
  out->from = range.lo.ToString();
  if (range.lo_exclusive && !KeyBehind(range.lo, &out->from)) return false;
  out->before.clear();
  if (!range.has_hi) return true;
  out->before = range.hi.ToString();
  if (!range.hi_inclusive) return !out->before.empty();
  if (!KeyBehind(range.hi, &out->before)) out->before.clear();
  return true;
}

void AddAll(CommandWriter* command, std::initializer_list<Slice> arguments) {
  for (const Slice argument : arguments) command->Add(argument);
}

// Integers of the protocol are signed.
std::string TimeText(uint64_t time) { return std::to_string(std::min<uint64_t>(time, INT64_MAX)); }

// Writes when the record of a put ends, where the put says it, and tells how many arguments that takes.
size_t AddPutTime(const Operation& op, CommandWriter* command) {
  if (!op.puts() || op.flags == 0) return 0;
  if (op.keeps_time()) return AddAll(command, {"KEEPTIME"}), 1;
  const std::string time = TimeText(op.time);
  return AddAll(command, {"AT", time}), 2;
}

// Writes the operation and tells how many arguments it has; 0: none is needed.
size_t AddBareOperation(const Operation& op, CommandWriter* command) {
  switch (op.kind) {
    case ZKDB_OP_PUT: return AddAll(command, {"PUT", op.key, op.value}), 3;
    case ZKDB_OP_PUT_IF_ABSENT: return AddAll(command, {"PUTNX", op.key, op.value}), 3;
    case ZKDB_OP_PUT_IF_PRESENT: return AddAll(command, {"PUTXX", op.key, op.value}), 3;
    case ZKDB_OP_PUT_IF_VALUE: return AddAll(command, {"PUTIF", op.key, op.expected, op.value}), 4;
    case ZKDB_OP_DELETE: return AddAll(command, {"DEL", op.key}), 2;
    case ZKDB_OP_DELETE_IF_VALUE: return AddAll(command, {"DELIF", op.key, op.expected}), 3;
    case ZKDB_OP_EXPIRE: {
      const std::string time = TimeText(op.time);
      const std::string flags = std::to_string(op.flags);
      return AddAll(command, {"EXPIRE", op.key, time, flags}), 4;
    }
    case ZKDB_OP_DELETE_RANGE: break;
  }
  ClearBounds bounds;
  if (!BoundsOf(op, &bounds)) return 0;
  AddAll(command, {"CLEAR", bounds.from, bounds.before});
  return 3;
}

size_t AddOperation(const Operation& op, CommandWriter* command) {
  const size_t time = AddPutTime(op, command);
  return time + AddBareOperation(op, command);
}

Slice DurabilityName(zkdb_durability durability) {
  if (durability == ZKDB_DURABILITY_COMMIT) return "COMMIT";
  return durability == ZKDB_DURABILITY_INTERVAL ? "INTERVAL" : "NONE";
}

Status NoBatchAnswer() { return {ZKDB_PROTOCOL, "the answer is none of ZK.BATCH: is it a zkdb server?"}; }

}  // namespace

bool KeyBehind(Slice key, std::string* out) {
  std::string next = key.ToString();
  if (next.size() < ZKDB_MAX_KEY_SIZE) {
    next.push_back('\0');
  } else {
    while (!next.empty() && static_cast<uint8_t>(next.back()) == 0xFF) next.pop_back();
    if (next.empty()) return false;
    next.back() = static_cast<char>(next.back() + 1);
  }
  *out = std::move(next);
  return true;
}

void WriteBatchCommand(const std::vector<Operation>& operations, zkdb_durability durability, bool non_atomic,
                       std::string* command, std::vector<uint32_t>* sent) {
  std::string body;
  CommandWriter writer(&body);
  size_t arguments = 1;
  writer.Add("ZK.BATCH");
  if (durability != ZKDB_DURABILITY_DEFAULT) {
    AddAll(&writer, {"DURABILITY", DurabilityName(durability)});
    arguments += 2;
  }
  if (non_atomic) {
    writer.Add("NONATOMIC");
    ++arguments;
  }
  for (const Operation& op : operations) {
    const size_t added = AddOperation(op, &writer);
    if (added != 0) sent->push_back(op.index);
    arguments += added;
  }
  command->clear();
  CommandWriter(command).Start(arguments);
  command->append(body);
}

Status ReadBatchAnswer(Connection* connection, const ReplyHead& head, WriteResult* result) {
  // RESP3 has maps, RESP2 an array of names and values in turn.
  const bool map = head.kind == ReplyKind::kMap;
  if ((!map && head.kind != ReplyKind::kArray) || head.size > 64) return NoBatchAnswer();
  *result = WriteResult{};
  bool complete = false;
  for (uint64_t i = map ? head.size : head.size / 2; i > 0; --i) {
    ReplyHead part;
    std::string name;
    ZKDB_RETURN_IF_ERROR(connection->reader()->ReadHead(&part));
    if (part.kind != ReplyKind::kString || part.size > 64) return NoBatchAnswer();
    ZKDB_RETURN_IF_ERROR(connection->reader()->AppendString(part.size, &name));
    ZKDB_RETURN_IF_ERROR(connection->reader()->ReadHead(&part));
    if (part.kind != ReplyKind::kInteger) {
      ZKDB_RETURN_IF_ERROR(connection->reader()->Skip(part));
      continue;
    }
    if (name == "sequence") result->sequence = static_cast<uint64_t>(part.integer);
    if (name == "existed") result->existed = static_cast<uint64_t>(part.integer);
    if (name == "failed") result->failed_index = part.integer, complete = true;
  }
  return complete ? Status::Ok() : NoBatchAnswer();
}

}  // namespace zkdb
