#include "tool/inspect_page.h"

#include <algorithm>
#include <string>

#include "core/base/checksum.h"
#include "core/base/coding.h"
#include "core/btree/page.h"

namespace zkdb {
namespace {

bool IsZero(const uint8_t* page, size_t n) {
  return std::all_of(page, page + n, [](uint8_t b) { return b == 0; });
}

const char* Unsound(const uint8_t* page, uint32_t page_size, uint32_t page_count) {
  if (Load<PageHeader>(page).kind != PageKind::kSegmentHeader) return VerifyPageStructure(page, page_size, page_count);
  const auto head = Load<SegmentHead>(page + sizeof(PageHeader));
  return head.magic == kSegmentMagic ? nullptr : "a segment header without its magic";
}

bool HasSlots(const PageFindings& findings) {
  const PageKind kind = findings.header.kind;
  return findings.unsound == nullptr && (kind == PageKind::kLeaf || kind == PageKind::kBranch);
}

void AddOverflow(const char* what, const OverflowRef& ref, InspectLine* line) {
  const std::string name = what;
  line->Number((name + "_overflow_size").c_str(), ref.size);
  line->Number((name + "_overflow_page").c_str(), ref.first.number);
  line->Number((name + "_overflow_stamp").c_str(), ref.first.stamp);
}

void AddLeafValue(PageView page, const Slot& slot, InspectLine* line) {
  if (PageView::Expires(slot)) line->Number("ends_ms", page.time(slot));
  line->Number("value_size", page.value_size(slot));
  if (PageView::ValueOverflows(slot)) {
    AddOverflow("value", page.value_overflow(slot), line);
  } else {
    line->Bytes("value", page.inline_value(slot));
  }
}

// REQUIRES: the page's structure is sound.
void EmitSlot(PageView page, uint32_t index, InspectOutput* out) {
  const Slot& slot = page.slot(index);
  uint8_t head[sizeof slot.head];
  Store(head, __builtin_bswap32(slot.head));
  InspectLine line = out->Line("slot");
  line.Number("index", index).Hex("head", Slice(head, sizeof head)).Number("cell", slot.offset);
  line.Number("cell_size", page.CellSize(slot));
  if (page.leaf() || index > 0) {
    uint8_t key[kMaxPageSize / 16];
    page.CopyKey(slot, key);
    line.Number("key_size", page.key_size(slot)).Bytes("key", Slice(key, page.in_page_key_size(slot)));
    if (PageView::KeyOverflows(slot)) AddOverflow("key", page.key_rest(slot), &line);
  }
  if (page.leaf()) {
    AddLeafValue(page, slot, &line);
  } else {
    const PageRef child = page.child(index);
    line.Number("child", child.number).Number("child_stamp", child.stamp);
  }
  out->Emit(line);
}

void EmitFreeRanges(const uint8_t* page, uint32_t page_size, uint64_t base, InspectOutput* out) {
  const uint8_t* bits = page + kFreeMapPayloadOffset;
  const uint32_t count = FreeMapBits(page_size);
  const auto is_free = [bits](uint32_t i) { return ((bits[i / 8] >> (i % 8)) & 1) != 0; };
  for (uint32_t i = 0; i < count && !out->stopped(); ++i) {
    if (!is_free(i)) continue;
    const uint32_t first = i;
    while (i + 1 < count && is_free(i + 1)) ++i;
    out->Emit(out->Line("free").Number("first", base + first).Number("last", base + i));
  }
}

void EmitFreeMap(const uint8_t* page, uint32_t page_size, uint64_t base, InspectOutput* out) {
  const auto head = Load<FreeMapHead>(page + sizeof(PageHeader));
  InspectLine line = out->Line("free_map");
  line.Number("next", head.next.number).Number("next_stamp", head.next.stamp).Number("first_bit_is_page", base);
  out->Emit(line);
  EmitFreeRanges(page, page_size, base, out);
}

void EmitOverflowHead(const uint8_t* page, uint32_t page_size, InspectOutput* out) {
  const auto head = Load<OverflowHead>(page + sizeof(PageHeader));
  InspectLine line = out->Line("overflow");
  line.Number("run_pages", head.run_pages).Number("next_run", head.next_run);
  out->Emit(line.Bytes("payload", Slice(page + kOverflowPayloadOffset, OverflowPayload(page_size))));
}

void EmitSegmentHead(const uint8_t* page, InspectOutput* out) {
  const auto head = Load<SegmentHead>(page + sizeof(PageHeader));
  InspectLine line = out->Line("segment_header");
  line.Hex("database_id", Slice(head.database_id.data(), head.database_id.size())).Hex64("uid", head.partition_uid);
  out->Emit(line.Number("segment", head.segment).Number("version", head.version));
}

}  // namespace

const char* PageKindName(PageKind kind) {
  switch (kind) {
    case PageKind::kLeaf: return "leaf";
    case PageKind::kBranch: return "branch";
    case PageKind::kOverflow: return "overflow";
    case PageKind::kFreeMap: return "free_map";
    case PageKind::kSegmentHeader: return "segment_header";
  }
  return "unknown";
}

PageFindings ExaminePage(const uint8_t* page, uint32_t page_size, uint32_t number, uint32_t page_count) {
  PageFindings findings;
  findings.header = Load<PageHeader>(page);
  findings.zero = IsZero(page, page_size);
  findings.checksum_ok = findings.header.checksum == Crc32c(0, page + kChecksumSize, page_size - kChecksumSize);
  findings.number_ok = findings.header.number == number;
  findings.unsound = findings.zero ? "it was never written" : Unsound(page, page_size, page_count);
  return findings;
}

void AddPageSummary(const PageFindings& findings, const uint8_t* page, uint32_t page_size, uint32_t number,
                    InspectLine* line) {
  const PageHeader& h = findings.header;
  line->Number("number", number);
  if (findings.zero) {
    line->Text("kind", "empty");
    return;
  }
  line->Text("kind", PageKindName(h.kind));
  if ((h.flags & kPageOfExpiry) != 0) line->Flag("expiry_index", true);
  if (h.kind > PageKind::kSegmentHeader || h.kind < PageKind::kLeaf)
    line->Number("kind_number", static_cast<uint8_t>(h.kind));
  line->Number("level", h.level).Number("stamp", h.stamp).Number("count", h.count);
  if (HasSlots(findings)) {
    const uint32_t used = page_size - PageView(page).free_bytes(page_size);
    line->Number("fill_percent", uint64_t{used} * 100 / page_size);
  }
  line->Text("checksum", findings.checksum_ok ? "ok" : "bad");
  if (!findings.number_ok) line->Number("says_it_is_page", h.number);
  line->Text("structure", findings.unsound == nullptr ? "sound" : findings.unsound);
}

void EmitPageContent(const PageFindings& findings, const uint8_t* page, uint32_t page_size, uint64_t base,
                     InspectOutput* out) {
  const PageHeader& h = findings.header;
  InspectLine line = out->Line("page_header");
  line.Number("checksum", h.checksum)
      .Number("number", h.number)
      .Number("stamp", h.stamp)
      .Number("kind", static_cast<uint8_t>(h.kind));
  line.Number("level", h.level).Number("flags", h.flags).Number("prefix_size", h.prefix_size).Number("count", h.count);
  line.Number("heap_size", h.heap_size).Number("garbage", h.garbage).Number("zero", h.zero);
  if (HasSlots(findings)) line.Bytes("prefix", PageView(page).prefix());
  out->Emit(line);
  if (findings.unsound != nullptr) {
    out->Emit(out->Line("bytes").Number("offset", 0).Hex("hex", Slice(page, kPreviewBytes)));
    return;
  }
  switch (h.kind) {
    case PageKind::kLeaf:
    case PageKind::kBranch:
      for (uint32_t i = 0; i < h.count && !out->stopped(); ++i) EmitSlot(PageView(page), i, out);
      break;
    case PageKind::kOverflow: EmitOverflowHead(page, page_size, out); break;
    case PageKind::kFreeMap: EmitFreeMap(page, page_size, base, out); break;
    case PageKind::kSegmentHeader: EmitSegmentHead(page, out); break;
  }
}

}  // namespace zkdb
