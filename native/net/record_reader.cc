#include "net/record_reader.h"

#include <algorithm>
#include <cstdio>

namespace zkdb::net {

namespace {

constexpr size_t kChunk = size_t{64} << 10;
constexpr size_t kSmallChunk = size_t{4} << 10;  // for a few records

}  // namespace

zkdb_code RecordReader::Open(const Store& store, const zkdb_range* range, uint32_t scan_flags, uint64_t most) {
  most_ = most;
  MakeRoom(most <= 16 ? kSmallChunk : kChunk);
  code_ = store.OpenCursor(range, scan_flags, &cursor_, &error_);
  return code_;
}

void RecordReader::MakeRoom(size_t capacity) {
  chunk_ = std::make_unique_for_overwrite<uint8_t[]>(capacity);
  capacity_ = capacity;
}

bool RecordReader::Fill() {
  while (left_ == 0 && !done_ && most_ > 0) {
    size_t used = 0;
    int done = 0;
    const auto records = static_cast<uint32_t>(std::min<uint64_t>(most_, UINT32_MAX));
    code_ = zkdb_cursor_next(cursor_.get(), chunk_.get(), capacity_, records, &used, &left_, &done, &error_);
    if (code_ == ZKDB_BUFFER_TOO_SMALL && used <= largest_) {
      MakeRoom(used);
      left_ = 0;
      continue;
    }
    if (code_ == ZKDB_BUFFER_TOO_SMALL) {
      code_ = error_.code = ZKDB_VALUE_TOO_LARGE;
      std::snprintf(error_.message, sizeof error_.message,
                    "the next record has %zu bytes; the output may have %zu: ask for keys only", used, largest_);
    }
    if (code_ != ZKDB_OK) {
      left_ = 0;
      return false;
    }
    done_ = done != 0;
    at_ = chunk_.get();
  }
  return left_ > 0;
}

bool RecordReader::Next(Slice* key, Slice* value) {
  if (left_ == 0 && !Fill()) return false;
  const size_t key_size = Load32(at_);
  const size_t value_size = Load32(at_ + 4);
  *key = Slice(at_ + 8, key_size);
  *value = Slice(at_ + 8 + key_size, value_size);
  at_ += 8 + key_size + value_size;
  --left_;
  --most_;
  return true;
}

std::string PrefixEnd(Slice prefix) {
  std::string end = prefix.ToString();
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xFF) end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

}  // namespace zkdb::net
