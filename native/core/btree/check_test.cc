// The tree check finds what is damaged, names it, and goes on.
#include "core/btree/check.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/btree/tree_test_util.h"

namespace zkdb::test {
namespace {

// A stored tree of `records` records, reopened, so that every page comes from the file.
void Store(TestPartition* p, int records) {
  Random random(61);
  Mutator* m = p->Begin();
  bool existed = false;
  for (int i = 0; i < records; ++i) {
    EXPECT_OK(m->Put(random.Bytes(16), random.Bytes(random.OneIn(20) ? 9000 : 100), false, &existed));
  }
  EXPECT_OK(m->Put(std::string(3000, 'k'), "a long key", false, &existed));
  p->Commit();
  EXPECT_OK(p->Checkpoint(true));
  EXPECT_OK(p->Reopen());
}

std::vector<std::string> Findings(TestPartition* p, CheckOptions options = {}) {
  std::vector<std::string> found;
  options.finding = [&](const std::string& text) { return found.push_back(text), true; };
  uint64_t count = 0;
  EXPECT_OK(CheckTree(p->space(), p->root(), options, &count));
  EXPECT_EQ(count, found.size());
  return found;
}

bool AnyHas(const std::vector<std::string>& found, const std::string& text) {
  return std::any_of(found.begin(), found.end(),
                     [&](const std::string& f) { return f.find(text) != std::string::npos; });
}

void FlipByte(TestPartition* p, uint32_t page, uint32_t offset) {
  const std::string path = p->space()->files().PathOf(page);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto at = static_cast<std::streamoff>(page % p->space()->segment_pages()) * 4096 + offset;
  file.seekg(at);
  const int byte = file.get();
  file.seekp(at);
  file.put(static_cast<char>(byte ^ 0x40));
}

}  // namespace

TEST(the_check_of_a_sound_tree_finds_nothing_and_counts_its_pages) {
  TestPartition p;
  Store(&p, 2000);
  uint64_t last = 0;
  CheckOptions options;
  options.progress = [&](uint64_t done, uint64_t) { return last = done, true; };
  EXPECT_EQ(Findings(&p, options).size(), 0u);
  TreeFigures figures;
  ASSERT_OK(MeasureTree(p.space(), p.root(), &figures));
  EXPECT_EQ(figures.leaf_pages + figures.branch_pages + figures.overflow_pages, last);
  EXPECT(figures.overflow_pages > 200 && figures.branch_pages > 0);
}

TEST(the_check_names_file_and_page_of_a_flipped_bit_and_goes_on) {
  Random random(Seed(62));
  for (int round = 0; round < 20; ++round) {
    TestPartition p;
    Store(&p, 800);
    const auto page = static_cast<uint32_t>(2 + random.Below(p.space()->page_count() - 2));
    const bool header = page % p.space()->segment_pages() == 0;
    const bool free = !p.space()->LoadFreeMap().ok() || p.space()->free_space().free().Get(page);
    if (header || free || std::count(p.space()->free_map_pages().begin(), p.space()->free_map_pages().end(), page) != 0)
      continue;
    FlipByte(&p, page, 30 + static_cast<uint32_t>(random.Below(4000)));
    const auto found = Findings(&p);
    EXPECT(AnyHas(found, "page " + std::to_string(page) + ":"));
    EXPECT(AnyHas(found, p.space()->files().PathOf(page)));
  }
}

TEST(the_check_finds_damage_that_came_after_the_page_was_first_read) {
  TestPartition p;
  Store(&p, 300);
  EXPECT_EQ(Findings(&p).size(), 0u);
  FlipByte(&p, p.root().page.number, 4000);
  EXPECT(AnyHas(Findings(&p), "page " + std::to_string(p.root().page.number) + ": the checksum does not match"));
}

TEST(the_check_reports_keys_that_belong_to_another_partition) {
  TestPartition p;
  Store(&p, 100);
  CheckOptions options;
  options.owns_key = [](Slice key) { return key.size == 16; };
  const auto found = Findings(&p, options);
  EXPECT_EQ(found.size(), 1u);
  EXPECT(AnyHas(found, "does not belong to this partition"));
}

TEST(the_check_reports_pages_that_an_older_root_leaves_leaked_or_free) {
  TestPartition p;
  Store(&p, 500);
  const TreeRoot old = p.root();
  Mutator* m = p.Begin();
  bool existed = false;
  EXPECT_OK(m->Put("another", "value", false, &existed));
  p.Commit();
  EXPECT_EQ(Findings(&p).size(), 0u);
  CheckOptions options;
  uint64_t overlap = 0;
  options.space = SpaceCheck::kOverlap;
  EXPECT_OK(CheckTree(p.space(), old, options, &overlap));
  EXPECT(overlap >= 1);
  uint64_t leaks = 0;
  options.space = SpaceCheck::kLeaks;
  EXPECT_OK(CheckTree(p.space(), old, options, &leaks));
  EXPECT(leaks > overlap);
  options.space = SpaceCheck::kNone;
  uint64_t none = 1;
  EXPECT_OK(CheckTree(p.space(), old, options, &none));
  EXPECT_EQ(none, 0u);
}

TEST(the_check_stops_when_its_callback_says_so) {
  TestPartition p;
  Store(&p, 200);
  CheckOptions options;
  int calls = 0;
  options.owns_key = [](Slice) { return false; };
  options.finding = [&](const std::string&) { return ++calls < 3; };
  uint64_t count = 0;
  ASSERT_OK(CheckTree(p.space(), p.root(), options, &count));
  EXPECT_EQ(calls, 3);
}

}  // namespace zkdb::test
