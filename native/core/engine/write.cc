// Writing: a batch is taken apart, applied on private pages of each partition it touches, logged, made durable,
// published.
#include <algorithm>

#include "core/base/assert.h"
#include "core/btree/check.h"
#include "core/engine/engine.h"

namespace zkdb {
namespace {

constexpr ptrdiff_t kWarmGroup = 8;  // operations whose leaves are asked for together, before they are applied

// Asks for the leaves of [first, end).
void WarmLeaves(const PageSpace& space, const Mutator& mutator, const Operation* first, const Operation* end,
                bool sorted) {
  Mutator::WarmPath path;
  for (const Operation* op = first; op != end; ++op) {
    path.valid &= sorted;
    mutator.Warm(op->key, &path);
    space.WarmFrame(static_cast<size_t>(op - first));
  }
}

}  // namespace

Status Engine::ClosedStatus() const { return {ZKDB_CLOSED, config_.file + ": the database is closed"}; }

Status Engine::CheckWritable() const {
  if (closed()) return ClosedStatus();
  if (read_only_) return {ZKDB_READ_ONLY, config_.file + ": the database was opened read-only"};
  return FailureStatus();
}

Status Engine::FailureStatus() const {
  if (!failed_.load(std::memory_order_acquire)) return Status::Ok();
  const std::lock_guard<std::mutex> lock(failure_mutex_);
  return {ZKDB_FAILED,
          "writes are refused since an earlier failure (" + failure_.message() + "); close and reopen the database"};
}

ReleaseLimits Engine::Limits() const { return {queue_->published(), snapshots_.Oldest()}; }

Status Engine::Write(Slice bytes, zkdb_durability durability, bool non_atomic, WriteResult* result) {
  *result = WriteResult{};
  ZKDB_RETURN_IF_ERROR(CheckWritable());
  if (gate_.HeldByThisThread()) {
    return Status::Invalid("a transaction is open on this thread: write through the transaction, or end it first");
  }
  Batch batch;
  ZKDB_RETURN_IF_ERROR(batch.Parse(bytes, selector_));
  if (batch.operations().empty()) return Status::Ok();
  batch.Arrange();
  const bool spans = batch.operations().front().partition != batch.operations().back().partition;
  if (config_.isolated && spans && !non_atomic) {
    return {ZKDB_CROSS_PARTITION,
            "the batch spans isolated partitions, which have no common log; write a batch for each, or allow it to be "
            "non-atomic"};
  }
  WaitForRoom();
  const SharedPass pass(&gate_);
  if (config_.isolated && spans) return WriteParts(&batch, durability, pass.alone(), result);
  return WriteArranged(&batch, durability, pass.alone(), result);
}

// Isolated partitions: one commit for each partition of the batch.
Status Engine::WriteParts(Batch* batch, zkdb_durability durability, bool alone, WriteResult* result) {
  return batch->ForEachPartition([&](uint32_t, Operation* first, Operation* end) {
    Batch part;
    part.Take(*batch, first, end);
    WriteResult one;
    ZKDB_RETURN_IF_ERROR(WriteArranged(&part, durability, alone, &one));
    result->sequence = std::max(result->sequence, one.sequence);
    result->existed += one.existed;
    const bool first_failed = result->failed_index < 0 || one.failed_index < result->failed_index;
    if (one.failed_index >= 0 && first_failed) result->failed_index = one.failed_index;
    return Status::Ok();
  });
}

void Engine::LockPartitions(Batch* batch, HeldLocks* locks) {
  uint32_t last = UINT32_MAX;
  for (const Operation& op : batch->operations()) {
    if (op.partition == last) continue;
    last = op.partition;
    locks->Take(writer_locks_[last].get());
  }
}

// One atomic commit of an arranged batch. `alone`: no other batch was under way.
Status Engine::WriteArranged(Batch* batch, zkdb_durability durability, bool alone, WriteResult* result) {
  HeldLocks locks;
  LockPartitions(batch, &locks);
  ZKDB_RETURN_IF_ERROR(CheckWritable());
  ReadClock clock(env_);
  if (!restoring_) batch->SetClock(&clock);
  if (batch->has_conditions()) ZKDB_RETURN_IF_ERROR(CheckConditions(batch, &clock, result));
  if (result->failed_index >= 0) {
    // The caller learns of commits that may not be visible yet: first they have to be.
    uint64_t seen = 0;
    for (const Operation& op : batch->operations()) {
      seen = std::max(seen, partitions_[op.partition]->last_sequence.load());
    }
    locks.Release();
    return queue_->WaitFor(seen) ? Status::Ok() : CheckWritable();
  }
  uint64_t sequence = 0;
  const Status status = LogsEarly(*batch, durability, alone) ? LogAndApply(batch, &clock, result, &sequence)
                                                             : ApplyAndLog(batch, &clock, result, &sequence);
  locks.Release();
  if (!status.ok()) {
    result->existed = 0;
    return status;
  }
  result->sequence = sequence;
  return MakeDurable(LogOf(batch->operations().front().partition), sequence, durability);
}

// On failure nothing of the batch is left.
Status Engine::ApplyAndLog(Batch* batch, ReadClock* clock, WriteResult* result, uint64_t* sequence) {
  std::vector<Applied> applied;
  Status status;
  try {
    status = ApplyAll(batch, clock, &applied, result);
    LogGroups groups;
    if (status.ok()) status = GroupOperations(batch, &groups);
    if (status.ok()) status = LogAndQueue(applied, groups, sequence);
  } catch (const std::bad_alloc&) {
    status = Status::NoMemory();
    if (*sequence != 0) Fail(status);  // its number is given out: nothing can be published behind it
  }
  if (!status.ok()) RollBack(applied);
  return status;
}

Status Engine::GroupOperations(Batch* batch, LogGroups* groups) const {
  return batch->ForEachPartition([&](uint32_t p, Operation* first, Operation* end) {
    groups->Add(partitions_[p]->identity.uid, first, end);
    return Status::Ok();
  });
}

// ---- conditions

Status Engine::ConditionHolds(const Operation& op, const TreeRoot& root, ReadClock* clock, bool* holds) {
  RecordPlace place;
  PageSpace& space = partitions_[op.partition]->space;
  ZKDB_RETURN_IF_ERROR(FindRecord(&space, root, op.key, &place, clock));
  *holds = op.kind == ZKDB_OP_PUT_IF_ABSENT ? !place.found : place.found;
  if (!*holds || !op.compares()) return Status::Ok();
  std::vector<uint8_t> value(place.value_size());
  *holds = value.size() == op.expected.size;
  if (!*holds) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(CopyValue(&space, place.leaf, place.index, value.data()));
  *holds = Slice(value.data(), value.size()) == op.expected;
  return Status::Ok();
}

Status Engine::CheckConditions(Batch* batch, ReadClock* clock, WriteResult* result) {
  for (const Operation& op : batch->operations()) {
    if (!op.conditional()) continue;
    bool holds = false;
    ZKDB_RETURN_IF_ERROR(ConditionHolds(op, partitions_[op.partition]->working.records, clock, &holds));
    const bool first = result->failed_index < 0 || op.index < result->failed_index;
    if (!holds && first) result->failed_index = op.index;
  }
  return Status::Ok();
}

// ---- applying

Status Engine::ApplyOperations(uint32_t partition, const Operation* first, const Operation* end, bool sorted,
                               ReadClock* clock, Trees* trees, WriteResult* result) {
  PageSpace& space = partitions_[partition]->space;
  RecordMutator mutator(&space, *trees, clock);
  for (const Operation* op = first; op != end; ++op) {
    if (end - first > 1 && (op - first) % kWarmGroup == 0) {
      WarmLeaves(space, mutator.records(), op, op + std::min(kWarmGroup, end - op), sorted);
    }
    bool existed = false;
    uint64_t deleted = 0;
    const bool after_previous = sorted && op != first;
    if (op->kind == ZKDB_OP_DELETE_RANGE) {
      ZKDB_RETURN_IF_ERROR(mutator.DeleteRange(op->range(), &deleted));
    } else if (op->deletes()) {
      ZKDB_RETURN_IF_ERROR(mutator.Delete(op->key, after_previous, &existed));
    } else if (op->kind == ZKDB_OP_EXPIRE) {
      ZKDB_RETURN_IF_ERROR(mutator.SetTime(op->key, op->time_change(), after_previous, &existed));
    } else {
      ZKDB_RETURN_IF_ERROR(mutator.Put(op->key, op->value, op->put_time(), after_previous, &existed));
    }
    result->existed += deleted + (existed ? 1 : 0);
  }
  *trees = mutator.trees();
  return space.CheckFreed();
}

Status Engine::ApplyAll(Batch* batch, ReadClock* clock, std::vector<Applied>* applied, WriteResult* result) {
  const ReleaseLimits limits = Limits();
  return batch->ForEachPartition([&](uint32_t p, Operation* first, Operation* end) {
    applied->push_back({p, partitions_[p]->working});
    ZKDB_RETURN_IF_ERROR(partitions_[p]->space.Begin(limits));
    ZKDB_RETURN_IF_ERROR(ApplyOperations(p, first, end, batch->sorted(), clock, &applied->back().trees, result));
    return config_.verify_all ? VerifyTrees(p, applied->back().trees) : Status::Ok();
  });
}

void Engine::RollBack(const std::vector<Applied>& applied) {
  for (const Applied& a : applied) partitions_[a.partition]->space.Rollback();
}

// Does all of a commit that needs memory, before its record has a number.
CommitQueue::Place Engine::PrepareCommit(const std::vector<Applied>& applied) {
  ChangedRoots roots;
  roots.reserve(applied.size());
  for (const Applied& a : applied) {
    roots.emplace_back(a.partition, a.trees.records.page);
    partitions_[a.partition]->space.PrepareCommit();
  }
  return CommitQueue::MakePlace(std::move(roots));
}

// Appends the record and queues the commit. On failure nothing has changed.
Status Engine::LogAndQueue(const std::vector<Applied>& applied, const LogGroups& groups, uint64_t* sequence) {
  const Slice payload = groups.bytes();
  CommitQueue::Place place = PrepareCommit(applied);
  const Status logged = LogOf(applied.front().partition)->Append(&sequence_, &payload, 1, sequence);
  if (!logged.ok()) {
    // A failed write may have used up a number: nothing can be published behind it.
    if (logged.code() == ZKDB_FAILED) Fail(logged);
    return logged;
  }
  Queue(applied, *sequence, std::move(place));
  return Status::Ok();
}

// Makes the new trees of a logged commit the writers' state and queues it.
void Engine::Queue(const std::vector<Applied>& applied, uint64_t sequence, CommitQueue::Place place) {
  for (const Applied& a : applied) {
    Partition& p = *partitions_[a.partition];
    p.space.Commit(sequence);
    p.SetWorking(a.trees);
    p.last_sequence = sequence;
    NotePressure(&p);
    EnforceSnapshotLimit(&p);
  }
  queue_->Enqueue(sequence, std::move(place));
  commits_.fetch_add(1, std::memory_order_relaxed);
  for (auto& arena : arenas_) {
    if (background_ && arena->WantsChunk()) thread_wake_.notify_one();
  }
}

// The commit waits in the queue: when it cannot be published, whatever the reason, none behind it can.
Status Engine::MakeDurable(Log* log, uint64_t sequence, zkdb_durability durability) noexcept {
  try {
    return WaitDurable(log, sequence, durability);
  } catch (const std::bad_alloc&) {
    Fail(Status::NoMemory());
    return Status::NoMemory();
  }
}

Status Engine::WaitDurable(Log* log, uint64_t sequence, zkdb_durability durability) {
  if (durability == ZKDB_DURABILITY_DEFAULT) durability = config_.durability;
  Status status;
  if (durability == ZKDB_DURABILITY_COMMIT) status = log->Sync(sequence);
  if (durability == ZKDB_DURABILITY_INTERVAL) {
    status = log->Flush(sequence);
    if (!interval_used_.load(std::memory_order_relaxed) && !interval_used_.exchange(true)) thread_wake_.notify_one();
  }
  if (!status.ok()) {
    Fail(status);
    return status;
  }
  return queue_->Publish(sequence) ? Status::Ok() : CheckWritable();
}

Status Engine::Sync() {
  const std::shared_lock<std::shared_mutex> use(use_mutex_);
  ZKDB_RETURN_IF_ERROR(CheckWritable());
  for (auto& log : logs_) {
    const Status status = log->Sync(log->last_sequence());
    if (!status.ok()) {
      Fail(status);
      return status;
    }
  }
  return Status::Ok();
}

// ---- pressure

// Notes how much a checkpoint of the partition would have to write, and asks for one when it is time.
void Engine::NotePressure(Partition* partition) {
  const uint64_t now = partition->space.dirty_pages() * partition->space.page_size();
  const uint64_t before = partition_dirty_[partition->identity.index]->exchange(now, std::memory_order_relaxed);
  const uint64_t total = dirty_bytes_.fetch_add(now - before, std::memory_order_relaxed) + (now - before);
  bool due = total >= config_.min_checkpoint_size || now >= partition->config.min_checkpoint_size;
  // While a checkpoint runs, the log still counts what that checkpoint will let go.
  if (!due && opened_ && !checkpointing_.load(std::memory_order_relaxed)) {
    due = LogOf(partition->identity.index)->bytes_since_recycle() >= config_.min_checkpoint_size;
  }
  if (!due) return;
  const std::lock_guard<std::mutex> lock(thread_mutex_);
  if (checkpoint_wanted_) return;
  checkpoint_wanted_ = true;
  thread_wake_.notify_one();
}

// Writers wait when changed pages pile up faster than the running checkpoint writes them: memory stays bounded.
void Engine::WaitForRoom() {
  if (dirty_bytes_.load(std::memory_order_relaxed) < 4 * config_.min_checkpoint_size) return;
  std::unique_lock<std::mutex> lock(thread_mutex_);
  room_.wait(lock, [this] {
    const bool full = dirty_bytes_.load(std::memory_order_relaxed) >= 4 * config_.min_checkpoint_size;
    return stop_ || failed_.load() || !full || !(checkpoint_wanted_ || checkpoint_running_);
  });
}

// An old snapshot that pins more than SnapshotLimit fails instead of letting the files grow.
void Engine::EnforceSnapshotLimit(Partition* partition) {
  if (config_.snapshot_limit == 0) return;
  const uint64_t oldest = snapshots_.OldestUnexpired();
  if (oldest == UINT64_MAX) return;
  const uint64_t pinned = partition->space.free_space().PinnedCount(oldest) * partition->space.page_size();
  if (pinned > config_.snapshot_limit) snapshots_.ExpireOldest();
}

Status Engine::VerifyTrees(uint32_t partition, const Trees& trees) {
  CheckOptions options;
  options.expiry = trees.expiry;
  options.space = SpaceCheck::kOverlap;
  std::string first;
  options.finding = [&first](const std::string& what) { return first = what, false; };
  options.owns_key = [&](Slice key) { return selector_.Select(key) == partition; };
  uint64_t findings = 0;
  ZKDB_RETURN_IF_ERROR(CheckTree(&partitions_[partition]->space, trees.records, options, &findings));
  return findings == 0 ? Status::Ok() : Status::Corrupt("VerifyAll: the commit is refused: " + first);
}

}  // namespace zkdb
