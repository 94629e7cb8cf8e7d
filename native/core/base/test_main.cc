// The runner of the native tests.
//   zkdb_native_tests            runs every test, prints a line per failure and the totals
//   zkdb_native_tests --list     prints the names
//   zkdb_native_tests NAME...    runs the tests with these names
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <stdexcept>

#include "core/base/test.h"

namespace zkdb::test {

std::vector<Case>& Cases() {
  static std::vector<Case> cases;
  return cases;
}

std::atomic<int>& Failures() {
  static std::atomic<int> failures{0};
  return failures;
}

bool Fail(const char* file, int line, const std::string& what) {
  Failures().fetch_add(1);
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  return false;
}

namespace {

std::filesystem::path& Root() {
  static std::filesystem::path root;
  return root;
}

bool Run(const Case& test) {
  const int before = Failures().load();
  try {
    test.run();
  } catch (const std::exception& e) {
    Fail(test.name, 0, std::string("threw ") + e.what());
  }
  const bool passed = Failures().load() == before;
  std::printf("%s %s\n", passed ? "ok  " : "FAIL", test.name);
  std::fflush(stdout);
  return passed;
}

bool Wanted(const Case& test, int argc, char** argv) {
  if (argc < 2) return true;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], test.name) == 0) return true;
  }
  return false;
}

}  // namespace

std::string TempDirectory() {
  static int count = 0;
  if (Root().empty()) {
    const char* base = std::getenv("ZKDB_TEST_TMP");
    const std::filesystem::path parent = base != nullptr ? base : std::filesystem::temp_directory_path();
    // A name of its own: a process that was killed leaves its directory, and process numbers come again.
    std::string name = (parent / "zkdb-native-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a directory like " + name);
    Root() = name;
  }
  const std::filesystem::path directory = Root() / std::to_string(count++);
  std::filesystem::create_directories(directory);
  return directory.string();
}

int Main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
    for (const Case& test : Cases()) std::printf("%s\n", test.name);
    return 0;
  }
  int passed = 0;
  int failed = 0;
  for (const Case& test : Cases()) {
    if (!Wanted(test, argc, argv)) continue;
    (Run(test) ? passed : failed)++;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  if (failed == 0 && !Root().empty()) std::filesystem::remove_all(Root());
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace zkdb::test

int main(int argc, char** argv) { return zkdb::test::Main(argc, argv); }
