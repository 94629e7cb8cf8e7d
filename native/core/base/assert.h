// Checks of our own invariants. They stay on in release builds: a broken invariant stops the process before it
// damages data. Bytes from disk, a caller or the network are never checked with these: they give a Status.
#pragma once

namespace zkdb {

// Prints the failed condition and its place to stderr, then aborts.
[[noreturn]] void AssertFailed(const char* condition, const char* file, int line);

}  // namespace zkdb

#define ZKDB_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::zkdb::AssertFailed(#condition, __FILE__, __LINE__))
