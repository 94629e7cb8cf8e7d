#include "core/wal/log_file_set.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/wal/log_limits.h"

namespace zkdb {
namespace {

std::shared_ptr<LogFile> FromFound(FoundLogFile* found) {
  auto file = std::make_shared<LogFile>();
  file->number = found->number;
  file->path = found->path;
  file->file = std::move(found->file);
  file->size = found->length;
  file->end = kLogHeaderSize;
  file->last_sequence = found->last_sequence;
  file->seed = RecordSeed(found->header.salt, found->number);
  return file;
}

}  // namespace

// Records beyond the durable claim may lie in the page cache only: their files are synced with the next sync.
void LogFileSet::Adopt(LogRecovery* recovery, bool clean) {
  for (FoundLogFile& found : recovery->files()) {
    files_.push_back(FromFound(&found));
    LogFile& file = *files_.back();
    file.unsynced = !clean && (&found == &recovery->files().back() || file.last_sequence > recovery->durable_claim());
    file.header_durable = !file.unsynced;
    if (file.unsynced) names_changed_ = names_synced_ + 1;
  }
  for (const uint64_t number : recovery->spares()) old_spares_.push_back(PathOf(SpareFileName(number)));
  // A file of an older version takes no records that its readers would not know.
  if (!clean || recovery->files().back().header.version < kLogVersion) return;
  current_ = files_.back();
  current_->written_up_to = kLogHeaderSize;
  clean_and_empty_ = true;
}

// The header of a clean file is durable and stays: the file only gets the length that its header names.
Status LogFileSet::GrowCleanFile() {
  std::unique_ptr<File> file;
  ZKDB_RETURN_IF_ERROR(env_->Open(current_->path, OpenMode::kReadWrite, &file));
  ZKDB_RETURN_IF_ERROR(file->Allocate(0, options_.file_size));
  current_->file = std::move(file);
  current_->size = options_.file_size;
  clean_and_empty_ = false;
  return Status::Ok();
}

Status LogFileSet::Begin(uint64_t space, LogFileHeader* header, bool* names_failed) {
  if (names_unsynced()) {
    const Status status = SyncNames();
    *names_failed = !status.ok();
    ZKDB_RETURN_IF_ERROR(status);
  }
  auto file = std::make_shared<LogFile>();
  file->number = next_number();
  const uint64_t needed = kLogHeaderSize + space;
  file->size = needed <= options_.file_size ? options_.file_size : RoundUp(needed, kLogBlock);
  header->number = file->number;
  Describe(header, file->size);
  file->end = kLogHeaderSize;
  file->last_sequence = header->previous_sequence;
  file->seed = RecordSeed(header->salt, file->number);
  const std::string path = PathOf(LogFileName(file->number));
  // Last: when there is a file there is no failure behind it.
  files_.push_back(file);
  Status opened;
  try {
    opened = OpenNew(path, file.get());
  } catch (const std::bad_alloc&) {
    opened = Status::NoMemory();
  }
  if (!opened.ok()) files_.pop_back();
  ZKDB_RETURN_IF_ERROR(opened);
  current_ = std::move(file);
  clean_and_empty_ = false;
  return Status::Ok();
}

// A spare that a crash left may hold the header and the records of a file that was being made of it when the crash took
// the new name back. Under that name again it would bring them back: it is never used.
Status LogFileSet::RemoveOldSpares() {
  for (; !old_spares_.empty(); old_spares_.pop_back()) {
    ZKDB_RETURN_IF_ERROR(env_->Remove(old_spares_.back()));
    ++names_changed_;
  }
  return Status::Ok();
}

// Opens the file under its new name, from a spare when its size is the usual one, with its space allocated.
Status LogFileSet::OpenNew(const std::string& path, LogFile* file) {
  ZKDB_RETURN_IF_ERROR(RemoveOldSpares());
  const bool reuse = !spares_.empty() && file->size == options_.file_size;
  const Spare spare = reuse ? spares_.back() : Spare{};
  if (reuse) ZKDB_RETURN_IF_ERROR(env_->Rename(spare.path, path));
  bool there = reuse;
  Status status;
  try {
    file->path = path;
    status = env_->Open(path, reuse ? OpenMode::kReadWrite : OpenMode::kCreateExclusive, &file->file);
    there |= status.ok();
    if (status.ok()) status = file->file->Allocate(0, file->size);
  } catch (const std::bad_alloc&) {
    status = Status::NoMemory();
  }
  if (!status.ok()) {
    file->file.reset();
    if (reuse) {
      ZKDB_RETURN_IF_ERROR(env_->Rename(path, spare.path));
    } else if (there) {
      ZKDB_RETURN_IF_ERROR(env_->Remove(path));
    }
    return status;
  }
  if (reuse) spares_.pop_back();
  file->written_up_to = spare.written_up_to;
  ++names_changed_;
  return Status::Ok();
}

void LogFileSet::Describe(LogFileHeader* header, uint64_t size) {
  header->database_id = options_.database_id;
  header->file_size = size;
  env_->Random(&header->salt, sizeof header->salt);
}

Status SyncLogDirectory(Env* env, const std::string& directory) try {
  return env->SyncDirectory(directory);
} catch (const std::bad_alloc&) {
  return Status::NoMemory();
}

Status LogFileSet::SyncNames() {
  const uint64_t changed = names_changed_;
  ZKDB_RETURN_IF_ERROR(SyncLogDirectory(env_, options_.directory));
  NamesSynced(changed);
  return Status::Ok();
}

void LogFileSet::NamesSynced(uint64_t changed) { names_synced_ = std::max(names_synced_, changed); }

bool LogFileSet::OldestIsUnneeded(uint64_t sequence) const {
  return files_.size() > 1 && files_.front()->last_sequence <= sequence;
}

bool LogFileSet::OldestIsRetirable(uint64_t durable) const {
  return files_.size() > 1 && files_[0]->last_sequence <= durable && !files_[0]->unsynced && files_[1]->header_durable;
}

Status LogFileSet::RetireOldest() {
  ZKDB_ASSERT(files_.size() > 1 && files_.front() != current_);
  const LogFile& oldest = *files_.front();
  if (oldest.size == options_.file_size && spares_.size() < kMaxSpares) {
    spares_.reserve(spares_.size() + 1);
    Spare spare = {PathOf(SpareFileName(oldest.number)), oldest.written_up_to};
    ZKDB_RETURN_IF_ERROR(env_->Rename(oldest.path, spare.path));
    spares_.push_back(std::move(spare));
  } else {
    ZKDB_RETURN_IF_ERROR(env_->Remove(oldest.path));
  }
  files_.pop_front();
  ++names_changed_;
  return Status::Ok();
}

// Opens a new file of a header block's size with its space allocated.
Status LogFileSet::OpenClean(LogFile* file) {
  file->number = next_number();
  file->path = PathOf(LogFileName(file->number));
  file->size = file->end = file->written_up_to = kLogHeaderSize;
  ZKDB_RETURN_IF_ERROR(env_->Open(file->path, OpenMode::kCreateExclusive, &file->file));
  const Status allocated = file->file->Allocate(0, kLogHeaderSize);
  if (allocated.ok()) return Status::Ok();
  file->file.reset();
  ZKDB_RETURN_IF_ERROR(env_->Remove(file->path));
  return allocated;
}

Status LogFileSet::BeginClean(LogFileHeader* header, bool* failed) {
  *failed = false;
  auto file = std::make_shared<LogFile>();
  ZKDB_RETURN_IF_ERROR(OpenClean(file.get()));
  header->number = file->number;
  header->clean = true;
  Describe(header, options_.file_size);
  file->last_sequence = header->previous_sequence;
  file->seed = RecordSeed(header->salt, file->number);
  std::vector<uint8_t> block(kLogHeaderSize);
  EncodeLogFileHeader(*header, block.data());
  ++names_changed_;
  *failed = true;
  ZKDB_RETURN_IF_ERROR(file->file->Write(0, Slice(block.data(), block.size())));
  ZKDB_RETURN_IF_ERROR(file->file->Sync());
  ZKDB_RETURN_IF_ERROR(SyncNames());
  *failed = false;
  file->header_durable = true;
  files_.push_back(file);
  current_ = std::move(file);
  clean_and_empty_ = true;
  return Status::Ok();
}

// Behind a clean file the order of removals does not matter.
Status LogFileSet::RemoveOthers() {
  if (files_.size() == 1 && spares_.empty() && old_spares_.empty()) return Status::Ok();
  ++names_changed_;
  ZKDB_RETURN_IF_ERROR(RemoveOldSpares());
  for (; files_.size() > 1; files_.pop_front()) ZKDB_RETURN_IF_ERROR(env_->Remove(files_.front()->path));
  for (; !spares_.empty(); spares_.pop_back()) ZKDB_RETURN_IF_ERROR(env_->Remove(spares_.back().path));
  return SyncNames();
}

}  // namespace zkdb
