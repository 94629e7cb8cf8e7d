// The open snapshots of a database: what the oldest one can still see decides which freed pages must wait.
//
// Thread-safety: all functions from any thread, without locks. Slots live as long as the registry.
//
// Invariants:
//  1. A slot is claimed with a sequence that is not newer than the state its owner goes on to read, before it reads it.
//  2. An expired slot holds pages back until every EpochGuard entered before it was marked has ended: its owner looks
//     at `expired` inside a guard before it follows a page pointer, in whatever partition the page is.
#pragma once

#include <atomic>
#include <cstdint>

namespace zkdb {

struct SnapshotSlot {
  static constexpr uint64_t kFree = UINT64_MAX;
  std::atomic<uint64_t> sequence{kFree};
  std::atomic<uint64_t> opened_ms{0};
  std::atomic<bool> expired{false};
  std::atomic<uint64_t> expired_epoch{0};  // begun after `expired` was set; 0: not yet
  std::atomic<bool> taken{false};
  std::atomic<SnapshotSlot*> next{nullptr};
};

class SnapshotRegistry {
 public:
  SnapshotRegistry() = default;
  ~SnapshotRegistry();
  SnapshotRegistry(const SnapshotRegistry&) = delete;
  SnapshotRegistry& operator=(const SnapshotRegistry&) = delete;

  SnapshotSlot* Claim(uint64_t sequence, uint64_t now_ms);
  void Release(SnapshotSlot* slot);

  // The smallest sequence that an open snapshot reads or, expired, may still be reading; UINT64_MAX when there is none.
  uint64_t Oldest() const;
  // The same without expired ones.
  uint64_t OldestUnexpired() const;
  uint64_t OldestOpenedMs() const;  // UINT64_MAX when there is none
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  // Marks the snapshots of the oldest unexpired sequence as expired. False when there is none.
  bool ExpireOldest();

 private:
  std::atomic<SnapshotSlot*> slots_{nullptr};
  std::atomic<uint64_t> count_{0};
};

}  // namespace zkdb
