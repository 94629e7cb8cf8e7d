#include "core/wal/log.h"

#include "core/os/env_wrapper_for_tests.h"
#include "core/wal/log_test_util.h"

namespace zkdb {

using test::EnvWrapper;
using test::LogFixture;
using test::PayloadOf;

namespace {

std::string Bytes(size_t n, uint64_t seed) {
  std::string out(n, ' ');
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<char>((i * 31 + seed) >> (i % 7));
  return out;
}

bool HoldsFirst(const LogFixture& f, uint64_t n) {
  if (f.payloads.size() != n) return false;
  for (uint64_t i = 0; i < n; ++i) {
    if (f.sequences[i] != i + 1 || f.payloads[i] != PayloadOf(i + 1)) return false;
  }
  return true;
}

void AppendNumbered(LogFixture* f, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) ASSERT_OK(f->Append(PayloadOf(f->counter + 1)));
}

}  // namespace

TEST(an_empty_log_makes_no_file_before_the_first_append) {
  LogFixture f;
  ASSERT_OK(f.Open());
  EXPECT_EQ(f.summary.last_sequence, 0u);
  EXPECT(f.Names().empty());
  ASSERT_OK(f.Append("a"));
  EXPECT_EQ(f.Names().size(), 1u);
}

TEST(records_come_back_in_order_after_reopening) {
  LogFixture f;
  ASSERT_OK(f.Open());
  AppendNumbered(&f, 1000);
  ASSERT_OK(f.log->Sync(1000));
  EXPECT_EQ(f.log->durable_sequence(), 1000u);
  ASSERT_OK(f.Open());
  EXPECT(HoldsFirst(f, 1000));
  EXPECT_EQ(f.summary.records, 1000u);
  EXPECT(!f.summary.clean);
  AppendNumbered(&f, 500);
  ASSERT_OK(f.log->Flush(1500));
  ASSERT_OK(f.Open());
  EXPECT(HoldsFirst(f, 1500));
  EXPECT(f.log->bytes_since_recycle() > 0);
}

TEST(records_that_were_not_flushed_are_lost_with_the_log) {
  LogFixture f;
  ASSERT_OK(f.Open());
  AppendNumbered(&f, 10);
  ASSERT_OK(f.log->Flush(10));
  AppendNumbered(&f, 10);
  ASSERT_OK(f.Open());
  EXPECT(HoldsFirst(f, 10));
}

TEST(records_of_every_size_survive_whole) {
  LogFixture f(4 << 20);
  const std::vector<size_t> sizes = {0, 1, 7, 8, 4096, (1 << 20) - 40, 1 << 20, (1 << 20) + 1, 8 << 20, 3, 5 << 20, 0};
  ASSERT_OK(f.Open());
  for (size_t i = 0; i < sizes.size(); ++i) ASSERT_OK(f.Append(Bytes(sizes[i], i)));
  ASSERT_OK(f.log->Sync(f.counter));
  ASSERT_OK(f.Open());
  ASSERT_EQ(f.payloads.size(), sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) EXPECT(f.payloads[i] == Bytes(sizes[i], i));
}

TEST(a_record_may_come_in_many_parts) {
  LogFixture f(4 << 20);
  ASSERT_OK(f.Open());
  const std::string big = Bytes(2 << 20, 1);
  const std::vector<Slice> small = {"a", "", "bc", "def"};
  const std::vector<Slice> large = {"head", "", big, "tail"};
  uint64_t sequence = 0;
  ASSERT_OK(f.log->Append(&f.counter, small.data(), small.size(), &sequence));
  EXPECT_EQ(sequence, 1u);
  ASSERT_OK(f.log->Append(&f.counter, large.data(), large.size(), &sequence));
  EXPECT_EQ(sequence, 2u);
  ASSERT_OK(f.log->Flush(2));
  ASSERT_OK(f.Open());
  ASSERT_EQ(f.payloads.size(), 2u);
  EXPECT_EQ(f.payloads[0], "abcdef");
  EXPECT(f.payloads[1] == "head" + big + "tail");
}

TEST(a_record_beyond_the_largest_size_is_refused) {
  LogFixture f;
  ASSERT_OK(f.Open());
  const uint8_t byte = 0;
  const Slice huge(&byte, size_t{1} << 31);
  uint64_t sequence = 0;
  EXPECT_CODE(f.log->Append(&f.counter, &huge, 1, &sequence), ZKDB_BATCH_TOO_LARGE);
  EXPECT_EQ(f.counter.load(), 0u);
}

TEST(recycled_files_never_bring_old_records_back) {
  LogFixture f(16 << 10);
  ASSERT_OK(f.Open());
  uint64_t recycled = 0;
  for (int round = 0; round < 30; ++round) {
    const uint64_t before = f.counter;
    for (int i = 0; i < 40 + round; ++i) ASSERT_OK(f.AppendAndSync(PayloadOf(f.counter + 1)));
    if (round % 3 == 2) {
      ASSERT_OK(f.Open());
      ASSERT(!f.sequences.empty());
      EXPECT(f.sequences.front() <= recycled + 1);
      EXPECT_EQ(f.sequences.back(), f.counter.load());
      for (size_t i = 0; i < f.sequences.size(); ++i) EXPECT_EQ(f.payloads[i], PayloadOf(f.sequences[i]));
    }
    ASSERT_OK(f.log->Recycle(before));
    recycled = before;
    EXPECT(f.log->file_count() <= 5);
  }
  size_t spares = 0;
  for (const std::string& name : f.Names()) spares += name.find("spare") != std::string::npos;
  EXPECT(spares >= 1 && spares <= 4);
}

TEST(recycling_everything_keeps_the_last_file_and_begins_a_new_one_when_it_is_half_full) {
  LogFixture f(16 << 10);
  ASSERT_OK(f.Open());
  ASSERT_OK(f.AppendAndSync(Bytes(6000, 0)));
  ASSERT_OK(f.log->Recycle(1));
  EXPECT_EQ(f.log->file_count(), 1u);
  EXPECT_EQ(f.log->bytes_since_recycle(), 0u);
  ASSERT_OK(f.AppendAndSync("x"));
  EXPECT_EQ(f.log->file_count(), 2u);
  ASSERT_OK(f.log->Recycle(2));
  EXPECT_EQ(f.log->file_count(), 1u);
  ASSERT_OK(f.Open());
  EXPECT_EQ(f.summary.first_previous, 1u);
  EXPECT_EQ(f.summary.last_sequence, 2u);
}

TEST(partitions_are_reported_as_the_headers_say) {
  LogFixture f(16 << 10);
  ASSERT_OK(f.Open());
  f.log->SetPartitions({{7, 70}, {8, 80}});
  ASSERT_OK(f.AppendAndSync("x"));
  f.log->SetPartitions({{7, 71}});
  ASSERT_OK(f.Open());
  ASSERT_EQ(f.summary.partitions.size(), 2u);
  EXPECT_EQ(f.summary.partitions[1].uid, 8u);
  EXPECT_EQ(f.summary.partitions[1].checkpoint_sequence, 80u);
}

TEST(a_clean_close_leaves_one_small_file_and_the_next_open_reads_only_its_header) {
  EnvWrapper env(Env::Posix());
  LogFixture f(64 << 10, &env);
  ASSERT_OK(f.Open());
  for (int i = 0; i < 3000; ++i) ASSERT_OK(f.Append(PayloadOf(f.counter + 1)));
  ASSERT_OK(f.log->Sync(3000));
  ASSERT_OK(f.log->Recycle(1500));
  f.log->SetPartitions({{1, 3000}});
  ASSERT_OK(f.log->CloseClean());
  EXPECT_CODE(f.Append("late"), ZKDB_CLOSED);
  ASSERT_EQ(f.Names().size(), 1u);
  EXPECT_EQ(std::filesystem::file_size(f.PathOf(f.Names()[0])), 8192u);
  env.ResetCounts();
  env.bytes_read = 0;
  ASSERT_OK(f.Open());
  EXPECT(f.summary.clean);
  EXPECT_EQ(f.summary.last_sequence, 3000u);
  EXPECT_EQ(f.summary.records, 0u);
  ASSERT_EQ(f.summary.partitions.size(), 1u);
  EXPECT_EQ(env.bytes_read.load(), 8192u);
  EXPECT_EQ(env.Total(), 4);  // List, Open, Size, Read
  ASSERT_OK(f.log->CloseClean());
  EXPECT_EQ(env.Total(), 4);
}

TEST(the_first_commit_after_a_clean_close_needs_no_new_name) {
  EnvWrapper env(Env::Posix());
  LogFixture f(64 << 10, &env);
  ASSERT_OK(f.Open());
  ASSERT_OK(f.AppendAndSync(PayloadOf(1)));
  ASSERT_OK(f.log->CloseClean());
  ASSERT_OK(f.Open());
  env.ResetCounts();
  ASSERT_OK(f.AppendAndSync(PayloadOf(2)));
  EXPECT_EQ(env.Total(), 4);  // Open, Allocate, Write, Sync
  EXPECT_EQ(env.Count("SyncDirectory"), 0);
  ASSERT_OK(f.Open());
  EXPECT(!f.summary.clean);
  EXPECT_EQ(f.summary.first_previous, 1u);
  ASSERT_EQ(f.payloads.size(), 1u);
  EXPECT_EQ(f.payloads[0], PayloadOf(2));
  ASSERT_OK(f.AppendAndSync(PayloadOf(3)));
  ASSERT_OK(f.log->CloseClean());
  ASSERT_OK(f.Open());
  EXPECT(f.summary.clean);
  EXPECT_EQ(f.summary.last_sequence, 3u);
}

TEST(a_first_record_too_large_for_the_clean_file_goes_to_a_file_of_its_own) {
  LogFixture f(16 << 10);
  ASSERT_OK(f.Open());
  ASSERT_OK(f.log->CloseClean());
  ASSERT_OK(f.Open());
  EXPECT(f.summary.clean);
  const std::string big = Bytes(100000, 3);
  ASSERT_OK(f.AppendAndSync(big));
  ASSERT_OK(f.Open());
  ASSERT_EQ(f.payloads.size(), 1u);
  EXPECT(f.payloads[0] == big);
  ASSERT_OK(f.AppendAndSync("x"));
  ASSERT_OK(f.log->Recycle(1));
  ASSERT_OK(f.Open());
  EXPECT_EQ(f.summary.first_previous, 1u);
}

TEST(a_full_disk_refuses_an_append_and_changes_nothing) {
  EnvWrapper env(Env::Posix());
  LogFixture f(16 << 10, &env);
  ASSERT_OK(f.Open());
  ASSERT_OK(f.AppendAndSync(PayloadOf(1)));
  env.SetHook([](const std::string& call, const std::string&) {
    return call == "Allocate" ? Status::NoSpace("the disk is full") : Status::Ok();
  });
  const std::vector<std::string> names = f.Names();
  const std::string big = Bytes(20000, 0);
  EXPECT_CODE(f.Append(big), ZKDB_NO_SPACE);
  EXPECT_EQ(f.counter.load(), 1u);
  EXPECT(f.Names() == names);
  ASSERT_OK(f.AppendAndSync(PayloadOf(2)));
  EXPECT_CODE(f.log->CloseClean(), ZKDB_NO_SPACE);
  ASSERT_OK(f.AppendAndSync(PayloadOf(3)));
  env.SetHook(nullptr);
  ASSERT_OK(f.AppendAndSync(big));
  ASSERT_OK(f.Open());
  EXPECT_EQ(f.payloads.size(), 4u);
}

TEST(a_full_disk_leaves_a_spare_and_a_clean_file_as_they_were) {
  EnvWrapper env(Env::Posix());
  LogFixture f(16 << 10, &env);
  ASSERT_OK(f.Open());
  ASSERT_OK(f.AppendAndSync(Bytes(7000, 0)));
  ASSERT_OK(f.AppendAndSync(Bytes(7000, 1)));
  ASSERT_OK(f.log->Recycle(1));
  const std::vector<std::string> names = f.Names();
  const auto full = [](const std::string& call, const std::string&) {
    return call == "Allocate" ? Status::NoSpace("the disk is full") : Status::Ok();
  };
  env.SetHook(full);
  EXPECT_CODE(f.Append(Bytes(7000, 2)), ZKDB_NO_SPACE);
  EXPECT(f.Names() == names);
  env.SetHook(nullptr);
  ASSERT_OK(f.AppendAndSync(Bytes(7000, 2)));
  ASSERT_OK(f.log->CloseClean());
  ASSERT_OK(f.Open());
  env.SetHook(full);
  EXPECT_CODE(f.Append("x"), ZKDB_NO_SPACE);
  env.SetHook(nullptr);
  ASSERT_OK(f.AppendAndSync("x"));
  EXPECT_EQ(f.counter.load(), 4u);
}

TEST(a_failed_write_or_sync_refuses_everything_until_reopened) {
  for (const std::string call : {"Sync", "Write", "SyncDirectory"}) {
    EnvWrapper env(Env::Posix());
    LogFixture f(16 << 10, &env);
    ASSERT_OK(f.Open());
    int failures = 1;
    env.SetHook([&](const std::string& name, const std::string&) {
      return name == call && failures-- == 1 ? Status::Io("the first cause") : Status::Ok();
    });
    ASSERT_OK(f.Append(PayloadOf(1)));
    EXPECT_CODE(f.log->Sync(1), ZKDB_FAILED);
    for (const Status& status :
         {f.Append("x"), f.log->Sync(1), f.log->Flush(1), f.log->Recycle(1), f.log->CloseClean()}) {
      EXPECT_CODE(status, ZKDB_FAILED);
      EXPECT(status.message().find("the first cause") != std::string::npos);
    }
    EXPECT_EQ(f.log->durable_sequence(), 0u);
    env.SetHook(nullptr);
    ASSERT_OK(f.Open());
    EXPECT(f.payloads.size() <= 1);
    ASSERT_OK(f.AppendAndSync("y"));
  }
}

TEST(the_database_id_is_found_and_another_one_is_refused) {
  LogFixture f;
  DatabaseId id{};
  bool found = true;
  ASSERT_OK(Log::ReadDatabaseId(f.env, f.options.directory, &id, &found));
  EXPECT(!found);
  ASSERT_OK(f.Open());
  ASSERT_OK(f.AppendAndSync("x"));
  ASSERT_OK(Log::ReadDatabaseId(f.env, f.options.directory, &id, &found));
  EXPECT(found && id == f.options.database_id);
  f.options.database_id[3] = 9;
  EXPECT_CODE(f.Open(), ZKDB_MISMATCH);
}

TEST(a_failure_of_the_replay_is_what_open_gives) {
  LogFixture f;
  ASSERT_OK(f.Open());
  ASSERT_OK(f.AppendAndSync("x"));
  f.log.reset();
  const auto replay = [](const LogRecord&) { return Status(ZKDB_ABORTED, "enough"); };
  EXPECT_CODE(Log::Open(f.env, f.options, replay, &f.summary, &f.log), ZKDB_ABORTED);
}

TEST(memory_stays_bounded_while_nobody_flushes) {
  LogFixture f(1 << 20);
  ASSERT_OK(f.Open());
  for (int i = 0; i < 20000; ++i) ASSERT_OK(f.Append(Bytes(500, 1)));
  EXPECT(f.log->memory_bytes() < (6u << 20));
  ASSERT_OK(f.log->Sync(f.counter));
  ASSERT_OK(f.log->Recycle(f.counter));
  ASSERT_OK(f.Open());
  EXPECT_EQ(f.summary.last_sequence, 20000u);
}

}  // namespace zkdb
