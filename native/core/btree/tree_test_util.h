// What the tests of trees share: a partition in a temporary directory driven like the engine does it (transactions,
// checkpoints, reopening), and key shapes.
//
// Thread-safety: none.
#pragma once

#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/base/test.h"
#include "core/btree/check.h"
#include "core/btree/cursor.h"
#include "core/btree/record_mutator.h"
#include "core/os/env_wrapper_for_tests.h"

namespace zkdb::test {

using Model = std::map<std::string, std::string>;

// The seed of a random test: ZKDB_SEED, or `fallback`. Printed, so that a failure can be run again.
inline uint64_t Seed(uint64_t fallback) {
  const char* text = std::getenv("ZKDB_SEED");
  const uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
  std::printf("  ZKDB_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t Below(uint64_t n) { return engine_() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  std::string Bytes(size_t n) {
    std::string s(n, '\0');
    for (char& c : s) c = static_cast<char>(engine_());
    return s;
  }

 private:
  std::mt19937_64 engine_;
};

// An Env whose wall clock stands where a test puts it.
class FixedClock : public EnvWrapper {
 public:
  explicit FixedClock(uint64_t now) : EnvWrapper(Env::Posix()), now_ms(now) {}
  uint64_t WallClockMs() override { return now_ms; }

  std::atomic<uint64_t> now_ms;
};

// One partition as the engine holds it.
class TestPartition {
 public:
  explicit TestPartition(uint32_t page_size = 4096, uint64_t segment_size = 64u << 10)
      : directory_(TempDirectory()), page_size_(page_size) {
    segment_pages_ = static_cast<uint32_t>(std::max<uint64_t>(segment_size, kMinSegmentSize) / page_size);
    Create();
  }

  PageSpace* space() { return space_.get(); }
  const TreeRoot& root() const { return root_; }
  const TreeRoot& expiry() const { return expiry_; }
  uint64_t sequence() const { return sequence_; }
  const std::string& directory() const { return directory_; }
  uint64_t oldest_snapshot = UINT64_MAX;

  // Begins a transaction; the mutator lives until Commit or Rollback.
  Mutator* Begin() {
    EXPECT_OK(space_->Begin(ReleaseLimits{sequence_, oldest_snapshot}));
    mutator_ = std::make_unique<Mutator>(space_.get(), root_);
    return mutator_.get();
  }
  // The same for records that may expire, by a clock that lasts as long.
  RecordMutator* BeginRecords(ReadClock* clock) {
    EXPECT_OK(space_->Begin(ReleaseLimits{sequence_, oldest_snapshot}));
    records_ = std::make_unique<RecordMutator>(space_.get(), Trees{root_, expiry_}, clock);
    return records_.get();
  }
  void Commit() {
    space_->Commit(++sequence_);
    if (mutator_ != nullptr) root_ = mutator_->root();
    if (records_ != nullptr) root_ = records_->trees().records, expiry_ = records_->trees().expiry;
    Forget();
  }
  void Rollback() {
    space_->Rollback();
    Forget();
  }

  Status Capture(bool final, CheckpointPlan* plan) {
    Meta& meta = plan->meta;
    meta.magic = kMetaMagic;
    meta.version = kFormatVersion;
    meta.checkpoint = ++checkpoint_;
    meta.page_size = page_size_;
    meta.segment_pages = segment_pages_;
    meta.root = root_.page;
    meta.levels = root_.levels;
    meta.records = root_.records;
    meta.expiry_root = expiry_.page;
    meta.expiry_levels = expiry_.levels;
    meta.expiring = expiry_.records;
    return space_->Capture(sequence_, oldest_snapshot, final, plan);
  }
  Status Write(CheckpointPlan* plan) {
    ZKDB_RETURN_IF_ERROR(space_->WriteCaptured(plan));
    ZKDB_RETURN_IF_ERROR(space_->WriteMeta(*plan));
    return space_->Finish(*plan);
  }
  Status Checkpoint(bool final = false) {
    CheckpointPlan plan;
    ZKDB_RETURN_IF_ERROR(Capture(final, &plan));
    return Write(&plan);
  }

  // Drops everything in memory and takes up the last checkpoint.
  // `last_stamp`, when not 0, takes the place of the one in the meta.
  Status Reopen(uint32_t last_stamp = 0) {
    Forget();
    Create();
    oldest_snapshot = UINT64_MAX;
    MetaState state;
    ZKDB_RETURN_IF_ERROR(SegmentFiles::ReadMeta(Env::Posix(), directory_, &state));
    root_ = TreeRoot{};
    expiry_ = TreeRoot{};
    if (!state.present) return space_->Open(nullptr);
    root_ = TreeRoot{state.meta.root, state.meta.levels, state.meta.records};
    expiry_ = TreeRoot{state.meta.expiry_root, state.meta.expiry_levels, state.meta.expiring};
    sequence_ = state.meta.sequence;
    checkpoint_ = state.meta.checkpoint;
    if (last_stamp != 0) state.meta.last_stamp = last_stamp;
    return space_->Open(&state.meta);
  }

  // Runs the tree check; every finding fails the test. Returns the number of findings.
  uint64_t Check(const TreeRoot& root, SpaceCheck mode = SpaceCheck::kLeaks) {
    CheckOptions options;
    options.space = mode;
    options.expiry = expiry_;
    int shown = 0;
    options.finding = [&](const std::string& text) { return Fail(__FILE__, __LINE__, text), ++shown < 5; };
    uint64_t findings = 0;
    EXPECT_OK(CheckTree(space_.get(), root, options, &findings));
    return findings;
  }
  uint64_t Check() { return Check(root_); }

 private:
  void Forget() {
    mutator_.reset();
    records_.reset();
  }
  void Create() {
    space_.reset();
    arena_ = std::make_unique<FrameArena>(Env::Posix(), page_size_);
    SegmentOptions options;
    options.directory = directory_;
    options.page_size = page_size_;
    options.segment_pages = segment_pages_;
    space_ = std::make_unique<PageSpace>(Env::Posix(), options, arena_.get(), VerifyPageStructure);
  }

  std::string directory_;
  uint32_t page_size_;
  uint32_t segment_pages_;
  std::unique_ptr<FrameArena> arena_;
  std::unique_ptr<PageSpace> space_;
  std::unique_ptr<Mutator> mutator_;
  std::unique_ptr<RecordMutator> records_;
  TreeRoot root_;
  TreeRoot expiry_;
  uint64_t sequence_ = 0;
  uint64_t checkpoint_ = 0;
};

// The record a valid cursor names.
inline std::pair<std::string, std::string> RecordAt(const Cursor& cursor) {
  std::pair<std::string, std::string> record;
  EXPECT_OK(LoadKey(cursor.space(), cursor.leaf(), cursor.index(), &record.first));
  record.second.resize(cursor.leaf().value_size(cursor.leaf().slot(cursor.index())));
  EXPECT_OK(CopyValue(cursor.space(), cursor.leaf(), cursor.index(), reinterpret_cast<uint8_t*>(record.second.data())));
  return record;
}

// True when the version holds exactly the model's records, read forward and (back == true) backward.
inline bool SameAsModel(PageSpace* space, const TreeRoot& root, const Model& model, bool back = true) {
  Cursor cursor(space, root);
  if (!EXPECT_OK(cursor.First())) return false;
  for (const auto& record : model) {
    if (!EXPECT(cursor.valid()) || !EXPECT(RecordAt(cursor) == std::pair(record.first, record.second))) return false;
    if (!EXPECT_OK(cursor.Next())) return false;
  }
  if (!EXPECT(!cursor.valid()) || !EXPECT_EQ(root.records, model.size())) return false;
  if (!back) return true;
  if (!EXPECT_OK(cursor.Last())) return false;
  for (auto record = model.rbegin(); record != model.rend(); ++record) {
    if (!EXPECT(cursor.valid()) || !EXPECT(RecordAt(cursor) == std::pair(record->first, record->second))) return false;
    if (!EXPECT_OK(cursor.Prev())) return false;
  }
  return EXPECT(!cursor.valid());
}

enum class KeyShape { kRandom16, kLongPrefixes, kShort, kAscending, kDescending, kMixed };

// Keys of one shape; ascending and descending ones move on with each call.
class KeySource {
 public:
  KeySource(KeyShape shape, Random* random) : shape_(shape), random_(random) {}

  std::string Next() {
    switch (shape_) {
      case KeyShape::kRandom16: return Small() ? Numbered(random_->Below(500)) : random_->Bytes(16);
      case KeyShape::kLongPrefixes: return Long();
      case KeyShape::kShort: return Short();
      case KeyShape::kAscending: return Numbered(1'000'000 + (Small() ? random_->Below(counter_ + 1) : ++counter_));
      case KeyShape::kDescending: return Numbered(1'000'000 - (Small() ? random_->Below(counter_ + 1) : ++counter_));
      case KeyShape::kMixed: break;
    }
    switch (random_->Below(4)) {
      case 0: return Long();
      case 1: return Short();
      case 2: return random_->Bytes(1 + random_->Below(700));
      default: return Numbered(random_->Below(3000));
    }
  }

 private:
  bool Small() { return random_->OneIn(4); }
  static std::string Numbered(uint64_t n) {
    char text[24];
    std::snprintf(text, sizeof text, "key%013llu", static_cast<unsigned long long>(n));
    return text;
  }
  // Few prefixes, longer than a page keeps of a key, and short ends that differ.
  std::string Long() {
    static constexpr size_t kSizes[] = {200, 256, 257, 300, 300, 1000, 5000, 60000};
    const size_t size = kSizes[random_->Below(random_->OneIn(10) ? 8 : 6)];
    std::string key(size, static_cast<char>('p' + random_->Below(2)));
    return key + (random_->OneIn(5) ? "" : std::to_string(random_->Below(300)));
  }
  // 0..5 bytes of an alphabet of three with the zero byte in it.
  std::string Short() {
    std::string key(random_->Below(6), '\0');
    static constexpr char kAlphabet[] = {'\0', 'a', '\xFF', 'b'};
    for (char& c : key) c = kAlphabet[random_->Below(4)];
    return key;
  }

  KeyShape shape_;
  Random* random_;
  uint64_t counter_ = 0;
};

}  // namespace zkdb::test
