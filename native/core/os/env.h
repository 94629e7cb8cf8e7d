// Every file, map, lock, clock and random byte of the core comes through an Env, so that tests can record, fail, tear
// and replay each of them. PosixEnv (posix_env.h) is the real one; tests wrap it in one that counts and fails.
//
// Thread-safety: an Env and its Files may be used by any number of threads; two writes to overlapping bytes of a File
// are the caller's race.
//
// Invariants:
//  1. A File's content changes only through Write, Truncate and Allocate: maps are read-only.
//  2. Short reads at the end of a file are reported, short writes are finished or fail; EINTR is handled inside.
//  3. No sync is ever retried: a failed Sync leaves the file's durable content unknown (see Rebello et al., "Can
//     Applications Recover from fsync Failures?", USENIX ATC 2020).
//  4. An error message names the call, the path and the system's reason.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/slice.h"
#include "core/base/status.h"

namespace zkdb {

enum class OpenMode {
  kRead,            // must exist; never written
  kReadWrite,       // must exist
  kCreate,          // made when missing, opened when there
  kCreateExclusive  // must not exist
};

class File {
 public:
  virtual ~File() = default;

  // Reads up to `n` bytes at `offset`; *got < n only at the end of the file.
  virtual Status Read(uint64_t offset, void* buffer, size_t n, size_t* got) = 0;

  // Writes the parts one after another from `offset` on: all of them or a failure.
  virtual Status Write(uint64_t offset, const Slice* parts, size_t count) = 0;
  Status Write(uint64_t offset, Slice part) { return Write(offset, &part, 1); }

  // fdatasync: everything written before is on stable storage when it returns success. Never retried.
  virtual Status Sync() = 0;

  // Reserves disk blocks for [offset, offset + size) and extends the file's length over them: later writes there do not
  // run out of space. kNoSpace when the disk is full, with the file's length unchanged.
  virtual Status Allocate(uint64_t offset, uint64_t size) = 0;

  virtual Status Truncate(uint64_t size) = 0;
  virtual Status Size(uint64_t* size) = 0;

  // Maps [0, size) for reading, shared with Write, where `size` may exceed the file's length: touching what lies beyond
  // the length is the caller's fault. Released by Env::Unmap. The map stays valid when the File is destroyed.
  virtual Status Map(uint64_t size, const uint8_t** address) = 0;

  virtual const std::string& path() const = 0;
};

// Held until destroyed. The kernel releases it with the process.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class Env {
 public:
  virtual ~Env() = default;

  // The file system of this machine.
  static Env* Posix();

  // A File holds a place in a bounded pool of open descriptors (PosixEnv::kMaxOpenFiles): it may be closed and reopened
  // between calls, but never between a Write and the Sync that follows it.
  virtual Status Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) = 0;
  virtual void Unmap(const uint8_t* address, uint64_t size) = 0;

  // Takes an exclusive lock on `path` (made when missing) and writes this process's id into it.
  // ZKDB_LOCKED, naming the holder's pid, when another open of the file holds it.
  virtual Status Lock(const std::string& path, std::unique_ptr<FileLock>* out) = 0;

  // Whether Lock would fail because another open holds the lock, without making or changing the file.
  // ZKDB_LOCKED as Lock; success when the file is free, or not there, or the Env cannot tell.
  virtual Status ProbeLock(const std::string&) { return Status::Ok(); }

  virtual bool Exists(const std::string& path) = 0;
  // Makes the directory and its missing parents; success when it is there. Parents of what it made are synced.
  virtual Status CreateDirectory(const std::string& path) = 0;
  // Names in the directory, without "." and "..", sorted.
  virtual Status List(const std::string& path, std::vector<std::string>* names) = 0;
  virtual Status Remove(const std::string& path) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // Makes creations, removals and renames in the directory durable.
  virtual Status SyncDirectory(const std::string& path) = 0;
  // The path with links and dots resolved; the last component need not exist.
  virtual Status RealPath(const std::string& path, std::string* out) = 0;
  // Reads a whole file of at most `limit` bytes.
  virtual Status ReadFile(const std::string& path, uint64_t limit, std::string* out) = 0;

  // Anonymous zeroed memory, aligned to 2 MiB when `size` is a multiple of it, with huge pages asked for.
  // nullptr when there is none. Released by FreeMemory.
  virtual uint8_t* AllocateMemory(uint64_t size) = 0;
  virtual void FreeMemory(uint8_t* address, uint64_t size) = 0;

  virtual uint64_t MonotonicMs() = 0;
  virtual uint64_t WallClockMs() = 0;
  virtual void Random(void* buffer, size_t n) = 0;
};

}  // namespace zkdb
