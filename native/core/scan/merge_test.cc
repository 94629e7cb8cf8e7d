// The packed scan against std::map, over one and several partitions.
#include "core/scan/merge.h"

#include <algorithm>
#include <fstream>

#include "core/btree/tree_test_util.h"

namespace zkdb::test {
namespace {

using Records = std::vector<std::pair<std::string, std::string>>;

// Several partitions and a model of all their records; each record goes to one of them.
struct Partitions {
  Partitions(uint32_t count, KeyShape shape, uint64_t seed, int records) : random(Seed(seed)) {
    KeySource keys(shape, &random);
    for (uint32_t i = 0; i < count; ++i) all.push_back(std::make_unique<TestPartition>(4096, 16u << 20));
    for (uint32_t i = 0; i < count; ++i) Fill(i, &keys, records / static_cast<int>(count));
  }
  void Fill(uint32_t i, KeySource* keys, int records) {
    Mutator* m = all[i]->Begin();
    for (int n = 0; n < records; ++n) {
      const std::string key = keys->Next();
      if (model.count(key) != 0) continue;
      std::string value = random.Bytes(random.OneIn(50) ? 5000 : random.Below(60));
      bool existed = false;
      EXPECT_OK(m->Put(key, value, false, &existed));
      model[key] = std::move(value);
    }
    all[i]->Commit();
  }
  std::vector<ScanSource> Sources() {
    std::vector<ScanSource> sources;
    for (auto& p : all) sources.push_back({p->space(), p->root()});
    return sources;
  }
  Records Expected(const KeyRange& range, bool reverse) {
    Records out;
    for (const auto& [k, v] : model) {
      if (!range.BelowLo(k) && !range.AboveHi(k)) out.emplace_back(k, v);
    }
    if (reverse) std::reverse(out.begin(), out.end());
    return out;
  }

  Random random;
  std::vector<std::unique_ptr<TestPartition>> all;
  Model model;
};

void Unpack(const uint8_t* p, uint32_t count, size_t used, Records* out) {
  const uint8_t* end = p + used;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t key = Load32(p);
    const uint32_t value = Load32(p + 4);
    out->emplace_back(Slice(p + 8, key).ToString(), Slice(p + 8 + key, value).ToString());
    p += 8 + size_t{key} + value;
  }
  EXPECT(p == end);
}

// Reads up to `limit` records in pieces of random sizes.
Records Drain(RangeScan* scan, Random* random, size_t limit = SIZE_MAX) {
  Records out;
  std::vector<uint8_t> buffer(64);
  bool done = false;
  while (!done && out.size() < limit) {
    size_t used = 0;
    uint32_t count = 0;
    bool too_small = false;
    const auto most =
        static_cast<uint32_t>(std::min<size_t>(1 + random->Below(random->OneIn(2) ? 3 : 1000), limit - out.size()));
    if (!EXPECT_OK(scan->Pack(buffer.data(), buffer.size(), most, &used, &count, &done, &too_small))) break;
    if (too_small) {
      if (!EXPECT(used > buffer.size()) || !EXPECT_EQ(count, 0u)) break;
      buffer.resize(used);
      continue;
    }
    EXPECT(count <= most);
    Unpack(buffer.data(), count, used, &out);
    buffer.resize(random->OneIn(3) ? 64 + random->Below(100) : 4096 + random->Below(30000));
  }
  return out;
}

KeyRange RandomRange(Partitions* p, std::vector<std::string>* keep) {
  const auto pick = [&] {
    auto at = p->model.begin();
    std::advance(at, static_cast<ptrdiff_t>(p->random.Below(p->model.size())));
    return at->first + (p->random.OneIn(3) ? std::string(1, '\0') : "");
  };
  keep->push_back(pick());
  keep->push_back(pick());
  if (p->random.OneIn(3)) (*keep)[0].clear();
  return {(*keep)[0], (*keep)[1], !p->random.OneIn(3), p->random.OneIn(2), p->random.OneIn(2)};
}

void ScanLikeTheModel(uint32_t count, KeyShape shape, uint64_t seed, int records) {
  Partitions p(count, shape, seed, records);
  for (int round = 0; round < 40; ++round) {
    std::vector<std::string> keep;
    const KeyRange range = round == 0 ? KeyRange{} : RandomRange(&p, &keep);
    ScanOptions options;
    options.reverse = round % 2 == 1;
    RangeScan scan(p.Sources(), range, options);
    Records expected = p.Expected(range, options.reverse);
    if (!EXPECT(Drain(&scan, &p.random) == expected)) return;
    if (expected.empty()) continue;
    // Seek to a record of the range and, cut short, to any key.
    const size_t at = p.random.Below(expected.size());
    EXPECT_OK(scan.Seek(expected[at].first));
    const Records rest(expected.begin() + static_cast<ptrdiff_t>(at), expected.end());
    EXPECT(Drain(&scan, &p.random) == rest);
    const std::string any = p.random.Bytes(p.random.Below(4));
    EXPECT_OK(scan.Seek(any));
    std::erase_if(expected, [&](const auto& r) { return options.reverse ? r.first > any : r.first < any; });
    expected.resize(std::min<size_t>(expected.size(), 10));
    EXPECT(Drain(&scan, &p.random, 10) == expected);
  }
}

}  // namespace

TEST(a_scan_of_one_partition_matches_a_map) {
  ScanLikeTheModel(1, KeyShape::kRandom16, 31, 3000);
  ScanLikeTheModel(1, KeyShape::kMixed, 32, 2000);
}
TEST(a_merged_scan_of_3_partitions_matches_a_map) {
  ScanLikeTheModel(3, KeyShape::kMixed, 33, 2000);
  ScanLikeTheModel(3, KeyShape::kShort, 34, 800);
  ScanLikeTheModel(3, KeyShape::kAscending, 35, 2000);
}
TEST(a_merged_scan_of_17_partitions_matches_a_map) {
  ScanLikeTheModel(17, KeyShape::kRandom16, 36, 4000);
  ScanLikeTheModel(17, KeyShape::kLongPrefixes, 37, 1500);
}

TEST(a_scan_leaves_out_keys_or_values_when_told_to) {
  Partitions p(3, KeyShape::kMixed, 38, 600);
  for (const bool no_keys : {false, true}) {
    ScanOptions options;
    options.no_keys = no_keys;
    options.no_values = !no_keys;
    RangeScan scan(p.Sources(), {}, options);
    Records expected = p.Expected({}, false);
    for (auto& [k, v] : expected) (no_keys ? k : v).clear();
    EXPECT(Drain(&scan, &p.random) == expected);
  }
}

TEST(an_unordered_scan_has_every_record_once) {
  Partitions p(5, KeyShape::kMixed, 39, 1000);
  RangeScan scan(p.Sources(), {}, ScanOptions{false, false, false, true});
  Records records = Drain(&scan, &p.random);
  std::sort(records.begin(), records.end());
  EXPECT(records == p.Expected({}, false));
}

TEST(a_scan_goes_on_over_checkpoints_and_transactions_between_two_packs) {
  Partitions p(3, KeyShape::kMixed, 40, 1500);
  for (auto& partition : p.all) partition->oldest_snapshot = partition->sequence();
  RangeScan scan(p.Sources(), {}, {});
  Records records;
  while (true) {
    Records some = Drain(&scan, &p.random, 100);
    records.insert(records.end(), some.begin(), some.end());
    if (some.size() < 100) break;
    for (auto& partition : p.all) {
      bool existed = false;
      Mutator* m = partition->Begin();
      for (int i = 0; i < 30; ++i)
        EXPECT_OK(m->Put(records[p.random.Below(records.size())].first, "new", false, &existed));
      uint64_t deleted = 0;
      EXPECT_OK(m->DeleteRange({records.back().first, {}, false, true, false}, &deleted));
      partition->Commit();
      if (p.random.OneIn(2)) EXPECT_OK(partition->Checkpoint());
    }
  }
  EXPECT(records == p.Expected({}, false));
}

TEST(a_scan_hands_out_what_comes_before_a_damaged_leaf_and_then_fails_until_it_seeks) {
  Partitions p(1, KeyShape::kAscending, 41, 2000);
  TestPartition& part = *p.all[0];
  ASSERT_OK(part.Checkpoint(true));
  const Records expected = p.Expected({}, false);
  RecordPlace place;
  ASSERT_OK(FindRecord(part.space(), part.root(), expected[expected.size() / 2].first, &place));
  const uint32_t page = place.leaf.header().number;
  {
    std::fstream file(part.space()->files().PathOf(page), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(page % part.space()->segment_pages()) * 4096 + 8);
    file.write("damaged!", 8);
  }
  ASSERT_OK(part.Reopen());
  RangeScan scan(p.Sources(), {}, {});
  std::vector<uint8_t> buffer(8u << 20);
  size_t used = 0;
  uint32_t count = 0;
  bool done = false;
  bool too_small = false;
  ASSERT_OK(scan.Pack(buffer.data(), buffer.size(), UINT32_MAX, &used, &count, &done, &too_small));
  EXPECT(count > 0 && count <= expected.size() / 2 && !done);
  for (int i = 0; i < 2; ++i) {
    const Status status = scan.Pack(buffer.data(), buffer.size(), UINT32_MAX, &used, &count, &done, &too_small);
    EXPECT_CODE(status, ZKDB_CORRUPT);
    EXPECT(status.message().find("page " + std::to_string(page)) != std::string::npos);
  }
  ASSERT_OK(scan.Seek(expected.back().first));
  ASSERT_OK(scan.Pack(buffer.data(), buffer.size(), UINT32_MAX, &used, &count, &done, &too_small));
  EXPECT(count == 1 && done);
}

// A stored partition of these keys, each with its number as the value, and nothing of it read yet.
std::unique_ptr<TestPartition> Stored(const std::vector<std::string>& keys, const std::string& value) {
  auto p = std::make_unique<TestPartition>(4096, 1u << 20);
  Mutator* m = p->Begin();
  bool existed = false;
  for (const std::string& key : keys) EXPECT_OK(m->Put(key, value, false, &existed));
  p->Commit();
  EXPECT_OK(p->Checkpoint(true));
  EXPECT_OK(p->Reopen());
  return p;
}

// Flips a byte of the overflow page of the key in slot `slot` of the root, a leaf; returns its page.
uint32_t DamageKeyRest(TestPartition* p, uint32_t slot) {
  const uint8_t* bytes = nullptr;
  EXPECT_OK(p->space()->Read(p->root().page, &bytes));
  const PageView leaf(bytes);
  const uint32_t page = leaf.key_rest(leaf.slot(slot)).first.number;
  std::fstream file(p->space()->files().PathOf(page), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(page) * 4096 + 2000);
  file << "damage";
  return page;
}

TEST(equal_keys_of_several_sources_come_in_the_order_of_the_sources_both_ways) {
  const std::string alike(3000, 'm');
  const auto a = Stored({"a1", "a2", "a3", "m", alike, "z1", "z2", "z3"}, "0");
  const auto b = Stored({"a3", "m", alike, "z1"}, "1");
  const Records up = {{"a1", "0"},  {"a2", "0"},  {"a3", "0"}, {"a3", "1"}, {"m", "0"},  {"m", "1"},
                      {alike, "0"}, {alike, "1"}, {"z1", "0"}, {"z1", "1"}, {"z2", "0"}, {"z3", "0"}};
  const Records down = {{"z3", "0"}, {"z2", "0"}, {"z1", "0"}, {"z1", "1"}, {alike, "0"}, {alike, "1"},
                        {"m", "0"},  {"m", "1"},  {"a3", "0"}, {"a3", "1"}, {"a2", "0"},  {"a1", "0"}};
  Random random(Seed(90));
  for (int round = 0; round < 20; ++round) {
    for (const bool reverse : {false, true}) {
      ScanOptions options;
      options.reverse = reverse;
      RangeScan scan({{a->space(), a->root()}, {b->space(), b->root()}}, {}, options);
      EXPECT(Drain(&scan, &random) == (reverse ? down : up));
    }
  }
}

// What one Pack of everything gives, and how the next one fails.
void ExpectCorruptBehind(std::vector<ScanSource> sources, bool reverse, const std::string& place, uint32_t before) {
  ScanOptions options;
  options.reverse = reverse;
  RangeScan scan(sources, {}, options);
  std::vector<uint8_t> buffer(1u << 16);
  size_t used = 0;
  uint32_t count = 0;
  bool done = false;
  bool too_small = false;
  ASSERT_OK(scan.Pack(buffer.data(), buffer.size(), UINT32_MAX, &used, &count, &done, &too_small));
  EXPECT_EQ(count, before);
  EXPECT(!done);
  const Status status = scan.Pack(buffer.data(), buffer.size(), UINT32_MAX, &used, &count, &done, &too_small);
  EXPECT_CODE(status, ZKDB_CORRUPT);
  EXPECT(status.message().find(place) != std::string::npos);
}

TEST(a_merge_that_cannot_read_the_key_of_the_runner_up_hands_out_what_is_sure_and_fails) {
  const std::string alike(3000, 'm');
  for (const bool reverse : {false, true}) {
    const auto a = Stored({"a1", "a2", "a3", "a4", "z1", "z2", "z3", "z4"}, "a");
    const auto b = Stored({alike}, "b");
    const std::string place = ": page " + std::to_string(DamageKeyRest(b.get(), 0)) + ":";
    ExpectCorruptBehind({{a->space(), a->root()}, {b->space(), b->root()}}, reverse, place, 1);
  }
}

TEST(a_merge_that_cannot_tell_two_runners_up_apart_hands_out_what_is_sure_and_fails) {
  const std::string alike(3000, 'm');
  const auto a = Stored({"a1", "a2", "a3", "a4"}, "a");
  const auto b = Stored({alike + "1"}, "b");
  const auto c = Stored({alike + "2"}, "c");
  const std::string place = ": page " + std::to_string(DamageKeyRest(c.get(), 0)) + ":";
  ExpectCorruptBehind({{b->space(), b->root()}, {a->space(), a->root()}, {c->space(), c->root()}}, false, place, 1);
}

TEST(a_scan_of_nothing_is_done_at_once) {
  TestPartition empty;
  RangeScan scan({{empty.space(), empty.root()}}, {}, {});
  size_t used = 1;
  uint32_t count = 1;
  bool done = false;
  bool too_small = true;
  ASSERT_OK(scan.Pack(nullptr, 0, 10, &used, &count, &done, &too_small));
  EXPECT(done && !too_small && used == 0 && count == 0);
}

}  // namespace zkdb::test
