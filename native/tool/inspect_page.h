// One page of a segment: the line about it, and the page in full.
//
// Thread-safety: pure but for the output given.
//
// Invariants:
//  1. Slots and cells are read only after VerifyPageStructure found them sound, whatever the checksum says.
#pragma once

#include <cstdint>

#include "core/format/layout.h"
#include "tool/inspect_output.h"

namespace zkdb {

// What is known of a page before its slots are looked at.
struct PageFindings {
  PageHeader header{};
  bool zero = false;  // every byte is zero
  bool checksum_ok = false;
  bool number_ok = false;         // it says that it is the page that its place means
  const char* unsound = nullptr;  // what is wrong with its structure; nullptr: nothing
};

// `page` has page_size bytes at an address that is a multiple of 8; references are bounded by page_count.
PageFindings ExaminePage(const uint8_t* page, uint32_t page_size, uint32_t number, uint32_t page_count);

// "leaf", "branch", ...; "unknown" for a number that is no kind.
const char* PageKindName(PageKind kind);

// Adds number, kind, level, stamp, count, fill, checksum and structure to a line.
void AddPageSummary(const PageFindings& findings, const uint8_t* page, uint32_t page_size, uint32_t number,
                    InspectLine* line);

// The slots of a leaf or branch, or the head and payload of an overflow or segment header page. A free map page is
// shown with `base`, the page that its first bit stands for.
void EmitPageContent(const PageFindings& findings, const uint8_t* page, uint32_t page_size, uint64_t base,
                     InspectOutput* out);

}  // namespace zkdb
