// The sweep: records that have ended are removed in small commits, in the order in which they ended. Nobody sees them
// any more, so it is never urgent, and what a crash takes back is swept again.
#include "core/base/coding.h"
#include "core/btree/cursor.h"
#include "core/engine/engine.h"

namespace zkdb {
namespace {

constexpr uint32_t kSweepRecords = 256;     // of one commit, at most
constexpr size_t kSweepBytes = 256u << 10;  // of its keys, about
constexpr uint64_t kSweepWaitMs = 20;       // for a transaction to end

void PackDelete(Slice key, std::vector<uint8_t>* batch) {
  const size_t at = batch->size();
  batch->resize(at + ZKDB_OP_HEADER_SIZE + key.size);
  uint8_t* to = batch->data() + at;
  to[0] = ZKDB_OP_DELETE;
  to[1] = 0;
  Store16(to + 2, static_cast<uint16_t>(key.size));
  Store32(to + 4, 0u);
  if (key.size != 0) std::memcpy(to + ZKDB_OP_HEADER_SIZE, key.data, key.size);
}

// An entry counts only as long as its record says the same: nothing else may be removed.
Status CheckEntry(PageSpace* space, const TreeRoot& records, Slice entry) {
  RecordPlace place;
  ZKDB_RETURN_IF_ERROR(FindRecord(space, records, RecordOfExpiryKey(entry), &place));
  if (place.found && place.time() == TimeOfExpiryKey(entry)) return Status::Ok();
  return Status::Corrupt(space->files().options().directory +
                         ": the expiry index names a record that does not end then; restore the partition from a "
                         "backup or salvage it");
}

// Packs deletes of the records that ended first. *more: there may be others.
Status PackEnded(PageSpace* space, const Trees& trees, uint64_t now, std::vector<uint8_t>* batch, bool* more) {
  uint32_t count = 0;
  std::string entry;
  Cursor cursor(space, trees.expiry);
  ZKDB_RETURN_IF_ERROR(cursor.First());
  while (cursor.valid()) {
    *more = count == kSweepRecords || batch->size() >= kSweepBytes;
    if (*more) break;
    ZKDB_RETURN_IF_ERROR(LoadKey(space, cursor.leaf(), cursor.index(), &entry));
    if (entry.size() < kTimeSize)
      return Status::Corrupt(space->files().options().directory + ": a broken expiry index");
    if (TimeOfExpiryKey(entry) > now) break;
    ZKDB_RETURN_IF_ERROR(CheckEntry(space, trees.records, entry));
    PackDelete(RecordOfExpiryKey(entry), batch);
    ++count;
    ZKDB_RETURN_IF_ERROR(cursor.Next());
  }
  return Status::Ok();
}

// Calls the observers with the keys of packed deletes, in their order.
void TellRemoved(Slice batch, ExpiryObservers* observers) noexcept {
  if (!observers->any()) return;
  while (!batch.empty()) {
    const size_t key_size = Load16(batch.data + 2);
    observers->Tell(batch.Sub(ZKDB_OP_HEADER_SIZE, key_size));
    batch = batch.Sub(ZKDB_OP_HEADER_SIZE + key_size);
  }
}

}  // namespace

// One commit. *more: there may be others that have ended.
Status Engine::SweepBatch(uint32_t partition, uint64_t* removed, bool* more) {
  *more = false;
  Partition& p = *partitions_[partition];
  HeldLocks locks;
  locks.Take(writer_locks_[partition].get());
  ZKDB_RETURN_IF_ERROR(CheckWritable());
  ReadClock clock(env_);
  std::vector<uint8_t> bytes;
  ZKDB_RETURN_IF_ERROR(PackEnded(&p.space, p.working, clock.Now(), &bytes, more));
  if (bytes.empty()) return Status::Ok();
  Batch batch;
  ZKDB_RETURN_IF_ERROR(batch.ParseLogged({bytes.data(), bytes.size()}));
  for (Operation& op : batch.operations()) op.partition = partition;
  batch.Arrange();
  WriteResult result;
  uint64_t sequence = 0;
  ZKDB_RETURN_IF_ERROR(ApplyAndLog(&batch, &clock, &result, &sequence));
  locks.Release();
  // Before the commit is published: a later write of one of the keys is acknowledged, and told of, after this.
  TellRemoved({bytes.data(), bytes.size()}, &expiry_observers_);
  *removed += batch.operations().size();
  expired_.fetch_add(batch.operations().size(), std::memory_order_relaxed);
  return MakeDurable(LogOf(partition), sequence, ZKDB_DURABILITY_NONE);
}

// Other writers go on between two batches; a transaction ends the sweep when it does not end soon itself.
Status Engine::SweepPartition(uint32_t partition, uint64_t deadline_ms, uint64_t* removed) {
  for (bool more = partitions_[partition]->expiring.load(std::memory_order_relaxed) > 0; more;) {
    if (!gate_.EnterSharedWithin(kSweepWaitMs)) return Status::Ok();
    const SharedPass pass(&gate_, SharedPass::kEntered);
    ZKDB_RETURN_IF_ERROR(SweepBatch(partition, removed, &more));
    if (env_->MonotonicMs() >= deadline_ms) return Status::Ok();
  }
  return Status::Ok();
}

Status Engine::Sweep(uint64_t most_ms, uint64_t* removed) {
  *removed = 0;
  ZKDB_RETURN_IF_ERROR(CheckWritable());
  if (InTransaction()) return Status::Invalid("a transaction is open on this thread; end it before the sweep");
  const uint64_t now_ms = env_->MonotonicMs();
  const uint64_t deadline_ms = most_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + most_ms;
  // Each sweep begins with another partition, so that one that never ends does not keep the others. Taken once: another
  // sweep that runs at the same time must not make this one leave a partition out.
  const uint32_t first = sweep_first_.fetch_add(1, std::memory_order_relaxed);
  for (uint32_t i = 0; i < partition_count(); ++i) {
    ZKDB_RETURN_IF_ERROR(SweepPartition((first + i) % partition_count(), deadline_ms, removed));
    if (env_->MonotonicMs() >= deadline_ms) break;
  }
  return Status::Ok();
}

bool Engine::AnyExpiring() const {
  for (const auto& p : partitions_) {
    if (p->expiring.load(std::memory_order_relaxed) > 0) return true;
  }
  return false;
}

}  // namespace zkdb
