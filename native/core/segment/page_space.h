// The pages of one partition: where each is (its place in the file map, or the frame of a changed page), who may have
// it next, and how a checkpoint carries changed pages to the files.
//
// Thread-safety: Read from any thread inside an EpochGuard (or the writer); the transaction calls and Capture/Finish
// under the partition's writer lock; WriteCaptured by the one running checkpoint without it.
//
// Invariants:
//  1. A page that a reader can see never changes: a transaction changes only pages that carry its own stamp.
//  2. A page's bytes are in its frame from its first change until the checkpoint that wrote it has finished; from then
//     on the map shows the same bytes.
//  3. A page that comes from a file is verified (checksum, number, stamp, structure) before its first use after open.
//  4. Frames go back to the stack only when no reader can hold a pointer into them (epoch).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/format/layout.h"
#include "core/segment/epoch.h"
#include "core/segment/frame_arena.h"
#include "core/segment/free_space.h"
#include "core/segment/segment_files.h"

namespace zkdb {

// Checks the structure of a page beyond its checksum. Returns nullptr or what is wrong. `page_count` bounds references.
using PageVerifier = const char* (*)(const uint8_t* page, uint32_t page_size, uint32_t page_count);

// What one checkpoint of a partition writes. Filled by Capture under the writer lock.
struct CheckpointPlan {
  uint64_t sequence = 0;
  Meta meta{};
  std::vector<uint32_t> pages;                   // changed pages, ascending
  std::vector<uint32_t> free_map;                // pages of the free map
  std::vector<std::vector<uint8_t>> map_images;  // their bytes
  bool truncate = false;
};

class PageSpace {
 public:
  PageSpace(Env* env, SegmentOptions options, FrameArena* arena, PageVerifier verify);
  ~PageSpace();
  PageSpace(const PageSpace&) = delete;
  PageSpace& operator=(const PageSpace&) = delete;

  // Takes up the state that `meta` describes; without a meta the partition is new and has no files.
  Status Open(const Meta* meta);

  // The bytes of a page. *page stays valid until the guard ends, or for the writer until the transaction ends.
  // ZKDB_CORRUPT names file and page.
  Status Read(PageRef ref, const uint8_t** page) {
    if (const uint8_t* p = Find(ref.number)) [[likely]] {
      *page = p;
      return Status::Ok();
    }
    return VerifyPage(ref, page);
  }

  // The bytes of a page that is known to be verified, nullptr when it is not yet.
  const uint8_t* Find(uint32_t number) const {
    const View& view = views_[number >> segment_shift_];
    const uint32_t index = number & segment_mask_;
    const uint32_t state = view.states[index].load(std::memory_order_acquire);
    if (state == kClean) [[likely]]
      return view.map + (uint64_t{index} << page_shift_);
    if (state >= kFirstFrame) return arena_->At(state - kFirstFrame);
    return nullptr;
  }

  // ---- the running transaction -------------------------------------------------------------------------------------

  // Starts loading, for writing, the frame that Allocate gives after `ahead` others.
  void WarmFrame(size_t ahead) const;
  // Begins a transaction: releases what can be used again and takes a new stamp.
  Status Begin(const ReleaseLimits& limits);
  uint32_t stamp() const { return stamp_; }
  // Whether the running transaction made the page, so that it may change it. Stamps wrap around after 2^32
  // transactions; a page as old as that has been through a checkpoint and is no longer fresh.
  bool Owns(PageRef ref) const { return ref.stamp == stamp_ && free_space_.IsFresh(ref.number); }
  // A page with a frame whose content is undefined. ZKDB_NO_SPACE, ZKDB_NO_MEMORY.
  Status Allocate(PageRef* ref, uint8_t** frame);
  // Up to `want` consecutive pages in one segment; *got >= 1.
  Status AllocateRun(uint32_t want, PageRef* first, uint32_t* got);
  uint8_t* FrameOf(uint32_t number);
  void Free(PageRef ref);
  // ZKDB_CORRUPT when the running transaction freed a page that was free: the tree refers to it twice, and must not be
  // committed, because the page would be given out twice.
  Status CheckFreed() const;
  // Allocates what Commit needs: to be called before anything says that there will be a commit.
  void PrepareCommit();
  // Allocates nothing after PrepareCommit.
  void Commit(uint64_t sequence);
  void Rollback();
  // Gives freed pages that nobody can see any more back to the free ones, as Begin does.
  void Release(const ReleaseLimits& limits) { free_space_.Release(limits); }
  // Makes every free page that can be used cold: taken lowest first, without a frame.
  void CoolDown();

  // ---- checkpoints -------------------------------------------------------------------------------------------------

  // Lists what a checkpoint of the current state has to write. plan->meta comes in with the tree's part filled in.
  // `final`: nobody reads or writes any more; the file is cut to what it needs.
  Status Capture(uint64_t sequence, uint64_t oldest_snapshot, bool final, CheckpointPlan* plan);
  Status WriteCaptured(CheckpointPlan* plan);  // pages and free map, durable
  Status WriteMeta(const CheckpointPlan& plan) { return files_.WriteMeta(plan.meta); }
  Status Finish(const CheckpointPlan& plan);
  // Closes the files and releases the directory's lock; pages stay readable through the maps.
  void ReleaseFiles() { files_.Release(); }

  // ---- figures -----------------------------------------------------------------------------------------------------

  uint32_t page_size() const { return 1u << page_shift_; }
  uint32_t page_count() const { return free_space_.page_count(); }
  uint64_t free_pages() const { return free_space_.free_count(); }
  uint64_t waiting_pages() const { return free_space_.waiting_count(); }
  uint64_t dirty_pages() const { return free_space_.fresh_count(); }
  FreeSpace& free_space() { return free_space_; }
  const FreeSpace& free_space() const { return free_space_; }
  const SegmentFiles& files() const { return files_; }
  uint32_t segment_pages() const { return segment_mask_ + 1; }
  size_t memory_bytes() const;
  // Pages that belong to the stored free map.
  const std::vector<uint32_t>& free_map_pages() const { return free_map_pages_; }
  // Loads the stored free map if it is not loaded yet (the first transaction does so itself). ZKDB_CORRUPT names the
  // page of the map that is damaged, or the page that it must not give away.
  Status LoadFreeMap();

 private:
  static constexpr uint32_t kUnverified = 0;
  static constexpr uint32_t kClean = 1;
  static constexpr uint32_t kFirstFrame = 2;

  struct View {
    const uint8_t* map = nullptr;
    std::atomic<uint32_t>* states = nullptr;
  };

  Status CheckFreeMap(const Bitmap& free, const std::vector<uint32_t>& pages) const;
  Status AddViews();
  Status VerifyPage(PageRef ref, const uint8_t** page);
  Status CheckBytes(PageRef ref, const uint8_t* bytes) const;
  Status Damaged(uint32_t number, const std::string& what) const;
  void EndTransaction();
  Status Extend(uint32_t pages, uint32_t* first);
  Status Adopt(uint32_t number);
  void PrepareUse(size_t count);
  Status ReserveCheckpoint(CheckpointPlan* plan);
  Status TakeFrame(uint32_t* frame);
  void ReclaimFrames();
  std::atomic<uint32_t>& StateOf(uint32_t number) {
    return views_[number >> segment_shift_].states[number & segment_mask_];
  }
  Status ReserveFreeMap(CheckpointPlan* plan);
  void FillFreeMap(CheckpointPlan* plan);

  Env* env_;
  uint32_t page_shift_;
  uint32_t segment_shift_;
  uint32_t segment_mask_;
  FrameArena* arena_;
  PageVerifier verify_;
  View* views_ = nullptr;  // kMaxSegments of them
  uint32_t view_count_ = 0;
  std::atomic<uint32_t> verified_page_count_{0};  // bound for references in pages that come from the files
  SegmentFiles files_;
  FreeSpace free_space_;
  PageRef stored_free_map_;
  bool free_map_loaded_ = true;
  std::vector<uint32_t> free_map_pages_;
  std::vector<uint32_t> next_free_map_pages_;  // of the checkpoint that is being captured

  uint32_t stamp_ = 0;
  std::vector<uint32_t> allocated_;  // by the running transaction
  std::vector<uint32_t> freed_;      // by the running transaction, seen by others
  std::vector<uint32_t> spare_;      // allocated and freed again by the running transaction
  uint32_t freed_twice_ = kNoPage;   // what CheckFreed tells of
  bool prepared_ = false;            // PrepareCommit has run

  std::vector<uint32_t> frames_;  // free frames of this partition
  struct RetiredFrames {
    uint64_t epoch;
    std::vector<uint32_t> frames;
  };
  std::vector<RetiredFrames> retired_frames_;
};

// Rolls the running transaction of a space back at the end of a scope, however it is left, unless it was committed.
class RollbackGuard {
 public:
  explicit RollbackGuard(PageSpace* space) : space_(space) {}
  ~RollbackGuard() {
    if (space_ != nullptr) space_->Rollback();
  }
  RollbackGuard(const RollbackGuard&) = delete;
  RollbackGuard& operator=(const RollbackGuard&) = delete;
  void Committed() { space_ = nullptr; }

 private:
  PageSpace* space_;
};

}  // namespace zkdb
