#include "core/btree/cursor.h"

namespace zkdb {

Status Cursor::DescendTo(Slice key, Position* position) {
  PageRef ref = root_.page;
  for (uint32_t level = root_.levels - 1u;; --level) {
    Level& at = path_[level];
    at.ref = ref;
    ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, ref, level, &at.page));
    ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, at.page, key, position));
    at.index = level == 0 ? position->index : ChildIndex(*position);
    if (level == 0) return Status::Ok();
    ref = at.page.child(at.index);
  }
}

// Fills the path from `level` down along the first or last children.
Status Cursor::DescendEdge(uint32_t level, PageRef ref, bool last) {
  while (true) {
    Level& at = path_[level];
    at.ref = ref;
    ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, ref, level, &at.page));
    at.index = last && at.page.count() > 0 ? at.page.count() - 1 : 0;
    if (level == 0) break;
    ref = at.page.child(at.index);
    --level;
  }
  valid_ = path_[0].page.count() > 0;
  return Status::Ok();
}

Status Cursor::Edge(bool last) {
  valid_ = false;
  if (root_.levels == 0) return Status::Ok();
  return DescendEdge(root_.levels - 1u, root_.page, last);
}

void Cursor::PrefetchNextLeaf(bool forward) const {
  if (root_.levels < 2) return;
  const Level& parent = path_[1];
  const uint32_t next = forward ? parent.index + 1 : parent.index - 1;
  if (next >= parent.page.count()) return;
  if (const uint8_t* bytes = space_->Find(parent.page.child(next).number)) {
    PrefetchWholePage(bytes, space_->page_size());
  }
}

// To the neighbouring leaf: its first slot going forward, its last one going back.
Status Cursor::Step(bool forward) {
  valid_ = false;
  for (uint32_t level = 1; level < root_.levels; ++level) {
    Level& at = path_[level];
    if (forward ? at.index + 1 >= at.page.count() : at.index == 0) continue;
    at.index += forward ? 1 : UINT32_MAX;
    if (level == 1) PrefetchNextLeaf(forward);
    return DescendEdge(level - 1, at.page.child(at.index), !forward);
  }
  return Status::Ok();
}

Status Cursor::Seek(Slice key) {
  valid_ = false;
  if (root_.levels == 0) return Status::Ok();
  Position position;
  ZKDB_RETURN_IF_ERROR(DescendTo(key, &position));
  if (position.index >= path_[0].page.count()) return Step(true);
  valid_ = true;
  return Status::Ok();
}

Status Cursor::SeekBack(Slice key) {
  valid_ = false;
  if (root_.levels == 0) return Status::Ok();
  Position position;
  ZKDB_RETURN_IF_ERROR(DescendTo(key, &position));
  valid_ = true;
  return position.exact ? Status::Ok() : Prev();
}

Status Cursor::Next() {
  if (++path_[0].index < path_[0].page.count()) return Status::Ok();
  return Step(true);
}

Status Cursor::Prev() {
  if (path_[0].index == 0) return Step(false);
  --path_[0].index;
  return Status::Ok();
}

Status Cursor::Resume() {
  if (!valid_) return Status::Ok();
  for (uint32_t level = 0; level < root_.levels; ++level) {
    ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, path_[level].ref, level, &path_[level].page));
  }
  return Status::Ok();
}

}  // namespace zkdb
