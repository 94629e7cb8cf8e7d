#include "torture/versioned_model.h"

#include <cstddef>
#include <random>
#include <string>

namespace zkdb::test {

std::string_view ValueTable() {
  static const std::string table = [] {
    std::string bytes(1u << 20, '\0');
    std::mt19937 random(20000101);
    for (char& c : bytes) c = static_cast<char>(random());
    return bytes;
  }();
  return table;
}

const ValueRef* VersionedModel::At(size_t rank, uint64_t version) const {
  const std::vector<Entry>& history = histories_[rank];
  for (auto e = history.rbegin(); e != history.rend(); ++e) {
    if (e->version <= version) return e->present ? &e->value : nullptr;
  }
  return nullptr;
}

uint64_t VersionedModel::Count() const {
  uint64_t n = 0;
  for (const auto& history : histories_) n += !history.empty() && history.back().present ? 1 : 0;
  return n;
}

uint64_t VersionedModel::CountExpiring() const {
  uint64_t n = 0;
  for (const auto& history : histories_) {
    n += !history.empty() && history.back().present && history.back().value.ends != 0 ? 1 : 0;
  }
  return n;
}

void VersionedModel::Set(size_t rank, const Entry& entry) {
  std::vector<Entry>& history = histories_[rank];
  if (!history.empty() && history.back().version == entry.version) {
    history.back() = entry;
    return;
  }
  const uint64_t oldest = pinned_.empty() ? committed_ : *pinned_.begin();
  size_t drop = 0;
  while (drop + 1 < history.size() && history[drop + 1].version <= oldest) ++drop;
  history.erase(history.begin(), history.begin() + static_cast<ptrdiff_t>(drop));
  history.push_back(entry);
  touched_.push_back(rank);
}

void VersionedModel::Commit() {
  touched_.clear();
  ++committed_;
}

void VersionedModel::Rollback() {
  for (size_t rank : touched_) histories_[rank].pop_back();
  touched_.clear();
}

}  // namespace zkdb::test
