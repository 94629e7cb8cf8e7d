// Workloads on trees of three levels, with overflow chains, keys that only overflow pages tell apart, and pages at the
// end of the files that a close moves: between them they touch pages from every place of the engine that reads one.
//
// Thread-safety: none.
#pragma once

#include <vector>

#include "torture/io_workloads.h"

namespace zkdb::test {

const std::vector<IoWorkload>& DamageWorkloads();

}  // namespace zkdb::test
