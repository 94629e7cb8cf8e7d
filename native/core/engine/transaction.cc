#include "core/engine/transaction.h"

#include <algorithm>

#include "core/segment/epoch.h"

namespace zkdb {

Status Transaction::Begin(const std::shared_ptr<Engine>& engine, std::unique_ptr<Transaction>* out) {
  ZKDB_RETURN_IF_ERROR(engine->CheckWritable());
  if (engine->gate_.HeldByThisThread())
    return Status::Invalid("a transaction is open on this thread already; end it first");
  if (engine->config_.isolated && engine->partition_count() > 1) {
    return {ZKDB_CROSS_PARTITION, "transactions need a common log: the partitions of this database are isolated"};
  }
  std::unique_ptr<Transaction> transaction(new Transaction(engine));
  engine->WaitForRoom();
  engine->gate_.EnterExclusive();
  transaction->open_ = true;
  engine->open_transaction_ = transaction.get();
  ZKDB_RETURN_IF_ERROR(engine->CheckWritable());
  *out = std::move(transaction);
  return Status::Ok();
}

TreeRoot Transaction::RootOf(uint32_t partition) const {
  const auto at = touched_.find(partition);
  return at != touched_.end() ? at->second.records : engine_->partitions_[partition]->working.records;
}

// ZKDB_OK, ZKDB_NOT_FOUND, or a failure in *status.
zkdb_code Transaction::Find(Slice key, RecordPlace* place, PageSpace** space, Status* status) {
  if (!open_) {
    *status = {ZKDB_CLOSED, "the transaction has ended"};
    return ZKDB_CLOSED;
  }
  const uint32_t partition = engine_->selector_.Select(key);
  *space = &engine_->partitions_[partition]->space;
  ReadClock clock(engine_->env_);
  *status = FindRecord(*space, RootOf(partition), key, place, &clock);
  return status->ok() && !place->found ? ZKDB_NOT_FOUND : status->code();
}

zkdb_code Transaction::Get(Slice key, uint8_t* buffer, size_t capacity, size_t* size, Status* status) {
  const EpochGuard guard;
  RecordPlace place;
  PageSpace* space = nullptr;
  if (const zkdb_code code = Find(key, &place, &space, status); code != ZKDB_OK) return code;
  *size = place.value_size();
  if (*size > capacity) return ZKDB_BUFFER_TOO_SMALL;
  *status = CopyValue(space, place.leaf, place.index, buffer);
  return status->code();
}

zkdb_code Transaction::Expiry(Slice key, uint64_t* time, Status* status) {
  const EpochGuard guard;
  RecordPlace place;
  PageSpace* space = nullptr;
  const zkdb_code code = Find(key, &place, &space, status);
  if (code == ZKDB_OK) *time = place.time();
  return code;
}

// Takes a partition's writer lock and begins its part of the transaction.
Status Transaction::Touch(uint32_t partition) {
  if (touched_.contains(partition)) return Status::Ok();
  Partition& p = *engine_->partitions_[partition];
  const auto at = touched_.emplace(partition, Trees{}).first;
  engine_->writer_locks_[partition]->lock();
  at->second = p.working;  // from here on the end of the transaction gives the lock back
  return p.space.Begin(engine_->Limits());
}

Status Transaction::Apply(Batch* batch, WriteResult* result) {
  ReadClock clock(engine_->env_);
  batch->SetClock(&clock);
  for (const Operation& op : batch->operations()) {
    ZKDB_RETURN_IF_ERROR(Touch(op.partition));
    if (!op.conditional()) continue;
    bool holds = false;
    ZKDB_RETURN_IF_ERROR(engine_->ConditionHolds(op, touched_[op.partition].records, &clock, &holds));
    const bool first = result->failed_index < 0 || op.index < result->failed_index;
    if (!holds && first) result->failed_index = op.index;
  }
  if (result->failed_index >= 0) return Status::Ok();
  return batch->ForEachPartition([&](uint32_t p, Operation* first, Operation* end) {
    ZKDB_RETURN_IF_ERROR(engine_->ApplyOperations(p, first, end, batch->sorted(), &clock, &touched_[p], result));
    LogGroups& changes = changes_[p];
    change_bytes_ -= changes.bytes().size;
    changes.Add(engine_->partitions_[p]->identity.uid, first, end);
    change_bytes_ += changes.bytes().size;
    return Status::Ok();
  });
}

Status Transaction::Write(Slice bytes, WriteResult* result) try {
  *result = WriteResult{};
  if (!open_) return {ZKDB_CLOSED, "the transaction has ended"};
  if (!failure_.ok()) return failure_;
  Batch batch;
  ZKDB_RETURN_IF_ERROR(batch.Parse(bytes, engine_->selector_));
  batch.Arrange();
  ++version_;
  if (change_bytes_ + bytes.size > ZKDB_MAX_BATCH_SIZE) {
    return {ZKDB_BATCH_TOO_LARGE,
            "the transaction has more than " + std::to_string(ZKDB_MAX_BATCH_SIZE) + " bytes of changes"};
  }
  // Until it is known to have worked it has not.
  failure_ = Status::NoMemory();
  failure_ = Apply(&batch, result);
  if (failure_.ok()) existed_ += result->existed;
  return failure_;
} catch (const std::bad_alloc&) {
  failure_ = Status::NoMemory();
  return failure_;
}

Status Transaction::Verify() {
  if (!engine_->config_.verify_all) return Status::Ok();
  for (const auto& [partition, trees] : touched_) ZKDB_RETURN_IF_ERROR(engine_->VerifyTrees(partition, trees));
  return Status::Ok();
}

void Transaction::End() {
  for (const auto& [partition, trees] : touched_) engine_->writer_locks_[partition]->unlock();
  touched_.clear();
  open_ = false;
  engine_->open_transaction_ = nullptr;
  engine_->gate_.LeaveExclusive();
}

Status Transaction::Commit(zkdb_durability durability, WriteResult* result) try {
  *result = WriteResult{};
  if (!open_) return {ZKDB_CLOSED, "the transaction has ended"};
  Status status = failure_.ok() ? engine_->CheckWritable() : failure_;
  if (status.ok() && !changes_.empty()) status = Verify();
  if (!status.ok() || changes_.empty()) return Abort(), status.ok() ? engine_->FailureStatus() : status;
  // The gate opens before the commit is durable: from then on this keeps the log open.
  const std::shared_lock<std::shared_mutex> use(engine_->use_mutex_);
  const uint32_t first = touched_.begin()->first;
  uint64_t sequence = 0;
  status = LogChanges(&sequence);
  if (!status.ok()) return Abort(), status;
  result->sequence = sequence;
  result->existed = existed_;
  End();
  return engine_->MakeDurable(engine_->LogOf(first), sequence, durability);
} catch (const std::bad_alloc&) {
  Abort();
  return Status::NoMemory();
}

Status Transaction::LogChanges(uint64_t* sequence) {
  try {
    std::vector<Engine::Applied> applied;
    for (const auto& [partition, trees] : touched_) applied.push_back({partition, trees});
    LogGroups groups;
    for (const auto& [partition, changes] : changes_) groups.Append(changes);
    return engine_->LogAndQueue(applied, groups, sequence);
  } catch (const std::bad_alloc&) {
    const Status status = Status::NoMemory();
    if (*sequence != 0) engine_->Fail(status);
    return status;
  }
}

void Engine::AbortOwnTransaction() {
  if (InTransaction() && open_transaction_ != nullptr) open_transaction_->Abort();
}

void Transaction::Abort() {
  if (!open_) return;
  for (const auto& [partition, trees] : touched_) engine_->partitions_[partition]->space.Rollback();
  uint64_t seen = 0;
  for (const auto& p : engine_->partitions_) seen = std::max(seen, p->last_sequence.load());
  End();
  // The caller has read commits that may not be visible yet: it goes on when they are, or never will be.
  static_cast<void>(engine_->queue_->WaitFor(seen));
}

}  // namespace zkdb
