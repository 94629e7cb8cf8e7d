// The locks of writers. They belong to an operation, not to a thread, so that a transaction may move between threads.
//
// Thread-safety: that is what they are for.
//
// Invariants:
//  1. Order: gate, then the engine's use lock, then its checkpoint lock, then partitions by ascending index (an
//     exclusive transaction may take them in any order: nobody else holds one while waiting), then the log, then the
//     commit queue.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace zkdb {

// One writer of a partition at a time. Not a std::binary_semaphore: that of libstdc++ 12 can sleep for ever when the
// release falls between its last try and its futex call (https://gcc.gnu.org/bugzilla/show_bug.cgi?id=104928).
class WriterLock {
 public:
  void lock() {
    std::unique_lock<std::mutex> lock(mutex_);
    released_.wait(lock, [this] { return !held_; });
    held_ = true;
  }
  void unlock() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      held_ = false;
    }
    released_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable released_;
  bool held_ = false;
};

// Batches pass together; a transaction passes alone.
class WriterGate {
 public:
  // True when this thread has a transaction open: waiting for it would wait for ever.
  bool HeldByThisThread() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return exclusive_ && owner_ == std::this_thread::get_id();
  }
  // Whether no other batch is inside.
  bool EnterShared() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !exclusive_ && waiting_exclusive_ == 0; });
    return ++shared_ == 1;
  }
  // As EnterShared, but false when it would wait longer than `ms`.
  bool EnterSharedWithin(uint64_t ms) {
    std::unique_lock<std::mutex> lock(mutex_);
    const auto open = [this] { return !exclusive_ && waiting_exclusive_ == 0; };
    if (!changed_.wait_for(lock, std::chrono::milliseconds(ms), open)) return false;
    ++shared_;
    return true;
  }
  void LeaveShared() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--shared_ == 0 && waiting_exclusive_ > 0) changed_.notify_all();
  }
  void EnterExclusive() {
    std::unique_lock<std::mutex> lock(mutex_);
    ++waiting_exclusive_;
    changed_.wait(lock, [this] { return !exclusive_ && shared_ == 0; });
    --waiting_exclusive_;
    exclusive_ = true;
    owner_ = std::this_thread::get_id();
  }
  void LeaveExclusive() {
    const std::lock_guard<std::mutex> lock(mutex_);
    exclusive_ = false;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint32_t shared_ = 0;
  uint32_t waiting_exclusive_ = 0;
  bool exclusive_ = false;
  std::thread::id owner_;
};

// A batch's pass through the gate, for a scope.
class SharedPass {
 public:
  enum Entered { kEntered };

  explicit SharedPass(WriterGate* gate) : gate_(gate), alone_(gate->EnterShared()) {}
  // Takes over a pass that EnterSharedWithin gave.
  SharedPass(WriterGate* gate, Entered) : gate_(gate), alone_(false) {}
  ~SharedPass() { gate_->LeaveShared(); }
  SharedPass(const SharedPass&) = delete;
  SharedPass& operator=(const SharedPass&) = delete;

  // Whether no other batch was inside when this one entered.
  bool alone() const { return alone_; }

 private:
  WriterGate* gate_;
  bool alone_;
};

// The gate for one operation alone, for a scope.
class ExclusivePass {
 public:
  explicit ExclusivePass(WriterGate* gate) : gate_(gate) { gate_->EnterExclusive(); }
  ~ExclusivePass() { gate_->LeaveExclusive(); }
  ExclusivePass(const ExclusivePass&) = delete;
  ExclusivePass& operator=(const ExclusivePass&) = delete;

 private:
  WriterGate* gate_;
};

// Partition locks held for a scope, taken in ascending order of the partitions.
class HeldLocks {
 public:
  HeldLocks() = default;
  ~HeldLocks() { Release(); }
  HeldLocks(const HeldLocks&) = delete;
  HeldLocks& operator=(const HeldLocks&) = delete;

  void Take(WriterLock* lock) {
    locks_.push_back(lock);
    lock->lock();
  }
  void Release() {
    for (WriterLock* lock : locks_) lock->unlock();
    locks_.clear();
  }

 private:
  std::vector<WriterLock*> locks_;
};

}  // namespace zkdb
