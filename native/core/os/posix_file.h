// A File over a pooled descriptor.
//
// Thread-safety: as File (env.h).
#pragma once

#include <memory>
#include <string>

#include "core/os/env.h"
#include "core/os/fd_pool.h"

namespace zkdb {

class PosixFile : public File {
 public:
  // `pool` must outlive the file.
  static Status Open(FdPool* pool, const std::string& path, OpenMode mode, std::unique_ptr<File>* out);
  ~PosixFile() override { pool_->Remove(&entry_); }

  using File::Write;
  Status Read(uint64_t offset, void* buffer, size_t n, size_t* got) override;
  Status Write(uint64_t offset, const Slice* parts, size_t count) override;
  Status Sync() override;
  Status Allocate(uint64_t offset, uint64_t size) override;
  Status Truncate(uint64_t size) override;
  Status Size(uint64_t* size) override;
  Status Map(uint64_t size, const uint8_t** address) override;
  const std::string& path() const override { return entry_.path; }

 private:
  explicit PosixFile(FdPool* pool) : pool_(pool) {}
  Status Failure(const char* call, int error) const;

  FdPool* pool_;
  FdPool::Entry entry_;
};

}  // namespace zkdb
