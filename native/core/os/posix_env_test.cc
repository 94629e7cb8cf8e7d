#include "core/os/posix_env.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/base/test.h"

namespace zkdb {
namespace {

std::string Text(Env* env, const std::string& path) {
  std::string out;
  EXPECT_OK(env->ReadFile(path, 1 << 20, &out));
  return out;
}

}  // namespace

TEST(a_write_of_more_parts_than_one_call_takes_arrives_whole) {
  Env* env = Env::Posix();
  const std::string path = test::TempDirectory() + "/file";
  std::unique_ptr<File> file;
  ASSERT_OK(env->Open(path, OpenMode::kCreateExclusive, &file));
  std::vector<std::string> texts;
  std::vector<Slice> parts;
  std::string all;
  for (int i = 0; i < 3000; ++i) texts.push_back(i % 7 == 0 ? "" : std::to_string(i));
  for (const std::string& text : texts) {
    parts.emplace_back(text);
    all += text;
  }
  ASSERT_OK(file->Write(0, parts.data(), parts.size()));
  ASSERT_OK(file->Sync());
  EXPECT_EQ(Text(env, path), all);
}

TEST(reading_past_the_end_is_reported_as_fewer_bytes) {
  Env* env = Env::Posix();
  std::unique_ptr<File> file;
  ASSERT_OK(env->Open(test::TempDirectory() + "/file", OpenMode::kCreate, &file));
  ASSERT_OK(file->Write(0, Slice("abc")));
  char buffer[8];
  size_t got = 9;
  ASSERT_OK(file->Read(1, buffer, sizeof buffer, &got));
  EXPECT_EQ(got, 2u);
  ASSERT_OK(file->Read(10, buffer, sizeof buffer, &got));
  EXPECT_EQ(got, 0u);
}

TEST(allocate_extends_a_file_and_keeps_what_is_in_it) {
  Env* env = Env::Posix();
  const std::string path = test::TempDirectory() + "/file";
  std::unique_ptr<File> file;
  ASSERT_OK(env->Open(path, OpenMode::kCreate, &file));
  ASSERT_OK(file->Write(0, Slice("abc")));
  ASSERT_OK(file->Allocate(0, 10000));
  ASSERT_OK(file->Allocate(20000, 0));
  uint64_t size = 0;
  ASSERT_OK(file->Size(&size));
  EXPECT_EQ(size, 10000u);
  EXPECT_EQ(Text(env, path), "abc" + std::string(9997, '\0'));
  ASSERT_OK(file->Truncate(2));
  EXPECT_EQ(Text(env, path), "ab");
}

// Beyond what any file system takes: refused at once. A size that a file system tries to satisfy would fill the disk
// for a moment, and fail whatever else runs beside this test; the full disk itself is tested on a small one (capi).
TEST(allocating_past_the_largest_file_fails_and_leaves_the_length) {
  Env* env = Env::Posix();
  std::unique_ptr<File> file;
  ASSERT_OK(env->Open(test::TempDirectory() + "/file", OpenMode::kCreate, &file));
  ASSERT_OK(file->Write(0, Slice("abc")));
  const Status status = file->Allocate(0, uint64_t{1} << 62);
  EXPECT(status.code() == ZKDB_NO_SPACE || status.code() == ZKDB_IO);
  uint64_t size = 0;
  ASSERT_OK(file->Size(&size));
  EXPECT_EQ(size, 3u);
}

TEST(a_map_shows_later_writes_and_outlives_its_file) {
  Env* env = Env::Posix();
  std::unique_ptr<File> file;
  ASSERT_OK(env->Open(test::TempDirectory() + "/file", OpenMode::kCreate, &file));
  ASSERT_OK(file->Allocate(0, 4096));
  const uint8_t* at = nullptr;
  ASSERT_OK(file->Map(1 << 20, &at));
  ASSERT_OK(file->Write(100, Slice("hello")));
  file.reset();
  EXPECT_EQ(std::memcmp(at + 100, "hello", 5), 0);
  env->Unmap(at, 1 << 20);
}

TEST(a_missing_file_and_a_foreign_directory_have_their_own_messages) {
  Env* env = Env::Posix();
  std::unique_ptr<File> file;
  const std::string path = test::TempDirectory() + "/none/file";
  const Status status = env->Open(path, OpenMode::kRead, &file);
  EXPECT_CODE(status, ZKDB_IO);
  EXPECT(status.message().find(path) != std::string::npos);
  EXPECT(status.message().find("open") != std::string::npos);
}

TEST(a_second_lock_names_the_process_that_holds_the_first) {
  Env* env = Env::Posix();
  const std::string path = test::TempDirectory() + "/lock";
  std::unique_ptr<FileLock> first;
  std::unique_ptr<FileLock> second;
  ASSERT_OK(env->Lock(path, &first));
  const Status status = env->Lock(path, &second);
  EXPECT_CODE(status, ZKDB_LOCKED);
  EXPECT(status.message().find(std::to_string(getpid())) != std::string::npos);
  first.reset();
  EXPECT_OK(env->Lock(path, &second));
}

TEST(a_released_lock_is_free_though_a_child_process_has_a_copy_of_its_descriptor) {
  Env* env = Env::Posix();
  const std::string path = test::TempDirectory() + "/zkdb.lock";
  std::unique_ptr<FileLock> lock;
  ASSERT_OK(env->Lock(path, &lock));
  // A program that starts another one is in this state between fork and exec.
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  ASSERT(child > 0);
  lock.reset();
  EXPECT_OK(env->Lock(path, &lock));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(directories_are_made_with_their_parents_and_listed_in_order) {
  Env* env = Env::Posix();
  const std::string root = test::TempDirectory();
  const std::string deep = root + "/a/b/c/";
  ASSERT_OK(env->CreateDirectory(deep));
  ASSERT_OK(env->CreateDirectory(deep));
  std::unique_ptr<File> file;
  for (const char* name : {"z", "m", "a"}) ASSERT_OK(env->Open(deep + name, OpenMode::kCreateExclusive, &file));
  EXPECT(!env->Open(deep + "z", OpenMode::kCreateExclusive, &file).ok());
  file.reset();
  ASSERT_OK(env->Rename(deep + "z", deep + "b"));
  ASSERT_OK(env->Remove(deep + "m"));
  ASSERT_OK(env->SyncDirectory(deep));
  std::vector<std::string> names;
  ASSERT_OK(env->List(deep, &names));
  EXPECT(names == (std::vector<std::string>{"a", "b"}));
  EXPECT(!env->CreateDirectory(deep + "a").ok());
}

TEST(a_real_path_resolves_links_and_keeps_a_missing_last_name) {
  Env* env = Env::Posix();
  std::string root;
  ASSERT_OK(env->RealPath(test::TempDirectory(), &root));
  ASSERT_OK(env->CreateDirectory(root + "/real"));
  ASSERT_EQ(symlink((root + "/real").c_str(), (root + "/link").c_str()), 0);
  std::string out;
  ASSERT_OK(env->RealPath(root + "/link/../link/new/", &out));
  EXPECT_EQ(out, root + "/real/new");
  EXPECT_CODE(env->RealPath(root + "/none/new", &out), ZKDB_IO);
}

TEST(a_missing_name_of_the_root_or_of_the_working_directory_has_a_real_path) {
  Env* env = Env::Posix();
  std::string here;
  std::string out;
  ASSERT_OK(env->RealPath(".", &here));
  ASSERT_OK(env->RealPath("zkdb-no-such-name", &out));
  EXPECT_EQ(out, here + "/zkdb-no-such-name");
  ASSERT_OK(env->RealPath("/zkdb-no-such-name", &out));
  EXPECT_EQ(out, "/zkdb-no-such-name");
}

TEST(reading_a_whole_file_is_bounded) {
  Env* env = Env::Posix();
  const std::string path = test::TempDirectory() + "/file";
  std::unique_ptr<File> file;
  ASSERT_OK(env->Open(path, OpenMode::kCreate, &file));
  const std::string text(100000, 'x');
  ASSERT_OK(file->Write(0, Slice(text)));
  std::string out;
  EXPECT_OK(env->ReadFile(path, 100000, &out));
  EXPECT(out == text);
  EXPECT_CODE(env->ReadFile(path, 99999, &out), ZKDB_INVALID);
  EXPECT_CODE(env->ReadFile("/dev/zero", 1000, &out), ZKDB_INVALID);
}

TEST(memory_of_whole_huge_pages_is_aligned_to_them) {
  Env* env = Env::Posix();
  for (const uint64_t size : {uint64_t{2} << 20, uint64_t{6} << 20, uint64_t{12288}}) {
    uint8_t* at = env->AllocateMemory(size);
    ASSERT(at != nullptr);
    if (size % (2u << 20) == 0) EXPECT_EQ(reinterpret_cast<uintptr_t>(at) % (2u << 20), 0u);
    EXPECT_EQ(at[0] + at[size - 1], 0);
    at[0] = at[size - 1] = 1;
    env->FreeMemory(at, size);
  }
  EXPECT(env->AllocateMemory(UINT64_MAX) == nullptr);
  EXPECT(env->AllocateMemory(0) == nullptr);
}

TEST(random_bytes_differ_from_call_to_call) {
  uint8_t a[300];
  uint8_t b[300];
  Env::Posix()->Random(a, sizeof a);
  Env::Posix()->Random(b, sizeof b);
  EXPECT(std::memcmp(a, b, sizeof a) != 0);
  EXPECT(Env::Posix()->WallClockMs() > 1500000000000u);
  EXPECT(Env::Posix()->MonotonicMs() <= Env::Posix()->MonotonicMs());
}

}  // namespace zkdb
