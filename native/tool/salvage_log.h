// The commits of a damaged log: every intact record, in order, with the gaps told.
//
// Thread-safety: none; one salvage uses one.
//
// Invariants:
//  1. Only records with a right checksum are given, in the order of their sequences.
//  2. As in recovery, what follows a torn tail is not given: records behind an invalid one count only when something
//     valid says that it was on stable storage.
//  3. Nothing is written.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/os/env.h"
#include "core/wal/log_format.h"
#include "core/wal/log_reader.h"
#include "include/zkdb.h"
#include "tool/salvage_pages.h"

namespace zkdb {

class SalvageLog {
 public:
  SalvageLog(Env* env, std::string directory, SalvageFinding finding, zkdb_salvage_result* result)
      : env_(env), directory_(std::move(directory)), finding_(std::move(finding)), result_(result) {}

  // Opens the files and reads their headers. ZKDB_IO only for what is not damage.
  Status Open();

  // The database id of the newest file whose header is intact; false when there is none.
  bool FindDatabaseId(DatabaseId* id) const;
  // The same, and what a damaged header says when there is no other.
  bool GuessDatabaseId(DatabaseId* id) const;
  // What the headers say that the checkpoint of a partition had reached.
  uint64_t CheckpointOf(uint64_t uid) const;
  uint64_t bytes() const;  // of the files

  // Calls replay(sequence, payload) for each record. `from`: every partition's pages hold the commits up to it, so that
  // gaps before it are not told. `reached`: the pages of some partition hold it. `tick` is told the bytes read.
  // Errors are those of the callbacks, and ZKDB_IO.
  Status Replay(uint64_t from, uint64_t reached, const std::function<Status(uint64_t sequence, Slice payload)>& replay,
                const std::function<Status(uint64_t bytes)>& tick);

 private:
  struct LogFile {
    uint64_t number = 0;
    uint64_t length = 0;  // bytes
    LogFileHeader header;
    bool intact = false;
    bool blank = false;  // nothing but zeros where the header belongs
    std::unique_ptr<File> file;
    LogReader Reader() const { return {file.get(), length, RecordSeed(header.salt, number)}; }
  };

  Status OpenFile(uint64_t number);
  void DropForeign();
  Status ReplayFile(size_t index, bool* ended);
  Status ReplayRecord(const LogFile& file, uint64_t offset, const RecordHeader& header, Slice payload);
  Status FindMore(size_t index, uint64_t offset, bool* more);
  Status FindNext(const LogFile& file, uint64_t* offset, bool* found);
  void Begin(const LogFile& file, uint64_t offset, uint64_t previous);
  void TellGap(const LogFile& file, uint64_t offset, uint64_t until);

  Env* env_;
  std::string directory_;
  SalvageFinding finding_;
  zkdb_salvage_result* result_;
  std::vector<LogFile> files_;  // oldest first

  uint64_t from_ = 0;
  uint64_t reached_ = 0;
  bool begun_ = false;    // last_ is known
  uint64_t last_ = 0;     // sequence of the record before
  uint64_t claimed_ = 0;  // something valid says that this commit was on stable storage
  const std::function<Status(uint64_t, Slice)>* replay_ = nullptr;
};

}  // namespace zkdb
