// A cursor over one version of a partition's tree, forward and backward.
//
// Thread-safety: one thread at a time, inside an EpochGuard for each stretch of use. Between two stretches (two calls
// into the core) the version stays pinned by its snapshot, but frames may have become file pages: Resume() first.
//
// Invariants:
//  1. The version's pages never change while its snapshot is open; only their addresses may, between stretches.
//  2. A valid cursor names a record: its leaf has a slot at index().
#pragma once

#include <array>

#include "core/btree/tree.h"

namespace zkdb {

class Cursor {
 public:
  Cursor(PageSpace* space, const TreeRoot& root) : space_(space), root_(root) {}

  bool valid() const { return valid_; }
  PageView leaf() const { return path_[0].page; }
  uint32_t index() const { return path_[0].index; }
  PageSpace* space() const { return space_; }

  // To the first record at or after `key`; not valid when there is none.
  Status Seek(Slice key);
  // To the last record at or before `key`.
  Status SeekBack(Slice key);
  Status First() { return Edge(false); }
  Status Last() { return Edge(true); }
  Status Next();
  Status Prev();

  // Moves to the next leaf at once: to its first slot. For loops that walk a leaf's slots themselves.
  Status NextLeaf() { return Step(true); }
  Status PrevLeaf() { return Step(false); }
  void set_index(uint32_t index) { path_[0].index = index; }
  // Starts loading the leaf that comes after this one, all of it: scans are bound by these misses.
  void PrefetchNextLeaf(bool forward) const;

  // Looks the path's pages up again after other calls may have run.
  Status Resume();

 private:
  struct Level {
    PageRef ref;
    PageView page;
    uint32_t index = 0;
  };
  Status Edge(bool last);
  Status DescendTo(Slice key, Position* position);
  Status DescendEdge(uint32_t level, PageRef ref, bool last);
  Status Step(bool forward);

  PageSpace* space_;
  TreeRoot root_;
  bool valid_ = false;
  std::array<Level, kMaxLevels> path_;  // by level
};

}  // namespace zkdb
