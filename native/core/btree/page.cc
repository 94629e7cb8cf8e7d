#include "core/btree/page.h"

#include <algorithm>

#include "include/zkdb.h"

namespace zkdb {
namespace {

// The first slot in [base, base + n) whose head is not below `head`. Without branches on the heads, which no predictor
// learns: the mask keeps compilers from making one of a conditional step.
inline uint32_t LowerBoundHead(const Slot* base, uint32_t n, uint32_t head) {
  const Slot* p = base;
  while (n > 1) {
    const uint32_t half = n / 2;
    p += half & (0 - static_cast<uint32_t>(p[half - 1].head < head));
    n -= half;
  }
  return static_cast<uint32_t>(p - base) + (n == 1 && p->head < head ? 1 : 0);
}

// Starts loading a cell's first lines together: the key's tail is compared, and then the value is read.
inline void PrefetchCell(const uint8_t* cell) {
  for (uint32_t line = 0; line < 3; ++line) __builtin_prefetch(cell + line * 64);
}

// Orders a probe (after the prefix) against a slot with the same head. Overflowing keys compare by their in-page part.
inline int CompareTail(PageView page, const Slot& s, Slice probe) {
  const uint32_t size = PageView::KeySize(s);
  if (probe.size > 4 && size > 4) {
    const Slice tail = page.tail(s);
    return Compare(probe.Sub(4), tail);
  }
  return probe.size < size ? -1 : (probe.size > size ? 1 : 0);
}

// Places `probe` among the slots with an equal head, [index, end of the run).
Position SearchEqualHeads(PageView page, uint32_t index, Slice probe, bool probe_overflows) {
  const Slot* slots = page.slots();
  const uint32_t count = page.count();
  const uint32_t head = slots[index].head;
  uint32_t lo = index;
  uint32_t hi = index + 1;
  while (hi < count && slots[hi].head == head) hi = std::min(count, hi + (hi - index));
  while (lo < hi) {
    const uint32_t middle = lo + (hi - lo) / 2;
    const Slot& s = slots[middle];
    int c = s.head > head ? -1 : CompareTail(page, s, probe);
    if (c == 0 && (probe_overflows || PageView::KeyOverflows(s))) {
      if (probe_overflows && PageView::KeyOverflows(s)) return {middle, false, true};
      c = probe_overflows ? 1 : -1;
    }
    if (c == 0) return {middle, true, false};
    if (c < 0) {
      hi = middle;
    } else {
      lo = middle + 1;
    }
  }
  return {lo, false, false};
}

}  // namespace

namespace {

// The part of `key` that a page compares: what the page keeps of it, after the page's prefix.
inline Slice ProbeOf(PageView page, Slice key, uint32_t max_inline_key) {
  const uint32_t skipped = page.header().prefix_size;
  return {key.data + skipped, std::min<size_t>(key.size, max_inline_key) - skipped};
}

}  // namespace

HeadPosition SearchHeads(PageView page, uint32_t from, Slice key, uint32_t max_inline_key) {
  const Slice prefix = page.prefix();
  const uint32_t count = page.count();
  if (prefix.size != 0) {
    const size_t n = std::min(prefix.size, key.size);
    const int c = n == 0 ? 0 : std::memcmp(key.data, prefix.data, n);
    if (c < 0 || (c == 0 && n < prefix.size)) return {std::min(from, count), false};
    if (c > 0) return {count, false};
  }
  if (count <= from) return {count, false};
  const Slice probe = ProbeOf(page, key, max_inline_key);
  const uint32_t head = KeyHead(probe.data, probe.size);
  const Slot* slots = page.slots();
  const uint32_t index = from + LowerBoundHead(slots + from, count - from, head);
  if (index == count || slots[index].head != head) return {index, false};
  PrefetchCell(page.cell(slots[index]));
  return {index, true};
}

Position SearchTails(PageView page, HeadPosition at, Slice key, uint32_t max_inline_key) {
  if (!at.equal) return {at.index, false, false};
  return SearchEqualHeads(page, at.index, ProbeOf(page, key, max_inline_key), key.size > max_inline_key);
}

Position SearchPage(PageView page, uint32_t from, Slice key, uint32_t max_inline_key) {
  return SearchTails(page, SearchHeads(page, from, key, max_inline_key), key, max_inline_key);
}

bool SurelyBelow(PageView page, uint32_t i, Slice key, uint32_t max_inline_key) {
  const Slice prefix = page.prefix();
  const size_t n = std::min(prefix.size, key.size);
  const int c = n == 0 ? 0 : std::memcmp(key.data, prefix.data, n);
  if (c != 0 || n < prefix.size) return c <= 0;
  const Slice probe = ProbeOf(page, key, max_inline_key);
  const Slot& s = page.slot(i);
  const uint32_t head = KeyHead(probe.data, probe.size);
  return head != s.head ? head < s.head : CompareTail(page, s, probe) < 0;
}

void PageView::CopyKey(const Slot& s, uint8_t* out) const {
  const Slice p = prefix();
  if (p.size != 0) std::memcpy(out, p.data, p.size);
  out += p.size;
  const uint32_t size = KeySize(s);
  const uint32_t head = __builtin_bswap32(s.head);
  if (size >= 4) {
    std::memcpy(out, &head, 4);
  } else {
    std::memcpy(out, &head, size);
  }
  if (size > 4) std::memcpy(out + 4, cell(s) + cell_head_size(), size - 4);
}

uint32_t PageView::CellSize(const Slot& s) const {
  uint32_t n = cell_head_size() + TailSize(s) + (KeyOverflows(s) ? uint32_t{sizeof(OverflowRef)} : 0);
  if (!leaf()) return n;
  if (Expires(s)) n += kTimeSize;
  return n + (ValueOverflows(s) ? uint32_t{sizeof(OverflowRef)} : uint32_t{Load16(cell(s))});
}

Entry PageView::EntryAt(uint32_t i, uint8_t* key_memory) const {
  const Slot& s = slot(i);
  Entry e;
  e.flags = s.meta & static_cast<uint16_t>(~kSlotKeySizeMask);
  e.cell_head = leaf() ? Load16(cell(s)) : Load64(cell(s));
  e.rest = Slice(after_tail(s), CellSize(s) - cell_head_size() - TailSize(s));
  if (i == 0 && !leaf()) return e;
  CopyKey(s, key_memory);
  e.key = Slice(key_memory, in_page_key_size(s));
  return e;
}

// ---- structure

namespace {

bool Plausible(const OverflowRef& ref, uint32_t max_size, uint32_t page_count) {
  return ref.size > 0 && ref.size <= max_size && ref.first.number != kNoPage && ref.first.number < page_count;
}

const char* VerifyCell(PageView page, uint32_t i, uint32_t page_size, uint32_t page_count) {
  const Slot& s = page.slot(i);
  const uint32_t heap = page_size - page.header().heap_size;
  if (s.offset < heap || s.offset + page.cell_head_size() > page_size) return "a slot points outside the cells";
  uint32_t fixed = page.cell_head_size() + PageView::TailSize(s);
  if (PageView::KeyOverflows(s)) fixed += sizeof(OverflowRef);
  if (page.leaf() && PageView::ValueOverflows(s)) fixed += sizeof(OverflowRef);
  if (page.leaf() && PageView::Expires(s)) fixed += kTimeSize;
  if (s.offset + fixed > page_size || s.offset + page.CellSize(s) > page_size) return "a cell leaves the page";
  if (PageView::KeyOverflows(s) && !Plausible(page.key_rest(s), ZKDB_MAX_KEY_SIZE, page_count))
    return "a key's overflow reference is impossible";
  if (!page.leaf() && PageView::Expires(s)) return "a branch with a time";
  if (!page.leaf())
    return page.child(i).number >= page_count ? "a child reference is beyond the pages in use" : nullptr;
  if (PageView::Expires(s) && page.time(s) == 0) return "a record that expires has no time";
  if (PageView::ValueOverflows(s) && !Plausible(page.value_overflow(s), ZKDB_MAX_VALUE_SIZE, page_count))
    return "a value's overflow reference is impossible";
  return nullptr;
}

// Which bytes of a page cells take, one bit each.
class CellMap {
 public:
  explicit CellMap(uint32_t page_size) { std::memset(words_, 0, page_size / 8); }

  // False when a cell before has one of the bytes [from, to), which are not none.
  bool Take(uint32_t from, uint32_t to) {
    const uint32_t first = from / 64;
    const uint32_t last = (to - 1) / 64;
    uint64_t taken = 0;
    for (uint32_t i = first; i <= last; ++i) {
      uint64_t mask = UINT64_MAX;
      if (i == first) mask &= UINT64_MAX << (from % 64);
      if (i == last) mask &= UINT64_MAX >> (63 - (to - 1) % 64);
      taken |= words_[i] & mask;
      words_[i] |= mask;
    }
    return taken == 0;
  }

 private:
  uint64_t words_[kMaxPageSize / 64];
};

// A page is changed in place as long as cells and garbage make up the heap: what passes here can be.
const char* VerifySlots(PageView page, uint32_t page_size, uint32_t page_count) {
  const PageHeader& h = page.header();
  const uint64_t slots_end = uint64_t{page.slots_offset()} + uint64_t{h.count} * sizeof(Slot);
  if (slots_end + h.heap_size > page_size) return "slots and cells overlap";
  if (h.garbage > h.heap_size) return "more garbage than cells";
  if (h.prefix_size > MaxInlineKey(page_size)) return "the prefix is longer than a key can be";
  CellMap cells(page_size);
  uint64_t heap = h.garbage;
  for (uint32_t i = 0; i < h.count; ++i) {
    const Slot& s = page.slot(i);
    if (page.in_page_key_size(s) > MaxInlineKey(page_size)) return "a key is longer than a page keeps";
    if (const char* wrong = VerifyCell(page, i, page_size, page_count)) return wrong;
    const uint32_t size = page.CellSize(s);
    if (!cells.Take(s.offset, s.offset + size)) return "two cells share bytes";
    heap += size;
  }
  return heap == h.heap_size ? nullptr : "cells and garbage do not make up the heap";
}

}  // namespace

const char* VerifyPageStructure(const uint8_t* bytes, uint32_t page_size, uint32_t page_count) {
  const PageView page(bytes);
  const PageHeader& h = page.header();
  const bool tree = h.kind == PageKind::kLeaf || h.kind == PageKind::kBranch;
  if (!tree && h.level != 0) return "a level on a page that is not of the tree";
  switch (h.kind) {
    case PageKind::kLeaf: return h.level != 0 ? "a leaf with a level" : VerifySlots(page, page_size, page_count);
    case PageKind::kBranch:
      if (h.level == 0 || h.level >= kMaxLevels) return "a branch with an impossible level";
      if (h.count == 0) return "a branch without children";
      return VerifySlots(page, page_size, page_count);
    case PageKind::kOverflow: {
      const auto head = Load<OverflowHead>(bytes + sizeof(PageHeader));
      const bool sane = head.run_pages <= page_count - std::min(page_count, h.number) && head.next_run < page_count;
      return sane ? nullptr : "an overflow run that leaves the partition";
    }
    case PageKind::kFreeMap: return nullptr;
    case PageKind::kSegmentHeader: return "a segment header where a page was meant";
  }
  return "an unknown kind of page";
}

// ---- changing

uint32_t PageBuilder::EntrySize(const Entry& entry, uint32_t prefix_size, uint32_t cell_head_size) {
  const auto key = static_cast<uint32_t>(entry.key.size);
  const uint32_t covered = prefix_size + 4;
  return uint32_t{sizeof(Slot)} + cell_head_size + (key > covered ? key - covered : 0) +
         static_cast<uint32_t>(entry.rest.size);
}

bool PageEditor::MatchesPrefix(const Entry& entry) const {
  const Slice p = view().prefix();
  if (p.size == 0) return true;
  return entry.key.size >= p.size && std::memcmp(entry.key.data, p.data, p.size) == 0;
}

uint32_t PageEditor::Need(const Entry& entry) const {
  return PageBuilder::EntrySize(entry, view().header().prefix_size, view().cell_head_size());
}

namespace {

bool Overflows(const Entry& e) { return (e.flags & (kSlotKeyOverflow | kSlotValueOverflow)) != 0; }

// Writes slot and cell of one entry; `heap_top` is the offset below which the cell goes. Returns the new heap top.
inline uint32_t PutCell(uint8_t* page, Slot* slot, uint32_t heap_top, const Entry& e, uint32_t prefix_size,
                        uint32_t cell_head_size) {
  const bool keyless = e.key.size == 0;
  const uint8_t* key = keyless ? nullptr : e.key.data + prefix_size;
  const uint32_t key_size = keyless ? 0 : static_cast<uint32_t>(e.key.size) - prefix_size;
  const uint32_t tail = key_size > 4 ? key_size - 4 : 0;
  heap_top -= cell_head_size + tail + static_cast<uint32_t>(e.rest.size);
  uint8_t* cell = page + heap_top;
  std::memcpy(cell, &e.cell_head, cell_head_size);
  if (tail != 0) std::memcpy(cell + cell_head_size, key + 4, tail);
  if (e.rest.size != 0) std::memcpy(cell + cell_head_size + tail, e.rest.data, e.rest.size);
  slot->head = key_size == 0 ? 0 : KeyHead(key, key_size);
  slot->offset = static_cast<uint16_t>(heap_top);
  slot->meta = static_cast<uint16_t>(key_size | e.flags);
  return heap_top;
}

}  // namespace

bool PageEditor::Insert(uint32_t index, const Entry& entry) {
  const bool keyless = entry.key.size == 0 && !view().leaf();
  if (!keyless && !MatchesPrefix(entry)) return false;
  if (Need(entry) > view().free_bytes(page_size_)) return false;
  InsertAll(index, &entry, 1);
  return true;
}

void PageEditor::InsertAll(uint32_t index, const Entry* entries, size_t count) {
  uint32_t need = 0;
  for (size_t i = 0; i < count; ++i) need += Need(entries[i]);
  if (need > view().gap(page_size_)) Compact();
  Slot* s = slots();
  std::memmove(s + index + count, s + index, (header().count - index) * sizeof(Slot));
  uint32_t top = page_size_ - header().heap_size;
  for (size_t i = 0; i < count; ++i) {
    top = PutCell(page_, s + index + i, top, entries[i], header().prefix_size, view().cell_head_size());
    if (Overflows(entries[i])) header().flags |= kPageHasOverflow;
  }
  header().heap_size = static_cast<uint16_t>(page_size_ - top);
  header().count = static_cast<uint16_t>(header().count + count);
}

void PageEditor::RemoveRange(uint32_t from, uint32_t to) {
  uint32_t garbage = 0;
  for (uint32_t i = from; i < to; ++i) garbage += view().CellSize(view().slot(i));
  Slot* s = slots();
  std::memmove(s + from, s + to, (header().count - to) * sizeof(Slot));
  header().count = static_cast<uint16_t>(header().count - (to - from));
  header().garbage = static_cast<uint16_t>(header().garbage + garbage);
}

void PageEditor::Remove(uint32_t index) { RemoveRange(index, index + 1); }

bool PageEditor::OverwriteValue(uint32_t index, Slice value, uint64_t time) {
  const Slot& s = view().slot(index);
  if (PageView::ValueOverflows(s) || Load16(view().cell(s)) != value.size) return false;
  if (PageView::Expires(s) != (time != 0)) return false;
  if (time != 0) SetTime(index, time);
  if (value.size != 0) std::memcpy(page_ + (view().value_place(s) - page_), value.data, value.size);
  return true;
}

void PageEditor::Compact() {
  alignas(8) uint8_t bytes[kMaxPageSize];
  std::memcpy(bytes, page_, page_size_);
  const PageView copy(bytes);
  uint32_t top = page_size_;
  Slot* s = slots();
  for (uint32_t i = 0; i < copy.count(); ++i) {
    const Slot& from = copy.slot(i);
    const uint32_t size = copy.CellSize(from);
    top -= size;
    std::memcpy(page_ + top, copy.cell(from), size);
    s[i].offset = static_cast<uint16_t>(top);
  }
  header().heap_size = static_cast<uint16_t>(page_size_ - top);
  header().garbage = 0;
}

void PageEditor::DropFirstKey() {
  Slot* s = slots();
  const uint32_t before = view().CellSize(s[0]);
  s[0].head = 0;
  s[0].meta = 0;
  header().garbage = static_cast<uint16_t>(header().garbage + before - view().CellSize(s[0]));
}

uint32_t PageBuilder::CommonPrefixOf(const Entry* entries, size_t count, bool leaf) {
  const size_t first = leaf ? 0 : 1;
  if (count < first + 2) return 0;
  return static_cast<uint32_t>(std::min<size_t>(CommonPrefix(entries[first].key, entries[count - 1].key), UINT8_MAX));
}

uint32_t PageBuilder::PageBytes(const Entry* entries, size_t count, bool leaf, uint32_t prefix) {
  uint32_t n = static_cast<uint32_t>(sizeof(PageHeader) + RoundUp(prefix, 8));
  for (size_t i = 0; i < count; ++i) n += EntrySize(entries[i], prefix, leaf ? kLeafCellHead : kBranchCellHead);
  return n;
}

void PageBuilder::Build(uint8_t* page, uint32_t page_size, PageRef self, uint8_t level, uint8_t flags, uint32_t prefix,
                        const Entry* entries, size_t count) {
  const bool leaf = level == 0;
  PageHeader h{};
  h.number = self.number;
  h.stamp = self.stamp;
  h.kind = leaf ? PageKind::kLeaf : PageKind::kBranch;
  h.level = level;
  h.flags = flags;
  h.prefix_size = static_cast<uint8_t>(prefix);
  h.count = static_cast<uint16_t>(count);
  const size_t padded = RoundUp(prefix, 8);
  if (padded != 0) std::memset(page + sizeof h + padded - 8, 0, 8);
  if (prefix != 0) std::memcpy(page + sizeof h, entries[count - 1].key.data, prefix);
  auto* slots = reinterpret_cast<Slot*>(page + sizeof h + padded);
  uint32_t top = page_size;
  for (size_t i = 0; i < count; ++i) {
    top = PutCell(page, slots + i, top, entries[i], prefix, leaf ? kLeafCellHead : kBranchCellHead);
    if (Overflows(entries[i])) h.flags |= kPageHasOverflow;
  }
  h.heap_size = static_cast<uint16_t>(page_size - top);
  std::memcpy(page, &h, sizeof h);
}

}  // namespace zkdb
