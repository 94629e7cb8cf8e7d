// Picks the partition of a key: the compiled form of all limits (limits.h says what they mean).
//
// One-byte limits of either kind, and hash slots, are one look-up in a table of 256 partitions; longer text limits are
// a binary search over at most 255 bounds.
//
// Thread-safety: const functions may be called from any thread; a built Selector never changes.
//
// Invariants:
//  1. Select is total: every key of any length has exactly one partition, below partition_count(); in a Part of a
//     rule, partition_count() stands for all others.
//  2. MayHold is conservative: when a key of the range is routed to a partition, MayHold says so.
//
// Example: limits a..k, l..p, q.. at position 3: "id-Kiwi" -> partition 0, "id-lime" -> 1, "id-~" -> 2, "id" -> 0.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/partition/config.h"
#include "core/partition/crc16.h"
#include "core/partition/limits.h"

namespace zkdb {

class Selector {
 public:
  // Compiles the limits of a configuration. ZKDB_CONFIG, naming section, key and value, when CompileLimits refuses them
  // or there are not 1..256 partitions; a configuration that ParseConfig gave is never refused.
  static Status Build(const DatabaseConfig& config, Selector* out);

  // The same rule for some of the partitions, in ascending order: partitions[i] is number i, and keys of the others
  // have the number partitions.size(). REQUIRES: some partition is left out.
  Selector Part(const std::vector<uint32_t>& partitions) const;

  // The index (in the order of the configuration) of the partition that `key` belongs to.
  uint32_t Select(Slice key) const {
    if (mode_ == Mode::kByte) return key.size > rule_.start ? table_[key.data[rule_.start]] : first_;
    if (mode_ == Mode::kSlot) return table_[KeySlot(key) / kSlotsPerRoutingByte];
    return mode_ == Mode::kSingle ? 0 : rule_.order[PositionOf(key)];
  }

  uint32_t partition_count() const { return static_cast<uint32_t>(position_.size()); }
  RouteKind kind() const { return rule_.kind; }
  // 0-based position of the first byte that is compared; 0 with DoHashing.
  uint32_t start() const { return rule_.start; }
  // How many bytes are compared.
  uint32_t width() const { return rule_.width; }

  // How keys are routed to a partition, for a person: "bytes 3..3 from l to p, without case".
  std::string Describe(uint32_t partition) const;

  // The hash slots of a DoHashing partition, inclusive; false for another kind.
  bool SlotRange(uint32_t partition, uint32_t* first, uint32_t* last) const;

  // False when no key in [lo, hi] ([lo, hi) unless hi_inclusive; [lo, end) unless has_hi) belongs to the partition.
  // True does not promise that one does.
  bool MayHold(uint32_t partition, Slice lo, bool has_hi, Slice hi, bool hi_inclusive = true) const;

  // A stable number of the rule as far as it concerns the partition: kind, position, width and the compared bytes that
  // the partition holds. It changes when one of these does, and not with names or the order of sections.
  uint64_t Fingerprint(uint32_t partition) const;

 private:
  enum class Mode : uint8_t { kSingle, kByte, kSlot, kSearch };

  // The compared bytes of a key, at most width() of them, zero-padded.
  struct Compared {
    std::array<uint8_t, kMaxLimitWidth> bytes{};
    size_t size = 0;
  };

  void FillTable();
  // Not for DoHashing, whose slots the table has.
  Compared Extract(Slice key) const;
  // Positions are indexes into rule_.order: the last one whose lower bound is not above the compared bytes.
  uint32_t PositionOf(const Compared& compared) const;
  uint32_t PositionOf(Slice key) const { return PositionOf(Extract(key)); }
  bool MayHoldBytes(uint32_t position, Slice common, uint32_t first_byte, uint32_t last_byte, bool with_common) const;
  std::string DescribeBytes(uint32_t position) const;

  Mode mode_ = Mode::kSingle;
  uint32_t first_ = 0;  // the partition of keys too short to be compared
  std::array<uint8_t, 256> table_{};
  LimitRule rule_;
  std::vector<uint32_t> position_;  // partition -> position in limit order
};

}  // namespace zkdb
