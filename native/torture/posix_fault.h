// Stands between PosixEnv and the system: replaces open, pread, pwritev, ftruncate, fallocate, flock, fdatasync and
// fsync of the program, so that calls of the engine are interrupted or transfer less than was asked. Linux only;
// elsewhere nothing is injected and Available() is false.
//
// Thread-safety: Arm and Disarm by one thread; the calls from any. What a test's own thread does outside an EngineScope
// (alloc_fault.h) is left alone.
#pragma once

#include <cstdint>

namespace zkdb::test {

enum class PosixFault {
  kNone,
  kInterrupts,      // every call but a sync fails with EINTR once before it is made
  kShort,           // every pread and pwritev transfers half of what was asked
  kInterruptedSync  // sync number `at` fails with EINTR, and another sync of that file is counted as a repetition
};

class PosixFaults {
 public:
  static bool Available();
  static void Arm(PosixFault fault, uint64_t at = 0);
  static void Disarm();
  // The files are closed: another sync of them is no repetition.
  static void Forget();
  static uint64_t injected();
  static uint64_t repeated();
};

}  // namespace zkdb::test
