// A part of a merged scan whose records come in chunks, from another server or from a scan that packs them.
//
// Thread-safety: one thread at a time.
//
// Invariants:
//  1. A stream holds one chunk; a source may hold the next one.
//  2. Keys ascend strictly in scan order from chunk to chunk: a source sees to that.
#pragma once

#include <memory>
#include <vector>

#include "core/base/coding.h"
#include "core/scan/source.h"

namespace zkdb {

// Records as zkdb_cursor_next packs them, keys included.
struct PackedChunk {
  std::vector<uint8_t> bytes;
  std::vector<size_t> places;  // of the records in `bytes`

  void Clear() { bytes.clear(), places.clear(); }
  Slice KeyAt(size_t record) const {
    const uint8_t* p = bytes.data() + places[record];
    return {p + PackBuffer::kRecordHead, Load32(p)};
  }
};

class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  // Chunks begin anew at the start of the scan's bounds.
  virtual void Restart() = 0;
  // Asks for the first chunk without waiting for it, where that is possible.
  virtual void Prepare() {}
  // Waits for that answer, and keeps it for Next.
  virtual void Await() {}
  // The next records, at least one unless there are no more.
  virtual Status Next(PackedChunk* out) = 0;
  // The key behind which the next chunk begins; false: it begins where the scan does.
  virtual bool Position(Slice* key) const { return *key = {}, false; }
};

// As SourceStream.
class PackedStream {
 public:
  struct Guard {};

  PackedStream(std::unique_ptr<ChunkSource> source, const ScanBounds* bounds)
      : source_(std::move(source)), bounds_(bounds) {}

  void Reset();
  void Prepare() { source_->Prepare(); }
  Status Enter(uint64_t) { return Status::Ok(); }
  Status Fill(bool* any);
  uint32_t left() const { return static_cast<uint32_t>(chunk_.places.size()) - at_; }
  Status PackRun(PackBuffer* out, uint32_t limit);

  uint64_t TakeKey();
  Slice key() const { return key_; }
  bool key_overflows() const { return false; }
  Status WholeKey(std::string* out) { return *out = key_.ToString(), Status::Ok(); }
  Status CountBefore(Slice key, uint32_t* out);

 private:
  std::unique_ptr<ChunkSource> source_;
  const ScanBounds* bounds_;
  PackedChunk chunk_;
  uint32_t at_ = 0;
  bool exhausted_ = false;
  Slice key_;
};

}  // namespace zkdb
