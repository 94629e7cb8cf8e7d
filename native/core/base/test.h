// A small unit-test framework: each TEST registers itself; the runner (test_main.cc) runs one by name or all.
//
// Thread-safety: EXPECT may be used from any thread of a test; the rest from the test's own thread.
#pragma once

#include <atomic>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/slice.h"
#include "core/base/status.h"

namespace zkdb::test {

struct Case {
  const char* name;
  void (*run)();
};

std::vector<Case>& Cases();
std::atomic<int>& Failures();
// A new empty directory for this test, removed when the process ends well.
std::string TempDirectory();

struct Registrar {
  Registrar(const char* name, void (*run)()) { Cases().push_back({name, run}); }
};

// Reports a failed expectation with its place; returns false so that ASSERT can leave the test.
bool Fail(const char* file, int line, const std::string& what);

template <typename T>
std::string Show(const T& value) {
  if constexpr (requires(std::ostream & o, const T& v) { o << v; }) {
    std::ostringstream out;
    out << value;
    return out.str();
  } else {
    return "(a value)";
  }
}
inline std::string Show(const Slice& s) { return "'" + s.ToString() + "'"; }

template <typename A, typename B>
bool Equal(const A& a, const B& b, const char* text, const char* file, int line) {
  if (a == b) return true;
  return Fail(file, line, std::string(text) + ": " + Show(a) + " is not " + Show(b));
}

inline bool IsOk(const Status& s, const char* text, const char* file, int line) {
  if (s.ok()) return true;
  return Fail(file, line, std::string(text) + ": " + zkdb_code_name(s.code()) + ": " + s.message());
}

inline bool HasCode(const Status& s, zkdb_code code, const char* text, const char* file, int line) {
  if (s.code() == code) return true;
  return Fail(
      file, line,
      std::string(text) + ": got " + zkdb_code_name(s.code()) + " (" + s.message() + "), not " + zkdb_code_name(code));
}

}  // namespace zkdb::test

#define TEST(name)                                                     \
  static void name();                                                  \
  static const ::zkdb::test::Registrar name##_registrar(#name, &name); \
  static void name()

#define EXPECT(condition) ((condition) || ::zkdb::test::Fail(__FILE__, __LINE__, #condition))
#define ASSERT(condition) \
  if (!EXPECT(condition)) return
#define EXPECT_EQ(a, b) ::zkdb::test::Equal((a), (b), #a " == " #b, __FILE__, __LINE__)
#define ASSERT_EQ(a, b) \
  if (!EXPECT_EQ(a, b)) return
#define EXPECT_OK(status) ::zkdb::test::IsOk((status), #status, __FILE__, __LINE__)
#define ASSERT_OK(status) \
  if (!EXPECT_OK(status)) return
#define EXPECT_CODE(status, expected) ::zkdb::test::HasCode((status), (expected), #status, __FILE__, __LINE__)
