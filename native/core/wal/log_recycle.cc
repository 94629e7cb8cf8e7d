// Recycling files whose records are in a checkpoint, and the clean close.
#include "core/wal/log_writer.h"

namespace zkdb {

Status LogWriter::Recycle(uint64_t sequence) {
  std::lock_guard<std::mutex> one(recycle_mutex_);
  Lock lock(mutex_);
  ZKDB_RETURN_IF_ERROR(CheckUsable());
  for (; !marks_.empty() && marks_.front().sequence <= sequence; marks_.pop_front()) {
    recycled_bytes_ = marks_.front().bytes;
  }
  if (sequence >= last_sequence()) recycled_bytes_ = record_bytes_;
  const LogFile* current = files_.current().get();
  if (current != nullptr && current->last_sequence <= sequence && current->end > current->size / 2 &&
      !files_.clean_and_empty()) {
    begin_file_ = true;
  }
  if (!files_.OldestIsUnneeded(sequence)) return Status::Ok();
  bool claimed = true;
  if (claims_changed_) ZKDB_RETURN_IF_ERROR(WriteClaims(&lock, &claimed));
  if (!claimed) return Status::Ok();
  lock.unlock();
  ZKDB_RETURN_IF_ERROR(Sync(last_sequence()));
  return RetireFiles(sequence);
}

// Begins a file whose header says what the partitions have reached, and makes it durable: with the records that go, an
// older copy of a partition, or its older meta, would otherwise pass for the newest. *done false: the disk is full.
Status LogWriter::WriteClaims(Lock* lock, bool* done) {
  ZKDB_RETURN_IF_ERROR(AwaitTurn(lock, 0));
  pending_.Prepare(kLogHeaderSize);
  const Status begun = BeginFile(0);
  *done = begun.ok();
  if (begun.code() == ZKDB_NO_SPACE) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(begun);
  while (writing_ || !pending_.empty()) ZKDB_RETURN_IF_ERROR(WaitAndWrite(lock, false));
  while (syncing_) changed_.wait(*lock);
  ZKDB_RETURN_IF_ERROR(CheckUsable());
  return LeadSync(lock);
}

// Each name is durable before the next one changes. REQUIRES: recycle_mutex_.
Status LogWriter::RetireFiles(uint64_t sequence) {
  Lock lock(mutex_);
  while (failure_.ok() && files_.OldestIsUnneeded(sequence) && files_.OldestIsRetirable(durable_sequence())) {
    ZKDB_RETURN_IF_ERROR(files_.RetireOldest());
    const uint64_t names = files_.NamesToSync();
    lock.unlock();
    const Status status = SyncLogDirectory(env_, options_.directory);
    lock.lock();
    if (!status.ok()) return Latch(status);
    files_.NamesSynced(names);
  }
  return failure_;
}

Status LogWriter::CloseClean() {
  std::lock_guard<std::mutex> one(recycle_mutex_);
  Lock lock(mutex_);
  while (writing_ || syncing_) changed_.wait(lock);
  ZKDB_RETURN_IF_ERROR(CheckUsable());
  if (files_.clean_and_empty()) {
    closed_ = true;
    return Status::Ok();
  }
  LogFileHeader header;
  header.previous_sequence = header.durable_sequence = last_sequence();
  header.partitions = partitions_;
  bool failed = false;
  const Status status = files_.BeginClean(&header, &failed);
  if (failed) return Latch(status);
  ZKDB_RETURN_IF_ERROR(status);
  pending_.Clear();
  closed_ = true;
  written_ = last_sequence();
  durable_.store(written_, std::memory_order_release);
  recycled_bytes_ = record_bytes_;
  return files_.RemoveOthers();
}

}  // namespace zkdb
