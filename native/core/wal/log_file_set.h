// The files of a log that is open for appending: the one that grows, those before it, and spares for reuse.
//
// Thread-safety: every function REQUIRES the log's lock. NamesToSync and NamesSynced bracket a directory sync that may
// run without it.
//
// Invariants:
//  1. files() are consecutive by number; only the last may be the current one.
//  2. At most one file of the log has a name that is not yet durable, so that a crash leaves consecutive numbers.
//  3. A file is retired only when all its records and the header of the file after it are durable.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/os/env.h"
#include "core/wal/log_recovery.h"

namespace zkdb {

struct LogFile {
  uint64_t number = 0;
  std::string path;
  std::unique_ptr<File> file;
  uint64_t size = 0;           // bytes that records may fill
  uint64_t end = 0;            // where the next record goes
  uint64_t last_sequence = 0;  // of its last record, or of the one before the file
  uint32_t seed = 0;           // of its records' checksums
  uint64_t written_up_to = 0;  // blocks below have been written to; kept by whoever writes
  bool unsynced = false;       // written to since its last sync
  bool header_durable = false;
};

// Makes the names in a log's directory durable; ZKDB_NO_MEMORY where there is none for the message of a failure, so
// that no failed sync goes unnoticed.
Status SyncLogDirectory(Env* env, const std::string& directory);

class LogFileSet {
 public:
  LogFileSet(Env* env, const LogOptions& options) : env_(env), options_(options) {}

  // Takes over what recovery found. A clean file without records becomes the current one.
  void Adopt(LogRecovery* recovery, bool clean);

  // Whether a record of `space` bytes can be appended to the current file as it is.
  bool HasRoom(uint64_t space) const {
    return current_ != nullptr && !clean_and_empty_ && current_->end + space <= current_->size;
  }

  // A file left by a clean close takes the first records itself: cheaper than a new name, which needs a directory sync.
  // ZKDB_NO_SPACE and others leave it as it was.
  bool CanGrowCleanFile(uint64_t space) const {
    return clean_and_empty_ && kLogHeaderSize + space <= options_.file_size;
  }
  Status GrowCleanFile();

  // Begins a file with room for a record of `space` bytes, its disk space allocated. Completes `header`, which the
  // caller writes. On failure (ZKDB_NO_SPACE and others) nothing has changed; *names_failed: a directory sync failed.
  Status Begin(uint64_t space, LogFileHeader* header, bool* names_failed);

  // Begins a clean file with nothing but `header`, synced with its name. *failed: a write or sync failed.
  Status BeginClean(LogFileHeader* header, bool* failed);
  // Removes all files but the newest, and the spares.
  Status RemoveOthers();

  // Whether the oldest file holds only records up to `sequence` and could go, and whether it can go already.
  bool OldestIsUnneeded(uint64_t sequence) const;
  bool OldestIsRetirable(uint64_t durable) const;
  // Turns the oldest file into a spare or removes it.
  Status RetireOldest();

  // Number of the last change of names, to be given to NamesSynced after a successful directory sync.
  uint64_t NamesToSync() const { return names_changed_; }
  bool names_unsynced() const { return names_changed_ != names_synced_; }
  void NamesSynced(uint64_t changed);

  const std::shared_ptr<LogFile>& current() const { return current_; }
  const std::deque<std::shared_ptr<LogFile>>& files() const { return files_; }
  // The current file holds no record and was begun by a clean close.
  bool clean_and_empty() const { return clean_and_empty_; }

 private:
  struct Spare {
    std::string path;
    uint64_t written_up_to;
  };
  static constexpr size_t kMaxSpares = 4;

  Status RemoveOldSpares();
  Status OpenNew(const std::string& path, LogFile* file);
  Status SyncNames();
  void Describe(LogFileHeader* header, uint64_t size);
  Status OpenClean(LogFile* file);
  std::string PathOf(const std::string& name) const { return options_.directory + "/" + name; }
  uint64_t next_number() const { return files_.empty() ? 1 : files_.back()->number + 1; }

  Env* env_;
  const LogOptions& options_;
  std::deque<std::shared_ptr<LogFile>> files_;  // oldest first
  std::shared_ptr<LogFile> current_;            // the last of them, or none before the first append
  std::vector<Spare> spares_;
  std::vector<std::string> old_spares_;  // that the recovery found, to be removed
  uint64_t names_changed_ = 0;
  uint64_t names_synced_ = 0;
  bool clean_and_empty_ = false;
};

}  // namespace zkdb
