#include "core/txn/snapshot_registry.h"

#include <algorithm>

#include "core/segment/epoch.h"

namespace zkdb {

SnapshotRegistry::~SnapshotRegistry() {
  for (SnapshotSlot* s = slots_.load(); s != nullptr;) {
    SnapshotSlot* next = s->next.load();
    delete s;
    s = next;
  }
}

SnapshotSlot* SnapshotRegistry::Claim(uint64_t sequence, uint64_t now_ms) {
  SnapshotSlot* slot = slots_.load(std::memory_order_acquire);
  for (; slot != nullptr; slot = slot->next.load(std::memory_order_acquire)) {
    bool expected = false;
    if (slot->taken.compare_exchange_strong(expected, true, std::memory_order_acq_rel)) break;
  }
  if (slot == nullptr) {
    slot = new SnapshotSlot;
    slot->taken.store(true, std::memory_order_relaxed);
    SnapshotSlot* head = slots_.load(std::memory_order_acquire);
    do {
      slot->next.store(head, std::memory_order_relaxed);
    } while (!slots_.compare_exchange_weak(head, slot, std::memory_order_acq_rel));
  }
  slot->use.fetch_add(1, std::memory_order_seq_cst);
  slot->opened_ms.store(now_ms, std::memory_order_relaxed);
  slot->sequence.exchange(sequence, std::memory_order_seq_cst);
  count_.fetch_add(1, std::memory_order_relaxed);
  return slot;
}

void SnapshotRegistry::Release(SnapshotSlot* slot) {
  slot->sequence.store(SnapshotSlot::kFree, std::memory_order_release);
  slot->taken.store(false, std::memory_order_release);
  count_.fetch_sub(1, std::memory_order_relaxed);
}

namespace {

// Expired, and no reader is left that could have missed it.
bool IsGone(const SnapshotSlot& slot) {
  if (!slot.IsExpired()) return false;
  const uint64_t epoch = slot.expired_epoch.load(std::memory_order_seq_cst);
  return epoch != 0 && epoch <= Epoch::MinActive();
}

}  // namespace

uint64_t SnapshotRegistry::Oldest() const {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  uint64_t oldest = UINT64_MAX;
  for (SnapshotSlot* s = slots_.load(std::memory_order_acquire); s != nullptr;
       s = s->next.load(std::memory_order_acquire)) {
    const uint64_t sequence = s->sequence.load(std::memory_order_seq_cst);
    if (sequence < oldest && !IsGone(*s)) oldest = sequence;
  }
  return oldest;
}

uint64_t SnapshotRegistry::OldestUnexpired() const { return FindOldest().sequence; }

SnapshotRegistry::Use SnapshotRegistry::FindOldest() const {
  Use oldest;
  for (SnapshotSlot* s = slots_.load(std::memory_order_acquire); s != nullptr;
       s = s->next.load(std::memory_order_acquire)) {
    // The number of the use first: when the slot changes hands after that, its expiry is of the use that is over.
    const uint64_t number = s->use.load(std::memory_order_seq_cst);
    const uint64_t sequence = s->sequence.load(std::memory_order_seq_cst);
    if (sequence >= oldest.sequence || s->expired_use.load(std::memory_order_seq_cst) == number) continue;
    oldest = {s, number, sequence};
  }
  return oldest;
}

uint64_t SnapshotRegistry::OldestOpenedMs() const {
  uint64_t oldest = UINT64_MAX;
  for (SnapshotSlot* s = slots_.load(std::memory_order_acquire); s != nullptr;
       s = s->next.load(std::memory_order_acquire)) {
    if (s->sequence.load(std::memory_order_relaxed) == SnapshotSlot::kFree) continue;
    oldest = std::min(oldest, s->opened_ms.load(std::memory_order_relaxed));
  }
  return oldest;
}

void SnapshotRegistry::Expire(const Use& use) {
  // No epoch of an earlier use may stand beside the new mark.
  use.slot->expired_epoch.store(0, std::memory_order_seq_cst);
  use.slot->expired_use.store(use.number, std::memory_order_seq_cst);
  use.slot->expired_epoch.store(Epoch::Advance(), std::memory_order_seq_cst);
}

bool SnapshotRegistry::ExpireOldest() {
  const std::lock_guard<std::mutex> lock(expiry_mutex_);
  const Use oldest = FindOldest();
  for (Use use = oldest; use.slot != nullptr && use.sequence == oldest.sequence; use = FindOldest()) Expire(use);
  return oldest.slot != nullptr;
}

}  // namespace zkdb
