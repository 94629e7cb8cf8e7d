// CRC-16/XMODEM (polynomial 0x1021, initial value 0, not reflected) and the hash slot of a key as the Redis Cluster
// specification defines it, which DoHashing partitions route by: an unmodified cluster client computes the same slot.
//
// Thread-safety: pure functions.
//
// Example: the tag of "{user1000}.following" is "user1000"; its slot is 3443, its routing byte 3443 / 64 = 53.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/slice.h"

namespace zkdb {

inline constexpr uint32_t kSlotCount = 16384;
inline constexpr uint32_t kSlotsPerRoutingByte = kSlotCount / 256;

// The CRC of `size` bytes; of "123456789" it is 0x31C3.
uint16_t Crc16(const uint8_t* data, size_t size);

// What of a key is hashed: the bytes between the first '{' and the next '}' when there are any, else the whole key.
Slice HashTag(Slice key);

// Crc16(HashTag(key)) mod 16384.
uint32_t KeySlot(Slice key);

}  // namespace zkdb
