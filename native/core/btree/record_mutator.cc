#include "core/btree/record_mutator.h"

#include <algorithm>

#include "core/btree/cursor.h"

namespace zkdb {

std::string ExpiryKey(uint64_t time, Slice key) {
  std::string out(kTimeSize, '\0');
  Store64(out.data(), __builtin_bswap64(time));
  if (key.size != 0) out.append(reinterpret_cast<const char*>(key.data), key.size);
  return out;
}

uint64_t TimeOfExpiryKey(Slice key) { return __builtin_bswap64(Load64(key.data)); }

// The record at `key` ended at `from` and now ends at `to`, 0 for never.
Status RecordMutator::Move(Slice key, uint64_t from, uint64_t to) {
  if (from == to) [[likely]]
    return Status::Ok();
  Replaced entry;
  if (from != 0) {
    ZKDB_RETURN_IF_ERROR(expiry_.Delete(ExpiryKey(from, key), false, &entry));
    if (!entry.existed) {
      return Status::Corrupt(space_->files().options().directory +
                             ": the expiry index lacks a record that expires; restore the partition from a backup or "
                             "salvage it");
    }
  }
  return to == 0 ? Status::Ok() : expiry_.Put(ExpiryKey(to, key), Slice(), PutTime{}, false, &entry);
}

Status RecordMutator::Put(Slice key, Slice value, const PutTime& time, bool after_previous, bool* existed) {
  Replaced before;
  ZKDB_RETURN_IF_ERROR(records_.Put(key, value, time, after_previous, &before));
  *existed = before.existed && !clock_->Ended(before.time);
  return Move(key, before.time, time.After(before));
}

Status RecordMutator::Delete(Slice key, bool after_previous, bool* existed) {
  Replaced before;
  ZKDB_RETURN_IF_ERROR(records_.Delete(key, after_previous, &before));
  *existed = before.existed && !clock_->Ended(before.time);
  return Move(key, before.time, 0);
}

Status RecordMutator::SetTime(Slice key, const TimeChange& change, bool after_previous, bool* changed) {
  Replaced before;
  ZKDB_RETURN_IF_ERROR(records_.SetTime(key, change, after_previous, &before));
  *changed = change.Holds(before);
  return *changed ? Move(key, before.time, change.time) : Status::Ok();
}

Status RecordMutator::DeleteRange(const KeyRange& range, uint64_t* deleted) {
  if (expiry_.root().levels == 0) return records_.DeleteRange(range, nullptr, deleted);
  if (range.lo.size == 0 && !range.lo_exclusive && !range.has_hi) return Clear(deleted);
  uint64_t ended = 0;
  const auto forget = [&](uint64_t time, Slice key) {
    ended += clock_->Ended(time) ? 1 : 0;
    return Move(key, time, 0);
  };
  ZKDB_RETURN_IF_ERROR(records_.DeleteRange(range, forget, deleted));
  *deleted -= ended;
  return Status::Ok();
}

// Everything goes: the index too, without a look at its entries.
Status RecordMutator::Clear(uint64_t* deleted) {
  uint64_t ended = 0;
  uint64_t entries = 0;
  ZKDB_RETURN_IF_ERROR(CountEnded(space_, expiry_.root(), clock_->Now(), &ended));
  ZKDB_RETURN_IF_ERROR(records_.DeleteRange(KeyRange{}, nullptr, deleted));
  ZKDB_RETURN_IF_ERROR(expiry_.DeleteRange(KeyRange{}, nullptr, &entries));
  *deleted -= std::min(*deleted, ended);
  return Status::Ok();
}

Status RecordMutator::MoveBelow(uint32_t limit) {
  ZKDB_RETURN_IF_ERROR(records_.MoveBelow(limit));
  return expiry_.MoveBelow(limit);
}

Status CountEnded(PageSpace* space, const TreeRoot& expiry, uint64_t now, uint64_t* out) {
  *out = 0;
  // The first key of an entry that has not ended.
  const std::string end = now == UINT64_MAX ? std::string() : ExpiryKey(now + 1, Slice());
  Cursor cursor(space, expiry);
  ZKDB_RETURN_IF_ERROR(cursor.First());
  while (cursor.valid()) {
    const uint32_t count = cursor.leaf().count();
    Position at{count, false, false};
    if (!end.empty()) ZKDB_RETURN_IF_ERROR(SearchTreePage(space, cursor.leaf(), end, &at));
    *out += at.index;
    if (at.index < count) return Status::Ok();
    ZKDB_RETURN_IF_ERROR(cursor.NextLeaf());
  }
  return Status::Ok();
}

}  // namespace zkdb
