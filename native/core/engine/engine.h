// A database: its partitions, their log or logs, the commit queue, snapshots, and the thread that writes checkpoints.
// The engine composes; the work is done by the folders below. It has the local partitions of the configuration, which
// may be none, and counts them from 0; core/dispatch puts the remote ones beside them.
//
// Thread-safety: every public function from any thread. One engine serves all handles of a process (registry.h).
//
// Invariants:
//  1. A commit is logged before it is visible and, at durability `commit`, on stable storage before it is visible.
//  2. After a failed write or sync (Fail) nothing is written any more until the database is reopened; reads go on.
//  3. A checkpoint's meta is written only when the log is durable up to the checkpoint's sequence.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/engine/expiry_observers.h"
#include "core/engine/sync_ahead.h"
#include "core/partition/partition.h"
#include "core/partition/selector.h"
#include "core/txn/batch.h"
#include "core/txn/commit_queue.h"
#include "core/txn/snapshot_registry.h"
#include "core/txn/writer_lock.h"
#include "core/wal/log.h"

namespace zkdb {

// Done and total; false asks to stop.
using Progress = std::function<bool(uint64_t, uint64_t)>;

struct EngineOptions {
  ConfigOverrides overrides;
  uint32_t partitions = 0;  // for a new directory; 0: 1, or whatever is there
  bool create_if_missing = true;
  bool error_if_exists = false;
  bool read_only = false;
  bool background = true;  // false: no thread of its own; checkpoints, syncs and sweeps come by call alone
  bool tls = false;        // partitions over TLS can be reached
  bool restoring = false;  // what is written comes from another database: operations keep their clocks, no sweep
  Progress on_recovery;    // bytes of the logs: replayed, and of their files; stopping it is ZKDB_ABORTED
};

struct WriteResult {
  uint64_t sequence = 0;
  uint64_t existed = 0;
  int64_t failed_index = -1;
};

struct RecoveryFigures {
  uint64_t records = 0;
  uint64_t bytes = 0;
};

class Engine;
class Transaction;

// A pinned state of all partitions.
class Snapshot {
 public:
  explicit Snapshot(std::shared_ptr<Engine> engine);
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  // ZKDB_SNAPSHOT_EXPIRED. Call inside an EpochGuard, before following a root.
  Status Check() const;
  PageRef root(uint32_t partition) const { return roots_[partition]; }
  uint64_t sequence() const { return sequence_; }
  const std::shared_ptr<Engine>& engine() const { return engine_; }

 private:
  std::shared_ptr<Engine> engine_;
  SnapshotSlot* slot_;
  uint64_t sequence_ = 0;
  std::vector<PageRef> roots_;
};

class Engine : public std::enable_shared_from_this<Engine> {
 public:
  // `config_path` is a configuration file that exists (OpenDatabase in registry.h makes one for a new directory).
  static Status Open(Env* env, const std::string& config_path, const EngineOptions& options,
                     std::shared_ptr<Engine>* out);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Checkpoint, clean log, locks released. Idempotent; later calls give ZKDB_CLOSED.
  Status Close();
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  // A transaction of this thread is open.
  bool InTransaction() { return gate_.HeldByThisThread(); }
  // Ends it without its changes, when there is one: closing would wait for it for ever.
  void AbortOwnTransaction();

  // ---- reading (read.cc) ----
  // NOT_FOUND, BUFFER_TOO_SMALL (with *size) or a failure in *status.
  zkdb_code Get(const Snapshot* snapshot, Slice key, uint8_t* buffer, size_t capacity, size_t* size, Status* status);
  zkdb_code GetMany(const Snapshot* snapshot, const uint8_t* keys, const uint32_t* offsets, uint32_t count,
                    uint8_t* buffer, size_t capacity, uint32_t* sizes, uint32_t* done, size_t* needed, Status* status);
  // When the record of `key` ends, 0: never. ZKDB_NOT_FOUND as Get.
  zkdb_code Expiry(const Snapshot* snapshot, Slice key, uint64_t* time, Status* status);
  // The tree of a partition in a snapshot, or the latest one.
  Status TreeOf(uint32_t partition, const Snapshot* snapshot, TreeRoot* out);
  Status Estimate(uint32_t partition, const KeyRange& range, uint64_t* records);

  // ---- writing (write.cc) ----
  Status Write(Slice batch, zkdb_durability durability, bool non_atomic, WriteResult* result);
  Status Sync();

  // ---- records that have ended (sweep.cc) ----
  // Removes them, for `most_ms` at most; *removed: how many.
  Status Sweep(uint64_t most_ms, uint64_t* removed);
  // Who is told of their keys, in the order in which they ended in a partition: on the thread that sweeps, before the
  // commit is published, so that a later write of the key is acknowledged afterwards. Other commits wait meanwhile.
  ExpiryObservers* expiry_observers() { return &expiry_observers_; }

  // ---- checkpoints (checkpoint.cc) ----
  Status Checkpoint();
  void ActivateCheckpoints(bool on);

  // ---- figures (figures.cc) ----
  Status Figures(zkdb_db_stats* out);
  Status PartitionFigures(uint32_t partition, bool full, zkdb_partition_stats* out);

  // ---- maintenance (maintenance.cc) ----
  Status Check(const std::function<bool(const std::string&)>& finding, const Progress& progress, uint64_t* findings);
  Status Backup(const std::string& directory, const Progress& progress);
  Status Compact(const Progress& progress);

  Env* env() const { return env_; }
  bool read_only() const { return read_only_; }
  // As given, with the remote partitions, and the rule for all of them.
  const DatabaseConfig& whole_config() const { return whole_config_; }
  const Selector& whole_selector() const { return whole_selector_; }
  // Of the local partitions.
  const DatabaseConfig& config() const { return config_; }
  const Selector& selector() const { return selector_; }
  uint32_t partition_count() const { return static_cast<uint32_t>(partitions_.size()); }
  Partition& partition(uint32_t i) { return *partitions_[i]; }
  Status ClosedStatus() const;

 private:
  friend class Snapshot;
  friend class Transaction;

  Engine(Env* env, DatabaseConfig config, const EngineOptions& options);

  // open.cc
  Status TakeLocalPart();
  Status OpenFiles(const EngineOptions& options);
  bool LogDirectoriesExist() const;
  Status LockDirectories();
  Status FindIdentity(const EngineOptions& options, const std::vector<MetaState>& metas);
  Status ReadMetas(std::vector<MetaState>* metas);
  Status OpenPartition(uint32_t index, const MetaState& state);
  Status CheckMeta(uint32_t index, const MetaState& state) const;
  Status OpenLogs(const std::vector<MetaState>& metas);
  Status OpenLog(size_t log, const std::vector<MetaState>& metas);
  Status MeasureLogs();
  Status TellRecovery(uint64_t bytes_of_log);
  Status Replay(const LogRecord& record);
  Status ReplayGroup(uint64_t sequence, uint64_t uid, Slice operations);
  Status CheckAges(size_t log, const LogSummary& summary, const std::vector<MetaState>& metas) const;
  void StartThread();
  FrameArena* ArenaFor(uint32_t page_size);
  std::vector<LogPartition> LogPartitions(size_t log) const;
  Log* LogOf(uint32_t partition) const { return logs_[config_.isolated ? partition : 0].get(); }
  std::string LogDirectory(size_t log) const;

  // write.cc
  struct Applied {
    uint32_t partition;
    Trees trees;
  };
  Status CheckWritable() const;
  ReleaseLimits Limits() const;
  Status CheckConditions(Batch* batch, ReadClock* clock, WriteResult* result);
  Status ConditionHolds(const Operation& op, const TreeRoot& root, ReadClock* clock, bool* holds);
  Status ApplyOperations(uint32_t partition, const Operation* first, const Operation* end, bool sorted,
                         ReadClock* clock, Trees* trees, WriteResult* result);
  Status ApplyAll(Batch* batch, ReadClock* clock, std::vector<Applied>* applied, WriteResult* result);
  void RollBack(const std::vector<Applied>& applied);
  Status LogAndQueue(const std::vector<Applied>& applied, const LogGroups& groups, uint64_t* sequence);
  CommitQueue::Place PrepareCommit(const std::vector<Applied>& applied);
  void Queue(const std::vector<Applied>& applied, uint64_t sequence, CommitQueue::Place place);
  Status GroupOperations(Batch* batch, LogGroups* groups) const;
  Status ApplyAndLog(Batch* batch, ReadClock* clock, WriteResult* result, uint64_t* sequence);
  Status MakeDurable(Log* log, uint64_t sequence, zkdb_durability durability) noexcept;
  Status WaitDurable(Log* log, uint64_t sequence, zkdb_durability durability);
  Status WriteParts(Batch* batch, zkdb_durability durability, bool alone, WriteResult* result);
  Status WriteArranged(Batch* batch, zkdb_durability durability, bool alone, WriteResult* result);
  void LockPartitions(Batch* batch, HeldLocks* locks);
  void EnforceSnapshotLimit(Partition* partition);
  void NotePressure(Partition* partition);
  void WaitForRoom();
  Status VerifyTrees(uint32_t partition, const Trees& trees);

  // sweep.cc
  Status SweepBatch(uint32_t partition, uint64_t* removed, bool* more);
  Status SweepPartition(uint32_t partition, uint64_t deadline_ms, uint64_t* removed);
  bool AnyExpiring() const;

  // early_write.cc
  bool LogsEarly(const Batch& batch, zkdb_durability durability, bool alone) const;
  Status LogAndApply(Batch* batch, ReadClock* clock, WriteResult* result, uint64_t* sequence);
  Status TakeBack(Log* log, uint64_t sequence, CommitQueue::Place nothing);

  // maintenance.cc
  Status RewritePartition(uint32_t index, const Progress& progress);
  Status CommitRewrite(uint32_t index, const Trees& fresh, RollbackGuard* guard);
  Status CompactPartition(uint32_t index, const Progress& progress);
  Status EmptyTail(uint32_t index);
  bool IsUntouched(uint32_t partition);

  // checkpoint.cc
  enum class CheckpointMode {
    kChanged,  // partitions that changed
    kFinal,    // partitions that changed since they were opened, their files cut: the last one before closing
    kCut       // this partition in any case, its files cut
  };
  Status CheckpointAll(CheckpointMode mode);
  void FreeWaitingPages(Partition* partition);
  Status CheckpointLast();
  Status CheckpointPartition(Partition* partition, CheckpointMode mode);
  Status WriteCheckpoint(Partition* partition, CheckpointPlan* plan);
  Status CloseFiles();
  Status RecycleLogs(const std::vector<uint64_t>& begin);
  void Fail(const Status& cause) noexcept;
  Status FailureStatus() const;
  void ThreadMain();
  void ThreadWork(bool due);
  bool HoldsPartition(uint32_t partition);
  bool CheckpointDue();
  void SyncInterval();
  uint64_t PauseMs() const;

  Env* env_;
  DatabaseConfig config_;
  Selector selector_;
  DatabaseConfig whole_config_;
  Selector whole_selector_;
  bool read_only_;
  bool background_;
  bool restoring_;
  DatabaseId database_id_{};
  std::vector<std::unique_ptr<FrameArena>> arenas_;  // before the partitions: their frames come from here
  std::vector<std::unique_ptr<FileLock>> locks_;
  std::vector<std::unique_ptr<Partition>> partitions_;
  std::vector<std::unique_ptr<WriterLock>> writer_locks_;
  std::vector<std::unique_ptr<Log>> logs_;
  std::unique_ptr<CommitQueue> queue_;
  std::atomic<uint64_t> sequence_{0};  // last number given out
  SnapshotRegistry snapshots_;
  WriterGate gate_;
  RecoveryFigures recovery_;
  Progress on_recovery_;         // while it opens
  uint64_t recovery_total_ = 0;  // bytes of log files
  uint64_t recovery_told_ = 0;   // bytes

  std::atomic<bool> closed_{false};
  bool opened_ = false;  // everything on disk was read: what is in memory may be written back
  // Held shared by what uses the logs outside the gate, alone by Close while it takes them away.
  std::shared_mutex use_mutex_;
  Transaction* open_transaction_ = nullptr;  // owned by the thread that holds the gate
  std::atomic<bool> failed_{false};
  mutable std::mutex failure_mutex_;
  Status failure_;

  std::mutex checkpoint_mutex_;  // one checkpoint at a time
  std::atomic<bool> checkpointing_{false};
  std::atomic<uint64_t> checkpoints_{0};
  std::atomic<uint64_t> commits_{0};
  std::atomic<uint64_t> expired_{0};      // records that the sweep removed
  std::atomic<uint32_t> sweep_first_{0};  // the partition that the next sweep begins with
  ExpiryObservers expiry_observers_;
  std::atomic<uint64_t> dirty_bytes_{0};
  std::vector<std::unique_ptr<std::atomic<uint64_t>>> partition_dirty_;  // bytes, last seen by a writer

  std::mutex thread_mutex_;
  std::condition_variable thread_wake_;
  std::condition_variable room_;  // a checkpoint ended
  bool stop_ = false;
  bool checkpoint_wanted_ = false;
  bool checkpoint_running_ = false;
  std::atomic<bool> periodic_{true};
  std::atomic<bool> interval_used_{false};  // some commit asked for durability `interval`
  std::atomic<uint64_t> last_checkpoint_ms_{0};
  std::thread thread_;
  SyncAhead sync_ahead_;
};

}  // namespace zkdb
