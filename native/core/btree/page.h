// A leaf or branch page as slots and cells (layout.h): reading, searching, and changing one page in place.
//
//   | header 24 | prefix, padded to 8 | slots, 8 each, in key order -> | free | <- cells |
//
// Searching looks at the heads in the slots; a cell is read only where heads are equal. Source of the layout: Mueller
// and Leis, "B-Trees Are Back: Engineering Fast and Pageable Node Layouts", 2025 (slotted pages with heads and prefix
// truncation; here the prefix is that of the keys in the page, not of fences, and the head is not repeated in the
// cell).
//
// Thread-safety: a page that others can see is never changed; PageEditor works on a transaction's own frame.
//
// Invariants:
//  1. Slots are in strict key order; slot 0 of a branch has no key and stands for everything below slot 1.
//  2. All keys of a page (of slots 1.. in a branch) begin with the prefix.
//  3. Every view is of a page that was verified or made here, so offsets are inside the page.
#pragma once

#include <cstdint>

#include "core/base/coding.h"
#include "core/base/slice.h"
#include "core/format/layout.h"

namespace zkdb {

// A cell taken apart, with the key's in-page bytes put together again elsewhere (or borrowed).
struct Entry {
  Slice key;               // in-page key bytes, prefix included; empty for slot 0 of a branch
  uint16_t flags = 0;      // kSlotKeyOverflow, kSlotValueOverflow, kSlotExpires
  uint64_t cell_head = 0;  // leaf: value size; branch: the child's PageRef
  Slice rest;              // after the tail: [OverflowRef of the key], [time], value or its OverflowRef
};

inline uint64_t PackRef(PageRef ref) { return uint64_t{ref.number} | (uint64_t{ref.stamp} << 32); }
inline PageRef UnpackRef(uint64_t v) { return {static_cast<uint32_t>(v), static_cast<uint32_t>(v >> 32)}; }

class PageView {
 public:
  PageView() = default;
  explicit PageView(const uint8_t* page) : page_(page) {}

  const uint8_t* data() const { return page_; }
  const PageHeader& header() const { return *reinterpret_cast<const PageHeader*>(page_); }
  uint32_t count() const { return header().count; }
  uint32_t level() const { return header().level; }
  bool leaf() const { return header().kind == PageKind::kLeaf; }
  uint32_t stamp() const { return header().stamp; }
  Slice prefix() const { return {page_ + sizeof(PageHeader), header().prefix_size}; }
  uint32_t slots_offset() const { return static_cast<uint32_t>(sizeof(PageHeader) + RoundUp(header().prefix_size, 8)); }
  uint32_t slots_end() const { return slots_offset() + count() * uint32_t{sizeof(Slot)}; }
  const Slot* slots() const { return reinterpret_cast<const Slot*>(page_ + slots_offset()); }
  const Slot& slot(uint32_t i) const { return slots()[i]; }
  uint32_t cell_head_size() const { return leaf() ? kLeafCellHead : kBranchCellHead; }

  // ---- one slot ----
  static uint32_t KeySize(const Slot& s) { return s.meta & kSlotKeySizeMask; }  // after the prefix, in the page
  static uint32_t TailSize(const Slot& s) { return KeySize(s) > 4 ? KeySize(s) - 4 : 0; }
  static bool KeyOverflows(const Slot& s) { return (s.meta & kSlotKeyOverflow) != 0; }
  static bool ValueOverflows(const Slot& s) { return (s.meta & kSlotValueOverflow) != 0; }
  static bool Expires(const Slot& s) { return (s.meta & kSlotExpires) != 0; }
  const uint8_t* cell(const Slot& s) const { return page_ + s.offset; }
  Slice tail(const Slot& s) const { return {cell(s) + cell_head_size(), TailSize(s)}; }
  // What follows the tail.
  const uint8_t* after_tail(const Slot& s) const { return cell(s) + cell_head_size() + TailSize(s); }
  OverflowRef key_rest(const Slot& s) const { return Load<OverflowRef>(after_tail(s)); }

  // ---- leaf ----
  const uint8_t* time_place(const Slot& s) const { return after_tail(s) + (KeyOverflows(s) ? sizeof(OverflowRef) : 0); }
  const uint8_t* value_place(const Slot& s) const { return time_place(s) + (Expires(s) ? kTimeSize : 0); }
  // When the record ends, 0: never.
  uint64_t time(const Slot& s) const { return Expires(s) ? Load64(time_place(s)) : 0; }
  Slice inline_value(const Slot& s) const { return {value_place(s), Load16(cell(s))}; }
  OverflowRef value_overflow(const Slot& s) const { return Load<OverflowRef>(value_place(s)); }
  uint32_t value_size(const Slot& s) const { return ValueOverflows(s) ? value_overflow(s).size : Load16(cell(s)); }

  // ---- branch ----
  PageRef child(uint32_t i) const { return Load<PageRef>(cell(slot(i))); }

  uint32_t in_page_key_size(const Slot& s) const { return header().prefix_size + KeySize(s); }
  uint32_t key_size(const Slot& s) const { return in_page_key_size(s) + (KeyOverflows(s) ? key_rest(s).size : 0); }
  // Writes the in-page key bytes (in_page_key_size of them) to `out`.
  void CopyKey(const Slot& s, uint8_t* out) const;
  uint32_t CellSize(const Slot& s) const;
  // The cell as an Entry whose key is written to `key_memory`.
  Entry EntryAt(uint32_t i, uint8_t* key_memory) const;

  // Bytes that nothing uses: between slots and heap, and garbage inside the heap.
  uint32_t gap(uint32_t page_size) const { return page_size - header().heap_size - slots_end(); }
  uint32_t free_bytes(uint32_t page_size) const { return gap(page_size) + header().garbage; }

 private:
  const uint8_t* page_ = nullptr;
};

// The result of a search: the first slot whose key is not less than the probe, and whether it is equal.
struct Position {
  uint32_t index = 0;
  bool exact = false;
  // Equal so far, but the slot's key goes on in overflow pages and so does the probe: the caller must compare them.
  bool undecided = false;
};

// The first slot whose head is not below that of the probe.
struct HeadPosition {
  uint32_t index = 0;
  bool equal = false;  // the heads are equal: keys have to be compared
};

// The slot that a search begins with: slot 0 of a branch has no key.
inline uint32_t FirstSlot(PageView page) { return page.leaf() ? 0 : 1; }
// The first half of SearchPage, from FirstSlot on: reads slots alone, and starts loading the cell that the second half
// reads. Who has something else to do meanwhile calls the halves one by one.
HeadPosition SearchHeads(PageView page, uint32_t from, Slice key, uint32_t max_inline_key);
Position SearchTails(PageView page, HeadPosition at, Slice key, uint32_t max_inline_key);

// Searches slots [from, count).
Position SearchPage(PageView page, uint32_t from, Slice key, uint32_t max_inline_key);

// Whether `key` is below the key of slot `i` for certain: false too where both go on in overflow pages.
bool SurelyBelow(PageView page, uint32_t i, Slice key, uint32_t max_inline_key);

// As SearchPage for a branch: the index of the child that holds `key`.
inline uint32_t ChildIndex(const Position& p) { return p.exact ? p.index : p.index - 1; }

// Starts loading the cache lines that a search of this page reads first.
inline void PrefetchPage(const uint8_t* page) {
  for (uint32_t line = 0; line < 6; ++line) __builtin_prefetch(page + line * 64);
}

// Starts loading all of a page, which is about to be copied.
inline void PrefetchWholePage(const uint8_t* page, uint32_t page_size) {
  for (uint32_t line = 0; line < page_size; line += 64) __builtin_prefetch(page + line, 0, 2);
}

// Why a page's structure is unsound, or nullptr. Covers every kind of page. PageSpace's verifier.
const char* VerifyPageStructure(const uint8_t* page, uint32_t page_size, uint32_t page_count);

// Changes one page in a frame.
class PageEditor {
 public:
  PageEditor(uint8_t* page, uint32_t page_size) : page_(page), page_size_(page_size) {}

  PageView view() const { return PageView(page_); }
  // Bytes that `entry` needs in this page, slot included, under the page's present prefix.
  uint32_t Need(const Entry& entry) const;
  bool MatchesPrefix(const Entry& entry) const;
  // Inserts before slot `index`. False, and nothing changed, when it does not fit even after compaction or the key does
  // not begin with the prefix.
  bool Insert(uint32_t index, const Entry& entry);
  // Inserts entries that begin with the prefix and fit (the caller checked) before slot `index`.
  void InsertAll(uint32_t index, const Entry* entries, size_t count);
  void Remove(uint32_t index);
  void RemoveRange(uint32_t from, uint32_t to);
  void SetChild(uint32_t index, PageRef child) { Store(page_ + view().slot(index).offset, child); }
  // Overwrites an inline value with one of the same size, and the time, 0 for never; false when the sizes differ, the
  // value overflows, or only one of both records expires.
  bool OverwriteValue(uint32_t index, Slice value, uint64_t time);
  // Overwrites the time of a record that expires.
  void SetTime(uint32_t index, uint64_t time) {
    Store64(page_ + (view().time_place(view().slot(index)) - page_), time);
  }
  void SetFlag(uint8_t flag) { header().flags |= flag; }
  // Moves the cells together so that there is no garbage.
  void Compact();
  // The key of slot 0 of a branch is dropped: what was slot 1 took its place.
  void DropFirstKey();

 private:
  PageHeader& header() { return *reinterpret_cast<PageHeader*>(page_); }
  Slot* slots() { return reinterpret_cast<Slot*>(page_ + view().slots_offset()); }

  uint8_t* page_;
  uint32_t page_size_;
};

// Builds pages from entries. Sizes are exact for a given prefix.
class PageBuilder {
 public:
  // Bytes of one entry, slot included, in a page whose prefix has `prefix_size` bytes.
  static uint32_t EntrySize(const Entry& entry, uint32_t prefix_size, uint32_t cell_head_size);
  // Bytes that all keys of these entries begin with, at most 255. Branch: entry 0 has no key and does not count.
  static uint32_t CommonPrefixOf(const Entry* entries, size_t count, bool leaf);
  // Bytes of a page of these entries with this prefix, header included.
  static uint32_t PageBytes(const Entry* entries, size_t count, bool leaf, uint32_t prefix);
  // Fills `page`. The entries begin with the prefix and fit (the caller checked).
  // `flags`: kPageOfExpiry or none.
  static void Build(uint8_t* page, uint32_t page_size, PageRef self, uint8_t level, uint8_t flags, uint32_t prefix,
                    const Entry* entries, size_t count);
};

}  // namespace zkdb
