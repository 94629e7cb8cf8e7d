#include "core/txn/snapshot_registry.h"

#include "core/base/test.h"

namespace zkdb {

TEST(the_expiry_of_a_closed_snapshot_leaves_the_next_one_in_its_slot_alone) {
  SnapshotRegistry registry;
  SnapshotSlot* const first = registry.Claim(5, 0);
  const SnapshotRegistry::Use oldest = registry.FindOldest();
  ASSERT(oldest.slot == first);
  registry.Release(first);
  SnapshotSlot* const second = registry.Claim(6, 0);
  ASSERT(second == first);
  registry.Expire(oldest);
  EXPECT(!second->IsExpired());
  EXPECT_EQ(registry.Oldest(), 6u);
  EXPECT_EQ(registry.OldestUnexpired(), 6u);
  registry.Release(second);
}

TEST(all_snapshots_of_the_oldest_sequence_expire_and_no_other) {
  SnapshotRegistry registry;
  SnapshotSlot* const slots[] = {registry.Claim(7, 0), registry.Claim(5, 0), registry.Claim(5, 0),
                                 registry.Claim(6, 0)};
  EXPECT(registry.ExpireOldest());
  EXPECT(!slots[0]->IsExpired());
  EXPECT(slots[1]->IsExpired());
  EXPECT(slots[2]->IsExpired());
  EXPECT(!slots[3]->IsExpired());
  EXPECT_EQ(registry.OldestUnexpired(), 6u);
  for (SnapshotSlot* slot : slots) registry.Release(slot);
  EXPECT(!registry.ExpireOldest());
}

}  // namespace zkdb
