// Group commit: a leader writes what all have appended, and one sync covers it.
#include <array>

#include "core/wal/log_limits.h"
#include "core/wal/log_writer.h"

namespace zkdb {
namespace {

constexpr size_t kZeroChunk = 64 << 10;
constexpr size_t kMaxZeroParts = (kLogZeroAhead + kLogBlock) / kZeroChunk + 1;
alignas(kLogBlock) const std::array<uint8_t, kZeroChunk> kZeros{};

// Fills `parts` with the zeros for [from, to); returns how many.
size_t ZeroParts(uint64_t from, uint64_t to, Slice* parts) {
  size_t count = 0;
  for (; from < to; from += parts[count++].size) {
    parts[count] = Slice(kZeros.data(), std::min<uint64_t>(kZeroChunk, to - from));
  }
  return count;
}

}  // namespace

Status LogWriter::Flush(uint64_t sequence) {
  Lock lock(mutex_);
  // A record that is waited for may be rejected meanwhile.
  while (written_ < std::min(sequence, last_sequence())) ZKDB_RETURN_IF_ERROR(WaitAndWrite(&lock, false));
  return failure_;
}

Status LogWriter::Sync(uint64_t sequence) {
  Lock lock(mutex_);
  sequence = std::min(sequence, last_sequence());
  for (;;) {
    if (!failure_.ok()) return failure_;
    if (durable_sequence() >= sequence) return Status::Ok();
    if (!syncing_) break;
    changed_.wait(lock);
  }
  return LeadSync(&lock);
}

// SyncOnce as the one that syncs. Without memory in the middle of it nobody knows what is synced: the log has failed.
Status LogWriter::LeadSync(Lock* lock) {
  syncing_ = true;
  Status status;
  try {
    status = SyncOnce(lock);
  } catch (const std::bad_alloc&) {
    if (!lock->owns_lock()) lock->lock();
    status = Status::NoMemory();
    LatchQuietly(status);
  }
  syncing_ = false;
  changed_.notify_all();
  return status;
}

// Waits for the write under way, or writes what is pending. `ahead`: with zeros ahead, for a sync that follows.
Status LogWriter::WaitAndWrite(Lock* lock, bool ahead) {
  if (!failure_.ok()) return failure_;
  if (writing_) {
    changed_.wait(*lock);
    return failure_;
  }
  if (pending_.empty()) return Status::Ok();
  BeginWrite();
  lock->unlock();
  const Status status = WriteBuffer(in_flight_, ahead);
  lock->lock();
  EndWrite(status);
  return failure_;
}

// Takes the pending bytes over. REQUIRES: no write under way.
void LogWriter::BeginWrite() {
  writing_ = true;
  pending_.Swap(&in_flight_);
  write_target_ = last_sequence();
}

void LogWriter::EndWrite(const Status& status) {
  writing_ = false;
  for (const LogBuffer::Piece& piece : in_flight_.pieces()) piece.file->unsynced = true;
  in_flight_.Clear();
  if (status.ok()) {
    written_ = write_target_;
  } else {
    LatchQuietly(status);
  }
  changed_.notify_all();
}

Status LogWriter::WriteBuffer(const LogBuffer& buffer, bool ahead) try {
  for (const LogBuffer::Piece& piece : buffer.pieces()) {
    ZKDB_RETURN_IF_ERROR(WritePiece(piece.file.get(), piece.offset, buffer.BytesOf(piece), ahead));
  }
  return Status::Ok();
} catch (const std::bad_alloc&) {
  return Status::NoMemory();
}

Status LogWriter::WritePiece(LogFile* file, uint64_t offset, Slice bytes, bool ahead) {
  std::array<Slice, 1 + kMaxZeroParts> parts;
  parts[0] = bytes;
  size_t count = 1;
  uint64_t end = offset + bytes.size;
  if (ahead && bytes.size < kLogZeroAheadBelow && end > file->written_up_to) {
    const uint64_t to = std::min(RoundUp(end + kLogZeroAhead, kLogBlock), file->size);
    count += ZeroParts(end, to, &parts[1]);
    end = std::max(end, to);
  }
  file->written_up_to = std::max(file->written_up_to, end);
  return file->file->Write(offset, parts.data(), count);
}

// Writes what is pending and syncs every file written to. REQUIRES: syncing_ is ours.
Status LogWriter::SyncOnce(Lock* lock) {
  const uint64_t goal = last_sequence();
  while (written_ < goal) ZKDB_RETURN_IF_ERROR(WaitAndWrite(lock, true));
  const uint64_t target = written_;
  const uint64_t names = files_.NamesToSync();
  const bool sync_names = files_.names_unsynced();
  to_sync_.clear();
  try {
    to_sync_.reserve(files_.files().size());
  } catch (const std::bad_alloc&) {
    return Status::NoMemory();  // nothing is lost: the next sync covers the same files
  }
  for (const auto& file : files_.files()) {
    if (!file->unsynced) continue;
    file->unsynced = false;
    to_sync_.push_back(file);
  }
  lock->unlock();
  const Status status = SyncFiles(sync_names);
  lock->lock();
  syncs_.fetch_add(1, std::memory_order_relaxed);
  if (!status.ok()) return Latch(status);
  Publish(target, names);
  return failure_;
}

// Names before contents, older files before newer ones: after a failure in between, a prefix of the log is durable.
Status LogWriter::SyncFiles(bool names) {
  if (names) ZKDB_RETURN_IF_ERROR(env_->SyncDirectory(options_.directory));
  for (const auto& file : to_sync_) ZKDB_RETURN_IF_ERROR(file->file->Sync());
  return Status::Ok();
}

void LogWriter::Publish(uint64_t target, uint64_t names) {
  files_.NamesSynced(names);
  for (const auto& file : to_sync_) file->header_durable = true;
  to_sync_.clear();
  if (target > durable_sequence()) durable_.store(target, std::memory_order_release);
}

// Keeps the first failure; from now on every call gives it.
Status LogWriter::Latch(const Status& cause) {
  LatchQuietly(cause);
  return failure_;
}

// The same without an exception, whatever happens.
void LogWriter::LatchQuietly(const Status& cause) noexcept {
  changed_.notify_all();
  if (!failure_.ok()) return;
  try {
    failure_ = {ZKDB_FAILED, "the log in '" + options_.directory + "' failed and takes no more writes until the " +
                                 "database is opened again; the cause: " + cause.message()};
  } catch (const std::bad_alloc&) {
    failure_ = std::move(bare_failure_);
  }
}

}  // namespace zkdb
