// Moving pages away from the end of the files: each tree page at or above a limit is copied to a lower free page, and
// the branches above it with it, so that the end can be cut off without rewriting the tree. Overflow pages stay where
// they are.
#include "core/btree/mutator.h"

namespace zkdb {

Status Mutator::MoveBelow(uint32_t limit) {
  path_valid_ = false;
  return root_.levels == 0 ? Status::Ok() : Move(&root_.page, top_level(), limit);
}

// Moves what is at or above `limit` in the subtree of *ref, as long as there are free pages below it.
Status Mutator::Move(PageRef* ref, uint32_t level, uint32_t limit) {
  if (level == 0 && ref->number < limit) return Status::Ok();
  PageView page;
  ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, *ref, level, &page));
  std::vector<std::pair<uint32_t, PageRef>> moved;
  for (uint32_t i = 0; level > 0 && i < page.count(); ++i) {
    PageRef child = page.child(i);
    ZKDB_RETURN_IF_ERROR(Move(&child, level - 1, limit));
    if (child != page.child(i)) moved.emplace_back(i, child);
  }
  if (moved.empty() && (ref->number < limit || space_->free_space().lowest_cold() >= limit)) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(Own(ref, &page));
  PageEditor editor(space_->FrameOf(ref->number), page_size_);
  for (const auto& [index, child] : moved) editor.SetChild(index, child);
  return Status::Ok();
}

}  // namespace zkdb
