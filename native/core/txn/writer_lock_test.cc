#include "core/txn/writer_lock.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "core/base/test.h"

namespace zkdb {
namespace {

constexpr uint32_t kRounds = 20000;

// Two threads come for a free lock at the same time; the first keeps it for up to a few microseconds.
void MeetAtLock(WriterLock* lock, std::atomic<uint32_t>* round, std::atomic<uint32_t>* done) {
  uint32_t random = 1;
  for (uint32_t r = 1; r <= kRounds; ++r) {
    round->store(r);
    lock->lock();
    random = random * 1664525 + 1013904223;
    for (std::atomic<uint32_t> i{random >> 20}; i.load() > 0;) i.store(i.load() - 1);
    lock->unlock();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (done->load() != r) {
      if (std::chrono::steady_clock::now() < deadline) continue;
      std::fprintf(stderr, "round %u: the waiter of a lock that was released sleeps\n", r);
      std::_Exit(1);  // the waiter cannot be joined
    }
  }
}

}  // namespace

TEST(the_waiter_of_a_writer_lock_is_woken_whenever_the_release_falls) {
  WriterLock lock;
  std::atomic<uint32_t> round{0};
  std::atomic<uint32_t> done{0};
  std::thread waiter([&] {
    for (uint32_t r = 1; r <= kRounds; ++r) {
      while (round.load() != r) std::this_thread::yield();
      lock.lock();
      lock.unlock();
      done = r;
    }
  });
  MeetAtLock(&lock, &round, &done);
  waiter.join();
  EXPECT_EQ(done.load(), kRounds);
}

}  // namespace zkdb
