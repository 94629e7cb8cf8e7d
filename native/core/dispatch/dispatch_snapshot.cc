#include "core/dispatch/dispatch_snapshot.h"

#include "core/dispatch/local_store.h"

namespace zkdb {

void DispatchSnapshot::Open() {
  for (const auto& state : states_) {
    if (state != nullptr) state->Start();
  }
  for (const auto& state : states_) {
    if (state != nullptr) state->Wait();
  }
}

const std::shared_ptr<Snapshot>& DispatchSnapshot::local() const {
  return static_cast<const LocalSnapshot&>(*states_[0]).snapshot();
}

void DispatchSnapshot::KeepAlive() {
  const uint64_t now = transport_->MonotonicMs();
  if (now < look_at_ms_.load(std::memory_order_relaxed)) return;
  look_at_ms_.store(now + kLookMs, std::memory_order_relaxed);
  for (const auto& state : states_) {
    if (state != nullptr) state->KeepAlive(now);
  }
}

}  // namespace zkdb
