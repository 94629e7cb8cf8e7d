// Reading a tree of one partition: search over overflowing keys, descent, point get.
//
// Thread-safety: any thread inside an EpochGuard, or the writer.
//
// Invariants:
//  1. Each step of a descent goes exactly one level down, so a damaged tree ends in an error, never in a loop.
#pragma once

#include <string>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/btree/page.h"
#include "core/os/read_clock.h"
#include "core/segment/page_space.h"

namespace zkdb {

// A version of a tree.
struct TreeRoot {
  PageRef page;  // number 0: empty
  uint8_t levels = 0;
  uint64_t records = 0;
};

// Whether a page is the one that its parent refers to. It is looked at with each read, other than the checksum: a page
// that was used again, because a damaged tree refers to it twice, is not taken for the old one.
inline bool IsTreePage(PageView page, PageRef ref, uint32_t level) {
  const PageKind kind = level == 0 ? PageKind::kLeaf : PageKind::kBranch;
  return page.stamp() == ref.stamp && page.level() == level && page.header().kind == kind;
}

// Reads the page of `ref` and checks that it is a tree page of `level`.
Status ReadTreePage(PageSpace* space, PageRef ref, uint32_t level, PageView* out);

// The whole key of a slot, overflow included.
Status LoadKey(PageSpace* space, PageView page, uint32_t index, std::string* out);

// SearchPage that also decides between overflowing keys.
Status SearchTreePage(PageSpace* space, PageView page, Slice key, Position* out);

// The second half of SearchTreePage, after SearchHeads.
Status SearchTreeTails(PageSpace* space, PageView page, HeadPosition at, Slice key, Position* out);

// The leaf that holds `key` or would hold it. The tree is not empty.
Status FindLeaf(PageSpace* space, const TreeRoot& root, Slice key, PageView* leaf);

// A record found by Get: its place in a leaf.
struct RecordPlace {
  bool found = false;
  PageView leaf;
  uint32_t index = 0;
  uint32_t value_size() const { return leaf.value_size(leaf.slot(index)); }
  uint64_t time() const { return leaf.time(leaf.slot(index)); }
};
// With a clock, a record that has ended is not found.
Status FindRecord(PageSpace* space, const TreeRoot& root, Slice key, RecordPlace* out, ReadClock* clock = nullptr);

// Copies the value at `index` of a leaf to `out`, which has room for its value_size.
Status CopyValue(PageSpace* space, PageView leaf, uint32_t index, uint8_t* out);

// The records in [lo, hi) guessed from the shape of the tree: exact at the edges, fan-out in between.
struct KeyRange {
  Slice lo;
  Slice hi;
  bool has_hi = false;
  bool lo_exclusive = false;
  bool hi_inclusive = false;

  bool BelowLo(Slice key) const {
    const int c = Compare(key, lo);
    return c < 0 || (c == 0 && lo_exclusive);
  }
  bool AboveHi(Slice key) const {
    if (!has_hi) return false;
    const int c = Compare(key, hi);
    return c > 0 || (c == 0 && !hi_inclusive);
  }
};
Status EstimateRecords(PageSpace* space, const TreeRoot& root, const KeyRange& range, uint64_t* out);

}  // namespace zkdb
