// Appending, and the figures. log_commit.cc has writing and syncing, log_early.cc records that may be taken back,
// log_recycle.cc recycling and closing.
#include "core/wal/log_writer.h"

#include <algorithm>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/checksum.h"
#include "core/wal/log_limits.h"

namespace zkdb {
namespace {

constexpr uint64_t kMarkBytes = 64 << 10;

uint64_t TotalSize(const Slice* parts, size_t count) {
  uint64_t total = 0;
  for (size_t i = 0; i < count; ++i) total += parts[i].size;
  return total;
}

// Lays a record out at `to`, which has RecordSpace(header.payload_size) bytes.
void LayOut(RecordHeader header, uint32_t seed, const Slice* parts, size_t count, uint8_t* to) {
  uint8_t* at = to + kRecordHeaderSize;
  for (size_t i = 0; i < count; ++i) {
    if (parts[i].size > 0) std::memcpy(at, parts[i].data, parts[i].size);
    at += parts[i].size;
  }
  std::memset(at, 0, RecordSpace(header.payload_size) - static_cast<uint64_t>(at - to));
  EncodeRecordHeader(header, to);
  const uint8_t* begin = to + kRecordSizeOffset;
  Store32(to + kRecordCrcOffset, Crc32c(seed, begin, static_cast<size_t>(at - begin)));
}

}  // namespace

LogWriter::LogWriter(Env* env, const LogOptions& options)
    : env_(env),
      options_(options),
      files_(env, options_),
      bare_failure_(ZKDB_FAILED, "the log in '" + options_.directory + "' failed and takes no more writes until the " +
                                     "database is opened again; there was no memory for the cause") {}

void LogWriter::Continue(LogRecovery* recovery, const LogSummary& summary) {
  files_.Adopt(recovery, summary.clean);
  appended_ = written_ = summary.last_sequence;
  durable_ = summary.clean ? summary.last_sequence : recovery->durable_claim();
  // Not summary.partitions: what only a dropped file's header said must be written again before older files go.
  partitions_ = recovery->Claims();
  CountBytes(summary.last_sequence, summary.bytes);
}

Status LogWriter::CheckUsable() const {
  if (!failure_.ok()) return failure_;
  if (closed_) return {ZKDB_CLOSED, "the log in '" + options_.directory + "' is closed; open the database again"};
  return Status::Ok();
}

Status LogWriter::Append(std::atomic<uint64_t>* counter, const Slice* parts, size_t count, uint64_t* sequence) {
  const uint64_t payload = TotalSize(parts, count);
  if (payload > kMaxRecordPayload) {
    return {ZKDB_BATCH_TOO_LARGE, "a log record of " + std::to_string(payload) + " bytes is larger than " +
                                      std::to_string(kMaxRecordPayload) + "; split the batch"};
  }
  Lock lock(mutex_);
  if (RecordSpace(payload) > kLogBufferSize) return AppendLarge(&lock, counter, parts, count, payload, sequence);
  ZKDB_RETURN_IF_ERROR(AwaitTurn(&lock, kLogBufferSize - 1));
  return AppendBuffered(counter, parts, count, payload, sequence);
}

// Returns when no early record waits for its verdict and at most `most_pending` bytes wait to be written; with 0, when
// no write is under way either.
Status LogWriter::AwaitTurn(Lock* lock, size_t most_pending) {
  while (failure_.ok()) {
    const bool busy = most_pending == 0 && writing_;
    if (early_.file != nullptr) {
      changed_.wait(*lock);
    } else if (busy || pending_.size() > most_pending) {
      ZKDB_RETURN_IF_ERROR(WaitAndWrite(lock, false));
    } else {
      break;
    }
  }
  return CheckUsable();
}

// REQUIRES: AwaitTurn.
Status LogWriter::AppendBuffered(std::atomic<uint64_t>* counter, const Slice* parts, size_t count, uint64_t payload,
                                 uint64_t* sequence) {
  const uint64_t space = RecordSpace(payload);
  ZKDB_RETURN_IF_ERROR(MakeRoom(space));
  LogFile& file = *files_.current();
  uint8_t* to = pending_.Extend(files_.current(), file.end, space);
  RecordHeader header = NewHeader(payload);
  header.sequence = *sequence = TakeSequence(counter, space);
  LayOut(header, file.seed, parts, count, to);
  return Status::Ok();
}

// Makes sure of space for a record in the current file and in the buffer, beginning a file when it must.
Status LogWriter::MakeRoom(uint64_t space) {
  pending_.Prepare(kLogHeaderSize + std::min<uint64_t>(space, kLogBufferSize));
  if (!begin_file_ && files_.HasRoom(space)) return Status::Ok();
  if (files_.CanGrowCleanFile(space)) return files_.GrowCleanFile();
  return BeginFile(space);
}

// Begins a file for a record; its header goes to the buffer.
Status LogWriter::BeginFile(uint64_t space) {
  LogFileHeader header;
  header.previous_sequence = last_sequence();
  header.durable_sequence = durable_sequence();
  header.partitions = partitions_;
  bool names_failed = false;
  const Status status = files_.Begin(space, &header, &names_failed);
  if (names_failed) return Latch(status);
  ZKDB_RETURN_IF_ERROR(status);
  begin_file_ = false;
  claims_changed_ = false;
  EncodeLogFileHeader(header, pending_.Extend(files_.current(), 0, kLogHeaderSize));
  return Status::Ok();
}

RecordHeader LogWriter::NewHeader(uint64_t payload_size) const {
  RecordHeader header;
  header.payload_size = static_cast<uint32_t>(payload_size);
  header.previous = last_sequence();
  header.durable = durable_sequence();
  return header;
}

// REQUIRES: the record's place is reserved.
uint64_t LogWriter::TakeSequence(std::atomic<uint64_t>* counter, uint64_t space) {
  const uint64_t sequence = counter->fetch_add(1) + 1;
  ZKDB_ASSERT(sequence > last_sequence());
  LogFile& file = *files_.current();
  file.end += space;
  file.last_sequence = sequence;
  appended_.store(sequence, std::memory_order_release);
  CountBytes(sequence, space);
  return sequence;
}

void LogWriter::CountBytes(uint64_t sequence, uint64_t bytes) {
  record_bytes_ += bytes;
  const uint64_t marked = marks_.empty() ? recycled_bytes_ : marks_.back().bytes;
  if (record_bytes_ - marked < kMarkBytes) return;
  try {
    marks_.push_back({sequence, record_bytes_});
  } catch (const std::bad_alloc&) {
    // The next record makes up for it: marks only have to be close enough.
  }
}

// A record beyond the buffer's size goes to the file straight from the caller's memory.
Status LogWriter::AppendLarge(Lock* lock, std::atomic<uint64_t>* counter, const Slice* parts, size_t count,
                              uint64_t payload, uint64_t* sequence) {
  ZKDB_RETURN_IF_ERROR(AwaitTurn(lock, 0));
  const uint64_t space = RecordSpace(payload);
  ZKDB_RETURN_IF_ERROR(MakeRoom(space));
  std::vector<Slice> all(1);
  all.insert(all.end(), parts, parts + count);
  all.emplace_back();
  const std::shared_ptr<LogFile> file = files_.current();
  const uint64_t offset = file->end;
  RecordHeader header = NewHeader(payload);
  header.sequence = *sequence = TakeSequence(counter, space);
  BeginWrite();
  lock->unlock();
  Status status = WriteBuffer(in_flight_, false);
  if (status.ok()) status = WriteLarge(file.get(), offset, header, &all);
  lock->lock();
  file->unsynced = true;
  EndWrite(status);
  return failure_;
}

// `all`: the record's parts, with a place before them for its header and one behind them for padding.
Status LogWriter::WriteLarge(LogFile* file, uint64_t offset, RecordHeader header, std::vector<Slice>* all) try {
  static constexpr uint8_t kPadding[kRecordAlignment] = {};
  uint8_t block[kRecordHeaderSize];
  EncodeRecordHeader(header, block);
  header.crc = Crc32c(file->seed, block + kRecordSizeOffset, sizeof block - kRecordSizeOffset);
  all->front() = Slice(block, sizeof block);
  for (size_t i = 1; i + 1 < all->size(); ++i) header.crc = Crc32c(header.crc, (*all)[i].data, (*all)[i].size);
  Store32(block + kRecordCrcOffset, header.crc);
  const uint64_t space = RecordSpace(header.payload_size);
  all->back() = Slice(kPadding, space - kRecordHeaderSize - header.payload_size);
  file->written_up_to = std::max(file->written_up_to, offset + space);
  return file->file->Write(offset, all->data(), all->size());
} catch (const std::bad_alloc&) {
  return Status::NoMemory();
}

void LogWriter::SetPartitions(std::vector<LogPartition> partitions) {
  ZKDB_ASSERT(partitions.size() <= kLogMaxPartitions);
  Lock lock(mutex_);
  const auto same = [](const LogPartition& a, const LogPartition& b) {
    return a.uid == b.uid && a.checkpoint_sequence == b.checkpoint_sequence;
  };
  claims_changed_ |= !std::equal(partitions.begin(), partitions.end(), partitions_.begin(), partitions_.end(), same);
  partitions_ = std::move(partitions);
}

bool LogWriter::failed() const {
  Lock lock(mutex_);
  return !failure_.ok();
}

uint64_t LogWriter::bytes_since_recycle() const {
  Lock lock(mutex_);
  return record_bytes_ - recycled_bytes_;
}

uint64_t LogWriter::file_count() const {
  Lock lock(mutex_);
  return files_.files().size();
}

uint64_t LogWriter::memory_bytes() const {
  Lock lock(mutex_);
  return pending_.capacity() + in_flight_.capacity() + marks_.size() * sizeof(Mark) + sizeof(*this);
}

}  // namespace zkdb
