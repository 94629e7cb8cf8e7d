// What an open finds: configurations that do not fit what is there, logs of others, other opens under way.
#include <thread>

#include "capi/engine_test_util.h"
#include "core/os/posix_env.h"
#include "core/wal/log_format.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

bool Holds(const TestDb& db, const std::string& text) { return db.message().find(text) != std::string::npos; }

// Two partitions by the first letter of a key, with more lines for [main] and for each of them.
std::string TwoPartitions(const std::string& directory, const std::string& main = "", const std::string& low = "",
                          const std::string& high = "", const std::string& second = "high") {
  WriteText(directory + "/test.conf", "[main]\n" + main + "Partitions = low; " + second + "\n[low]\nMaxLimit = m\n" +
                                          low + "[" + second + "]\nMinLimit = n\n" + high);
  return directory + "/test.conf";
}

// A copy of a database that is open, as a killed process leaves it.
std::string CopyOf(const std::string& directory) {
  const std::string copy = TempDirectory() + "/copy";
  fs::copy(directory, copy, fs::copy_options::recursive);
  return copy;
}

}  // namespace

TEST(a_database_with_a_remote_partition_opens_and_serves_the_others_while_the_server_is_down) {
  const std::string directory = TempDirectory();
  const std::string remote = "IsRemote = Yes\nAddressPath = unix:" + directory + "/none.sock\n";
  TestDb db;
  EXPECT_EQ(db.Open(TwoPartitions(directory, "", "", remote)), ZKDB_OK);
  EXPECT_EQ(zkdb_partition_count(db.get()), 2u);
  EXPECT_EQ(db.Put("apple", "1"), ZKDB_OK);
  EXPECT_EQ(db.Get("apple"), std::string("1"));
  EXPECT_EQ(db.Put("zebra", "1"), ZKDB_UNREACHABLE);
  EXPECT(Holds(db, "partition [high] at unix:" + directory + "/none.sock: connect: "));
  zkdb_txn* txn = nullptr;
  EXPECT_EQ(zkdb_txn_begin(db.get(), &txn, &db.error), ZKDB_REMOTE);
  EXPECT(Holds(db, "[high] is remote"));
  EXPECT_EQ(zkdb_backup(db.get(), (directory + "/copy").c_str(), nullptr, nullptr, &db.error), ZKDB_REMOTE);
  EXPECT(!fs::exists(directory + "/high"));
}

TEST(a_snapshot_of_local_partitions_keeps_their_state_and_opens_no_cursor) {
  const std::string directory = TempDirectory();
  const std::string remote = "IsRemote = Yes\nAddressPath = unix:" + directory + "/none.sock\n";
  TestDb db;
  ASSERT_EQ(db.Open(TwoPartitions(directory, "", "", remote)), ZKDB_OK);
  ASSERT_EQ(db.Put("apple", "1"), ZKDB_OK);
  zkdb_snapshot* snapshot = nullptr;
  ASSERT_EQ(zkdb_snapshot_open_local(db.get(), &snapshot, &db.error), ZKDB_OK);
  ASSERT_EQ(db.Put("apple", "2"), ZKDB_OK);
  char value = 0;
  size_t size = 0;
  EXPECT_EQ(zkdb_get(db.get(), snapshot, "apple", 5, &value, 1, &size, &db.error), ZKDB_OK);
  EXPECT_EQ(value, '1');
  EXPECT_EQ(zkdb_get(db.get(), snapshot, "zebra", 5, &value, 1, &size, &db.error), ZKDB_UNREACHABLE);
  zkdb_cursor* cursor = nullptr;
  EXPECT_EQ(zkdb_cursor_open(db.get(), snapshot, nullptr, nullptr, 0, &cursor, &db.error), ZKDB_INVALID);
  EXPECT(Holds(db, "local partitions alone"));
  zkdb_snapshot_close(snapshot);
}

TEST(a_database_of_remote_partitions_alone_makes_no_files) {
  const std::string directory = TempDirectory();
  const std::string remote = "IsRemote = Yes\nAddressPath = unix:" + directory + "/none.sock\n";
  TestDb db;
  EXPECT_EQ(db.Open(TwoPartitions(directory, "", remote, remote)), ZKDB_OK);
  EXPECT_EQ(db.Put("apple", "1"), ZKDB_UNREACHABLE);
  EXPECT_EQ(db.Close(), ZKDB_OK);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory), fs::directory_iterator()), 1);
}

TEST(a_partition_over_tls_needs_a_relay_and_its_refusal_touches_nothing) {
  const std::string directory = TempDirectory();
  const std::string path = TwoPartitions(directory, "", "", "IsRemote = Yes\nAddressPath = zkdbs://ann:secret@h/\n");
  TestDb without;
  EXPECT_EQ(without.Open(path), ZKDB_CONFIG);
  EXPECT(Holds(without, "[high] AddressPath asks for TLS (zkdbs://h:6379)"));
  EXPECT(Holds(without, "zkdb_options_tls_relay"));
  EXPECT(!Holds(without, "secret"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory), fs::directory_iterator()), 1);

  uint32_t asked = 0;
  const auto refuse = [](void* context, int) { return static_cast<int>(++*static_cast<uint32_t*>(context)); };
  zkdb_options* options = nullptr;
  ASSERT_EQ(zkdb_options_create(&options), ZKDB_OK);
  zkdb_options_tls_relay(options, refuse, &asked);
  zkdb_error error;
  zkdb_db* db = nullptr;
  ASSERT_EQ(zkdb_open(path.c_str(), options, &db, &error), ZKDB_OK);
  zkdb_options_destroy(options);
  EXPECT_EQ(zkdb_uses_tls(db), 1);
  EXPECT_EQ(zkdb_partition_probe(db, 1, &error), ZKDB_UNREACHABLE);
  EXPECT_EQ(asked, 1u);
  // A second handle on the same engine.
  EXPECT_EQ(without.Open(path), ZKDB_CONFIG);
  EXPECT_EQ(zkdb_close(db, &error), ZKDB_OK);
}

TEST(a_configuration_without_a_database_is_one_that_is_missing_unless_it_may_be_made) {
  const std::string directory = TempDirectory();
  const std::string path = TwoPartitions(directory);
  TestDb db;
  for (const OptionList& options : {OptionList{{"CreateIfMissing", "No"}}, OptionList{{"ReadOnly", "Yes"}}}) {
    EXPECT_EQ(db.Open(path, options), ZKDB_MISSING);
    EXPECT(Holds(db, "no log in " + directory + "/log"));
    EXPECT(!fs::exists(directory + "/log"));
  }
  EXPECT_EQ(db.Open(path, {{"CreateIfMissing", "Yes"}}), ZKDB_OK);
}

TEST(changed_limits_are_refused_before_a_missing_log_is_made_anew) {
  const std::string directory = TempDirectory();
  TestDb db;
  ASSERT_EQ(db.Open(TwoPartitions(directory)), ZKDB_OK);
  ASSERT_EQ(db.Put("a", "1"), ZKDB_OK);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  fs::rename(directory + "/log", directory + "/kept");
  WriteText(directory + "/test.conf", "[main]\nPartitions = low; high\n[low]\nMaxLimit = c\n[high]\nMinLimit = d\n");
  EXPECT_EQ(db.Open(directory + "/test.conf"), ZKDB_CONFIG);
  EXPECT(Holds(db, "[low]: the files in " + directory + "/low were written under other limits"));
  EXPECT(!fs::exists(directory + "/log"));
  EXPECT_EQ(db.Open(TwoPartitions(directory)), ZKDB_MISMATCH);
  fs::rename(directory + "/kept", directory + "/log");
  ASSERT_EQ(db.Open(TwoPartitions(directory)), ZKDB_OK);
  EXPECT_EQ(db.Get("a").value_or(""), "1");
}

TEST(isolated_partitions_with_logs_of_two_databases_are_refused) {
  std::string directories[2];
  for (std::string& directory : directories) {
    directory = TempDirectory();
    TestDb db;
    ASSERT_EQ(db.Open(TwoPartitions(directory, "Isolated_Partitions = Yes\n", "TransactLogDir = low_log\n",
                                    "TransactLogDir = high_log\n")),
              ZKDB_OK);
    ASSERT_EQ(db.Put("a", "1"), ZKDB_OK);
    ASSERT_EQ(db.Put("z", "1"), ZKDB_OK);
  }
  fs::remove_all(directories[0] + "/high_log");
  fs::copy(directories[1] + "/high_log", directories[0] + "/high_log");
  TestDb db;
  EXPECT_EQ(db.Open(directories[0] + "/test.conf"), ZKDB_MISMATCH);
  EXPECT(Holds(db, directories[0] + "/high_log: the log belongs to another database than the one in " + directories[0] +
                       "/low_log"));
  EXPECT_EQ(db.Open(directories[1] + "/test.conf"), ZKDB_OK);
}

TEST(partitions_may_have_pages_of_different_sizes) {
  const std::string directory = TempDirectory();
  const std::string path = TwoPartitions(directory, "PageSize = 4K\n", "PageSize = 16K\n");
  Model model;
  TestDb db;
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(db.Open(path), ZKDB_OK);
    EXPECT(db.All() == model);
    BatchBytes batch;
    for (int i = 0; i < 500; ++i) {
      const std::string key = (i % 2 == 0 ? "a" : "z") + std::to_string(round * 500 + i);
      batch.Put(key, model[key] = std::string(static_cast<size_t>(i) * 7, 'v'));
    }
    ASSERT_EQ(db.Write(batch), ZKDB_OK);
    EXPECT_EQ(db.Check(), "");
    ASSERT_EQ(db.Close(), ZKDB_OK);
  }
}

TEST(log_records_of_a_partition_that_the_configuration_does_not_name_are_not_dropped) {
  const std::string directory = TempDirectory();
  TestDb live;
  ASSERT_EQ(live.Open(TwoPartitions(directory)), ZKDB_OK);
  ASSERT_EQ(live.Put("z", "1", ZKDB_DURABILITY_COMMIT), ZKDB_OK);
  const std::string copy = CopyOf(directory);
  TwoPartitions(copy, "", "", "", "renamed");
  TestDb db;
  EXPECT_EQ(db.Open(copy + "/test.conf"), ZKDB_MISMATCH);
  EXPECT(Holds(db, "the log has records of a partition that " + copy + "/test.conf does not name"));
  ASSERT_EQ(db.Open(TwoPartitions(copy)), ZKDB_OK);
  EXPECT_EQ(db.Get("z").value_or(""), "1");
}

// Right by its checksum, and yet nothing that a writer writes.
TEST(a_log_record_that_holds_no_batch_is_damage) {
  for (const bool isolated : {false, true}) {
    const std::string operations = isolated ? std::string(4, '\0') : "no operation";
    const std::string directory = TempDirectory();
    const std::string path = isolated ? TwoPartitions(directory, "Isolated_Partitions = Yes\n",
                                                      "TransactLogDir = low_log\n", "TransactLogDir = log\n")
                                      : TwoPartitions(directory);
    TestDb live;
    ASSERT_EQ(live.Open(path), ZKDB_OK);
    ASSERT_EQ(live.Put("z", "1", ZKDB_DURABILITY_COMMIT), ZKDB_OK);
    const std::string copy = CopyOf(directory);
    LogOptions options;
    options.directory = copy + "/log";
    bool found = false;
    ASSERT_OK(Log::ReadDatabaseId(Env::Posix(), options.directory, &options.database_id, &found));
    ASSERT(found);
    std::string record;
    LogSummary summary;
    std::unique_ptr<Log> log;
    const auto replay = [&record](const LogRecord& r) {
      record = r.payload.ToString();
      return Status::Ok();
    };
    ASSERT_OK(Log::Open(Env::Posix(), options, replay, &summary, &log));
    ASSERT(record.size() > kLogGroupHead);
    record.resize(kLogGroupHead);
    Store32(reinterpret_cast<uint8_t*>(record.data()) + 8, static_cast<uint32_t>(operations.size()));
    record += operations;
    std::atomic<uint64_t> counter{summary.last_sequence};
    const Slice payload(record);
    uint64_t sequence = 0;
    ASSERT_OK(log->Append(&counter, &payload, 1, &sequence));
    ASSERT_OK(log->Sync(sequence));
    log.reset();
    TestDb db;
    EXPECT_EQ(db.Open(copy + "/test.conf"), ZKDB_CORRUPT);
    EXPECT(Holds(db, copy + "/log: the record of commit 2 holds no batch: "));
  }
}

TEST(a_copy_of_which_a_checkpoint_holds_everything_opens_read_only) {
  const std::string directory = TempDirectory();
  TestDb live;
  ASSERT_EQ(live.Open(TwoPartitions(directory)), ZKDB_OK);
  ASSERT_EQ(live.Put("a", "1", ZKDB_DURABILITY_COMMIT), ZKDB_OK);
  ASSERT_EQ(zkdb_checkpoint(live.get(), nullptr), ZKDB_OK);
  const std::string copy = CopyOf(directory);
  TestDb db;
  ASSERT_EQ(db.Open(copy + "/test.conf", {{"ReadOnly", "Yes"}}), ZKDB_OK);
  EXPECT(db.Stats().recovered_records > 0);
  EXPECT_EQ(db.Get("a").value_or(""), "1");
  EXPECT_EQ(db.Put("a", "2"), ZKDB_READ_ONLY);
}

// Notes every call, and stops at the one of a number.
struct RecoveryWatch {
  uint64_t stop_at = UINT64_MAX;
  std::vector<std::pair<uint64_t, uint64_t>> calls;
  static int Tell(void* context, uint64_t done, uint64_t total) {
    auto* watch = static_cast<RecoveryWatch*>(context);
    watch->calls.emplace_back(done, total);
    return watch->calls.size() == watch->stop_at ? 1 : 0;
  }
};

zkdb_code OpenWatched(const std::string& path, RecoveryWatch* watch, zkdb_db** db, zkdb_error* error) {
  zkdb_options* options = nullptr;
  if (zkdb_options_create(&options) != ZKDB_OK) return ZKDB_NO_MEMORY;
  zkdb_options_on_recovery(options, &RecoveryWatch::Tell, watch);
  const zkdb_code code = zkdb_open(path.c_str(), options, db, error);
  zkdb_options_destroy(options);
  return code;
}

TEST(a_recovery_tells_how_far_it_is_and_can_be_stopped) {
  const std::string directory = TempDirectory();
  TestDb live;
  ASSERT_EQ(live.Open(TwoPartitions(directory), {{"MinCheckpointSize", "1G"}}), ZKDB_OK);
  for (int i = 0; i < 80; ++i) ASSERT_EQ(live.Put("k" + std::to_string(i), std::string(60000, 'v')), ZKDB_OK);
  ASSERT_EQ(zkdb_sync(live.get(), nullptr), ZKDB_OK);
  const std::string copy = CopyOf(directory);
  RecoveryWatch stopped{2, {}};
  zkdb_db* db = nullptr;
  zkdb_error error{};
  EXPECT_EQ(OpenWatched(copy + "/test.conf", &stopped, &db, &error), ZKDB_ABORTED);
  EXPECT(std::string(error.message).find("the next open begins it anew") != std::string::npos);
  EXPECT_EQ(stopped.calls.size(), 2u);
  RecoveryWatch watch;
  ASSERT_EQ(OpenWatched(copy + "/test.conf", &watch, &db, &error), ZKDB_OK);
  EXPECT(watch.calls.size() >= 4);
  for (size_t i = 0; i < watch.calls.size(); ++i) {
    EXPECT(watch.calls[i].first <= watch.calls[i].second);
    EXPECT(i == 0 || watch.calls[i].first > watch.calls[i - 1].first);
  }
  EXPECT_EQ(watch.calls.back().first, watch.calls.back().second);
  zkdb_db_stats stats{};
  ASSERT_EQ(zkdb_stats(db, &stats, nullptr), ZKDB_OK);
  EXPECT_EQ(stats.recovered_records, 80u);
  ASSERT_EQ(zkdb_close(db, nullptr), ZKDB_OK);
  RecoveryWatch nothing;
  ASSERT_EQ(OpenWatched(copy + "/test.conf", &nothing, &db, &error), ZKDB_OK);
  EXPECT_EQ(nothing.calls.size(), 0u);
  ASSERT_EQ(zkdb_close(db, nullptr), ZKDB_OK);
}

TEST(a_database_that_this_process_has_open_exists) {
  const std::string path = TwoPartitions(TempDirectory());
  TestDb first;
  TestDb second;
  ASSERT_EQ(first.Open(path), ZKDB_OK);
  EXPECT_EQ(second.Open(path, {{"ErrorIfExists", "Yes"}}), ZKDB_EXISTS);
  ASSERT_EQ(second.Open(path), ZKDB_OK);
  ASSERT_EQ(first.Put("a", "1"), ZKDB_OK);
  EXPECT_EQ(second.Get("a").value_or(""), "1");
}

TEST(an_open_waits_for_the_close_of_the_same_database_and_finds_what_it_wrote) {
  EnvWrapper env(Env::Posix());
  const std::string path = TwoPartitions(TempDirectory());
  EngineHandle first;
  ASSERT_OK(first.Open(&env, path));
  ASSERT_OK(first.Put("a", "1", ZKDB_DURABILITY_NONE));
  CallGate gate("Sync");
  env.SetHook([&gate](const std::string& call, const std::string&) { return gate.Pass(call); });
  std::thread closer([&first] { EXPECT_OK(first.Close()); });
  gate.AwaitCall();
  EngineHandle second;
  std::atomic<bool> opened{false};
  std::thread opener([&] {
    EXPECT_OK(second.Open(&env, path));
    opened = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT(!opened.load());
  gate.Open();
  closer.join();
  opener.join();
  env.SetHook(nullptr);
  ASSERT(opened.load());
  EXPECT_EQ(second.Get("a"), "1");
  EXPECT_OK(second.Close());
}

}  // namespace zkdb::test
