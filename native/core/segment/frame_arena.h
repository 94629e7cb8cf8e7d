// Memory for changed pages: frames of one page size, cut from 2 MiB chunks that ask for huge pages. A changed page
// lives in a frame from its first change until a checkpoint has written it; frames are reused last-in first-out, so
// that they are warm. Memory stays at its high-water mark: the changed pages of one checkpoint.
//
// Thread-safety: At() from any thread for a frame that is in use; Take, Give and PrepareChunk lock.
//
// Invariants:
//  1. A frame's address never changes and chunks are freed only with the arena.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "core/os/env.h"

namespace zkdb {

class FrameArena {
 public:
  static constexpr uint32_t kNoFrame = UINT32_MAX;

  FrameArena(Env* env, uint32_t page_size);
  ~FrameArena();
  FrameArena(const FrameArena&) = delete;
  FrameArena& operator=(const FrameArena&) = delete;

  uint8_t* At(uint32_t frame) const {
    return chunks_[frame >> chunk_shift_].load(std::memory_order_acquire) +
           (uint64_t{frame & chunk_mask_} << page_shift_);
  }

  // Moves up to `want` free frames to the end of `out`; returns how many: 0 only when there is no memory.
  uint32_t Take(uint32_t want, std::vector<uint32_t>* out);
  // Takes `count` frames back, from the end of `frames`.
  void Give(std::vector<uint32_t>* frames, size_t count);

  // Whether a growing arena will soon need a chunk that PrepareChunk could have ready. True once per chunk.
  bool WantsChunk();
  // Allocates the next chunk and touches it: its page faults are then not the writer's.
  void PrepareChunk();

  uint32_t page_size() const { return 1u << page_shift_; }
  uint64_t memory_bytes() const;

 private:
  static constexpr uint64_t kChunkSize = 2u << 20;
  static constexpr uint32_t kMaxChunks = 16384;  // 32 GiB of changed pages

  bool AddChunk();
  bool GrowsSoon() const;

  Env* env_;
  uint32_t page_shift_;
  uint32_t chunk_shift_;
  uint32_t chunk_mask_;
  std::atomic<uint32_t> chunk_count_{0};
  mutable std::mutex mutex_;
  std::vector<uint32_t> free_;
  uint8_t* ready_ = nullptr;  // a chunk that was prepared
  bool asked_ = false;        // WantsChunk has said so for the next chunk
  std::unique_ptr<std::atomic<uint8_t*>[]> chunks_;
};

}  // namespace zkdb
