// What concurrent clients did to a set of lists and saw of them, in the form that checker.h judges. Each list is one
// key of the database; a transaction appends numbers that nobody else appends, and reads whole lists (the list-append
// histories of Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020).
//
// Thread-safety: Clock from any thread; a history belongs to one thread at a time.
//
// Invariants:
//  1. An element is appended by one transaction of the history only.
//  2. begin and end are ticks of one Clock: end < begin of another means that it happened before in real time.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace zkdb::test {

using List = std::vector<uint32_t>;

struct Access {
  enum class Kind : uint8_t {
    kRead,    // `list` is the whole list
    kAppend,  // `element` goes to its end
    kBeyond,  // what is known of the list is that it is not `list`, an earlier content
  };
  Kind kind = Kind::kRead;
  uint32_t key = 0;
  uint32_t element = 0;
  List list;
};

struct HistoryEntry {
  enum class Kind : uint8_t { kSnapshot, kGet, kScan, kTransaction, kBatch };
  Kind kind = Kind::kGet;
  bool committed = true;  // false: rolled back, or dropped because a condition failed
  uint32_t thread = 0;
  // Ticks between which it took effect: those of opening for a snapshot or scan, of the whole call or transaction else.
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t sequence = 0;  // the commit's number, or the one that a snapshot reads; 0: not known
  std::vector<Access> accesses;
};

using History = std::vector<HistoryEntry>;

class Clock {
 public:
  uint64_t Tick() { return ticks_.fetch_add(1, std::memory_order_seq_cst) + 1; }

 private:
  std::atomic<uint64_t> ticks_{0};
};

// One line for a person: "batch 17 of thread 2 [31, 40], commit 9: append 5 to key 3".
std::string Describe(const History& history, size_t index);

}  // namespace zkdb::test
