// What a model run does: a universe of keys and a list of operations, made from a seed. A list stays meaningful when
// operations are taken out of it, so that a failing one can be shrunk.
//
// Thread-safety: none needed; plans are values.
//
// Invariants:
//  1. The same seed and shape make the same plan.
//  2. An operation that has nothing to work on (a cursor that is not open, say) does nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "torture/versioned_model.h"

namespace zkdb::test {

enum class Act : uint8_t {
  // Join the batch that gathers.
  kPut,
  kDelete,
  kDeleteRange,
  kPutIfAbsent,
  kPutIfPresent,
  kPutIfValue,
  kDeleteIfValue,
  kExpire,
  // Writes the batch, to the transaction when one is open.
  kWrite,
  kBegin,
  kCommit,
  kAbort,
  kGet,
  kGetMany,
  kScan,
  kSnapshotOpen,
  kSnapshotScan,
  kSnapshotClose,
  kCursorOpen,
  kCursorNext,
  kCursorSeek,
  kCursorClose,
  kStats,
  kCheck,
  kSync,
  kCheckpoint,
  kCompact,
  kReopen,
};

// When the record of a put or kExpire ends: never, at a time that has not come, at one that has (so that it is not
// there), or when the record that it replaces was to end.
enum Ending : uint8_t { kNever, kLater, kPast, kAsBefore };

// Fields mean what the comment of each user in model_run.cc says.
struct Step {
  Act act = Act::kPut;
  uint8_t slot = 0;   // of a snapshot or cursor; which value a condition expects
  uint8_t flags = 0;  // zkdb_range_flag, zkdb_expire_flag, zkdb_durability
  uint8_t more = 0;   // zkdb_scan_flag, zkdb_write_flag, of a put and of kExpire a Ending
  uint32_t a = 0;     // key or bound
  uint32_t b = 0;     // bound or count
  ValueRef value;
};

struct ModelShape {
  uint32_t partitions = 1;
  bool isolated = false;
  const char* page_size = "4096";
  bool verify_all = false;
  uint32_t operations = 25000;
  uint32_t keys = 3000;
  uint32_t rare = 4000;  // operations between two reopens, compactions or checks
};

struct ModelPlan {
  ModelShape shape;
  uint64_t seed = 0;
  std::vector<std::string> keys;  // sorted, unique
  std::vector<Step> operations;
};

inline constexpr uint32_t kSnapshotSlots = 3;
inline constexpr uint32_t kCursorSlots = 4;
inline constexpr uint32_t kFromTransaction = kSnapshotSlots + 1;  // a source: 0 latest, 1.. snapshots, this one

ModelPlan MakePlan(const ModelShape& shape, uint64_t seed);
// A bound near a key: the key, just behind it, or a prefix of it.
std::string BoundOf(const ModelPlan& plan, uint32_t bound);
// One line for a person.
std::string Describe(const ModelPlan& plan, const Step& op);

}  // namespace zkdb::test
