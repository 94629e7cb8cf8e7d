#include "core/os/posix_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/os/posix_error.h"

namespace zkdb {
namespace {

constexpr size_t kMaxParts = 1024;          // IOV_MAX of Linux and macOS
constexpr size_t kMaxReadBytes = 1u << 30;  // one pread takes less than 2 GiB on every system
constexpr size_t kZeroChunk = 64 * 1024;
constexpr int kNeedsZeros = -1;  // in place of an errno: the file system cannot reserve blocks

int FlagsOf(OpenMode mode) { return mode == OpenMode::kRead ? O_RDONLY : O_RDWR; }

int CreateFlagsOf(OpenMode mode) {
  if (mode == OpenMode::kCreate) return O_CREAT;
  return mode == OpenMode::kCreateExclusive ? O_CREAT | O_EXCL : 0;
}

// The parts of a write that are not yet in the file.
class PartCursor {
 public:
  PartCursor(const Slice* parts, size_t count) : parts_(parts), count_(count) { SkipDone(0); }

  bool done() const { return index_ == count_; }

  // Fills `out` with what comes next; returns how many entries.
  int Fill(std::array<iovec, kMaxParts>* out) const {
    size_t n = 0;
    size_t skip = within_;
    for (size_t i = index_; i < count_ && n < kMaxParts; ++i, skip = 0) {
      if (parts_[i].size == skip) continue;
      (*out)[n++] = {const_cast<uint8_t*>(parts_[i].data) + skip, parts_[i].size - skip};
    }
    return static_cast<int>(n);
  }

  // `n` more bytes are written.
  void SkipDone(size_t n) {
    while (index_ < count_ && n >= parts_[index_].size - within_) {
      n -= parts_[index_].size - within_;
      within_ = 0;
      ++index_;
    }
    within_ += n;
  }

 private:
  const Slice* parts_;
  size_t count_;
  size_t index_ = 0;   // the first part not wholly written
  size_t within_ = 0;  // bytes of it that are
};

int WriteAll(int fd, uint64_t offset, const Slice* parts, size_t count) {
  std::array<iovec, kMaxParts> vectors;
  PartCursor cursor(parts, count);
  while (!cursor.done()) {
    const int n = cursor.Fill(&vectors);
    const ssize_t wrote = pwritev(fd, vectors.data(), n, static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno;
    if (wrote == 0) return EIO;
    offset += static_cast<uint64_t>(wrote);
    cursor.SkipDone(static_cast<size_t>(wrote));
  }
  return 0;
}

int Resize(int fd, uint64_t size) {
  while (ftruncate(fd, static_cast<off_t>(size)) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

int WriteZeros(int fd, uint64_t from, uint64_t to) {
  static const std::array<uint8_t, kZeroChunk> kZeros{};
  while (from < to) {
    const Slice part(kZeros.data(), std::min<uint64_t>(kZeroChunk, to - from));
    if (const int error = WriteAll(fd, from, &part, 1); error != 0) return error;
    from += part.size;
  }
  return 0;
}

#if defined(__APPLE__)

int SyncDescriptor(int fd) {
  if (fcntl(fd, F_FULLFSYNC) == 0) return 0;
  if (errno != ENOTSUP) return errno;
  return fsync(fd) == 0 ? 0 : errno;
}

int Reserve(int fd, uint64_t length, uint64_t offset, uint64_t size) {
  const uint64_t end = offset + size;
  if (end <= length) return 0;
  fstore_t store = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, static_cast<off_t>(end - length), 0};
  if (fcntl(fd, F_PREALLOCATE, &store) != 0) {
    return errno == ENOTSUP || errno == EINVAL ? kNeedsZeros : errno;
  }
  return Resize(fd, end);
}

#else

int SyncDescriptor(int fd) { return fdatasync(fd) == 0 ? 0 : errno; }

int Reserve(int fd, uint64_t /*length*/, uint64_t offset, uint64_t size) {
  int error;
  do {
    error = fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(size)) == 0 ? 0 : errno;
  } while (error == EINTR);
  // A file system without fallocate gets written zeros beyond the length; holes below it stay holes.
  return error == EOPNOTSUPP || error == ENOSYS ? kNeedsZeros : error;
}

#endif

}  // namespace

Status PosixFile::Open(FdPool* pool, const std::string& path, OpenMode mode, std::unique_ptr<File>* out) {
  std::unique_ptr<PosixFile> file(new PosixFile(pool));
  file->entry_.path = path;
  file->entry_.flags = FlagsOf(mode);
  ZKDB_RETURN_IF_ERROR(pool->Add(&file->entry_, CreateFlagsOf(mode)));
  *out = std::move(file);
  return Status::Ok();
}

Status PosixFile::Failure(const char* call, int error) const { return PosixError(call, entry_.path, error); }

Status PosixFile::Read(uint64_t offset, void* buffer, size_t n, size_t* got) {
  *got = 0;
  FdUse use(pool_, &entry_, FdUse::kReads);
  ZKDB_RETURN_IF_ERROR(use.status());
  auto* to = static_cast<uint8_t*>(buffer);
  while (*got < n) {
    const size_t chunk = std::min(n - *got, kMaxReadBytes);
    const ssize_t count = pread(use.fd(), to + *got, chunk, static_cast<off_t>(offset + *got));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failure("read", errno);
    if (count == 0) break;
    *got += static_cast<size_t>(count);
  }
  return Status::Ok();
}

Status PosixFile::Write(uint64_t offset, const Slice* parts, size_t count) {
  FdUse use(pool_, &entry_, FdUse::kWrites);
  ZKDB_RETURN_IF_ERROR(use.status());
  const int error = WriteAll(use.fd(), offset, parts, count);
  return error == 0 ? Status::Ok() : Failure("write", error);
}

Status PosixFile::Sync() {
  FdUse use(pool_, &entry_, FdUse::kReads);
  ZKDB_RETURN_IF_ERROR(use.status());
  if (const int error = SyncDescriptor(use.fd()); error != 0) return Failure("sync", error);
  use.Synced();
  return Status::Ok();
}

Status PosixFile::Allocate(uint64_t offset, uint64_t size) {
  if (size == 0) return Status::Ok();
  uint64_t length = 0;
  ZKDB_RETURN_IF_ERROR(Size(&length));
  // Neither this nor Truncate leaves bytes behind that a later sync could fail to write: not a writing call for the
  // pool.
  FdUse use(pool_, &entry_, FdUse::kReads);
  ZKDB_RETURN_IF_ERROR(use.status());
  int error = Reserve(use.fd(), length, offset, size);
  if (error == kNeedsZeros) {
    FdUse zeros(pool_, &entry_, FdUse::kWrites);
    ZKDB_RETURN_IF_ERROR(zeros.status());
    error = WriteZeros(zeros.fd(), length, offset + size);
  }
  if (error == 0) return Status::Ok();
  // A reservation that failed midway may have made the file longer.
  if (const int resize = Resize(use.fd(), length); resize != 0) return Failure("truncate", resize);
  return Failure("allocate", error);
}

Status PosixFile::Truncate(uint64_t size) {
  FdUse use(pool_, &entry_, FdUse::kReads);
  ZKDB_RETURN_IF_ERROR(use.status());
  const int error = Resize(use.fd(), size);
  return error == 0 ? Status::Ok() : Failure("truncate", error);
}

Status PosixFile::Size(uint64_t* size) {
  FdUse use(pool_, &entry_, FdUse::kReads);
  ZKDB_RETURN_IF_ERROR(use.status());
  struct stat info;
  if (fstat(use.fd(), &info) != 0) return Failure("stat", errno);
  *size = static_cast<uint64_t>(info.st_size);
  return Status::Ok();
}

Status PosixFile::Map(uint64_t size, const uint8_t** address) {
  FdUse use(pool_, &entry_, FdUse::kReads);
  ZKDB_RETURN_IF_ERROR(use.status());
  void* at = mmap(nullptr, size, PROT_READ, MAP_SHARED, use.fd(), 0);
  if (at == MAP_FAILED) return Failure("map", errno);
  *address = static_cast<const uint8_t*>(at);
  return Status::Ok();
}

}  // namespace zkdb
