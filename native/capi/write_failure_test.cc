// Writes that meet damage, failed logs and missing memory, and the thread that checkpoints beside them.
#include <thread>

#include "capi/engine_test_util.h"
#include "core/os/posix_env.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

bool Says(const Status& status, const std::string& text) { return status.message().find(text) != std::string::npos; }

// Damages every page of the partition `p0` behind its metas; the path of its segment.
std::string DamagePages(const std::string& directory) {
  const std::string segment = directory + "/p0/000.zkd";
  const uint64_t size = fs::file_size(segment);
  std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
  for (uint64_t page = 2; (page + 1) * 4096 <= size; ++page) {
    file.seekp(static_cast<std::streamoff>(page * 4096 + 2000));
    file << "damage";
  }
  return segment;
}

// A closed database of one partition with one value of several pages and many small ones.
std::string Filled(const std::string& directory, const std::string& large = std::string(9000, 'l')) {
  const std::string path = MakeShape(directory, 1);
  TestDb db;
  EXPECT_EQ(db.Open(path, {{"SegmentSize", "64K"}}), ZKDB_OK);
  BatchBytes batch;
  for (int i = 0; i < 100; ++i) batch.Put("k" + std::to_string(i), std::string(20, 'v'));
  EXPECT_EQ(db.Write(batch.Put("large", large)), ZKDB_OK);
  EXPECT_EQ(db.Close(), ZKDB_OK);
  return path;
}

Status NoSync(const std::string& call, const std::string&) {
  return call == "Sync" ? Status::Io("the disk is gone") : Status::Ok();
}

}  // namespace

// ---- damage --------------------------------------------------------------------------------------------------------

TEST(a_condition_that_cannot_be_read_fails_the_batch_and_changes_nothing) {
  const std::string directory = TempDirectory();
  const std::string path = Filled(directory);
  const std::string segment = DamagePages(directory);
  TestDb db;
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  for (const zkdb_op op : {ZKDB_OP_PUT_IF_ABSENT, ZKDB_OP_PUT_IF_PRESENT}) {
    EXPECT_EQ(db.Write(BatchBytes().Add(op, "k7", "new")), ZKDB_CORRUPT);
    EXPECT(db.message().find(segment + ": page ") != std::string::npos);
  }
  EXPECT_EQ(db.Write(BatchBytes().PutIfValue("large", "x", "new")), ZKDB_CORRUPT);
  EXPECT_EQ(db.Stats().failed, 0);
}

// Its pages hold what may be written to: without it nothing may.
TEST(a_write_to_a_partition_whose_free_map_is_damaged_is_refused) {
  const std::string directory = TempDirectory();
  const std::string path = Filled(directory);
  TestDb db;
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  BatchBytes batch;
  for (int i = 0; i < 90; ++i) batch.Delete("k" + std::to_string(i));
  ASSERT_EQ(db.Write(batch.Delete("large")), ZKDB_OK);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  const std::string segment = DamagePages(directory);
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  EXPECT_EQ(db.Put("k1", "new"), ZKDB_CORRUPT);
  EXPECT(db.message().find(segment + ": page ") != std::string::npos);
  EXPECT_EQ(db.Stats().failed, 0);
}

TEST(a_condition_on_a_value_of_which_a_page_is_damaged_fails_the_batch) {
  const std::string directory = TempDirectory();
  const std::string large(9000, 'l');
  const std::string path = Filled(directory, large);
  const std::string segment = directory + "/p0/000.zkd";
  std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const size_t in_value = bytes.find(std::string(1000, 'l'));
  ASSERT(in_value != std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(in_value + 500));
  file << "damage";
  file.close();
  TestDb db;
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  EXPECT_EQ(db.Write(BatchBytes().PutIfValue("large", large, "new")), ZKDB_CORRUPT);
  EXPECT(db.message().find(segment + ": page " + std::to_string(in_value / 4096)) != std::string::npos);
  // A value of another length is another value: it need not be read.
  EXPECT_EQ(db.Write(BatchBytes().PutIfValue("large", "l", "new")), ZKDB_OK);
  EXPECT_EQ(db.result.failed_index, 0);
  EXPECT_EQ(db.Get("k7").value_or(""), std::string(20, 'v'));
}

TEST(verify_all_refuses_a_commit_to_a_tree_with_a_damaged_page) {
  const std::string directory = TempDirectory();
  const std::string path = MakeShape(directory, 1);
  TestDb db;
  ASSERT_EQ(db.Open(path, {{"SegmentSize", "1M"}}), ZKDB_OK);
  BatchBytes batch;
  batch.Put("k0999", "a value of its own");
  for (int i = 0; i < 900; ++i) batch.Put("k" + std::to_string(1000 + i), std::string(100, 'v'));
  ASSERT_EQ(db.Write(batch), ZKDB_OK);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  // The leaf of one key only.
  const std::string segment = directory + "/p0/000.zkd";
  std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const size_t at = bytes.find("a value of its own");
  ASSERT(at != std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(at));
  file << "damage";
  file.close();
  ASSERT_EQ(db.Open(path, {{"VerifyAll", "Yes"}}), ZKDB_OK);
  EXPECT_EQ(db.Put("k1899", "new"), ZKDB_CORRUPT);
  EXPECT(db.message().starts_with("VerifyAll: the commit is refused: "));
  EXPECT(db.message().find(segment + ": page " + std::to_string(at / 4096)) != std::string::npos);
  EXPECT_EQ(db.Get("k1899").value_or(""), std::string(100, 'v'));
  ASSERT_EQ(db.Close(), ZKDB_OK);
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  EXPECT_EQ(db.Put("k1899", "new"), ZKDB_OK);
}

// ---- failed logs and memory ----------------------------------------------------------------------------------------

TEST(a_condition_that_met_a_commit_which_then_failed_has_no_answer) {
  EnvWrapper env(Env::Posix());
  EngineHandle db;
  ASSERT_OK(db.Open(&env, MakeShape(TempDirectory(), 1)));
  CallGate gate("Sync");
  env.SetHook([&gate](const std::string& call, const std::string&) { return gate.Pass(call); });
  std::thread first([&db] {
    WriteResult result;
    const BatchBytes batch = BatchBytes().Put("k", "1");
    EXPECT(!db->Write(Slice(batch.bytes()), ZKDB_DURABILITY_COMMIT, false, &result).ok());
  });
  gate.AwaitCall();
  std::thread second([&db] {
    WriteResult result;
    const BatchBytes batch = BatchBytes().Add(ZKDB_OP_PUT_IF_ABSENT, "k", "2");
    EXPECT_CODE(db->Write(Slice(batch.bytes()), ZKDB_DURABILITY_NONE, false, &result), ZKDB_FAILED);
    EXPECT_EQ(result.sequence, 0u);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  gate.Open(Status::Io("the disk is gone"));
  first.join();
  second.join();
  EXPECT_EQ(db.Get("k"), "");
}

// What is too large for the log's buffer is written while others wait for the log.
TEST(memory_that_runs_out_while_a_large_batch_is_logged_fails_the_database_and_blocks_nobody) {
  EnvWrapper env(Env::Posix());
  const std::string path = MakeShape(TempDirectory(), 1);
  {
    EngineHandle db;
    ASSERT_OK(db.Open(&env, path));
    ASSERT_OK(db.Put("before", "1"));
    env.SetHook([](const std::string& call, const std::string&) {
      if (call == "Write") throw std::bad_alloc();
      return Status::Ok();
    });
    EXPECT(!db.Put("large", std::string(3 << 20, 'l')).ok());
    env.SetHook(nullptr);
    EXPECT_CODE(db.Put("after", "1"), ZKDB_FAILED);
    EXPECT_CODE(db->Sync(), ZKDB_FAILED);
    EXPECT_CODE(db->Checkpoint(), ZKDB_FAILED);
    EXPECT_EQ(db.Get("before"), "1");
    EXPECT_EQ(db.Get("large"), "");
    EXPECT(!db.Close().ok());
  }
  EngineHandle db;
  ASSERT_OK(db.Open(&env, path));
  EXPECT_EQ(db.Get("before"), "1");
  EXPECT_EQ(db.Get("after"), "");
  EXPECT_OK(db.Close());
}

// ---- the thread ----------------------------------------------------------------------------------------------------

TEST(a_partition_that_changed_much_is_checkpointed_though_the_database_did_not) {
  const std::string directory = TempDirectory();
  WriteText(directory + "/test.conf",
            "[main]\nPartitions = low; high\n[low]\nMaxLimit = m\nMinCheckpointSize = 64K\n[high]\nMinLimit = n\n");
  TestDb db;
  ASSERT_EQ(db.Open(directory + "/test.conf"), ZKDB_OK);
  const auto fill = [&db](const std::string& letter) {
    for (int i = 0; i < 300; ++i) ASSERT_EQ(db.Put(letter + std::to_string(i), std::string(500, 'v')), ZKDB_OK);
  };
  fill("z");
  EXPECT_EQ(db.Stats().checkpoints, 0u);
  fill("a");
  EXPECT(Eventually([&db] { return db.Stats().checkpoints > 0; }));
}

TEST(a_changed_database_is_checkpointed_when_its_time_has_come) {
  ClockEnv env(Env::Posix());
  EngineHandle db;
  // Durability interval makes the thread look at the clock often.
  ASSERT_OK(db.Open(&env, MakeShape(TempDirectory(), 1), {{"MinCheckpointTime", "3600"}, {"SyncInterval", "1"}}));
  ASSERT_OK(db.Put("k", "1", ZKDB_DURABILITY_INTERVAL));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(db.Figures().checkpoints, 0u);
  env.ahead_ms = 3600 * 1000;
  EXPECT(Eventually([&db] { return db.Figures().checkpoints == 1; }));
  // Nothing has changed since: nothing is due.
  env.ahead_ms = 3 * 3600 * 1000;
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(db.Figures().checkpoints, 1u);
  EXPECT_OK(db.Close());
}

TEST(a_failed_sync_of_the_interval_is_not_tried_again) {
  EnvWrapper env(Env::Posix());
  EngineHandle db;
  ASSERT_OK(db.Open(&env, MakeShape(TempDirectory(), 1), {{"SyncInterval", "1"}}));
  env.SetHook(NoSync);
  env.ResetCounts();
  static_cast<void>(db.Put("k", "1", ZKDB_DURABILITY_INTERVAL).ok());
  EXPECT(Eventually([&db] { return db.Figures().failed != 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(env.Count("Sync"), 1);
  EXPECT_CODE(db.Put("k", "2", ZKDB_DURABILITY_INTERVAL), ZKDB_FAILED);
  const Status closed = db.Close();
  EXPECT(!closed.ok() && Says(closed, "the disk is gone"));
}

TEST(a_thread_that_syncs_ahead_takes_no_second_log_while_it_is_busy_and_none_after_its_end) {
  EnvWrapper env(Env::Posix());
  LogOptions options;
  options.directory = TempDirectory();
  options.database_id = {1};
  LogSummary summary;
  std::unique_ptr<Log> log;
  ASSERT_OK(Log::Open(
      &env, options, [](const LogRecord&) { return Status::Ok(); }, &summary, &log));
  std::atomic<uint64_t> counter{0};
  const auto append = [&] {
    const Slice payload("a");
    uint64_t sequence = 0;
    EXPECT_OK(log->Append(&counter, &payload, 1, &sequence));
    return sequence;
  };
  CallGate gate("Sync");
  env.SetHook([&gate](const std::string& call, const std::string&) { return gate.Pass(call); });
  SyncAhead ahead;
  ahead.Start(log.get(), append());
  gate.AwaitCall();
  ahead.Start(log.get(), append());
  gate.Open();
  ahead.Finish();
  EXPECT_EQ(log->durable_sequence(), 1u);
  ahead.Start(log.get(), 2);
  ahead.Finish();
  EXPECT_EQ(log->durable_sequence(), 2u);
  ahead.Stop();
  ahead.Start(log.get(), append());
  ahead.Finish();
  EXPECT_EQ(log->durable_sequence(), 2u);
}

}  // namespace zkdb::test
