// A thread that syncs a log while the writer goes on with what it has logged.
//
// Thread-safety: Start from any thread; Stop once, when nobody starts any more.
//
// Invariants:
//  1. It only does earlier what the writer does later (Log::Sync): whether it ran or failed changes no result.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/wal/log.h"

namespace zkdb {

class SyncAhead {
 public:
  SyncAhead() = default;
  ~SyncAhead() { Stop(); }
  SyncAhead(const SyncAhead&) = delete;
  SyncAhead& operator=(const SyncAhead&) = delete;

  // Begins to sync `log` up to `sequence`, unless the thread is busy or there can be none.
  void Start(Log* log, uint64_t sequence) noexcept;
  // Returns when no sync is under way.
  void Finish();
  // Ends the thread when its sync is done. The logs outlive this call.
  void Stop();

 private:
  void Main();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::thread thread_;
  Log* log_ = nullptr;  // to be synced; none: the thread waits
  uint64_t sequence_ = 0;
  bool stop_ = false;
};

}  // namespace zkdb
