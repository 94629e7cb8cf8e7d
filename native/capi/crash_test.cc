// Crash recovery: a child process writes and acknowledges over a pipe until it is killed at a random moment; then what
// it left is opened and compared. ZKDB_KILLS multiplies the kills of each test, ZKDB_SEED replays their moments.
#include <poll.h>

#include "capi/test_util.h"

namespace zkdb::test {
namespace {

constexpr uint32_t kKeysPerBatch = 8;

// Batch `n` writes the same text under kKeysPerBatch keys, which lie in different partitions, deletes a key that batch
// n - 8 made, and now and then a large value.
std::string CounterKey(uint32_t i) { return "k" + std::string(1, static_cast<char>('a' + i * 3)) + "-counter"; }

BatchBytes BatchOf(uint64_t n) {
  BatchBytes batch;
  for (uint32_t i = 0; i < kKeysPerBatch; ++i) batch.Put(CounterKey(i), std::to_string(n));
  const auto made = [](uint64_t m) {
    return "k" + std::string(1, static_cast<char>('a' + m % 26)) + "-made-" + std::to_string(m % 97);
  };
  batch.Put(made(n), std::string(n % 10 == 0 ? 30000 : 150 + n % 300, static_cast<char>('a' + n % 26)));
  if (n >= 8) batch.Delete(made(n - 8));
  return batch;
}

// What the database holds after batches 1..n, for the keys that are not counters.
Model StateAfter(uint64_t n) {
  Model model;
  const uint64_t from = n > 200 ? n - 200 : 1;
  for (uint64_t m = from; m <= n; ++m) {
    const std::string made = "k" + std::string(1, static_cast<char>('a' + m % 26)) + "-made-" + std::to_string(m % 97);
    model[made] = std::string(m % 10 == 0 ? 30000 : 150 + m % 300, static_cast<char>('a' + m % 26));
    if (m >= 8)
      model.erase("k" + std::string(1, static_cast<char>('a' + (m - 8) % 26)) + "-made-" +
                  std::to_string((m - 8) % 97));
  }
  return model;
}

struct CrashShape {
  uint32_t partitions;
  bool isolated;
  const char* durability;
};

OptionList CrashOptions(const char* durability) {
  return {{"Durability", durability},
          {"MinCheckpointSize", "64K"},
          {"LogFileSize", "64K"},
          {"SegmentSize", "64K"},
          {"SyncInterval", "5"}};
}

uint64_t Counter(TestDb* db, uint32_t i) {
  const auto value = db->Get(CounterKey(i));
  return value ? std::strtoull(value->c_str(), nullptr, 10) : 0;
}

// Runs until it is killed: opens, goes on after the counter that it finds, writes each number that was acknowledged.
TEST(child_writes_until_it_is_killed) {
  const char* path = std::getenv("ZKDB_CHILD_PATH");
  const char* durability = std::getenv("ZKDB_CHILD_DURABILITY");
  if (path == nullptr || durability == nullptr) return;
  TestDb db;
  if (db.Open(path, CrashOptions(durability)) != ZKDB_OK) {
    std::fprintf(stderr, "the child cannot open: %s\n", db.message().c_str());
    _exit(3);
  }
  uint64_t n = 0;
  for (uint32_t i = 0; i < kKeysPerBatch; ++i) n = std::max(n, Counter(&db, i));
  while (true) {
    ++n;
    if (db.Write(BatchOf(n), ZKDB_DURABILITY_DEFAULT, ZKDB_WRITE_NON_ATOMIC) != ZKDB_OK) {
      std::fprintf(stderr, "the child cannot write: %s\n", db.message().c_str());
      _exit(4);
    }
    if (write(STDOUT_FILENO, &n, sizeof n) != sizeof n) _exit(5);
  }
}

// Lets a child run for `ms` milliseconds after its open began and kills it. Returns the last acknowledged number.
uint64_t RunAndKill(const std::string& path, const char* durability, uint64_t ms, uint64_t acknowledged) {
  int output = -1;
  const std::vector<std::string> arguments = {"ZKDB_CHILD_PATH=" + path,
                                              "ZKDB_CHILD_DURABILITY=" + std::string(durability)};
  const pid_t pid = SpawnTest("child_writes_until_it_is_killed", arguments, &output);
  pollfd ready = {output, POLLIN, 0};
  // From the first acknowledgement on; a short time is one that ends in the recovery.
  if (ms > 4) poll(&ready, 1, 5000);
  usleep(static_cast<useconds_t>(ms * 1000));
  kill(pid, SIGKILL);
  const std::string all = ReadAll(output);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT(WIFSIGNALED(status));
  if (all.size() >= 8) std::memcpy(&acknowledged, all.data() + (all.size() / 8 - 1) * 8, 8);
  return acknowledged;
}

// Opens what is there and compares. Returns the number of the last batch, UINT64_MAX after a failure.
uint64_t Inspect(const std::string& path, const CrashShape& shape, uint64_t acknowledged) {
  TestDb db;
  if (!EXPECT_EQ(db.Open(path, CrashOptions(shape.durability)), ZKDB_OK)) {
    Fail(__FILE__, __LINE__, db.message());
    return UINT64_MAX;
  }
  const std::string found = db.Check();
  EXPECT_EQ(found, "");
  uint64_t lowest = UINT64_MAX;
  uint64_t highest = 0;
  for (uint32_t i = 0; i < kKeysPerBatch; ++i) {
    lowest = std::min(lowest, Counter(&db, i));
    highest = std::max(highest, Counter(&db, i));
  }
  const bool loses = std::string_view(shape.durability) == "none";
  if (!loses) EXPECT(lowest >= acknowledged);
  if (shape.isolated && shape.partitions > 1) return lowest >= acknowledged || loses ? highest : UINT64_MAX;
  EXPECT_EQ(lowest, highest);  // whole or absent across partitions
  Model all = db.All();
  std::erase_if(all, [](const auto& r) { return r.first.find("-counter") != std::string::npos; });
  EXPECT(all == StateAfter(highest));
  const bool good = found.empty() && lowest == highest && (loses || lowest >= acknowledged);
  return good ? highest : UINT64_MAX;
}

// `kills` times: a child runs and dies; every third time the recovery itself is killed once or twice before it is
// looked at.
void CrashLoop(const char* test, const CrashShape& shape, uint64_t kills) {
  std::mt19937_64 random(TestSeed(test));
  const std::string path = MakeShape(TempDirectory(), shape.partitions, shape.isolated);
  uint64_t acknowledged = 0;
  for (uint64_t i = 0; i < kills * EnvNumber("ZKDB_KILLS", 1); ++i) {
    acknowledged = RunAndKill(path, shape.durability, 5 + random() % 200, acknowledged);
    if (i % 3 == 0) acknowledged = RunAndKill(path, shape.durability, random() % 5, acknowledged);
    const uint64_t last = Inspect(path, shape, acknowledged);
    ASSERT(last != UINT64_MAX);
    acknowledged = shape.isolated ? std::min(last, acknowledged) : last;
  }
}

TEST(a_killed_process_loses_no_commit_of_one_partition) {
  CrashLoop("a_killed_process_loses_no_commit_of_one_partition", {1, false, "commit"}, 6);
}
TEST(a_killed_process_loses_no_commit_of_three_partitions) {
  CrashLoop("a_killed_process_loses_no_commit_of_three_partitions", {3, false, "commit"}, 6);
}
TEST(a_killed_process_loses_no_commit_of_sixteen_partitions) {
  CrashLoop("a_killed_process_loses_no_commit_of_sixteen_partitions", {16, false, "commit"}, 6);
}
TEST(a_killed_process_loses_no_commit_of_isolated_partitions) {
  CrashLoop("a_killed_process_loses_no_commit_of_isolated_partitions", {3, true, "commit"}, 6);
}
TEST(a_killed_process_loses_nothing_at_durability_interval) {
  CrashLoop("a_killed_process_loses_nothing_at_durability_interval", {3, false, "interval"}, 5);
}
TEST(a_killed_process_loses_nothing_of_isolated_partitions_at_durability_interval) {
  CrashLoop("a_killed_process_loses_nothing_of_isolated_partitions_at_durability_interval", {16, true, "interval"}, 3);
}
TEST(a_killed_process_keeps_a_prefix_at_durability_none) {
  CrashLoop("a_killed_process_keeps_a_prefix_at_durability_none", {3, false, "none"}, 4);
}
TEST(a_killed_process_keeps_a_prefix_of_sixteen_partitions_at_durability_none) {
  CrashLoop("a_killed_process_keeps_a_prefix_of_sixteen_partitions_at_durability_none", {16, false, "none"}, 4);
}

}  // namespace
}  // namespace zkdb::test
