// A growable set of small numbers, one bit each, with a fast search for the lowest member.
//
// Thread-safety: none; the owner locks.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace zkdb {

class Bitmap {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  void Resize(uint32_t bits) { words_.resize((size_t{bits} + 63) / 64, 0); }
  // As Resize, never to fewer bits: Set of a number below `bits` then does not allocate.
  void Widen(uint32_t bits) {
    if ((size_t{bits} + 63) / 64 > words_.size()) Resize(bits);
  }
  void Clear() { words_.assign(words_.size(), 0), lowest_ = 0; }
  bool Get(uint32_t i) const { return i / 64 < words_.size() && ((words_[i / 64] >> (i % 64)) & 1) != 0; }
  void Set(uint32_t i) {
    if (i / 64 >= words_.size()) words_.resize(i / 64 + 1, 0);
    words_[i / 64] |= uint64_t{1} << (i % 64);
    if (i / 64 < lowest_) lowest_ = i / 64;
  }
  void Reset(uint32_t i) {
    if (i / 64 < words_.size()) words_[i / 64] &= ~(uint64_t{1} << (i % 64));
  }

  // The lowest member, or kNone.
  uint32_t First() {
    while (lowest_ < words_.size() && words_[lowest_] == 0) ++lowest_;
    if (lowest_ == words_.size()) return kNone;
    return static_cast<uint32_t>(lowest_ * 64) + static_cast<uint32_t>(std::countr_zero(words_[lowest_]));
  }

  // How many consecutive members there are from `i` on, at most `limit`.
  uint32_t RunLength(uint32_t i, uint32_t limit) const {
    uint32_t n = 0;
    while (n < limit && Get(i + n)) ++n;
    return n;
  }

  uint64_t Count() const {
    uint64_t n = 0;
    for (uint64_t w : words_) n += static_cast<uint64_t>(std::popcount(w));
    return n;
  }
  const std::vector<uint64_t>& words() const { return words_; }
  std::vector<uint64_t>& words() { return lowest_ = 0, words_; }
  size_t memory_bytes() const { return words_.capacity() * sizeof(uint64_t); }

 private:
  std::vector<uint64_t> words_;
  size_t lowest_ = 0;  // no member is in a word below this one
};

}  // namespace zkdb
