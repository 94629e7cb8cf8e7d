// Epochs: how readers use pages without locks. A thread that follows page pointers holds an EpochGuard; memory that
// was taken out of use is given away only when every thread inside a guard entered after that (Fraser, "Practical
// lock-freedom", 2004, section 5.2.3). One set of epochs serves all databases of the process.
//
// Thread-safety: all functions may be called from any thread.
//
// Invariants:
//  1. A guard is held for one call into the core at most, never between two calls.
//  2. Advance is called after the pointer to what is retired was removed; what MinActive() >= its result then says is
//     that no reader can still hold such a pointer.
#pragma once

#include <atomic>
#include <cstdint>

namespace zkdb {

struct alignas(64) EpochSlot {
  static constexpr uint64_t kIdle = UINT64_MAX;
  std::atomic<uint64_t> epoch{kIdle};
  std::atomic<bool> taken{false};
  uint32_t depth = 0;  // guards nest; only the owning thread reads or writes this
  std::atomic<EpochSlot*> next{nullptr};
};

class Epoch {
 public:
  // The calling thread's slot; taken on first use, given back when the thread ends.
  static EpochSlot* ThisThread() {
    if (EpochSlot* slot = current_slot_) [[likely]]
      return slot;
    return Attach();
  }
  static uint64_t Current() { return epoch_.load(std::memory_order_acquire); }
  // Begins a new epoch and returns it.
  static uint64_t Advance() { return epoch_.fetch_add(1, std::memory_order_seq_cst) + 1; }
  // The oldest epoch that a thread inside a guard entered at; UINT64_MAX when there is none.
  static uint64_t MinActive();

 private:
  friend struct EpochOwner;
  static EpochSlot* Attach();
  static inline thread_local EpochSlot* current_slot_ = nullptr;
  static inline std::atomic<uint64_t> epoch_{1};
  static inline std::atomic<EpochSlot*> slots_{nullptr};
};

class EpochGuard {
 public:
  EpochGuard() : slot_(Epoch::ThisThread()) {
    if (slot_->depth++ == 0) slot_->epoch.exchange(Epoch::Current(), std::memory_order_seq_cst);
  }
  ~EpochGuard() {
    if (--slot_->depth == 0) slot_->epoch.store(EpochSlot::kIdle, std::memory_order_release);
  }
  EpochGuard(const EpochGuard&) = delete;
  EpochGuard& operator=(const EpochGuard&) = delete;

 private:
  EpochSlot* slot_;
};

}  // namespace zkdb
