#include "core/txn/commit_queue.h"

#include <algorithm>

namespace zkdb {

CommitQueue::CommitQueue(uint32_t partitions) : count_(partitions), roots_(new std::atomic<uint64_t>[partitions]) {
  for (uint32_t i = 0; i < partitions; ++i) roots_[i].store(0, std::memory_order_relaxed);
}

uint64_t CommitQueue::CopyRoots(std::vector<PageRef>* roots) const {
  roots->resize(count_);
  while (true) {
    const uint64_t before = version_.load(std::memory_order_acquire);
    if ((before & 1) != 0) continue;
    for (uint32_t i = 0; i < count_; ++i) (*roots)[i] = UnpackRef(roots_[i].load(std::memory_order_acquire));
    const uint64_t sequence = published_.load(std::memory_order_acquire);
    if (version_.load(std::memory_order_acquire) == before) return sequence;
  }
}

CommitQueue::Place CommitQueue::MakePlace(ChangedRoots roots) {
  Place place;
  place.push_back(Entry{0, false, std::move(roots)});
  return place;
}

void CommitQueue::Enqueue(uint64_t sequence, Place place) {
  place.front().sequence = sequence;
  const std::lock_guard<std::mutex> lock(mutex_);
  auto at = queue_.end();
  while (at != queue_.begin() && std::prev(at)->sequence > sequence) --at;
  queue_.splice(at, place);
}

// Publishes from the front of the queue as long as the next number is there and ready.
void CommitQueue::PublishDue() {
  bool any = false;
  while (!queue_.empty() && queue_.front().ready && queue_.front().sequence == published_.load() + 1) {
    version_.fetch_add(1, std::memory_order_acq_rel);
    for (const auto& [partition, root] : queue_.front().roots) {
      roots_[partition].store(PackRef(root), std::memory_order_release);
    }
    published_.store(queue_.front().sequence, std::memory_order_release);
    version_.fetch_add(1, std::memory_order_acq_rel);
    queue_.pop_front();
    any = true;
  }
  if (any) changed_.notify_all();
}

bool CommitQueue::Publish(uint64_t sequence) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (Entry& e : queue_) {
    if (e.sequence == sequence) e.ready = true;
  }
  if (!failed_) PublishDue();
  changed_.wait(lock, [&] { return failed_ || published_.load() >= sequence; });
  return published_.load() >= sequence;
}

bool CommitQueue::WaitFor(uint64_t sequence) {
  if (published() >= sequence) return true;
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return failed_ || published_.load() >= sequence; });
  return published_.load() >= sequence;
}

void CommitQueue::Fail() {
  const std::lock_guard<std::mutex> lock(mutex_);
  failed_ = true;
  changed_.notify_all();
}

void CommitQueue::Drain() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return failed_ || queue_.empty(); });
}

}  // namespace zkdb
