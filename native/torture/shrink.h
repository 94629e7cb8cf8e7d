// Delta debugging: takes steps out of a failing list as long as it still fails (Zeller and Hildebrandt, "Simplifying
// and isolating failure-inducing input", IEEE TSE 28(2), 2002), by halves, quarters and so on down to single ones.
//
// Thread-safety: none.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace zkdb::test {

// Returns a shorter list for which fails(list) is true, given that it is true for `list`. Stops after `seconds`.
template <typename T, typename Fails>
std::vector<T> Shrink(std::vector<T> list, const Fails& fails, uint32_t seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  for (size_t chunk = std::max<size_t>(1, list.size() / 2); chunk > 0; chunk /= 2) {
    for (size_t from = 0; from < list.size();) {
      if (std::chrono::steady_clock::now() > end) return list;
      const auto first = list.begin() + static_cast<ptrdiff_t>(from);
      const auto last = list.begin() + static_cast<ptrdiff_t>(std::min(list.size(), from + chunk));
      std::vector<T> without(list.begin(), first);
      without.insert(without.end(), last, list.end());
      if (!without.empty() && fails(without)) {
        list = std::move(without);
      } else {
        from += chunk;
      }
    }
  }
  return list;
}

}  // namespace zkdb::test
