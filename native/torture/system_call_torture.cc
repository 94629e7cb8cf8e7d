// Every function of the system that PosixEnv calls fails, one at a time, with the errors that matter: each gives its
// code and a message that names call and file, leaves the files as they were and nothing open or mapped behind.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

#include "core/os/posix_env.h"
#include "torture/alloc_fault.h"
#include "torture/posix_fault.h"
#include "torture/torture.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

using Faults = std::vector<CallFault>;

size_t OpenDescriptors() {
  const TestScope test;
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) count += entry.path().empty() ? 0 : 1;
  return count;
}

std::string Content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A file of six bytes in a directory of its own, and an Env that keeps few files open. What the test does itself
// meets no fault.
struct Place {
  explicit Place(size_t max_open_files = 8)
      : env(max_open_files), directory(TempDirectory()), path(directory + "/file") {
    WriteText(path, "abcdef");
  }

  std::unique_ptr<File> OpenFile(OpenMode mode = OpenMode::kReadWrite) {
    std::unique_ptr<File> file;
    EXPECT_OK(env.Open(path, mode, &file));
    return file;
  }
  // Makes `call` with the faults armed.
  Status With(Faults faults, const std::function<Status()>& call) {
    PosixFaults::ArmCalls(std::move(faults));
    Status status;
    {
      const EngineScope engine;
      status = call();
    }
    PosixFaults::Disarm();
    EXPECT(PosixFaults::injected() > 0);
    return status;
  }

  PosixEnv env;
  std::string directory;
  std::string path;
};

void ExpectStatus(int line, const Status& status, zkdb_code code, const std::string& begins, const std::string& names) {
  const bool good = status.code() == code && status.message().starts_with(begins) &&
                    status.message().find("'" + names + "'") != std::string::npos;
  if (!good) Fail(__FILE__, line, std::string(zkdb_code_name(status.code())) + ": " + status.message());
}
#define EXPECT_STATUS(status, code, begins, names) ExpectStatus(__LINE__, (status), (code), (begins), (names))

// Nothing of what was opened or mapped since this was made is left when it goes.
class NothingLeft {
 public:
  NothingLeft() : descriptors_(OpenDescriptors()), mapped_(PosixFaults::mapped()) {}
  ~NothingLeft() {
    EXPECT_EQ(OpenDescriptors(), descriptors_);
    EXPECT_EQ(PosixFaults::mapped(), mapped_);
  }
  NothingLeft(const NothingLeft&) = delete;
  NothingLeft& operator=(const NothingLeft&) = delete;

 private:
  size_t descriptors_;
  int64_t mapped_;
};

bool Begin() {
  if (!PosixFaults::Available()) return false;
  TestThread();
  return true;
}

// An operation on an open file, with the one call that it makes.
struct FileCall {
  const char* call;
  const char* verb;  // in the message
  std::function<Status(File*)> run;
};

const uint8_t* mapped_at = nullptr;

std::vector<FileCall> FileCalls() {
  return {{"pread", "read",
           [](File* file) {
             char buffer[8];
             size_t got = 0;
             return file->Read(0, buffer, sizeof buffer, &got);
           }},
          {"pwritev", "write", [](File* file) { return file->Write(0, Slice("xyz")); }},
          {"fdatasync", "sync", [](File* file) { return file->Sync(); }},
          {"fstat", "stat",
           [](File* file) {
             uint64_t size = 0;
             return file->Size(&size);
           }},
          {"fstat", "stat", [](File* file) { return file->Allocate(0, 4096); }},
          {"fallocate", "allocate", [](File* file) { return file->Allocate(0, 4096); }},
          {"ftruncate", "truncate", [](File* file) { return file->Truncate(2); }},
          {"mmap", "map", [](File* file) { return file->Map(4096, &mapped_at); }}};
}

struct ErrorCode {
  int error;
  zkdb_code code;
  const char* advice;
};
constexpr ErrorCode kErrors[] = {{EIO, ZKDB_IO, ""},
                                 {ENOMEM, ZKDB_IO, ""},
                                 {ENOSPC, ZKDB_NO_SPACE, "free some space"},
                                 {EDQUOT, ZKDB_NO_SPACE, "raise the quota"},
                                 {EROFS, ZKDB_READ_ONLY, "the right to write"},
                                 {EACCES, ZKDB_READ_ONLY, "the right to write"},
                                 {EPERM, ZKDB_READ_ONLY, "the right to write"}};

}  // namespace

TEST(each_failing_call_on_a_file_names_itself_and_the_file_and_changes_nothing) {
  if (!Begin()) return;
  for (const FileCall& call : FileCalls()) {
    for (const ErrorCode& e : kErrors) {
      const NothingLeft nothing;
      Place place;
      const std::unique_ptr<File> file = place.OpenFile();
      const Status status = place.With({{call.call, e.error}}, [&] { return call.run(file.get()); });
      EXPECT_STATUS(status, e.code, std::string(call.verb) + " of ", place.path);
      EXPECT(status.message().find(e.advice) != std::string::npos);
      EXPECT_EQ(Content(place.path), "abcdef");
    }
  }
}

// The pool has closed the file meanwhile, and it cannot be opened again: no call reaches another file's descriptor.
TEST(each_call_on_a_file_that_cannot_be_reopened_fails_as_its_opening_does) {
  if (!Begin()) return;
  for (const FileCall& call : FileCalls()) {
    const NothingLeft nothing;
    Place place(1);
    const std::unique_ptr<File> file = place.OpenFile();
    std::unique_ptr<File> other;
    ASSERT_OK(place.env.Open(place.directory + "/other", OpenMode::kCreate, &other));
    EXPECT_STATUS(place.With({{"open", ENOENT}}, [&] { return call.run(file.get()); }), ZKDB_IO, "open of ",
                  place.path);
    EXPECT_EQ(Content(place.path), "abcdef");
    // The next call finds it again.
    uint64_t size = 0;
    EXPECT_OK(file->Size(&size));
    EXPECT_EQ(size, 6u);
  }
}

TEST(an_open_that_runs_out_of_descriptors_takes_one_from_a_file_that_needs_none) {
  if (!Begin()) return;
  for (const int error : {EMFILE, ENFILE}) {
    const NothingLeft nothing;
    Place place;
    const std::unique_ptr<File> file = place.OpenFile();
    std::unique_ptr<File> other;
    const auto open = [&] { return place.env.Open(place.directory + "/other", OpenMode::kCreate, &other); };
    EXPECT_OK(place.With({{"open", error}}, open));
    EXPECT_EQ(place.env.pool()->open_count(), 1u);
    ASSERT_OK(other->Write(0, Slice("unsynced")));
    // A file with unsynced writes is not to be closed: there is no descriptor to take.
    std::unique_ptr<File> third;
    const auto open_third = [&] { return place.env.Open(place.directory + "/third", OpenMode::kCreate, &third); };
    EXPECT_STATUS(place.With({{"open", error}}, open_third), ZKDB_IO, "open of ", place.directory + "/third");
    EXPECT(!fs::exists(place.directory + "/third"));
    EXPECT_EQ(Content(place.directory + "/other"), "unsynced");
  }
}

TEST(a_file_that_cannot_be_opened_leaves_nothing) {
  if (!Begin()) return;
  for (const ErrorCode& e : kErrors) {
    const NothingLeft nothing;
    Place place;
    std::unique_ptr<File> file;
    std::string text;
    const std::string path = place.directory + "/new";
    const auto open = [&] { return place.env.Open(path, OpenMode::kCreate, &file); };
    EXPECT_STATUS(place.With({{"open", e.error}}, open), e.code, "open of ", path);
    EXPECT(file == nullptr && !fs::exists(path));
    const auto read = [&] { return place.env.ReadFile(place.path, 100, &text); };
    EXPECT_STATUS(place.With({{"open", e.error}}, read), e.code, "open of ", place.path);
    EXPECT_STATUS(place.With({{"pread", e.error}}, read), e.code, "read of ", place.path);
  }
}

TEST(a_transfer_of_nothing_ends_a_read_and_fails_a_write) {
  if (!Begin()) return;
  const NothingLeft nothing;
  Place place;
  const std::unique_ptr<File> file = place.OpenFile();
  EXPECT_STATUS(place.With({{"pwritev", 0}}, [&] { return file->Write(0, Slice("xyz")); }), ZKDB_IO, "write of ",
                place.path);
  EXPECT_EQ(Content(place.path), "abcdef");
  char buffer[8];
  size_t got = 9;
  EXPECT_OK(place.With({{"pread", 0}}, [&] { return file->Read(0, buffer, sizeof buffer, &got); }));
  EXPECT_EQ(got, 0u);
}

// ---- space ---------------------------------------------------------------------------------------------------------

TEST(a_file_system_that_cannot_reserve_blocks_gets_zeros_written) {
  if (!Begin()) return;
  constexpr uint64_t kSize = 200000;  // several chunks of zeros and a part of one
  for (const int error : {EOPNOTSUPP, ENOSYS}) {
    const NothingLeft nothing;
    Place place(1);
    const std::unique_ptr<File> file = place.OpenFile();
    const auto allocate = [&] { return file->Allocate(0, kSize); };
    EXPECT_OK(place.With({{"fallocate", error}}, allocate));
    EXPECT(Content(place.path) == "abcdef" + std::string(kSize - 6, '\0'));
    // They are writes: the file stays open until a sync covers them.
    std::unique_ptr<File> other;
    ASSERT_OK(place.env.Open(place.directory + "/other", OpenMode::kCreate, &other));
    EXPECT_EQ(place.env.pool()->open_count(), 2u);
    ASSERT_OK(file->Sync());
    // What is long enough needs none.
    EXPECT_OK(place.With({{"fallocate", error}, {"pwritev", EIO}}, allocate));
    EXPECT_EQ(fs::file_size(place.path), kSize);
  }
}

TEST(zeros_that_do_not_fit_leave_the_length_as_it_was) {
  if (!Begin()) return;
  for (const uint64_t at : {0, 2}) {
    const NothingLeft nothing;
    Place place;
    const std::unique_ptr<File> file = place.OpenFile();
    const Faults faults = {{"fallocate", EOPNOTSUPP}, {"pwritev", ENOSPC, at}};
    EXPECT_STATUS(place.With(faults, [&] { return file->Allocate(0, 300000); }), ZKDB_NO_SPACE, "allocate of ",
                  place.path);
    EXPECT_EQ(Content(place.path), "abcdef");
  }
}

TEST(a_failed_reservation_whose_rest_cannot_be_cut_off_says_so) {
  if (!Begin()) return;
  const NothingLeft nothing;
  Place place;
  const std::unique_ptr<File> file = place.OpenFile();
  const Faults faults = {{"fallocate", ENOSPC}, {"ftruncate", EIO}};
  EXPECT_STATUS(place.With(faults, [&] { return file->Allocate(0, 4096); }), ZKDB_IO, "truncate of ", place.path);
}

// ---- names ---------------------------------------------------------------------------------------------------------

TEST(each_failing_call_on_names_names_itself_and_the_path) {
  if (!Begin()) return;
  Place place;
  Env& env = place.env;
  const std::string& directory = place.directory;
  const std::string fresh = directory + "/fresh";
  std::vector<std::string> names;
  std::string text;
  struct NameCall {
    const char* call;
    const char* verb;
    std::string named;
    std::function<Status()> run;
  };
  const std::vector<NameCall> calls = {
      {"mkdir", "mkdir", fresh, [&] { return env.CreateDirectory(fresh); }},
      {"fsync", "sync", directory, [&] { return env.CreateDirectory(fresh); }},
      {"opendir", "opendir", directory, [&] { return env.List(directory, &names); }},
      {"readdir", "readdir", directory, [&] { return env.List(directory, &names); }},
      {"remove", "remove", place.path, [&] { return env.Remove(place.path); }},
      {"rename", "rename", place.path + "' to '" + fresh, [&] { return env.Rename(place.path, fresh); }},
      {"open", "open", directory, [&] { return env.SyncDirectory(directory); }},
      {"fsync", "sync", directory, [&] { return env.SyncDirectory(directory); }},
      {"realpath", "realpath", place.path, [&] { return env.RealPath(place.path, &text); }}};
  for (const NameCall& call : calls) {
    for (const ErrorCode& e : kErrors) {
      const NothingLeft nothing;
      EXPECT_STATUS(place.With({{call.call, e.error}}, call.run), e.code, std::string(call.verb) + " of ", call.named);
      EXPECT(!fs::exists(fresh));
      EXPECT_EQ(Content(place.path), "abcdef");
    }
  }
}

TEST(a_directory_that_another_process_makes_at_the_same_time_is_there) {
  if (!Begin()) return;
  const NothingLeft nothing;
  Place place;
  // Not there when looked for, and then mkdir says that it is.
  EXPECT_OK(place.With({{"stat", ENOENT}}, [&] { return place.env.CreateDirectory(place.directory); }));
  EXPECT_OK(place.With({{"stat", EIO}}, [&] { return place.env.CreateDirectory("//"); }));
  EXPECT_STATUS(place.With({{"stat", EIO}}, [&] { return place.env.CreateDirectory(place.path); }), ZKDB_IO,
                "mkdir of ", place.path);
}

TEST(a_directory_whose_file_system_has_no_sync_of_directories_counts_as_synced) {
  if (!Begin()) return;
  const NothingLeft nothing;
  Place place;
  EXPECT_OK(place.With({{"fsync", EINVAL}}, [&] { return place.env.SyncDirectory(place.directory); }));
}

// ---- memory --------------------------------------------------------------------------------------------------------

TEST(memory_that_there_is_none_of_is_no_address) {
  if (!Begin()) return;
  const NothingLeft nothing;
  Place place;
  for (const uint64_t size : {uint64_t{4096}, uint64_t{4} << 20}) {
    uint8_t* at = nullptr;
    EXPECT_OK(place.With({{"mmap", ENOMEM}}, [&] {
      at = place.env.AllocateMemory(size);
      return Status::Ok();
    }));
    EXPECT(at == nullptr);
    const EngineScope engine;
    place.env.FreeMemory(at, size);
  }
}

TEST(memory_of_huge_pages_is_aligned_wherever_the_system_puts_it) {
  if (!Begin()) return;
  const NothingLeft nothing;
  constexpr uint64_t kSize = 4u << 20;
  Place place;
  uint8_t* at = nullptr;
  EXPECT_OK(place.With({{"mmap", 0}}, [&] {
    at = place.env.AllocateMemory(kSize);
    return Status::Ok();
  }));
  ASSERT(at != nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(at) % (2u << 20), 0u);
  EXPECT_EQ(at[0] + at[kSize - 1], 0);
  at[0] = at[kSize - 1] = 1;
  const EngineScope engine;
  place.env.FreeMemory(at, kSize);
}

// ---- locks ---------------------------------------------------------------------------------------------------------

TEST(a_lock_that_cannot_be_taken_names_the_call_and_leaves_no_descriptor) {
  if (!Begin()) return;
  for (const char* call : {"open", "flock"}) {
    for (const ErrorCode& e : kErrors) {
      const NothingLeft nothing;
      Place place;
      std::unique_ptr<FileLock> lock;
      const auto take = [&] { return place.env.Lock(place.path, &lock); };
      EXPECT_STATUS(place.With({{call, e.error}}, take), e.code, std::string(call) + " of ", place.path);
      EXPECT(lock == nullptr);
      EXPECT_OK(place.env.Lock(place.path, &lock));
    }
  }
}

TEST(a_lock_holds_though_the_process_number_cannot_be_written_or_read) {
  if (!Begin()) return;
  const NothingLeft nothing;
  Place place;
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<FileLock> second;
  const auto again = [&] { return place.env.Lock(place.path, &second); };
  EXPECT_OK(place.With({{"pwrite", ENOSPC}}, [&] { return place.env.Lock(place.path, &lock); }));
  EXPECT_CODE(again(), ZKDB_LOCKED);
  EXPECT(place.env.ProbeLock(place.path).message().find("process unknown") != std::string::npos);
  EXPECT(place.With({{"pread", EIO}}, again).message().find("process unknown") != std::string::npos);
  // A probe that cannot tell does not say that it is held.
  EXPECT_OK(place.With({{"flock", ENOLCK}}, [&] { return place.env.ProbeLock(place.path); }));
  EXPECT_OK(place.With({{"open", EACCES}}, [&] { return place.env.ProbeLock(place.path); }));
}

TEST(the_holder_of_a_lock_is_the_number_at_the_start_of_its_file) {
  if (!Begin()) return;
  struct Held {
    std::string text;
    std::string holder;
  };
  const std::string digits = "123456789012345678901234";  // as many as are read
  for (const auto& [text, holder] : {Held{"", "unknown"}, Held{"-1", "unknown"}, Held{"x", "unknown"},
                                     Held{"12x", "12"}, Held{"7", "7"}, Held{digits + "5", digits}}) {
    const NothingLeft nothing;
    Place place;
    std::unique_ptr<FileLock> lock;
    ASSERT_OK(place.env.Lock(place.path, &lock));
    WriteText(place.path, text);
    const std::string message = place.env.ProbeLock(place.path).message();
    EXPECT(message.find("open in process " + holder + ";") != std::string::npos);
  }
}

}  // namespace zkdb::test
