#include "core/base/test.h"
#include "core/os/env_wrapper_for_tests.h"
#include "core/segment/segment_files.h"

namespace zkdb {
namespace {

SegmentOptions Options(const std::string& directory) {
  SegmentOptions options;
  options.directory = directory;
  options.page_size = 4096;
  options.segment_pages = 32;
  return options;
}

}  // namespace

TEST(a_partition_that_a_full_disk_let_grow_by_one_page_goes_on_into_the_next_segment) {
  test::EnvWrapper env(Env::Posix());
  SegmentFiles files(&env, Options(test::TempDirectory()));
  ASSERT_OK(files.Reserve(16));
  bool first = true;
  env.SetHook([&first](const std::string& call, const std::string&) {
    return call == "Allocate" && std::exchange(first, false) ? Status::NoSpace("full") : Status::Ok();
  });
  ASSERT_OK(files.Reserve(17));
  ASSERT_EQ(files.reserved_pages(), 17u);
  env.SetHook(nullptr);
  // The step ends one page into a segment that begins with more.
  ASSERT_OK(files.Reserve(33));
  EXPECT_EQ(files.reserved_pages(), 48u);
}

TEST(a_partition_whose_directory_could_not_be_synced_takes_no_pages_until_it_is_reopened) {
  test::EnvWrapper env(Env::Posix());
  const std::string directory = test::TempDirectory() + "/p0";
  env.SetHook([](const std::string& call, const std::string&) {
    return call == "CreateDirectory" ? Status::Io("sync failed") : Status::Ok();
  });
  SegmentFiles files(&env, Options(directory));
  EXPECT_CODE(files.Reserve(1), ZKDB_IO);
  env.SetHook(nullptr);
  EXPECT_CODE(files.Reserve(1), ZKDB_IO);
  SegmentFiles reopened(&env, Options(directory));
  EXPECT_OK(reopened.Reserve(1));
}

}  // namespace zkdb
