// Checks of one whole version of a partition: pages, key order, bounds, references, free space. And the walk that
// counts pages and fill for the statistics.
//
// Thread-safety: SpaceCheck::kNone and MeasureTree inside an EpochGuard on a pinned version, or by the writer; the
// other space checks under the partition's writer lock, since they read the free space.
//
// Invariants:
//  1. Damage is a finding, never a failure: the walk goes on with what is still readable.
//  2. No page is visited twice, so damaged references cannot make the walk loop.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/btree/tree.h"

namespace zkdb {

enum class SpaceCheck {
  kNone,     // the version may be older than the free space: pages are not held against it
  kOverlap,  // no page is both in use and free
  kLeaks     // also: every page is in use or free. The newest version, without a running transaction
};

struct CheckOptions {
  SpaceCheck space = SpaceCheck::kLeaks;
  // The expiry index that belongs to the version.
  TreeRoot expiry;
  // What is wrong, with file and page. Returns false to stop the check.
  std::function<bool(const std::string&)> finding;
  // Pages visited of about `total`. Returns false to stop the check. May be empty.
  std::function<bool(uint64_t done, uint64_t total)> progress;
  // Whether a key belongs to this partition. May be empty.
  std::function<bool(Slice key)> owns_key;
};

// A key for a person: the first bytes, those that do not print as \xNN.
std::string ShowKey(Slice key);

// Checks the version whose records are `root`. *findings is how many things are wrong with it. Success also when there
// are findings or a callback stopped the check; a failure is one of reading the free map that is no damage.
Status CheckTree(PageSpace* space, const TreeRoot& root, const CheckOptions& options, uint64_t* findings);

// Pages of a tree and how full they are, headers and slots counted as used.
struct TreeFigures {
  uint64_t leaf_pages = 0;
  uint64_t branch_pages = 0;
  uint64_t overflow_pages = 0;
  uint64_t leaf_bytes_used = 0;    // of leaf_pages * page size
  uint64_t branch_bytes_used = 0;  // of branch_pages * page size
};

// Walks the tree's leaf and branch pages. ZKDB_CORRUPT at the first page that cannot be read.
Status MeasureTree(PageSpace* space, const TreeRoot& root, TreeFigures* out);

}  // namespace zkdb
