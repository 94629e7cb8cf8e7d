// PosixEnv::Lock: flock on a file that holds the pid of its holder as text.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "core/os/posix_env.h"
#include "core/os/posix_error.h"

namespace zkdb {
namespace {

class PosixLock : public FileLock {
 public:
  explicit PosixLock(int fd) : fd_(fd) {}
  // A child that another thread is just starting has a copy of the descriptor until it runs its program. Closing alone
  // would leave the lock with the copy for that long.
  ~PosixLock() override {
    if (fd_ < 0) return;
    flock(fd_, LOCK_UN);
    close(fd_);
  }
  void Own(int fd) { fd_ = fd; }

 private:
  int fd_;
};

// The decimal digits at the start of the file; "unknown" when there are none.
std::string HolderOf(int fd) {
  char text[24];
  const ssize_t n = pread(fd, text, sizeof text, 0);
  std::string pid;
  for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; ++i) pid += text[i];
  return pid.empty() ? "unknown" : pid;
}

Status HeldBy(int fd, const std::string& path) {
  return {ZKDB_LOCKED, "'" + path + "' is locked: the database is open in process " + HolderOf(fd) +
                           "; close it there, or connect through its server"};
}

// The pid is advice for people: on a full disk it stays unwritten and the lock holds all the same. Digits of a longer
// one may stay behind its line: cutting them off would wait for the file system's journal.
void WritePid(int fd) {
  const std::string pid = std::to_string(getpid()) + "\n";
  if (pwrite(fd, pid.data(), pid.size(), 0) < 0) return;
}

}  // namespace

Status PosixEnv::Lock(const std::string& path, std::unique_ptr<FileLock>* out) {
  // A descriptor has its owner from the start: what fails below needs memory for its message.
  auto lock = std::make_unique<PosixLock>(-1);
  int fd;
  do {
    fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return PosixError("open", path, errno);
  lock->Own(fd);
  int error;
  do {
    error = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  } while (error == EINTR);
  if (error != 0) return error == EWOULDBLOCK ? HeldBy(fd, path) : PosixError("flock", path, error);
  WritePid(fd);
  *out = std::move(lock);
  return Status::Ok();
}

Status PosixEnv::ProbeLock(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Status::Ok();
  const PosixLock owner(fd);
  const bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  return held ? HeldBy(fd, path) : Status::Ok();
}

}  // namespace zkdb
