// Whole-database work: check, compaction. Backup is in backup.cc.
#include "core/btree/check.h"
#include "core/btree/cursor.h"
#include "core/engine/engine.h"
#include "core/segment/epoch.h"

namespace zkdb {

Status Engine::Check(const std::function<bool(const std::string&)>& finding, const Progress& progress,
                     uint64_t* findings) {
  *findings = 0;
  if (InTransaction()) return Status::Invalid("a transaction is open on this thread; end it before the check");
  const std::shared_lock<std::shared_mutex> use(use_mutex_);
  if (closed()) return ClosedStatus();
  bool stopped = false;
  for (uint32_t i = 0; i < partition_count() && !stopped; ++i) {
    uint64_t here = 0;
    CheckOptions options;
    options.finding = finding;
    options.owns_key = [this, i](Slice key) { return selector_.Select(key) == i; };
    options.progress = [&](uint64_t done, uint64_t total) {
      stopped = progress &&
                !progress(i * 1000 + (total == 0 ? 1000 : done * 1000 / total), uint64_t{partition_count()} * 1000);
      return !stopped;
    };
    // The partition's writers wait: free space and tree are looked at as one state.
    std::unique_lock<WriterLock> held(*writer_locks_[i]);
    options.expiry = partitions_[i]->working.expiry;
    const Status status = CheckTree(&partitions_[i]->space, partitions_[i]->working.records, options, &here);
    held.unlock();
    *findings += here;
    ZKDB_RETURN_IF_ERROR(status);
  }
  return stopped ? Status(ZKDB_ABORTED, "the check was stopped") : Status::Ok();
}

namespace {

constexpr uint32_t kTailLeast = 32;     // free pages that make it worth while to empty the end of a file
constexpr uint32_t kTailFraction = 32;  // and the fraction of its pages that they are
// Places for the copies of branches above what moves, whose old places stay taken for now: a page in so many.
constexpr uint32_t kBranchFraction = 128;

// Copies every record of `from` into a new tree, in order: its pages come out full. `page_flags`: of the tree.
Status CopyTree(PageSpace* space, const TreeRoot& from, uint8_t page_flags, const Progress& progress, TreeRoot* to) {
  Mutator fresh(space, TreeRoot{}, page_flags);
  Cursor cursor(space, from);
  std::string key;
  std::string value;
  uint64_t done = 0;
  ZKDB_RETURN_IF_ERROR(cursor.First());
  while (cursor.valid()) {
    const Slot& slot = cursor.leaf().slot(cursor.index());
    ZKDB_RETURN_IF_ERROR(LoadKey(space, cursor.leaf(), cursor.index(), &key));
    value.resize(cursor.leaf().value_size(slot));
    ZKDB_RETURN_IF_ERROR(CopyValue(space, cursor.leaf(), cursor.index(), reinterpret_cast<uint8_t*>(value.data())));
    Replaced nothing;
    ZKDB_RETURN_IF_ERROR(fresh.Put(key, value, PutTime{cursor.leaf().time(slot)}, true, &nothing));
    if (++done % 4096 == 0 && progress && !progress(done, from.records))
      return {ZKDB_ABORTED, "the compaction was stopped; nothing was changed"};
    ZKDB_RETURN_IF_ERROR(cursor.Next());
  }
  *to = fresh.root();
  return Status::Ok();
}

}  // namespace

// Rewrites one partition's tree as a commit of its own.
Status Engine::RewritePartition(uint32_t index, const Progress& progress) {
  Partition& p = *partitions_[index];
  ZKDB_RETURN_IF_ERROR(p.space.Begin(Limits()));
  RollbackGuard guard(&p.space);
  Trees fresh;
  Status status = CopyTree(&p.space, p.working.records, 0, progress, &fresh.records);
  if (status.ok()) status = CopyTree(&p.space, p.working.expiry, kPageOfExpiry, nullptr, &fresh.expiry);
  uint64_t deleted = 0;
  ReadClock clock(env_);
  RecordMutator old(&p.space, p.working, &clock);
  if (status.ok()) status = old.DeleteRange(KeyRange{}, &deleted);
  ZKDB_RETURN_IF_ERROR(status);
  return CommitRewrite(index, fresh, &guard);
}

// Commits a tree that holds the same records in other pages: its log record holds no operation.
Status Engine::CommitRewrite(uint32_t index, const Trees& fresh, RollbackGuard* guard) {
  Partition& p = *partitions_[index];
  ZKDB_RETURN_IF_ERROR(p.space.CheckFreed());
  LogGroups groups;
  groups.Add(p.identity.uid, nullptr, nullptr);
  uint64_t sequence = 0;
  ZKDB_RETURN_IF_ERROR(LogAndQueue({{index, fresh}}, groups, &sequence));
  guard->Committed();
  return MakeDurable(LogOf(index), sequence, ZKDB_DURABILITY_COMMIT);
}

// Before the last checkpoint: pages at the end of a file that is partly free move to the free pages before them.
// The caller holds the gate alone and the partition's writer lock.
Status Engine::EmptyTail(uint32_t index) {
  Partition& p = *partitions_[index];
  ZKDB_RETURN_IF_ERROR(p.space.Begin(Limits()));
  RollbackGuard guard(&p.space);
  p.space.CoolDown();
  const uint64_t free = p.space.free_space().cold_count();
  if (free < kTailLeast || free < p.space.page_count() / kTailFraction) return Status::Ok();
  ReadClock clock(env_);
  RecordMutator mutator(&p.space, p.working, &clock);
  const uint32_t used = p.space.page_count() - static_cast<uint32_t>(free);
  ZKDB_RETURN_IF_ERROR(mutator.MoveBelow(used + used / kBranchFraction + kTailLeast / 2));
  return CommitRewrite(index, mutator.trees(), &guard);
}

// Twice: the first rewrite moves everything behind the old pages, the second one back into the space that they left, so
// that the end of the files can be cut off.
Status Engine::CompactPartition(uint32_t index, const Progress& progress) {
  Partition& p = *partitions_[index];
  for (int pass = 0; pass < 2; ++pass) {
    {
      const ExclusivePass alone(&gate_);
      queue_->Drain();
      const std::shared_lock<std::shared_mutex> use(use_mutex_);
      ZKDB_RETURN_IF_ERROR(CheckWritable());
      const std::lock_guard<WriterLock> held(*writer_locks_[index]);
      ZKDB_RETURN_IF_ERROR(RewritePartition(index, progress));
    }
    const std::shared_lock<std::shared_mutex> use(use_mutex_);
    // One checkpoint writes the new pages, the next one may give away those that only the one before needed.
    for (int i = 0; i < 2; ++i) {
      const std::lock_guard<std::mutex> lock(checkpoint_mutex_);
      ZKDB_RETURN_IF_ERROR(CheckWritable());
      ZKDB_RETURN_IF_ERROR(CheckpointPartition(&p, CheckpointMode::kCut));
    }
  }
  return Status::Ok();
}

// Never written to: it has no files.
bool Engine::IsUntouched(uint32_t partition) {
  const std::lock_guard<WriterLock> held(*writer_locks_[partition]);
  return partitions_[partition]->working.records.levels == 0 &&
         partitions_[partition]->space.files().segment_count() == 0;
}

Status Engine::Compact(const Progress& progress) {
  ZKDB_RETURN_IF_ERROR(CheckWritable());
  if (gate_.HeldByThisThread())
    return Status::Invalid("a transaction is open on this thread; end it before compacting");
  const uint64_t parts = uint64_t{partition_count()} * 1000;
  for (uint32_t i = 0; i < partition_count(); ++i) {
    if (IsUntouched(i)) continue;
    const Progress scaled = [&](uint64_t done, uint64_t total) {
      return !progress || progress(i * 1000 + (total == 0 ? 0 : done * 1000 / total), parts);
    };
    ZKDB_RETURN_IF_ERROR(CompactPartition(i, scaled));
  }
  return Checkpoint();
}

}  // namespace zkdb
