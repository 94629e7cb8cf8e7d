#include "core/btree/mutator.h"

#include "core/base/assert.h"
#include "core/btree/overflow.h"
#include "include/zkdb.h"

namespace zkdb {

// ---- the path

// The lowest level of `path` whose page covers `key`, which is not below the key that the path was made for.
uint32_t Mutator::CoveringLevel(const Path& path, Slice key) const {
  uint32_t covering = 0;
  for (uint32_t level = 1; level < root_.levels; ++level) {
    const Step& step = path[level];
    if (step.index + 1 >= step.page.count()) continue;
    if (SurelyBelow(step.page, step.index + 1, key, MaxInlineKey(page_size_))) return covering;
    covering = level;
  }
  return covering;
}

Status Mutator::Descend(Slice key, bool after_previous, Position* leaf_position) {
  uint32_t level = top_level();
  if (after_previous && path_valid_) {
    level = CoveringLevel(path_, key);
  } else {
    path_[level].ref = root_.page;
    ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, root_.page, level, &path_[level].page));
  }
  path_valid_ = false;
  for (; level > 0; --level) {
    Step& step = path_[level];
    Position position;
    ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, step.page, key, &position));
    step.index = ChildIndex(position);
    Step& below = path_[level - 1];
    below.ref = step.page.child(step.index);
    if (const uint8_t* bytes = space_->Find(below.ref.number)) PrefetchPage(bytes);
    ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, below.ref, level - 1, &below.page));
  }
  ZKDB_RETURN_IF_ERROR(SearchTreePage(space_, path_[0].page, key, leaf_position));
  path_[0].index = leaf_position->index;
  path_valid_ = true;
  return Status::Ok();
}

void Mutator::Warm(Slice key, WarmPath* path) const {
  if (root_.levels < 2) return;
  uint32_t level = top_level();
  if (path->valid) {
    level = CoveringLevel(path->steps, key);
  } else {
    const uint8_t* root = space_->Find(root_.page.number);
    if (root == nullptr) return;
    path->steps[level].page = PageView(root);
  }
  path->valid = false;
  for (; level > 0; --level) {
    Step& step = path->steps[level];
    if (step.page.level() != level || step.page.header().kind != PageKind::kBranch) return;
    const Position position = SearchPage(step.page, 1, key, MaxInlineKey(page_size_));
    if (position.undecided) return;
    step.index = ChildIndex(position);
    const uint8_t* below = space_->Find(step.page.child(step.index).number);
    if (below == nullptr) return;
    path->steps[level - 1].page = PageView(below);
    if (level > 1) continue;
    PrefetchWholePage(below, page_size_);
  }
  path->valid = true;
}

// Makes *ref a page of this transaction, copying it when it is not yet.
Status Mutator::Own(PageRef* ref, PageView* page) {
  if (space_->Owns(*ref)) return Status::Ok();
  PageRef copy;
  uint8_t* frame = nullptr;
  ZKDB_RETURN_IF_ERROR(space_->Allocate(&copy, &frame));
  // The checksum is left out: a checkpoint may be writing the old page's own.
  const uint32_t heap = page_size_ - page->header().heap_size;
  std::memcpy(frame + kChecksumSize, page->data() + kChecksumSize, page->slots_end() - kChecksumSize);
  std::memcpy(frame + heap, page->data() + heap, page->header().heap_size);
  auto* header = reinterpret_cast<PageHeader*>(frame);
  header->number = copy.number;
  header->stamp = copy.stamp;
  space_->Free(*ref);
  *ref = copy;
  *page = PageView(frame);
  return Status::Ok();
}

Status Mutator::MakePathWritable() {
  for (uint32_t level = root_.levels; level-- > 0;) {
    Step& step = path_[level];
    if (space_->Owns(step.ref)) continue;
    ZKDB_RETURN_IF_ERROR(Own(&step.ref, &step.page));
    if (level == top_level()) {
      root_.page = step.ref;
    } else {
      PageEditor(Frame(path_[level + 1]), page_size_).SetChild(path_[level + 1].index, step.ref);
    }
  }
  return Status::Ok();
}

// ---- entries

// Sets the entry's in-page key; what does not fit goes to overflow pages and *key_rest to their reference.
Status Mutator::MakeKey(Slice key, Entry* out, Slice* key_rest) {
  const uint32_t keep = MaxInlineKey(page_size_);
  *key_rest = Slice();
  out->key = key;
  if (key.size <= keep) return Status::Ok();
  OverflowRef ref;
  ZKDB_RETURN_IF_ERROR(WriteOverflow(space_, key.Sub(keep), &ref));
  out->key = key.Sub(0, keep);
  out->flags |= kSlotKeyOverflow;
  *key_rest = scratch_.Copy(Slice(reinterpret_cast<const uint8_t*>(&ref), sizeof ref));
  return Status::Ok();
}

// What follows a leaf cell's tail: a reference or nothing, a time or 0, the value or its reference.
Slice Mutator::JoinRest(Slice key_rest, uint64_t time, Slice value) {
  const size_t time_size = time != 0 ? kTimeSize : 0;
  const size_t size = key_rest.size + time_size + value.size;
  uint8_t* joined = scratch_.Allocate(size);
  if (key_rest.size != 0) std::memcpy(joined, key_rest.data, key_rest.size);
  if (time != 0) Store64(joined + key_rest.size, time);
  if (value.size != 0) std::memcpy(joined + key_rest.size + time_size, value.data, value.size);
  return {joined, size};
}

Status Mutator::MakeLeafEntry(Slice key, Slice value, uint64_t time, Entry* out) {
  *out = Entry{};
  Slice key_rest;
  ZKDB_RETURN_IF_ERROR(MakeKey(key, out, &key_rest));
  if (time != 0) out->flags |= kSlotExpires;
  const size_t before = PageBuilder::EntrySize(*out, 0, kLeafCellHead) + key_rest.size + (time != 0 ? kTimeSize : 0);
  if (before + value.size <= MaxCellAndSlot(page_size_)) {
    out->cell_head = value.size;
    out->rest = key_rest.size == 0 && time == 0 ? value : JoinRest(key_rest, time, value);
    return Status::Ok();
  }
  OverflowRef ref;
  ZKDB_RETURN_IF_ERROR(WriteOverflow(space_, value, &ref));
  out->flags |= kSlotValueOverflow;
  out->rest = JoinRest(key_rest, time, Slice(reinterpret_cast<const uint8_t*>(&ref), sizeof ref));
  return Status::Ok();
}

// The entry at `index`, its key in memory that lasts as long as the operation.
Entry Mutator::ScratchEntry(PageView page, uint32_t index) {
  return page.EntryAt(index, scratch_.Allocate(page.in_page_key_size(page.slot(index))));
}

Status Mutator::ReleaseKey(PageView page, uint32_t index) {
  const Slot& s = page.slot(index);
  return PageView::KeyOverflows(s) ? FreeOverflow(space_, page.key_rest(s)) : Status::Ok();
}

// Frees the overflow pages of a leaf cell that is about to be dropped.
Status Mutator::ReleaseCell(PageView page, uint32_t index) {
  ZKDB_RETURN_IF_ERROR(ReleaseKey(page, index));
  const Slot& s = page.slot(index);
  return PageView::ValueOverflows(s) ? FreeOverflow(space_, page.value_overflow(s)) : Status::Ok();
}

// ---- single records

Status Mutator::FirstRecord(Slice key, Slice value, uint64_t time) {
  Entry entry;
  ZKDB_RETURN_IF_ERROR(MakeLeafEntry(key, value, time, &entry));
  PageRef ref;
  ZKDB_RETURN_IF_ERROR(BuildPage(0, &entry, 1, 0, &ref));
  root_ = TreeRoot{ref, 1, 1};
  return Status::Ok();
}

Status Mutator::Put(Slice key, Slice value, bool after_previous, bool* existed) {
  Replaced before;
  const Status status = Put(key, value, PutTime{}, after_previous, &before);
  *existed = before.existed;
  return status;
}

Status Mutator::Put(Slice key, Slice value, const PutTime& time, bool after_previous, Replaced* before) {
  *before = Replaced{};
  scratch_.Reset();
  if (root_.levels == 0) return FirstRecord(key, value, time.After(*before));
  Position position;
  ZKDB_RETURN_IF_ERROR(Descend(key, after_previous, &position));
  ZKDB_RETURN_IF_ERROR(MakePathWritable());
  PageEditor leaf(Frame(path_[0]), page_size_);
  if (position.exact) {
    *before = {true, leaf.view().time(leaf.view().slot(position.index))};
    if (leaf.OverwriteValue(position.index, value, time.After(*before))) return Status::Ok();
    ZKDB_RETURN_IF_ERROR(ReleaseCell(leaf.view(), position.index));
    leaf.Remove(position.index);
  } else {
    ++root_.records;
  }
  Entry entry;
  ZKDB_RETURN_IF_ERROR(MakeLeafEntry(key, value, time.After(*before), &entry));
  return InsertEntry(position.index, entry);
}

Status Mutator::InsertEntry(uint32_t index, const Entry& entry) {
  if (PageEditor(Frame(path_[0]), page_size_).Insert(index, entry)) return Status::Ok();
  return Restructure(0, index, index, {entry});
}

Status Mutator::Delete(Slice key, bool after_previous, bool* existed) {
  Replaced before;
  const Status status = Delete(key, after_previous, &before);
  *existed = before.existed;
  return status;
}

Status Mutator::Delete(Slice key, bool after_previous, Replaced* before) {
  *before = Replaced{};
  scratch_.Reset();
  if (root_.levels == 0) return Status::Ok();
  Position position;
  ZKDB_RETURN_IF_ERROR(Descend(key, after_previous, &position));
  if (!position.exact) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(MakePathWritable());
  PageEditor leaf(Frame(path_[0]), page_size_);
  *before = {true, leaf.view().time(leaf.view().slot(position.index))};
  ZKDB_RETURN_IF_ERROR(ReleaseCell(leaf.view(), position.index));
  leaf.Remove(position.index);
  --root_.records;
  if (leaf.view().count() == 0) {
    ZKDB_RETURN_IF_ERROR(DropEmptyPage(0));
  } else {
    ZKDB_RETURN_IF_ERROR(ShrinkIfSparse(0));
  }
  return CollapseRoot();
}

bool TimeChange::Holds(const Replaced& before) const {
  if (!before.existed || (before.time != 0 && before.time <= now)) return false;
  if ((flags & ZKDB_EXPIRE_IF_NONE) != 0 && before.time != 0) return false;
  if ((flags & ZKDB_EXPIRE_IF_ANY) != 0 && before.time == 0) return false;
  // A record that never ends ends later than any other.
  const uint64_t was = before.time == 0 ? UINT64_MAX : before.time;
  const uint64_t will = time == 0 ? UINT64_MAX : time;
  if ((flags & ZKDB_EXPIRE_IF_LATER) != 0 && will <= was) return false;
  return (flags & ZKDB_EXPIRE_IF_EARLIER) == 0 || will < was;
}

Status Mutator::SetTime(Slice key, const TimeChange& change, bool after_previous, Replaced* before) {
  *before = Replaced{};
  scratch_.Reset();
  if (root_.levels == 0) return Status::Ok();
  Position position;
  ZKDB_RETURN_IF_ERROR(Descend(key, after_previous, &position));
  if (!position.exact) return Status::Ok();
  *before = {true, path_[0].page.time(path_[0].page.slot(position.index))};
  if (!change.Holds(*before) || before->time == change.time) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(MakePathWritable());
  PageEditor leaf(Frame(path_[0]), page_size_);
  if (before->time != 0 && change.time != 0) {
    leaf.SetTime(position.index, change.time);
    return Status::Ok();
  }
  return ReplaceTime(position.index, key, change.time);
}

// Gives a time to a record of the path's leaf that has none, or takes it away.
Status Mutator::ReplaceTime(uint32_t index, Slice key, uint64_t time) {
  PageEditor leaf(Frame(path_[0]), page_size_);
  const PageView page = leaf.view();
  const Slot slot = page.slot(index);
  Entry entry = ScratchEntry(page, index);
  const Slice key_rest(page.after_tail(slot), static_cast<size_t>(page.time_place(slot) - page.after_tail(slot)));
  const uint64_t all = page.CellSize(slot) - static_cast<size_t>(page.value_place(slot) - page.cell(slot));
  const Slice value = scratch_.Copy(Slice(page.value_place(slot), all));
  entry.rest = JoinRest(key_rest, time, value);
  entry.flags = static_cast<uint16_t>((entry.flags & ~kSlotExpires) | (time != 0 ? kSlotExpires : 0));
  if (PageBuilder::EntrySize(entry, 0, kLeafCellHead) > MaxCellAndSlot(page_size_)) {
    ZKDB_RETURN_IF_ERROR(ReleaseKey(page, index));
    ZKDB_RETURN_IF_ERROR(MakeLeafEntry(key, value, time, &entry));
  }
  leaf.Remove(index);
  return InsertEntry(index, entry);
}

// The page at `level` of the path holds nothing any more: it goes, and its slot in the parent with it.
Status Mutator::DropEmptyPage(uint32_t level) {
  path_valid_ = false;
  space_->Free(path_[level].ref);
  if (level == top_level()) {
    root_ = TreeRoot{};
    return Status::Ok();
  }
  return RemoveChild(level + 1);
}

// Removes the path's slot at a branch level.
Status Mutator::RemoveChild(uint32_t level) {
  path_valid_ = false;
  const Step& step = path_[level];
  PageEditor branch(Frame(step), page_size_);
  if (step.index > 0) ZKDB_RETURN_IF_ERROR(ReleaseKey(branch.view(), step.index));
  branch.Remove(step.index);
  if (branch.view().count() == 0) return DropEmptyPage(level);
  if (step.index == 0) {
    ZKDB_RETURN_IF_ERROR(ReleaseKey(branch.view(), 0));
    branch.DropFirstKey();
  }
  return ShrinkIfSparse(level);
}

// A root with a single child is one level too many.
Status Mutator::CollapseRoot() {
  while (root_.levels > 1) {
    PageView page;
    ZKDB_RETURN_IF_ERROR(ReadTreePage(space_, root_.page, top_level(), &page));
    if (page.count() != 1) return Status::Ok();
    path_valid_ = false;
    const PageRef child = page.child(0);
    space_->Free(root_.page);
    root_.page = child;
    --root_.levels;
  }
  return Status::Ok();
}

}  // namespace zkdb
