// Reads a log directory: decides which files belong to the log, replays their records, tells a torn tail from damage
// and drops what was never acknowledged.
//
// Thread-safety: one thread at a time.
//
// Invariants:
//  1. Reading changes nothing but this: files after a torn tail and files left over before a clean one are removed.
//  2. A file is removed only when the names of those removed before it are durable, so that a crash in between leaves
//     consecutive numbers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/os/env.h"
#include "core/wal/log_format.h"
#include "core/wal/log_reader.h"

namespace zkdb {

// The names of a log directory by kind, ascending.
struct LogNames {
  std::vector<uint64_t> files;
  std::vector<uint64_t> spares;
};
Status ListLogNames(Env* env, const std::string& directory, LogNames* names);

// A file of the log as it was found.
struct FoundLogFile {
  std::string path;
  uint64_t number = 0;
  uint64_t length = 0;  // bytes
  LogFileHeader header;
  bool intact = false;         // the header is valid and belongs to this name
  uint64_t last_sequence = 0;  // after replay
  std::unique_ptr<File> file;  // open for reading
};
// Opens the file and reads its header. Errors: of DecodeLogFileHeader, ZKDB_IO.
Status FindLogFile(Env* env, const std::string& directory, uint64_t number, FoundLogFile* out);

class LogRecovery {
 public:
  using Replay = std::function<Status(const LogRecord&)>;

  LogRecovery(Env* env, const LogOptions& options, const Replay& replay, LogSummary* summary)
      : env_(env), options_(options), replay_(replay), summary_(summary) {}

  // Does it all; errors as Log::Open.
  Status Run();

  // After Run: the files of the log, oldest first; spares; the highest sequence that a record or header claims durable.
  std::vector<FoundLogFile>& files() { return files_; }
  const std::vector<uint64_t>& spares() const { return names_.spares; }
  uint64_t durable_claim() const { return durable_claim_; }
  // What the headers of files() say of the partitions.
  std::vector<LogPartition> Claims() const;

 private:
  Status FindFiles();
  Status KeepFromCleanFile();
  Status CheckNumbers() const;
  Status CheckFirst();
  Status CheckBeginning() const;
  Status ReplayFiles();
  Status ReplayFile(size_t index, uint64_t* end);
  Status AfterEnd(size_t index, uint64_t end, bool* last);
  Status ClaimBeyond(size_t index, uint64_t end, uint64_t* claim);
  Status ClaimOfFile(FoundLogFile* found, uint64_t last, uint64_t* claim);
  Status DropFrom(size_t index);
  Status DamageAt(const FoundLogFile& found, uint64_t offset, uint64_t claim) const;
  bool IsCleanEnd(size_t index) const;

  Env* env_;
  const LogOptions& options_;
  const Replay& replay_;
  LogSummary* summary_;
  LogNames names_;
  std::vector<FoundLogFile> files_;
  uint64_t durable_claim_ = 0;
};

}  // namespace zkdb
