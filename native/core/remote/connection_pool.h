// The connections to the server of one remote partition, and whether it is worth trying to make another one.
//
// Thread-safety: all functions from any thread. Connecting holds no lock.
//
// Invariants:
//  1. While a server is known to be down, or to be silent, Take fails at once: between two attempts lies a growing
//     time, and one thread at a time makes them.
//  2. A connection that Take gives owes nothing and has not been closed by the server as far as can be seen.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/remote/connection.h"

namespace zkdb {

class ConnectionPool {
 public:
  static constexpr size_t kMaxAtRest = 8;        // connections that are kept
  static constexpr uint64_t kLeastDelayMs = 20;  // before the second attempt
  static constexpr uint64_t kMostDelayMs = 500;  // unless an attempt takes longer
  static constexpr uint64_t kMostPauseMs = 10000;
  static constexpr uint32_t kMaxPinned = 256;  // connections that snapshots have: fewer than a server takes

  // `transport` outlives the pool.
  ConnectionPool(Transport* transport, RemotePlace place) : transport_(transport), place_(std::move(place)) {}

  // A connection to be given back. *fresh: it was made just now. With `only_fresh` none that was at rest is taken.
  // The codes are those of Connection::Open, with ZKDB_UNREACHABLE for ZKDB_TIMEOUT: nothing was asked yet.
  Status Take(bool only_fresh, std::unique_ptr<Connection>* out, bool* fresh);
  // Keeps it, or closes it when it is of no more use; one that waited in vain tells that the server is silent.
  void Give(std::unique_ptr<Connection> connection);
  // Closes it, with answers that may still come; nothing for nullptr.
  void Discard(std::unique_ptr<Connection> connection);

  // Counts a connection that a snapshot has for as long as it lasts. ZKDB_UNREACHABLE when they are too many.
  Status StartPinned();
  void EndPinned() { pinned_.fetch_sub(1, std::memory_order_relaxed); }

  const RemotePlace& place() const { return place_; }
  Transport* transport() const { return transport_; }

 private:
  bool TakeAtRest(std::unique_ptr<Connection>* out);
  Status MayTry();
  void NoteFailure(const Status& status, uint64_t took_ms);

  Transport* const transport_;
  const RemotePlace place_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> at_rest_;
  std::atomic<uint32_t> pinned_{0};
  uint32_t failures_ = 0;  // in a row
  bool trying_ = false;    // a thread tries a server that was down
  uint64_t retry_at_ms_ = 0;
  Status last_failure_;
};

}  // namespace zkdb
