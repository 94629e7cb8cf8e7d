#include "core/segment/epoch.h"

namespace zkdb {

// Gives the thread's slot back when the thread ends.
struct EpochOwner {
  EpochSlot* slot = nullptr;
  ~EpochOwner() {
    if (slot == nullptr) return;
    Epoch::current_slot_ = nullptr;
    slot->epoch.store(EpochSlot::kIdle, std::memory_order_release);
    slot->taken.store(false, std::memory_order_release);
  }
};

namespace {

thread_local EpochOwner owner;

EpochSlot* TakeFreeSlot(EpochSlot* head) {
  for (EpochSlot* s = head; s != nullptr; s = s->next.load(std::memory_order_acquire)) {
    bool expected = false;
    if (s->taken.compare_exchange_strong(expected, true, std::memory_order_acq_rel)) return s;
  }
  return nullptr;
}

}  // namespace

EpochSlot* Epoch::Attach() {
  EpochSlot* slot = TakeFreeSlot(slots_.load(std::memory_order_acquire));
  if (slot == nullptr) {
    // Slots live as long as the process: a reader that scans the list never meets a freed one.
    slot = new EpochSlot;
    slot->taken.store(true, std::memory_order_relaxed);
    EpochSlot* head = slots_.load(std::memory_order_acquire);
    do {
      slot->next.store(head, std::memory_order_relaxed);
    } while (!slots_.compare_exchange_weak(head, slot, std::memory_order_acq_rel));
  }
  slot->depth = 0;
  owner.slot = slot;
  current_slot_ = slot;
  return slot;
}

uint64_t Epoch::MinActive() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  uint64_t min = UINT64_MAX;
  for (EpochSlot* s = slots_.load(std::memory_order_acquire); s != nullptr;
       s = s->next.load(std::memory_order_acquire)) {
    const uint64_t e = s->epoch.load(std::memory_order_seq_cst);
    if (e < min) min = e;
  }
  return min;
}

}  // namespace zkdb
