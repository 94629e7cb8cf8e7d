// A borrowed run of bytes: pointer and length, never owned. Keys and values travel as slices.
//
// Thread-safety: a Slice is a value; the bytes it names must outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace zkdb {

struct Slice {
  const uint8_t* data = nullptr;
  size_t size = 0;

  constexpr Slice() = default;
  constexpr Slice(const uint8_t* d, size_t n) : data(d), size(n) {}
  Slice(const char* d, size_t n) : data(reinterpret_cast<const uint8_t*>(d)), size(n) {}
  Slice(std::string_view s) : Slice(s.data(), s.size()) {}    // NOLINT(google-explicit-constructor)
  Slice(const std::string& s) : Slice(s.data(), s.size()) {}  // NOLINT(google-explicit-constructor)
  Slice(const char* s) : Slice(std::string_view(s)) {}        // NOLINT(google-explicit-constructor)

  bool empty() const { return size == 0; }
  Slice Sub(size_t from) const { return {data + from, size - from}; }
  Slice Sub(size_t from, size_t n) const { return {data + from, n}; }
  std::string ToString() const { return {reinterpret_cast<const char*>(data), size}; }
};

// Orders byte strings: unsigned bytes first, then the shorter one first. Negative, zero or positive.
inline int Compare(Slice a, Slice b) {
  const size_t n = a.size < b.size ? a.size : b.size;
  const int c = n == 0 ? 0 : std::memcmp(a.data, b.data, n);
  if (c != 0) return c;
  return a.size < b.size ? -1 : (a.size > b.size ? 1 : 0);
}

inline bool operator==(Slice a, Slice b) {
  return a.size == b.size && (a.size == 0 || std::memcmp(a.data, b.data, a.size) == 0);
}

// The number of leading bytes that two strings share.
inline size_t CommonPrefix(Slice a, Slice b) {
  const size_t n = a.size < b.size ? a.size : b.size;
  size_t i = 0;
  while (i < n && a.data[i] == b.data[i]) ++i;
  return i;
}

}  // namespace zkdb
