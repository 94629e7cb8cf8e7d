// Helpers of the tests that come in through zkdb.h: batches, handles that close themselves, configurations, child
// processes.
//
// Thread-safety: as zkdb.h says of the handles; EXPECT may be used from any thread.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/coding.h"
#include "core/base/test.h"
#include "include/zkdb.h"

namespace zkdb::test {

using Model = std::map<std::string, std::string>;
using RecordList = std::vector<std::pair<std::string, std::string>>;
using OptionList = std::vector<std::pair<const char*, std::string>>;

// A packed batch (zkdb.h).
class BatchBytes {
 public:
  BatchBytes& Add(zkdb_op kind, std::string_view key, std::string_view value = {}, uint8_t flags = 0) {
    char head[ZKDB_OP_HEADER_SIZE] = {static_cast<char>(kind), static_cast<char>(flags)};
    Store16(reinterpret_cast<uint8_t*>(head) + 2, static_cast<uint16_t>(key.size()));
    Store32(reinterpret_cast<uint8_t*>(head) + 4, static_cast<uint32_t>(value.size()));
    bytes_.append(head, sizeof head).append(key).append(value);
    return *this;
  }
  BatchBytes& Put(std::string_view key, std::string_view value) { return Add(ZKDB_OP_PUT, key, value); }
  BatchBytes& Delete(std::string_view key) { return Add(ZKDB_OP_DELETE, key); }
  // `kind`: a put without an expected value. `flags`: ZKDB_PUT_EXPIRES, or ZKDB_PUT_KEEPS_TIME and any time.
  BatchBytes& PutTimed(std::string_view key, std::string_view value, uint64_t time, uint8_t flags = ZKDB_PUT_EXPIRES,
                       zkdb_op kind = ZKDB_OP_PUT) {
    return Add(kind, key, TimeBytes(time).append(value), flags);
  }
  BatchBytes& Expire(std::string_view key, uint64_t time, uint8_t flags = 0) {
    return Add(ZKDB_OP_EXPIRE, key, TimeBytes(time) + TimeBytes(0), flags);
  }
  static std::string TimeBytes(uint64_t time) {
    std::string bytes(ZKDB_TIME_SIZE, '\0');
    Store64(bytes.data(), time);
    return bytes;
  }
  BatchBytes& PutIfValue(std::string_view key, std::string_view expected, std::string_view value, uint8_t flags = 0) {
    uint8_t size[4];
    Store32(size, static_cast<uint32_t>(expected.size()));
    std::string all(reinterpret_cast<char*>(size), sizeof size);
    return Add(ZKDB_OP_PUT_IF_VALUE, key, all.append(expected).append(value), flags);
  }
  const std::string& bytes() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string bytes_;
};

inline zkdb_range RangeFrom(std::string_view lo, std::string_view hi, uint32_t flags) {
  return {lo.data(), lo.size(), hi.data(), hi.size(), flags};
}

inline bool InRange(const std::string& key, const std::string& lo, const std::string& hi, uint32_t flags) {
  if ((flags & ZKDB_RANGE_LO_EXCLUSIVE) != 0 ? key <= lo : key < lo) return false;
  if ((flags & ZKDB_RANGE_HAS_HI) == 0) return true;
  return (flags & ZKDB_RANGE_HI_INCLUSIVE) != 0 ? key <= hi : key < hi;
}

// Everything that a cursor gives, read through a buffer of `capacity` bytes to begin with.
inline zkdb_code Drain(zkdb_cursor* cursor, RecordList* out, size_t capacity = 1u << 16, zkdb_error* err = nullptr) {
  std::string buffer(capacity, '\0');
  for (int done = 0; done == 0;) {
    size_t used = 0;
    uint32_t count = 0;
    const zkdb_code code = zkdb_cursor_next(cursor, buffer.data(), buffer.size(), 1000, &used, &count, &done, err);
    if (code == ZKDB_BUFFER_TOO_SMALL) {
      buffer.resize(used);
      continue;
    }
    if (code != ZKDB_OK) return code;
    const auto* p = reinterpret_cast<const uint8_t*>(buffer.data());
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t k = Load32(p);
      const uint32_t v = Load32(p + 4);
      out->emplace_back(std::string(p + 8, p + 8 + k), std::string(p + 8 + k, p + 8 + k + v));
      p += 8 + k + v;
    }
  }
  return ZKDB_OK;
}

// A database handle that closes itself.
class TestDb {
 public:
  TestDb() = default;
  ~TestDb() { EXPECT_EQ(Close(), ZKDB_OK); }
  TestDb(const TestDb&) = delete;
  TestDb& operator=(const TestDb&) = delete;

  zkdb_code Open(const std::string& path, const OptionList& list = {}) {
    zkdb_options* options = nullptr;
    zkdb_code opened = zkdb_options_create(&options);
    for (const auto& [name, value] : list) {
      if (opened == ZKDB_OK) opened = zkdb_options_set(options, name, value.c_str(), &error);
    }
    if (opened == ZKDB_OK) opened = zkdb_open(path.c_str(), options, &db_, &error);
    zkdb_options_destroy(options);
    return opened;
  }
  zkdb_code Close() { return db_ == nullptr ? ZKDB_OK : zkdb_close(std::exchange(db_, nullptr), &error); }

  zkdb_code Write(const BatchBytes& batch, zkdb_durability durability = ZKDB_DURABILITY_NONE, uint32_t flags = 0) {
    return WriteBytes(batch.bytes(), durability, flags);
  }
  zkdb_code WriteBytes(std::string_view bytes, zkdb_durability durability = ZKDB_DURABILITY_NONE, uint32_t flags = 0) {
    return zkdb_write(db_, bytes.data(), bytes.size(), durability, flags, &result, &error);
  }
  zkdb_code Put(std::string_view key, std::string_view value, zkdb_durability durability = ZKDB_DURABILITY_NONE) {
    return Write(BatchBytes().Put(key, value), durability);
  }

  std::optional<std::string> Get(std::string_view key, zkdb_snapshot* snapshot = nullptr) {
    std::string value(256, '\0');
    size_t size = 0;
    code = zkdb_get(db_, snapshot, key.data(), key.size(), value.data(), value.size(), &size, &error);
    if (code == ZKDB_BUFFER_TOO_SMALL) {
      value.resize(size);
      code = zkdb_get(db_, snapshot, key.data(), key.size(), value.data(), value.size(), &size, &error);
    }
    if (code != ZKDB_OK) return std::nullopt;
    value.resize(size);
    return value;
  }

  zkdb_code Scan(RecordList* out, const zkdb_range* range = nullptr, uint32_t flags = 0,
                 zkdb_snapshot* snapshot = nullptr, zkdb_txn* txn = nullptr, size_t capacity = 1u << 16) {
    zkdb_cursor* cursor = nullptr;
    zkdb_code opened = zkdb_cursor_open(db_, snapshot, txn, range, flags, &cursor, &error);
    if (opened != ZKDB_OK) return opened;
    opened = Drain(cursor, out, capacity, &error);
    zkdb_cursor_close(cursor);
    return opened;
  }
  // The whole content.
  Model All(zkdb_snapshot* snapshot = nullptr) {
    RecordList list;
    EXPECT_EQ(Scan(&list, nullptr, 0, snapshot), ZKDB_OK);
    EXPECT(std::is_sorted(list.begin(), list.end()));
    return Model(list.begin(), list.end());
  }

  // What zkdb_check finds, "" for nothing.
  std::string Check() {
    std::string found;
    const zkdb_sink sink = [](void* context, const char* text, size_t size) {
      static_cast<std::string*>(context)->append(text, size).append("; ");
      return 0;
    };
    uint64_t findings = 0;
    const zkdb_code checked = zkdb_check(db_, sink, &found, nullptr, nullptr, &findings, &error);
    if (checked == ZKDB_OK && findings == 0) return "";
    return found.empty() ? std::string(error.message) : found;
  }

  zkdb_db_stats Stats() {
    zkdb_db_stats stats{};
    EXPECT_EQ(zkdb_stats(db_, &stats, &error), ZKDB_OK);
    return stats;
  }

  zkdb_db* get() { return db_; }
  std::string message() const { return error.message; }

  zkdb_error error{};
  zkdb_write_result result{};
  zkdb_code code = ZKDB_OK;

 private:
  zkdb_db* db_ = nullptr;
};

inline void WriteText(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// The shapes that the tests run in. Returns the path to open.
inline std::string MakeShape(const std::string& directory, uint32_t partitions, bool isolated = false) {
  const std::string main =
      "[main]\nDatabase = test\nIsolated_Partitions = " + std::string(isolated ? "Yes" : "No") + "\n";
  std::string text = main;
  if (partitions == 3) {
    text +=
        "Partitions = low; mid; high\n[low]\nMaxLimit = k\nLimitStartPos = 1\n[mid]\nMinLimit = l\nMaxLimit = p\n"
        "LimitStartPos = 1\n[high]\nMinLimit = q\nLimitStartPos = 1\n";
  } else {
    std::string names;
    std::string sections;
    for (uint32_t i = 0; i < partitions; ++i) {
      const std::string name = "p" + std::to_string(i);
      names += name + ";";
      sections += "[" + name + "]\nDoHashing = Yes\nMinLimit = " + std::to_string(i * 256 / partitions) +
                  "\nMaxLimit = " + std::to_string((i + 1) * 256 / partitions - 1) + "\n";
    }
    text += "Partitions = " + names + "\n" + sections;
  }
  WriteText(directory + "/test.conf", text);
  return directory + "/test.conf";
}

// The seed of a property test: ZKDB_SEED, else one from the clock; printed so that a failure can be replayed.
inline uint64_t TestSeed(const char* test) {
  const char* given = std::getenv("ZKDB_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::fprintf(stderr, "%s: ZKDB_SEED=%llu\n", test, static_cast<unsigned long long>(seed));
  return seed;
}

inline uint64_t EnvNumber(const char* name, uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

// This program again as a child process that runs the test `name` with `arguments` in its environment ("NAME=value").
// Its standard output is a pipe: *output is the reading end.
inline pid_t SpawnTest(const char* name, const std::vector<std::string>& arguments, int* output) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    for (const std::string& a : arguments) putenv(const_cast<char*>(a.c_str()));
    execl("/proc/self/exe", "zkdb_native_tests", name, static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  *output = ends[0];
  return pid;
}

inline std::string ReadAll(int fd) {
  std::string all;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(fd, buffer, sizeof buffer)) > 0;) all.append(buffer, static_cast<size_t>(n));
  close(fd);
  return all;
}

}  // namespace zkdb::test
