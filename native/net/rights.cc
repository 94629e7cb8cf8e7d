#include "net/rights.h"

#include <algorithm>

#include "core/base/coding.h"
#include "net/numbers.h"
#include "net/record_reader.h"

namespace zkdb::net {

namespace {

bool BeginsWith(Slice text, Slice prefix) { return text.size >= prefix.size && text.Sub(0, prefix.size) == prefix; }

bool EqualWithoutCase(Slice a, Slice b) {
  if (a.size != b.size) return false;
  return std::equal(a.data, a.data + a.size, b.data,
                    [](uint8_t x, uint8_t y) { return UpperAscii(x) == UpperAscii(y); });
}

// Whether each key of the range begins with `prefix`. A range that holds no key at all may give either answer.
bool LiesBelow(const zkdb_range& range, const std::string& prefix) {
  const Slice lo(static_cast<const uint8_t*>(range.lo), range.lo_size);
  if (Compare(lo, prefix) < 0) return false;
  const std::string end = PrefixEnd(prefix);
  if (end.empty()) return true;
  if ((range.flags & ZKDB_RANGE_HAS_HI) == 0) return false;
  const int beyond = Compare({static_cast<const uint8_t*>(range.hi), range.hi_size}, end);
  return beyond < 0 || (beyond == 0 && (range.flags & ZKDB_RANGE_HI_INCLUSIVE) == 0);
}

// Takes packed rights apart; after something that is not there, every answer is 0 or empty.
class RightsReader {
 public:
  explicit RightsReader(Slice in) : in_(in) {}

  bool whole() const { return good_ && in_.empty(); }
  uint32_t Number() { return Has(sizeof(uint32_t)) ? Load32(Take(sizeof(uint32_t)).data) : 0; }
  void Texts(std::vector<std::string>* out) {
    for (uint32_t count = Number(); good_ && count > 0; --count) {
      const uint32_t size = Number();
      if (Has(size)) out->push_back(Take(size).ToString());
    }
  }
  void Numbers(uint32_t count, std::vector<uint32_t>* out) {
    for (; good_ && count > 0; --count) out->push_back(Number());
  }

 private:
  bool Has(size_t size) { return good_ = good_ && in_.size >= size; }
  Slice Take(size_t size) {
    const Slice taken = in_.Sub(0, size);
    in_ = in_.Sub(size);
    return taken;
  }

  Slice in_;
  bool good_ = true;
};

}  // namespace

std::shared_ptr<const Rights> ParseRights(Slice packed) {
  RightsReader reader(packed);
  Rights rights;
  rights.verbs = reader.Number();
  const uint32_t databases = reader.Number();
  rights.every_database = databases == UINT32_MAX;
  if (!rights.every_database) reader.Numbers(databases, &rights.databases);
  reader.Texts(&rights.prefixes);
  reader.Texts(&rights.partitions);
  if (!reader.whole() || (rights.verbs & ~kAllVerbs) != 0) return nullptr;
  return MakeRights(std::move(rights));
}

std::shared_ptr<const Rights> MakeRights(Rights rights) {
  std::sort(rights.prefixes.begin(), rights.prefixes.end(),
            [](const std::string& a, const std::string& b) { return Compare(a, b) < 0; });
  // In this order a prefix stands right before all that begin with it.
  std::vector<std::string> kept;
  for (std::string& prefix : rights.prefixes) {
    if (kept.empty() || !BeginsWith(prefix, kept.back())) kept.push_back(std::move(prefix));
  }
  rights.prefixes = std::move(kept);
  // Every key begins with nothing.
  if (rights.prefixes.size() == 1 && rights.prefixes[0].empty()) rights.prefixes.clear();
  return std::make_shared<const Rights>(std::move(rights));
}

const std::shared_ptr<const Rights>& FullRights() {
  static const std::shared_ptr<const Rights> full = MakeRights({kAllVerbs, true, {}, {}, {}});
  return full;
}

void Access::SetRights(std::shared_ptr<const Rights> rights) {
  rights_ = std::move(rights);
  Update();
}

void Access::SelectDatabase(zkdb_db* db, uint32_t number) {
  db_ = db;
  number_ = number;
  Update();
}

void Access::Update() {
  full_ = false;
  partitions_.reset();
  database_allowed_ = db_ != nullptr && AllowsDatabase(number_);
  if (!database_allowed_) return;
  full_ = rights_->every_database && (rights_->verbs & kAllVerbs) == kAllVerbs && SeesEverything();
  if (rights_->partitions.empty()) return;
  const auto info = std::make_unique<zkdb_partition_info>();
  for (uint32_t i = 0; i < zkdb_partition_count(db_); ++i) {
    if (zkdb_partition_describe(db_, i, info.get(), nullptr) != ZKDB_OK) continue;
    partitions_[i] = std::any_of(rights_->partitions.begin(), rights_->partitions.end(),
                                 [&](const std::string& name) { return EqualWithoutCase(name, info->name); });
  }
}

bool Access::HoldsVerbs(uint32_t verbs) const { return ((rights_ == nullptr ? 0 : rights_->verbs) & verbs) == verbs; }

bool Access::AllowsDatabase(uint32_t number) const {
  if (rights_ == nullptr) return false;
  const auto& allowed = rights_->databases;
  return rights_->every_database || std::find(allowed.begin(), allowed.end(), number) != allowed.end();
}

bool Access::SeesEverything() const {
  return database_allowed_ && rights_->prefixes.empty() && rights_->partitions.empty();
}

bool Access::SeesEverything(uint32_t number) const {
  return AllowsDatabase(number) && rights_->prefixes.empty() && rights_->partitions.empty();
}

bool Access::SeesEveryDatabase() const {
  return rights_ != nullptr && rights_->every_database && rights_->prefixes.empty() && rights_->partitions.empty();
}

bool Access::SeesKey(Slice key) const {
  if (!database_allowed_) return false;
  const auto& prefixes = rights_->prefixes;
  if (!prefixes.empty()) {
    // The last one that is not behind the key: no other one can begin it.
    const auto after = std::upper_bound(prefixes.begin(), prefixes.end(), key,
                                        [](Slice k, const std::string& prefix) { return Compare(k, prefix) < 0; });
    if (after == prefixes.begin() || !BeginsWith(key, *std::prev(after))) return false;
  }
  return rights_->partitions.empty() || partitions_[zkdb_partition_of(db_, key.data, key.size)];
}

bool Access::SeesRange(const zkdb_range& range) const {
  if (!database_allowed_ || !rights_->partitions.empty()) return false;
  if (rights_->prefixes.empty()) return true;
  return std::any_of(rights_->prefixes.begin(), rights_->prefixes.end(),
                     [&](const std::string& prefix) { return LiesBelow(range, prefix); });
}

std::vector<std::string> Access::VisiblePrefixes(Slice prefix) const {
  if (!database_allowed_) return {};
  if (rights_->prefixes.empty()) return {prefix.ToString()};
  std::vector<std::string> visible;
  for (const std::string& own : rights_->prefixes) {
    if (BeginsWith(prefix, own)) return {prefix.ToString()};
    if (BeginsWith(own, prefix)) visible.push_back(own);
  }
  return visible;
}

}  // namespace zkdb::net
