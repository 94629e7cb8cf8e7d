#include "core/btree/tree.h"

#include <algorithm>
#include <cmath>

#include "core/btree/overflow.h"

namespace zkdb {
namespace {

Status WrongPage(PageSpace* space, PageRef ref, uint32_t level) {
  return Status::Corrupt(space->files().PathOf(ref.number) + ": page " + std::to_string(ref.number) +
                         ": is not a tree page of level " + std::to_string(level) + " with the stamp " +
                         std::to_string(ref.stamp) + " as its parent says");
}

// Compares `key` with the whole key of a slot.
Status CompareWithSlot(PageSpace* space, PageView page, uint32_t index, Slice key, int* out) {
  std::string whole;
  ZKDB_RETURN_IF_ERROR(LoadKey(space, page, index, &whole));
  *out = Compare(key, whole);
  return Status::Ok();
}

Status SearchWholeKeys(PageSpace* space, PageView page, uint32_t from, Slice key, Position* out) {
  uint32_t lo = from;
  uint32_t hi = page.count();
  while (lo < hi) {
    const uint32_t middle = lo + (hi - lo) / 2;
    int c = 0;
    ZKDB_RETURN_IF_ERROR(CompareWithSlot(space, page, middle, key, &c));
    if (c == 0) {
      *out = {middle, true, false};
      return Status::Ok();
    }
    (c < 0 ? hi : lo) = c < 0 ? middle : middle + 1;
  }
  *out = {lo, false, false};
  return Status::Ok();
}

}  // namespace

Status ReadTreePage(PageSpace* space, PageRef ref, uint32_t level, PageView* out) {
  const uint8_t* bytes = nullptr;
  ZKDB_RETURN_IF_ERROR(space->Read(ref, &bytes));
  *out = PageView(bytes);
  if (!IsTreePage(*out, ref, level)) [[unlikely]]
    return WrongPage(space, ref, level);
  return Status::Ok();
}

Status LoadKey(PageSpace* space, PageView page, uint32_t index, std::string* out) {
  const Slot& s = page.slot(index);
  out->resize(page.key_size(s));
  auto* bytes = reinterpret_cast<uint8_t*>(out->data());
  page.CopyKey(s, bytes);
  if (!PageView::KeyOverflows(s)) return Status::Ok();
  return ReadOverflow(space, page.key_rest(s), bytes + page.in_page_key_size(s));
}

Status SearchTreePage(PageSpace* space, PageView page, Slice key, Position* out) {
  const HeadPosition at = SearchHeads(page, FirstSlot(page), key, MaxInlineKey(space->page_size()));
  return SearchTreeTails(space, page, at, key, out);
}

Status SearchTreeTails(PageSpace* space, PageView page, HeadPosition at, Slice key, Position* out) {
  *out = SearchTails(page, at, key, MaxInlineKey(space->page_size()));
  if (!out->undecided) [[likely]]
    return Status::Ok();
  return SearchWholeKeys(space, page, FirstSlot(page), key, out);
}

Status FindLeaf(PageSpace* space, const TreeRoot& root, Slice key, PageView* leaf) {
  PageView page;
  ZKDB_RETURN_IF_ERROR(ReadTreePage(space, root.page, root.levels - 1u, &page));
  for (uint32_t level = root.levels - 1u; level > 0; --level) {
    Position position;
    ZKDB_RETURN_IF_ERROR(SearchTreePage(space, page, key, &position));
    const PageRef child = page.child(ChildIndex(position));
    if (const uint8_t* bytes = space->Find(child.number)) PrefetchPage(bytes);
    ZKDB_RETURN_IF_ERROR(ReadTreePage(space, child, level - 1, &page));
  }
  *leaf = page;
  return Status::Ok();
}

Status FindRecord(PageSpace* space, const TreeRoot& root, Slice key, RecordPlace* out, ReadClock* clock) {
  out->found = false;
  if (root.levels == 0) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(FindLeaf(space, root, key, &out->leaf));
  Position position;
  ZKDB_RETURN_IF_ERROR(SearchTreePage(space, out->leaf, key, &position));
  out->found = position.exact;
  out->index = position.index;
  if (out->found && clock != nullptr && clock->Ended(out->time())) out->found = false;
  return Status::Ok();
}

Status CopyValue(PageSpace* space, PageView leaf, uint32_t index, uint8_t* out) {
  const Slot& s = leaf.slot(index);
  if (PageView::ValueOverflows(s)) [[unlikely]]
    return ReadOverflow(space, leaf.value_overflow(s), out);
  const Slice value = leaf.inline_value(s);
  if (value.size != 0) std::memcpy(out, value.data, value.size);
  return Status::Ok();
}

namespace {

// How far into the tree's key order `key` lies, from 0 to 1, following the path to its leaf.
Status Fraction(PageSpace* space, const TreeRoot& root, Slice key, double* out) {
  double begin = 0;
  double width = 1;
  PageView page;
  ZKDB_RETURN_IF_ERROR(ReadTreePage(space, root.page, root.levels - 1u, &page));
  for (uint32_t level = root.levels - 1u;; --level) {
    Position position;
    ZKDB_RETURN_IF_ERROR(SearchTreePage(space, page, key, &position));
    const uint32_t index = level == 0 ? position.index : ChildIndex(position);
    width /= std::max(1u, page.count());
    begin += width * index;
    if (level == 0) break;
    ZKDB_RETURN_IF_ERROR(ReadTreePage(space, page.child(index), level - 1, &page));
  }
  *out = begin;
  return Status::Ok();
}

}  // namespace

Status EstimateRecords(PageSpace* space, const TreeRoot& root, const KeyRange& range, uint64_t* out) {
  *out = 0;
  if (root.levels == 0) return Status::Ok();
  double lo = 0;
  double hi = 1;
  ZKDB_RETURN_IF_ERROR(Fraction(space, root, range.lo, &lo));
  if (range.has_hi) ZKDB_RETURN_IF_ERROR(Fraction(space, root, range.hi, &hi));
  if (hi > lo) *out = static_cast<uint64_t>(std::llround((hi - lo) * static_cast<double>(root.records)));
  return Status::Ok();
}

}  // namespace zkdb
