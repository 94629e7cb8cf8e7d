// The write-ahead log: numbered files of fixed size in one directory, written by group commit.
// docs/format.md section "Log" is the byte layout; log_format.h the structs.
//
// Thread-safety: Append, Flush, Sync, Recycle and the figures may be called from any thread.
//
// Invariants:
//  1. Sequences in a log only grow; each record names its predecessor, so a lost record cannot go unnoticed.
//  2. Append reserves disk space before it returns: Flush and Sync cannot run out of space.
//  3. A record is acknowledged only after one successful Sync that began after it was written.
//  4. After a failed write or sync the log is failed for good: every later call gives ZKDB_FAILED with the first cause.
//  5. A record carries the highest sequence known to be durable when it was appended. On reading, an invalid record is
//     a torn tail only if nothing valid after it (in this or a later file) claims that it was durable; else
//     ZKDB_CORRUPT.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/os/env.h"

namespace zkdb {

using DatabaseId = std::array<uint8_t, 16>;

// What a log file's header says a partition's checkpoint had reached when the file was begun.
struct LogPartition {
  uint64_t uid = 0;
  uint64_t checkpoint_sequence = 0;
};

struct LogOptions {
  std::string directory;
  DatabaseId database_id{};
  uint64_t file_size = 64u << 20;  // bytes; a record larger than a file gets a file of its own size
};

// A record as the replay sees it.
struct LogRecord {
  uint64_t sequence = 0;
  Slice payload;
};

// What a log that was read holds.
struct LogSummary {
  std::vector<LogPartition> partitions;  // what each partition must have reached: the largest of the headers' claims
  uint64_t first_previous = 0;           // the sequence before the oldest record that could be there
  uint64_t last_sequence = 0;            // the newest valid record (or first_previous when there is none)
  uint64_t records = 0;
  uint64_t bytes = 0;
  bool clean = false;  // closed cleanly: no record after the last header
};

class Log {
 public:
  // Opens the log in options.directory, which must exist. With no log file there: an empty log whose predecessor
  // sequence is 0. Every valid record goes to `replay` in order (it may be called for records that the caller skips);
  // then the log is ready to append after the last valid record. `replay` may read summary->partitions and
  // summary->first_previous already. When log files are there, options.database_id must equal theirs (ZKDB_MISMATCH).
  // Errors: ZKDB_CORRUPT (names file and offset), ZKDB_MISMATCH, ZKDB_NOT_ZKDB, ZKDB_VERSION, ZKDB_IO, what replay
  // gives.
  static Status Open(Env* env, const LogOptions& options, const std::function<Status(const LogRecord&)>& replay,
                     LogSummary* summary, std::unique_ptr<Log>* out);
  // The database id in the newest readable log file of a directory; *found = false when there is none.
  static Status ReadDatabaseId(Env* env, const std::string& directory, DatabaseId* id, bool* found);
  virtual ~Log() = default;

  // Takes the next number from `counter` (incremented under the log's lock, so log order is number order) and copies
  // the record into the log's buffer; nothing is written yet, except that a full buffer (1 MiB) is flushed.
  // ZKDB_NO_SPACE when a new file cannot be allocated: nothing is appended, the counter is unchanged and the log stays
  // usable.
  virtual Status Append(std::atomic<uint64_t>* counter, const Slice* parts, size_t count, uint64_t* sequence) = 0;

  // As Append, for a record of at most kLogEarlyLimit bytes that may still be taken back: what it describes is done
  // while it is written and synced. Until Accept or Reject every other append waits.
  virtual Status AppendEarly(std::atomic<uint64_t>* counter, Slice record, uint64_t* sequence) = 0;
  // The early record stays.
  virtual void Accept() = 0;
  // The early record goes, for good when this returns success: no replay meets it. Its number stays used.
  virtual Status Reject() = 0;

  // Everything up to `sequence` is in the file (survives the process, not the machine).
  virtual Status Flush(uint64_t sequence) = 0;
  // Everything up to `sequence` is on stable storage. One caller leads, writes and syncs for all that wait.
  virtual Status Sync(uint64_t sequence) = 0;

  // What later file headers say of the partitions (Recycle and new files use it).
  virtual void SetPartitions(std::vector<LogPartition> partitions) = 0;

  // No record up to `sequence` is needed any more: whole files below it become spares or are removed, after the header
  // of a new file made durable what SetPartitions said. The last file stays. When the last file too holds only such
  // records and is more than half full, the next Append begins a new one.
  virtual Status Recycle(uint64_t sequence) = 0;

  // Called last, when a checkpoint holds everything: begins a fresh file that is marked clean and removes the others.
  virtual Status CloseClean() = 0;

  // Whether a write or sync has failed (invariant 4).
  virtual bool failed() const = 0;
  virtual uint64_t durable_sequence() const = 0;
  virtual uint64_t last_sequence() const = 0;
  virtual uint64_t bytes_since_recycle() const = 0;  // bytes of records appended and not recycled
  virtual uint64_t file_count() const = 0;
  virtual uint64_t sync_count() const = 0;
  virtual uint64_t memory_bytes() const = 0;
};

}  // namespace zkdb
