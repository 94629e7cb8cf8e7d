// What a connection has received and its session has not consumed. Nothing is kept while whole commands come: they are
// read into memory that all connections of a thread share.
//
// Thread-safety: none; a buffer belongs to one connection.
//
// Invariants:
//  1. Memory is allocated for bytes that have arrived, at most four times as much; never for a size that was announced.
#pragma once

#include <memory>

#include "core/base/slice.h"

namespace zkdb::net {

class InputBuffer {
 public:
  struct Room {
    uint8_t* data;
    size_t size;
  };

  // Where the next bytes are to be put. `shared` has at least twice kCopied bytes and may be used by other connections
  // between Keep and the next Prepare.
  Room Prepare(uint8_t* shared, size_t shared_size);
  // All that is not consumed, after `n` bytes were put there. Valid until Keep.
  Slice Filled(size_t n);
  // Keeps what of `input` (of Filled or kept()) is behind its first `consumed` bytes.
  void Keep(Slice input, size_t consumed);
  // What is not consumed, when nothing new came.
  Slice kept() const { return {bytes_.get() + begin_, size_}; }
  size_t size() const { return size_; }

  // A rest up to this size is copied in front of the next bytes; a larger one is read on where it is.
  static constexpr size_t kCopied = size_t{16} << 10;

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t size_ = 0;
  uint8_t* shared_ = nullptr;  // between Prepare and Keep: where the bytes are, when not in bytes_
};

}  // namespace zkdb::net
