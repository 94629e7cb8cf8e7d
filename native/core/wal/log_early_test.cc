#include <thread>

#include "core/os/env_wrapper_for_tests.h"
#include "core/wal/log_limits.h"
#include "core/wal/log_test_util.h"

namespace zkdb {

using test::EnvWrapper;
using test::LogFixture;

namespace {

Status AppendEarly(LogFixture* f, const std::string& payload) {
  uint64_t sequence = 0;
  return f->log->AppendEarly(&f->counter, payload, &sequence);
}

}  // namespace

TEST(an_accepted_early_record_is_like_any_other) {
  LogFixture f;
  ASSERT_OK(f.Open());
  ASSERT_OK(AppendEarly(&f, "a"));
  ASSERT_OK(f.log->Sync(1));
  f.log->Accept();
  ASSERT_OK(f.AppendAndSync("b"));
  ASSERT_OK(f.Open());
  EXPECT(f.payloads == (std::vector<std::string>{"a", "b"}));
}

TEST(a_rejected_record_is_not_replayed_whenever_it_is_rejected) {
  for (const int synced : {0, 1, 2}) {
    LogFixture f;
    ASSERT_OK(f.Open());
    ASSERT_OK(f.Append("a"));
    ASSERT_OK(AppendEarly(&f, std::string(30000, 'x')));
    if (synced == 1) ASSERT_OK(f.log->Flush(2));
    if (synced == 2) ASSERT_OK(f.log->Sync(2));
    ASSERT_OK(f.log->Reject());
    EXPECT_EQ(f.log->last_sequence(), 1u);
    EXPECT(f.log->durable_sequence() <= 1);
    LogFixture crashed;
    std::filesystem::remove(crashed.options.directory);
    std::filesystem::copy(f.options.directory, crashed.options.directory);
    ASSERT_OK(crashed.Open());
    EXPECT(crashed.payloads == (std::vector<std::string>{"a"}));
    ASSERT_OK(f.AppendAndSync("c"));
    ASSERT_OK(f.Open());
    EXPECT(f.payloads == (std::vector<std::string>{"a", "c"}));
    EXPECT(f.sequences == (std::vector<uint64_t>{1, 3}));
  }
}

TEST(a_rejected_first_record_of_a_log_or_of_a_file_leaves_nothing) {
  LogFixture f;
  ASSERT_OK(f.Open());
  ASSERT_OK(AppendEarly(&f, "x"));
  ASSERT_OK(f.log->Reject());
  ASSERT_OK(f.Open());
  EXPECT(f.payloads.empty());
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(f.AppendAndSync(std::string(40000, 'a')));
    ASSERT_OK(AppendEarly(&f, std::string(40000, 'x')));
    ASSERT_OK(f.log->Sync(f.counter));
    ASSERT_OK(f.log->Reject());
  }
  ASSERT_OK(f.log->CloseClean());
  ASSERT_OK(f.Open());
  EXPECT(f.summary.clean);
}

TEST(other_threads_append_after_the_verdict_on_an_early_record) {
  for (const bool accept : {false, true}) {
    LogFixture f;
    ASSERT_OK(f.Open());
    ASSERT_OK(AppendEarly(&f, "early"));
    std::atomic<int> appended{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&f, &appended, i] {
        const std::string bytes((i == 0 ? 2 * kLogBufferSize : 10), 'o');
        const Slice payload(bytes);
        uint64_t sequence = 0;
        EXPECT_OK(f.log->Append(&f.counter, &payload, 1, &sequence));
        ++appended;
        EXPECT_OK(f.log->Sync(sequence));
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(appended.load(), 0);
    EXPECT_OK(f.log->Sync(1));
    if (accept) {
      f.log->Accept();
    } else {
      EXPECT_OK(f.log->Reject());
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_OK(f.Open());
    EXPECT_EQ(f.payloads.size(), accept ? 4u : 3u);
  }
}

TEST(a_log_that_cannot_erase_a_rejected_record_has_failed) {
  for (const char* call : {"Write", "Sync"}) {
    EnvWrapper env(Env::Posix());
    LogFixture f(64 << 10, &env);
    ASSERT_OK(f.Open());
    ASSERT_OK(f.AppendAndSync("a"));
    ASSERT_OK(AppendEarly(&f, "x"));
    ASSERT_OK(f.log->Sync(2));
    env.SetHook([&](const std::string& made, const std::string&) {
      return made == call ? Status(ZKDB_IO, "injected") : Status::Ok();
    });
    EXPECT_CODE(f.log->Reject(), ZKDB_FAILED);
    env.SetHook(nullptr);
    EXPECT_CODE(f.Append("b"), ZKDB_FAILED);
  }
}

}  // namespace zkdb
