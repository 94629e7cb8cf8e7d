#include "core/engine/sync_ahead.h"

#include <new>
#include <system_error>

namespace zkdb {

void SyncAhead::Start(Log* log, uint64_t sequence) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (stop_ || log_ != nullptr) return;
  try {
    if (!thread_.joinable()) thread_ = std::thread([this] { Main(); });
  } catch (const std::system_error&) {
    return;
  } catch (const std::bad_alloc&) {
    return;
  }
  log_ = log;
  sequence_ = sequence;
  wake_.notify_one();
}

void SyncAhead::Main() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || log_ != nullptr; });
    if (log_ == nullptr) return;
    lock.unlock();
    try {
      static_cast<void>(log_->Sync(sequence_).ok());  // the log keeps a failure, and the writer meets it
    } catch (const std::bad_alloc&) {
      // The writer syncs by itself.
    }
    lock.lock();
    log_ = nullptr;
    idle_.notify_all();
  }
}

void SyncAhead::Finish() {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait(lock, [this] { return log_ == nullptr; });
}

void SyncAhead::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace zkdb
