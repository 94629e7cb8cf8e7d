// Keys and values that do not fit a page: runs of consecutive overflow pages, chained.
//
// Thread-safety: ReadOverflow inside an EpochGuard or by the writer; the others by the running transaction.
//
// Invariants:
//  1. The pages of one value carry one stamp; the first page of each run says how many pages the run has and where the
//     next run begins.
//  2. Sizes from disk are checked against what is there before anything is copied.
#pragma once

#include "core/base/coding.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/segment/page_space.h"

namespace zkdb {

// Stores `bytes` (at least one) in new pages of the running transaction.
Status WriteOverflow(PageSpace* space, Slice bytes, OverflowRef* out);

// Copies all ref.size bytes to `out`. ZKDB_CORRUPT when a page is not what the reference says.
Status ReadOverflow(PageSpace* space, const OverflowRef& ref, uint8_t* out);

// Frees the pages.
Status FreeOverflow(PageSpace* space, const OverflowRef& ref);

// Calls visit(page number) for each page of the value, verifying each.
template <typename Visit>
Status WalkOverflow(PageSpace* space, const OverflowRef& ref, Visit visit) {
  const uint32_t payload = OverflowPayload(space->page_size());
  uint64_t left = (uint64_t{ref.size} + payload - 1) / payload;
  PageRef run = ref.first;
  while (left > 0) {
    const uint8_t* first = nullptr;
    ZKDB_RETURN_IF_ERROR(space->Read(run, &first));
    const auto head = Load<OverflowHead>(first + sizeof(PageHeader));
    if (Load<PageHeader>(first).kind != PageKind::kOverflow || head.run_pages == 0 || head.run_pages > left) {
      return Status::Corrupt(space->files().PathOf(run.number) + ": page " + std::to_string(run.number) +
                             ": is not the start of an overflow run of this value");
    }
    for (uint32_t i = 0; i < head.run_pages; ++i) {
      const PageRef ref_i{run.number + i, run.stamp};
      const uint8_t* page = nullptr;
      ZKDB_RETURN_IF_ERROR(space->Read(ref_i, &page));
      ZKDB_RETURN_IF_ERROR(visit(ref_i, page));
    }
    left -= head.run_pages;
    run = PageRef{head.next_run, run.stamp};
  }
  return Status::Ok();
}

}  // namespace zkdb
