// A state of a database with remote partitions that stays: the cut of its local partitions, and a state of each server.
//
// Thread-safety: all functions from any thread.
//
// Invariants:
//  1. There is no cut over servers: their states are pinned at once, each at its own moment.
//  2. As long as it is read from, every server hears of it, also those whose keys nobody reads.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "core/dispatch/store.h"
#include "core/os/transport.h"

namespace zkdb {

class DispatchSnapshot {
 public:
  // Of each store its state, or nullptr when nothing is read from it; first that of the local one. The stores and
  // `transport` outlive it.
  DispatchSnapshot(Transport* transport, std::vector<std::shared_ptr<StoreSnapshot>> states)
      : transport_(transport), states_(std::move(states)) {}

  // Asks all servers, then waits for them.
  void Open();
  const std::shared_ptr<StoreSnapshot>& Of(uint32_t store) const { return states_[store]; }
  // That of the local partitions. REQUIRES: there is one.
  const std::shared_ptr<Snapshot>& local() const;
  // To be called whenever it is used.
  void KeepAlive();

 private:
  static constexpr uint64_t kLookMs = 1000;

  Transport* const transport_;
  const std::vector<std::shared_ptr<StoreSnapshot>> states_;
  std::atomic<uint64_t> look_at_ms_{0};  // when it looks after the states again
};

}  // namespace zkdb
