// Replaces operator new and delete of the program, so that a test can make the n-th allocation of the engine fail, on
// whatever thread it is, and count what the engine has not given back.
//
// Thread-safety: all functions may be called from any thread.
//
// Invariants:
//  1. A test's own allocations neither count nor fail: a thread belongs to the engine unless it has said that it is a
//     test's (TestThread), and then while it is inside an EngineScope.
//  2. Nothing fails before Arm. Aligned allocations (operator new with an alignment) are numbered and fail, and are not
//     part of the count of live ones.
#pragma once

#include <cstdint>

namespace zkdb::test {

class AllocFault {
 public:
  // Numbers the engine's allocations from 0 and fails number `at`; with `lasts` every later one too.
  static void Arm(uint64_t at, bool lasts);
  // Nothing fails any more. Returns how many allocations there were since Arm.
  static uint64_t Disarm();
  static bool fired();
  // Counts an allocation of the calling thread: true when it must fail.
  static bool Fails();
  // Blocks that the engine has and did not give back.
  static int64_t live();
};

// The calling thread is a test's from here on.
void TestThread();
// Whether what the calling thread does now is a test's.
bool InTest();

// The calling thread works for the engine while one of these exists.
class EngineScope {
 public:
  EngineScope();
  ~EngineScope();
  EngineScope(const EngineScope&) = delete;
  EngineScope& operator=(const EngineScope&) = delete;

 private:
  bool before_;
};

// The calling thread works for the test while one of these exists.
class TestScope {
 public:
  TestScope();
  ~TestScope();
  TestScope(const TestScope&) = delete;
  TestScope& operator=(const TestScope&) = delete;

 private:
  bool before_;
};

}  // namespace zkdb::test
