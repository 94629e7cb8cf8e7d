// What the tests of the log share: a directory with a log in it, and what a reading of it gave.
#pragma once

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/test.h"
#include "core/os/posix_env.h"
#include "core/wal/log.h"
#include "core/wal/log_format.h"

namespace zkdb::test {

// A log that tests open, fill and open again.
struct LogFixture {
  explicit LogFixture(uint64_t file_size = 64 << 10, Env* on = Env::Posix()) : env(on) {
    options.directory = TempDirectory();
    options.database_id = {1, 2, 3};
    options.file_size = file_size;
  }

  Status Open() {
    log.reset();
    sequences.clear();
    payloads.clear();
    const auto replay = [this](const LogRecord& record) {
      sequences.push_back(record.sequence);
      payloads.push_back(record.payload.ToString());
      return Status::Ok();
    };
    ZKDB_RETURN_IF_ERROR(Log::Open(env, options, replay, &summary, &log));
    counter = summary.last_sequence;
    return Status::Ok();
  }

  Status Append(Slice payload) {
    uint64_t sequence = 0;
    return log->Append(&counter, &payload, 1, &sequence);
  }
  Status AppendAndSync(Slice payload) {
    ZKDB_RETURN_IF_ERROR(Append(payload));
    return log->Sync(counter);
  }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    EXPECT_OK(Env::Posix()->List(options.directory, &names));
    return names;
  }
  std::string PathOf(const std::string& name) const { return options.directory + "/" + name; }

  Env* env;
  LogOptions options;
  std::atomic<uint64_t> counter{0};
  std::unique_ptr<Log> log;
  LogSummary summary;
  std::vector<uint64_t> sequences;
  std::vector<std::string> payloads;
};

inline std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A log file with room for some ten small records.
inline constexpr uint64_t kSmallFile = kLogHeaderSize + 512;

// The files of a log's directory: name to bytes.
using Image = std::map<std::string, std::string>;

inline Image TakeImage(const LogFixture& f) {
  Image image;
  for (const std::string& name : f.Names()) image[name] = ReadAll(f.PathOf(name));
  return image;
}

// Closes the log and lays these files in its directory, instead of what is there.
inline void PutImage(LogFixture* f, const Image& image) {
  f->log.reset();
  for (const std::string& name : f->Names()) EXPECT_OK(Env::Posix()->Remove(f->PathOf(name)));
  for (const auto& [name, bytes] : image) WriteAll(f->PathOf(name), bytes);
}

// The payload that tests append as number `i`: its length and its bytes depend on i.
inline std::string PayloadOf(uint64_t i) { return "payload " + std::to_string(i) + std::string(i % 23, '.'); }

}  // namespace zkdb::test
