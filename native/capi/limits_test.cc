// Limits: sizes of keys and values, descriptors, memory and file size under old snapshots, SnapshotLimit.
#include <sys/resource.h>

#include "capi/test_util.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

TEST(keys_and_values_of_every_size_up_to_the_limits_come_back) {
  TestDb db;
  const std::string path = MakeShape(TempDirectory(), 3);
  const OptionList options = {{"SegmentSize", "1M"}, {"VerifyAll", "Yes"}};
  ASSERT_EQ(db.Open(path, options), ZKDB_OK);
  Model model;
  BatchBytes batch;
  for (const size_t size : {0u, 1u, 255u, 256u, 257u, 4095u, 4096u, 65534u, 65535u}) {
    for (const char last : {'a', 'b'}) {
      std::string key(size, 'k');
      if (size > 0) key.back() = last;
      model[key] = std::string(size, last);
      batch.Put(key, model[key]);
    }
  }
  ASSERT_EQ(db.Write(batch), ZKDB_OK);
  EXPECT(db.All() == model);
  for (const auto& [k, v] : model) EXPECT(db.Get(k) == v);
  const std::string too_long(65536, 'k');
  EXPECT(!db.Get(too_long));
  EXPECT_EQ(db.code, ZKDB_KEY_TOO_LARGE);
  const uint32_t offsets[] = {0, 65536};
  uint32_t done = 0;
  uint32_t size = 0;
  size_t needed = 0;
  EXPECT_EQ(zkdb_get_many(db.get(), nullptr, too_long.data(), offsets, 1, nullptr, 0, &size, &done, &needed, nullptr),
            ZKDB_KEY_TOO_LARGE);
  // A bound may be longer than any key.
  RecordList seen;
  const zkdb_range range = RangeFrom("", too_long, ZKDB_RANGE_HAS_HI);
  EXPECT_EQ(db.Scan(&seen, &range), ZKDB_OK);
  EXPECT_EQ(seen.size(), static_cast<size_t>(std::distance(model.begin(), model.lower_bound(too_long))));
  EXPECT_EQ(db.Check(), "");
  ASSERT_EQ(db.Close(), ZKDB_OK);
  ASSERT_EQ(db.Open(path, options), ZKDB_OK);
  EXPECT(db.All() == model);
}

// The value is written and read whole; a value of one byte more than the limit is refused.
void WriteLarge(size_t size) {
  TestDb db;
  const std::string path = MakeShape(TempDirectory(), 1);
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  std::string value(size, 'v');
  for (size_t i = 0; i < size; i += 4096) value[i] = static_cast<char>(i / 4096 * 31);
  ASSERT_EQ(db.Put("large", value, ZKDB_DURABILITY_COMMIT), ZKDB_OK);
  EXPECT(db.Get("large") == value);
  ASSERT_EQ(db.Put("other", "x"), ZKDB_OK);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  EXPECT(db.Get("large") == value);
  EXPECT_EQ(db.Check(), "");
}

TEST(a_value_of_64_mib_comes_back_after_a_reopen) { WriteLarge(64u << 20); }

TEST(a_value_of_1_gib_comes_back_and_a_longer_one_is_refused) {
  if (EnvNumber("ZKDB_LARGE", 0) == 0) {
    std::fprintf(stderr, "skipped: ZKDB_LARGE=1 runs it (needs 6 GiB of memory and 4 GiB of disk)\n");
    return;
  }
  WriteLarge(ZKDB_MAX_VALUE_SIZE);
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(TempDirectory(), 1)), ZKDB_OK);
  EXPECT_EQ(db.Put("larger", std::string(size_t{ZKDB_MAX_VALUE_SIZE} + 1, 'v')), ZKDB_VALUE_TOO_LARGE);
  EXPECT_EQ(db.WriteBytes(std::string(size_t{ZKDB_MAX_BATCH_SIZE} + 1, '\0')), ZKDB_BATCH_TOO_LARGE);
}

// ---- descriptors ---------------------------------------------------------------------------------------------------

// A call that should succeed; says why it did not.
bool Good(zkdb_code code, const TestDb& db, int line) {
  return code == ZKDB_OK || Fail(__FILE__, line, std::string(zkdb_code_name(code)) + ": " + db.message());
}

TEST(child_opens_many_partitions_with_few_descriptors) {
  const char* directory = std::getenv("ZKDB_CHILD_MANY");
  if (directory == nullptr) return;
  const rlimit few = {1024, 1024};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  for (const bool isolated : {false, true}) {
    const std::string path = MakeShape(directory + std::string(isolated ? "/isolated" : "/common"), 256, isolated);
    const OptionList options = {{"LogFileSize", "64K"}, {"SegmentSize", "64K"}};
    TestDb db;
    ASSERT(Good(db.Open(path, options), db, __LINE__));
    Model model;
    for (int round = 0; round < 3; ++round) {
      BatchBytes batch;
      for (int i = 0; i < 4000; ++i) {
        const std::string key = "key-" + std::to_string(i * 7 + round);
        model[key] = std::string(50, static_cast<char>('a' + round));
        batch.Put(key, model[key]);
      }
      ASSERT(Good(db.Write(batch, ZKDB_DURABILITY_INTERVAL, ZKDB_WRITE_NON_ATOMIC), db, __LINE__));
      ASSERT(Good(zkdb_checkpoint(db.get(), &db.error), db, __LINE__));
    }
    EXPECT(db.All() == model);
    ASSERT(Good(db.Close(), db, __LINE__));
    ASSERT(Good(db.Open(path, options), db, __LINE__));
    EXPECT(db.All() == model);
    EXPECT_EQ(db.Check(), "");
  }
}

TEST(many_partitions_open_with_few_descriptors) {
  int output = -1;
  const pid_t pid =
      SpawnTest("child_opens_many_partitions_with_few_descriptors", {"ZKDB_CHILD_MANY=" + TempDirectory()}, &output);
  const std::string said = ReadAll(output);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  if (WEXITSTATUS(status) != 0) Fail(__FILE__, __LINE__, said);
}

// ---- old snapshots -------------------------------------------------------------------------------------------------

BatchBytes Overwrites(int round, int records) {
  BatchBytes batch;
  for (int i = 0; i < records; ++i) {
    batch.Put("k" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i),
              std::string(200, static_cast<char>('a' + round % 26)));
  }
  return batch;
}

uint64_t FileBytes(const std::string& directory) {
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.path().extension() == ".zkd") bytes += entry.file_size();
  }
  return bytes;
}

TEST(overwrites_under_short_snapshots_keep_files_and_memory_bounded) {
  const std::string directory = TempDirectory();
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(directory, 3), {{"MinCheckpointSize", "1M"}, {"LogFileSize", "1M"}}), ZKDB_OK);
  uint64_t files = 0;
  uint64_t memory = 0;
  for (int round = 0; round < 60; ++round) {
    zkdb_snapshot* snapshot = nullptr;
    ASSERT_EQ(zkdb_snapshot_open(db.get(), &snapshot, nullptr), ZKDB_OK);
    ASSERT_EQ(db.Write(Overwrites(round, 3000)), ZKDB_OK);
    zkdb_snapshot_close(snapshot);
    if (round % 5 == 4) ASSERT_EQ(zkdb_checkpoint(db.get(), nullptr), ZKDB_OK);
    if (round == 14) files = FileBytes(directory), memory = db.Stats().memory_bytes;
  }
  // 3,000 records of 200 bytes are 0.8 MB: sixty times that would be 48 MB.
  EXPECT(FileBytes(directory) <= 2 * files && FileBytes(directory) < (16u << 20));
  EXPECT(db.Stats().memory_bytes <= 2 * memory && memory < (64u << 20));
  EXPECT_EQ(db.Stats().pinned_bytes, 0u);
  EXPECT_EQ(db.Check(), "");
}

TEST(a_snapshot_past_its_limit_expires_and_the_space_comes_back) {
  const std::string directory = TempDirectory();
  TestDb db;
  ASSERT_EQ(
      db.Open(MakeShape(directory, 3), {{"SnapshotLimit", "2M"}, {"MinCheckpointSize", "1M"}, {"LogFileSize", "1M"}}),
      ZKDB_OK);
  ASSERT_EQ(db.Write(Overwrites(0, 3000)), ZKDB_OK);
  zkdb_snapshot* snapshot = nullptr;
  zkdb_cursor* cursor = nullptr;
  ASSERT_EQ(zkdb_snapshot_open(db.get(), &snapshot, nullptr), ZKDB_OK);
  ASSERT_EQ(zkdb_cursor_open(db.get(), snapshot, nullptr, nullptr, 0, &cursor, nullptr), ZKDB_OK);
  EXPECT(db.Get("ka0", snapshot).has_value());
  for (int round = 1; round < 40; ++round) {
    ASSERT_EQ(db.Write(Overwrites(round, 3000)), ZKDB_OK);
    if (round % 5 == 0) ASSERT_EQ(zkdb_checkpoint(db.get(), nullptr), ZKDB_OK);
  }
  EXPECT(!db.Get("ka0", snapshot));
  EXPECT_EQ(db.code, ZKDB_SNAPSHOT_EXPIRED);
  RecordList seen;
  EXPECT_EQ(Drain(cursor, &seen), ZKDB_SNAPSHOT_EXPIRED);
  EXPECT_EQ(db.Scan(&seen, nullptr, 0, snapshot), ZKDB_SNAPSHOT_EXPIRED);
  zkdb_cursor_close(cursor);
  zkdb_snapshot_close(snapshot);
  EXPECT(FileBytes(directory) < (20u << 20));
  EXPECT_EQ(db.All().size(), 3000u);
  EXPECT_EQ(db.Check(), "");
}

}  // namespace
}  // namespace zkdb::test
