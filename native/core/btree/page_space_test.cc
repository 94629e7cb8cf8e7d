// Pages of a partition over transactions, checkpoints and reopening.
#include "core/segment/page_space.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "core/btree/tree_test_util.h"

namespace zkdb::test {
namespace {

void PutAll(Mutator* m, int count, const std::string& value) {
  bool existed = false;
  for (int i = 0; i < count; ++i) EXPECT_OK(m->Put("key" + std::to_string(i), value, false, &existed));
}

}  // namespace

TEST(a_rolled_back_transaction_leaves_pages_and_free_space_as_they_were) {
  TestPartition p;
  PutAll(p.Begin(), 500, "first");
  p.Commit();
  ASSERT_OK(p.Checkpoint());
  PutAll(p.Begin(), 500, "second, longer");
  p.Rollback();
  EXPECT_EQ(p.Check(), 0u);
  const uint32_t pages = p.space()->page_count();
  for (int i = 0; i < 5; ++i) {
    PutAll(p.Begin(), 500, "third, as long");
    p.Rollback();
  }
  EXPECT_EQ(p.space()->page_count(), pages);
}

TEST(an_unchanged_partition_can_be_checkpointed_again_and_again) {
  TestPartition p;
  PutAll(p.Begin(), 300, "value");
  p.Commit();
  for (int i = 0; i < 10; ++i) {
    ASSERT_OK(p.Checkpoint());
    EXPECT_EQ(p.Check(), 0u);
    EXPECT(p.space()->page_count() < 40);
  }
  ASSERT_OK(p.Reopen());
  EXPECT_EQ(p.Check(), 0u);
}

TEST(a_partition_emptied_and_checkpointed_reopens_empty_and_small) {
  TestPartition p;
  PutAll(p.Begin(), 2000, std::string(200, 'v'));
  p.Commit();
  ASSERT_OK(p.Checkpoint());
  uint64_t deleted = 0;
  EXPECT_OK(p.Begin()->DeleteRange({}, &deleted));
  p.Commit();
  EXPECT_EQ(deleted, 2000u);
  for (int i = 0; i < 2; ++i) {  // the second one moves the free map away from the end
    ASSERT_OK(p.Checkpoint());
    p.Begin();  // releases what the checkpoint made free
    p.Commit();
  }
  ASSERT_OK(p.Checkpoint(true));
  ASSERT_OK(p.Reopen());
  EXPECT_EQ(p.root().levels, 0u);
  EXPECT_EQ(p.Check(), 0u);
  EXPECT(p.space()->page_count() < 8);
  PutAll(p.Begin(), 2000, std::string(200, 'w'));
  p.Commit();
  ASSERT_OK(p.Checkpoint());
  ASSERT_OK(p.Reopen());
  EXPECT_EQ(p.Check(), 0u);
}

TEST(a_damaged_page_is_corrupt_with_file_and_page_and_others_stay_readable) {
  TestPartition p;
  PutAll(p.Begin(), 2000, std::string(100, 'v'));
  p.Commit();
  ASSERT_OK(p.Checkpoint(true));
  RecordPlace place;
  ASSERT_OK(FindRecord(p.space(), p.root(), "key77", &place));
  const uint32_t page = place.leaf.header().number;
  const std::string path = p.space()->files().PathOf(page);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(page % p.space()->segment_pages()) * 4096 + 2000);
    file.put('\x7E');
    file.put('\x81');
  }
  ASSERT_OK(p.Reopen());
  const Status status = FindRecord(p.space(), p.root(), "key77", &place);
  EXPECT_CODE(status, ZKDB_CORRUPT);
  EXPECT(status.message().find(path + ": page " + std::to_string(page) + ":") != std::string::npos);
  EXPECT_OK(FindRecord(p.space(), p.root(), "key1999", &place));
  EXPECT(place.found);
}

// Each transaction gives all records the same value: a reader that meets two values saw two versions.
TEST(readers_see_one_version_while_the_writer_commits_and_checkpoints) {
  TestPartition p;
  PutAll(p.Begin(), 300, "0");
  p.Commit();
  std::mutex mutex;
  TreeRoot published = p.root();
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> scans{0};
  const auto read = [&] {
    while (!stop) {
      const EpochGuard guard;
      TreeRoot root;
      {
        const std::lock_guard<std::mutex> lock(mutex);
        root = published;
      }
      Cursor cursor(p.space(), root);
      std::string value;
      int records = 0;
      for (EXPECT_OK(cursor.First()); cursor.valid(); EXPECT_OK(cursor.Next()), ++records) {
        const std::string now = RecordAt(cursor).second;
        if (records == 0) value = now;
        EXPECT_EQ(now, value);
      }
      EXPECT_EQ(records, 300);
      ++scans;
    }
  };
  std::thread first(read);
  std::thread second(read);
  for (int t = 1; t < 200 || scans < 20; ++t) {
    PutAll(p.Begin(), 300, std::to_string(t));
    p.Commit();
    const std::lock_guard<std::mutex> lock(mutex);
    published = p.root();
    if (t % 10 == 0) EXPECT_OK(p.Checkpoint());
  }
  stop = true;
  first.join();
  second.join();
  EXPECT_EQ(p.Check(), 0u);
}

}  // namespace zkdb::test
