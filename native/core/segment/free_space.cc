#include "core/segment/free_space.h"

#include <algorithm>
#include <iterator>

#include "core/base/assert.h"
#include "core/segment/epoch.h"

namespace zkdb {
namespace {

// Room for `more` entries, in steps that double.
void ReserveMore(std::vector<uint32_t>* list, size_t more) {
  if (list->capacity() - list->size() >= more) return;
  list->reserve(std::max(2 * list->capacity(), list->size() + more));
}

}  // namespace

void FreeSpace::Load(const Bitmap& free, uint32_t page_count) {
  free_ = free;
  cold_ = free;
  cold_count_ = cold_.Count();
  fresh_.Widen(page_count);
  page_count_ = page_count;
}

void FreeSpace::Extend(uint32_t page_count) {
  for (Bitmap* bits : {&free_, &cold_, &fresh_}) bits->Widen(page_count);
  page_count_ = page_count;
}

void FreeSpace::PrepareUse(size_t uses, size_t returns) {
  ReserveMore(&fresh_list_, uses);
  ReserveMore(&hot_, returns);
}

uint32_t FreeSpace::TakeReusable() {
  if (!hot_.empty()) {
    const uint32_t page = hot_.back();
    hot_.pop_back();
    return page;
  }
  return TakeCold();
}

uint32_t FreeSpace::TakeCold() {
  if (cold_count_ == 0) return Bitmap::kNone;
  const uint32_t page = cold_.First();
  ZKDB_ASSERT(page != Bitmap::kNone);
  cold_.Reset(page);
  --cold_count_;
  return page;
}

uint32_t FreeSpace::TakeRun(uint32_t want, uint32_t boundary, uint32_t* got) {
  *got = 0;
  const bool from_hot = !hot_.empty();
  const uint32_t first = TakeReusable();
  if (first == Bitmap::kNone) return first;
  uint32_t n = 1;
  while (n < want && (first + n) % boundary != 0) {
    if (from_hot) {
      if (hot_.empty() || hot_.back() != first + n) break;
      hot_.pop_back();
    } else {
      if (!cold_.Get(first + n)) break;
      cold_.Reset(first + n);
      --cold_count_;
    }
    ++n;
  }
  *got = n;
  return first;
}

void FreeSpace::MarkUsed(uint32_t page) {
  free_.Reset(page);
  if (fresh_.Get(page)) return;
  fresh_.Set(page);
  fresh_list_.push_back(page);
}

void FreeSpace::ReturnUnseen(uint32_t page) {
  free_.Set(page);
  hot_.push_back(page);
}

void FreeSpace::PrepareCommit(const std::vector<uint32_t>& freed) {
  prepared_fresh_.clear();
  prepared_old_.clear();
  std::vector<uint32_t> fresh;
  std::vector<uint32_t> old;
  fresh.reserve(freed.size());
  for (uint32_t page : freed) (fresh_.Get(page) ? fresh : old).push_back(page);
  if (!fresh.empty()) prepared_fresh_.push_back(Waiting{0, 0, std::move(fresh)});
  if (!old.empty()) prepared_old_.push_back(Waiting{0, 0, std::move(old)});
}

void FreeSpace::PrepareCommitOld(const std::vector<uint32_t>& freed) {
  prepared_fresh_.clear();
  prepared_old_.clear();
  if (!freed.empty()) prepared_old_.push_back(Waiting{0, 0, freed});
}

void FreeSpace::CommitQueue(std::list<Waiting>* prepared, std::list<Waiting>* queue, uint64_t sequence) {
  for (Waiting& w : *prepared) {
    w.sequence = sequence;
    waiting_count_ += w.pages.size();
    for (uint32_t page : w.pages) free_.Set(page);
  }
  queue->splice(queue->end(), *prepared);
}

void FreeSpace::CommitPrepared(uint64_t sequence) {
  CommitQueue(&prepared_fresh_, &waiting_fresh_, sequence);
  CommitQueue(&prepared_old_, &waiting_old_, sequence);
}

void FreeSpace::Tag(std::list<Waiting>* queue, uint64_t published) {
  uint64_t epoch = 0;
  for (auto w = queue->rbegin(); w != queue->rend() && w->epoch == 0; ++w) {
    if (w->sequence > published) continue;
    if (epoch == 0) epoch = Epoch::Advance();
    w->epoch = epoch;
  }
}

bool FreeSpace::Releasable(const Waiting& w, const ReleaseLimits& limits, uint64_t min_active) const {
  return w.epoch != 0 && w.epoch <= min_active && w.sequence <= limits.oldest_snapshot;
}

void FreeSpace::Release(const ReleaseLimits& limits) {
  if (waiting_fresh_.empty() && waiting_old_.empty()) return;
  Tag(&waiting_fresh_, limits.published_sequence);
  Tag(&waiting_old_, limits.published_sequence);
  const uint64_t min_active = Epoch::MinActive();
  while (!waiting_fresh_.empty() && Releasable(waiting_fresh_.front(), limits, min_active)) {
    Waiting& w = waiting_fresh_.front();
    // What the running checkpoint captured as freed may still be read by its writer.
    if (w.sequence <= capture_sequence_) break;
    hot_.insert(hot_.end(), w.pages.rbegin(), w.pages.rend());
    waiting_count_ -= w.pages.size();
    waiting_fresh_.pop_front();
  }
  while (!waiting_old_.empty() && Releasable(waiting_old_.front(), limits, min_active)) {
    Waiting& w = waiting_old_.front();
    if (w.sequence > durable_sequence_) break;
    for (uint32_t page : w.pages) cold_.Set(page);
    cold_count_ += w.pages.size();
    waiting_count_ -= w.pages.size();
    waiting_old_.pop_front();
  }
}

uint64_t FreeSpace::PinnedCount(uint64_t oldest) const {
  uint64_t n = 0;
  for (const auto* queue : {&waiting_fresh_, &waiting_old_}) {
    for (const Waiting& w : *queue) n += w.sequence > oldest ? w.pages.size() : 0;
  }
  return n;
}

void FreeSpace::Capture(uint64_t sequence, uint64_t oldest_snapshot, std::vector<uint32_t>* to_write) {
  for (uint32_t page : fresh_list_) {
    if (!free_.Get(page)) to_write->push_back(page);
  }
  for (const Waiting& w : waiting_fresh_) {
    if (w.sequence <= oldest_snapshot) continue;
    std::copy_if(w.pages.begin(), w.pages.end(), std::back_inserter(*to_write),
                 [this](uint32_t p) { return fresh_.Get(p); });
  }
  for (uint32_t page : fresh_list_) fresh_.Reset(page);
  fresh_list_.clear();
  std::sort(to_write->begin(), to_write->end());
  capture_sequence_ = sequence;
}

void FreeSpace::Durable(uint64_t sequence) {
  durable_sequence_ = sequence;
  capture_sequence_ = 0;
}

std::vector<uint32_t> FreeSpace::CoolDown() {
  for (uint32_t page : hot_) cold_.Set(page);
  cold_count_ += hot_.size();
  return std::move(hot_);
}

uint32_t FreeSpace::TrimTail(uint32_t at_least, uint32_t boundary, uint32_t floor) {
  uint32_t end = page_count_;
  // A segment's header page goes with the segment; page 0 is below the floor.
  while (end > floor && (cold_.Get(end - 1) || (end - 1) % boundary == 0)) --end;
  if (page_count_ - end < at_least) return page_count_;
  for (uint32_t page = end; page < page_count_; ++page) {
    if (!cold_.Get(page)) continue;
    cold_.Reset(page);
    free_.Reset(page);
    --cold_count_;
  }
  // A page that was fresh when it became cold no longer is one that a checkpoint could have to write.
  std::erase_if(fresh_list_, [&](uint32_t page) { return page >= end && (fresh_.Reset(page), true); });
  page_count_ = end;
  return end;
}

size_t FreeSpace::memory_bytes() const {
  size_t n = free_.memory_bytes() + cold_.memory_bytes() + fresh_.memory_bytes();
  n += (hot_.capacity() + fresh_list_.capacity() + waiting_count_) * sizeof(uint32_t);
  return n;
}

}  // namespace zkdb
