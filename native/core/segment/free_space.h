// Which pages of a partition are free, and when a freed page may be used again.
//
// A page is fresh when it was made after the last checkpoint captured the tree: no checkpoint refers to it. A fresh
// page that is freed goes back on the hot stack as soon as no reader can see it, its frame still warm. A page that a
// checkpoint refers to must also wait until a later checkpoint is durable; then it is cold: free, without a frame,
// lowest first.
//
// Thread-safety: none; the partition's writer lock.
//
// Invariants:
//  1. A page is in exactly one of: in use, hot, cold, waiting (freed, not reusable yet), beyond page_count.
//  2. free() has a bit for each page that is hot, cold or waiting: it is what a checkpoint stores as free.
//  3. A waiting page freed by commit T is released only when no snapshot older than T is open, every reader inside a
//     guard entered after T was published, and, unless it was fresh, a checkpoint of T or later is durable.
#pragma once

#include <cstdint>
#include <list>
#include <vector>

#include "core/base/bitmap.h"

namespace zkdb {

// What the release of waiting pages depends on, read by the caller before it takes the lock's work up.
struct ReleaseLimits {
  uint64_t published_sequence = 0;        // commits up to here are visible
  uint64_t oldest_snapshot = UINT64_MAX;  // sequence of the oldest open snapshot
};

class FreeSpace {
 public:
  // Begins with `free` as the cold pages of a partition of `page_count` pages.
  void Load(const Bitmap& free, uint32_t page_count);

  uint32_t page_count() const { return page_count_; }
  // Makes the partition longer. Later calls that mark one of its pages do not allocate.
  void Extend(uint32_t page_count);
  // The next `uses` calls of MarkUsed and `returns` of ReturnUnseen do not allocate.
  void PrepareUse(size_t uses, size_t returns);
  const Bitmap& free() const { return free_; }
  size_t fresh_count() const { return fresh_list_.size(); }

  // Takes the most recently freed hot page, else the lowest cold one; Bitmap::kNone when there is neither.
  uint32_t TakeReusable();
  // The page that TakeReusable gives after `ahead` others, Bitmap::kNone when that is not a hot one.
  uint32_t PeekReusable(size_t ahead) const {
    return ahead < hot_.size() ? hot_[hot_.size() - 1 - ahead] : Bitmap::kNone;
  }
  // Takes the lowest cold page, else a hot one: for what should not keep the file from being cut.
  uint32_t TakeLow() { return cold_count_ > 0 ? TakeCold() : TakeReusable(); }
  // As TakeReusable for up to `want` consecutive pages that end before `boundary` multiples; sets *got.
  uint32_t TakeRun(uint32_t want, uint32_t boundary, uint32_t* got);
  // Marks a page that was taken, or that extends the partition, as in use and fresh.
  void MarkUsed(uint32_t page);

  // The page goes back on the hot stack at once: nothing but the running transaction has seen it.
  void ReturnUnseen(uint32_t page);
  bool IsFree(uint32_t page) const { return free_.Get(page); }
  // The page is freed by the running transaction; it is waiting from the commit on.
  void MarkFreed(uint32_t page) { free_.Set(page); }
  void UnmarkFreed(uint32_t page) { free_.Reset(page); }
  // What the commit of these freed pages will need, so that CommitPrepared does not allocate. The last call counts.
  void PrepareCommit(const std::vector<uint32_t>& freed);
  // The same for pages that were freed without a commit and become cold after a checkpoint (old free maps).
  void PrepareCommitOld(const std::vector<uint32_t>& freed);
  // Commit, or checkpoint, `sequence` freed the prepared pages.
  void CommitPrepared(uint64_t sequence);
  void Commit(uint64_t sequence, const std::vector<uint32_t>& freed) {
    PrepareCommit(freed);
    CommitPrepared(sequence);
  }

  // Moves waiting pages that may be used again to the hot stack and the cold set.
  void Release(const ReleaseLimits& limits);

  // Checkpoint: the fresh pages that are in use or that a snapshot still reads; from now on none is fresh.
  // Allocates nothing when `to_write` has room for CaptureBound() pages.
  void Capture(uint64_t sequence, uint64_t oldest_snapshot, std::vector<uint32_t>* to_write);
  size_t CaptureBound() const { return fresh_list_.size() + waiting_count_; }
  // The checkpoint of `sequence` is durable.
  void Durable(uint64_t sequence);
  uint64_t durable_sequence() const { return durable_sequence_; }

  size_t hot_count() const { return hot_.size(); }
  // Makes every hot page cold. Returns them.
  std::vector<uint32_t> CoolDown();
  // Cuts cold pages, and the headers of segments (each `boundary` pages long) that hold nothing else, off the end when
  // there are at least `at_least`; returns the new page count.
  uint32_t TrimTail(uint32_t at_least, uint32_t boundary, uint32_t floor);

  bool IsFresh(uint32_t page) const { return fresh_.Get(page); }
  // The lowest cold page, or Bitmap::kNone.
  uint32_t lowest_cold() { return cold_.First(); }
  uint64_t cold_count() const { return cold_count_; }
  uint64_t waiting_count() const { return waiting_count_; }
  // Pages that wait for a snapshot of `oldest` (or others as old).
  uint64_t PinnedCount(uint64_t oldest) const;
  uint64_t free_count() const { return hot_.size() + cold_count_ + waiting_count_; }
  size_t memory_bytes() const;

 private:
  struct Waiting {
    uint64_t sequence;
    uint64_t epoch;  // 0: its commit was not known to be published when last looked at
    std::vector<uint32_t> pages;
  };

  uint32_t TakeCold();
  static void Tag(std::list<Waiting>* queue, uint64_t published);
  bool Releasable(const Waiting& w, const ReleaseLimits& limits, uint64_t min_active) const;
  void CommitQueue(std::list<Waiting>* prepared, std::list<Waiting>* queue, uint64_t sequence);

  uint32_t page_count_ = 0;
  Bitmap free_;
  Bitmap cold_;
  uint64_t cold_count_ = 0;
  std::vector<uint32_t> hot_;
  Bitmap fresh_;
  std::vector<uint32_t> fresh_list_;
  std::list<Waiting> waiting_fresh_;
  std::list<Waiting> waiting_old_;
  std::list<Waiting> prepared_fresh_;  // one entry at most, of the commit that comes next
  std::list<Waiting> prepared_old_;
  uint64_t waiting_count_ = 0;
  uint64_t durable_sequence_ = 0;
  uint64_t capture_sequence_ = 0;  // of the checkpoint being written; 0: none
};

}  // namespace zkdb
