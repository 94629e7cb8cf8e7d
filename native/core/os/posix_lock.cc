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
    flock(fd_, LOCK_UN);
    close(fd_);
  }

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

// The pid is advice for people: on a full disk it stays unwritten and the lock holds all the same.
void WritePid(int fd) {
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) != 0) return;
  if (pwrite(fd, pid.data(), pid.size(), 0) < 0) return;
}

}  // namespace

Status PosixEnv::Lock(const std::string& path, std::unique_ptr<FileLock>* out) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return PosixError("open", path, errno);
  int error;
  do {
    error = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
  } while (error == EINTR);
  if (error != 0) {
    const Status status = error == EWOULDBLOCK ? HeldBy(fd, path) : PosixError("flock", path, error);
    close(fd);
    return status;
  }
  WritePid(fd);
  *out = std::make_unique<PosixLock>(fd);
  return Status::Ok();
}

}  // namespace zkdb
