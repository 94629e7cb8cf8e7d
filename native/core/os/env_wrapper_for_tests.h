// An Env over another one that counts calls and lets a test fail any of them.
//
// Thread-safety: as Env, when the hook is thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/os/env.h"

namespace zkdb::test {

class EnvWrapper : public Env {
 public:
  // Runs before each call with its name and path; a failure is returned in place of making the call.
  using Hook = std::function<Status(const std::string& call, const std::string& path)>;

  explicit EnvWrapper(Env* base) : base_(base) {}

  void SetHook(Hook hook) {
    std::lock_guard<std::mutex> lock(mutex_);
    hook_ = std::move(hook);
  }
  void ResetCounts() {
    std::lock_guard<std::mutex> lock(mutex_);
    counts_.clear();
  }
  int Count(const std::string& call) {
    std::lock_guard<std::mutex> lock(mutex_);
    return counts_[call];
  }
  int Total() {
    std::lock_guard<std::mutex> lock(mutex_);
    int total = 0;
    for (const auto& [call, n] : counts_) total += n;
    return total;
  }
  std::atomic<uint64_t> bytes_read{0};
  // Whether a Write that the hook fails puts half of its bytes into the file first.
  std::atomic<bool> writes_half{false};

  Status Before(const char* call, const std::string& path) {
    Hook hook;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ++counts_[call];
      hook = hook_;
    }
    return hook ? hook(call, path) : Status::Ok();
  }

  Status Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) override;
  void Unmap(const uint8_t* address, uint64_t size) override { base_->Unmap(address, size); }
  Status Lock(const std::string& path, std::unique_ptr<FileLock>* out) override {
    ZKDB_RETURN_IF_ERROR(Before("Lock", path));
    return base_->Lock(path, out);
  }
  bool Exists(const std::string& path) override { return base_->Exists(path); }
  Status CreateDirectory(const std::string& path) override {
    ZKDB_RETURN_IF_ERROR(Before("CreateDirectory", path));
    return base_->CreateDirectory(path);
  }
  Status List(const std::string& path, std::vector<std::string>* names) override {
    ZKDB_RETURN_IF_ERROR(Before("List", path));
    return base_->List(path, names);
  }
  Status Remove(const std::string& path) override {
    ZKDB_RETURN_IF_ERROR(Before("Remove", path));
    return base_->Remove(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    ZKDB_RETURN_IF_ERROR(Before("Rename", from));
    return base_->Rename(from, to);
  }
  Status SyncDirectory(const std::string& path) override {
    ZKDB_RETURN_IF_ERROR(Before("SyncDirectory", path));
    return base_->SyncDirectory(path);
  }
  Status RealPath(const std::string& path, std::string* out) override { return base_->RealPath(path, out); }
  Status ReadFile(const std::string& path, uint64_t limit, std::string* out) override {
    ZKDB_RETURN_IF_ERROR(Before("ReadFile", path));
    return base_->ReadFile(path, limit, out);
  }
  uint8_t* AllocateMemory(uint64_t size) override { return base_->AllocateMemory(size); }
  void FreeMemory(uint8_t* address, uint64_t size) override { base_->FreeMemory(address, size); }
  uint64_t MonotonicMs() override { return base_->MonotonicMs(); }
  uint64_t WallClockMs() override { return base_->WallClockMs(); }
  void Random(void* buffer, size_t n) override { base_->Random(buffer, n); }

 private:
  Env* base_;
  std::mutex mutex_;
  Hook hook_;
  std::map<std::string, int> counts_;
};

// Holds up the first call of a name until a test lets it go on: for what happens beside a call under way.
class CallGate {
 public:
  explicit CallGate(std::string call) : call_(std::move(call)) {}

  // For a hook: gives what Open was given.
  Status Pass(const std::string& call) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (call != call_ || arrived_) return Status::Ok();
    arrived_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    return result_;
  }
  // Returns when a call is held up.
  void AwaitCall() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return arrived_; });
  }
  void Open(const Status& result = Status::Ok()) {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    result_ = result;
    changed_.notify_all();
  }

 private:
  const std::string call_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool arrived_ = false;
  bool open_ = false;
  Status result_;
};

class FileWrapper : public File {
 public:
  FileWrapper(EnvWrapper* env, std::unique_ptr<File> base) : env_(env), base_(std::move(base)) {}

  using File::Write;
  Status Read(uint64_t offset, void* buffer, size_t n, size_t* got) override {
    ZKDB_RETURN_IF_ERROR(env_->Before("Read", path()));
    const Status status = base_->Read(offset, buffer, n, got);
    env_->bytes_read += *got;
    return status;
  }
  Status Write(uint64_t offset, const Slice* parts, size_t count) override {
    const Status status = env_->Before("Write", path());
    if (status.ok()) return base_->Write(offset, parts, count);
    if (env_->writes_half) WriteHalf(offset, parts, count);
    return status;
  }
  Status Sync() override {
    ZKDB_RETURN_IF_ERROR(env_->Before("Sync", path()));
    return base_->Sync();
  }
  Status Allocate(uint64_t offset, uint64_t size) override {
    ZKDB_RETURN_IF_ERROR(env_->Before("Allocate", path()));
    return base_->Allocate(offset, size);
  }
  Status Truncate(uint64_t size) override {
    ZKDB_RETURN_IF_ERROR(env_->Before("Truncate", path()));
    return base_->Truncate(size);
  }
  Status Size(uint64_t* size) override {
    ZKDB_RETURN_IF_ERROR(env_->Before("Size", path()));
    return base_->Size(size);
  }
  Status Map(uint64_t size, const uint8_t** address) override {
    ZKDB_RETURN_IF_ERROR(env_->Before("Map", path()));
    return base_->Map(size, address);
  }
  const std::string& path() const override { return base_->path(); }

 private:
  void WriteHalf(uint64_t offset, const Slice* parts, size_t count) {
    size_t left = 0;
    for (size_t i = 0; i < count; ++i) left += parts[i].size;
    left /= 2;
    for (size_t i = 0; i < count && left > 0; offset += parts[i].size, ++i) {
      const Slice part(parts[i].data, std::min(left, parts[i].size));
      if (!base_->Write(offset, part).ok()) return;
      left -= part.size;
    }
  }

  EnvWrapper* env_;
  std::unique_ptr<File> base_;
};

inline Status EnvWrapper::Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) {
  ZKDB_RETURN_IF_ERROR(Before("Open", path));
  std::unique_ptr<File> file;
  ZKDB_RETURN_IF_ERROR(base_->Open(path, mode, &file));
  *out = std::make_unique<FileWrapper>(this, std::move(file));
  return Status::Ok();
}

}  // namespace zkdb::test
