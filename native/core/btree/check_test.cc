// The tree check finds what is damaged, names it, and goes on.
#include "core/btree/check.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/base/checksum.h"
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

// The bytes of a stored page, to be changed and stored again with a right checksum.
class StoredPage {
 public:
  StoredPage(TestPartition* p, uint32_t number) : path_(p->space()->files().PathOf(number)), bytes_(4096) {
    at_ = static_cast<std::streamoff>(number % p->space()->segment_pages()) * 4096;
    std::ifstream file(path_, std::ios::binary);
    file.seekg(at_);
    file.read(reinterpret_cast<char*>(bytes_.data()), 4096);
  }
  PageHeader* header() { return reinterpret_cast<PageHeader*>(bytes_.data()); }
  PageView view() const { return PageView(bytes_.data()); }
  Slot* slots() { return const_cast<Slot*>(view().slots()); }
  uint8_t* bytes() { return bytes_.data(); }
  void Save() {
    header()->checksum = Crc32c(0, bytes_.data() + kChecksumSize, 4096 - kChecksumSize);
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at_);
    file.write(reinterpret_cast<char*>(bytes_.data()), 4096);
  }

 private:
  std::string path_;
  std::streamoff at_ = 0;
  std::vector<uint8_t> bytes_;
};

// What the check finds in a tree of two levels, stored pages of which `damage` has changed.
std::vector<std::string> FindingsAfter(const std::function<void(TestPartition*, PageRef root, PageRef leaf)>& damage) {
  TestPartition p;
  Store(&p, 300);
  const PageRef root = p.root().page;
  const PageRef leaf = StoredPage(&p, root.number).view().child(1);
  damage(&p, root, leaf);
  return Findings(&p);
}

// The same with one page changed: the root or the leaf.
std::vector<std::string> FindingsIn(bool root_page, const std::function<void(StoredPage*)>& change) {
  return FindingsAfter([&](TestPartition* p, PageRef root, PageRef leaf) {
    StoredPage page(p, root_page ? root.number : leaf.number);
    change(&page);
    page.Save();
  });
}

}  // namespace

// Damage that a checksum does not show: written by a defect, or by hand.
TEST(the_check_finds_a_wrong_leaf_that_has_a_right_checksum) {
  const auto in_leaf = [](const std::function<void(StoredPage*)>& change) { return FindingsIn(false, change); };
  EXPECT(AnyHas(in_leaf([](StoredPage* p) { ++p->header()->number; }), "it says that it is page"));
  EXPECT(AnyHas(in_leaf([](StoredPage* p) { ++p->header()->stamp; }), "its stamp is"));
  EXPECT(AnyHas(in_leaf([](StoredPage* p) { p->header()->kind = PageKind::kFreeMap; }), "not a tree page of level 0"));
  EXPECT(AnyHas(in_leaf([](StoredPage* p) { p->header()->level = 3; }), "a leaf with a level"));
  EXPECT(AnyHas(in_leaf([](StoredPage* p) { std::swap(p->slots()[0], p->slots()[1]); }), "does not come after"));
  EXPECT(AnyHas(in_leaf([](StoredPage* p) { p->slots()[0].head = 0; }), "below its parent's separator"));
  EXPECT(AnyHas(in_leaf([](StoredPage* p) { p->slots()[p->view().count() - 1].head = UINT32_MAX; }),
                "is not below the next separator"));
  EXPECT(AnyHas(in_leaf([](StoredPage* p) { p->header()->garbage += 1; }), "do not make up the heap"));
  EXPECT(AnyHas(in_leaf([](StoredPage* p) {
                  p->header()->garbage = p->header()->heap_size;
                  p->header()->count = 0;
                }),
                "it is empty"));
  EXPECT(AnyHas(in_leaf([](StoredPage* p) {
                  const uint32_t last = p->view().count() - 1u;
                  p->header()->garbage =
                      static_cast<uint16_t>(p->header()->garbage + p->view().CellSize(p->view().slot(last)));
                  p->header()->count = static_cast<uint16_t>(last);
                }),
                "its root says"));
}

TEST(the_check_finds_a_wrong_branch_that_has_a_right_checksum) {
  const auto in_root = [](const std::function<void(StoredPage*)>& change) { return FindingsIn(true, change); };
  const auto set_child = [](StoredPage* p, uint32_t i, PageRef ref) {
    Store(p->bytes() + p->view().slot(i).offset, ref);
  };
  EXPECT(AnyHas(in_root([&](StoredPage* p) { set_child(p, 1, p->view().child(2)); }), "it is referenced twice"));
  EXPECT(AnyHas(in_root([&](StoredPage* p) { set_child(p, 1, {1, 1}); }), "it is not a page for records"));
  EXPECT(AnyHas(in_root([&](StoredPage* p) { set_child(p, 1, {16, 1}); }), "it is not a page for records"));
  EXPECT(AnyHas(in_root([&](StoredPage* p) { set_child(p, 1, {1u << 30, 1}); }), "beyond the pages in use"));
  EXPECT(AnyHas(in_root([](StoredPage* p) { p->header()->level = 2; }), "it is not a tree page of level 1"));
  EXPECT(AnyHas(in_root([](StoredPage* p) { p->slots()[0].head = 1; }), "its head goes on after the key's end"));
  EXPECT(
      AnyHas(in_root([](StoredPage* p) { std::swap(p->slots()[1].head, p->slots()[3].head); }), "does not come after"));
}

TEST(the_check_finds_wrong_overflow_pages_that_have_a_right_checksum) {
  const auto in_overflow = [](const std::function<void(StoredPage*)>& change) {
    return FindingsAfter([&](TestPartition* p, PageRef root, PageRef) {
      const StoredPage branch(p, root.number);
      for (uint32_t i = 0; i < branch.view().count(); ++i) {
        const StoredPage leaf(p, branch.view().child(i).number);
        for (uint32_t k = 0; k < leaf.view().count(); ++k) {
          if (!PageView::ValueOverflows(leaf.view().slot(k))) continue;
          StoredPage first(p, leaf.view().value_overflow(leaf.view().slot(k)).first.number);
          change(&first);
          return first.Save();
        }
      }
    });
  };
  const auto set_pages = [](StoredPage* p, uint32_t pages) { Store32(p->bytes() + sizeof(PageHeader), pages); };
  const std::string not_start = "it is not the start of an overflow run";
  EXPECT(AnyHas(in_overflow([&](StoredPage* p) { set_pages(p, 0); }), not_start));
  EXPECT(AnyHas(in_overflow([&](StoredPage* p) { set_pages(p, 4); }), not_start));
  EXPECT(AnyHas(in_overflow([&](StoredPage* p) { p->header()->kind = PageKind::kFreeMap; }), not_start));
  EXPECT(AnyHas(in_overflow([&](StoredPage* p) { set_pages(p, 1); }), "page 0: "));
}

TEST(the_check_finds_a_wrong_page_in_the_middle_of_an_overflow_run) {
  const auto in_second = [](const std::function<void(StoredPage*)>& change) {
    return FindingsAfter([&](TestPartition* p, PageRef root, PageRef) {
      const StoredPage branch(p, root.number);
      for (uint32_t i = 0; i < branch.view().count(); ++i) {
        const StoredPage leaf(p, branch.view().child(i).number);
        for (uint32_t k = 0; k < leaf.view().count(); ++k) {
          if (!PageView::ValueOverflows(leaf.view().slot(k))) continue;
          const uint32_t first = leaf.view().value_overflow(leaf.view().slot(k)).first.number;
          if (Load32(StoredPage(p, first).bytes() + sizeof(PageHeader)) < 2) continue;
          StoredPage second(p, first + 1);
          change(&second);
          return second.Save();
        }
      }
    });
  };
  EXPECT(AnyHas(in_second([](StoredPage* p) { p->header()->kind = PageKind::kFreeMap; }), "is not an overflow page"));
  EXPECT(AnyHas(in_second([](StoredPage* p) { ++p->header()->stamp; }), "its stamp is"));
}

TEST(the_check_finds_cells_that_contradict_their_page_although_its_structure_is_sound) {
  const auto with_long_key = [](const std::function<void(StoredPage*, uint32_t slot)>& change) {
    return FindingsAfter([&](TestPartition* p, PageRef root, PageRef) {
      const StoredPage branch(p, root.number);
      for (uint32_t i = 0; i < branch.view().count(); ++i) {
        StoredPage leaf(p, branch.view().child(i).number);
        for (uint32_t k = 0; k < leaf.view().count(); ++k) {
          if (!PageView::KeyOverflows(leaf.view().slot(k))) continue;
          change(&leaf, k);
          return leaf.Save();
        }
      }
    });
  };
  EXPECT(AnyHas(with_long_key([](StoredPage* p, uint32_t) { p->header()->flags = 0; }),
                "it overflows, but the page's flag does not say so"));
  // One byte less of the key is in the page, and the byte is garbage.
  EXPECT(AnyHas(with_long_key([](StoredPage* p, uint32_t k) {
                  Slot& s = p->slots()[k];
                  uint8_t* tail_end = const_cast<uint8_t*>(p->view().after_tail(s));
                  std::memmove(tail_end - 1, tail_end,
                               p->view().CellSize(s) - static_cast<size_t>(tail_end - p->bytes() - s.offset));
                  --s.meta;
                  ++p->header()->garbage;
                }),
                "its key overflows before the page keeps what it can"));
  EXPECT(
      AnyHas(FindingsIn(true, [](StoredPage* p) { p->slots()[0].meta = 2; }), "the first child of a branch has a key"));
}

TEST(the_check_finds_a_separator_that_is_not_below_the_one_above_it) {
  TestPartition p;
  Store(&p, 12000);
  ASSERT(p.root().levels > 2);
  StoredPage branch(&p, StoredPage(&p, p.root().page.number).view().child(0).number);
  branch.slots()[branch.view().count() - 1].head = UINT32_MAX;
  branch.Save();
  EXPECT(AnyHas(Findings(&p), "is not below its parent's"));
}

TEST(the_check_finds_a_free_map_that_gives_away_what_is_not_free) {
  const auto in_map = [](const std::function<void(StoredPage*, uint32_t map)>& change) {
    return FindingsAfter([&](TestPartition* p, PageRef, PageRef) {
      EXPECT_OK(p->space()->LoadFreeMap());
      const uint32_t map = p->space()->free_map_pages().front();
      StoredPage page(p, map);
      change(&page, map);
      page.Save();
      EXPECT_OK(p->Reopen());
    });
  };
  const auto mark = [](StoredPage* p, uint32_t page) {
    p->bytes()[kFreeMapPayloadOffset + page / 8] |= static_cast<uint8_t>(1u << page % 8);
  };
  EXPECT(AnyHas(in_map([&](StoredPage* p, uint32_t) { mark(p, 1); }), "marked free but is a meta page"));
  EXPECT(AnyHas(in_map([&](StoredPage* p, uint32_t) { mark(p, 16); }), "marked free but is a segment header"));
  EXPECT(AnyHas(in_map([&](StoredPage* p, uint32_t map) { mark(p, map); }), "marked free but holds the free map"));
  EXPECT(AnyHas(in_map([&](StoredPage* p, uint32_t map) {
                  Store(p->bytes() + sizeof(PageHeader), PageRef{map, p->header()->stamp});
                }),
                "more pages than the partition needs"));
  EXPECT(AnyHas(in_map([&](StoredPage* p, uint32_t) { p->header()->kind = PageKind::kOverflow; }),
                "is not a free map page"));
  EXPECT(
      AnyHas(FindingsAfter([&](TestPartition* p, PageRef root, PageRef) {
               EXPECT_OK(p->space()->LoadFreeMap());
               const uint32_t map = p->space()->free_map_pages().front();
               StoredPage branch(p, root.number);
               Store(branch.bytes() + branch.view().slot(1).offset, PageRef{map, StoredPage(p, map).header()->stamp});
               branch.Save();
             }),
             "it holds the free map and is referenced by the tree"));
}

TEST(a_free_map_that_gives_away_a_meta_a_header_or_itself_refuses_the_first_change) {
  TestPartition first;
  Store(&first, 400);
  ASSERT_OK(first.space()->LoadFreeMap());
  for (const uint32_t given : {1u, 16u, first.space()->free_map_pages().front()}) {
    TestPartition p;
    Store(&p, 400);
    ASSERT_OK(p.space()->LoadFreeMap());
    StoredPage map(&p, p.space()->free_map_pages().front());
    map.bytes()[kFreeMapPayloadOffset + given / 8] |= static_cast<uint8_t>(1u << given % 8);
    map.Save();
    ASSERT_OK(p.Reopen());
    const Status status = p.space()->Begin({1, UINT64_MAX});
    EXPECT_CODE(status, ZKDB_CORRUPT);
    EXPECT(status.message().find("page " + std::to_string(given) + ": it is marked free") != std::string::npos);
  }
}

TEST(the_check_finds_what_changed_in_a_page_after_its_first_read_with_a_right_checksum) {
  const auto later = [](const std::function<void(PageHeader*)>& change) {
    TestPartition p;
    Store(&p, 300);
    EXPECT_EQ(Findings(&p).size(), 0u);
    StoredPage leaf(&p, StoredPage(&p, p.root().page.number).view().child(1).number);
    change(leaf.header());
    leaf.Save();
    return Findings(&p);
  };
  EXPECT(AnyHas(later([](PageHeader* h) { ++h->number; }), "it says that it is page"));
  EXPECT(AnyHas(later([](PageHeader* h) { ++h->stamp; }), "its parent says"));
  EXPECT(AnyHas(later([](PageHeader* h) { ++h->garbage; }), "do not make up the heap"));
}

// Damage of every kind at once: however soon the callback says stop, it is not called again.
TEST(the_check_stops_wherever_its_callbacks_say_so_and_counts_without_them) {
  TestPartition p;
  Store(&p, 400);
  ASSERT_OK(p.space()->LoadFreeMap());
  StoredPage map(&p, p.space()->free_map_pages().front());
  map.bytes()[kFreeMapPayloadOffset] = 0xFF;
  map.Save();
  StoredPage root(&p, p.root().page.number);
  StoredPage second(&p, root.view().child(1).number);
  for (uint32_t i = 0; i < second.view().count(); i += 3) second.slots()[i].head = 0;
  second.Save();
  FlipByte(&p, root.view().child(2).number, 2000);
  FlipByte(&p, root.view().child(4).number, 2000);
  ASSERT_OK(p.Reopen());
  const size_t all = Findings(&p).size();
  EXPECT(all > 10);
  uint64_t silent = 0;
  EXPECT_OK(CheckTree(p.space(), p.root(), {}, &silent));
  EXPECT_EQ(silent, all);
  for (size_t stop = 1; stop <= all; ++stop) {
    size_t calls = 0;
    CheckOptions options;
    options.finding = [&](const std::string&) { return ++calls < stop; };
    uint64_t count = 0;
    ASSERT_OK(CheckTree(p.space(), p.root(), options, &count));
    EXPECT_EQ(calls, stop);
  }
}

TEST(the_check_of_a_tree_with_impossibly_many_levels_says_so) {
  TestPartition p;
  Store(&p, 10);
  TreeRoot root = p.root();
  root.levels = kMaxLevels + 1;
  std::string found;
  CheckOptions options;
  options.finding = [&](const std::string& text) { return found = text, true; };
  uint64_t findings = 0;
  ASSERT_OK(CheckTree(p.space(), root, options, &findings));
  EXPECT(found.find("levels") != std::string::npos);
  TreeFigures figures;
  EXPECT_OK(MeasureTree(p.space(), root, &figures));
  EXPECT_EQ(figures.leaf_pages, 0u);
}

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
