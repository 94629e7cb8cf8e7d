// When freed pages may be used again.
#include "core/segment/free_space.h"

#include "core/base/test.h"
#include "core/segment/epoch.h"

namespace zkdb::test {
namespace {

constexpr ReleaseLimits kNoSnapshots{UINT64_MAX, UINT64_MAX};

// Pages 2..9 of a new partition, in use and fresh.
FreeSpace TenPages() {
  FreeSpace space;
  space.Extend(10);
  for (uint32_t page = 2; page < 10; ++page) space.MarkUsed(page);
  return space;
}

// Frees a page as a transaction with this number does.
void FreeIn(FreeSpace* space, uint64_t sequence, uint32_t page) {
  space->MarkFreed(page);
  space->Commit(sequence, {page});
}

}  // namespace

TEST(a_fresh_freed_page_is_reusable_once_its_commit_is_published) {
  FreeSpace space = TenPages();
  FreeIn(&space, 7, 4);
  space.Release({6, UINT64_MAX});
  EXPECT_EQ(space.TakeReusable(), Bitmap::kNone);
  space.Release({7, UINT64_MAX});
  EXPECT_EQ(space.TakeReusable(), 4u);
}

TEST(a_freed_page_waits_for_snapshots_that_are_older) {
  FreeSpace space = TenPages();
  FreeIn(&space, 7, 4);
  space.Release({7, 6});
  EXPECT_EQ(space.TakeReusable(), Bitmap::kNone);
  EXPECT_EQ(space.waiting_count(), 1u);
  space.Release({7, 7});
  EXPECT_EQ(space.TakeReusable(), 4u);
}

TEST(a_freed_page_waits_for_readers_inside_a_guard) {
  FreeSpace space = TenPages();
  {
    const EpochGuard guard;
    FreeIn(&space, 7, 4);
    space.Release(kNoSnapshots);
    EXPECT_EQ(space.TakeReusable(), Bitmap::kNone);
  }
  space.Release(kNoSnapshots);
  EXPECT_EQ(space.TakeReusable(), 4u);
}

TEST(a_page_of_a_checkpoint_waits_for_the_next_durable_one) {
  FreeSpace space = TenPages();
  std::vector<uint32_t> written;
  space.Capture(5, UINT64_MAX, &written);
  EXPECT_EQ(written.size(), 8u);
  space.Durable(5);
  FreeIn(&space, 6, 4);
  space.Release(kNoSnapshots);
  EXPECT_EQ(space.TakeReusable(), Bitmap::kNone);
  written.clear();
  space.Capture(6, UINT64_MAX, &written);
  EXPECT_EQ(written.size(), 0u);
  space.Release(kNoSnapshots);
  EXPECT_EQ(space.TakeReusable(), Bitmap::kNone);
  space.Durable(6);
  space.Release(kNoSnapshots);
  EXPECT_EQ(space.TakeReusable(), 4u);
}

TEST(a_checkpoint_writes_a_freed_page_only_when_a_snapshot_reads_it) {
  for (const uint64_t oldest : {uint64_t{6}, UINT64_MAX}) {
    FreeSpace space = TenPages();
    FreeIn(&space, 7, 4);
    std::vector<uint32_t> written;
    space.Capture(7, oldest, &written);
    EXPECT_EQ(written.size(), oldest == 6 ? 8u : 7u);
  }
}

TEST(the_tail_is_cut_over_segment_headers_and_back_to_the_floor) {
  FreeSpace space;
  Bitmap free;
  for (uint32_t page = 12; page < 40; ++page) {
    if (page % 16 != 0) free.Set(page);
  }
  space.Load(free, 40);
  EXPECT_EQ(space.TrimTail(100, 16, 2), 40u);
  EXPECT_EQ(space.TrimTail(1, 16, 2), 12u);
  EXPECT_EQ(space.free_count(), 0u);
  EXPECT_EQ(space.TakeReusable(), Bitmap::kNone);
}

TEST(a_page_that_was_cut_off_is_not_written_by_the_checkpoint) {
  FreeSpace space = TenPages();
  for (uint32_t page = 6; page < 10; ++page) space.ReturnUnseen(page);
  space.CoolDown();
  EXPECT_EQ(space.TrimTail(1, 16, 2), 6u);
  std::vector<uint32_t> written;
  space.Capture(1, UINT64_MAX, &written);
  EXPECT_EQ(written.size(), 4u);
}

TEST(a_run_of_free_pages_stops_at_the_segment_boundary) {
  FreeSpace space;
  Bitmap free;
  for (uint32_t page = 12; page < 20; ++page) free.Set(page);
  space.Load(free, 40);
  uint32_t got = 0;
  EXPECT_EQ(space.TakeRun(10, 16, &got), 12u);
  EXPECT_EQ(got, 4u);
}

}  // namespace zkdb::test
