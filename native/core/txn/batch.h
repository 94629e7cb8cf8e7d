// A packed batch (zkdb.h) taken apart, routed and put in order of application; and its form in the log.
//
// Thread-safety: none; one operation uses one.
//
// Invariants:
//  1. Operations on one key keep their order. Without range deletes the rest is sorted by partition and key, so that
//     neighbouring operations meet the same pages.
//  2. What the log holds has no conditions: they were checked before.
//
// A log record's payload is one or more groups, at most one per partition:
//
//   offset  size  meaning
//   0       8     partition uid
//   8       4     size of the operations that follow, bytes
//   12      4     zero
//   16      n     operations in the format of zkdb.h, kinds PUT, DELETE, DELETE_RANGE and EXPIRE only; the bytes that
//                 EXPIRE and a PUT that keeps a time do not read hold the clock by which a record had ended or not
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/btree/mutator.h"
#include "core/partition/selector.h"

namespace zkdb {

inline constexpr uint32_t kLogGroupHead = 16;

struct Operation {
  zkdb_op kind = ZKDB_OP_PUT;
  uint8_t flags = 0;
  uint32_t partition = 0;
  uint32_t index = 0;              // in the batch
  uint64_t head = 0;               // first eight key bytes, big-endian: sorts fast
  Slice key;                       // DELETE_RANGE: lower bound
  Slice value;                     // DELETE_RANGE: upper bound
  Slice expected;                  // *_IF_VALUE
  uint64_t time = 0;               // EXPIRE, ZKDB_PUT_EXPIRES: when the record ends, 0: never
  uint64_t clock = 0;              // reads_clock(): the wall clock, ms, by which the operation is applied
  const uint8_t* bytes = nullptr;  // the packed operation
  uint32_t size = 0;

  bool conditional() const { return kind >= ZKDB_OP_PUT_IF_ABSENT && kind <= ZKDB_OP_DELETE_IF_VALUE; }
  bool compares() const { return kind == ZKDB_OP_PUT_IF_VALUE || kind == ZKDB_OP_DELETE_IF_VALUE; }
  bool puts() const { return kind == ZKDB_OP_PUT || (conditional() && kind != ZKDB_OP_DELETE_IF_VALUE); }
  bool keeps_time() const { return puts() && (flags & ZKDB_PUT_KEEPS_TIME) != 0; }
  bool reads_clock() const { return kind == ZKDB_OP_EXPIRE || keeps_time(); }
  PutTime put_time() const { return {time, keeps_time(), clock}; }
  TimeChange time_change() const { return {time, flags, clock}; }
  bool deletes() const { return kind == ZKDB_OP_DELETE || kind == ZKDB_OP_DELETE_IF_VALUE; }
  KeyRange range() const {
    return {key, value, (flags & ZKDB_RANGE_HAS_HI) != 0, (flags & ZKDB_RANGE_LO_EXCLUSIVE) != 0,
            (flags & ZKDB_RANGE_HI_INCLUSIVE) != 0};
  }
};

class Batch {
 public:
  // Takes `bytes` apart and routes each operation; a range goes to every partition that may hold part of it.
  // ZKDB_INVALID, ZKDB_KEY_TOO_LARGE, ZKDB_VALUE_TOO_LARGE, ZKDB_BATCH_TOO_LARGE: the message names the operation.
  Status Parse(Slice bytes, const Selector& selector);
  // The operations of one group of a log record.
  Status ParseLogged(Slice bytes);

  // A stretch of an arranged batch as a batch of its own.
  void Take(const Batch& other, const Operation* first, const Operation* end);

  std::vector<Operation>& operations() { return operations_; }
  const std::vector<Operation>& operations() const { return operations_; }
  bool has_conditions() const { return has_conditions_; }
  // Gives the operations that need it the clock by which they are applied.
  void SetClock(ReadClock* clock);
  bool sorted() const { return sorted_; }  // by partition and key
  // Sorts by partition, and by key where that keeps the meaning.
  void Arrange();
  // Calls visit(partition, first, end) for each partition's stretch of the arranged operations.
  Status ForEachPartition(const std::function<Status(uint32_t, Operation*, Operation*)>& visit);

 private:
  Status Add(Slice bytes, size_t* position, const Selector* selector);
  void Route(Operation* op, const Selector& selector);
  void SortByKey();

  std::vector<Operation> operations_;
  bool has_conditions_ = false;
  bool has_ranges_ = false;
  bool reads_clock_ = false;
  bool sorted_ = false;
  uint32_t next_index_ = 0;
  uint64_t routed_bytes_ = 0;  // of range deletes, once for each partition
};

// Collects the groups of a log record.
class LogGroups {
 public:
  void Clear() { bytes_.clear(); }
  bool empty() const { return bytes_.empty(); }
  Slice bytes() const { return {bytes_.data(), bytes_.size()}; }
  // Adds operations of one partition, to the last group when that is the partition's.
  void Add(uint64_t uid, const Operation* first, const Operation* end);
  // Adds the groups of `other`, which are of partitions that have none here.
  void Append(const LogGroups& other);

 private:
  void StartGroup(uint64_t uid);

  size_t last_ = 0;  // where the last group begins
  std::vector<uint8_t> bytes_;
};

// Calls visit(uid, operations) for each group of a payload. ZKDB_CORRUPT when it does not add up.
Status ForEachLogGroup(Slice payload, const std::function<Status(uint64_t, Slice)>& visit);

}  // namespace zkdb
