// Every structure of a segment file: sizes, offsets, magic numbers and the version. docs/format.md is the same in
// prose with worked examples; the two change together with kFormatVersion. Values on disk: do not change.
//
// A segment is pages of one size. Segment 0 begins with two meta slots of 4096 bytes (bytes 0 and 4096), the later ones
// with a segment header page. All integers are little-endian.
//
// Thread-safety: constants and plain structs.
//
// Invariants:
//  1. A page number names a place for good: page n is byte (n mod pages per segment) * page size of segment
//     n / pages per segment.
//  2. A reference to a page is its number and its stamp; a page whose stamp differs is not the one that was meant.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace zkdb {

inline constexpr uint32_t kFormatVersion = 2;  // 2: records that expire
inline constexpr uint32_t kMinPageSize = 4096;
inline constexpr uint32_t kMaxPageSize = 65536;
inline constexpr uint64_t kMinSegmentSize = 64u << 10;
inline constexpr uint64_t kMaxSegmentSize = 2ull << 30;
inline constexpr uint32_t kMaxSegments = 4096;
inline constexpr uint32_t kMaxLevels = 32;  // more levels than any tree of 2^31 pages needs
inline constexpr uint32_t kMetaSlotSize = 4096;
inline constexpr uint32_t kMetaSlots = 2;
inline constexpr uint32_t kNoPage = 0;  // page 0 is a meta slot, so 0 never names a tree page

inline constexpr std::array<uint8_t, 8> kMetaMagic = {'z', 'k', 'd', 'b', 'm', 'e', 't', 'a'};
inline constexpr std::array<uint8_t, 8> kSegmentMagic = {'z', 'k', 'd', 'b', 's', 'e', 'g', 'm'};

using DatabaseId = std::array<uint8_t, 16>;

// A page number with the stamp that the page must carry.
struct PageRef {
  uint32_t number = kNoPage;
  uint32_t stamp = 0;
  friend bool operator==(const PageRef&, const PageRef&) = default;
};

enum class PageKind : uint8_t { kLeaf = 1, kBranch = 2, kOverflow = 3, kFreeMap = 4, kSegmentHeader = 5 };

// The head of every page but the metas.
//
//   offset  size  meaning
//   0       4     CRC-32C of bytes 4..page size
//   4       4     page number
//   8       4     stamp: low 32 bits of the number of the transaction that made the page
//   12      1     kind (PageKind)
//   13      1     level: 0 leaf, 1.. branch; 0 for the other kinds
//   14      1     flags (kPageHasOverflow, kPageOfExpiry)
//   15      1     prefix size: bytes that all keys of the page begin with (leaf, branch)
//   16      2     count of slots (leaf, branch)
//   18      2     heap size: bytes from the lowest cell to the page's end
//   20      2     garbage: bytes of the heap that no slot refers to
//   22      2     zero
struct PageHeader {
  uint32_t checksum;
  uint32_t number;
  uint32_t stamp;
  PageKind kind;
  uint8_t level;
  uint8_t flags;
  uint8_t prefix_size;
  uint16_t count;
  uint16_t heap_size;
  uint16_t garbage;
  uint16_t zero;
};
static_assert(sizeof(PageHeader) == 24 && std::has_unique_object_representations_v<PageHeader>);
static_assert(offsetof(PageHeader, stamp) == 8 && offsetof(PageHeader, count) == 16);

inline constexpr uint8_t kPageHasOverflow = 1;  // leaf, branch: a cell refers to overflow pages
inline constexpr uint8_t kPageOfExpiry = 2;     // leaf, branch: of the expiry index, not of the records
inline constexpr uint32_t kChecksumSize = 4;

// A slot of a leaf or branch page. The slots follow the prefix, which is padded to 8 bytes.
//
//   offset  size  meaning
//   0       4     head: the first four key bytes after the prefix as a big-endian number, padded with zeros
//   4       2     offset of the cell in the page
//   6       2     bits 0-12: key bytes after the prefix that are in the page; bit 13: the key goes on in overflow
//                 pages; bit 14: the value is in overflow pages; bit 15, leaf: the record expires
struct Slot {
  uint32_t head;
  uint16_t offset;
  uint16_t meta;
};
static_assert(sizeof(Slot) == 8 && std::has_unique_object_representations_v<Slot>);

inline constexpr uint16_t kSlotKeySizeMask = 0x1FFF;
inline constexpr uint16_t kSlotKeyOverflow = 0x2000;
inline constexpr uint16_t kSlotValueOverflow = 0x4000;
inline constexpr uint16_t kSlotExpires = 0x8000;

// Cells, unaligned. `tail` is what is left of the key after the prefix and the head.
//
//   leaf:    u16 value size (0 when it overflows), tail, [OverflowRef of the key], [u64 time at which the record ends],
//            value or OverflowRef of the value
//   branch:  PageRef of the child, tail, [OverflowRef of the key]; slot 0 has no key: its child holds what is below
//            the key of slot 1
struct OverflowRef {
  uint32_t size;  // bytes
  PageRef first;
};
static_assert(sizeof(OverflowRef) == 12 && sizeof(PageRef) == 8);

inline constexpr uint32_t kLeafCellHead = 2;
inline constexpr uint32_t kBranchCellHead = sizeof(PageRef);
inline constexpr uint32_t kTimeSize = 8;  // a wall clock, ms since 1970: in leaf cells and in index keys

// An overflow page: PageHeader, then this, then payload. Pages of a run have consecutive numbers and one stamp.
//
//   offset  size  meaning
//   24      4     pages in this run (first page of a run; else 0)
//   28      4     page number of the next run's first page, same stamp (first page of a run; 0: none)
struct OverflowHead {
  uint32_t run_pages;
  uint32_t next_run;
};
inline constexpr uint32_t kOverflowPayloadOffset = sizeof(PageHeader) + sizeof(OverflowHead);

// A free map page: PageHeader, then this, then bits; bit i of map page k (from 0) is set when page
// k * 8 * (page size - 32) + i is free.
struct FreeMapHead {
  PageRef next;  // number 0: the last
};
inline constexpr uint32_t kFreeMapPayloadOffset = sizeof(PageHeader) + sizeof(FreeMapHead);

// A meta slot: 4096 bytes, of which the rest after this struct is zero. Checkpoint n goes to slot n mod 2.
//
//   offset  size  meaning
//   0       8     "zkdbmeta"
//   8       4     format version
//   12      4     CRC-32C of the 4096 bytes with this field zero
//   16      16    database id
//   32      8     partition uid
//   40      8     checkpoint number, from 1
//   48      8     sequence: commits up to here are in the pages
//   56      4     page size
//   60      4     pages per segment
//   64      8     root reference (number 0: empty tree)
//   72      8     first free map page (number 0: nothing is free)
//   80      8     records
//   88      4     page count: pages in use are below this number
//   92      4     last stamp given out
//   96      8     fingerprint of the routing rule
//   104     8     wall clock of the checkpoint, ms since 1970
//   112     1     levels of the tree (0: empty)
//   113     7     zero
//   120     4     free pages
//   124     4     index of the partition in the configuration when it was made
//   128     8     root reference of the expiry index (number 0: nothing expires)
//   136     8     records that expire
//   144     1     levels of the expiry index (0: empty)
//   145     7     zero
struct Meta {
  std::array<uint8_t, 8> magic;
  uint32_t version;
  uint32_t checksum;
  DatabaseId database_id;
  uint64_t partition_uid;
  uint64_t checkpoint;
  uint64_t sequence;
  uint32_t page_size;
  uint32_t segment_pages;
  PageRef root;
  PageRef free_map;
  uint64_t records;
  uint32_t page_count;
  uint32_t last_stamp;
  uint64_t fingerprint;
  uint64_t time_ms;
  uint8_t levels;
  std::array<uint8_t, 7> zero;
  uint32_t free_pages;
  uint32_t partition_index;
  PageRef expiry_root;
  uint64_t expiring;
  uint8_t expiry_levels;
  std::array<uint8_t, 7> zero2;
};
static_assert(sizeof(Meta) == 152 && std::has_unique_object_representations_v<Meta>);
static_assert(offsetof(Meta, root) == 64 && offsetof(Meta, fingerprint) == 96 && offsetof(Meta, levels) == 112);

// The first page of segments 1 and up: PageHeader (kind kSegmentHeader), then this.
struct SegmentHead {
  std::array<uint8_t, 8> magic;
  DatabaseId database_id;
  uint64_t partition_uid;
  uint32_t segment;
  uint32_t version;
};
static_assert(sizeof(SegmentHead) == 40 && std::has_unique_object_representations_v<SegmentHead>);

// Pages at the start of segment 0 that hold the metas.
inline constexpr uint32_t MetaPages(uint32_t page_size) { return page_size >= 8192 ? 1 : 8192 / page_size; }

// Key bytes kept in a page; the rest of a longer key goes to overflow pages.
inline constexpr uint32_t MaxInlineKey(uint32_t page_size) { return page_size / 16; }

// The largest cell with its slot: two of them always fit one page, so a split always succeeds.
inline constexpr uint32_t MaxCellAndSlot(uint32_t page_size) { return (page_size - uint32_t{sizeof(PageHeader)}) / 2; }

inline constexpr uint32_t OverflowPayload(uint32_t page_size) { return page_size - kOverflowPayloadOffset; }
inline constexpr uint32_t FreeMapBits(uint32_t page_size) { return (page_size - kFreeMapPayloadOffset) * 8; }

}  // namespace zkdb
