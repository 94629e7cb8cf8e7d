#include "net/cluster_map.h"

#include <algorithm>
#include <charconv>

namespace zkdb::net {

namespace {

constexpr size_t kMaxNodes = 1000;
constexpr size_t kIdSize = 40;
constexpr uint16_t kNobody = UINT16_MAX;

// Takes what stands before the next `separator`, which it removes too.
std::string_view TakeUpTo(char separator, std::string_view* text) {
  const size_t end = std::min(text->find(separator), text->size());
  const std::string_view taken = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return taken;
}

bool TakeNumber(std::string_view digits, uint16_t* out) {
  const char* const end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, *out);
  return error == std::errc() && at == end;
}

bool ReadRange(std::string_view text, SlotRange* out) {
  const size_t dash = text.find('-');
  const std::string_view last = dash == std::string_view::npos ? text : text.substr(dash + 1);
  return TakeNumber(text.substr(0, dash), &out->first) && TakeNumber(last, &out->last) && out->first <= out->last &&
         out->last < ZKDB_SLOT_COUNT;
}

bool ReadNode(std::string_view line, ClusterNode* out) {
  out->id = TakeUpTo(' ', &line);
  out->host = TakeUpTo(' ', &line);
  if (!TakeNumber(TakeUpTo(' ', &line), &out->port)) return false;
  while (!line.empty()) {
    if (!ReadRange(TakeUpTo(' ', &line), &out->slots.emplace_back())) return false;
  }
  return out->id.size() == kIdSize && !out->host.empty() && out->port != 0 && !out->slots.empty();
}

// In ascending order, ranges that touch made one.
void Normalize(std::vector<SlotRange>* slots) {
  std::sort(slots->begin(), slots->end(), [](SlotRange a, SlotRange b) { return a.first < b.first; });
  std::vector<SlotRange> joined;
  for (const SlotRange range : *slots) {
    if (!joined.empty() && joined.back().last + 1 == range.first) {
      joined.back().last = range.last;
    } else {
      joined.push_back(range);
    }
  }
  *slots = std::move(joined);
}

}  // namespace

Status ClusterMap::Parse(std::string_view text, std::unique_ptr<const ClusterMap>* out) {
  const std::unique_ptr<ClusterMap> map(new ClusterMap());
  for (size_t number = 1; !text.empty(); ++number) {
    if (!ReadNode(TakeUpTo('\n', &text), &map->nodes_.emplace_back()) || number > kMaxNodes) {
      return Status::Config("line " + std::to_string(number) +
                            " of the cluster's nodes is no \"id host port slots\", " + "or one of more than " +
                            std::to_string(kMaxNodes));
    }
  }
  if (map->nodes_.empty()) return Status::Config("the cluster has no nodes");
  ZKDB_RETURN_IF_ERROR(map->Fill());
  *out = std::make_unique<const ClusterMap>(*map);
  return Status::Ok();
}

Status ClusterMap::Fill() {
  node_of_.fill(kNobody);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    for (const SlotRange range : nodes_[i].slots) {
      for (uint32_t slot = range.first; slot <= range.last; ++slot) {
        if (node_of_[slot] != kNobody) {
          return Status::Config("the slot " + std::to_string(slot) + " is given to two nodes of the cluster");
        }
        node_of_[slot] = static_cast<uint16_t>(i);
      }
    }
    Normalize(&nodes_[i].slots);
  }
  const auto lost = std::find(node_of_.begin(), node_of_.end(), kNobody);
  if (lost == node_of_.end()) return Status::Ok();
  return Status::Config("the slot " + std::to_string(lost - node_of_.begin()) + " is given to no node of the cluster");
}

}  // namespace zkdb::net
