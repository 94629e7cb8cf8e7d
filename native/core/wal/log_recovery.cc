#include "core/wal/log_recovery.h"

#include <algorithm>

namespace zkdb {

Status ListLogNames(Env* env, const std::string& directory, LogNames* names) {
  *names = {};
  std::vector<std::string> all;
  ZKDB_RETURN_IF_ERROR(env->List(directory, &all));
  for (const std::string& name : all) {
    uint64_t number = 0;
    if (ParseLogFileName(name, &number)) names->files.push_back(number);
    if (ParseSpareFileName(name, &number)) names->spares.push_back(number);
  }
  std::sort(names->files.begin(), names->files.end());
  std::sort(names->spares.begin(), names->spares.end());
  return Status::Ok();
}

Status FindLogFile(Env* env, const std::string& directory, uint64_t number, FoundLogFile* out) {
  out->number = number;
  out->path = directory + "/" + LogFileName(number);
  ZKDB_RETURN_IF_ERROR(env->Open(out->path, OpenMode::kRead, &out->file));
  ZKDB_RETURN_IF_ERROR(out->file->Size(&out->length));
  std::vector<uint8_t> block(kLogHeaderSize);
  size_t got = 0;
  ZKDB_RETURN_IF_ERROR(out->file->Read(0, block.data(), block.size(), &got));
  bool intact = false;
  ZKDB_RETURN_IF_ERROR(DecodeLogFileHeader(out->path, Slice(block.data(), got), &out->header, &intact));
  out->intact = intact && out->header.number == number;
  out->last_sequence = out->header.previous_sequence;
  return Status::Ok();
}

namespace {

// Each header says what the partitions' files held for certain when it was written: the largest claim counts.
void MergePartitions(const std::vector<LogPartition>& claims, std::vector<LogPartition>* merged) {
  for (const LogPartition& claim : claims) {
    const auto same = [&](const LogPartition& p) { return p.uid == claim.uid; };
    const auto at = std::find_if(merged->begin(), merged->end(), same);
    if (at == merged->end()) {
      merged->push_back(claim);
    } else {
      at->checkpoint_sequence = std::max(at->checkpoint_sequence, claim.checkpoint_sequence);
    }
  }
}

}  // namespace

Status LogRecovery::Run() {
  ZKDB_RETURN_IF_ERROR(ListLogNames(env_, options_.directory, &names_));
  ZKDB_RETURN_IF_ERROR(FindFiles());
  ZKDB_RETURN_IF_ERROR(KeepFromCleanFile());
  ZKDB_RETURN_IF_ERROR(CheckNumbers());
  if (!files_.empty()) ZKDB_RETURN_IF_ERROR(CheckFirst());
  if (files_.empty()) return Status::Ok();
  summary_->partitions = Claims();
  summary_->first_previous = files_.front().header.previous_sequence;
  summary_->last_sequence = summary_->first_previous;
  ZKDB_RETURN_IF_ERROR(CheckBeginning());
  return ReplayFiles();
}

std::vector<LogPartition> LogRecovery::Claims() const {
  std::vector<LogPartition> claims;
  for (const FoundLogFile& file : files_) {
    if (file.intact) MergePartitions(file.header.partitions, &claims);
  }
  return claims;
}

// Files go only after a header says that checkpoints hold their records: the last one of those that went is held by the
// partition that it changed.
Status LogRecovery::CheckBeginning() const {
  uint64_t held = 0;
  for (const LogPartition& p : summary_->partitions) held = std::max(held, p.checkpoint_sequence);
  if (summary_->partitions.empty() || summary_->first_previous <= held) return Status::Ok();
  return Status::Corrupt("log files before '" + files_.front().path + "' are missing: it goes on after commit " +
                         std::to_string(summary_->first_previous) +
                         ", and no checkpoint holds that; bring the missing files back from a backup");
}

// Looks at the newest file first: behind a clean one nothing older is looked at.
Status LogRecovery::FindFiles() {
  for (size_t i = names_.files.size(); i-- > 0;) {
    FoundLogFile found;
    ZKDB_RETURN_IF_ERROR(FindLogFile(env_, options_.directory, names_.files[i], &found));
    if (found.intact && found.header.database_id != options_.database_id) {
      return {ZKDB_MISMATCH, "log file '" + found.path +
                                 "' belongs to another database; move it out of the directory, "
                                 "or bring back the files that belong to it"};
    }
    const bool anchor = found.intact && found.header.clean;
    files_.insert(files_.begin(), std::move(found));
    if (anchor) break;
  }
  return Status::Ok();
}

// A close that was interrupted leaves files which its clean file has made superfluous.
Status LogRecovery::KeepFromCleanFile() {
  const size_t superfluous = names_.files.size() - files_.size();
  for (size_t i = 0; i < superfluous; ++i) {
    ZKDB_RETURN_IF_ERROR(env_->Remove(options_.directory + "/" + LogFileName(names_.files[i])));
  }
  return superfluous > 0 ? env_->SyncDirectory(options_.directory) : Status::Ok();
}

Status LogRecovery::CheckNumbers() const {
  for (size_t i = 1; i < files_.size(); ++i) {
    const uint64_t expected = files_[i - 1].number + 1;
    if (files_[i].number == expected) continue;
    return Status::Corrupt("log file '" + options_.directory + "/" + LogFileName(expected) + "' is missing, but '" +
                           files_[i].path + "' is there; bring the missing file back from a backup");
  }
  return Status::Ok();
}

// The header of the first file is durable before older ones go, so it can be torn only in a log's very first file.
Status LogRecovery::CheckFirst() {
  FoundLogFile& first = files_.front();
  if (first.intact) return Status::Ok();
  uint64_t claim = 0;
  for (FoundLogFile& found : files_) ZKDB_RETURN_IF_ERROR(ClaimOfFile(&found, 0, &claim));
  if (first.number == 1 && claim == 0) return DropFrom(0);
  return Status::Corrupt("the header of log file '" + first.path + "' is damaged; restore the log from a backup");
}

Status LogRecovery::ReplayFiles() {
  bool last = false;
  for (size_t i = 0; !last; ++i) {
    uint64_t end = kLogHeaderSize;
    if (IsCleanEnd(i)) {
      summary_->clean = true;
      break;
    }
    ZKDB_RETURN_IF_ERROR(ReplayFile(i, &end));
    ZKDB_RETURN_IF_ERROR(AfterEnd(i, end, &last));
  }
  durable_claim_ = std::max(durable_claim_, files_.front().header.durable_sequence);
  return Status::Ok();
}

bool LogRecovery::IsCleanEnd(size_t index) const {
  const FoundLogFile& found = files_[index];
  return index + 1 == files_.size() && found.header.clean && found.length == kLogHeaderSize;
}

// Replays the records of a file until one is invalid or the next file's header says that it was not there when that
// file was begun. *end is where reading stopped.
Status LogRecovery::ReplayFile(size_t index, uint64_t* end) {
  FoundLogFile& found = files_[index];
  const bool bounded = index + 1 < files_.size() && files_[index + 1].intact;
  const uint64_t bound = bounded ? files_[index + 1].header.previous_sequence : UINT64_MAX;
  LogReader reader(found.file.get(), found.length, RecordSeed(found.header.salt, found.number));
  for (;;) {
    RecordHeader header;
    Slice payload;
    bool valid = false;
    ZKDB_RETURN_IF_ERROR(reader.ReadRecord(*end, &header, &payload, &valid));
    if (!valid || header.sequence > bound) break;
    if (header.previous != found.last_sequence) {
      return Status::Corrupt("log file '" + found.path + "' offset " + std::to_string(*end) + ": record " +
                             std::to_string(header.sequence) + " follows " + std::to_string(header.previous) +
                             ", not " + std::to_string(found.last_sequence) + "; restore the log from a backup");
    }
    ZKDB_RETURN_IF_ERROR(replay_({header.sequence, payload}));
    found.last_sequence = header.sequence;
    durable_claim_ = std::max(durable_claim_, header.durable);
    *end += RecordSpace(header.payload_size);
    summary_->last_sequence = header.sequence;
    summary_->records += 1;
    summary_->bytes += RecordSpace(header.payload_size);
  }
  return Status::Ok();
}

// Decides what the end of the records in a file means. *last: the log ends here.
Status LogRecovery::AfterEnd(size_t index, uint64_t end, bool* last) {
  const FoundLogFile& found = files_[index];
  const bool more = index + 1 < files_.size();
  if (more && files_[index + 1].intact) {
    const LogFileHeader& next = files_[index + 1].header;
    if (next.previous_sequence == found.last_sequence) {
      durable_claim_ = std::max(durable_claim_, next.durable_sequence);
      return Status::Ok();
    }
    if (next.previous_sequence < found.last_sequence) {
      return Status::Corrupt("log file '" + files_[index + 1].path + "' continues sequence " +
                             std::to_string(next.previous_sequence) + ", but the file before it begins after " +
                             std::to_string(found.last_sequence) + "; restore the log from a backup");
    }
  }
  *last = true;
  uint64_t claim = 0;
  ZKDB_RETURN_IF_ERROR(ClaimBeyond(index, end, &claim));
  if (claim > found.last_sequence) return DamageAt(found, end, claim);
  return more ? DropFrom(index + 1) : Status::Ok();
}

// Looks for anything valid after `end` which says that more than the last readable record was durable.
Status LogRecovery::ClaimBeyond(size_t index, uint64_t end, uint64_t* claim) {
  FoundLogFile& found = files_[index];
  const uint64_t last = found.last_sequence;
  LogReader reader(found.file.get(), found.length, RecordSeed(found.header.salt, found.number));
  ZKDB_RETURN_IF_ERROR(reader.FindClaim(end, last, claim));
  for (size_t i = index + 1; i < files_.size() && *claim <= last; ++i) {
    ZKDB_RETURN_IF_ERROR(ClaimOfFile(&files_[i], last, claim));
  }
  return Status::Ok();
}

// Raises *claim to what the header or a record of the file claims durable beyond `last`.
Status LogRecovery::ClaimOfFile(FoundLogFile* found, uint64_t last, uint64_t* claim) {
  if (found->intact) *claim = std::max(*claim, found->header.durable_sequence);
  if (*claim > last) return Status::Ok();
  LogReader reader(found->file.get(), found->length, RecordSeed(found->header.salt, found->number));
  ZKDB_RETURN_IF_ERROR(reader.FindClaim(kLogHeaderSize, last, claim));
  if (*claim > last || found->intact) return Status::Ok();
  return reader.FindClaimInChain(last, claim);
}

// Removes the files from `index` on, newest first.
Status LogRecovery::DropFrom(size_t index) {
  while (files_.size() > index) {
    const std::string path = files_.back().path;
    files_.pop_back();
    ZKDB_RETURN_IF_ERROR(env_->Remove(path));
    ZKDB_RETURN_IF_ERROR(env_->SyncDirectory(options_.directory));
  }
  return Status::Ok();
}

Status LogRecovery::DamageAt(const FoundLogFile& found, uint64_t offset, uint64_t claim) const {
  return Status::Corrupt("log file '" + found.path + "' offset " + std::to_string(offset) +
                         ": no valid record after sequence " + std::to_string(found.last_sequence) +
                         ", but a later one says that sequence " + std::to_string(claim) +
                         " was on stable storage; restore the log from a backup");
}

}  // namespace zkdb
