// What the fuzzers share: taking an input apart, changing real bytes by it, and a directory that is not on a disk.
// A fuzzer is one source of libFuzzer; EXPECT of test.h works in it and stops it, which libFuzzer reports as a finding.
//
// Thread-safety: none; a fuzzer has one thread, apart from those of the engine.
//
// Invariants:
//  1. An input decides everything: no clock, no random byte and nothing of the input before reaches a decision.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/coding.h"
#include "core/base/test.h"

namespace zkdb::test {

inline bool Fail(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  std::abort();
}

// Directories below ZKDB_TEST_TMP, /dev/shm or the system's temporary directory; removed at exit.
inline std::string TempDirectory() {
  struct Root {
    Root() {
      const char* given = std::getenv("ZKDB_TEST_TMP");
      const std::filesystem::path memory = "/dev/shm";
      std::filesystem::path parent = std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path();
      if (given != nullptr) parent = given;
      path = parent / ("zkdb-fuzz-" + std::to_string(getpid()));
      std::filesystem::remove_all(path);  // of a killed process that had the same number
    }
    ~Root() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
    int count = 0;
  };
  static Root root;
  const std::filesystem::path directory = root.path / std::to_string(root.count++);
  std::filesystem::create_directories(directory);
  return directory.string();
}

// Takes an input apart from its start. What it no longer has reads as zeros.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }
  uint8_t Byte() {
    const Slice s = Bytes(1);
    return s.empty() ? 0 : s.data[0];
  }
  uint32_t Number(size_t bytes) {
    uint32_t n = 0;
    for (size_t i = 0; i < bytes; ++i) n |= uint32_t{Byte()} << (8 * i);
    return n;
  }
  // Up to `n` bytes.
  Slice Bytes(size_t n) {
    const Slice s = rest_.Sub(0, std::min(n, rest_.size));
    rest_ = rest_.Sub(s.size);
    return s;
  }
  Slice Rest() { return Bytes(rest_.size); }

 private:
  Slice rest_;
};

// Changes `image` at one place that the input names: overwrites, fills, copies or cuts. Returns the first changed byte.
inline size_t PatchOnce(FuzzInput* input, std::string* image) {
  const uint8_t kind = input->Byte();
  const size_t at = input->Number(3) % (image->size() + 1);
  const size_t room = image->size() - at;
  if ((kind & 3) == 3 && kind >= 0xF0) {
    image->resize(at);
    return at;
  }
  if ((kind & 3) == 2) {
    const size_t from = input->Number(3) % (image->size() + 1);
    const size_t n = std::min({size_t{input->Number(2)}, room, image->size() - from});
    std::memmove(image->data() + at, image->data() + from, n);
  } else if ((kind & 3) == 1) {
    const size_t n = std::min<size_t>(input->Number(2), room);
    std::fill_n(image->begin() + static_cast<std::ptrdiff_t>(at), n, static_cast<char>(input->Byte()));
  } else {
    const Slice bytes = input->Bytes(std::min<size_t>(size_t{1} + (kind >> 2) % 16, room));
    std::copy_n(bytes.data, bytes.size, reinterpret_cast<uint8_t*>(image->data()) + at);
  }
  return at;
}

inline std::string ReadWholeFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void WriteWholeFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace zkdb::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#ifdef ZKDB_FUZZ_REPLAY
// Without libFuzzer: runs the inputs in the folders that are named.
int main(int argc, char** argv) {
  int count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      const std::string input = zkdb::test::ReadWholeFile(entry.path());
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
      ++count;
    }
  }
  std::printf("%d inputs\n", count);
  return count > 0 ? 0 : 1;
}
#endif
