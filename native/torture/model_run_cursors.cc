// The cursors of ModelRun: chunk by chunk, with writes and seeks between.
#include <algorithm>

#include "torture/model_run.h"

namespace zkdb::test {

void ModelRun::CursorOpen(const Step& step) {
  CursorClose(step.slot);
  OpenCursor& c = cursors_[step.slot];
  zkdb_snapshot* snapshot = nullptr;
  c.of_transaction = !Source(step.value.offset, &snapshot, &c.version);
  c.range = MakeRange(BoundOf(plan_, step.a), BoundOf(plan_, step.b), step.flags);
  c.scan_flags = step.more & (ZKDB_SCAN_REVERSE | ZKDB_SCAN_NO_KEYS | ZKDB_SCAN_NO_VALUES);
  c.next = c.reverse() ? c.range.end : c.range.first;
  const zkdb_range given = RangeFrom(c.range.lo, c.range.hi, c.range.flags);
  zkdb_txn* const txn = c.of_transaction ? txn_ : nullptr;
  const zkdb_code code = zkdb_cursor_open(db_.get(), snapshot, txn, &given, c.scan_flags, &c.handle, &db_.error);
  if (RequireCode(code, ZKDB_OK, "cursor open") && !c.of_transaction) model_.Pin(c.version);
}

void ModelRun::CursorClose(uint32_t slot) {
  OpenCursor& c = cursors_[slot];
  if (c.handle == nullptr) return;
  zkdb_cursor_close(c.handle);
  if (!c.of_transaction) model_.Unpin(c.version);
  c = OpenCursor{};
}

// The first record at or behind the key in the cursor's direction, within its range.
void ModelRun::CursorSeek(const Step& step) {
  OpenCursor& c = cursors_[step.slot];
  if (c.handle == nullptr) return;
  const std::string key = BoundOf(plan_, step.a);
  if (!RequireCode(zkdb_cursor_seek(c.handle, key.data(), key.size(), &db_.error), ZKDB_OK, "seek")) return;
  size_t rank = RankAtOrAfter(key);
  if (c.reverse()) {
    if (rank < plan_.keys.size() && plan_.keys[rank] == key) ++rank;
    c.next = std::min(rank, c.range.end);
  } else {
    c.next = std::max(rank, c.range.first);
  }
}

bool ModelRun::ExpectNext(OpenCursor* cursor, size_t* rank, ValueRef* value) const {
  while (cursor->reverse() ? cursor->next > cursor->range.first : cursor->next < cursor->range.end) {
    *rank = cursor->reverse() ? --cursor->next : cursor->next++;
    const ValueRef* has = cursor->of_transaction ? model_.Latest(*rank) : model_.At(*rank, cursor->version);
    if (has == nullptr) continue;
    *value = *has;
    return true;
  }
  return false;
}

void ModelRun::CompareChunk(OpenCursor* cursor, const uint8_t* p, size_t used, uint32_t count) {
  const uint8_t* const end = p + used;
  for (uint32_t i = 0; i < count; ++i) {
    size_t rank = 0;
    ValueRef value;
    const std::string what = "record " + std::to_string(i) + " of " + std::to_string(count) + " of a cursor";
    if (!Require(ExpectNext(cursor, &rank, &value), what + " is beyond the end")) return;
    const bool keys = (cursor->scan_flags & ZKDB_SCAN_NO_KEYS) == 0;
    const bool values = (cursor->scan_flags & ZKDB_SCAN_NO_VALUES) == 0;
    const std::string_view key = keys ? std::string_view(plan_.keys[rank]) : std::string_view();
    const std::string_view bytes = values ? BytesOf(value) : std::string_view();
    const uint32_t k = Load32(p);
    const uint32_t v = Load32(p + 4);
    if (!Require(k == key.size() && v == bytes.size(), what + " has not the sizes of key " + std::to_string(rank))) {
      return;
    }
    const auto* text = reinterpret_cast<const char*>(p + 8);
    const bool same = std::string_view(text, k) == key && std::string_view(text + k, v) == bytes;
    if (!Require(same, what + " is not key " + std::to_string(rank))) return;
    p += 8 + k + v;
  }
  Require(p == end, "the records of a chunk do not add up to its size");
  report_->records_compared += count;
}

void ModelRun::CursorNext(const Step& step) {
  OpenCursor& c = cursors_[step.slot];
  if (c.handle == nullptr) return;
  buffer_.resize(std::max<size_t>(buffer_.size(), step.b));
  size_t used = 0;
  uint32_t count = 0;
  int done = 0;
  const zkdb_code code = zkdb_cursor_next(c.handle, buffer_.data(), step.b, step.a, &used, &count, &done, &db_.error);
  if (code != ZKDB_BUFFER_TOO_SMALL) {
    if (!RequireCode(code, ZKDB_OK, "cursor next")) return;
    if (!Require(count <= step.a && used <= step.b, "a chunk is larger than was asked for")) return;
    CompareChunk(&c, reinterpret_cast<const uint8_t*>(buffer_.data()), used, count);
  }
  if (report_->failed || (code == ZKDB_OK && done == 0 && count == step.a)) return;
  // The cursor stopped by itself: at its end, or before a record that does not fit.
  OpenCursor ahead = c;
  size_t rank = 0;
  ValueRef value;
  const bool more = ExpectNext(&ahead, &rank, &value);
  if (!Require(more == (done == 0), more ? "a cursor ends too early" : "a cursor does not end")) return;
  if (!more) return;
  const size_t key_size = (c.scan_flags & ZKDB_SCAN_NO_KEYS) == 0 ? plan_.keys[rank].size() : 0;
  const size_t need = 8 + key_size + ((c.scan_flags & ZKDB_SCAN_NO_VALUES) == 0 ? value.size : 0);
  if (code == ZKDB_BUFFER_TOO_SMALL) {
    const size_t whole = c.of_transaction ? need + plan_.keys[rank].size() : need;
    Require(used >= need && used <= whole && step.b < whole,
            "a cursor needs " + std::to_string(used) + " bytes for its next record, not " + std::to_string(need));
    return;
  }
  const size_t left = step.b - used;
  const size_t slack = c.of_transaction ? step.a * size_t{ZKDB_MAX_KEY_SIZE} : 0;
  Require(need + slack > left, "a cursor stops although its next record fits");
}

}  // namespace zkdb::test
