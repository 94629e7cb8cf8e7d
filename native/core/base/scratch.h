// Memory for the length of one operation: handed out in pieces, given back all at once, kept for the next operation.
//
// Thread-safety: none.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "core/base/slice.h"

namespace zkdb {

class Scratch {
 public:
  uint8_t* Allocate(size_t n) {
    while (chunk_ < chunks_.size() && used_ + n > chunks_[chunk_].size) ++chunk_, used_ = 0;
    if (chunk_ == chunks_.size()) AddChunk(n);
    uint8_t* p = chunks_[chunk_].bytes.get() + used_;
    used_ += n;
    return p;
  }
  Slice Copy(Slice s) {
    uint8_t* p = Allocate(s.size);
    if (s.size != 0) std::memcpy(p, s.data, s.size);
    return {p, s.size};
  }
  // Everything handed out so far is given back; the first chunk stays.
  void Reset() {
    if (chunks_.size() > 1) chunks_.resize(1);
    chunk_ = 0;
    used_ = 0;
  }

 private:
  static constexpr size_t kChunk = 32u << 10;
  struct Chunk {
    std::unique_ptr<uint8_t[]> bytes;
    size_t size;
  };
  void AddChunk(size_t n) {
    const size_t size = n > kChunk ? n : kChunk;
    chunks_.push_back({std::make_unique_for_overwrite<uint8_t[]>(size), size});
    used_ = 0;
  }
  std::vector<Chunk> chunks_;
  size_t chunk_ = 0;
  size_t used_ = 0;
};

}  // namespace zkdb
