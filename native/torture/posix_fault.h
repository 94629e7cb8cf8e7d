// Stands between PosixEnv and the system: replaces the system's functions of the program that PosixEnv calls (open,
// pread, pwrite, pwritev, ftruncate, fallocate, flock, fdatasync, fsync, fstat, stat, mkdir, opendir, readdir, rename,
// remove, realpath, mmap, munmap), so that calls of the engine fail, are interrupted or transfer less than was asked.
// Linux only; elsewhere nothing is injected and Available() is false.
//
// Thread-safety: Arm and Disarm by one thread; the calls from any. What a test's own thread does outside an EngineScope
// (alloc_fault.h) is left alone.
#pragma once

#include <cstdint>
#include <vector>

namespace zkdb::test {

enum class PosixFault {
  kNone,
  kInterrupts,       // every call but a sync fails with EINTR once before it is made
  kShort,            // every pread and pwritev transfers half of what was asked
  kInterruptedSync,  // sync number `at` fails with EINTR, and another sync of that file is counted as a repetition
  kCalls             // the calls that ArmCalls names
};

// A call that fails.
struct CallFault {
  const char* call;  // the function's name
  int error;         // errno; 0: the call has an odd result instead: nothing transferred, a map at an odd address
  uint64_t at = 0;   // which one of the calls with this name, from 0 on
};

class PosixFaults {
 public:
  static bool Available();
  static void Arm(PosixFault fault, uint64_t at = 0);
  static void ArmCalls(std::vector<CallFault> faults);
  static void Disarm();
  // The files are closed: another sync of them is no repetition.
  static void Forget();
  static uint64_t injected();
  static uint64_t repeated();
  // Bytes that the engine has mapped and not given back.
  static int64_t mapped();
};

}  // namespace zkdb::test
