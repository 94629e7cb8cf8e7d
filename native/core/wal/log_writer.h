// The Log that appends: records go to a buffer with their place in a file decided; a leader writes the buffer for all
// who wait, and one sync makes all of it durable.
//
// Thread-safety: as Log (log.h).
//
// Invariants:
//  1. One thread at a time writes (writing_) and one at a time syncs (syncing_); a write may run beside a sync.
//  2. appended >= written >= durable sequence, and none of them ever goes back, except over a rejected record.
//  3. A buffer is written whole before the next one, so `written` covers every record up to it.
//  4. While an early record waits for its verdict it is the last one: nothing is appended and no file is begun.
//  5. The counter moves only after the record's place in a file and in the buffer is reserved.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "core/wal/log.h"
#include "core/wal/log_buffer.h"
#include "core/wal/log_file_set.h"

namespace zkdb {

class LogWriter : public Log {
 public:
  LogWriter(Env* env, const LogOptions& options);

  // Continues the log that `recovery` has read.
  void Continue(LogRecovery* recovery, const LogSummary& summary);

  Status Append(std::atomic<uint64_t>* counter, const Slice* parts, size_t count, uint64_t* sequence) override;
  Status AppendEarly(std::atomic<uint64_t>* counter, Slice record, uint64_t* sequence) override;
  void Accept() override;
  Status Reject() override;
  Status Flush(uint64_t sequence) override;
  Status Sync(uint64_t sequence) override;
  void SetPartitions(std::vector<LogPartition> partitions) override;
  Status Recycle(uint64_t sequence) override;
  Status CloseClean() override;

  bool failed() const override;
  uint64_t durable_sequence() const override { return durable_.load(std::memory_order_acquire); }
  uint64_t last_sequence() const override { return appended_.load(std::memory_order_acquire); }
  uint64_t bytes_since_recycle() const override;
  uint64_t file_count() const override;
  uint64_t sync_count() const override { return syncs_.load(std::memory_order_relaxed); }
  uint64_t memory_bytes() const override;

 private:
  using Lock = std::unique_lock<std::mutex>;

  // How far the record bytes had come at a sequence.
  struct Mark {
    uint64_t sequence;
    uint64_t bytes;
  };

  // A record that may be taken back, and what was before it.
  struct Early {
    std::shared_ptr<LogFile> file;  // none: there is no such record
    uint64_t offset = 0;
    uint64_t sequence_before = 0;
  };

  Status CheckUsable() const;
  Status AwaitTurn(Lock* lock, size_t most_pending);
  Status AppendBuffered(std::atomic<uint64_t>* counter, const Slice* parts, size_t count, uint64_t payload,
                        uint64_t* sequence);
  void EraseRecord(Lock* lock);
  Status MakeRoom(uint64_t space);
  Status BeginFile(uint64_t space);
  uint64_t TakeSequence(std::atomic<uint64_t>* counter, uint64_t space);
  void CountBytes(uint64_t sequence, uint64_t bytes);
  RecordHeader NewHeader(uint64_t payload_size) const;
  Status AppendLarge(Lock* lock, std::atomic<uint64_t>* counter, const Slice* parts, size_t count, uint64_t payload,
                     uint64_t* sequence);
  Status WriteLarge(LogFile* file, uint64_t offset, RecordHeader header, std::vector<Slice>* all);

  Status WaitAndWrite(Lock* lock, bool ahead);
  void BeginWrite();
  void EndWrite(const Status& status);
  Status WriteBuffer(const LogBuffer& buffer, bool ahead);
  Status WritePiece(LogFile* file, uint64_t offset, Slice bytes, bool ahead);
  Status LeadSync(Lock* lock);
  Status SyncOnce(Lock* lock);
  Status SyncFiles(bool names);
  void Publish(uint64_t target, uint64_t names);
  Status Latch(const Status& cause);
  void LatchQuietly(const Status& cause) noexcept;
  Status RetireFiles(uint64_t sequence);
  Status WriteClaims(Lock* lock, bool* done);

  Env* env_;
  const LogOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  LogFileSet files_;
  std::vector<LogPartition> partitions_;
  bool claims_changed_ = false;  // no header has partitions_ as they are now
  LogBuffer pending_;            // appended, not being written
  LogBuffer in_flight_;          // being written; owned by the thread that set writing_
  bool writing_ = false;
  bool syncing_ = false;
  bool begin_file_ = false;  // the next record goes to a new file
  bool closed_ = false;
  Early early_;
  Status failure_;       // the first failed write or sync
  Status bare_failure_;  // what failure_ becomes when there is no memory for more
  uint64_t written_ = 0;
  uint64_t write_target_ = 0;  // what written_ becomes when the write under way is done
  std::atomic<uint64_t> appended_{0};
  std::atomic<uint64_t> durable_{0};
  std::atomic<uint64_t> syncs_{0};
  uint64_t record_bytes_ = 0;                      // of all records appended or replayed
  uint64_t recycled_bytes_ = 0;                    // of these, no longer needed
  std::deque<Mark> marks_;                         // ascending, one for each kMarkBytes or so
  std::vector<std::shared_ptr<LogFile>> to_sync_;  // owned by the thread that set syncing_
  std::mutex recycle_mutex_;                       // one Recycle or CloseClean at a time; taken before mutex_
};

}  // namespace zkdb
