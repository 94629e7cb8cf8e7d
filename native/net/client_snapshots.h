// The snapshots that one client has open, by number.
//
// Thread-safety: none; they belong to one session.
//
// Invariants:
//  1. At most `most` are open, and none that was not used for `idle_us` once CloseIdle has looked: an open snapshot
//     keeps pages from being used again.
//  2. A number is given once, also over the connections that a client has one after the other: one that was opened
//     before a connection was lost is not taken for another one.
#pragma once

#include <vector>

#include "net/store.h"

namespace zkdb::net {

class ClientSnapshots {
 public:
  // `before` is less than the first number: when the connection began, in microseconds.
  ClientSnapshots(uint64_t before, size_t most, uint64_t idle_us)
      : most_(most), idle_us_(idle_us), next_id_(1 + before % kLargest) {}

  bool full() const { return entries_.size() >= most_; }
  bool empty() const { return entries_.empty(); }
  size_t most() const { return most_; }
  uint64_t idle_us() const { return idle_us_; }

  // Pins the latest state; *id is then its number. REQUIRES: !full().
  zkdb_code Open(zkdb_db* db, uint64_t now_us, uint64_t* id, zkdb_error* err);
  // The snapshot of a number, if it is one of `db`: it counts as used. nullptr otherwise.
  zkdb_snapshot* Use(uint64_t id, const zkdb_db* db, uint64_t now_us);
  // False when there is no such one.
  bool Close(uint64_t id);
  void CloseIdle(uint64_t now_us);
  void CloseAll() { entries_.clear(); }

 private:
  static constexpr uint64_t kLargest = uint64_t{1} << 52;  // a JavaScript number holds twice that
  struct Entry {
    uint64_t id;
    const zkdb_db* db;
    uint64_t used_us;
    SnapshotHandle snapshot;
  };

  const size_t most_;
  const uint64_t idle_us_;
  uint64_t next_id_;
  std::vector<Entry> entries_;
};

}  // namespace zkdb::net
