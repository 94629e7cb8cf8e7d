#include "net/rights.h"

#include "core/base/test.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

Rights Everything() { return {kAllVerbs, true, {}, {}, {}}; }

Access AccessOf(Rights rights, zkdb_db* db) {
  Access access;
  access.SetRights(MakeRights(std::move(rights)));
  access.SelectDatabase(db, 0);
  return access;
}

zkdb_range RangeOf(std::string_view lo, std::string_view hi, uint32_t flags) {
  return {lo.data(), lo.size(), hi.data(), hi.size(), flags};
}

TEST(rights_that_were_not_given_allow_nothing) {
  TestServer server(TempDirectory());
  const Access nobody;
  const Access empty = AccessOf({}, server.Database(0));
  const Access no_database = AccessOf({kAllVerbs, false, {}, {}, {}}, server.Database(0));
  for (const Access* access : {&nobody, &empty, &no_database}) {
    EXPECT(!access->AllowsDatabase() && !access->AllowsDatabase(0) && !access->AllowsDatabase(1));
    EXPECT(!access->Sees("a") && !access->Sees("") && !access->SeesEverything());
    EXPECT(!access->AllowsKey(kVerbRead, "a") && !access->AllowsKey(0, "a"));
    EXPECT(!access->SeesRange({}) && access->VisiblePrefixes("").empty());
  }
  EXPECT(!nobody.Holds(kVerbRead) && !empty.Holds(kVerbAdmin) && nobody.Holds(0));
}

TEST(full_rights_allow_everything) {
  TestServer server(TempDirectory());
  Access access;
  access.SetRights(FullRights());
  EXPECT(!access.Sees("a"));
  access.SelectDatabase(server.Database(0), 0);
  EXPECT(access.Holds(kAllVerbs) && access.AllowsKey(kAllVerbs, "") && access.SeesEverything());
  EXPECT(access.SeesRange({}) && !access.filters() && access.AllowsDatabase(UINT32_MAX));
  EXPECT(access.VisiblePrefixes("ab") == std::vector<std::string>{"ab"});
}

TEST(a_key_is_seen_when_it_begins_with_one_of_the_prefixes) {
  TestServer server(TempDirectory());
  Rights rights = Everything();
  rights.prefixes = {"user:al", "cart:", "user:alice:", "user:bob", "cart:", std::string("\xff\xff")};
  const Access access = AccessOf(rights, server.Database(0));
  for (const char* key :
       {"cart:", "cart:1", "user:al", "user:alice:x", "user:alz", "user:bob", "\xff\xff", "\xff\xffz"}) {
    EXPECT(access.Sees(key));
  }
  for (const char* key :
       {"", "c", "cart", "cart;", "carz", "user:", "user:a", "user:b", "user:am", "\xff", "\xff\xfe", "z"}) {
    EXPECT(!access.Sees(key));
  }
  EXPECT(!access.SeesEverything());
}

TEST(an_empty_prefix_is_every_key) {
  TestServer server(TempDirectory());
  Rights rights = Everything();
  rights.prefixes = {"b", "", "a"};
  EXPECT(AccessOf(rights, server.Database(0)).SeesEverything());
}

TEST(a_range_is_seen_when_it_lies_below_one_prefix) {
  TestServer server(TempDirectory());
  Rights rights = Everything();
  rights.prefixes = {"b:", "b;", std::string("\xff")};
  const Access access = AccessOf(rights, server.Database(0));
  constexpr uint32_t kHi = ZKDB_RANGE_HAS_HI;
  EXPECT(access.SeesRange(RangeOf("b:", "b;", kHi)));
  EXPECT(access.SeesRange(RangeOf("b:", "b:z", kHi | ZKDB_RANGE_HI_INCLUSIVE)));
  EXPECT(access.SeesRange(RangeOf("b:a", "b:", kHi)));
  EXPECT(access.SeesRange(RangeOf("\xff", "", 0)));
  EXPECT(!access.SeesRange(RangeOf("b:", "b;", kHi | ZKDB_RANGE_HI_INCLUSIVE)));
  EXPECT(!access.SeesRange(RangeOf("b:", "b;a", kHi)));
  EXPECT(!access.SeesRange(RangeOf("b:", "", 0)));
  EXPECT(!access.SeesRange(RangeOf("b", "b:z", kHi)));
  EXPECT(!access.SeesRange(RangeOf("b", "b:z", kHi | ZKDB_RANGE_LO_EXCLUSIVE)));
  EXPECT(!access.SeesRange(RangeOf("", "b:z", kHi)));
  EXPECT(!access.SeesRange(RangeOf("", "", 0)));
}

// Whatever a range holds: when it is seen, each of its keys is.
TEST(no_range_that_is_seen_holds_a_key_that_is_not) {
  TestServer server(TempDirectory());
  std::vector<std::string> keys;
  for (const char a : {'a', 'b', '\xff'}) {
    keys.emplace_back(1, a);
    for (const char b : {'\0', 'a', 'b', '\xff'}) {
      keys.push_back({a, b});
      keys.push_back({a, b, 'b'});
    }
  }
  for (const std::string& prefix : keys) {
    Rights rights = Everything();
    rights.prefixes = {prefix};
    const Access access = AccessOf(rights, server.Database(0));
    for (const std::string& lo : keys) {
      for (const std::string& hi : keys) {
        for (uint32_t flags = 0; flags < 8; ++flags) {
          if (!access.SeesRange(RangeOf(lo, hi, flags))) continue;
          for (const std::string& key : keys) {
            const int from = Compare(key, lo);
            const int to = Compare(key, hi);
            const bool above = (flags & ZKDB_RANGE_LO_EXCLUSIVE) != 0 ? from > 0 : from >= 0;
            const bool below = (flags & ZKDB_RANGE_HI_INCLUSIVE) != 0 ? to <= 0 : to < 0;
            const bool inside = above && ((flags & ZKDB_RANGE_HAS_HI) == 0 || below);
            EXPECT(!inside || access.Sees(key));
          }
        }
      }
    }
  }
}

TEST(visible_prefixes_are_what_a_pattern_and_the_rights_have_in_common) {
  TestServer server(TempDirectory());
  Rights rights = Everything();
  rights.prefixes = {"user:b:", "cart:", "user:a:"};
  const Access access = AccessOf(rights, server.Database(0));
  using List = std::vector<std::string>;
  EXPECT(access.VisiblePrefixes("") == (List{"cart:", "user:a:", "user:b:"}));
  EXPECT(access.VisiblePrefixes("user:") == (List{"user:a:", "user:b:"}));
  EXPECT(access.VisiblePrefixes("user:a:7") == List{"user:a:7"});
  EXPECT(access.VisiblePrefixes("cart:") == List{"cart:"});
  EXPECT(access.VisiblePrefixes("order") == List{});
}

TEST(a_key_belongs_to_its_partition_by_name_in_any_case) {
  TestServer server(TempDirectory(), "4");
  zkdb_db* const db = server.Database(0);
  Rights rights = Everything();
  rights.partitions = {"P001", "p003", "p01", "p0011", "none"};
  const Access access = AccessOf(rights, db);
  int seen = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string key = "k" + std::to_string(i);
    const uint32_t partition = zkdb_partition_of(db, key.data(), key.size());
    EXPECT_EQ(access.Sees(key), partition == 1 || partition == 3);
    seen += access.Sees(key) ? 1 : 0;
  }
  EXPECT(seen > 0 && seen < 200);
  EXPECT(access.filters() && !access.SeesEverything() && !access.SeesRange(RangeOf("k1", "k2", ZKDB_RANGE_HAS_HI)));
}

// The bytes are those of the test of packRights in test/access.test.ts.
TEST(packed_rights_are_read_and_nothing_else_is) {
  const std::string packed(
      "\x05\0\0\0\x02\0\0\0\0\0\0\0\x07\0\0\0\x02\0\0\0\x02\0\0\0b:\x01\0\0\0\xff\x01\0\0\0\x03\0\0\0low", 42);
  const auto rights = ParseRights(packed);
  ASSERT(rights != nullptr);
  EXPECT_EQ(rights->verbs, uint32_t{kVerbRead | kVerbScan});
  EXPECT(!rights->every_database && rights->databases == (std::vector<uint32_t>{0, 7}));
  EXPECT(rights->prefixes == (std::vector<std::string>{"b:", "\xff"}));
  EXPECT(rights->partitions == std::vector<std::string>{"low"});
  for (size_t size = 0; size < packed.size(); ++size) EXPECT(ParseRights(Slice(packed).Sub(0, size)) == nullptr);
  EXPECT(ParseRights(packed + '\0') == nullptr);
  EXPECT(ParseRights(std::string("\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16)) == nullptr);
  const auto all = ParseRights(std::string("\x0f\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 16));
  ASSERT(all != nullptr);
  EXPECT(all->every_database && all->verbs == kAllVerbs && all->prefixes.empty() && all->partitions.empty());
  // Numbers that announce what is not there allocate nothing for it.
  EXPECT(ParseRights(std::string("\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16)) == nullptr);
}

TEST(another_database_has_its_own_rights_and_partitions) {
  TestServer server(TempDirectory(), "2", 2);
  Access access = AccessOf({kAllVerbs, false, {1}, {}, {}}, server.Database(0));
  EXPECT(!access.AllowsDatabase() && access.AllowsDatabase(1) && !access.Sees("a"));
  access.SelectDatabase(server.Database(1), 1);
  EXPECT(access.AllowsDatabase() && !access.AllowsDatabase(0) && access.Sees("a"));
  access.SetRights(nullptr);
  EXPECT(!access.AllowsDatabase() && !access.Sees("a"));
}

}  // namespace
}  // namespace zkdb::net::test
