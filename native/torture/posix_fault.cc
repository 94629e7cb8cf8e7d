#include "torture/posix_fault.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <thread>

#include "torture/alloc_fault.h"

namespace zkdb::test {
namespace {

std::atomic<PosixFault> armed{PosixFault::kNone};
std::atomic<uint64_t> sync_at{0};
std::atomic<uint64_t> syncs{0};
std::atomic<uint64_t> hits{0};
std::atomic<uint64_t> repetitions{0};
std::atomic<ino_t> interrupted_file{0};
std::atomic<std::thread::id> interrupted_thread;
std::atomic<uint64_t> interrupted_ms{0};

}  // namespace

void PosixFaults::Arm(PosixFault fault, uint64_t at) {
  sync_at = at;
  syncs = hits = repetitions = 0;
  interrupted_file = 0;
  armed = fault;
}
void PosixFaults::Disarm() { armed = PosixFault::kNone; }
void PosixFaults::Forget() { interrupted_file = 0; }
uint64_t PosixFaults::injected() { return hits; }
uint64_t PosixFaults::repeated() { return repetitions; }

#if defined(__linux__)

bool PosixFaults::Available() { return true; }

namespace {

thread_local bool interrupted_before = false;

bool Active(PosixFault fault) { return armed.load(std::memory_order_relaxed) == fault && !InTest(); }

// Every other call of a thread.
bool Interrupts() {
  if (!Active(PosixFault::kInterrupts)) return false;
  interrupted_before = !interrupted_before;
  if (!interrupted_before) return false;
  ++hits;
  errno = EINTR;
  return true;
}

constexpr uint64_t kBeside = 200;  // ms in which a call may have been under way already

uint64_t NowMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

bool InterruptsSync(int fd) {
  if (!Active(PosixFault::kInterruptedSync)) return false;
  struct stat info {};
  fstat(fd, &info);
  // A thread that was about to sync when another one's sync failed does not repeat it.
  const bool knows = interrupted_thread.load() == std::this_thread::get_id() || NowMs() - interrupted_ms > kBeside;
  if (info.st_ino == interrupted_file && knows) ++repetitions;
  if (syncs++ != sync_at) return false;
  interrupted_thread = std::this_thread::get_id();
  interrupted_ms = NowMs();
  interrupted_file = info.st_ino;
  ++hits;
  errno = EINTR;
  return true;
}

size_t Half(size_t n) {
  if (n < 2 || !Active(PosixFault::kShort)) return n;
  ++hits;
  return n / 2;
}

}  // namespace

#else

bool PosixFaults::Available() { return false; }

#endif

}  // namespace zkdb::test

#if defined(__linux__)

using zkdb::test::Half;
using zkdb::test::Interrupts;
using zkdb::test::InterruptsSync;

extern "C" {

int open(const char* path, int flags, ...) {
  unsigned mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, unsigned);
    va_end(arguments);
  }
  if (Interrupts()) return -1;
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

ssize_t pread(int fd, void* buffer, size_t n, off_t offset) {
  if (Interrupts()) return -1;
  return syscall(SYS_pread64, fd, buffer, Half(n), offset);
}

ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  if (Interrupts()) return -1;
  std::array<iovec, 1024> cut;
  size_t total = 0;
  for (int i = 0; i < count; ++i) total += parts[i].iov_len;
  size_t left = Half(total);
  if (left == total) return syscall(SYS_pwritev, fd, parts, count, offset, 0);
  int n = 0;
  for (; n < count && left > 0; ++n) {
    cut[static_cast<size_t>(n)] = {parts[n].iov_base, std::min(parts[n].iov_len, left)};
    left -= cut[static_cast<size_t>(n)].iov_len;
  }
  return syscall(SYS_pwritev, fd, cut.data(), n, offset, 0);
}

int ftruncate(int fd, off_t size) noexcept {
  return Interrupts() ? -1 : static_cast<int>(syscall(SYS_ftruncate, fd, size));
}

int fallocate(int fd, int mode, off_t offset, off_t size) {
  return Interrupts() ? -1 : static_cast<int>(syscall(SYS_fallocate, fd, mode, offset, size));
}

int flock(int fd, int operation) noexcept {
  // Giving a lock back cannot be interrupted.
  if ((operation & LOCK_UN) == 0 && Interrupts()) return -1;
  return static_cast<int>(syscall(SYS_flock, fd, operation));
}

int fdatasync(int fd) { return InterruptsSync(fd) ? -1 : static_cast<int>(syscall(SYS_fdatasync, fd)); }

int fsync(int fd) { return InterruptsSync(fd) ? -1 : static_cast<int>(syscall(SYS_fsync, fd)); }

}  // extern "C"

#endif
