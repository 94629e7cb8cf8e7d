#include "core/scan/packed_stream.h"

#include <algorithm>

namespace zkdb {

void PackedStream::Reset() {
  source_->Restart();
  chunk_.Clear();
  at_ = 0;
  exhausted_ = false;
}

Status PackedStream::Fill(bool* any) {
  if (left() == 0 && !exhausted_) {
    chunk_.Clear();
    at_ = 0;
    ZKDB_RETURN_IF_ERROR(source_->Next(&chunk_));
    exhausted_ = chunk_.places.empty();
  }
  *any = left() > 0;
  return Status::Ok();
}

Status PackedStream::PackRun(PackBuffer* out, uint32_t limit) {
  const ScanOptions& o = bounds_->options;
  const uint32_t end = at_ + std::min({limit, left(), out->max_records - out->count});
  for (; at_ < end; ++at_) {
    const uint8_t* record = chunk_.bytes.data() + chunk_.places[at_];
    const uint32_t whole_key = Load32(record);
    const uint32_t key_size = o.no_keys ? 0 : whole_key;
    const uint32_t value_size = o.no_values ? 0 : Load32(record + 4);
    const size_t need = size_t{PackBuffer::kRecordHead} + key_size + value_size;
    if (need > out->capacity - out->used) {
      out->refused = need;
      return Status::Ok();
    }
    uint8_t* to = out->buffer + out->used;
    Store32(to, key_size);
    Store32(to + 4, value_size);
    record += PackBuffer::kRecordHead;
    if (key_size != 0) std::memcpy(to + PackBuffer::kRecordHead, record, key_size);
    if (value_size != 0) std::memcpy(to + PackBuffer::kRecordHead + key_size, record + whole_key, value_size);
    out->used += need;
    ++out->count;
  }
  return Status::Ok();
}

uint64_t PackedStream::TakeKey() {
  key_ = chunk_.KeyAt(at_);
  uint64_t head = 0;
  for (size_t i = 0; i < 8; ++i) head = head << 8 | (i < key_.size ? key_.data[i] : 0);
  return head;
}

Status PackedStream::CountBefore(Slice key, uint32_t* out) {
  const bool reverse = bounds_->options.reverse;
  uint32_t low = at_;
  uint32_t high = at_ + left();
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const int c = Compare(chunk_.KeyAt(middle), key);
    (reverse ? c > 0 : c < 0) ? low = middle + 1 : high = middle;
  }
  *out = low - at_;
  return Status::Ok();
}

}  // namespace zkdb
