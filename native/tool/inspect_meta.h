// Meta slots, and what a segment file is a part of: its page size, its place in the partition, the meta beside it.
//
// Thread-safety: none; one inspection uses one.
//
// Invariants:
//  1. A SegmentShape can be used to find pages: page_size is a power of two in its limits, known or guessed.
#pragma once

#include <string>

#include "core/format/layout.h"
#include "core/os/env.h"
#include "tool/inspect_output.h"

namespace zkdb {

// A meta slot as found.
struct MetaSlot {
  Meta meta{};
  const char* problem = nullptr;  // why it does not count; nullptr: a valid meta
};

// The two slots of a file that begins with them; `newest` is the index of the one that counts, -1 when there is none.
struct MetaSlots {
  MetaSlot slot[kMetaSlots];
  int newest = -1;
  bool any_magic = false;
};
Status ReadMetaSlots(File* file, MetaSlots* out);
void EmitMetaSlots(const MetaSlots& slots, InspectOutput* out);

struct SegmentShape {
  uint64_t size = 0;           // of the file, bytes
  uint32_t index = 0;          // the segment's place in the partition
  uint32_t page_size = 0;      // bytes
  uint32_t segment_pages = 0;  // 0: not known
  uint32_t first_page = 0;     // number of the file's first page
  uint32_t file_pages = 0;     // whole pages in the file
  bool has_metas = false;      // the file begins with meta slots
  MetaSlots metas;             // of this file, or of 000.zkd beside it
  const Meta* newest() const { return metas.newest < 0 ? nullptr : &metas.slot[metas.newest].meta; }
  // The bound for page references.
  uint32_t page_count() const { return newest() == nullptr ? UINT32_MAX : newest()->page_count; }
};

// Finds out as much as can be; what had to be guessed goes to `out` as notes. ZKDB_IO.
Status FindShape(Env* env, File* file, InspectOutput* out, SegmentShape* shape);

}  // namespace zkdb
