// What grows with time, and must not: files under short snapshots, descriptors, maps, memory. And what an old snapshot
// costs is reported and bounded.
#include "torture/alloc_fault.h"
#include "torture/fault_run.h"
#include "torture/torture.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

constexpr int kKeys = 2000;

OptionList SmallFiles() {
  return {{"SegmentSize", "1M"}, {"LogFileSize", "256K"}, {"MinCheckpointSize", "256K"}, {"Durability", "none"}};
}

uint64_t BytesIn(const std::string& directory) {
  uint64_t sum = 0;
  std::error_code gone;
  for (const auto& entry : fs::recursive_directory_iterator(directory, gone)) {
    if (entry.is_regular_file(gone)) sum += entry.file_size(gone);
  }
  return sum;
}

uint64_t OpenDescriptors() {
  const fs::directory_iterator all("/proc/self/fd");
  return static_cast<uint64_t>(std::distance(fs::begin(all), fs::end(all)));
}

uint64_t Maps() {
  std::ifstream maps("/proc/self/maps");
  uint64_t n = 0;
  for (std::string line; std::getline(maps, line);) ++n;
  return n;
}

// A batch that overwrites `count` keys chosen by `random`.
BatchBytes Overwrites(std::mt19937_64* random, int count, int version) {
  BatchBytes batch;
  for (int i = 0; i < count; ++i) {
    const int number = static_cast<int>((*random)() % kKeys);
    batch.Put(FaultKey(number), FaultValue(number, 60 + (*random)() % 120, version));
  }
  return batch;
}

bool Fill(TestDb* db) {
  for (int from = 0; from < kKeys; from += 200) {
    BatchBytes batch;
    for (int i = from; i < from + 200; ++i) batch.Put(FaultKey(i), FaultValue(i, 100, 0));
    if (!EXPECT_EQ(db->Write(batch), ZKDB_OK)) return false;
  }
  return true;
}

// Longer than the shortest run when a length is given.
uint64_t Length(const Torture& t, uint64_t brief, uint64_t full) { return t.is_long() ? full : brief; }

zkdb_code ReadIn(TestDb* db, zkdb_snapshot* snapshot) {
  static_cast<void>(db->Get(FaultKey(1), snapshot));
  return db->code;
}

}  // namespace

TEST(files_stay_bounded_while_snapshots_are_short) {
  Torture t("files_stay_bounded_while_snapshots_are_short", 1);
  const FastDirectory base;
  std::mt19937_64 random(t.seed());
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(base.path() + "/db", 1), SmallFiles()), ZKDB_OK);
  ASSERT(Fill(&db));
  const uint64_t rounds = Length(t, 600, 20000);
  uint64_t settled = 0;
  while (t.Next()) {
    for (uint64_t round = 0; round < rounds; ++round) {
      zkdb_snapshot* snapshot = nullptr;
      ASSERT_EQ(zkdb_snapshot_open(db.get(), &snapshot, nullptr), ZKDB_OK);
      for (int i = 0; i < 3; ++i) ASSERT_EQ(db.Write(Overwrites(&random, 50, static_cast<int>(round))), ZKDB_OK);
      EXPECT_EQ(ReadIn(&db, snapshot), ZKDB_OK);
      zkdb_snapshot_close(snapshot);
      if (round == rounds / 5) settled = BytesIn(base.path() + "/db");
    }
  }
  const uint64_t end = BytesIn(base.path() + "/db");
  t.Figure("bytes_written", rounds * 3 * 50 * 120);
  t.Figure("bytes_after_a_fifth", settled);
  t.Figure("bytes_at_the_end", end);
  // A short run copies some 300 MiB of pages. How far the writer gets before a checkpoint is the scheduler's choice.
  EXPECT(end <= 12u << 20);
  EXPECT_EQ(db.Check(), "");
}

TEST(an_old_snapshot_is_reported_and_its_limit_enforced) {
  Torture t("an_old_snapshot_is_reported_and_its_limit_enforced", 1);
  const FastDirectory base;
  std::mt19937_64 random(t.seed());
  constexpr uint64_t kLimit = 512u << 10;
  for (const bool limited : {false, true}) {
    TestDb db;
    OptionList options = SmallFiles();
    if (limited) options.emplace_back("SnapshotLimit", "512K");
    const std::string directory = base.path() + (limited ? "/limited" : "/free");
    ASSERT_EQ(db.Open(MakeShape(directory, 1), options), ZKDB_OK);
    ASSERT(Fill(&db));
    EXPECT_EQ(db.Stats().oldest_snapshot_age_ms, 0u);
    zkdb_snapshot* old = nullptr;
    ASSERT_EQ(zkdb_snapshot_open(db.get(), &old, nullptr), ZKDB_OK);
    uint64_t most = 0;
    zkdb_code code = ZKDB_OK;
    for (int i = 0; i < 120; ++i) {
      ASSERT_EQ(db.Write(Overwrites(&random, 100, i)), ZKDB_OK);
      if (code == ZKDB_OK) code = ReadIn(&db, old);
      const zkdb_db_stats stats = db.Stats();
      EXPECT_EQ(stats.snapshots_open, 1u);
      most = std::max<uint64_t>(most, code == ZKDB_OK ? stats.pinned_bytes : 0);
    }
    usleep(20000);
    EXPECT(db.Stats().oldest_snapshot_age_ms >= 20);
    EXPECT_EQ(code, limited ? ZKDB_SNAPSHOT_EXPIRED : ZKDB_OK);
    // One batch changes some 200 pages at most before the limit is looked at.
    EXPECT(limited ? most <= kLimit + (1u << 20) : most > kLimit);
    t.Figure(limited ? "most_pinned_with_limit" : "most_pinned_without", most);
    t.Figure(limited ? "file_with_limit" : "file_without", BytesIn(directory));
    RecordList list;
    EXPECT_EQ(db.Scan(&list, nullptr, 0, old), code);
    zkdb_snapshot_close(old);
    ASSERT_EQ(db.Write(Overwrites(&random, 1, 0)), ZKDB_OK);
    EXPECT_EQ(db.Stats().snapshots_open, 0u);
    EXPECT_EQ(db.Stats().pinned_bytes, 0u);
    EXPECT_EQ(db.Check(), "");
  }
}

TEST(opens_and_closes_leave_nothing_behind) {
  Torture t("opens_and_closes_leave_nothing_behind", 1);
  TestThread();
  const FastDirectory base;
  const uint64_t opens = Length(t, 100, 10000);
  const std::string path = MakeShape(base.path() + "/db", 3);
  uint64_t descriptors = 0, maps = 0, bytes = 0;
  int64_t blocks = 0;
  while (t.Next()) {
    for (uint64_t i = 0; i < opens; ++i) {
      const EngineScope engine;
      zkdb_db* db = nullptr;
      if (!EXPECT_EQ(zkdb_open(path.c_str(), nullptr, &db, nullptr), ZKDB_OK)) return;
      const TestScope test;
      const std::string batch = BatchBytes().Put(FaultKey(static_cast<int>(i % 100)), FaultValue(1, 60, 1)).bytes();
      if (i % 2 == 0) {
        EXPECT_EQ(zkdb_write(db, batch.data(), batch.size(), ZKDB_DURABILITY_NONE, 0, nullptr, nullptr), ZKDB_OK);
      }
      EXPECT_EQ(zkdb_close(db, nullptr), ZKDB_OK);
      if (i != opens / 10 && i + 1 != opens) continue;
      if (i + 1 == opens) {
        EXPECT_EQ(OpenDescriptors(), descriptors);
        EXPECT(Maps() <= maps + 2);
        EXPECT_EQ(AllocFault::live(), blocks);
        EXPECT(BytesIn(base.path() + "/db") <= bytes + (256u << 10));
      }
      descriptors = OpenDescriptors(), maps = Maps(), blocks = AllocFault::live(), bytes = BytesIn(base.path() + "/db");
    }
  }
  t.Figure("opens", opens);
  t.Figure("descriptors", descriptors);
  t.Figure("maps", maps);
  t.Figure("bytes", bytes);
}

// Writers may be 4 x MinCheckpointSize ahead of the checkpoint that runs, in pages and in log, as the moment is.
constexpr uint64_t kAhead = 2 * 4 * (uint64_t{256} << 10);

TEST(a_day_of_overwrites_in_miniature_leaves_nothing_behind) {
  Torture t("a_day_of_overwrites_in_miniature_leaves_nothing_behind", 1);
  const FastDirectory base;
  std::mt19937_64 random(t.seed());
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(base.path() + "/db", 3), SmallFiles()), ZKDB_OK);
  ASSERT(Fill(&db));
  const uint64_t batches = Length(t, 1500, 86400);  // as many as a day has seconds
  uint64_t descriptors = 0, maps = 0, bytes = 0, memory = 0;
  int64_t blocks = 0;
  while (t.Next()) {
    for (uint64_t i = 0; i < batches; ++i) {
      ASSERT_EQ(db.Write(Overwrites(&random, 40, static_cast<int>(i % 1000))), ZKDB_OK);
      if (i % 500 == 499)
        ASSERT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_DELETE_RANGE, "kc", "kd", ZKDB_RANGE_HAS_HI)), ZKDB_OK);
      if (i != batches / 3 && i + 1 != batches) continue;
      ASSERT_EQ(zkdb_checkpoint(db.get(), nullptr), ZKDB_OK);
      ASSERT_EQ(zkdb_checkpoint(db.get(), nullptr), ZKDB_OK);
      if (i + 1 == batches) {
        EXPECT(OpenDescriptors() <= descriptors + 6);  // spare and new log files, a segment more
        EXPECT(Maps() <= maps + 8);
        EXPECT(AllocFault::live() <= blocks + blocks / 2 + 100);
        EXPECT(BytesIn(base.path() + "/db") <= bytes + bytes / 2 + kAhead);
        EXPECT(db.Stats().memory_bytes <= memory + memory / 2);
      }
      descriptors = OpenDescriptors(), maps = Maps(), blocks = AllocFault::live(), bytes = BytesIn(base.path() + "/db");
      memory = db.Stats().memory_bytes;
    }
  }
  t.Figure("batches", batches);
  t.Figure("checkpoints", db.Stats().checkpoints);
  t.Figure("descriptors", descriptors);
  t.Figure("maps", maps);
  t.Figure("blocks", static_cast<uint64_t>(blocks));
  t.Figure("bytes", bytes);
  t.Figure("memory_bytes", memory);
  EXPECT_EQ(db.Check(), "");
}

}  // namespace zkdb::test
