#include "tool/salvage.h"

#include <algorithm>
#include <set>

#include "core/txn/batch.h"
#include "tool/salvage_log.h"
#include "tool/salvage_tree.h"
#include "tool/salvage_writer.h"

namespace zkdb {
namespace {

class Salvager {
 public:
  Salvager(Env* env, const SalvageFinding& finding, const Progress& progress, zkdb_salvage_result* result)
      : env_(env), progress_(progress), result_(result) {
    finding_ = [this, finding](const std::string& text) {
      ++result_->findings;
      if (finding) finding(text);
    };
    tick_ = [this](uint64_t bytes) { return Tick(bytes); };
  }

  Status Run(const std::string& source, const std::string& destination);

 private:
  struct Part {
    std::unique_ptr<SalvagePages> pages;
    uint64_t uid = 0;
    uint64_t sequence = 0;
  };

  Status LoadConfiguration(const std::string& source);
  Status ProbeLocks();
  std::string LogDirectory(size_t log) const {
    return config_.isolated ? config_.partitions[log].log_directory : config_.log_directory;
  }
  size_t LogCount() const { return config_.isolated ? config_.partitions.size() : 1; }
  size_t LogOf(size_t partition) const { return config_.isolated ? partition : 0; }
  Status OpenLogs();
  Status OpenPartition(size_t index);
  Status SalvageFiles();
  Status SalvagePartition(Part* part);
  Status ReplayLog(size_t log);
  Status ReplayRecord(uint64_t sequence, Slice payload);
  Status ReplayGroup(uint64_t sequence, uint64_t uid, Slice operations, bool* used);
  Status Tick(uint64_t bytes);

  Env* env_;
  SalvageFinding finding_;
  std::function<Status(uint64_t)> tick_;
  const Progress& progress_;
  zkdb_salvage_result* result_;
  DatabaseConfig config_;
  std::vector<std::unique_ptr<SalvageLog>> logs_;
  bool has_database_id_ = false;
  DatabaseId database_id_{};
  std::vector<Part> parts_;
  std::set<uint64_t> unknown_uids_;
  SalvageWriter writer_;
  uint64_t done_ = 0;   // bytes
  uint64_t total_ = 0;  // bytes
};

Status Salvager::Tick(uint64_t bytes) {
  done_ += bytes;
  if (progress_ && !progress_(std::min(done_, total_), total_))
    return {ZKDB_ABORTED, "the salvage was stopped; what it wrote is incomplete"};
  return Status::Ok();
}

Status Salvager::LoadConfiguration(const std::string& source) {
  std::vector<std::string> names;
  const bool is_directory = env_->List(source, &names).ok();
  const std::string file = is_directory ? source + "/zkdb.conf" : source;
  if (!env_->Exists(file)) {
    return {ZKDB_MISSING, file +
                              ": there is no such configuration; a salvage needs it to know the partitions, so bring "
                              "it back or write it anew"};
  }
  ZKDB_RETURN_IF_ERROR(LoadConfig(env_, file, {}, &config_));
  for (const PartitionConfig& p : config_.partitions) {
    if (p.is_remote)
      return {ZKDB_REMOTE, config_.file + ": [" + p.name + "] is remote; salvage it where its files are"};
  }
  return Status::Ok();
}

// Reading files that change meanwhile would give a state that never was.
Status Salvager::ProbeLocks() {
  for (size_t i = 0; i < LogCount(); ++i) ZKDB_RETURN_IF_ERROR(env_->ProbeLock(LogDirectory(i) + "/zkdb.lock"));
  return Status::Ok();
}

Status Salvager::OpenLogs() {
  for (size_t i = 0; i < LogCount(); ++i) {
    logs_.push_back(std::make_unique<SalvageLog>(env_, LogDirectory(i), finding_, result_));
    ZKDB_RETURN_IF_ERROR(logs_.back()->Open());
    if (!has_database_id_) has_database_id_ = logs_.back()->FindDatabaseId(&database_id_);
    total_ += logs_.back()->bytes();
  }
  return Status::Ok();
}

Status Salvager::OpenPartition(size_t index) {
  const PartitionConfig& config = config_.partitions[index];
  SalvageIdentity identity;
  identity.directory = config.directory;
  identity.has_database_id = has_database_id_;
  identity.database_id = database_id_;
  identity.segment_size = config_.segment_size;
  DatabaseId guessed = database_id_;
  if (has_database_id_ || logs_[LogOf(index)]->GuessDatabaseId(&guessed))
    identity.uid = PartitionUid(guessed, config.name);
  identity.needed_sequence = logs_[LogOf(index)]->CheckpointOf(identity.uid);
  Part part;
  part.pages = std::make_unique<SalvagePages>(env_, identity, finding_);
  ZKDB_RETURN_IF_ERROR(part.pages->Open());
  part.uid = part.pages->uid();
  part.sequence = part.pages->sequence();
  const auto same = [&](const Part& other) { return other.uid == part.uid && part.uid != 0; };
  if (std::any_of(parts_.begin(), parts_.end(), same)) {
    finding_(config.directory + ": holds the files of another partition too: nothing is taken of them");
    part = Part{};
  }
  if (part.pages != nullptr) total_ += 2 * part.pages->bytes();
  parts_.push_back(std::move(part));
  return Status::Ok();
}

Status Salvager::SalvagePartition(Part* part) {
  if (part->pages == nullptr) return Status::Ok();
  const uint64_t end = done_ + 2 * part->pages->bytes();
  ZKDB_RETURN_IF_ERROR(part->pages->Look(tick_));
  result_->pages += part->pages->page_count();
  const auto take = [this](Slice key, Slice value, uint64_t time) { return writer_.Put(key, value, time); };
  SalvageTree tree(part->pages.get(), finding_, take, tick_, result_);
  ZKDB_RETURN_IF_ERROR(tree.Run());
  part->pages.reset();
  done_ = end;
  return Tick(0);
}

// ---- the log --------------------------------------------------------------------------------------------------------

Status Salvager::ReplayLog(size_t log) {
  uint64_t from = UINT64_MAX;
  uint64_t reached = 0;
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (LogOf(i) != log) continue;
    from = std::min(from, parts_[i].sequence);
    reached = std::max(reached, parts_[i].sequence);
  }
  const auto replay = [this](uint64_t sequence, Slice payload) { return ReplayRecord(sequence, payload); };
  return logs_[log]->Replay(from, reached, replay, tick_);
}

Status Salvager::ReplayRecord(uint64_t sequence, Slice payload) {
  bool used = false;
  const Status status = ForEachLogGroup(
      payload, [&](uint64_t uid, Slice operations) { return ReplayGroup(sequence, uid, operations, &used); });
  result_->log_commits += used ? 1 : 0;
  if (status.code() != ZKDB_CORRUPT && status.code() != ZKDB_INVALID) return status;
  finding_("commit " + std::to_string(sequence) + " of the log: " + status.message());
  return Status::Ok();
}

Status Salvager::ReplayGroup(uint64_t sequence, uint64_t uid, Slice operations, bool* used) {
  const auto part = std::find_if(parts_.begin(), parts_.end(), [uid](const Part& p) { return p.uid == uid; });
  if (part == parts_.end()) {
    if (unknown_uids_.insert(uid).second)
      finding_("the log has commits of a partition that " + config_.file + " does not name: they are not taken");
    return Status::Ok();
  }
  if (sequence <= part->sequence) return Status::Ok();
  *used = true;
  Batch batch;
  ZKDB_RETURN_IF_ERROR(batch.ParseLogged(operations));
  const auto index = static_cast<uint32_t>(part - parts_.begin());
  for (const Operation& op : batch.operations()) {
    if (op.kind == ZKDB_OP_DELETE_RANGE) {
      ZKDB_RETURN_IF_ERROR(writer_.DeleteRange(index, op.range()));
    } else if (!op.conditional()) {
      ZKDB_RETURN_IF_ERROR(writer_.AddLogged(op));
    } else {
      return Status::Corrupt("its operations are not those of a log");
    }
  }
  return Status::Ok();
}

// ---- all of it ------------------------------------------------------------------------------------------------------

Status Salvager::SalvageFiles() {
  ZKDB_RETURN_IF_ERROR(OpenLogs());
  for (size_t i = 0; i < config_.partitions.size(); ++i) ZKDB_RETURN_IF_ERROR(OpenPartition(i));
  for (Part& part : parts_) ZKDB_RETURN_IF_ERROR(SalvagePartition(&part));
  for (size_t i = 0; i < logs_.size(); ++i) ZKDB_RETURN_IF_ERROR(ReplayLog(i));
  return Status::Ok();
}

Status Salvager::Run(const std::string& source, const std::string& destination) {
  ZKDB_RETURN_IF_ERROR(LoadConfiguration(source));
  ZKDB_RETURN_IF_ERROR(ProbeLocks());
  ZKDB_RETURN_IF_ERROR(writer_.Open(env_, config_.file, destination));
  const Status status = SalvageFiles();
  const Status closed = writer_.Close(&result_->records);
  return status.ok() ? closed : status;
}

}  // namespace

Status Salvage(Env* env, const std::string& source, const std::string& destination, const SalvageFinding& finding,
               const Progress& progress, zkdb_salvage_result* result) {
  *result = zkdb_salvage_result{};
  return Salvager(env, finding, progress, result).Run(source, destination);
}

}  // namespace zkdb
