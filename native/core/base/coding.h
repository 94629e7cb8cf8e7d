// Little-endian integers at unaligned addresses, big-endian key heads, and power-of-two arithmetic.
//
// Thread-safety: pure functions.
//
// Invariants:
//  1. Everything on disk and in a batch is little-endian; a big-endian host would byte-swap here and nowhere else.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace zkdb {

static_assert(std::endian::native == std::endian::little, "port coding.h before building for a big-endian host");

template <typename T>
inline T Load(const void* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <typename T>
inline void Store(void* p, T v) {
  std::memcpy(p, &v, sizeof v);
}

inline uint16_t Load16(const void* p) { return Load<uint16_t>(p); }
inline uint32_t Load32(const void* p) { return Load<uint32_t>(p); }
inline uint64_t Load64(const void* p) { return Load<uint64_t>(p); }
inline void Store16(void* p, uint16_t v) { Store(p, v); }
inline void Store32(void* p, uint32_t v) { Store(p, v); }
inline void Store64(void* p, uint64_t v) { Store(p, v); }

// The first four bytes of a key as a number that orders like the bytes; short keys are padded with zeros.
inline uint32_t KeyHead(const uint8_t* p, size_t n) {
  if (n >= 4) return __builtin_bswap32(Load32(p));
  uint32_t head = 0;
  for (size_t i = 0; i < n; ++i) head |= uint32_t{p[i]} << (24 - 8 * i);
  return head;
}

inline constexpr uint64_t RoundUp(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }
inline constexpr uint32_t Log2(uint64_t power_of_two) { return static_cast<uint32_t>(std::countr_zero(power_of_two)); }

}  // namespace zkdb
