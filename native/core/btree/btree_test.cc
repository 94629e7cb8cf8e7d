// The tree against std::map: random transactions, rollbacks, checkpoints, reopening, old versions.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "core/btree/tree_test_util.h"

namespace zkdb::test {
namespace {

struct Workload {
  KeyShape shape = KeyShape::kRandom16;
  uint32_t page_size = 4096;
  uint64_t segment_size = 64u << 10;
  int transactions = 150;
  int operations = 60;      // at most, per transaction
  size_t value_size = 400;  // at most
  bool big_values = true;
};

// A version that must stay readable.
struct Pinned {
  uint64_t sequence;
  TreeRoot root;
  Model model;
};

class Simulation {
 public:
  Simulation(const Workload& workload, uint64_t seed)
      : workload_(workload),
        random_(seed),
        keys_(workload.shape, &random_),
        partition_(workload.page_size, workload.segment_size) {}

  void Run() {
    const int before = Failures().load();
    for (int t = 0; t < workload_.transactions && Failures().load() == before; ++t) {
      Transaction();
      if (random_.OneIn(6)) Checkpoint();
      if (random_.OneIn(6)) Pin();
      if (random_.OneIn(7)) Unpin();
      if (random_.OneIn(20)) Reopen();
      if (random_.OneIn(3)) Verify();
    }
    if (Failures().load() != before)
      std::fprintf(stderr, "  after transaction %llu\n", static_cast<unsigned long long>(partition_.sequence()));
    if (Failures().load() == before) Verify(), Reopen();
  }

 private:
  std::string Value() {
    if (workload_.big_values && random_.OneIn(60)) return random_.Bytes(90'000 + random_.Below(20'000));
    if (random_.OneIn(8)) return random_.Bytes(random_.Below(3000));
    return random_.Bytes(random_.Below(workload_.value_size + 1));
  }
  std::string Key(const Model& model) {
    if (model.empty() || random_.OneIn(2)) return keys_.Next();
    auto at = model.lower_bound(keys_.Next());
    return at == model.end() ? model.begin()->first : at->first;
  }

  void Put(Mutator* m, Model* model, const std::string& key, bool after_previous) {
    const std::string value = Value();
    bool existed = false;
    EXPECT_OK(m->Put(key, value, after_previous, &existed));
    EXPECT_EQ(existed, model->count(key) == 1);
    (*model)[key] = value;
  }
  void Delete(Mutator* m, Model* model) {
    const std::string key = Key(*model);
    bool existed = false;
    EXPECT_OK(m->Delete(key, false, &existed));
    EXPECT_EQ(existed, model->erase(key) == 1);
  }
  void DeleteRange(Mutator* m, Model* model) {
    std::string a = Key(*model);
    std::string b = Key(*model);
    if (b < a && !random_.OneIn(10)) std::swap(a, b);
    if (random_.OneIn(3) && !model->empty()) {
      auto end = model->lower_bound(a);
      for (uint64_t n = random_.Below(200); n > 0 && end != model->end(); --n) ++end;
      b = end == model->end() ? b : end->first;
    }
    KeyRange range{a, b, !random_.OneIn(20), random_.OneIn(2), random_.OneIn(2)};
    if (random_.OneIn(20)) range.lo = Slice(), range.lo_exclusive = false;
    uint64_t deleted = 0;
    EXPECT_OK(m->DeleteRange(range, &deleted));
    const size_t erased =
        std::erase_if(*model, [&](const auto& r) { return !range.BelowLo(r.first) && !range.AboveHi(r.first); });
    EXPECT_EQ(deleted, erased);
  }
  void SortedPuts(Mutator* m, Model* model) {
    std::vector<std::string> keys;
    for (uint64_t n = random_.Below(40); n > 0; --n) keys.push_back(Key(*model));
    std::sort(keys.begin(), keys.end());
    for (size_t i = 0; i < keys.size(); ++i) Put(m, model, keys[i], i > 0);
  }

  void Transaction() {
    Model model = model_;
    Mutator* m = partition_.Begin();
    const uint64_t deletes = random_.OneIn(5) ? 2 : 5;  // some transactions mostly delete
    for (uint64_t n = 1 + random_.Below(static_cast<uint64_t>(workload_.operations)); n > 0; --n) {
      if (random_.OneIn(80)) {
        DeleteRange(m, &model);
      } else if (random_.OneIn(30)) {
        SortedPuts(m, &model);
      } else if (random_.OneIn(deletes)) {
        Delete(m, &model);
      } else {
        Put(m, &model, Key(model), false);
      }
    }
    if (random_.OneIn(6)) {
      partition_.Rollback();
    } else {
      partition_.Commit();
      model_ = std::move(model);
    }
  }

  // A transaction or two run between the parts of a checkpoint.
  void Checkpoint() {
    CheckpointPlan plan;
    if (!EXPECT_OK(partition_.Capture(false, &plan))) return;
    durable_ = model_;
    if (random_.OneIn(2)) Transaction();
    if (!EXPECT_OK(partition_.space()->WriteCaptured(&plan))) return;
    if (random_.OneIn(2)) Transaction();
    if (!EXPECT_OK(partition_.space()->WriteMeta(plan))) return;
    EXPECT_OK(partition_.space()->Finish(plan));
  }
  void Pin() {
    if (pinned_.size() < 4) pinned_.push_back({partition_.sequence(), partition_.root(), model_});
    SetOldest();
  }
  void Unpin() {
    if (!pinned_.empty()) pinned_.erase(pinned_.begin() + static_cast<ptrdiff_t>(random_.Below(pinned_.size())));
    SetOldest();
  }
  void SetOldest() {
    partition_.oldest_snapshot = UINT64_MAX;
    for (const Pinned& p : pinned_) partition_.oldest_snapshot = std::min(partition_.oldest_snapshot, p.sequence);
  }
  void Reopen() {
    if (random_.OneIn(2)) {
      pinned_.clear();
      SetOldest();
      EXPECT_OK(partition_.Checkpoint(random_.OneIn(2)));
      durable_ = model_;
    }
    pinned_.clear();
    if (!EXPECT_OK(partition_.Reopen())) return;
    model_ = durable_;
    Verify();
  }

  void Verify() {
    partition_.Check();
    SameAsModel(partition_.space(), partition_.root(), model_);
    for (const Pinned& p : pinned_) SameAsModel(partition_.space(), p.root, p.model, random_.OneIn(2));
    for (int i = 0; i < 20; ++i) Probe(random_.OneIn(2) ? keys_.Next() : Key(model_));
  }
  void Probe(const std::string& key) {
    RecordPlace place;
    EXPECT_OK(FindRecord(partition_.space(), partition_.root(), key, &place));
    EXPECT_EQ(place.found, model_.count(key) == 1);
    if (place.found) EXPECT_EQ(place.value_size(), model_[key].size());
    Cursor cursor(partition_.space(), partition_.root());
    EXPECT_OK(cursor.Seek(key));
    auto at = model_.lower_bound(key);
    if (EXPECT_EQ(cursor.valid(), at != model_.end()) && cursor.valid()) EXPECT(RecordAt(cursor).first == at->first);
    EXPECT_OK(cursor.SeekBack(key));
    at = model_.upper_bound(key);
    if (EXPECT_EQ(cursor.valid(), at != model_.begin()) && cursor.valid())
      EXPECT(RecordAt(cursor).first == std::prev(at)->first);
  }

  Workload workload_;
  Random random_;
  KeySource keys_;
  TestPartition partition_;
  Model model_;
  Model durable_;
  std::vector<Pinned> pinned_;
};

void Simulate(const Workload& workload, uint64_t seed) { Simulation(workload, Seed(seed)).Run(); }

uint64_t FileBytes(const std::string& directory) {
  uint64_t total = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory)) total += file.file_size();
  return total;
}

}  // namespace

TEST(random_transactions_on_random_keys_match_a_map) { Simulate({.shape = KeyShape::kRandom16}, 1); }
TEST(random_transactions_on_keys_with_long_shared_prefixes_match_a_map) {
  Simulate({.shape = KeyShape::kLongPrefixes, .segment_size = 256u << 10}, 2);
}
TEST(random_transactions_on_short_keys_with_zero_bytes_match_a_map) { Simulate({.shape = KeyShape::kShort}, 3); }
TEST(random_transactions_on_ascending_keys_match_a_map) { Simulate({.shape = KeyShape::kAscending}, 4); }
TEST(random_transactions_on_descending_keys_match_a_map) { Simulate({.shape = KeyShape::kDescending}, 5); }
TEST(random_transactions_on_mixed_keys_match_a_map) {
  Simulate({.shape = KeyShape::kMixed, .segment_size = 1u << 20, .transactions = 200}, 6);
}
TEST(random_transactions_with_small_values_match_a_map) {
  Simulate({.shape = KeyShape::kMixed, .transactions = 120, .operations = 400, .value_size = 20, .big_values = false},
           7);
}
TEST(random_transactions_match_a_map_at_every_page_size) {
  for (uint32_t page_size = 8192; page_size <= 65536; page_size *= 2) {
    Simulate({.shape = KeyShape::kMixed,
              .page_size = page_size,
              .segment_size = 16 * page_size,
              .transactions = 50,
              .operations = 150},
             page_size);
  }
}
TEST(random_transactions_on_a_small_tree_match_a_map) {
  for (uint64_t seed = 0; seed < 8; ++seed)
    Simulate({.shape = KeyShape::kMixed, .transactions = 60, .operations = 6}, 100 + seed);
}

TEST(a_file_stays_bounded_under_overwrites_with_checkpoints) {
  TestPartition p;
  Random random(Seed(11));
  uint64_t settled = 0;
  for (int round = 0; round < 60; ++round) {
    for (int t = 0; t < 5; ++t) {
      Mutator* m = p.Begin();
      for (int i = 0; i < 50; ++i) {
        bool existed = false;
        EXPECT_OK(m->Put("key" + std::to_string(random.Below(2000)), random.Bytes(100), false, &existed));
      }
      p.Commit();
    }
    ASSERT_OK(p.Checkpoint());
    if (round == 20) settled = FileBytes(p.directory());
  }
  EXPECT_EQ(p.Check(), 0u);
  EXPECT(FileBytes(p.directory()) <= settled + settled / 2);
}

TEST(the_tail_of_an_emptied_file_is_given_back_at_the_last_checkpoint) {
  TestPartition p;
  Random random(Seed(12));
  Mutator* m = p.Begin();
  bool existed = false;
  for (int i = 0; i < 3000; ++i) EXPECT_OK(m->Put(random.Bytes(16), random.Bytes(100), false, &existed));
  p.Commit();
  ASSERT_OK(p.Checkpoint());
  const uint64_t full = FileBytes(p.directory());
  m = p.Begin();
  uint64_t deleted = 0;
  EXPECT_OK(m->DeleteRange(KeyRange{}, &deleted));
  p.Commit();
  ASSERT_OK(p.Checkpoint());
  p.Begin();
  p.Rollback();
  ASSERT_OK(p.Checkpoint(true));
  ASSERT_OK(p.Reopen());
  EXPECT_EQ(p.Check(), 0u);
  EXPECT(FileBytes(p.directory()) < full);
}

TEST(a_stamp_that_wrapped_around_does_not_make_an_old_page_ours) {
  TestPartition p;
  bool existed = false;
  Mutator* m = p.Begin();
  EXPECT_OK(m->Put("key", "old", false, &existed));
  p.Commit();
  const uint32_t stamp = p.root().page.stamp;
  ASSERT_OK(p.Checkpoint());
  // The next transaction gets the stamp that the page on disk carries.
  ASSERT_OK(p.Reopen(stamp - (1u << 20) - 1));
  m = p.Begin();
  EXPECT_EQ(p.space()->stamp(), stamp);
  const PageRef before = p.root().page;
  EXPECT_OK(m->Put("key", "new", false, &existed));
  EXPECT(m->root().page.number != before.number);
  p.Commit();
  EXPECT_EQ(p.Check(), 0u);
}

TEST(pages_at_the_end_move_to_free_pages_before_them) {
  TestPartition p;
  Random random(Seed(14));
  Model model;
  bool existed = false;
  Mutator* m = p.Begin();
  for (int i = 0; i < 3000; ++i) {
    const std::string key = random.Bytes(16);
    model[key] = random.Bytes(100);
    EXPECT_OK(m->Put(key, model[key], false, &existed));
  }
  p.Commit();
  m = p.Begin();
  while (model.size() > 300) {
    const std::string key = model.begin()->first;
    EXPECT_OK(m->Delete(key, false, &existed));
    model.erase(key);
  }
  p.Commit();
  const uint32_t pages = p.space()->page_count();
  m = p.Begin();
  p.space()->CoolDown();
  EXPECT_OK(m->MoveBelow(pages - static_cast<uint32_t>(p.space()->free_space().cold_count())));
  p.Commit();
  p.Begin();  // releases what the move freed
  p.Rollback();
  ASSERT_OK(p.Checkpoint(true));
  EXPECT(p.space()->page_count() < pages / 4);
  EXPECT_EQ(p.Check(), 0u);
  EXPECT(SameAsModel(p.space(), p.root(), model));
}

TEST(a_reader_inside_a_guard_keeps_its_version_without_a_snapshot) {
  TestPartition p;
  Random random(Seed(13));
  Model model;
  bool existed = false;
  Mutator* m = p.Begin();
  for (int i = 0; i < 500; ++i) {
    const std::string key = "k" + std::to_string(i);
    model[key] = random.Bytes(80);
    EXPECT_OK(m->Put(key, model[key], false, &existed));
  }
  p.Commit();
  const TreeRoot old = p.root();
  const EpochGuard guard;
  for (int t = 0; t < 40; ++t) {
    m = p.Begin();
    for (int i = 0; i < 50; ++i)
      EXPECT_OK(m->Put("k" + std::to_string(random.Below(500)), random.Bytes(80), false, &existed));
    p.Commit();
    if (t % 7 == 0) EXPECT_OK(p.Checkpoint());
  }
  SameAsModel(p.space(), old, model);
}

TEST(random_load_keeps_leaves_four_fifths_full_and_ascending_load_fills_them) {
  for (const bool ascending : {false, true}) {
    TestPartition p(4096, 64u << 20);
    Random random(14);
    Mutator* m = p.Begin();
    bool existed = false;
    for (uint32_t i = 0; i < 20000; ++i) {
      char key[17];
      std::snprintf(key, sizeof key, "%016u", i);
      EXPECT_OK(m->Put(ascending ? std::string(key) : random.Bytes(16), std::string(100, 'v'), ascending, &existed));
    }
    p.Commit();
    TreeFigures figures;
    ASSERT_OK(MeasureTree(p.space(), p.root(), &figures));
    const uint64_t percent = figures.leaf_bytes_used * 100 / (figures.leaf_pages * 4096);
    EXPECT(percent >= (ascending ? 95u : 80u));
  }
}

}  // namespace zkdb::test
