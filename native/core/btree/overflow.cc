#include "core/btree/overflow.h"

#include <algorithm>
#include <vector>

#include "core/base/coding.h"

namespace zkdb {
namespace {

// Fills one run of pages from the front of `bytes`; returns what is left.
Slice FillRun(PageSpace* space, PageRef first, uint32_t pages, Slice bytes) {
  const uint32_t payload = OverflowPayload(space->page_size());
  for (uint32_t i = 0; i < pages; ++i) {
    uint8_t* frame = space->FrameOf(first.number + i);
    PageHeader header{};
    header.number = first.number + i;
    header.stamp = first.stamp;
    header.kind = PageKind::kOverflow;
    const OverflowHead head{i == 0 ? pages : 0, 0};
    std::memcpy(frame, &header, sizeof header);
    std::memcpy(frame + sizeof header, &head, sizeof head);
    const size_t n = std::min<size_t>(payload, bytes.size);
    std::memcpy(frame + kOverflowPayloadOffset, bytes.data, n);
    std::memset(frame + kOverflowPayloadOffset + n, 0, payload - n);
    bytes = bytes.Sub(n);
  }
  return bytes;
}

}  // namespace

Status WriteOverflow(PageSpace* space, Slice bytes, OverflowRef* out) {
  const uint32_t payload = OverflowPayload(space->page_size());
  *out = OverflowRef{static_cast<uint32_t>(bytes.size), {}};
  auto left = static_cast<uint32_t>((bytes.size + payload - 1) / payload);
  uint32_t previous_run = kNoPage;
  while (left > 0) {
    PageRef first;
    uint32_t got = 0;
    ZKDB_RETURN_IF_ERROR(space->AllocateRun(left, &first, &got));
    bytes = FillRun(space, first, got, bytes);
    if (previous_run == kNoPage) {
      out->first = first;
    } else {
      uint8_t* head = space->FrameOf(previous_run) + sizeof(PageHeader);
      Store32(head + offsetof(OverflowHead, next_run), first.number);
    }
    previous_run = first.number;
    left -= got;
  }
  return Status::Ok();
}

Status ReadOverflow(PageSpace* space, const OverflowRef& ref, uint8_t* out) {
  const uint32_t payload = OverflowPayload(space->page_size());
  uint32_t left = ref.size;
  return WalkOverflow(space, ref, [&](PageRef, const uint8_t* page) {
    const uint32_t n = std::min(payload, left);
    std::memcpy(out, page + kOverflowPayloadOffset, n);
    out += n;
    left -= n;
    return Status::Ok();
  });
}

Status FreeOverflow(PageSpace* space, const OverflowRef& ref) {
  std::vector<PageRef> pages;
  ZKDB_RETURN_IF_ERROR(WalkOverflow(space, ref, [&](PageRef page, const uint8_t*) {
    pages.push_back(page);
    return Status::Ok();
  }));
  for (PageRef page : pages) space->Free(page);
  return Status::Ok();
}

}  // namespace zkdb
