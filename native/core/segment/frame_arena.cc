#include "core/segment/frame_arena.h"

#include <algorithm>
#include <utility>

#include "core/base/coding.h"

namespace zkdb {

namespace {

constexpr uint32_t kChunksBefore = 4;     // chunks in use before one is kept ready
constexpr uint64_t kSmallestPage = 4096;  // bytes that a page fault brings at least

}  // namespace

FrameArena::FrameArena(Env* env, uint32_t page_size)
    : env_(env),
      page_shift_(Log2(page_size)),
      chunk_shift_(Log2(kChunkSize / page_size)),
      chunk_mask_(static_cast<uint32_t>(kChunkSize / page_size) - 1),
      chunks_(new std::atomic<uint8_t*>[kMaxChunks]) {}

FrameArena::~FrameArena() {
  for (uint32_t i = 0; i < chunk_count_.load(); ++i) env_->FreeMemory(chunks_[i].load(), kChunkSize);
  if (ready_ != nullptr) env_->FreeMemory(ready_, kChunkSize);
}

bool FrameArena::AddChunk() {
  const uint32_t index = chunk_count_.load(std::memory_order_relaxed);
  if (index == kMaxChunks) return false;
  const uint32_t frames = chunk_mask_ + 1;
  free_.reserve(size_t{index + 1} * frames);  // for all there are: Give does not allocate
  uint8_t* memory = ready_ != nullptr ? std::exchange(ready_, nullptr) : env_->AllocateMemory(kChunkSize);
  if (memory == nullptr) return false;
  asked_ = false;
  chunks_[index].store(memory, std::memory_order_release);
  chunk_count_.store(index + 1, std::memory_order_release);
  for (uint32_t i = frames; i-- > 0;) free_.push_back((index << chunk_shift_) + i);
  return true;
}

// Small databases stay with the chunks that they touch: one is prepared for those that have filled several.
bool FrameArena::GrowsSoon() const {
  return chunk_count_.load(std::memory_order_relaxed) >= kChunksBefore && free_.size() <= chunk_mask_ / 2;
}

bool FrameArena::WantsChunk() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (asked_ || ready_ != nullptr || !GrowsSoon()) return false;
  asked_ = true;
  return true;
}

void FrameArena::PrepareChunk() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (ready_ != nullptr || !GrowsSoon()) return;
  }
  uint8_t* memory = env_->AllocateMemory(kChunkSize);
  if (memory == nullptr) return;
  for (uint64_t at = 0; at < kChunkSize; at += kSmallestPage) memory[at] = 0;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (ready_ == nullptr) std::swap(ready_, memory);
  if (memory != nullptr) env_->FreeMemory(memory, kChunkSize);
}

uint64_t FrameArena::memory_bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return (uint64_t{chunk_count_.load(std::memory_order_relaxed)} + (ready_ != nullptr ? 1 : 0)) * kChunkSize;
}

uint32_t FrameArena::Take(uint32_t want, std::vector<uint32_t>* out) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (free_.empty() && !AddChunk()) return 0;
  const uint32_t n = std::min(want, static_cast<uint32_t>(free_.size()));
  out->insert(out->end(), free_.rbegin(), free_.rbegin() + n);
  free_.resize(free_.size() - n);
  return n;
}

void FrameArena::Give(std::vector<uint32_t>* frames, size_t count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  free_.insert(free_.end(), frames->end() - static_cast<ptrdiff_t>(count), frames->end());
  frames->resize(frames->size() - count);
}

}  // namespace zkdb
