// Early records: logged before what they describe is done, so that both go on side by side, and taken back when it
// fails.
#include <algorithm>
#include <array>

#include "core/base/assert.h"
#include "core/wal/log_limits.h"
#include "core/wal/log_writer.h"

namespace zkdb {

Status LogWriter::AppendEarly(std::atomic<uint64_t>* counter, Slice record, uint64_t* sequence) {
  ZKDB_ASSERT(RecordSpace(record.size) <= kLogEarlyLimit);
  Lock lock(mutex_);
  ZKDB_RETURN_IF_ERROR(AwaitTurn(&lock, kLogBufferSize - 1));
  const uint64_t sequence_before = last_sequence();
  ZKDB_RETURN_IF_ERROR(AppendBuffered(counter, &record, 1, record.size, sequence));
  const std::shared_ptr<LogFile>& file = files_.current();
  early_ = {file, file->end - RecordSpace(record.size), sequence_before};
  return Status::Ok();
}

void LogWriter::Accept() {
  const Lock lock(mutex_);
  early_ = {};
  changed_.notify_all();
}

Status LogWriter::Reject() {
  Lock lock(mutex_);
  try {
    while (failure_.ok() && (writing_ || syncing_ || !pending_.empty())) {
      if (syncing_) {
        changed_.wait(lock);
      } else {
        static_cast<void>(WaitAndWrite(&lock, false).ok());  // failure_ keeps a failure
      }
    }
    if (failure_.ok()) EraseRecord(&lock);
  } catch (const std::bad_alloc&) {
    LatchQuietly(Status::NoMemory());
  }
  early_ = {};
  changed_.notify_all();
  return failure_;
}

// Overwrites the early record's header and makes that durable: the log ends before it. What is left of its payload is
// covered by no checksum.
void LogWriter::EraseRecord(Lock* lock) {
  static constexpr std::array<uint8_t, kRecordHeaderSize> kBlank{};
  LogFile& file = *early_.file;
  writing_ = syncing_ = true;
  lock->unlock();
  Status status;
  try {
    status = file.file->Write(early_.offset, Slice(kBlank.data(), kBlank.size()));
    if (status.ok()) status = file.file->Sync();
  } catch (const std::bad_alloc&) {
    status = Status::NoMemory();
  }
  lock->lock();
  writing_ = syncing_ = false;
  if (!status.ok()) return LatchQuietly(status);
  file.end = early_.offset;
  file.last_sequence = early_.sequence_before;
  appended_.store(early_.sequence_before, std::memory_order_release);
  written_ = std::min(written_, early_.sequence_before);
  durable_.store(std::min(durable_sequence(), early_.sequence_before), std::memory_order_release);
}

}  // namespace zkdb
