// Brings the records of a damaged database into a new one. The damaged database is only read, file by file, without the
// engine; the new one is written through it. docs/adr/0022-salvage.md says what is taken and why.
//
// Thread-safety: Salvage may be called from any thread.
//
// Invariants:
//  1. No file of the damaged database is made, changed or locked.
//  2. Damage is a finding, never a failure: the salvage goes on with what is still readable.
#pragma once

#include <string>

#include "core/engine/engine.h"
#include "core/os/env.h"
#include "include/zkdb.h"
#include "tool/salvage_pages.h"

namespace zkdb {

// `source` is a configuration file or a directory with a zkdb.conf; `destination` a directory that is new or empty.
// Each finding names file and page, or file and offset. *result is filled as far as the salvage came.
// ZKDB_CONFIG, ZKDB_MISSING: no usable configuration. ZKDB_LOCKED: the source is open somewhere. ZKDB_EXISTS: the
// destination is not empty. ZKDB_ABORTED: `progress` said so. ZKDB_IO, ZKDB_NO_SPACE and others of writing.
Status Salvage(Env* env, const std::string& source, const std::string& destination, const SalvageFinding& finding,
               const Progress& progress, zkdb_salvage_result* result);

}  // namespace zkdb
