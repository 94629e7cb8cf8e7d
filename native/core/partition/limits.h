// The limits of all partitions compiled into one routing rule.
//
// The compared bytes of a key are its `width` bytes from `start` on: folded to lower case for text limits, as they are
// for IsHashed, and the routing byte (hash slot / 64) for DoHashing. They compare as byte strings; a byte that the key
// is too short to have compares as lower than any byte. A key belongs to the last partition, in limit order, whose
// lowest compared bytes are not above the key's.
//
// Text limits compare by byte value after folding 'A'..'Z' to 'a'..'z', so the alphabet is the bytes 0..255 without
// 'A'..'Z': '@' is followed by '[', and '`' by 'a'. Neighbouring limits must leave no gap: MinLimit is the successor of
// the MaxLimit before it. For one character that is the next byte of the alphabet. For more, the last character is
// counted up with carry, in the whole alphabet or in one that people write limits in and that both limits are made of:
// 0..9, a..z, 0..9a..f, 0..9a..z. So `kz` may be followed by `la`, and `19` by `20`; keys between such a pair (`k{`,
// `1a`) belong to the lower partition.
//
// Thread-safety: a LimitRule is a value; CompileLimits is a pure function.
//
// Invariants (of a compiled rule with n partitions):
//  1. order is a permutation of 0..n-1; lower[0] is empty, so every key belongs to exactly one partition.
//  2. lower[1..n-1] have `width` bytes each and ascend strictly.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/partition/config.h"

namespace zkdb {

// How keys are compared with limits. The values enter stored fingerprints: do not change.
enum class RouteKind : uint8_t { kText = 1, kHashed = 2, kDoHashing = 3 };

inline constexpr size_t kMaxLimitWidth = 16;  // bytes of a text limit

struct LimitRule {
  RouteKind kind = RouteKind::kText;
  uint32_t start = 0;              // 0-based position of the first compared byte
  uint32_t width = 1;              // bytes compared
  std::vector<uint32_t> order;     // partitions by ascending limits
  std::vector<std::string> lower;  // lower[i]: the lowest compared bytes of partition order[i]; "" = open
  std::vector<std::string> upper;  // upper[i]: its MaxLimit, folded, or the byte; "" = open
};

// What is wrong, for the caller to put a place before it.
struct LimitError {
  uint32_t partition = 0;
  std::string key;  // MinLimit, MaxLimit, LimitStartPos, IsHashed or DoHashing
  std::string reason;
};

// Compiles the limits of 1..256 partitions. False, with *error, for different kinds or start positions, a number that
// is none or outside 0..255, limits of different or too great length, MinLimit above MaxLimit, an overlap, a gap.
bool CompileLimits(const std::vector<PartitionConfig>& partitions, LimitRule* rule, LimitError* error);

}  // namespace zkdb
