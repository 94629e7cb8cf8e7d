// Changing a tree copy-on-write: the one writer of a partition applies a transaction's operations here.
//
// A page is copied once per transaction, on its first change (its stamp tells), then changed in place. A leaf that
// overflows shifts records to a neighbour; when both neighbours are full, all three are laid out anew, with a fourth
// page where they need one (window restructuring). This keeps randomly filled leaves about 86 % full (Yao, "On Random
// 2-3 Trees", 1978, for the analysis of k-to-(k+1) splits); an overflow at the tree's right edge starts a new page,
// which keeps ascending loads at 100 %.
//
// Thread-safety: one thread, holding the partition's writer lock.
//
// Invariants:
//  1. No page that a reader can see is changed.
//  2. After a failed call the transaction must be rolled back (PageSpace::Rollback) and this object dropped.
//  3. Overflow pages belong to exactly one cell; whoever drops a cell frees them.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "core/base/scratch.h"
#include "core/btree/tree.h"

namespace zkdb {

// What was in the place of a record that is put or deleted.
struct Replaced {
  bool existed = false;
  uint64_t time = 0;  // when it ended or was to end, 0: never
};

// The time that a put gives its record.
struct PutTime {
  uint64_t time = 0;  // 0: it never ends
  bool keep = false;  // that of the record which is there and has not ended by `now`, instead
  uint64_t now = 0;
  uint64_t After(const Replaced& before) const { return keep ? (before.time > now ? before.time : 0) : time; }
};

// A new time for a record that is there and has not ended by `now`.
struct TimeChange {
  uint64_t time = 0;   // 0: it never ends
  uint32_t flags = 0;  // zkdb_expire_flag set
  uint64_t now = 0;
  bool Holds(const Replaced& before) const;
};

class Mutator {
 private:
  struct Step {
    PageRef ref;
    PageView page;
    uint32_t index = 0;
  };
  using Path = std::array<Step, kMaxLevels>;  // by level

 public:
  // `page_flags`: of every page of the tree, kPageOfExpiry or none.
  Mutator(PageSpace* space, const TreeRoot& root, uint8_t page_flags = 0)
      : space_(space), root_(root), page_size_(space->page_size()), page_flags_(page_flags) {}

  const TreeRoot& root() const { return root_; }

  // Inserts or replaces. `after_previous`: the key is not below that of the Put or Delete before, with nothing between,
  // which saves most of the descent.
  Status Put(Slice key, Slice value, const PutTime& time, bool after_previous, Replaced* before);
  Status Delete(Slice key, bool after_previous, Replaced* before);
  Status Put(Slice key, Slice value, bool after_previous, bool* existed);
  Status Delete(Slice key, bool after_previous, bool* existed);
  // Changes the time of a record, its value untouched, when `change` holds.
  Status SetTime(Slice key, const TimeChange& change, bool after_previous, Replaced* before);
  // Moves tree pages at or above `limit` to free pages below it, as far as there are some.
  Status MoveBelow(uint32_t limit);
  // Where Warm looked last. Only for keys in ascending order, and dropped when the tree changes.
  struct WarmPath {
    Path steps;
    bool valid = false;
  };
  // Starts loading the leaf that `key` belongs to, for a Put or Delete a few operations later: copying a page that is
  // not in the processor's caches is what a random load pays most for.
  void Warm(Slice key, WarmPath* path) const;
  // Deletes a range by cutting whole subtrees; only the two edge paths are edited record by record.
  // `dropped`, which may be empty, hears of each of its records that expires, and may change other trees.
  using Dropped = std::function<Status(uint64_t time, Slice key)>;
  Status DeleteRange(const KeyRange& range, const Dropped& dropped, uint64_t* deleted);
  Status DeleteRange(const KeyRange& range, uint64_t* deleted) { return DeleteRange(range, nullptr, deleted); }

 private:
  // Neighbouring pages of one level whose entries are laid out anew.
  struct Window {
    uint32_t first_child = 0;    // in the parent
    std::vector<Step> pages;     // the old ones
    std::vector<Entry> entries;  // of all of them, in order, with the changes applied
  };
  // Records of a full leaf that go to a neighbour.
  struct Shift {
    Step neighbour;      // its index is that in the parent
    bool right = false;  // the neighbour is the one to the right
    uint32_t from = 0;   // slots [from, to) of the leaf go
    uint32_t to = 0;
    bool takes_entry = false;    // and so does the entry that did not fit
    std::vector<Entry> entries;  // all that go, in order
  };
  struct Layout {
    uint32_t prefix = 0;          // common to the whole window
    std::vector<uint32_t> sizes;  // of the entries under that prefix
    std::vector<size_t> ends;     // where each new page ends in the entries
  };

  uint32_t top_level() const { return root_.levels - 1u; }
  uint8_t* Frame(const Step& step) { return space_->FrameOf(step.ref.number); }

  // mutator.cc: the path and single records
  Status Descend(Slice key, bool after_previous, Position* leaf_position);
  uint32_t CoveringLevel(const Path& path, Slice key) const;
  Status MakePathWritable();
  Status Own(PageRef* ref, PageView* page);
  Status FirstRecord(Slice key, Slice value, uint64_t time);
  Status MakeLeafEntry(Slice key, Slice value, uint64_t time, Entry* out);
  Slice JoinRest(Slice key_rest, uint64_t time, Slice value);
  Status InsertEntry(uint32_t index, const Entry& entry);
  Status ReplaceTime(uint32_t index, Slice key, uint64_t time);
  Status MakeKey(Slice key, Entry* out, Slice* key_rest);
  Entry ScratchEntry(PageView page, uint32_t index);
  Status ReleaseCell(PageView page, uint32_t index);
  Status ReleaseKey(PageView page, uint32_t index);
  Status DropEmptyPage(uint32_t level);
  Status RemoveChild(uint32_t level);
  Status CollapseRoot();

  // restructure.cc: windows
  Status Restructure(uint32_t level, uint32_t from, uint32_t to, const std::vector<Entry>& insert);
  Status AppendPage(uint32_t level, const std::vector<Entry>& insert);
  bool IsRightEdge(uint32_t level) const;
  bool WouldShrink(PageView page);
  Status ShrinkIfSparse(uint32_t level);
  Status Relayout(uint32_t level, const Layout& layout, Window* window);
  Status OpenWindow(uint32_t level, uint32_t first, uint32_t last, Window* window);
  void GatherEntries(uint32_t level, uint32_t from, uint32_t to, const std::vector<Entry>& insert, Window* window);
  Layout LayOut(uint32_t level, const Window& window) const;
  bool CutEvenly(const Layout& layout, size_t pages, uint32_t capacity, std::vector<size_t>* ends) const;
  Status BuildPage(uint32_t level, Entry* entries, size_t count, uint32_t window_prefix, PageRef* ref);
  Status LeafSeparator(const Entry& left, const Entry& right, Entry* out);
  Status WholeKey(const Entry& e, uint32_t rest_offset, std::string* out);
  Status ReplaceInParent(uint32_t level, const Window& window, const std::vector<Entry>& children);
  Status GrowRoot(uint32_t level, const std::vector<Entry>& children);

  // shift.cc: a full leaf and one neighbour
  Status ShiftRecords(uint32_t at, const Entry& entry, bool* done);
  Status RoomiestNeighbour(Shift* shift);
  void ChooseRecords(uint32_t at, const Entry& entry, uint32_t bytes, Shift* shift);
  bool NeighbourTakes(const Shift& shift);
  Status MoveRecords(uint32_t at, const Entry& entry, Shift* shift);
  Status MendSeparator(const Shift& shift);

  // range_delete.cc
  struct CutResult {
    bool empty = false;
    PageRef ref;
  };
  Status Cut(PageRef ref, uint32_t level, const KeyRange& range, CutResult* out);
  Status CutLeaf(PageRef ref, PageView page, const KeyRange& range, CutResult* out);
  Status CutBranch(PageRef ref, PageView page, const KeyRange& range, CutResult* out);
  Status EditBranch(PageRef ref, PageView page, uint32_t from, uint32_t to, CutResult* out,
                    const std::array<std::pair<uint32_t, PageRef>, 2>& changed, size_t changed_count);
  Status FreeSubtree(PageRef ref, uint32_t level);
  Status TellDropped(PageView page, uint32_t index);

  // relocate.cc
  Status Move(PageRef* ref, uint32_t level, uint32_t limit);

  PageSpace* space_;
  TreeRoot root_;
  uint32_t page_size_;
  uint8_t page_flags_;
  Path path_;  // valid while path_valid_
  bool path_valid_ = false;
  uint64_t deleted_ = 0;
  const Dropped* dropped_ = nullptr;  // while a range is deleted; nullptr: nobody is told
  Scratch scratch_;
};

}  // namespace zkdb
