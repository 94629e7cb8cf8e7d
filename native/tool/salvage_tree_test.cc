#include "tool/salvage_tree.h"

#include <algorithm>
#include <random>

#include "core/base/test.h"

namespace zkdb {
namespace {

TEST(decided_ranges_join_where_they_meet_and_hold_what_was_added) {
  DecidedRanges ranges;
  ranges.Add("b", false, "d");
  ranges.Add("f", false, "h");
  EXPECT(!ranges.Contains("a") && ranges.Contains("b") && ranges.Contains("c") && !ranges.Contains("d"));
  ranges.Add("d", false, "f");
  for (const char* key : {"b", "d", "e", "f", "g"}) EXPECT(ranges.Contains(key));
  ranges.Add("g", true, "");
  EXPECT(ranges.Contains("h") && ranges.Contains("zz") && !ranges.Contains("a"));
  ranges.Add("a", false, "a");
  EXPECT(!ranges.Contains("a"));
}

TEST(decided_ranges_are_what_a_plain_set_of_keys_is) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    DecidedRanges ranges;
    std::vector<bool> plain(256);
    for (int i = 0; i < 20; ++i) {
      const auto lo = static_cast<size_t>(random() % 256);
      const auto hi = static_cast<size_t>(random() % 256);
      const bool endless = random() % 20 == 0;
      ranges.Add(std::string(1, static_cast<char>(lo)), endless, std::string(1, static_cast<char>(hi)));
      for (size_t k = lo; k < (endless ? 256 : hi); ++k) plain[k] = true;
    }
    for (size_t k = 0; k < 256; ++k) EXPECT_EQ(ranges.Contains(std::string(1, static_cast<char>(k))), bool{plain[k]});
  }
}

}  // namespace
}  // namespace zkdb
