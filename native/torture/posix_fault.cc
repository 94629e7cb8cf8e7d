#include "torture/posix_fault.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
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
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

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
std::atomic<int64_t> mapped_bytes{0};

// What ArmCalls has armed; .at counts down.
std::mutex& CallsMutex() {
  static std::mutex mutex;
  return mutex;
}
std::vector<CallFault>& Calls() {
  static std::vector<CallFault> calls;
  return calls;
}

}  // namespace

void PosixFaults::Arm(PosixFault fault, uint64_t at) {
  sync_at = at;
  syncs = hits = repetitions = 0;
  interrupted_file = 0;
  armed = fault;
}
void PosixFaults::ArmCalls(std::vector<CallFault> faults) {
  {
    const std::lock_guard<std::mutex> lock(CallsMutex());
    Calls() = std::move(faults);
  }
  Arm(PosixFault::kCalls);
}
void PosixFaults::Disarm() { armed = PosixFault::kNone; }
void PosixFaults::Forget() { interrupted_file = 0; }
uint64_t PosixFaults::injected() { return hits; }
uint64_t PosixFaults::repeated() { return repetitions; }
int64_t PosixFaults::mapped() { return mapped_bytes; }

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

constexpr int kNormal = -1;

// What the call must fail with (0: its odd result), or kNormal. Counts the call.
int ErrorOf(const char* call) {
  if (!Active(PosixFault::kCalls)) return kNormal;
  const std::lock_guard<std::mutex> lock(CallsMutex());
  for (CallFault& fault : Calls()) {
    if (std::strcmp(fault.call, call) != 0) continue;
    if (fault.at-- > 0) continue;
    ++hits;
    errno = fault.error;
    return fault.error;
  }
  return kNormal;
}

bool Fails(const char* call) { return ErrorOf(call) > 0; }

// The system's function of a name that this program replaces.
template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
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

using zkdb::test::ErrorOf;
using zkdb::test::Fails;
using zkdb::test::Half;
using zkdb::test::Interrupts;
using zkdb::test::InterruptsSync;
using zkdb::test::Real;

extern "C" {

int open(const char* path, int flags, ...) {
  unsigned mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, unsigned);
    va_end(arguments);
  }
  if (Interrupts() || Fails("open")) return -1;
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

ssize_t pread(int fd, void* buffer, size_t n, off_t offset) {
  if (Interrupts()) return -1;
  if (const int error = ErrorOf("pread"); error >= 0) return error == 0 ? 0 : -1;
  return syscall(SYS_pread64, fd, buffer, Half(n), offset);
}

ssize_t pwrite(int fd, const void* buffer, size_t n, off_t offset) {
  return Fails("pwrite") ? -1 : syscall(SYS_pwrite64, fd, buffer, n, offset);
}

ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  if (Interrupts()) return -1;
  if (const int error = ErrorOf("pwritev"); error >= 0) return error == 0 ? 0 : -1;
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
  return Interrupts() || Fails("ftruncate") ? -1 : static_cast<int>(syscall(SYS_ftruncate, fd, size));
}

int fallocate(int fd, int mode, off_t offset, off_t size) {
  if (Interrupts() || Fails("fallocate")) return -1;
  return static_cast<int>(syscall(SYS_fallocate, fd, mode, offset, size));
}

int flock(int fd, int operation) noexcept {
  // Giving a lock back cannot be interrupted.
  if ((operation & LOCK_UN) == 0 && (Interrupts() || Fails("flock"))) return -1;
  return static_cast<int>(syscall(SYS_flock, fd, operation));
}

int fdatasync(int fd) {
  return InterruptsSync(fd) || Fails("fdatasync") ? -1 : static_cast<int>(syscall(SYS_fdatasync, fd));
}

int fsync(int fd) { return InterruptsSync(fd) || Fails("fsync") ? -1 : static_cast<int>(syscall(SYS_fsync, fd)); }

int fstat(int fd, struct stat* out) noexcept {
  static auto* const real = Real<int(int, struct stat*)>("fstat");
  return Fails("fstat") ? -1 : real(fd, out);
}

int stat(const char* path, struct stat* out) noexcept {
  static auto* const real = Real<int(const char*, struct stat*)>("stat");
  return Fails("stat") ? -1 : real(path, out);
}

int mkdir(const char* path, mode_t mode) noexcept {
  return Fails("mkdir") ? -1 : static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

DIR* opendir(const char* path) {
  static auto* const real = Real<DIR*(const char*)>("opendir");
  return Fails("opendir") ? nullptr : real(path);
}

dirent* readdir(DIR* directory) {
  static auto* const real = Real<dirent*(DIR*)>("readdir");
  return Fails("readdir") ? nullptr : real(directory);
}

int rename(const char* from, const char* to) noexcept {
  return Fails("rename") ? -1 : static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int remove(const char* path) noexcept {
  static auto* const real = Real<int(const char*)>("remove");
  return Fails("remove") ? -1 : real(path);
}

char* realpath(const char* path, char* out) noexcept {
  static auto* const real = Real<char*(const char*, char*)>("realpath");
  return Fails("realpath") ? nullptr : real(path, out);
}

void* mmap(void* address, size_t n, int protection, int flags, int fd, off_t offset) noexcept {
  static auto* const real = Real<void*(void*, size_t, int, int, int, off_t)>("mmap");
  constexpr size_t kPage = 4096;
  const int error = ErrorOf("mmap");
  if (error > 0) return MAP_FAILED;
  if (error == 0) {
    // A place between two multiples of 2 MiB: as a kernel gives that does not align large maps by itself.
    auto* const odd = static_cast<char*>(real(nullptr, n + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    syscall(SYS_munmap, odd, n + kPage);
    address = odd + kPage;
  }
  void* const at = real(address, n, protection, flags, fd, offset);
  if (at != MAP_FAILED && !zkdb::test::InTest()) zkdb::test::mapped_bytes += static_cast<int64_t>(n);
  return at;
}

int munmap(void* address, size_t n) noexcept {
  static auto* const real = Real<int(void*, size_t)>("munmap");
  if (!zkdb::test::InTest()) zkdb::test::mapped_bytes -= static_cast<int64_t>(n);
  return real(address, n);
}

}  // extern "C"

#endif
