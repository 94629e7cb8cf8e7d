#include "net/scan_cursors.h"

namespace zkdb::net {

uint64_t ScanCursors::Save(uint32_t database, Slice user, Slice key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (first_ + positions_.size() > kLargest) {
    positions_.clear();
    bytes_ = 0;
    first_ = 1;
  }
  positions_.push_back({database, user.ToString(), key.ToString()});
  bytes_ += user.size + key.size;
  const uint64_t number = first_ + positions_.size() - 1;
  while (positions_.size() > 1 && (positions_.size() > max_count_ || bytes_ > max_bytes_)) {
    bytes_ -= positions_.front().user.size() + positions_.front().key.size();
    positions_.pop_front();
    ++first_;
  }
  return number;
}

bool ScanCursors::Find(uint64_t number, uint32_t database, Slice user, std::string* key) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (number < first_ || number - first_ >= positions_.size()) return false;
  const Position& position = positions_[number - first_];
  if (position.database != database || !(user == position.user)) return false;
  *key = position.key;
  return true;
}

}  // namespace zkdb::net
