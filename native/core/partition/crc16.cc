#include "core/partition/crc16.h"

#include <array>

namespace zkdb {

namespace {

using Table = std::array<uint16_t, 256>;

// tables[k][b] is the CRC of byte b followed by k zero bytes: four bytes are then four look-ups that do not wait for
// each other.
constexpr std::array<Table, 4> MakeTables() {
  std::array<Table, 4> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    tables[0][byte] = static_cast<uint16_t>(crc);
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t previous = tables[k - 1][byte];
      tables[k][byte] = static_cast<uint16_t>((previous << 8) ^ tables[0][previous >> 8]);
    }
  }
  return tables;
}

constexpr std::array<Table, 4> kTables = MakeTables();

}  // namespace

uint16_t Crc16(const uint8_t* data, size_t size) {
  uint32_t crc = 0;
  for (; size >= 4; data += 4, size -= 4) {
    crc = static_cast<uint32_t>(kTables[3][(crc >> 8) ^ data[0]] ^ kTables[2][(crc & 0xFF) ^ data[1]] ^
                                kTables[1][data[2]] ^ kTables[0][data[3]]);
  }
  for (; size > 0; ++data, --size) crc = ((crc << 8) & 0xFFFF) ^ kTables[0][(crc >> 8) ^ *data];
  return static_cast<uint16_t>(crc);
}

Slice HashTag(Slice key) {
  if (key.empty()) return key;
  const auto* open = static_cast<const uint8_t*>(std::memchr(key.data, '{', key.size));
  if (open == nullptr) return key;
  const Slice after = key.Sub(static_cast<size_t>(open + 1 - key.data));
  if (after.empty()) return key;
  const auto* close = static_cast<const uint8_t*>(std::memchr(after.data, '}', after.size));
  return close == nullptr || close == after.data ? key : after.Sub(0, static_cast<size_t>(close - after.data));
}

uint32_t KeySlot(Slice key) {
  const Slice tag = HashTag(key);
  return Crc16(tag.data, tag.size) % kSlotCount;
}

}  // namespace zkdb
