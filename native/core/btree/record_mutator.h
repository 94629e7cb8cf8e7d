// Changing the records of a partition together with its expiry index: the tree that orders those that expire by the
// time at which they end.
//
// Thread-safety: one thread, holding the partition's writer lock.
//
// Invariants:
//  1. The index has one entry for each record that expires, its key the time (8 bytes, big-endian) and the record's
//     key, its value empty; and no other entry.
//  2. What the trees become depends on the calls alone and not on the clock: a log record that is replayed later does
//     what it did first. The clock decides only what is counted.
//  3. As for a Mutator, a failed call leaves nothing but the rollback.
#pragma once

#include "core/btree/mutator.h"

namespace zkdb {

// A version of a partition's trees.
struct Trees {
  TreeRoot records;
  TreeRoot expiry;
};

// The key of a record's entry in the expiry index, and its parts. `key` has kTimeSize bytes at least.
std::string ExpiryKey(uint64_t time, Slice key);
uint64_t TimeOfExpiryKey(Slice key);
inline Slice RecordOfExpiryKey(Slice key) { return key.Sub(kTimeSize); }

class RecordMutator {
 public:
  RecordMutator(PageSpace* space, const Trees& trees, ReadClock* clock)
      : space_(space), records_(space, trees.records), expiry_(space, trees.expiry, kPageOfExpiry), clock_(clock) {}

  Trees trees() const { return {records_.root(), expiry_.root()}; }
  const Mutator& records() const { return records_; }

  // *existed: there was a record, and it had not ended.
  Status Put(Slice key, Slice value, const PutTime& time, bool after_previous, bool* existed);
  Status Delete(Slice key, bool after_previous, bool* existed);
  // *deleted: records, without those that had ended.
  Status DeleteRange(const KeyRange& range, uint64_t* deleted);
  // *changed: there was a record that had not ended, and the conditions held.
  Status SetTime(Slice key, const TimeChange& change, bool after_previous, bool* changed);
  // As Mutator::MoveBelow, for both trees.
  Status MoveBelow(uint32_t limit);

 private:
  Status Move(Slice key, uint64_t from, uint64_t to);
  Status Clear(uint64_t* deleted);

  PageSpace* space_;
  Mutator records_;
  Mutator expiry_;
  ReadClock* clock_;
};

// How many entries of the index have ended.
Status CountEnded(PageSpace* space, const TreeRoot& expiry, uint64_t now, uint64_t* out);

}  // namespace zkdb
