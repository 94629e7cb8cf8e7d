// An ordered scan over local and remote partitions at once.
//
// Thread-safety: one thread at a time.
//
// Invariants:
//  1. The local partitions are read as one cut; each chunk of a remote one is of its state at that time.
//  2. A partition that fails ends the scan, or with `partial` its own part alone: missing() tells which and from where.
//  3. Memory: a chunk of each partition (about 1 MiB, or one record), and another that the system's sockets hold.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/dispatch/store.h"
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
  };

  // What the parts hold is the range's or less. The stores and the engine outlive the scan.
  static Status Open(const Engine* engine, const std::shared_ptr<Snapshot>& snapshot, const std::vector<Part>& parts,
                     const KeyRange& range, const ScanOptions& options, bool partial, std::unique_ptr<MixedScan>* out);

  // As RangeScan.
  Status Pack(uint8_t* buffer, size_t capacity, uint32_t max_records, size_t* used, uint32_t* count, bool* done,
              bool* too_small);
  Status Seek(Slice key);

  const std::vector<MissingPart>& missing() const { return missing_; }
  bool has_remote() const { return !remotes_.empty(); }

 private:
  class RemotePart;
  MixedScan(const Engine* engine, const KeyRange& range, const ScanOptions& options)
      : engine_(engine), merge_(range, options) {}

  const Engine* engine_;
  std::vector<MissingPart> missing_;
  MergeScan<PackedStream> merge_;
  std::vector<RemotePart*> remotes_;
  bool prepared_ = false;
};

}  // namespace zkdb
