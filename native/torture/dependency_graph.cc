#include "torture/dependency_graph.h"

#include <algorithm>

namespace zkdb::test {

// Tarjan's algorithm with a stack of its own: histories make long paths.
std::vector<uint32_t> DependencyGraph::Components(uint8_t kinds) const {
  struct Frame {
    uint32_t node;
    size_t next;
  };
  std::vector<uint32_t> component(size(), 0);
  std::vector<uint32_t> index(size(), 0);
  std::vector<uint32_t> low(size(), 0);
  std::vector<bool> open(size(), false);
  std::vector<uint32_t> stack;
  std::vector<Frame> frames;
  uint32_t count = 0;
  uint32_t components = 0;
  const auto enter = [&](uint32_t node) {
    index[node] = low[node] = ++count;
    open[node] = true;
    stack.push_back(node);
    frames.push_back({node, 0});
  };
  for (uint32_t start = 0; start < size(); ++start) {
    if (index[start] == 0) enter(start);
    while (!frames.empty()) {
      const uint32_t node = frames.back().node;
      if (frames.back().next < edges_[node].size()) {
        const Edge& e = edges_[node][frames.back().next++];
        if ((e.kind & kinds) == 0) continue;
        if (index[e.to] == 0)
          enter(e.to);
        else if (open[e.to])
          low[node] = std::min(low[node], index[e.to]);
        continue;
      }
      frames.pop_back();
      if (!frames.empty()) low[frames.back().node] = std::min(low[frames.back().node], low[node]);
      if (low[node] != index[node]) continue;
      const auto first = std::find(stack.rbegin(), stack.rend(), node).base() - 1;
      const uint32_t number = stack.end() - first > 1 ? ++components : 0;
      for (auto n = first; n != stack.end(); ++n) open[*n] = false, component[*n] = number;
      stack.erase(first, stack.end());
    }
  }
  return component;
}

std::vector<PathStep> DependencyGraph::Path(uint32_t from, uint32_t to, uint8_t kinds) const {
  std::vector<PathStep> came(size(), PathStep{UINT32_MAX, {}});
  std::vector<uint32_t> queue = {from};
  for (size_t i = 0; i < queue.size() && came[to].node == UINT32_MAX; ++i) {
    for (const Edge& e : edges_[queue[i]]) {
      if ((e.kind & kinds) == 0 || came[e.to].node != UINT32_MAX) continue;
      came[e.to] = {queue[i], e};
      queue.push_back(e.to);
    }
  }
  std::vector<PathStep> path;
  if (came[to].node == UINT32_MAX) return path;
  for (uint32_t at = to; path.empty() || at != from; at = came[at].node) path.push_back(came[at]);
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace zkdb::test
