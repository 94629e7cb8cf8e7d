#include "net/input_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace zkdb::net {

InputBuffer::Room InputBuffer::Prepare(uint8_t* shared, size_t shared_size) {
  shared_ = size_ <= kCopied ? shared : nullptr;
  if (shared_ != nullptr) {
    if (size_ > 0) std::memcpy(shared_, bytes_.get() + begin_, size_);
    return {shared_ + size_, shared_size - size_};
  }
  if (capacity_ - begin_ - size_ < kCopied) {
    const size_t capacity = std::max(size_ * 2, 4 * kCopied);
    auto bytes = std::make_unique_for_overwrite<uint8_t[]>(capacity);
    std::memcpy(bytes.get(), bytes_.get() + begin_, size_);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
    begin_ = 0;
  }
  return {bytes_.get() + begin_ + size_, capacity_ - begin_ - size_};
}

Slice InputBuffer::Filled(size_t n) {
  size_ += n;
  return {shared_ != nullptr ? shared_ : bytes_.get() + begin_, size_};
}

void InputBuffer::Keep(Slice input, size_t consumed) {
  const size_t rest = input.size - consumed;
  const bool was_shared = std::exchange(shared_, nullptr) != nullptr;
  if (rest == 0) {
    bytes_.reset();
    capacity_ = begin_ = size_ = 0;
    return;
  }
  if (!was_shared) {
    begin_ += consumed;
  } else {
    if (rest > capacity_) {
      bytes_ = std::make_unique_for_overwrite<uint8_t[]>(rest);
      capacity_ = rest;
    }
    std::memcpy(bytes_.get(), input.data + consumed, rest);
    begin_ = 0;
  }
  size_ = rest;
}

}  // namespace zkdb::net
