#include "core/scan/source.h"

#include <algorithm>

#include "core/btree/overflow.h"

namespace zkdb {
namespace {

constexpr size_t kLeastKeyBuffer = 64;

constexpr uint16_t kSlotSpecial = kSlotKeyOverflow | kSlotValueOverflow | kSlotExpires;

// The first eight of a key's bytes as a number that orders like them, padded with zeros. Eight are there to be read.
uint64_t Head8(const uint8_t* key, uint32_t size) {
  const uint64_t head = __builtin_bswap64(Load64(key));
  if (size >= 8) return head;
  return size == 0 ? 0 : head & (UINT64_MAX << (64 - 8 * size));
}

}  // namespace

Status SourceStream::Enter(uint64_t generation) {
  if (generation_ == generation) return Status::Ok();
  generation_ = generation;
  return opened_ && !exhausted_ ? cursor_.Resume() : Status::Ok();
}

Status SourceStream::Fill(bool* any) {
  if (!opened_) ZKDB_RETURN_IF_ERROR(Open());
  while (left_ == 0 && !exhausted_) {
    if (!ends_here_) {
      ZKDB_RETURN_IF_ERROR(bounds_->options.reverse ? cursor_.PrevLeaf() : cursor_.NextLeaf());
    }
    if (ends_here_ || !cursor_.valid()) {
      exhausted_ = true;
    } else {
      ZKDB_RETURN_IF_ERROR(SetStretch(cursor_.index()));
    }
  }
  *any = left_ > 0;
  return Status::Ok();
}

// ---- opening

Status SourceStream::Open() {
  left_ = 0;
  ends_here_ = false;
  exhausted_ = false;
  ZKDB_RETURN_IF_ERROR(bounds_->options.reverse ? OpenBackward() : OpenForward());
  opened_ = true;
  if (!cursor_.valid()) {
    exhausted_ = true;
    return Status::Ok();
  }
  PrefetchWholePage(cursor_.leaf().data(), space_->page_size());
  cursor_.PrefetchNextLeaf(!bounds_->options.reverse);
  return SetStretch(cursor_.index());
}

Status SourceStream::OpenForward() {
  const ScanBounds& b = *bounds_;
  const bool from_start = b.has_start && Compare(b.start, b.lo) > 0;
  if (!from_start && b.all_low()) return cursor_.First();
  const Slice key = from_start ? b.start : b.lo;
  ZKDB_RETURN_IF_ERROR(cursor_.Seek(key));
  if (!cursor_.valid() || from_start || !b.lo_exclusive) return Status::Ok();
  Position p;
  ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, cursor_.leaf(), key, &p));
  return p.exact && p.index == cursor_.index() ? cursor_.Next() : Status::Ok();
}

Status SourceStream::OpenBackward() {
  const ScanBounds& b = *bounds_;
  const bool from_start = b.has_start && (!b.has_hi || Compare(b.start, b.hi) < 0);
  if (!from_start && !b.has_hi) return cursor_.Last();
  const Slice key = from_start ? b.start : b.hi;
  ZKDB_RETURN_IF_ERROR(cursor_.SeekBack(key));
  if (!cursor_.valid() || from_start || b.hi_inclusive) return Status::Ok();
  Position p;
  ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, cursor_.leaf(), key, &p));
  return p.exact && p.index == cursor_.index() ? cursor_.Prev() : Status::Ok();
}

// Takes the leaf's slots from `from` on, in the scan's direction, up to the range's end.
Status SourceStream::SetStretch(uint32_t from) {
  const ScanBounds& b = *bounds_;
  const PageView leaf = cursor_.leaf();
  at_ = from;
  Position end;
  if (b.options.reverse) {
    if (!b.all_low()) ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, leaf, b.lo, &end));
    const uint32_t first = end.index + (end.exact && b.lo_exclusive ? 1 : 0);
    ends_here_ = first > 0 || end.exact;
    left_ = from + 1 > first ? from + 1 - first : 0;
  } else {
    end.index = leaf.count();
    if (b.has_hi) ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, leaf, b.hi, &end));
    ends_here_ = end.index < leaf.count();
    const uint32_t stop = end.index + (end.exact && b.hi_inclusive ? 1 : 0);
    left_ = stop > from ? stop - from : 0;
  }
  return Status::Ok();
}

// ---- packing

Status SourceStream::PackRun(PackBuffer* out, uint32_t limit) {
  const ScanOptions& o = bounds_->options;
  if (o.no_keys) return o.no_values ? PackLoop<false, false>(out, limit) : PackLoop<false, true>(out, limit);
  return o.no_values ? PackLoop<true, false>(out, limit) : PackLoop<true, true>(out, limit);
}

// A record with an overflowing part or a time, or one whose time is asked for.
Status SourceStream::PackSpecial(PackBuffer* out, const Slot& s) {
  const ScanOptions& o = bounds_->options;
  const PageView leaf = cursor_.leaf();
  if (out->clock != nullptr && out->clock->Ended(leaf.time(s))) return Status::Ok();
  const uint32_t key_size = o.no_keys ? 0 : leaf.key_size(s);
  const uint32_t time_size = o.times ? kTimeSize : 0;
  const uint64_t value_size = time_size + (o.no_values ? 0 : uint64_t{leaf.value_size(s)});
  const uint64_t need = uint64_t{PackBuffer::kRecordHead} + key_size + value_size;
  if (need > out->capacity - out->used) {
    out->refused = need;
    return Status::Ok();
  }
  uint8_t* to = out->buffer + out->used;
  Store32(to, key_size);
  Store32(to + 4, static_cast<uint32_t>(value_size));
  to += PackBuffer::kRecordHead;
  if (key_size != 0) {
    leaf.CopyKey(s, to);
    if (PageView::KeyOverflows(s))
      ZKDB_RETURN_IF_ERROR(ReadOverflow(space_, leaf.key_rest(s), to + leaf.in_page_key_size(s)));
  }
  if (o.times) Store64(to + key_size, leaf.time(s));
  if (value_size > time_size) ZKDB_RETURN_IF_ERROR(CopyValue(space_, leaf, at_, to + key_size + time_size));
  out->used += need;
  ++out->count;
  return Status::Ok();
}

template <bool kKeys, bool kValues>
Status SourceStream::PackLoop(PackBuffer* out, uint32_t limit) {
  const PageView leaf = cursor_.leaf();
  const Slot* slots = leaf.slots();
  const uint32_t step = bounds_->options.reverse ? UINT32_MAX : 1;
  const bool times = bounds_->options.times;
  const uint32_t records = std::min({limit, left_, out->max_records - out->count});
  uint32_t passed = 0;
  for (; passed < records; ++passed) {
    const Slot& s = slots[at_];
    if ((s.meta & kSlotSpecial) != 0 || times) [[unlikely]] {
      ZKDB_RETURN_IF_ERROR(PackSpecial(out, s));
      if (out->refused != 0) break;
    } else {
      const uint32_t key_size = kKeys ? leaf.key_size(s) : 0;
      const uint32_t value_size = kValues ? leaf.value_size(s) : 0;
      const uint64_t need = uint64_t{PackBuffer::kRecordHead} + key_size + value_size;
      if (need > out->capacity - out->used) [[unlikely]] {
        out->refused = need;
        break;
      }
      uint8_t* to = out->buffer + out->used;
      Store32(to, key_size);
      Store32(to + 4, value_size);
      to += PackBuffer::kRecordHead;
      if (kKeys) leaf.CopyKey(s, to);
      if (kValues && value_size != 0) std::memcpy(to + key_size, leaf.after_tail(s), value_size);
      out->used += need;
      ++out->count;
    }
    at_ += step;
    --left_;
  }
  return Status::Ok();
}

// ---- merging

uint64_t SourceStream::TakeKey() {
  const PageView leaf = cursor_.leaf();
  const Slot& s = leaf.slot(at_);
  key_size_ = leaf.in_page_key_size(s);
  key_overflows_ = PageView::KeyOverflows(s);
  if (key_.size() < std::max<size_t>(8, key_size_))
    key_.resize(std::max<size_t>(kLeastKeyBuffer, 2 * size_t{key_size_}));
  leaf.CopyKey(s, key_.data());
  return Head8(key_.data(), key_size_);
}

Status SourceStream::CountBefore(Slice key, uint32_t* out) {
  Position p;
  ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, cursor_.leaf(), key, &p));
  if (bounds_->options.reverse) {
    const uint32_t first = p.index + (p.exact ? 1 : 0);
    *out = at_ + 1 > first ? at_ + 1 - first : 0;
  } else {
    *out = p.index > at_ ? p.index - at_ : 0;
  }
  *out = std::min(*out, left_);
  return Status::Ok();
}

}  // namespace zkdb
