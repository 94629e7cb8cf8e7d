// A bounded pool of open descriptors: files beyond the bound are closed, least recently used first, and reopened by
// path at their next use, so that 256 partitions live within the usual limit of 1,024 descriptors.
//
// Thread-safety: all functions may be called from any thread; an Entry is guarded by its pool.
//
// Invariants:
//  1. A file that is in a call, or has writes that no later successful sync covers, is never closed: closing it could
//     lose the error that its sync must report.
//  2. When every open file is in that state the pool grows beyond its limit rather than fails.
//  3. Opening a descriptor allocates nothing but what the system does: an entry keeps its place in one of the lists.
//  4. A path keeps naming the same file while its Entry is in the pool: a file is not renamed or removed in use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>

#include "core/base/status.h"

namespace zkdb {

class FdPool {
 public:
  // One file's place in the pool, owned by its File.
  struct Entry {
    std::string path;
    int flags = 0;                        // of open(2), for reopening
    int fd = -1;                          // -1 while closed
    uint32_t calls = 0;                   // calls under way
    uint64_t writes = 0;                  // writing calls begun
    uint64_t synced = 0;                  // of these, covered by a successful sync
    std::list<Entry*>::iterator place{};  // in recent_ while open, else in closed_
    bool placed = false;
  };

  explicit FdPool(size_t limit) : limit_(limit) {}
  FdPool(const FdPool&) = delete;
  FdPool& operator=(const FdPool&) = delete;

  // Opens the entry's path with its flags and `create_flags` (O_CREAT, O_EXCL), which later reopenings leave out.
  Status Add(Entry* entry, int create_flags);
  // Closes the entry's descriptor. No call may be under way.
  void Remove(Entry* entry);

  // Gives a descriptor that stays open until Release. `writing` marks the entry as unsynced first.
  // *writes is the number of writing calls begun so far: what a sync that starts now covers.
  Status Acquire(Entry* entry, bool writing, int* fd, uint64_t* writes);
  void Release(Entry* entry);
  // A sync that began when `writes` writing calls had begun has succeeded.
  void MarkSynced(Entry* entry, uint64_t writes);

  size_t open_count();

 private:
  Status OpenLocked(Entry* entry, int create_flags);
  bool EvictOneLocked();
  void CloseLocked(Entry* entry);

  const size_t limit_;
  std::mutex mutex_;
  std::list<Entry*> recent_;  // open entries, least recently used first
  std::list<Entry*> closed_;
};

// A descriptor held for one call.
class FdUse {
 public:
  enum Kind { kReads, kWrites };
  FdUse(FdPool* pool, FdPool::Entry* entry, Kind kind) : pool_(pool), entry_(entry) {
    status_ = pool_->Acquire(entry_, kind == kWrites, &fd_, &writes_);
  }
  ~FdUse() {
    if (fd_ >= 0) pool_->Release(entry_);
  }
  FdUse(const FdUse&) = delete;
  FdUse& operator=(const FdUse&) = delete;

  const Status& status() const { return status_; }
  int fd() const { return fd_; }
  // The file was synced through this use.
  void Synced() { pool_->MarkSynced(entry_, writes_); }

 private:
  FdPool* pool_;
  FdPool::Entry* entry_;
  int fd_ = -1;
  uint64_t writes_ = 0;
  Status status_;
};

}  // namespace zkdb
