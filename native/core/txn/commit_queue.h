// The published state of a database, and the queue in which commits become visible: in the order of their numbers, each
// when it is as durable as was asked.
//
// Thread-safety: all functions from any thread; reading never blocks.
//
// Invariants:
//  1. Commit n is visible only when every commit below n is: a snapshot is one number.
//  2. A published root's pages are complete before the root is stored (release), so a reader that loads it (acquire)
//     may follow it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/btree/tree.h"

namespace zkdb {

using ChangedRoots = std::vector<std::pair<uint32_t, PageRef>>;

class CommitQueue {
 public:
  explicit CommitQueue(uint32_t partitions);

  // ---- reading ----
  // The latest root of one partition. While the roots of a commit are being stored it waits (a few stores): who saw one
  // of them must not miss another one later.
  PageRef Root(uint32_t partition) const {
    while ((version_.load(std::memory_order_acquire) & 1) != 0) std::this_thread::yield();
    return UnpackRef(roots_[partition].load(std::memory_order_acquire));
  }
  uint64_t published() const { return published_.load(std::memory_order_acquire); }
  // All roots at one commit; returns its number.
  uint64_t CopyRoots(std::vector<PageRef>* roots) const;

  // ---- opening: before anyone else looks ----
  void SetRoot(uint32_t partition, PageRef root) { roots_[partition].store(PackRef(root), std::memory_order_release); }
  void SetPublished(uint64_t sequence) { published_.store(sequence, std::memory_order_release); }

  // ---- committing ----
  struct Entry {
    uint64_t sequence;
    bool ready = false;
    ChangedRoots roots;
  };
  // A commit's place in the queue before its number is known; all that it allocates.
  using Place = std::list<Entry>;
  static Place MakePlace(ChangedRoots roots);
  // Commit `sequence` was logged and takes its place in the queue. Allocates nothing.
  void Enqueue(uint64_t sequence, Place place);
  // It is as durable as it has to be: publishes what is due and returns when it is visible. False after Fail().
  bool Publish(uint64_t sequence);
  // Returns when commit `sequence`, of another writer, is visible. False after Fail().
  bool WaitFor(uint64_t sequence);
  // Nothing is published any more; all waiters return.
  void Fail();
  // Waits until no commit is queued, or Fail() was called.
  void Drain();

 private:
  void PublishDue();

  uint32_t count_;
  std::unique_ptr<std::atomic<uint64_t>[]> roots_;
  std::atomic<uint64_t> published_{0};
  std::atomic<uint64_t> version_{0};  // odd while roots are being stored (a sequence lock)

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Entry> queue_;  // ascending
  bool failed_ = false;
};

}  // namespace zkdb
