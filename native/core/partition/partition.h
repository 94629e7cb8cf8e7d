// A local partition: its pages, its tree as the writers have it, and the steps of its checkpoint.
//
// Thread-safety: `space` as page_space.h says; everything else under the partition's WriterLock.
//
// Invariants:
//  1. `working` is the trees after the last logged commit; the published root (commit_queue.h) follows that of the
//     records.
//  2. checkpoint_sequence <= last_sequence; equal means that the files hold everything.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "core/btree/record_mutator.h"
#include "core/partition/config.h"
#include "core/segment/page_space.h"

namespace zkdb {

class Log;

// What a partition is, beyond its configuration.
struct PartitionIdentity {
  DatabaseId database_id{};
  uint64_t uid = 0;
  uint64_t fingerprint = 0;
  uint32_t index = 0;
};

// The uid of a new partition: the 64-bit FNV-1a hash of the database's id and the partition's name, 1 where that is 0.
uint64_t PartitionUid(const DatabaseId& id, const std::string& name);

class Partition {
 public:
  Partition(Env* env, const PartitionConfig& config, const PartitionIdentity& identity, uint32_t page_size,
            uint64_t segment_size, bool read_only, bool lock, FrameArena* arena);

  // Takes up the state of the files; `meta` nullptr: nothing was ever checkpointed.
  Status Open(const Meta* meta);

  // Checkpoint, step by step (engine/checkpoint.cc). Begin and End under the lock, Write without it.
  Status BeginCheckpoint(uint64_t oldest_snapshot, bool final, CheckpointPlan* plan);
  Status WriteCheckpoint(CheckpointPlan* plan, uint64_t now_ms);
  Status EndCheckpoint(const CheckpointPlan& plan);

  bool dirty() const {
    return last_sequence.load(std::memory_order_acquire) > checkpoint_sequence.load(std::memory_order_acquire);
  }

  bool changed_since_open() const { return last_sequence.load(std::memory_order_acquire) > opened_sequence_; }

  const PartitionConfig config;
  const PartitionIdentity identity;
  PageSpace space;
  void SetWorking(const Trees& trees) {
    working = trees;
    records = trees.records.records;
    expiring = trees.expiry.records;
  }

  Trees working;
  std::atomic<uint64_t> records{0};   // of `working`, for figures
  std::atomic<uint64_t> expiring{0};  // of these, that expire
  std::atomic<uint64_t> last_sequence{0};
  std::atomic<uint64_t> checkpoint_sequence{0};

 private:
  uint64_t checkpoint_number_ = 0;
  uint64_t opened_sequence_ = 0;  // of the meta at open
};

}  // namespace zkdb
