#include "core/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace zkdb {

void AssertFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "zkdb: broken invariant at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace zkdb
