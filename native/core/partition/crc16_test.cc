#include "core/partition/crc16.h"

#include <random>

#include "core/base/test.h"

namespace zkdb {
namespace {

uint16_t CrcByBits(const std::string& bytes) {
  uint32_t crc = 0;
  for (const char c : bytes) {
    crc ^= uint32_t{static_cast<uint8_t>(c)} << 8;
    for (int bit = 0; bit < 8; ++bit) crc = ((crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021u : 0u)) & 0xFFFF;
  }
  return static_cast<uint16_t>(crc);
}

uint16_t CrcOf(const std::string& bytes) { return Crc16(Slice(bytes).data, bytes.size()); }

}  // namespace

TEST(crc16_of_the_check_string_is_31c3) {
  EXPECT_EQ(CrcOf("123456789"), 0x31C3);
  EXPECT_EQ(CrcOf(""), 0);
}

TEST(crc16_equals_the_bitwise_definition_for_every_length) {
  std::mt19937 random(7);
  for (size_t size = 0; size < 200; ++size) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_EQ(CrcOf(bytes), CrcByBits(bytes));
  }
}

TEST(key_slots_are_those_of_a_redis_cluster) {
  EXPECT_EQ(KeySlot("foo"), 12182u);
  EXPECT_EQ(KeySlot("bar"), 5061u);
  EXPECT_EQ(KeySlot("hello"), 866u);
  EXPECT_EQ(KeySlot(""), 0u);
  EXPECT_EQ(KeySlot("{user1000}.following"), 3443u);
  EXPECT_EQ(KeySlot("{user1000}.followers"), KeySlot("user1000"));
}

TEST(hash_tag_is_between_the_first_brace_and_the_next_closing_one) {
  EXPECT(HashTag("foo{}{bar}") == Slice("foo{}{bar}"));
  EXPECT(HashTag("foo{{bar}}zap") == Slice("{bar"));
  EXPECT(HashTag("foo{bar}{zap}") == Slice("bar"));
  EXPECT(HashTag("foo{bar") == Slice("foo{bar"));
  EXPECT(HashTag("foo}bar{") == Slice("foo}bar{"));
  EXPECT(HashTag("}{a}") == Slice("a"));
  EXPECT(HashTag("") == Slice(""));
}

}  // namespace zkdb
