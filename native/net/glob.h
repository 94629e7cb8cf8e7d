// Patterns of KEYS and SCAN: * ? [a-z] [^a-z] and a backslash before a byte that is meant as it is.
//
// Thread-safety: pure functions.
//
// Invariants:
//  1. Matching takes at most the product of both lengths in steps, and no recursion.
#pragma once

#include "core/base/slice.h"

namespace zkdb::net {

bool GlobMatches(Slice pattern, Slice text);

// What every text that matches begins with: the pattern up to its first special byte.
Slice GlobPrefix(Slice pattern);

}  // namespace zkdb::net
