#include "core/partition/selector.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/coding.h"
#include "core/partition/values.h"

namespace zkdb {

namespace {

// FNV-1a, 64 bits. Fingerprints are stored: do not change.
class Fnv {
 public:
  void Add(const void* data, size_t size) {
    for (size_t i = 0; i < size; ++i) hash_ = (hash_ ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001B3u;
  }
  void AddNumber(uint32_t number) {
    uint8_t bytes[4];
    Store32(bytes, number);
    Add(bytes, sizeof bytes);
  }
  void AddText(const std::string& text) {
    AddNumber(static_cast<uint32_t>(text.size()));
    Add(text.data(), text.size());
  }
  uint64_t hash() const { return hash_; }

 private:
  uint64_t hash_ = 0xCBF29CE484222325u;
};

std::string ShownValue(const PartitionConfig& p, const std::string& key) {
  if (key == "MinLimit") return p.min_limit.value_or("");
  if (key == "MaxLimit") return p.max_limit.value_or("");
  if (key == "LimitStartPos") return std::to_string(p.limit_start_pos);
  return (key == "IsHashed" ? p.is_hashed : p.do_hashing) ? "Yes" : "No";
}

}  // namespace

Status Selector::Build(const DatabaseConfig& config, Selector* out) {
  const size_t count = config.partitions.size();
  if (count == 0 || count > kMaxPartitions) {
    return Status::Config("[main] Partitions: " + std::to_string(count) + " partitions; a database has 1 to 256");
  }
  *out = Selector{};
  LimitError error;
  if (!CompileLimits(config.partitions, &out->rule_, &error)) {
    const PartitionConfig& p = config.partitions[error.partition];
    return Status::Config("[" + Printable(p.name) + "] " + error.key + " = " + Printable(ShownValue(p, error.key)) +
                          ": " + error.reason);
  }
  out->position_.resize(count);
  for (uint32_t i = 0; i < count; ++i) out->position_[out->rule_.order[i]] = i;
  out->first_ = out->rule_.order[0];
  if (count == 1)
    out->mode_ = Mode::kSingle;
  else if (out->rule_.kind == RouteKind::kDoHashing)
    out->mode_ = Mode::kSlot;
  else
    out->mode_ = out->rule_.width == 1 ? Mode::kByte : Mode::kSearch;
  if (out->rule_.width == 1) out->FillTable();
  return Status::Ok();
}

Selector Selector::Part(const std::vector<uint32_t>& partitions) const {
  ZKDB_ASSERT(partitions.size() < partition_count());
  Selector part = *this;
  std::vector<uint32_t> number(partition_count(), static_cast<uint32_t>(partitions.size()));
  part.position_.clear();
  for (const uint32_t partition : partitions) {
    number[partition] = static_cast<uint32_t>(part.position_.size());
    part.position_.push_back(position_[partition]);
  }
  for (uint32_t& partition : part.rule_.order) partition = number[partition];
  part.first_ = number[first_];
  if (part.mode_ == Mode::kSingle) part.mode_ = Mode::kSearch;  // the one partition is left out
  for (uint8_t& entry : part.table_) entry = static_cast<uint8_t>(number[entry]);
  return part;
}

void Selector::FillTable() {
  for (uint32_t byte = 0; byte < 256; ++byte) {
    Compared compared;
    const bool folds = rule_.kind == RouteKind::kText;
    compared.bytes[0] = folds ? FoldByte(static_cast<uint8_t>(byte)) : static_cast<uint8_t>(byte);
    compared.size = 1;
    table_[byte] = static_cast<uint8_t>(rule_.order[PositionOf(compared)]);
  }
}

Selector::Compared Selector::Extract(Slice key) const {
  Compared compared;
  if (key.size <= rule_.start) return compared;
  const bool folds = rule_.kind == RouteKind::kText;
  compared.size = std::min<size_t>(rule_.width, key.size - rule_.start);
  for (size_t i = 0; i < compared.size; ++i) {
    const uint8_t byte = key.data[rule_.start + i];
    compared.bytes[i] = folds ? FoldByte(byte) : byte;
  }
  return compared;
}

uint32_t Selector::PositionOf(const Compared& compared) const {
  const auto above = [](const Compared& c, const std::string& bound) {
    return Compare(Slice(c.bytes.data(), c.size), Slice(bound)) < 0;
  };
  const auto end = std::upper_bound(rule_.lower.begin() + 1, rule_.lower.end(), compared, above);
  return static_cast<uint32_t>(end - rule_.lower.begin() - 1);
}

std::string Selector::Describe(uint32_t partition) const {
  ZKDB_ASSERT(partition < partition_count());
  if (rule_.order.size() == 1) return "every key";
  const uint32_t position = position_[partition];
  if (rule_.kind != RouteKind::kDoHashing) return DescribeBytes(position);
  uint32_t first = 0;
  uint32_t last = 0;
  ZKDB_ASSERT(SlotRange(partition, &first, &last));
  return "hash slots " + std::to_string(first) + ".." + std::to_string(last) + " (limits " +
         std::to_string(first / kSlotsPerRoutingByte) + ".." + std::to_string(last / kSlotsPerRoutingByte) + ")";
}

std::string Selector::DescribeBytes(uint32_t position) const {
  const bool text = rule_.kind == RouteKind::kText;
  const auto show = [text](const std::string& limit) {
    return text ? Printable(limit) : std::to_string(static_cast<uint8_t>(limit[0]));
  };
  const std::string place =
      "bytes " + std::to_string(rule_.start) + ".." + std::to_string(rule_.start + rule_.width - 1);
  const std::string& lower = rule_.lower[position];
  const std::string& upper = rule_.upper[position];
  const std::string from = lower.empty() && !text ? "0" : lower.empty() ? "" : show(lower);
  std::string range = from.empty() ? " up to " + show(upper) : " from " + from + " on";
  if (!from.empty() && !upper.empty()) range = " from " + from + " to " + show(upper);
  return place + range + (text ? ", without case" : "");
}

bool Selector::SlotRange(uint32_t partition, uint32_t* first, uint32_t* last) const {
  ZKDB_ASSERT(partition < partition_count());
  if (rule_.kind != RouteKind::kDoHashing) return false;
  const uint32_t position = position_[partition];
  const std::string& lower = rule_.lower[position];
  const uint32_t low = lower.empty() ? 0u : static_cast<uint8_t>(lower[0]);
  const uint32_t high = static_cast<uint8_t>(rule_.upper[position][0]);
  *first = low * kSlotsPerRoutingByte;
  *last = high * kSlotsPerRoutingByte + kSlotsPerRoutingByte - 1;
  return true;
}

// All keys of a range share the common prefix of its bounds, so bytes in that prefix route all of them alike, and the
// byte after it lies between those of the bounds.
bool Selector::MayHold(uint32_t partition, Slice lo, bool has_hi, Slice hi, bool hi_inclusive) const {
  ZKDB_ASSERT(partition < partition_count());
  const int order = has_hi ? Compare(lo, hi) : -1;
  if (order > 0 || (order == 0 && !hi_inclusive)) return false;
  if (mode_ == Mode::kSingle) return true;
  if (order == 0) return Select(lo) == partition;
  const size_t shared = has_hi ? CommonPrefix(lo, hi) : 0;
  const Slice common = lo.Sub(0, shared);
  if (rule_.kind == RouteKind::kDoHashing) {
    const Slice tag = HashTag(common);
    return tag.size == common.size || Select(common) == partition;
  }
  if (shared >= size_t{rule_.start} + rule_.width) return Select(common) == partition;
  if (shared < rule_.start) return true;
  // lo < hi and `shared` bytes are equal: hi has a byte there, and lo may end there (it is then `common` itself).
  const bool lo_ends = lo.size == shared;
  const uint32_t first_byte = lo_ends ? 0 : lo.data[shared];
  const uint32_t hi_byte = has_hi ? hi.data[shared] : 255;
  const bool hi_ends = has_hi && !hi_inclusive && hi.size == shared + 1;
  // Nothing but `common` lies between it and its continuation with a zero byte.
  if (hi_ends && hi_byte == 0) return Select(common) == partition;
  return MayHoldBytes(position_[partition], common, first_byte, hi_ends ? hi_byte - 1 : hi_byte, lo_ends);
}

// True when the partition at `position` may hold `common` itself (with_common) or a key that continues it with a byte
// of first_byte..last_byte. Each of three parts of those (below 'A', 'A'..'Z', above 'Z') stays a range when folded.
bool Selector::MayHoldBytes(uint32_t position, Slice common, uint32_t first_byte, uint32_t last_byte,
                            bool with_common) const {
  if (with_common && PositionOf(common) == position) return true;
  Compared low = Extract(common);
  const size_t next = low.size;  // below width: the byte after `common` is compared
  ZKDB_ASSERT(next < rule_.width);
  constexpr uint32_t kParts[3][2] = {{0, 'A' - 1}, {'A', 'Z'}, {'Z' + 1, 255}};
  const bool folds = rule_.kind == RouteKind::kText;
  for (const auto& part : kParts) {
    const uint32_t from = std::max(first_byte, part[0]);
    const uint32_t to = std::min(last_byte, part[1]);
    if (from > to) continue;
    low.size = next + 1;
    low.bytes[next] = folds ? FoldByte(static_cast<uint8_t>(from)) : static_cast<uint8_t>(from);
    Compared high = low;
    high.size = rule_.width;
    high.bytes[next] = folds ? FoldByte(static_cast<uint8_t>(to)) : static_cast<uint8_t>(to);
    std::fill(high.bytes.begin() + static_cast<std::ptrdiff_t>(next) + 1, high.bytes.end(), uint8_t{255});
    if (PositionOf(low) <= position && position <= PositionOf(high)) return true;
  }
  return false;
}

uint64_t Selector::Fingerprint(uint32_t partition) const {
  ZKDB_ASSERT(partition < partition_count());
  const uint32_t position = position_[partition];
  Fnv fnv;
  fnv.AddNumber(static_cast<uint32_t>(rule_.kind));
  fnv.AddNumber(rule_.start);
  fnv.AddNumber(rule_.width);
  fnv.AddText(rule_.lower[position]);
  const bool last = position + 1 == rule_.lower.size();
  fnv.AddNumber(last ? 0 : 1);
  fnv.AddText(last ? "" : rule_.lower[position + 1]);
  return fnv.hash();
}

}  // namespace zkdb
