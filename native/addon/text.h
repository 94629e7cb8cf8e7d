// Whether bytes are plain ASCII: then a string is made from them without decoding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace zkdb::addon {

// The bits that are set in any of the bytes, at least as to their top bit.
inline uint64_t TopBits(const uint8_t* data, size_t size) {
  uint64_t bits = 0;
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    uint64_t word;
    std::memcpy(&word, data + i, 8);
    bits |= word;
  }
  for (; i < size; ++i) bits |= data[i];
  return bits & 0x8080808080808080u;
}

inline bool IsAscii(const uint8_t* data, size_t size) { return TopBits(data, size) == 0; }

}  // namespace zkdb::addon
