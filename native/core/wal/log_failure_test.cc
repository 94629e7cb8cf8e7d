// Logs whose directory or files fail while they are opened, and failures of one thread beside calls of another.
#include <cstring>
#include <functional>
#include <thread>

#include "core/os/env_wrapper_for_tests.h"
#include "core/wal/log_limits.h"
#include "core/wal/log_test_util.h"

namespace zkdb {

using test::CallGate;
using test::EnvWrapper;
using test::Image;
using test::kSmallFile;
using test::LogFixture;
using test::PayloadOf;

namespace {

// A log of several small files that nothing was synced of.
Image UnsyncedLog(uint64_t records) {
  LogFixture f(kSmallFile);
  EXPECT_OK(f.Open());
  for (uint64_t i = 1; i <= records; ++i) EXPECT_OK(f.Append(PayloadOf(i)));
  EXPECT_OK(f.log->Flush(records));
  f.log.reset();
  return TakeImage(f);
}

void Blank(Image* image, uint64_t file, uint64_t offset, uint64_t size) {
  std::memset((*image)[LogFileName(file)].data() + offset, 0, size);
}

// What recovery can meet: whole files, a torn file in the middle, a first file without a header, a clean close that
// was interrupted, spares.
std::vector<Image> Images() {
  const Image whole = UnsyncedLog(30);
  EXPECT(whole.size() >= 4);
  Image torn = whole;
  Blank(&torn, 2, kLogHeaderSize, kSmallFile - kLogHeaderSize);
  Image headless = whole;
  Blank(&headless, 1, 0, kLogHeaderSize);
  LogFixture closed(kSmallFile);
  PutImage(&closed, whole);
  EXPECT_OK(closed.Open());
  EXPECT_OK(closed.log->CloseClean());
  Image clean = whole;
  clean.merge(TakeImage(closed));
  clean[SpareFileName(77)] = "a spare";
  return {whole, torn, headless, clean};
}

// Fails call number `at` with `failure`; counts the calls.
struct FailAt {
  uint64_t at;
  Status failure;
  uint64_t calls = 0;
  Status operator()(const std::string&, const std::string&) { return calls++ == at ? failure : Status::Ok(); }
};

void ExpectContinues(LogFixture* f) {
  const std::vector<std::string> before = f->payloads;
  ASSERT_OK(f->AppendAndSync("more"));
  ASSERT_OK(f->Open());
  ASSERT_EQ(f->payloads.size(), before.size() + 1);
  EXPECT(std::equal(before.begin(), before.end(), f->payloads.begin()));
}

LogFileHeader HeaderOf(const std::string& bytes) {
  LogFileHeader header;
  bool intact = false;
  EXPECT_OK(DecodeLogFileHeader("log", Slice(bytes).Sub(0, kLogHeaderSize), &header, &intact));
  EXPECT(intact);
  return header;
}

bool Says(const Status& status, const std::string& text) { return status.message().find(text) != std::string::npos; }

}  // namespace

// ---- opening -------------------------------------------------------------------------------------------------------

TEST(whichever_call_fails_while_a_log_is_opened_the_next_open_finds_the_same) {
  for (const Image& image : Images()) {
    EnvWrapper env(Env::Posix());
    LogFixture f(kSmallFile, &env);
    PutImage(&f, image);
    ASSERT_OK(f.Open());
    const std::vector<std::string> expected = f.payloads;
    const std::vector<std::string> names = f.Names();
    uint64_t failed = 0;
    for (uint64_t at = 0;; ++at) {
      PutImage(&f, image);
      FailAt fail{at, Status::Io("call number " + std::to_string(at))};
      env.SetHook(std::ref(fail));
      const Status status = f.Open();
      env.SetHook(nullptr);
      if (fail.calls <= at) break;
      ++failed;
      EXPECT_CODE(status, ZKDB_IO);
      EXPECT(Says(status, fail.failure.message()));
      ASSERT_OK(f.Open());
      EXPECT(f.payloads == expected);
      EXPECT(f.Names() == names);
      if (at % 3 == 0) ExpectContinues(&f);
    }
    EXPECT(failed >= 3);
  }
}

// They were not there when the next file was begun: a disk gave older bytes then.
TEST(records_that_come_back_after_the_log_went_on_without_them_are_not_replayed) {
  LogFixture f(kSmallFile);
  Image image = UnsyncedLog(30);
  const std::string first = image[LogFileName(1)];
  PutImage(&f, {{LogFileName(1), first}});
  ASSERT_OK(f.Open());
  const uint64_t in_first = f.counter;
  ASSERT(in_first > 3);
  uint64_t last = kLogHeaderSize;
  for (uint64_t i = 1; i < in_first; ++i) last += RecordSpace(PayloadOf(i).size());
  Image torn = {{LogFileName(1), first}};
  Blank(&torn, 1, last, kSmallFile - last);
  PutImage(&f, torn);
  ASSERT_OK(f.Open());
  ASSERT_EQ(f.counter.load(), in_first - 1);
  f.counter = in_first;
  ASSERT_OK(f.AppendAndSync("instead"));
  f.log.reset();
  test::WriteAll(f.PathOf(LogFileName(1)), first);
  ASSERT_OK(f.Open());
  ASSERT_EQ(f.payloads.size(), in_first);
  EXPECT_EQ(f.payloads.back(), "instead");
  EXPECT_EQ(f.sequences.back(), in_first + 1);
  EXPECT_EQ(f.sequences[in_first - 2], in_first - 1);
}

TEST(a_record_that_does_not_follow_the_one_before_it_is_damage) {
  LogFixture f;
  ASSERT_OK(f.Open());
  for (const char* payload : {"one", "two", "six"}) ASSERT_OK(f.AppendAndSync(payload));
  f.log.reset();
  const std::string path = f.PathOf(LogFileName(1));
  std::string bytes = test::ReadAll(path);
  const uint64_t space = RecordSpace(3);
  std::memmove(bytes.data() + kLogHeaderSize + space, bytes.data() + kLogHeaderSize + 2 * space, space);
  test::WriteAll(path, bytes);
  const Status status = f.Open();
  EXPECT_CODE(status, ZKDB_CORRUPT);
  EXPECT(Says(status, path + "' offset " + std::to_string(kLogHeaderSize + space) + ": record 3 follows 2, not 1"));
}

TEST(a_file_that_begins_before_the_one_before_it_is_damage) {
  LogFixture f(kSmallFile);
  Image image = UnsyncedLog(30);
  std::string& third = image[LogFileName(3)];
  LogFileHeader header = HeaderOf(third);
  const uint64_t second_begins = HeaderOf(image[LogFileName(2)]).previous_sequence;
  header.previous_sequence = second_begins - 1;
  EncodeLogFileHeader(header, reinterpret_cast<uint8_t*>(third.data()));
  PutImage(&f, image);
  const Status status = f.Open();
  EXPECT_CODE(status, ZKDB_CORRUPT);
  EXPECT(Says(status, LogFileName(3) + "' continues sequence " + std::to_string(second_begins - 1)));
  EXPECT(Says(status, "begins after " + std::to_string(second_begins)));
}

// ---- closing and recycling -----------------------------------------------------------------------------------------

TEST(a_clean_close_of_a_log_without_records_removes_what_a_crash_left) {
  for (const bool fails : {false, true}) {
    EnvWrapper env(Env::Posix());
    LogFixture f(kSmallFile, &env);
    PutImage(&f, {{SpareFileName(3), "a spare"}});
    ASSERT_OK(f.Open());
    env.SetHook([fails](const std::string& call, const std::string&) {
      return fails && call == "Remove" ? Status::Io("it cannot be removed") : Status::Ok();
    });
    const Status closed = f.log->CloseClean();
    env.SetHook(nullptr);
    EXPECT_CODE(closed, fails ? ZKDB_IO : ZKDB_OK);
    EXPECT_EQ(f.Names().size(), fails ? 2u : 1u);
    ASSERT_OK(f.Open());
    EXPECT(f.summary.clean);
    ExpectContinues(&f);
    ASSERT_OK(f.log->CloseClean());
    EXPECT_EQ(f.Names().size(), 1u);
  }
}

TEST(what_the_partitions_have_reached_is_on_disk_before_a_file_goes) {
  LogFixture f(16 << 10);
  ASSERT_OK(f.Open());
  f.log->SetPartitions({{7, 0}});
  for (int i = 0; i < 3; ++i) ASSERT_OK(f.AppendAndSync(std::string(6000, 'x')));
  EXPECT_EQ(f.log->file_count(), 3u);
  f.log->SetPartitions({{8, 0}});
  ASSERT_OK(f.log->Recycle(1));
  EXPECT_EQ(f.log->file_count(), 3u);
  f.log->SetPartitions({{8, 2}});
  ASSERT_OK(f.log->Recycle(2));
  ASSERT_OK(f.Open());
  ASSERT_EQ(f.summary.partitions.size(), 2u);
  EXPECT_EQ(f.summary.partitions[1].uid, 8u);
  EXPECT_EQ(f.summary.partitions[1].checkpoint_sequence, 2u);
}

TEST(recycling_gives_the_failure_of_the_records_that_wait_to_be_written) {
  EnvWrapper env(Env::Posix());
  LogFixture f(16 << 10, &env);
  ASSERT_OK(f.Open());
  for (int i = 0; i < 2; ++i) ASSERT_OK(f.AppendAndSync(std::string(6000, 'x')));
  ASSERT_OK(f.Append("waits"));
  f.log->SetPartitions({{7, 1}});
  env.SetHook([](const std::string& call, const std::string&) {
    return call == "Write" ? Status::Io("the disk is gone") : Status::Ok();
  });
  const Status status = f.log->Recycle(1);
  env.SetHook(nullptr);
  EXPECT_CODE(status, ZKDB_FAILED);
  EXPECT(Says(status, "the disk is gone"));
  EXPECT_EQ(f.log->file_count(), 2u);
  ASSERT_OK(f.Open());
  EXPECT_EQ(f.payloads.size(), 2u);
}

// ---- beside calls of other threads ---------------------------------------------------------------------------------

TEST(a_clean_close_waits_for_a_write_or_sync_that_is_under_way) {
  for (const char* call : {"Write", "Sync"}) {
    EnvWrapper env(Env::Posix());
    CallGate gate(call);
    env.SetHook([&gate](const std::string& made, const std::string&) { return gate.Pass(made); });
    LogFixture f(64 << 10, &env);
    ASSERT_OK(f.Open());
    ASSERT_OK(f.Append("a"));
    std::thread writer([&f] { EXPECT_OK(f.log->Sync(1)); });
    gate.AwaitCall();
    std::atomic<bool> closed{false};
    std::thread closer([&f, &closed] {
      EXPECT_OK(f.log->CloseClean());
      closed = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT(!closed.load());
    gate.Open();
    writer.join();
    closer.join();
    ASSERT_OK(f.Open());
    EXPECT(f.summary.clean);
    EXPECT_EQ(f.summary.last_sequence, 1u);
  }
}

TEST(a_record_is_taken_back_only_after_a_write_or_sync_that_is_under_way) {
  for (const char* call : {"Write", "Sync"}) {
    EnvWrapper env(Env::Posix());
    LogFixture f(64 << 10, &env);
    ASSERT_OK(f.Open());
    ASSERT_OK(f.AppendAndSync("a"));
    CallGate gate(call);
    env.SetHook([&gate](const std::string& made, const std::string&) { return gate.Pass(made); });
    uint64_t sequence = 0;
    ASSERT_OK(f.log->AppendEarly(&f.counter, "early", &sequence));
    std::thread writer([&f] { static_cast<void>(f.log->Sync(2).ok()); });
    gate.AwaitCall();
    std::atomic<bool> rejected{false};
    std::thread rejecter([&f, &rejected] {
      EXPECT_OK(f.log->Reject());
      rejected = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT(!rejected.load());
    gate.Open();
    writer.join();
    rejecter.join();
    ASSERT_OK(f.AppendAndSync("b"));
    ASSERT_OK(f.Open());
    EXPECT(f.payloads == (std::vector<std::string>{"a", "b"}));
  }
}

TEST(recycling_meets_the_failure_of_a_sync_that_is_under_way) {
  EnvWrapper env(Env::Posix());
  LogFixture f(16 << 10, &env);
  ASSERT_OK(f.Open());
  for (int i = 0; i < 2; ++i) ASSERT_OK(f.AppendAndSync(std::string(6000, 'x')));
  ASSERT_OK(f.Append("a"));
  CallGate gate("Sync");
  env.SetHook([&gate](const std::string& made, const std::string&) { return gate.Pass(made); });
  std::thread syncer([&f] { EXPECT_CODE(f.log->Sync(3), ZKDB_FAILED); });
  gate.AwaitCall();
  f.log->SetPartitions({{7, 1}});
  std::thread recycler([&f] { EXPECT_CODE(f.log->Recycle(1), ZKDB_FAILED); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  gate.Open(Status::Io("the disk is gone"));
  syncer.join();
  recycler.join();
  EXPECT_EQ(f.Names().size(), 3u);
}

TEST(the_first_of_two_failures_is_the_cause_that_every_call_gives) {
  EnvWrapper env(Env::Posix());
  LogFixture f(64 << 10, &env);
  ASSERT_OK(f.Open());
  ASSERT_OK(f.Append("a"));
  CallGate gate("Sync");
  std::atomic<bool> writes_fail{false};
  env.SetHook([&](const std::string& made, const std::string&) {
    if (made == "Write" && writes_fail) return Status::Io("first");
    return gate.Pass(made);
  });
  std::thread syncer([&f] {
    const Status status = f.log->Sync(1);
    EXPECT_CODE(status, ZKDB_FAILED);
    EXPECT(Says(status, "first") && !Says(status, "second"));
  });
  gate.AwaitCall();
  writes_fail = true;
  ASSERT_OK(f.Append("b"));
  EXPECT_CODE(f.log->Flush(2), ZKDB_FAILED);
  gate.Open(Status::Io("second"));
  syncer.join();
  EXPECT(Says(f.Append("c"), "first"));
  uint64_t sequence = 0;
  const Status early = f.log->AppendEarly(&f.counter, "d", &sequence);
  EXPECT_CODE(early, ZKDB_FAILED);
  EXPECT(Says(early, "first"));
}

// ---- memory --------------------------------------------------------------------------------------------------------

// A failing call of the system needs memory for its message, and there may be none.
TEST(memory_that_runs_out_in_a_call_of_the_system_fails_the_log_and_blocks_nobody) {
  for (const char* call : {"Write", "Sync", "SyncDirectory"}) {
    EnvWrapper env(Env::Posix());
    LogFixture f(64 << 10, &env);
    ASSERT_OK(f.Open());
    ASSERT_OK(f.Append("a"));
    env.SetHook([call](const std::string& made, const std::string&) {
      if (made == call) throw std::bad_alloc();
      return Status::Ok();
    });
    const Status status = f.log->Sync(1);
    EXPECT(status.code() == ZKDB_NO_MEMORY || status.code() == ZKDB_FAILED);
    env.SetHook(nullptr);
    for (const Status& later :
         {f.Append("b"), f.log->Sync(1), f.log->Flush(1), f.log->Recycle(1), f.log->Reject(), f.log->CloseClean()}) {
      EXPECT_CODE(later, ZKDB_FAILED);
    }
    EXPECT_EQ(f.log->durable_sequence(), 0u);
  }
}

namespace {

// Calls of every kind, over small files, that go on after a failure as other threads would. Returns what the clean
// close at the end gave.
Status CallEverything(LogFixture* f) {
  Status last;
  const auto call = [&last](const std::function<Status()>& run) {
    try {
      last = run();
    } catch (const std::bad_alloc&) {
      last = Status::NoMemory();  // as the engine does
    }
  };
  uint64_t sequence = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 6; ++i) call([&] { return f->Append(std::string(100, 'a')); });
    call([&] { return f->log->Sync(f->log->last_sequence()); });
    call([&] { return f->Append(std::string(kLogBufferSize + 1, 'b')); });
    call([&] { return f->log->Flush(f->log->last_sequence()); });
    call([&] {
      ZKDB_RETURN_IF_ERROR(f->log->AppendEarly(&f->counter, "early", &sequence));
      return f->log->Reject();
    });
    const uint64_t durable = f->log->durable_sequence();
    f->log->SetPartitions({{7, durable}});
    call([&] { return f->log->Recycle(durable); });
  }
  f->log->SetPartitions({{7, f->log->last_sequence()}});
  call([&] { return f->log->CloseClean(); });
  return last;
}

}  // namespace

// Whatever the call is: nobody waits for ever, and what was to be written or synced counts as lost.
TEST(memory_that_runs_out_in_any_call_of_the_system_blocks_nobody) {
  for (uint64_t at = 0;; ++at) {
    EnvWrapper env(Env::Posix());
    LogFixture f(kSmallFile, &env);
    ASSERT_OK(f.Open());
    uint64_t calls = 0;
    std::string failed;
    env.SetHook([&](const std::string& call, const std::string&) {
      if (calls++ != at) return Status::Ok();
      failed = call;
      throw std::bad_alloc();
    });
    const Status closed = CallEverything(&f);
    if (failed.empty()) {
      EXPECT_OK(closed);
      break;
    }
    const bool lost = failed == "Write" || failed == "Sync" || failed == "SyncDirectory";
    if (lost && closed.ok())
      test::Fail(__FILE__, __LINE__, failed + ", call " + std::to_string(at) + ", had no effect");
    env.SetHook(nullptr);
    EXPECT_OK(f.Open());
  }
}

TEST(memory_that_runs_out_while_a_record_is_taken_back_fails_the_log_and_blocks_nobody) {
  for (const char* call : {"Write", "Sync"}) {
    EnvWrapper env(Env::Posix());
    LogFixture f(64 << 10, &env);
    ASSERT_OK(f.Open());
    ASSERT_OK(f.AppendAndSync("a"));
    uint64_t sequence = 0;
    ASSERT_OK(f.log->AppendEarly(&f.counter, "early", &sequence));
    ASSERT_OK(f.log->Sync(2));
    env.SetHook([call](const std::string& made, const std::string&) {
      if (made == call) throw std::bad_alloc();
      return Status::Ok();
    });
    EXPECT_CODE(f.log->Reject(), ZKDB_FAILED);
    env.SetHook(nullptr);
    EXPECT_CODE(f.Append("b"), ZKDB_FAILED);
    EXPECT_CODE(f.log->CloseClean(), ZKDB_FAILED);
  }
}

}  // namespace zkdb
