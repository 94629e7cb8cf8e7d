// Which server holds which hash slots, where servers share a database the way Redis Cluster does.
//
// Thread-safety: a map does not change once it is made.
//
// Invariants:
//  1. Each of the 16,384 slots has exactly one node, and each node has slots.
//  2. The slots of a node are ranges in ascending order that do not touch.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "include/zkdb.h"

namespace zkdb::net {

struct SlotRange {
  uint16_t first;
  uint16_t last;  // inclusive
};

struct ClusterNode {
  std::string id;    // 40 hexadecimal digits
  std::string host;  // as clients are to reach it
  uint16_t port = 0;
  std::vector<SlotRange> slots;
};

class ClusterMap {
 public:
  // From lines "id host port first-last first-last ...", one per node, this server's first. ZKDB_CONFIG, naming the
  // slot or the line, when a line is of another form or a slot has no node, or two.
  static Status Parse(std::string_view text, std::unique_ptr<const ClusterMap>* out);

  const std::vector<ClusterNode>& nodes() const { return nodes_; }
  const ClusterNode& own() const { return nodes_[0]; }
  const ClusterNode& NodeOf(uint32_t slot) const { return nodes_[node_of_[slot]]; }
  bool Holds(uint32_t slot) const { return node_of_[slot] == 0; }

 private:
  ClusterMap() = default;
  Status Fill();

  std::vector<ClusterNode> nodes_;
  std::array<uint16_t, ZKDB_SLOT_COUNT> node_of_{};
};

// Whether the key is one of this server, which may be part of no cluster.
inline bool IsHere(const ClusterMap* cluster, Slice key) {
  return cluster == nullptr || cluster->Holds(zkdb_key_slot(key.data, key.size));
}

}  // namespace zkdb::net
