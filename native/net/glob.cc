#include "net/glob.h"

#include <algorithm>

namespace zkdb::net {

namespace {

// Whether `c` is in the class that begins at pattern[*at], a '['; *at moves behind its ']'.
bool InClass(Slice pattern, size_t* at, uint8_t c) {
  size_t i = *at + 1;
  const bool negated = i < pattern.size && pattern.data[i] == '^';
  if (negated) ++i;
  bool found = false;
  while (i < pattern.size && pattern.data[i] != ']') {
    if (pattern.data[i] == '\\' && i + 1 < pattern.size) ++i;
    uint8_t low = pattern.data[i];
    uint8_t high = low;
    if (i + 2 < pattern.size && pattern.data[i + 1] == '-' && pattern.data[i + 2] != ']') {
      high = pattern.data[i + 2];
      i += 2;
    }
    if (low > high) std::swap(low, high);
    found |= low <= c && c <= high;
    ++i;
  }
  *at = std::min(i + 1, pattern.size);
  return found != negated;
}

// Whether the single-byte element at pattern[*at] matches `c`; *at moves behind it.
bool ElementMatches(Slice pattern, size_t* at, uint8_t c) {
  const uint8_t p = pattern.data[*at];
  if (p == '[') return InClass(pattern, at, c);
  if (p == '\\' && *at + 1 < pattern.size) ++*at;
  const bool any = p == '?';
  return pattern.data[(*at)++] == c || any;
}

}  // namespace

bool GlobMatches(Slice pattern, Slice text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = SIZE_MAX;  // behind the last '*' of the pattern
  size_t resume = 0;       // the text from which it takes one byte more
  while (t < text.size) {
    if (p < pattern.size && pattern.data[p] == '*') {
      star = ++p;
      resume = t;
      continue;
    }
    if (p < pattern.size && ElementMatches(pattern, &p, text.data[t])) {
      ++t;
      continue;
    }
    if (star == SIZE_MAX) return false;
    p = star;
    t = ++resume;
  }
  while (p < pattern.size && pattern.data[p] == '*') ++p;
  return p == pattern.size;
}

Slice GlobPrefix(Slice pattern) {
  const auto* end = std::find_if(pattern.data, pattern.data + pattern.size,
                                 [](uint8_t c) { return c == '*' || c == '?' || c == '[' || c == '\\'; });
  return pattern.Sub(0, static_cast<size_t>(end - pattern.data));
}

}  // namespace zkdb::net
