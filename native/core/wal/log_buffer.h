// Bytes on their way to log files: a run of pieces, each with the place it goes to. Reused, so that a log in its steady
// state allocates nothing.
//
// Thread-safety: guarded by the log's lock, or owned by the thread that writes it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/slice.h"
#include "core/wal/log_file_set.h"

namespace zkdb {

class LogBuffer {
 public:
  // A run of bytes that lie one after another in a file.
  struct Piece {
    std::shared_ptr<LogFile> file;
    uint64_t offset;  // in the file
    size_t begin;     // in the buffer
    size_t size;      // bytes
  };

  // Makes room for `n` bytes in up to two pieces: the next Extends do not allocate.
  void Prepare(size_t n) {
    Reserve(size_ + n);
    if (pieces_.size() + 2 > pieces_.capacity()) pieces_.reserve(2 * pieces_.size() + 2);
  }

  // Adds `n` bytes that go to `offset` of the file; the caller fills them before it next calls the buffer.
  uint8_t* Extend(const std::shared_ptr<LogFile>& file, uint64_t offset, size_t n) {
    Reserve(size_ + n);
    if (pieces_.empty() || pieces_.back().file != file || pieces_.back().offset + pieces_.back().size != offset) {
      pieces_.push_back({file, offset, size_, 0});
    }
    pieces_.back().size += n;
    uint8_t* at = bytes_.get() + size_;
    size_ += n;
    return at;
  }

  void Clear() {
    pieces_.clear();
    size_ = 0;
  }
  void Swap(LogBuffer* other) { std::swap(*this, *other); }

  bool empty() const { return pieces_.empty(); }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  const std::vector<Piece>& pieces() const { return pieces_; }
  Slice BytesOf(const Piece& piece) const { return {bytes_.get() + piece.begin, piece.size}; }

 private:
  static constexpr size_t kFirstCapacity = 64 << 10;

  void Reserve(size_t n) {
    if (n <= capacity_) return;
    const size_t capacity = std::max({n, 2 * capacity_, kFirstCapacity});
    std::unique_ptr<uint8_t[]> bytes(new uint8_t[capacity]);
    if (size_ > 0) std::memcpy(bytes.get(), bytes_.get(), size_);
    bytes_ = std::move(bytes);
    capacity_ = capacity;
  }

  std::unique_ptr<uint8_t[]> bytes_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  std::vector<Piece> pieces_;
};

}  // namespace zkdb
