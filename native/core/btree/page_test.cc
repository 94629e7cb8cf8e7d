// One page: searching, changing in place, building, and refusing bytes that are no page.
#include "core/btree/page.h"

#include <algorithm>
#include <set>

#include "core/btree/tree_test_util.h"

namespace zkdb::test {
namespace {

struct TestPage {
  explicit TestPage(uint32_t size = 4096) : page_size(size), bytes(size) {}
  PageEditor editor() { return {bytes.data(), page_size}; }
  PageView view() const { return PageView(bytes.data()); }
  void Build(const std::vector<std::string>& keys, const std::string& value) {
    std::vector<Entry> entries;
    for (const std::string& key : keys) entries.push_back(MakeEntry(key, value));
    const uint32_t prefix = PageBuilder::CommonPrefixOf(entries.data(), entries.size(), true);
    PageBuilder::Build(bytes.data(), page_size, PageRef{5, 1}, 0, 0, prefix, entries.data(), entries.size());
  }
  static Entry MakeEntry(const std::string& key, const std::string& value) {
    Entry e;
    e.key = key;
    e.cell_head = value.size();
    e.rest = value;
    return e;
  }
  std::string KeyAt(uint32_t i) const {
    std::string key(view().in_page_key_size(view().slot(i)), '\0');
    view().CopyKey(view().slot(i), reinterpret_cast<uint8_t*>(key.data()));
    return key;
  }
  uint32_t page_size;
  std::vector<uint8_t> bytes;
};

}  // namespace

TEST(a_page_search_finds_every_key_and_the_place_of_every_other) {
  Random random(Seed(51));
  for (int round = 0; round < 200; ++round) {
    KeySource source(static_cast<KeyShape>(random.Below(4)), &random);
    std::set<std::string> keys;
    for (uint64_t n = 1 + random.Below(25); n > 0; --n) keys.insert(source.Next().substr(0, 256));
    TestPage page(65536);
    const std::vector<std::string> sorted(keys.begin(), keys.end());
    page.Build(sorted, "v");
    EXPECT(VerifyPageStructure(page.bytes.data(), page.page_size, 100) == nullptr);
    for (uint32_t i = 0; i < sorted.size(); ++i) EXPECT_EQ(page.KeyAt(i), sorted[i]);
    for (int i = 0; i < 50; ++i) {
      const std::string probe = random.OneIn(2) ? sorted[random.Below(sorted.size())] : source.Next().substr(0, 256);
      const Position p = SearchPage(page.view(), 0, probe, MaxInlineKey(page.page_size));
      const auto expected = std::lower_bound(sorted.begin(), sorted.end(), probe);
      EXPECT_EQ(p.index, static_cast<uint32_t>(expected - sorted.begin()));
      EXPECT_EQ(p.exact, expected != sorted.end() && *expected == probe);
    }
  }
}

TEST(a_page_changed_in_place_equals_a_map) {
  Random random(Seed(52));
  TestPage page;
  page.Build({"key"}, "");
  Model model{{"key", ""}};
  for (int step = 0; step < 20000; ++step) {
    const std::string key = "k" + std::to_string(random.Below(150)) + std::string(random.Below(3), '\0');
    const Position p = SearchPage(page.view(), 0, key, 256);
    EXPECT_EQ(p.exact, model.count(key) == 1);
    const std::string value = random.Bytes(random.Below(120));
    if (p.exact && random.OneIn(3) && page.editor().OverwriteValue(p.index, value, 0)) {
      model[key] = value;
    } else if (p.exact) {
      page.editor().Remove(p.index);
      model.erase(key);
    } else if (page.editor().Insert(p.index, TestPage::MakeEntry(key, value))) {
      model[key] = value;
    } else {
      const uint32_t half = page.view().count() / 2;
      for (uint32_t i = 0; i < half; ++i) model.erase(page.KeyAt(i));
      page.editor().RemoveRange(0, half);
    }
    ASSERT_EQ(page.view().count(), model.size());
    if (step % 100 != 0) continue;
    EXPECT(VerifyPageStructure(page.bytes.data(), page.page_size, 100) == nullptr);
    uint32_t i = 0;
    for (const auto& [k, v] : model) {
      EXPECT_EQ(page.KeyAt(i), k);
      EXPECT_EQ(page.view().inline_value(page.view().slot(i++)).ToString(), v);
    }
  }
}

TEST(an_insert_that_does_not_fit_leaves_the_page_as_it_was) {
  TestPage page;
  page.Build({"abc1", "abc2"}, std::string(1500, 'v'));
  const std::vector<uint8_t> before = page.bytes;
  EXPECT(!page.editor().Insert(2, TestPage::MakeEntry("abc3", std::string(1500, 'w'))));
  EXPECT(!page.editor().Insert(2, TestPage::MakeEntry("b", "short")));
  EXPECT(page.bytes == before);
}

// A page whose cells are more than its heap, or share bytes, would be changed in place beyond its ends.
TEST(a_page_whose_cells_and_garbage_do_not_make_its_heap_is_refused) {
  TestPage page;
  page.Build({"abc1", "abc2", "abc3"}, std::string(20, 'v'));
  PageHeader header = page.view().header();
  const auto wrong_with = [&](uint16_t garbage) {
    header.garbage = garbage;
    std::memcpy(page.bytes.data(), &header, sizeof header);
    return std::string(VerifyPageStructure(page.bytes.data(), page.page_size, 100));
  };
  EXPECT_EQ(wrong_with(1), "cells and garbage do not make up the heap");
  EXPECT_EQ(wrong_with(header.heap_size), "cells and garbage do not make up the heap");
}

TEST(a_page_with_two_cells_in_one_place_is_refused) {
  TestPage page;
  page.Build({"abc1", "abc2", "abc3"}, std::string(20, 'v'));
  auto* slots = const_cast<Slot*>(page.view().slots());
  slots[2].offset = slots[1].offset;
  EXPECT_EQ(std::string(VerifyPageStructure(page.bytes.data(), page.page_size, 100)), "two cells share bytes");
}

TEST(a_page_whose_cells_refer_to_overflow_pages_that_cannot_be_is_refused) {
  constexpr uint32_t kPageCount = 100;
  const auto verify = [](bool of_key, OverflowRef ref) {
    TestPage page;
    const std::string key(256, 'k');
    Entry e;
    e.key = key;
    e.flags = of_key ? kSlotKeyOverflow : kSlotValueOverflow;
    e.rest = Slice(reinterpret_cast<const uint8_t*>(&ref), sizeof ref);
    PageBuilder::Build(page.bytes.data(), page.page_size, PageRef{5, 1}, 0, 0, 0, &e, 1);
    const char* wrong = VerifyPageStructure(page.bytes.data(), page.page_size, kPageCount);
    return std::string(wrong == nullptr ? "" : wrong);
  };
  for (const bool of_key : {true, false}) {
    const uint32_t most = of_key ? ZKDB_MAX_KEY_SIZE : ZKDB_MAX_VALUE_SIZE;
    const std::string wrong =
        of_key ? "a key's overflow reference is impossible" : "a value's overflow reference is impossible";
    EXPECT_EQ(verify(of_key, {1, {2, 1}}), "");
    EXPECT_EQ(verify(of_key, {most, {kPageCount - 1, 1}}), "");
    EXPECT_EQ(verify(of_key, {0, {2, 1}}), wrong);
    EXPECT_EQ(verify(of_key, {most + 1, {2, 1}}), wrong);
    EXPECT_EQ(verify(of_key, {1, {kNoPage, 1}}), wrong);
    EXPECT_EQ(verify(of_key, {1, {kPageCount, 1}}), wrong);
  }
}

TEST(a_page_of_a_kind_or_level_that_cannot_be_is_refused) {
  TestPage page;
  page.Build({"a", "b"}, "v");
  const auto verify = [&](PageKind kind, uint8_t level) {
    page.bytes[offsetof(PageHeader, kind)] = static_cast<uint8_t>(kind);
    page.bytes[offsetof(PageHeader, level)] = level;
    const char* wrong = VerifyPageStructure(page.bytes.data(), page.page_size, 100);
    return std::string(wrong == nullptr ? "" : wrong);
  };
  EXPECT_EQ(verify(PageKind::kLeaf, 0), "");
  EXPECT_EQ(verify(PageKind::kLeaf, 1), "a leaf with a level");
  EXPECT_EQ(verify(PageKind::kBranch, 0), "a branch with an impossible level");
  EXPECT_EQ(verify(PageKind::kBranch, kMaxLevels), "a branch with an impossible level");
  EXPECT_EQ(verify(PageKind::kFreeMap, 0), "");
  for (const PageKind kind : {PageKind::kOverflow, PageKind::kFreeMap, PageKind::kSegmentHeader}) {
    for (const int level : {1, 31, 200, 255}) {
      EXPECT_EQ(verify(kind, static_cast<uint8_t>(level)), "a level on a page that is not of the tree");
    }
  }
  EXPECT_EQ(verify(PageKind::kSegmentHeader, 0), "a segment header where a page was meant");
  EXPECT_EQ(verify(PageKind{9}, 0), "an unknown kind of page");
}

TEST(the_structure_check_survives_random_bytes) {
  Random random(Seed(53));
  for (int round = 0; round < 3000; ++round) {
    TestPage page;
    page.Build({"abc1", "abc2", "abc3", "abd"}, std::string(20, 'v'));
    for (uint64_t n = 1 + random.Below(6); n > 0; --n) {
      page.bytes[random.OneIn(4) ? random.Below(4096) : 12 + random.Below(80)] =
          static_cast<uint8_t>(random.Below(256));
    }
    if (VerifyPageStructure(page.bytes.data(), page.page_size, 100) != nullptr) continue;
    // What passed can be read without leaving the page.
    if (page.view().header().kind != PageKind::kLeaf) continue;
    for (uint32_t i = 0; i < page.view().count(); ++i) {
      const Slot& s = page.view().slot(i);
      page.KeyAt(i);
      if (!PageView::ValueOverflows(s)) page.view().inline_value(s).ToString();
    }
    SearchPage(page.view(), 0, "abc2", 256);
  }
}

}  // namespace zkdb::test
