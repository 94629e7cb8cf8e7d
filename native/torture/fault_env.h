// An Env that counts every I/O call and fails one of them, or all from one on, as a disk does; and that watches a rule:
// what could not be synced or written is never synced again as if nothing had happened.
//
// Thread-safety: as Env. Arm, Heal and Forget are called when no other thread makes calls that matter.
//
// Invariants:
//  1. Calls are numbered from 0 in the order in which they begin, since the last Arm.
//  2. A failure carries the code and message that PosixEnv gives for its errno.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/os/env_wrapper_for_tests.h"
#include "core/os/posix_env.h"

namespace zkdb::test {

enum class Fault {
  kNone,
  kIo,            // EIO, once
  kNoSpace,       // ENOSPC, once
  kShortIo,       // half of a write, then EIO
  kShortNoSpace,  // half of a write, then ENOSPC
  kDeadDisk,      // EIO from that call on
  kFullDisk       // ENOSPC from that call on for whatever needs a new block
};
inline constexpr Fault kFaults[] = {Fault::kIo,           Fault::kNoSpace,  Fault::kShortIo,
                                    Fault::kShortNoSpace, Fault::kDeadDisk, Fault::kFullDisk};
const char* NameOf(Fault fault);
inline bool IsSpaceFault(Fault fault) {
  return fault == Fault::kNoSpace || fault == Fault::kShortNoSpace || fault == Fault::kFullDisk;
}

// PosixEnv without huge pages: a run that changes ten pages does not clear 2 MiB.
class LeanEnv : public PosixEnv {
 public:
  uint8_t* AllocateMemory(uint64_t size) override;
};
// One for all.
LeanEnv* TheLeanEnv();

class FaultEnv : public EnvWrapper {
 public:
  FaultEnv();

  // Numbers the calls anew and fails number `at`.
  void Arm(Fault fault, uint64_t at);
  // Nothing fails from here on; the calls are still watched.
  void Heal();
  // The files are closed: what a later open makes of them begins anew.
  void Forget();

  // The calls since Arm by name, in order.
  std::vector<std::string> Trace();
  uint64_t calls();
  bool fired();
  // What failed first: call and path; "" before.
  std::string what();
  // The name of the call that failed first.
  std::string failed_call();
  // Broken rules, one per line.
  std::string violations();

  // Whether `fault` can happen to this call.
  static bool Applies(Fault fault, const std::string& call);

  Status Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) override;
  Status Lock(const std::string& path, std::unique_ptr<FileLock>* out) override;
  Status CreateDirectory(const std::string& path) override;

 private:
  Status Decide(const std::string& call, const std::string& path);
  void Watch(const std::string& call, const std::string& path);

  std::mutex mutex_;
  Fault fault_ = Fault::kNone;
  uint64_t at_ = 0;
  bool fired_ = false;
  std::string what_;
  std::string failed_call_;
  std::vector<std::string> trace_;
  struct Failure {
    std::thread::id thread;
    uint64_t time_ms;
  };
  std::map<std::string, Failure> unsyncable_;  // paths with a failed sync, or a failed write and no cut since
  std::string violations_;
};

}  // namespace zkdb::test
