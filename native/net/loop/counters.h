// The figures of one thread of a server, and what all its threads share.
//
// Thread-safety: a Counter is changed by one thread and read by any.
#pragma once

#include <atomic>
#include <cstdint>

namespace zkdb::net {

class Counter {
 public:
  void Add(uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct Counters {
  Counter commands;
  Counter bytes_in;
  Counter bytes_out;
  Counter pauses;
  Counter dropped_slow;
  Counter dropped_idle;
  Counter dropped_login;
  Counter shared_writes;
};

}  // namespace zkdb::net
