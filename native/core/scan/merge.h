// The ordered scan over several partitions, packed into the caller's buffer: one source is a loop over its records,
// several are merged by a loser tree on the first eight key bytes (Knuth, TAOCP volume 3, section 5.4.1). A source is
// the tree of a local partition (SourceStream), or chunks of records that come from elsewhere (PackedStream).
//
// Thread-safety: one thread at a time. Pack enters an EpochGuard itself where streams read pages; the versions stay
// pinned by the caller's snapshot for as long as the scan lives.
//
// Invariants:
//  1. A source is opened by the first Pack that can need it, and steps to its next leaf or chunk only when a record of
//     it is wanted.
//  2. Between two calls a tree's source holds no page address, only its path of page references (Cursor::Resume).
//  3. A record that was packed is not packed again, whatever the sizes of the buffers are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/btree/cursor.h"
#include "core/scan/packed_stream.h"
#include "core/scan/source.h"

namespace zkdb {

template <typename Stream>
class MergeScan {
 public:
  // `range` is copied.
  MergeScan(const KeyRange& range, const ScanOptions& options);

  // What streams are made with; it stays where it is.
  const ScanBounds* bounds() const { return &bounds_; }
  // REQUIRES: nothing was packed yet.
  void Add(std::unique_ptr<Stream> stream) { streams_.push_back(std::move(stream)); }

  // Packs up to `max_records` records, each as u32 key size, u32 value size, key, value (little-endian, unaligned; a
  // part that ScanOptions leaves out has size 0). Sets *used (bytes), *count (records) and *done (the range is
  // exhausted). *too_small: not even the next record fits; *used is then the size it needs, and nothing moved.
  // ZKDB_CORRUPT names file and page. Records before the damage are handed out first, and the failure stays until Seek.
  Status Pack(uint8_t* buffer, size_t capacity, uint32_t max_records, size_t* used, uint32_t* count, bool* done,
              bool* too_small);

  // Continues at the first record at or after `key` in the scan's direction (reverse: at or before), within the range.
  Status Seek(Slice key);

 private:
  struct Node {
    uint64_t head = 0;    // of the source's current key, inverted going backward: the lower one comes out first
    uint32_t source = 0;  // kNoSource, with the highest head: has no more records
  };

  Status PackSerial(PackBuffer* out, bool* done);
  Status PackMerged(PackBuffer* out, bool* done);
  Status OpenAll();
  Status LoadNode(uint32_t source, Node* out);
  Status Before(const Node& a, const Node& b, bool* out);
  Status CompareKeys(uint32_t a, uint32_t b, int* out);
  Status Replay(uint32_t source);
  Status RunnerUp(Node* out);
  Status PackRun(PackBuffer* out);

  ScanBounds bounds_;
  std::vector<std::unique_ptr<Stream>> streams_;
  uint64_t generation_ = 0;  // of Pack calls
  Status failed_;

  uint32_t current_ = 0;      // serial: the source being read
  bool merge_open_ = false;   // merged: the tree below is built
  bool advance_ = false;      // merged: the winner has left its current record behind
  bool repeated_ = false;     // merged: the winner won twice in a row
  std::vector<Node> losers_;  // [1, count): losers of the inner matches
  Node winner_{};
};

// Both are compiled in merge.cc.
extern template class MergeScan<SourceStream>;
extern template class MergeScan<PackedStream>;

// Of trees. The spaces outlive the scan.
class RangeScan : public MergeScan<SourceStream> {
 public:
  RangeScan(const std::vector<ScanSource>& sources, const KeyRange& range, const ScanOptions& options)
      : MergeScan(range, options) {
    for (const ScanSource& source : sources) {
      if (source.root.levels > 0) Add(std::make_unique<SourceStream>(source, bounds()));
    }
  }
};

}  // namespace zkdb
