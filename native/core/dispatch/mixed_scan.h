// An ordered scan over local and remote partitions at once.
//
// Thread-safety: one thread at a time.
//
// Invariants:
//  1. The local partitions are read as one cut, each remote one at one state from its first chunk to its last. Without
//     a snapshot of the caller's these are the states at Open, or with `pin_later` those at the first Pack.
//  2. A partition that fails ends the scan, or with `partial` its own part alone: missing() tells which and from where.
//  3. Memory: two chunks of each partition (about 1 MiB, or one record), and what the system's sockets hold.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/dispatch/dispatch_snapshot.h"
#include "core/scan/merge.h"

namespace zkdb {

class RemoteStore;

// A part of the range that a scan could not read: the keys of `partition` behind `from`, or all of them.
struct MissingPart {
  uint32_t partition;
  bool has_from;
  std::string from;
  Status reason;
};

class MixedScan {
 public:
  struct Part {
    PartitionStore* store;
    RemoteStore* remote;  // nullptr: the local partitions
    uint32_t partition;   // of a remote store
    uint32_t number;      // of the store
  };

  // What the parts hold is the range's or less. With `opened` the states of the snapshot are pinned already; otherwise
  // the scan pins them, and waits for it. The stores and the engine outlive the scan.
  static Status Open(const Engine* engine, std::shared_ptr<DispatchSnapshot> snapshot, bool opened,
                     const std::vector<Part>& parts, const KeyRange& range, const ScanOptions& options, bool partial,
                     std::unique_ptr<MixedScan>* out);

  // As RangeScan.
  Status Pack(uint8_t* buffer, size_t capacity, uint32_t max_records, size_t* used, uint32_t* count, bool* done,
              bool* too_small);
  Status Seek(Slice key);

  const std::vector<MissingPart>& missing() const { return missing_; }
  bool has_remote() const { return !remotes_.empty(); }

 private:
  class RemotePart;
  MixedScan(const Engine* engine, std::shared_ptr<DispatchSnapshot> snapshot, const KeyRange& range,
            const ScanOptions& options)
      : engine_(engine), snapshot_(std::move(snapshot)), merge_(range, options) {}

  const Engine* engine_;
  const std::shared_ptr<DispatchSnapshot> snapshot_;
  std::vector<MissingPart> missing_;
  MergeScan<PackedStream> merge_;
  std::vector<RemotePart*> remotes_;
  bool prepared_ = false;
};

}  // namespace zkdb
