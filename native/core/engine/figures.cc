// Figures of a database and its partitions.
#include "core/btree/check.h"
#include "core/engine/transaction.h"
#include "core/segment/epoch.h"

namespace zkdb {

// Whether the transaction of this thread holds the partition: it must not wait for itself.
bool Engine::HoldsPartition(uint32_t partition) {
  return InTransaction() && open_transaction_ != nullptr && open_transaction_->Touches(partition);
}

Status Engine::Figures(zkdb_db_stats* out) {
  *out = zkdb_db_stats{};
  const std::shared_lock<std::shared_mutex> use(use_mutex_);
  if (closed()) return ClosedStatus();
  out->partitions = partition_count();
  out->sequence = queue_->published();
  out->commits = commits_.load();
  out->checkpoints = checkpoints_.load();
  out->expired = expired_.load();
  out->snapshots_open = snapshots_.count();
  const uint64_t opened = snapshots_.OldestOpenedMs();
  if (opened != UINT64_MAX) out->oldest_snapshot_age_ms = env_->MonotonicMs() - opened;
  out->recovered_records = recovery_.records;
  out->recovered_bytes = recovery_.bytes;
  out->failed = failed_.load() ? 1 : 0;
  out->durable_sequence = UINT64_MAX;
  for (auto& log : logs_) {
    out->log_bytes += log->bytes_since_recycle();
    out->log_files += log->file_count();
    out->log_syncs += log->sync_count();
    out->memory_bytes += log->memory_bytes();
    if (!config_.isolated) out->durable_sequence = log->durable_sequence();
  }
  if (config_.isolated) out->durable_sequence = config_.durability == ZKDB_DURABILITY_COMMIT ? out->sequence : 0;
  for (auto& arena : arenas_) out->memory_bytes += arena->memory_bytes();
  const uint64_t oldest = snapshots_.Oldest();
  for (uint32_t i = 0; i < partition_count(); ++i) {
    std::unique_lock<WriterLock> held(*writer_locks_[i], std::defer_lock);
    if (!HoldsPartition(i)) held.lock();
    const PageSpace& space = partitions_[i]->space;
    out->expiring += partitions_[i]->working.expiry.records;
    out->memory_bytes += space.memory_bytes();
    if (oldest != UINT64_MAX) out->pinned_bytes += space.free_space().PinnedCount(oldest) * space.page_size();
  }
  return Status::Ok();
}

Status Engine::PartitionFigures(uint32_t index, bool full, zkdb_partition_stats* out) {
  *out = zkdb_partition_stats{};
  Partition& p = *partitions_[index];
  std::unique_lock<WriterLock> held(*writer_locks_[index], std::defer_lock);
  if (!HoldsPartition(index)) held.lock();
  ZKDB_RETURN_IF_ERROR(p.space.LoadFreeMap());
  out->records = p.working.records.records;
  out->depth = p.working.records.levels;
  out->segments = p.space.files().segment_count();
  out->page_size = p.space.page_size();
  out->pages_allocated = p.space.files().reserved_pages();
  out->pages_free = p.space.free_pages();
  out->dirty_pages = p.space.dirty_pages();
  out->last_sequence = p.last_sequence;
  out->checkpoint_sequence = p.checkpoint_sequence;
  out->expiring = p.working.expiry.records;
  if (held.owns_lock()) held.unlock();
  if (!full) return Status::Ok();
  const Snapshot snapshot(shared_from_this());
  const EpochGuard guard;
  TreeRoot root;
  ZKDB_RETURN_IF_ERROR(TreeOf(index, &snapshot, &root));
  TreeFigures figures;
  ZKDB_RETURN_IF_ERROR(MeasureTree(&p.space, root, &figures));
  out->leaf_pages = figures.leaf_pages;
  out->branch_pages = figures.branch_pages;
  out->overflow_pages = figures.overflow_pages;
  out->leaf_bytes_used = figures.leaf_bytes_used;
  out->branch_bytes_used = figures.branch_bytes_used;
  return Status::Ok();
}

}  // namespace zkdb
