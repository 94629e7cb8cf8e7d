#include "core/dispatch/remote_chunks.h"

#include <algorithm>
#include <utility>

#include "core/base/coding.h"
#include "core/btree/tree.h"

namespace zkdb {
namespace {

// A short scan asks for little and reads nothing ahead, a long one soon for as much as a server gives at once.
constexpr uint32_t kFirstChunk = 128;
constexpr uint32_t kLargestChunk = 32768;

Status NoRange(const std::string& what) {
  return {ZKDB_PROTOCOL, "the answer is none of ZK.RANGE (" + what + "): is it a zkdb server?"};
}

}  // namespace

void RemoteChunks::Restart() {
  Drop();
  ended_ = false;
  has_last_ = false;
  last_.clear();
  chunk_ = kFirstChunk;
}

// What is left of an answer is not read: it may be long.
void RemoteChunks::Drop() {
  pool_->Discard(std::exchange(connection_, nullptr));
  asked_ = false;
}

// The bounds, narrowed by a seek or by what was given already.
void RemoteChunks::WriteCommand(std::string* command) const {
  const ScanBounds& b = *bounds_;
  const bool reverse = b.options.reverse;
  struct Bound {
    const char* word = nullptr;
    Slice key;
  };
  Bound low;
  Bound high;
  if (!b.all_low()) low = {b.lo_exclusive ? "GT" : "GTE", b.lo};
  if (b.has_hi) high = {b.hi_inclusive ? "LTE" : "LT", b.hi};
  if (has_last_) {
    (reverse ? high : low) = {reverse ? "LT" : "GT", last_};
  } else if (b.has_start && !reverse && Compare(b.start, b.lo) > 0) {
    low = {"GTE", b.start};
  } else if (b.has_start && reverse && (!b.has_hi || Compare(b.start, b.hi) < 0)) {
    high = {"LTE", b.start};
  }
  CommandWriter writer(command);
  const auto count = [](bool there, size_t arguments) { return there ? arguments : 0; };
  writer.Start(3 + count(low.word != nullptr, 2) + count(high.word != nullptr, 2) + count(reverse, 1) +
               count(b.options.no_values, 1));
  writer.Add("ZK.RANGE");
  for (const Bound& bound : {low, high}) {
    if (bound.word == nullptr) continue;
    writer.Add(bound.word);
    writer.Add(bound.key);
  }
  if (reverse) writer.Add("REVERSE");
  if (b.options.no_values) writer.Add("KEYS");
  writer.Add("LIMIT");
  writer.Add(std::to_string(chunk_));
}

Status RemoteChunks::Ask(bool only_fresh) {
  Drop();
  ZKDB_RETURN_IF_ERROR(pool_->Take(only_fresh, &connection_, &fresh_));
  std::string command;
  WriteCommand(&command);
  bool handed_over = false;
  const Status status = connection_->Send(command, 1, &handed_over);
  asked_ = status.ok();
  return status;
}

// What goes wrong here is told by Next, which asks again.
void RemoteChunks::Prepare() {
  if (!asked_ && !ended_ && !Ask(false).ok()) Drop();
}

Status RemoteChunks::Next(PackedChunk* out) {
  bool again = false;
  Status status = TryNext(out, &again);
  if (!status.ok() && again) {
    out->Clear();
    status = Ask(true);
    if (status.ok()) status = Read(out);
  }
  if (!status.ok()) Drop();
  return status;
}

// *again: the connection was an older one, and it was lost.
Status RemoteChunks::TryNext(PackedChunk* out, bool* again) {
  if (ended_) return Status::Ok();
  const bool ahead = asked_;
  Status status = asked_ ? Status::Ok() : Ask(false);
  if (status.ok()) status = Read(out);
  *again = status.code() == ZKDB_UNREACHABLE && connection_ != nullptr && (ahead || !fresh_);
  return status;
}

Status RemoteChunks::Read(PackedChunk* out) {
  ReplyHead head;
  ZKDB_RETURN_IF_ERROR(connection_->ReadAnswer(&head));
  asked_ = false;
  if (head.kind != ReplyKind::kArray || head.size != 2) return NoRange("it has no two parts");
  ZKDB_RETURN_IF_ERROR(connection_->reader()->ReadHead(&head));
  if (head.kind != ReplyKind::kArray) return NoRange("it has no records");
  const bool long_scan = has_last_;
  ZKDB_RETURN_IF_ERROR(ReadRecords(head.size, out));
  ZKDB_RETURN_IF_ERROR(connection_->reader()->ReadHead(&head));
  if (head.kind != ReplyKind::kNull && head.kind != ReplyKind::kString) return NoRange("it has no end");
  ZKDB_RETURN_IF_ERROR(connection_->reader()->Skip(head));
  ended_ = head.kind == ReplyKind::kNull || out->places.empty();
  if (!out->places.empty()) last_ = out->KeyAt(out->places.size() - 1).ToString(), has_last_ = true;
  chunk_ = std::min(chunk_ * 4, kLargestChunk);
  pool_->Give(std::exchange(connection_, nullptr));
  if (long_scan) Prepare();
  return Status::Ok();
}

Status RemoteChunks::ReadRecords(uint64_t count, PackedChunk* out) {
  const uint64_t parts = bounds_->options.no_values ? 1 : 2;
  if (count % parts != 0) return NoRange("a key has no value");
  if (count / parts > chunk_) return NoRange("it has more records than were asked for");
  for (uint64_t i = 0; i < count; i += parts) ZKDB_RETURN_IF_ERROR(ReadRecord(out));
  return Status::Ok();
}

// Appends a string to the chunk, which grows with what comes.
Status RemoteChunks::AppendPart(uint64_t most, PackedChunk* out, uint32_t* size) {
  constexpr uint64_t kStep = 1 << 20;
  ReplyHead head;
  ZKDB_RETURN_IF_ERROR(connection_->reader()->ReadHead(&head));
  if (head.kind != ReplyKind::kString || head.size > most) return NoRange("a record is no string, or too long");
  *size = static_cast<uint32_t>(head.size);
  const size_t at = out->bytes.size();
  if (head.size <= kStep) {
    out->bytes.resize(at + head.size);
    return connection_->reader()->ReadString(head.size, out->bytes.data() + at);
  }
  std::string large;
  ZKDB_RETURN_IF_ERROR(connection_->reader()->AppendString(head.size, &large));
  out->bytes.insert(out->bytes.end(), large.begin(), large.end());
  return Status::Ok();
}

Status RemoteChunks::ReadRecord(PackedChunk* out) {
  const size_t at = out->bytes.size();
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  out->bytes.resize(at + PackBuffer::kRecordHead);
  ZKDB_RETURN_IF_ERROR(AppendPart(ZKDB_MAX_KEY_SIZE, out, &key_size));
  if (!InOrder(*out, {out->bytes.data() + at + PackBuffer::kRecordHead, key_size})) {
    return NoRange("its keys are out of order");
  }
  if (!bounds_->options.no_values) ZKDB_RETURN_IF_ERROR(AppendPart(ZKDB_MAX_VALUE_SIZE, out, &value_size));
  Store32(out->bytes.data() + at, key_size);
  Store32(out->bytes.data() + at + 4, value_size);
  out->places.push_back(at);
  return Status::Ok();
}

// Whether `key` lies in the bounds and behind the records that are here.
bool RemoteChunks::InOrder(const PackedChunk& chunk, Slice key) const {
  const ScanBounds& b = *bounds_;
  const KeyRange range{b.lo, b.hi, b.has_hi, b.lo_exclusive, b.hi_inclusive};
  if (range.BelowLo(key) || range.AboveHi(key)) return false;
  if (chunk.places.empty() && !has_last_) return true;
  const int c = Compare(key, chunk.places.empty() ? Slice(last_) : chunk.KeyAt(chunk.places.size() - 1));
  return b.options.reverse ? c < 0 : c > 0;
}

}  // namespace zkdb
