// A directed graph with kinds of edges, and its cycles.
//
// Thread-safety: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace zkdb::test {

enum EdgeKind : uint8_t { kWw = 1, kWr = 2, kRw = 4, kRealTime = 8 };

struct Edge {
  uint32_t to;
  uint8_t kind;
  uint32_t key;
};

struct PathStep {
  uint32_t node;
  Edge edge;  // from `node`
};

class DependencyGraph {
 public:
  explicit DependencyGraph(size_t nodes) : edges_(nodes) {}
  uint32_t AddNode() { return edges_.emplace_back(), static_cast<uint32_t>(edges_.size() - 1); }
  void Add(uint32_t from, uint32_t to, uint8_t kind, uint32_t key = 0) {
    if (from != to) edges_[from].push_back({to, kind, key});
  }
  const std::vector<Edge>& From(uint32_t node) const { return edges_[node]; }
  size_t size() const { return edges_.size(); }

  // For each node the number of its strongly connected component, by edges of `kinds`; 0: in none of several nodes.
  std::vector<uint32_t> Components(uint8_t kinds) const;
  // The shortest path from `from` to `to` by edges of `kinds`; empty when there is none.
  std::vector<PathStep> Path(uint32_t from, uint32_t to, uint8_t kinds) const;

 private:
  std::vector<std::vector<Edge>> edges_;
};

}  // namespace zkdb::test
