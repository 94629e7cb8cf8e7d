// Who is told of the records that sweeps remove.
//
// Thread-safety: any thread; an observer is called by one thread at a time, and must not call back.
//
// Invariants:
//  1. When Set has returned, the observer that it replaced does not run, and is not called again.
//  2. Without observers a sweep pays the load of an atomic per commit.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "core/base/slice.h"

namespace zkdb {

class ExpiryObservers {
 public:
  // It gets a key, valid during the call. REQUIRES: it throws nothing.
  using Observer = std::function<void(Slice key)>;

  // One for each owner; an empty one: none any more.
  void Set(const void* owner, Observer observer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (observer) {
      observers_[owner] = std::move(observer);
    } else {
      observers_.erase(owner);
    }
    any_.store(!observers_.empty(), std::memory_order_relaxed);
  }

  bool any() const { return any_.load(std::memory_order_relaxed); }

  void Tell(Slice key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [owner, observer] : observers_) observer(key);
  }

 private:
  std::atomic<bool> any_{false};
  std::mutex mutex_;
  std::map<const void*, Observer> observers_;
};

}  // namespace zkdb
