// The Env of a POSIX system (Linux, macOS).
//
// Thread-safety: as Env (env.h). Files of a PosixEnv are destroyed before it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/os/env.h"
#include "core/os/fd_pool.h"

namespace zkdb {

class PosixEnv : public Env {
 public:
  static constexpr size_t kMaxOpenFiles = 192;  // of the 1,024 descriptors that a process usually may have

  explicit PosixEnv(size_t max_open_files = kMaxOpenFiles) : pool_(max_open_files) {}

  Status Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) override;
  void Unmap(const uint8_t* address, uint64_t size) override;
  Status Lock(const std::string& path, std::unique_ptr<FileLock>* out) override;
  Status ProbeLock(const std::string& path) override;

  bool Exists(const std::string& path) override;
  Status CreateDirectory(const std::string& path) override;
  Status List(const std::string& path, std::vector<std::string>* names) override;
  Status Remove(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status SyncDirectory(const std::string& path) override;
  Status RealPath(const std::string& path, std::string* out) override;
  // ZKDB_INVALID when the file is larger than `limit`.
  Status ReadFile(const std::string& path, uint64_t limit, std::string* out) override;

  uint8_t* AllocateMemory(uint64_t size) override;
  void FreeMemory(uint8_t* address, uint64_t size) override;

  uint64_t MonotonicMs() override;
  uint64_t WallClockMs() override;
  void Random(void* buffer, size_t n) override;

  FdPool* pool() { return &pool_; }

 private:
  FdPool pool_;
};

}  // namespace zkdb
