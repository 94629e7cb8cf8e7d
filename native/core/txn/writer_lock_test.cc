#include "core/txn/writer_lock.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "core/base/test.h"

namespace zkdb {
namespace {

constexpr uint32_t kRounds = 100000;
constexpr auto kLongest = std::chrono::seconds(3);  // where other programs have the processors
constexpr uint32_t kStop = UINT32_MAX;

using Clock = std::chrono::steady_clock;

// Waits until the other thread has had the lock in round `r`.
void AwaitWaiter(const std::atomic<uint32_t>& done, uint32_t r) {
  const auto deadline = Clock::now() + std::chrono::seconds(20);
  while (done.load() != r) {
    if (Clock::now() > deadline) {
      std::fprintf(stderr, "round %u: the waiter of a lock that was released sleeps\n", r);
      std::_Exit(1);  // the waiter cannot be joined
    }
    std::this_thread::yield();
  }
}

// Two threads come for a free lock at the same time; the first keeps it for up to a few microseconds.
void MeetAtLock(WriterLock* lock, std::atomic<uint32_t>* round, const std::atomic<uint32_t>& done) {
  const auto end = Clock::now() + kLongest;
  uint32_t random = 1;
  for (uint32_t r = 1; r <= kRounds && Clock::now() < end; ++r) {
    round->store(r);
    lock->lock();
    random = random * 1664525 + 1013904223;
    for (std::atomic<uint32_t> i{random >> 20}; i.load() > 0;) i.store(i.load() - 1);
    lock->unlock();
    AwaitWaiter(done, r);
  }
}

}  // namespace

TEST(the_waiter_of_a_writer_lock_is_woken_whenever_the_release_falls) {
  WriterLock lock;
  std::atomic<uint32_t> round{0};
  std::atomic<uint32_t> done{0};
  std::thread waiter([&] {
    for (uint32_t last = 0; round.load() != kStop;) {
      const uint32_t r = round.load();
      if (r == last || r == kStop) {
        std::this_thread::yield();
        continue;
      }
      lock.lock();
      lock.unlock();
      done = last = r;
    }
  });
  MeetAtLock(&lock, &round, done);
  EXPECT(done.load() > 0);
  round = kStop;
  waiter.join();
}

}  // namespace zkdb
