// Describes a segment or log file for a person or a program, whatever its bytes are.
//
// Files are opened for reading, without a lock and without the engine, so a database may be in use meanwhile; what is
// shown of it is then what its files hold at that moment.
//
// Thread-safety: Inspect may be called from any thread.
//
// Invariants:
//  1. No byte of a file is believed before it is checked: references are followed within bounds, loops have limits.
//  2. Memory is bounded by a few pages of the largest size, whatever the file's size.
//  3. What is wrong with a file is part of its description: only a file that cannot be read, or is not one of ours,
//     fails.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/status.h"
#include "core/os/env.h"
#include "tool/inspect_output.h"

namespace zkdb {

// `page` -1: an overview of a segment, or every record of a log; else that page of a segment, by its number in the
// partition. The sink gets line after line; when it stops, the result is a success.
// ZKDB_IO: the file cannot be read. ZKDB_NOT_ZKDB: neither content nor name is that of a segment or log.
// ZKDB_INVALID: `page` is not in the file, or the file is a log.
Status Inspect(Env* env, const std::string& path, int64_t page, bool as_json, InspectSink sink);

// The two kinds of file. `file` is open for reading.
Status InspectSegment(Env* env, File* file, int64_t page, InspectOutput* out);
Status InspectLog(File* file, InspectOutput* out);

}  // namespace zkdb
