// Range delete: subtrees that lie wholly inside the range are cut off and their pages freed without looking at records
// one by one; only the pages on the two edge paths are edited. Edge pages may stay sparse: later deletes and inserts
// near them merge them (restructure.cc).
#include <algorithm>

#include "core/btree/mutator.h"
#include "core/btree/overflow.h"

namespace zkdb {

Status Mutator::DeleteRange(const KeyRange& range, const Dropped& dropped, uint64_t* deleted) {
  *deleted = 0;
  dropped_ = dropped ? &dropped : nullptr;
  deleted_ = 0;
  path_valid_ = false;
  scratch_.Reset();
  if (root_.levels == 0) return Status::Ok();
  CutResult result;
  ZKDB_RETURN_IF_ERROR(Cut(root_.page, top_level(), range, &result));
  *deleted = deleted_;
  if (result.empty) {
    root_ = TreeRoot{};
    return Status::Ok();
  }
  root_.page = result.ref;
  root_.records -= deleted_;
  return CollapseRoot();
}

Status Mutator::Cut(PageRef ref, uint32_t level, const KeyRange& range, CutResult* out) {
  PageView page;
  ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, ref, level, &page));
  *out = CutResult{false, ref};
  return level == 0 ? CutLeaf(ref, page, range, out) : CutBranch(ref, page, range, out);
}

Status Mutator::CutLeaf(PageRef ref, PageView page, const KeyRange& range, CutResult* out) {
  Position lo;
  Position hi{page.count(), false, false};
  ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, page, range.lo, &lo));
  if (range.has_hi) ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, page, range.hi, &hi));
  const uint32_t from = lo.index + (lo.exact && range.lo_exclusive ? 1 : 0);
  const uint32_t to = hi.index + (hi.exact && range.hi_inclusive ? 1 : 0);
  if (from >= to) return Status::Ok();
  for (uint32_t i = from; i < to; ++i) {
    ZKDB_RETURN_IF_ERROR(TellDropped(page, i));
    ZKDB_RETURN_IF_ERROR(ReleaseCell(page, i));
  }
  deleted_ += to - from;
  if (to - from == page.count()) {
    space_->Free(ref);
    out->empty = true;
    return Status::Ok();
  }
  ZKDB_RETURN_IF_ERROR(Own(&ref, &page));
  PageEditor(space_->FrameOf(ref.number), page_size_).RemoveRange(from, to);
  out->ref = ref;
  return Status::Ok();
}

Status Mutator::CutBranch(PageRef ref, PageView page, const KeyRange& range, CutResult* out) {
  Position lo;
  Position hi;
  ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, page, range.lo, &lo));
  if (range.has_hi) ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, page, range.hi, &hi));
  const uint32_t first = ChildIndex(lo);
  const uint32_t last = range.has_hi ? ChildIndex(hi) : page.count() - 1;
  if (first > last) return Status::Ok();
  const uint32_t below = page.level() - 1;
  CutResult left;
  ZKDB_RETURN_IF_ERROR(Cut(page.child(first), below, range, &left));
  for (uint32_t i = first + 1; i < last; ++i) ZKDB_RETURN_IF_ERROR(FreeSubtree(page.child(i), below));
  CutResult right = left;
  if (last > first) ZKDB_RETURN_IF_ERROR(Cut(page.child(last), below, range, &right));

  std::array<std::pair<uint32_t, PageRef>, 2> changed;
  size_t changed_count = 0;
  if (!left.empty && left.ref != page.child(first)) changed[changed_count++] = {first, left.ref};
  if (last > first && !right.empty && right.ref != page.child(last)) changed[changed_count++] = {last, right.ref};
  const uint32_t from = left.empty ? first : first + 1;
  const uint32_t to = right.empty ? last + 1 : last;
  return EditBranch(ref, page, from, std::max(from, to), out, changed, changed_count);
}

// Applies what CutBranch found: slots [from, to) go, `changed` children get new references.
Status Mutator::EditBranch(PageRef ref, PageView page, uint32_t from, uint32_t to, CutResult* out,
                           const std::array<std::pair<uint32_t, PageRef>, 2>& changed, size_t changed_count) {
  if (from == to && changed_count == 0) return Status::Ok();
  for (uint32_t i = std::max(from, 1u); i < to; ++i) ZKDB_RETURN_IF_ERROR(ReleaseKey(page, i));
  if (to - from == page.count()) {
    space_->Free(ref);
    out->empty = true;
    return Status::Ok();
  }
  ZKDB_RETURN_IF_ERROR(Own(&ref, &page));
  PageEditor editor(space_->FrameOf(ref.number), page_size_);
  for (size_t i = 0; i < changed_count; ++i) editor.SetChild(changed[i].first, changed[i].second);
  editor.RemoveRange(from, to);
  if (from == 0 && to > 0) {
    ZKDB_RETURN_IF_ERROR(ReleaseKey(editor.view(), 0));
    editor.DropFirstKey();
  }
  out->ref = ref;
  return Status::Ok();
}

// A record of a leaf is about to go.
Status Mutator::TellDropped(PageView page, uint32_t index) {
  if (dropped_ == nullptr || !PageView::Expires(page.slot(index))) return Status::Ok();
  std::string key;
  ZKDB_RETURN_IF_ERROR(LoadKey(space_, page, index, &key));
  return (*dropped_)(page.time(page.slot(index)), key);
}

// Frees a subtree that lies wholly inside the range. Leaves are opened for their record count and overflow references.
Status Mutator::FreeSubtree(PageRef ref, uint32_t level) {
  PageView page;
  ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, ref, level, &page));
  const bool overflow = (page.header().flags & kPageHasOverflow) != 0;
  for (uint32_t i = 0; i < page.count(); ++i) {
    if (level > 0) ZKDB_RETURN_IF_ERROR(FreeSubtree(page.child(i), level - 1));
    if (level == 0) ZKDB_RETURN_IF_ERROR(TellDropped(page, i));
    if (!overflow) continue;
    if (level == 0) ZKDB_RETURN_IF_ERROR(ReleaseCell(page, i));
    if (level > 0 && i > 0) ZKDB_RETURN_IF_ERROR(ReleaseKey(page, i));
  }
  if (level == 0) deleted_ += page.count();
  space_->Free(ref);
  return Status::Ok();
}

}  // namespace zkdb
