// CLUSTER, and who is told to ask another server: MOVED and CROSSSLOT (docs/adr/0034-cluster-map.md).
#include <algorithm>
#include <string>

#include "net/command_keys.h"
#include "net/commands.h"
#include "net/session.h"
#include "net/subcommands.h"

namespace zkdb::net {

namespace {

struct Range {
  SlotRange slots;
  const ClusterNode* node;
};

// Of all nodes, by the first slot.
std::vector<Range> AllRanges(const ClusterMap& map) {
  std::vector<Range> ranges;
  for (const ClusterNode& node : map.nodes()) {
    for (const SlotRange slots : node.slots) ranges.push_back({slots, &node});
  }
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.slots.first < b.slots.first; });
  return ranges;
}

void Figure(std::string* text, std::string_view name, uint64_t value) {
  text->append(name).append(":").append(std::to_string(value)).append("\r\n");
}

void Field(ReplyWriter* reply, std::string_view name, std::string_view value) {
  reply->Bulk(name);
  reply->Bulk(value);
}

void Field(ReplyWriter* reply, std::string_view name, uint64_t value) {
  reply->Bulk(name);
  reply->Integer(static_cast<int64_t>(value));
}

void ClusterInfo(Session* s, Arguments) {
  const size_t nodes = s->cluster()->nodes().size();
  std::string text = "cluster_enabled:1\r\ncluster_state:ok\r\n";
  Figure(&text, "cluster_slots_assigned", ZKDB_SLOT_COUNT);
  Figure(&text, "cluster_slots_ok", ZKDB_SLOT_COUNT);
  Figure(&text, "cluster_slots_pfail", 0);
  Figure(&text, "cluster_slots_fail", 0);
  Figure(&text, "cluster_known_nodes", nodes);
  Figure(&text, "cluster_size", nodes);
  Figure(&text, "cluster_current_epoch", 0);
  Figure(&text, "cluster_my_epoch", 0);
  s->reply()->Verbatim(text);
}

void ClusterKeySlot(Session* s, Arguments args) { s->reply()->Integer(zkdb_key_slot(args[2].data, args[2].size)); }

void ClusterMyId(Session* s, Arguments) { s->reply()->Bulk(s->cluster()->own().id); }

// A line per node: id, address, flags, master, ping, pong, epoch, state, slots. There is no port of a cluster bus.
void ClusterNodes(Session* s, Arguments) {
  std::string text;
  for (const ClusterNode& node : s->cluster()->nodes()) {
    text += node.id + " " + node.host + ":" + std::to_string(node.port) + "@0 ";
    text += &node == &s->cluster()->own() ? "myself,master" : "master";
    text += " - 0 0 0 connected";
    for (const SlotRange slots : node.slots) {
      text += " " + std::to_string(slots.first);
      if (slots.last != slots.first) text += "-" + std::to_string(slots.last);
    }
    text += "\n";
  }
  s->reply()->Verbatim(text);
}

void ClusterShards(Session* s, Arguments) {
  ReplyWriter* const reply = s->reply();
  reply->Array(s->cluster()->nodes().size());
  for (const ClusterNode& node : s->cluster()->nodes()) {
    reply->Map(2);
    reply->Bulk("slots");
    reply->Array(node.slots.size() * 2);
    for (const SlotRange slots : node.slots) {
      reply->Integer(slots.first);
      reply->Integer(slots.last);
    }
    reply->Bulk("nodes");
    reply->Array(1);
    reply->Map(7);
    Field(reply, "id", node.id);
    Field(reply, "port", node.port);
    Field(reply, "ip", node.host);
    Field(reply, "endpoint", node.host);
    Field(reply, "role", "master");
    Field(reply, "replication-offset", uint64_t{0});
    Field(reply, "health", "online");
  }
}

void ClusterSlots(Session* s, Arguments) {
  const auto ranges = AllRanges(*s->cluster());
  ReplyWriter* const reply = s->reply();
  reply->Array(ranges.size());
  for (const auto& [slots, node] : ranges) {
    reply->Array(3);
    reply->Integer(slots.first);
    reply->Integer(slots.last);
    reply->Array(4);
    reply->Bulk(node->host);
    reply->Integer(node->port);
    reply->Bulk(node->id);
    reply->Array(0);
  }
}

constexpr Subcommand kClusterCommands[] = {
    {"INFO", ClusterInfo, 2, 2},   {"KEYSLOT", ClusterKeySlot, 3, 3}, {"MYID", ClusterMyId, 2, 2},
    {"NODES", ClusterNodes, 2, 2}, {"SHARDS", ClusterShards, 2, 2},   {"SLOTS", ClusterSlots, 2, 2},
};

}  // namespace

void Cluster(Session* s, Arguments args) {
  if (s->cluster() == nullptr) return s->reply()->Error("ERR This instance has cluster support disabled");
  RunSubcommand(s, "cluster", kClusterCommands, args);
}

bool Session::HoldsKeysOf(const Command& command, Arguments args) {
  if (cluster_ == nullptr) return true;
  bool here = true;
  bool one_slot = true;
  uint32_t slot = ZKDB_SLOT_COUNT;
  const auto look = [&](Slice key) {
    const uint32_t next = zkdb_key_slot(key.data, key.size);
    here = here && cluster_->Holds(next);
    one_slot = one_slot && (slot == ZKDB_SLOT_COUNT || next == slot);
    slot = next;
    return true;
  };
  command.reach == Reach::kOperations ? AllOperationKeys(args, look) : AllKeys(command, args, look);
  if (here) return true;
  if (!one_slot) {
    reply_.Error("CROSSSLOT Keys in request don't hash to the same slot");
    return false;
  }
  const ClusterNode& node = cluster_->NodeOf(slot);
  reply_.Error("MOVED " + std::to_string(slot) + " " + node.host + ":" + std::to_string(node.port));
  return false;
}

}  // namespace zkdb::net
