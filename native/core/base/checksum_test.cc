#include "core/base/checksum.h"

#include <vector>

#include "core/base/test.h"

namespace zkdb {

TEST(crc32c_gives_the_check_value_of_the_standard) {
  EXPECT_EQ(Crc32c(0, "123456789", 9), 0xE3069283u);
  EXPECT_EQ(Crc32cPortable(0, "123456789", 9), 0xE3069283u);
}

TEST(crc32c_accelerated_and_portable_forms_agree_at_every_boundary) {
  std::vector<uint8_t> bytes(70000);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 31 + (i >> 7));
  for (size_t n : {0u, 1u, 7u, 8u, 9u, 4031u, 4032u, 4033u, 4092u, 8064u, 65536u, 69999u}) {
    for (size_t from : {0u, 1u, 3u}) {
      if (from + n > bytes.size()) continue;
      EXPECT_EQ(Crc32c(7, bytes.data() + from, n), Crc32cPortable(7, bytes.data() + from, n));
    }
  }
}

TEST(crc32c_continues_from_a_seed) {
  const uint32_t whole = Crc32c(0, "hello, world", 12);
  EXPECT_EQ(Crc32c(Crc32c(0, "hello", 5), ", world", 7), whole);
}

}  // namespace zkdb
