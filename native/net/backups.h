// Copies of databases that BGSAVE asks for: one at a time, each in a new directory, by a thread of its own.
//
// Thread-safety: all functions may be called by any thread.
//
// Invariants:
//  1. A database that is copied stays open until Stop has returned, or the copy has ended.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "include/zkdb.h"

namespace zkdb::net {

struct BackupFigures {
  bool running = false;
  bool failed = false;   // the last one that has ended
  uint64_t began_s = 0;  // of the one that runs, since 1970
  uint64_t saved_s = 0;  // when the last one ended that was whole, since 1970; 0: none
  int64_t seconds = -1;  // that the last one took; -1: none has ended
  std::string error;     // of the last one; empty after a good one
};

class Backups {
 public:
  // `directory` is there; empty: no backups.
  explicit Backups(std::string directory) : directory_(std::move(directory)) {}
  ~Backups() { Stop(); }
  Backups(const Backups&) = delete;
  Backups& operator=(const Backups&) = delete;

  // Begins to copy `db` into <directory>/<name>-<time>. False when it cannot; *why is then an error reply.
  bool Start(zkdb_db* db, const std::string& name, uint64_t now_us, std::string* why);
  BackupFigures figures() const;
  // Breaks off what runs, and waits for it.
  void Stop();

 private:
  void Run(zkdb_db* db, const std::string& target);

  const std::string directory_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  BackupFigures figures_;
  std::thread thread_;
};

}  // namespace zkdb::net
