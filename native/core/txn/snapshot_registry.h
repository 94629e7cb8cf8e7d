// The open snapshots of a database: what the oldest one can still see decides which freed pages must wait.
//
// Thread-safety: all functions from any thread; only the expiry of snapshots takes a lock. Slots live as long as the
// registry.
//
// Invariants:
//  1. A slot is claimed with a sequence that is not newer than the state its owner goes on to read, before it reads it.
//  2. An expired slot holds pages back until every EpochGuard entered before it was marked has ended: its owner looks
//     at IsExpired() inside a guard before it follows a page pointer, in whatever partition the page is.
//  3. What expires is one use of a slot, by its number: a later snapshot in the same slot is not touched.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace zkdb {

struct SnapshotSlot {
  static constexpr uint64_t kFree = UINT64_MAX;
  std::atomic<uint64_t> sequence{kFree};
  std::atomic<uint64_t> opened_ms{0};
  std::atomic<uint64_t> use{0};            // counts the snapshots that had this slot
  std::atomic<uint64_t> expired_use{0};    // the last one that expired; written by the expiry alone
  std::atomic<uint64_t> expired_epoch{0};  // begun after expired_use was set; 0: not yet
  std::atomic<bool> taken{false};
  std::atomic<SnapshotSlot*> next{nullptr};

  bool IsExpired() const { return expired_use.load(std::memory_order_seq_cst) == use.load(std::memory_order_seq_cst); }
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

  // The two halves of ExpireOldest: one unexpired snapshot of the oldest sequence (slot nullptr: there is none), and
  // its expiry, which does nothing when it was closed meanwhile.
  struct Use {
    SnapshotSlot* slot = nullptr;
    uint64_t number = 0;
    uint64_t sequence = SnapshotSlot::kFree;
  };
  Use FindOldest() const;
  void Expire(const Use& use);

 private:
  std::atomic<SnapshotSlot*> slots_{nullptr};
  std::atomic<uint64_t> count_{0};
  std::mutex expiry_mutex_;
};

}  // namespace zkdb
