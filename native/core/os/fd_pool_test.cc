#include "core/os/fd_pool.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/base/test.h"
#include "core/os/posix_env.h"

namespace zkdb {
namespace {

using Files = std::vector<std::unique_ptr<File>>;

Files OpenMany(PosixEnv* env, size_t n) {
  const std::string directory = test::TempDirectory();
  Files files(n);
  for (size_t i = 0; i < n; ++i) {
    EXPECT_OK(env->Open(directory + "/" + std::to_string(i), OpenMode::kCreateExclusive, &files[i]));
  }
  return files;
}

}  // namespace

TEST(files_beyond_the_limit_are_closed_and_come_back_at_their_next_use) {
  PosixEnv env(4);
  Files files = OpenMany(&env, 20);
  EXPECT_EQ(env.pool()->open_count(), 4u);
  for (size_t i = 0; i < files.size(); ++i) {
    ASSERT_OK(files[i]->Write(0, Slice("x" + std::to_string(i))));
    ASSERT_OK(files[i]->Sync());
  }
  EXPECT_EQ(env.pool()->open_count(), 4u);
  for (size_t i = 0; i < files.size(); ++i) {
    char buffer[8] = {};
    size_t got = 0;
    ASSERT_OK(files[i]->Read(0, buffer, sizeof buffer, &got));
    EXPECT_EQ(std::string(buffer, got), "x" + std::to_string(i));
  }
  files.clear();
  EXPECT_EQ(env.pool()->open_count(), 0u);
}

TEST(files_with_unsynced_writes_stay_open_beyond_the_limit) {
  PosixEnv env(4);
  Files files = OpenMany(&env, 10);
  for (auto& file : files) ASSERT_OK(file->Write(0, Slice("x")));
  EXPECT_EQ(env.pool()->open_count(), 10u);
  for (auto& file : files) ASSERT_OK(file->Sync());
  uint64_t size = 0;
  Files more = OpenMany(&env, 1);
  ASSERT_OK(more[0]->Size(&size));
  EXPECT_EQ(env.pool()->open_count(), 4u);
}

TEST(a_sync_covers_only_the_writes_that_began_before_it) {
  FdPool pool(1);
  FdPool::Entry entry;
  entry.path = "/dev/null";
  entry.flags = 2;  // O_RDWR
  ASSERT_OK(pool.Add(&entry, 0));
  int fd = -1;
  uint64_t covered = 0;
  uint64_t later = 0;
  ASSERT_OK(pool.Acquire(&entry, true, &fd, &covered));
  ASSERT_OK(pool.Acquire(&entry, true, &fd, &later));
  pool.Release(&entry);
  pool.Release(&entry);
  pool.MarkSynced(&entry, covered);
  EXPECT(entry.writes != entry.synced);
  pool.MarkSynced(&entry, later);
  EXPECT(entry.writes == entry.synced);
  pool.Remove(&entry);
}

TEST(a_file_in_a_call_stays_open_beyond_the_limit) {
  FdPool pool(1);
  FdPool::Entry used;
  FdPool::Entry other;
  used.path = other.path = "/dev/null";
  ASSERT_OK(pool.Add(&used, 0));
  int fd = -1;
  uint64_t writes = 0;
  ASSERT_OK(pool.Acquire(&used, false, &fd, &writes));
  ASSERT_OK(pool.Add(&other, 0));
  EXPECT_EQ(pool.open_count(), 2u);
  EXPECT_EQ(used.fd, fd);
  pool.Release(&used);
  pool.Remove(&other);
  ASSERT_OK(pool.Add(&other, 0));
  EXPECT_EQ(pool.open_count(), 1u);
  EXPECT_EQ(used.fd, -1);
  pool.Remove(&used);
  pool.Remove(&other);
}

TEST(threads_share_a_small_pool_without_mixing_up_files) {
  PosixEnv env(3);
  Files files = OpenMany(&env, 12);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&files, t] {
      for (size_t round = 0; round < 50; ++round) {
        for (size_t i = t; i < files.size(); i += 4) {
          const std::string text = std::to_string(i) + ":" + std::to_string(round);
          EXPECT_OK(files[i]->Write(0, Slice(text)));
          std::string back(text.size(), ' ');
          size_t got = 0;
          EXPECT_OK(files[i]->Read(0, back.data(), back.size(), &got));
          EXPECT_EQ(back, text);
          if (round % 10 == 0) EXPECT_OK(files[i]->Sync());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace zkdb
