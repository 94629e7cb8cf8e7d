#include "tool/salvage_log.h"

#include <algorithm>

#include "core/wal/log_recovery.h"

namespace zkdb {
namespace {

// Bytes that a search for the next record may sum up beyond four lengths of the file.
constexpr uint64_t kSearchBudget = 64u << 20;

}  // namespace

Status SalvageLog::Open() {
  LogNames names;
  if (!env_->Exists(directory_) || !ListLogNames(env_, directory_, &names).ok()) {
    finding_(directory_ + ": the directory of the log is missing");
    return Status::Ok();
  }
  if (names.files.empty()) finding_(directory_ + ": there is no log file");
  for (uint64_t number : names.files) ZKDB_RETURN_IF_ERROR(OpenFile(number));
  DropForeign();
  return Status::Ok();
}

Status SalvageLog::OpenFile(uint64_t number) {
  LogFile found;
  found.number = number;
  const std::string path = directory_ + "/" + LogFileName(number);
  ZKDB_RETURN_IF_ERROR(env_->Open(path, OpenMode::kRead, &found.file));
  ZKDB_RETURN_IF_ERROR(found.file->Size(&found.length));
  std::vector<uint8_t> block(kLogHeaderSize);
  size_t got = 0;
  ZKDB_RETURN_IF_ERROR(found.file->Read(0, block.data(), block.size(), &got));
  const Status decoded = DecodeLogFileHeader(path, Slice(block.data(), got), &found.header, &found.intact);
  found.intact &= decoded.ok() && found.header.number == number;
  found.blank = std::all_of(block.begin(), block.end(), [](uint8_t b) { return b == 0; });
  if (!found.intact) {
    // What can be read of it is tried: the checksums of the records tell whether it was right.
    found.header = LogFileHeader{};
    found.header.salt = Load32(block.data() + kLogSaltOffset);
    std::memcpy(found.header.database_id.data(), block.data() + kLogDatabaseIdOffset, found.header.database_id.size());
    if (!found.blank) finding_("log file '" + path + "': the header is damaged");
  }
  files_.push_back(std::move(found));
  return Status::Ok();
}

void SalvageLog::DropForeign() {
  DatabaseId id{};
  if (!FindDatabaseId(&id)) return;
  std::erase_if(files_, [&](const LogFile& file) {
    if (!file.intact || file.header.database_id == id) return false;
    finding_("log file '" + file.file->path() + "' belongs to another database: nothing is taken of it");
    return true;
  });
}

bool SalvageLog::FindDatabaseId(DatabaseId* id) const {
  const auto newest = std::find_if(files_.rbegin(), files_.rend(), [](const LogFile& file) { return file.intact; });
  if (newest == files_.rend()) return false;
  *id = newest->header.database_id;
  return true;
}

bool SalvageLog::GuessDatabaseId(DatabaseId* id) const {
  if (FindDatabaseId(id)) return true;
  const auto newest = std::find_if(files_.rbegin(), files_.rend(), [](const LogFile& file) { return !file.blank; });
  if (newest == files_.rend()) return false;
  *id = newest->header.database_id;
  return true;
}

uint64_t SalvageLog::CheckpointOf(uint64_t uid) const {
  uint64_t sequence = 0;
  for (const LogFile& file : files_) {
    for (const LogPartition& p : file.header.partitions) {
      if (p.uid == uid) sequence = std::max(sequence, p.checkpoint_sequence);
    }
  }
  return sequence;
}

uint64_t SalvageLog::bytes() const {
  uint64_t n = 0;
  for (const LogFile& file : files_) n += file.length;
  return n;
}

// ---- records --------------------------------------------------------------------------------------------------------

Status SalvageLog::Replay(uint64_t from, uint64_t reached,
                          const std::function<Status(uint64_t sequence, Slice payload)>& replay,
                          const std::function<Status(uint64_t bytes)>& tick) {
  from_ = from;
  reached_ = reached;
  replay_ = &replay;
  bool ended = false;
  for (size_t i = 0; i < files_.size() && !ended; ++i) {
    if (files_[i].intact) Begin(files_[i], kLogHeaderSize, files_[i].header.previous_sequence);
    ZKDB_RETURN_IF_ERROR(ReplayFile(i, &ended));
    ZKDB_RETURN_IF_ERROR(tick(files_[i].length));
  }
  if (!files_.empty() && claimed_ > last_) TellGap(files_.back(), files_.back().length, claimed_);
  return Status::Ok();
}

// The log begins after commit `previous`. A partition holds that commit, or files before this one are lost.
void SalvageLog::Begin(const LogFile& file, uint64_t offset, uint64_t previous) {
  if (begun_) return;
  begun_ = true;
  if (previous > reached_) TellGap(file, offset, previous);
  last_ = previous;
}

// *ended: the log ends in this file.
Status SalvageLog::ReplayFile(size_t index, bool* ended) {
  const LogFile& file = files_[index];
  const bool bounded = index + 1 < files_.size() && files_[index + 1].intact;
  const uint64_t bound = bounded ? files_[index + 1].header.previous_sequence : UINT64_MAX;
  LogReader reader = file.Reader();
  uint64_t offset = kLogHeaderSize;
  for (;;) {
    RecordHeader header;
    Slice payload;
    bool valid = false;
    ZKDB_RETURN_IF_ERROR(reader.ReadRecord(offset, &header, &payload, &valid));
    if (valid && header.sequence > bound) return Status::Ok();
    if (valid) {
      ZKDB_RETURN_IF_ERROR(ReplayRecord(file, offset, header, payload));
      offset += RecordSpace(header.payload_size);
      continue;
    }
    if (bounded && bound == last_) return Status::Ok();
    ZKDB_RETURN_IF_ERROR(FindMore(index, offset, ended));
    *ended = !*ended;
    if (*ended) return Status::Ok();
    bool found = false;
    ZKDB_RETURN_IF_ERROR(FindNext(file, &offset, &found));
    if (!found) return Status::Ok();
  }
}

Status SalvageLog::ReplayRecord(const LogFile& file, uint64_t offset, const RecordHeader& header, Slice payload) {
  Begin(file, offset, header.previous);
  if (header.sequence <= last_) return Status::Ok();
  if (header.previous != last_) TellGap(file, offset, header.previous);
  last_ = header.sequence;
  return (*replay_)(header.sequence, payload);
}

void SalvageLog::TellGap(const LogFile& file, uint64_t offset, uint64_t until) {
  if (until <= from_) return;
  ++result_->log_gaps;
  finding_("log file '" + file.file->path() + "' offset " + std::to_string(offset) + ": commits after " +
           std::to_string(std::max(last_, from_)) + " and up to " + std::to_string(until) + " are lost");
}

// Whether something valid from `offset` on says that commits after the last one were on stable storage.
Status SalvageLog::FindMore(size_t index, uint64_t offset, bool* more) {
  uint64_t claim = 0;
  for (size_t i = index; i < files_.size() && claim <= last_; ++i) {
    const LogFile& file = files_[i];
    if (i > index && file.intact) claim = std::max(claim, file.header.durable_sequence);
    LogReader reader = file.Reader();
    const Status status = reader.FindClaim(i == index ? offset : kLogHeaderSize, last_, &claim);
    // Too many bytes that look like records: what can be read of them is taken.
    if (status.code() == ZKDB_CORRUPT) claim = UINT64_MAX;
    if (!status.ok() && status.code() != ZKDB_CORRUPT) return status;
  }
  *more = claim > last_;
  if (claim != UINT64_MAX) claimed_ = std::max(claimed_, claim);
  return Status::Ok();
}

// Moves *offset to the next valid record of the file that is of a later commit.
Status SalvageLog::FindNext(const LogFile& file, uint64_t* offset, bool* found) {
  LogReader reader = file.Reader();
  uint64_t budget = kSearchBudget + 4 * file.length;
  *found = false;
  for (uint64_t at = *offset + kRecordAlignment; at + kRecordHeaderSize <= file.length; at += kRecordAlignment) {
    RecordHeader header;
    Slice payload;
    ZKDB_RETURN_IF_ERROR(reader.ReadRecord(at, &header, &payload, found));
    if (*found && header.sequence > last_) {
      *offset = at;
      return Status::Ok();
    }
    *found = false;
    const uint64_t tried = IsPlausible(header, file.length - at) ? header.payload_size : 0;
    if (tried > budget) return Status::Ok();
    budget -= tried;
  }
  return Status::Ok();
}

}  // namespace zkdb
