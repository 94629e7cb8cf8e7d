// Many threads on one log.
#include <algorithm>
#include <chrono>
#include <thread>

#include "core/os/env_wrapper_for_tests.h"
#include "core/wal/log_test_util.h"

namespace zkdb {

using test::EnvWrapper;
using test::LogFixture;

namespace {

// Runs `body(i)` in `n` threads and waits for them.
template <typename Body>
void InThreads(size_t n, Body body) {
  std::vector<std::thread> threads;
  for (size_t i = 0; i < n; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

// Appends records "thread:i" and gives `commit` each sequence.
template <typename Commit>
void AppendFrom(LogFixture* f, size_t thread, int count, Commit commit) {
  uint64_t before = 0;
  for (int i = 0; i < count; ++i) {
    const std::string text = std::to_string(thread) + ":" + std::to_string(i);
    const Slice payload(text);
    uint64_t sequence = 0;
    ASSERT_OK(f->log->Append(&f->counter, &payload, 1, &sequence));
    EXPECT(sequence > before);
    before = sequence;
    commit(sequence, i);
  }
}

}  // namespace

TEST(threads_that_commit_at_once_share_syncs_and_lose_nothing) {
  constexpr size_t kThreads = 4;
  constexpr int kCommits = 150;
  EnvWrapper env(Env::Posix());
  env.SetHook([](const std::string& call, const std::string&) {
    if (call == "Sync") std::this_thread::sleep_for(std::chrono::microseconds(300));
    return Status::Ok();
  });
  LogFixture f(64 << 10, &env);
  ASSERT_OK(f.Open());
  InThreads(kThreads, [&](size_t thread) {
    AppendFrom(&f, thread, kCommits, [&](uint64_t sequence, int) {
      EXPECT_OK(f.log->Sync(sequence));
      EXPECT(f.log->durable_sequence() >= sequence);
    });
  });
  EXPECT(f.log->sync_count() < kThreads * kCommits * 3 / 4);
  ASSERT_OK(f.Open());
  EXPECT_EQ(f.payloads.size(), kThreads * kCommits);
  for (size_t i = 0; i < f.sequences.size(); ++i) EXPECT_EQ(f.sequences[i], i + 1);
  std::sort(f.payloads.begin(), f.payloads.end());
  EXPECT(std::unique(f.payloads.begin(), f.payloads.end()) == f.payloads.end());
}

TEST(appends_flushes_syncs_and_recycling_run_side_by_side) {
  LogFixture f(32 << 10);
  ASSERT_OK(f.Open());
  std::atomic<bool> done{false};
  std::thread recycler([&] {
    while (!done) {
      const uint64_t held = f.log->durable_sequence() / 2;
      f.log->SetPartitions({{1, held}});
      EXPECT_OK(f.log->Recycle(held));
      EXPECT(f.log->file_count() + f.log->memory_bytes() + f.log->bytes_since_recycle() > 0);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  InThreads(3, [&](size_t thread) {
    AppendFrom(&f, thread, 1500, [&](uint64_t sequence, int i) {
      if (thread == 0 && i % 5 == 0) EXPECT_OK(f.log->Sync(sequence));
      if (thread == 1 && i % 3 == 0) EXPECT_OK(f.log->Flush(sequence));
    });
    const std::string large(3 << 20, static_cast<char>('a' + thread));
    const Slice payload(large);
    uint64_t sequence = 0;
    EXPECT_OK(f.log->Append(&f.counter, &payload, 1, &sequence));
  });
  done = true;
  recycler.join();
  ASSERT_OK(f.log->Sync(f.counter));
  const uint64_t last = f.counter;
  ASSERT_OK(f.Open());
  EXPECT_EQ(f.summary.last_sequence, last);
  EXPECT_EQ(f.sequences.size(), last - f.summary.first_previous);
}

TEST(a_failed_sync_reaches_every_thread_that_waits_for_it) {
  EnvWrapper env(Env::Posix());
  std::atomic<int> syncs{0};
  env.SetHook([&](const std::string& call, const std::string&) {
    if (call != "Sync") return Status::Ok();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return ++syncs > 3 ? Status::Io("the disk is gone") : Status::Ok();
  });
  LogFixture f(64 << 10, &env);
  ASSERT_OK(f.Open());
  std::atomic<int> failed{0};
  InThreads(4, [&](size_t) {
    for (int i = 0; i < 100; ++i) {
      const Slice payload("x");
      uint64_t sequence = 0;
      Status status = f.log->Append(&f.counter, &payload, 1, &sequence);
      if (status.ok()) status = f.log->Sync(sequence);
      if (status.ok()) continue;
      EXPECT_CODE(status, ZKDB_FAILED);
      EXPECT(status.message().find("the disk is gone") != std::string::npos);
      failed.fetch_add(1);
      return;
    }
  });
  EXPECT_EQ(failed.load(), 4);
  EXPECT_EQ(syncs.load(), 4);
}

TEST(two_logs_share_one_counter) {
  LogFixture a(64 << 10);
  LogFixture b(64 << 10);
  ASSERT_OK(a.Open());
  ASSERT_OK(b.Open());
  InThreads(2, [&](size_t thread) {
    Log* log = thread == 0 ? a.log.get() : b.log.get();
    for (int i = 0; i < 500; ++i) {
      const Slice payload("x");
      uint64_t sequence = 0;
      EXPECT_OK(log->Append(&a.counter, &payload, 1, &sequence));
    }
    EXPECT_OK(log->Flush(log->last_sequence()));
  });
  EXPECT_EQ(a.counter.load(), 1000u);
  ASSERT_OK(a.Open());
  ASSERT_OK(b.Open());
  std::vector<uint64_t> all = a.sequences;
  all.insert(all.end(), b.sequences.begin(), b.sequences.end());
  std::sort(all.begin(), all.end());
  ASSERT_EQ(all.size(), 1000u);
  EXPECT_EQ(all.front(), 1u);
  EXPECT_EQ(all.back(), 1000u);
}

}  // namespace zkdb
