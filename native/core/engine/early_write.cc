// A batch that is logged before it is applied: the log is written and synced by a thread of its own meanwhile, so that
// a durable batch costs little more than one that is not. When applying fails, the record is taken back before the
// caller learns of it; a crash in between recovers the batch whole, as it may any batch that was not acknowledged.
#include <algorithm>

#include "core/engine/engine.h"
#include "core/wal/log_limits.h"

namespace zkdb {
namespace {

constexpr uint64_t kEarlyLeast = 32u << 10;    // bytes: applying less takes no longer than waking a thread
constexpr uint64_t kGroupOverhead = 8u << 10;  // bytes of a record around its operations, at most

}  // namespace

// Early records are for a batch alone: others would wait until it is applied before they could log theirs.
bool Engine::LogsEarly(const Batch& batch, zkdb_durability durability, bool alone) const {
  if (!alone || !background_) return false;
  if (durability == ZKDB_DURABILITY_DEFAULT) durability = config_.durability;
  if (durability != ZKDB_DURABILITY_COMMIT) return false;
  uint64_t bytes = 0;
  for (const Operation& op : batch.operations()) bytes += op.size;
  return bytes >= kEarlyLeast && bytes + kGroupOverhead <= kLogEarlyLimit;
}

// On failure nothing of the batch is left.
Status Engine::LogAndApply(Batch* batch, ReadClock* clock, WriteResult* result, uint64_t* sequence) {
  std::vector<Applied> applied;
  Log* const log = LogOf(batch->operations().front().partition);
  uint64_t early = 0;
  CommitQueue::Place nothing;
  Status status;
  try {
    LogGroups groups;
    status = GroupOperations(batch, &groups);
    nothing = CommitQueue::MakePlace({});
    if (status.ok()) status = log->AppendEarly(&sequence_, groups.bytes(), &early);
    if (status.ok()) {
      sync_ahead_.Start(log, early);
      status = ApplyAll(batch, clock, &applied, result);
    }
    if (status.ok()) {
      CommitQueue::Place place = PrepareCommit(applied);
      log->Accept();
      Queue(applied, *sequence = early, std::move(place));
      return status;
    }
  } catch (const std::bad_alloc&) {
    status = Status::NoMemory();
  }
  RollBack(applied);
  sync_ahead_.Finish();
  if (log->failed()) Fail(status);  // whatever it was that the caller is told
  if (early != 0) ZKDB_RETURN_IF_ERROR(TakeBack(log, early, std::move(nothing)));
  return status;
}

// The record of a batch that could not be applied goes; its number is published as a commit of nothing. After a failure
// the record may be replayed, as that of any write that met a failed log.
Status Engine::TakeBack(Log* log, uint64_t sequence, CommitQueue::Place nothing) {
  Status rejected;
  try {
    rejected = log->Reject();
  } catch (const std::bad_alloc&) {
    rejected = Status::NoMemory();  // for the failure that the log keeps
  }
  queue_->Enqueue(sequence, std::move(nothing));
  if (rejected.ok()) {
    static_cast<void>(queue_->Publish(sequence));
  } else {
    Fail(rejected);
  }
  return rejected;
}

}  // namespace zkdb
