#include "core/os/fd_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/base/assert.h"
#include "core/os/posix_error.h"

namespace zkdb {
namespace {

constexpr int kNewFileMode = 0644;

int OpenRetryingInterrupts(const char* path, int flags) {
  int fd;
  do {
    fd = open(path, flags, kNewFileMode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

}  // namespace

Status FdPool::Add(Entry* entry, int create_flags) {
  std::lock_guard<std::mutex> lock(mutex_);
  entry->place = closed_.insert(closed_.end(), entry);
  entry->placed = true;
  return OpenLocked(entry, create_flags);
}

void FdPool::Remove(Entry* entry) {
  std::lock_guard<std::mutex> lock(mutex_);
  ZKDB_ASSERT(entry->calls == 0);
  if (entry->fd >= 0) CloseLocked(entry);
  if (entry->placed) closed_.erase(entry->place);
  entry->placed = false;
}

Status FdPool::Acquire(Entry* entry, bool writing, int* fd, uint64_t* writes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (entry->fd < 0) {
    ZKDB_RETURN_IF_ERROR(OpenLocked(entry, 0));
  } else {
    recent_.splice(recent_.end(), recent_, entry->place);
  }
  ++entry->calls;
  if (writing) ++entry->writes;
  *fd = entry->fd;
  *writes = entry->writes;
  return Status::Ok();
}

void FdPool::Release(Entry* entry) {
  std::lock_guard<std::mutex> lock(mutex_);
  --entry->calls;
}

void FdPool::MarkSynced(Entry* entry, uint64_t writes) {
  std::lock_guard<std::mutex> lock(mutex_);
  entry->synced = std::max(entry->synced, writes);
}

size_t FdPool::open_count() {
  std::lock_guard<std::mutex> lock(mutex_);
  return recent_.size();
}

Status FdPool::OpenLocked(Entry* entry, int create_flags) {
  while (recent_.size() >= limit_ && EvictOneLocked()) {
  }
  const int flags = entry->flags | create_flags | O_CLOEXEC;
  int fd = OpenRetryingInterrupts(entry->path.c_str(), flags);
  while (fd < 0 && (errno == EMFILE || errno == ENFILE) && EvictOneLocked()) {
    fd = OpenRetryingInterrupts(entry->path.c_str(), flags);
  }
  if (fd < 0) return PosixError("open", entry->path, errno);
  entry->fd = fd;
  recent_.splice(recent_.end(), closed_, entry->place);
  return Status::Ok();
}

bool FdPool::EvictOneLocked() {
  for (Entry* entry : recent_) {
    if (entry->calls != 0 || entry->writes != entry->synced) continue;
    CloseLocked(entry);
    return true;
  }
  return false;
}

void FdPool::CloseLocked(Entry* entry) {
  closed_.splice(closed_.end(), recent_, entry->place);
  close(entry->fd);
  entry->fd = -1;
}

}  // namespace zkdb
