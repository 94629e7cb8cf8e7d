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

void RemoteChunks::Begin() {
  due_ = ended_ = has_last_ = false;
  last_.clear();
  chunk_ = kFirstChunk;
  given_ = 0;
  ahead_.Clear();
}

void RemoteChunks::Restart() {
  pin_->Forget(this, false);
  Begin();
}

// The bounds, narrowed by a seek or by what was read already. The question that pins a state is about all of them: the
// answer may be kept for another seek.
void RemoteChunks::WriteRange(const std::string& snapshot, std::string* command) {
  pins_ = snapshot.empty();
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
  } else if (!pins_ && b.has_start && !reverse && Compare(b.start, b.lo) > 0) {
    low = {"GTE", b.start};
  } else if (!pins_ && b.has_start && reverse && (!b.has_hi || Compare(b.start, b.hi) < 0)) {
    high = {"LTE", b.start};
  }
  CommandWriter writer(command);
  const auto count = [](bool there, size_t arguments) { return there ? arguments : 0; };
  writer.Start(3 + count(low.word != nullptr, 2) + count(high.word != nullptr, 2) + count(reverse, 1) +
               count(b.options.no_values, 1) + (pins_ ? 1 : 2));
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
  writer.Add(pins_ ? "PIN" : "SNAPSHOT");
  if (!pins_) writer.Add(snapshot);
}

// ---- asking

// What goes wrong here is told by Next, which asks again.
void RemoteChunks::Prepare() {
  if (due_ || ended_ || has_whole_) return;
  pin_->Ask(this);
  due_ = true;
}

void RemoteChunks::Await() {
  if (ended_ || has_whole_) return;
  pin_->Await(this);
  due_ = true;
}

Status RemoteChunks::Take(PackedChunk* out) {
  due_ = false;
  ZKDB_RETURN_IF_ERROR(pin_->Answer(this));
  std::swap(*out, ahead_);
  ahead_.Clear();
  return Status::Ok();
}

// What of the whole range lies at or behind the place of a seek.
void RemoteChunks::TakeWhole(PackedChunk* out) {
  const ScanBounds& b = *bounds_;
  size_t first = 0;
  const auto before = [&](size_t record) {
    const int c = b.has_start ? Compare(whole_.KeyAt(record), b.start) : 0;
    return b.options.reverse ? c > 0 : c < 0;
  };
  while (first < whole_.places.size() && before(first)) ++first;
  due_ = false;
  ended_ = true;
  if (first == whole_.places.size()) return;
  const size_t begin = whole_.places[first];
  out->bytes.assign(whole_.bytes.begin() + static_cast<std::ptrdiff_t>(begin), whole_.bytes.end());
  for (size_t i = first; i < whole_.places.size(); ++i) out->places.push_back(whole_.places[i] - begin);
}

Status RemoteChunks::Next(PackedChunk* out) {
  if (!due_ && ended_) return Status::Ok();
  if (!has_whole_) ZKDB_RETURN_IF_ERROR(Take(out));
  if (has_whole_) return TakeWhole(out), Status::Ok();
  if (pins_ && bounds_->has_start) {
    // The state was pinned behind a seek: its chunk is another one.
    out->Clear();
    Begin();
    ZKDB_RETURN_IF_ERROR(Take(out));
  }
  // A short scan reads nothing ahead.
  if (given_++ > 0) Prepare();
  return Status::Ok();
}

// ---- reading

Status RemoteChunks::ReadRange(Connection* connection, uint64_t* snapshot) {
  ReplyHead head;
  ahead_.Clear();
  ZKDB_RETURN_IF_ERROR(connection->ReadAnswer(&head));
  const Status status = ReadChunk(connection, head, snapshot);
  if (status.ok()) return status;
  connection->Abandon();
  ahead_.Clear();
  return status;
}

Status RemoteChunks::ReadChunk(Connection* connection, const ReplyHead& answer, uint64_t* snapshot) {
  ReplyReader* const reader = connection->reader();
  if (answer.kind != ReplyKind::kArray || answer.size != (pins_ ? 3 : 2)) return NoRange("it has other parts");
  ReplyHead head;
  ZKDB_RETURN_IF_ERROR(reader->ReadHead(&head));
  if (head.kind != ReplyKind::kArray) return NoRange("it has no records");
  ZKDB_RETURN_IF_ERROR(ReadRecords(connection, head.size));
  ZKDB_RETURN_IF_ERROR(reader->ReadHead(&head));
  if (head.kind != ReplyKind::kNull && head.kind != ReplyKind::kString) return NoRange("it has no end");
  ZKDB_RETURN_IF_ERROR(reader->Skip(head));
  const bool more = head.kind == ReplyKind::kString;
  if (pins_) ZKDB_RETURN_IF_ERROR(ReadSnapshot(connection, more, snapshot));
  ended_ = !more || ahead_.places.empty();
  if (!ahead_.places.empty()) last_ = ahead_.KeyAt(ahead_.places.size() - 1).ToString(), has_last_ = true;
  chunk_ = std::min(chunk_ * 4, kLargestChunk);
  if (!pins_ || more) return Status::Ok();
  has_whole_ = true;
  std::swap(whole_, ahead_);
  return Status::Ok();
}

// The snapshot that was opened because there is more.
Status RemoteChunks::ReadSnapshot(Connection* connection, bool more, uint64_t* snapshot) {
  ReplyHead head;
  ZKDB_RETURN_IF_ERROR(connection->reader()->ReadHead(&head));
  const bool given = head.kind == ReplyKind::kInteger && head.integer > 0;
  if (more ? !given : head.kind != ReplyKind::kNull) return NoRange("it has no snapshot");
  *snapshot = more ? static_cast<uint64_t>(head.integer) : 0;
  return Status::Ok();
}

Status RemoteChunks::ReadRecords(Connection* connection, uint64_t count) {
  const uint64_t parts = bounds_->options.no_values ? 1 : 2;
  if (count % parts != 0) return NoRange("a key has no value");
  if (count / parts > chunk_) return NoRange("it has more records than were asked for");
  for (uint64_t i = 0; i < count; i += parts) ZKDB_RETURN_IF_ERROR(ReadRecord(connection));
  return Status::Ok();
}

// Appends a string to the chunk, which grows with what comes.
Status RemoteChunks::AppendPart(Connection* connection, uint64_t most, uint32_t* size) {
  constexpr uint64_t kStep = 1 << 20;
  ReplyHead head;
  ZKDB_RETURN_IF_ERROR(connection->reader()->ReadHead(&head));
  if (head.kind != ReplyKind::kString || head.size > most) return NoRange("a record is no string, or too long");
  *size = static_cast<uint32_t>(head.size);
  std::vector<uint8_t>& bytes = ahead_.bytes;
  const size_t at = bytes.size();
  if (head.size <= kStep) {
    bytes.resize(at + head.size);
    return connection->reader()->ReadString(head.size, bytes.data() + at);
  }
  std::string large;
  ZKDB_RETURN_IF_ERROR(connection->reader()->AppendString(head.size, &large));
  bytes.insert(bytes.end(), large.begin(), large.end());
  return Status::Ok();
}

Status RemoteChunks::ReadRecord(Connection* connection) {
  const size_t at = ahead_.bytes.size();
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  ahead_.bytes.resize(at + PackBuffer::kRecordHead);
  ZKDB_RETURN_IF_ERROR(AppendPart(connection, ZKDB_MAX_KEY_SIZE, &key_size));
  if (!InOrder({ahead_.bytes.data() + at + PackBuffer::kRecordHead, key_size})) {
    return NoRange("its keys are out of order");
  }
  if (!bounds_->options.no_values) {
    ZKDB_RETURN_IF_ERROR(AppendPart(connection, ZKDB_MAX_VALUE_SIZE, &value_size));
  }
  Store32(ahead_.bytes.data() + at, key_size);
  Store32(ahead_.bytes.data() + at + 4, value_size);
  ahead_.places.push_back(at);
  return Status::Ok();
}

// Whether `key` lies in the bounds and behind the records that were read.
bool RemoteChunks::InOrder(Slice key) const {
  const ScanBounds& b = *bounds_;
  const KeyRange range{b.lo, b.hi, b.has_hi, b.lo_exclusive, b.hi_inclusive};
  if (range.BelowLo(key) || range.AboveHi(key)) return false;
  if (ahead_.places.empty() && !has_last_) return true;
  const int c = Compare(key, ahead_.places.empty() ? Slice(last_) : ahead_.KeyAt(ahead_.places.size() - 1));
  return b.options.reverse ? c < 0 : c > 0;
}

}  // namespace zkdb
