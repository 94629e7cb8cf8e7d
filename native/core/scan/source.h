// One partition's part of a scan: a cursor and the stretch of its leaf's slots that lies in the range, and the buffer
// that records are packed into.
//
// Thread-safety: one thread at a time, inside an EpochGuard.
//
// Invariants:
//  1. The slots of the stretch, from at() on, are the next records of the source; bounds are compared once per leaf.
//  2. head() and key() are copies: they stay when the leaf's address changes.
#pragma once

#include <string>
#include <vector>

#include "core/btree/cursor.h"
#include "core/segment/epoch.h"

namespace zkdb {

// A version of one partition's tree.
struct ScanSource {
  PageSpace* space;
  TreeRoot root;
};

struct ScanOptions {
  bool reverse = false;
  bool no_keys = false;
  bool no_values = false;
  bool unordered = false;  // source after source instead of merged
  bool times = false;      // each value begins with the time at which its record ends, 8 bytes, 0 for never
  bool pin_later = false;  // remote partitions get their states with the first records, not when the scan is opened
  Env* clock = nullptr;    // records that have ended are left out by it; nullptr: they are not
};

// The range of a scan with its own copies of the bounds, and where the scan begins within it.
struct ScanBounds {
  std::string lo;
  std::string hi;
  bool has_hi = false;
  bool lo_exclusive = false;
  bool hi_inclusive = false;
  ScanOptions options;
  std::string start;  // of Seek
  bool has_start = false;

  bool all_low() const { return lo.empty() && !lo_exclusive; }
};

// Where records go. Sizes in bytes.
struct PackBuffer {
  uint8_t* buffer;
  size_t capacity;
  uint32_t max_records;
  size_t used = 0;
  uint32_t count = 0;
  size_t refused = 0;  // what the record that did not fit needs; 0: none was refused
  ReadClock* clock = nullptr;

  static constexpr uint32_t kRecordHead = 8;
  bool open() const { return count < max_records && refused == 0; }
};

class SourceStream {
 public:
  using Guard = EpochGuard;  // of each Pack

  SourceStream(const ScanSource& source, const ScanBounds* bounds)
      : space_(source.space), cursor_(source.space, source.root), bounds_(bounds) {}

  // Forgets the position: the next Fill opens the source at the bounds' start.
  void Reset() { opened_ = false, exhausted_ = false, left_ = 0; }

  // Makes the source ready for use in Pack call `generation`: the leaf's address is looked up again.
  Status Enter(uint64_t generation);
  // Makes at least one record ready, opening the source or going to the next leaf; *any false: there is none.
  Status Fill(bool* any);
  uint32_t left() const { return left_; }

  // Packs records from the stretch, at most `limit` of them, until the buffer is full. Those that have ended it only
  // leaves behind.
  Status PackRun(PackBuffer* out, uint32_t limit);

  // ---- the current record's key, for merging; Fill said that there is one ----
  // Copies the key's in-page bytes and returns the first eight as a number that orders like them.
  uint64_t TakeKey();
  Slice key() const { return {key_.data(), key_size_}; }
  bool key_overflows() const { return key_overflows_; }
  Status WholeKey(std::string* out) { return LoadKey(space_, cursor_.leaf(), at_, out); }
  // How many records of the stretch come before `key` in scan order.
  Status CountBefore(Slice key, uint32_t* out);

 private:
  Status Open();
  Status OpenForward();
  Status OpenBackward();
  Status SetStretch(uint32_t from);
  template <bool kKeys, bool kValues>
  Status PackLoop(PackBuffer* out, uint32_t limit);
  Status PackSpecial(PackBuffer* out, const Slot& s);

  PageSpace* space_;
  Cursor cursor_;
  const ScanBounds* bounds_;
  uint64_t generation_ = 0;
  uint32_t at_ = 0;         // slot of the next record
  uint32_t left_ = 0;       // records of this leaf that are still to come
  bool ends_here_ = false;  // the range ends in this leaf
  bool opened_ = false;
  bool exhausted_ = false;
  bool key_overflows_ = false;
  uint32_t key_size_ = 0;
  std::vector<uint8_t> key_;
};

}  // namespace zkdb
