#include "core/os/posix_env.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/random.h>
#endif

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "core/base/assert.h"
#include "core/os/posix_error.h"
#include "core/os/posix_file.h"

namespace zkdb {
namespace {

constexpr int kNewDirectoryMode = 0755;
constexpr uint64_t kHugePage = 2u << 20;
constexpr size_t kMaxEntropy = 256;  // bytes that one getentropy call gives

// The directory that holds `path`; "." when it names none.
std::string ParentOf(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return "/";
  const size_t slash = path.rfind('/', end);
  if (slash == std::string::npos) return ".";
  const size_t last = path.find_last_not_of('/', slash);
  return last == std::string::npos ? "/" : path.substr(0, last + 1);
}

// The last component of `path`, without slashes.
std::string BaseOf(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return "";
  const size_t slash = path.rfind('/', end);
  const size_t begin = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(begin, end + 1 - begin);
}

bool IsDirectory(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool ResolveExisting(const std::string& path, std::string* out) {
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return false;
  const std::unique_ptr<char, decltype(&std::free)> owned(resolved, &std::free);
  *out = resolved;
  return true;
}

uint8_t* MapAnonymous(uint64_t size) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return at == MAP_FAILED ? nullptr : static_cast<uint8_t*>(at);
}

// Maps one huge page more than needed and gives back what lies outside the aligned part.
uint8_t* MapAligned(uint64_t size) {
  uint8_t* at = MapAnonymous(size + kHugePage);
  if (at == nullptr) return nullptr;
  const uint64_t before = (kHugePage - reinterpret_cast<uintptr_t>(at) % kHugePage) % kHugePage;
  if (before > 0) munmap(at, before);
  munmap(at + before + size, kHugePage - before);
#if defined(MADV_HUGEPAGE)
  madvise(at + before, size, MADV_HUGEPAGE);
#endif
  return at + before;
}

}  // namespace

Env* Env::Posix() {
  static PosixEnv* const env = new PosixEnv;
  return env;
}

Status PosixEnv::Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) {
  return PosixFile::Open(&pool_, path, mode, out);
}

void PosixEnv::Unmap(const uint8_t* address, uint64_t size) { munmap(const_cast<uint8_t*>(address), size); }

bool PosixEnv::Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

Status PosixEnv::CreateDirectory(const std::string& path) {
  if (IsDirectory(path)) return Status::Ok();
  const std::string parent = ParentOf(path);
  if (parent != path) ZKDB_RETURN_IF_ERROR(CreateDirectory(parent));
  if (mkdir(path.c_str(), kNewDirectoryMode) != 0) {
    if (errno == EEXIST && IsDirectory(path)) return Status::Ok();
    return PosixError("mkdir", path, errno);
  }
  const Status synced = SyncDirectory(parent);
  // A name that is not durable must not be taken for one that is by the next call.
  if (!synced.ok()) rmdir(path.c_str());
  return synced;
}

Status PosixEnv::List(const std::string& path, std::vector<std::string>* names) {
  names->clear();
  const auto close_directory = [](DIR* open) { closedir(open); };
  const std::unique_ptr<DIR, decltype(close_directory)> owned(opendir(path.c_str()), close_directory);
  DIR* const directory = owned.get();
  if (directory == nullptr) return PosixError("opendir", path, errno);
  errno = 0;
  for (const dirent* entry = readdir(directory); entry != nullptr; entry = readdir(directory)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names->push_back(std::move(name));
    errno = 0;
  }
  const int error = errno;
  if (error != 0) return PosixError("readdir", path, error);
  std::sort(names->begin(), names->end());
  return Status::Ok();
}

Status PosixEnv::Remove(const std::string& path) {
  return std::remove(path.c_str()) == 0 ? Status::Ok() : PosixError("remove", path, errno);
}

Status PosixEnv::Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return Status::Ok();
  return PosixError("rename", from + "' to '" + to, errno);
}

Status PosixEnv::SyncDirectory(const std::string& path) {
  int fd;
  do {
    fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return PosixError("open", path, errno);
  // EINVAL: a file system that has no sync of directories keeps names in order by itself.
  const int error = fsync(fd) == 0 || errno == EINVAL ? 0 : errno;
  close(fd);
  return error == 0 ? Status::Ok() : PosixError("sync", path, error);
}

Status PosixEnv::RealPath(const std::string& path, std::string* out) {
  if (ResolveExisting(path, out)) return Status::Ok();
  if (errno != ENOENT) return PosixError("realpath", path, errno);
  std::string parent;
  if (!ResolveExisting(ParentOf(path), &parent)) return PosixError("realpath", ParentOf(path), errno);
  *out = (parent == "/" ? parent : parent + "/") + BaseOf(path);
  return Status::Ok();
}

Status PosixEnv::ReadFile(const std::string& path, uint64_t limit, std::string* out) {
  out->clear();
  std::unique_ptr<File> file;
  ZKDB_RETURN_IF_ERROR(Open(path, OpenMode::kRead, &file));
  constexpr size_t kChunk = 64 * 1024;
  for (;;) {
    const size_t had = out->size();
    out->resize(had + std::min<uint64_t>(kChunk, limit + 1 - had));
    size_t got = 0;
    ZKDB_RETURN_IF_ERROR(file->Read(had, out->data() + had, out->size() - had, &got));
    const bool end = had + got < out->size();
    out->resize(had + got);
    if (end) return Status::Ok();
    if (out->size() > limit) break;
  }
  out->clear();
  return Status::Invalid("'" + path + "' is larger than " + std::to_string(limit) + " bytes, the most that is read");
}

uint8_t* PosixEnv::AllocateMemory(uint64_t size) {
  if (size == 0 || size > UINT64_MAX - kHugePage) return nullptr;
  return size % kHugePage == 0 ? MapAligned(size) : MapAnonymous(size);
}

void PosixEnv::FreeMemory(uint8_t* address, uint64_t size) {
  if (address != nullptr) munmap(address, size);
}

uint64_t PosixEnv::MonotonicMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

uint64_t PosixEnv::WallClockMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

void PosixEnv::Random(void* buffer, size_t n) {
  auto* to = static_cast<uint8_t*>(buffer);
  while (n > 0) {
    const size_t chunk = std::min(n, kMaxEntropy);
    ZKDB_ASSERT(getentropy(to, chunk) == 0);
    to += chunk;
    n -= chunk;
  }
}

}  // namespace zkdb
