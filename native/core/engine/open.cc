// Opening: configuration, locks, identity, metas, partitions, then the log's replay. Nothing on disk is changed before
// everything that can be checked without a change has been checked.
#include <algorithm>

#include "core/base/coding.h"
#include "core/engine/engine.h"
#include "core/wal/log_recovery.h"

namespace zkdb {
namespace {

constexpr uint64_t kTellEvery = 1 << 20;  // bytes of log

}  // namespace

Engine::Engine(Env* env, DatabaseConfig config, const EngineOptions& options)
    : env_(env),
      config_(std::move(config)),
      read_only_(options.read_only),
      background_(options.background),
      restoring_(options.restoring) {
  periodic_ = config_.checkpoints;
  on_recovery_ = options.on_recovery;
  interval_used_ = config_.durability == ZKDB_DURABILITY_INTERVAL;
  queue_ = std::make_unique<CommitQueue>(static_cast<uint32_t>(config_.partitions.size()));
}

Status Engine::Open(Env* env, const std::string& config_path, const EngineOptions& options,
                    std::shared_ptr<Engine>* out) {
  DatabaseConfig config;
  ZKDB_RETURN_IF_ERROR(LoadConfig(env, config_path, options.overrides, &config));
  if (options.partitions != 0 && options.partitions != config.partitions.size()) {
    return Status::Config(config.file + ": the database has " + std::to_string(config.partitions.size()) +
                          " partitions, not " + std::to_string(options.partitions) + " as the option says");
  }
  if (!options.tls) ZKDB_RETURN_IF_ERROR(RefuseTls(config));
  std::shared_ptr<Engine> engine(new Engine(env, std::move(config), options));
  ZKDB_RETURN_IF_ERROR(engine->TakeLocalPart());
  ZKDB_RETURN_IF_ERROR(engine->OpenFiles(options));
  engine->opened_ = true;
  if (options.background && engine->partition_count() > 0) engine->StartThread();
  *out = std::move(engine);
  return Status::Ok();
}

// What is remote is not the engine's.
Status Engine::TakeLocalPart() {
  whole_config_ = config_;
  ZKDB_RETURN_IF_ERROR(Selector::Build(whole_config_, &whole_selector_));
  std::vector<uint32_t> local;
  for (uint32_t i = 0; i < config_.partitions.size(); ++i) {
    if (!config_.partitions[i].is_remote) local.push_back(i);
  }
  if (local.size() == config_.partitions.size()) {
    selector_ = whole_selector_;
    return Status::Ok();
  }
  selector_ = whole_selector_.Part(local);
  std::erase_if(config_.partitions, [](const PartitionConfig& p) { return p.is_remote; });
  return Status::Ok();
}

Status Engine::OpenFiles(const EngineOptions& options) {
  if (config_.partitions.empty()) return Status::Ok();
  std::vector<MetaState> metas;
  if (!LogDirectoriesExist()) {
    // Nothing can be locked yet, so nothing is made before what is there has been looked at.
    ZKDB_RETURN_IF_ERROR(ReadMetas(&metas));
    ZKDB_RETURN_IF_ERROR(FindIdentity(options, metas));
  }
  ZKDB_RETURN_IF_ERROR(LockDirectories());
  database_id_ = DatabaseId{};
  ZKDB_RETURN_IF_ERROR(ReadMetas(&metas));
  ZKDB_RETURN_IF_ERROR(FindIdentity(options, metas));
  for (uint32_t i = 0; i < metas.size(); ++i) ZKDB_RETURN_IF_ERROR(OpenPartition(i, metas[i]));
  ZKDB_RETURN_IF_ERROR(OpenLogs(metas));
  queue_->SetPublished(sequence_);
  for (uint32_t i = 0; i < partition_count(); ++i) queue_->SetRoot(i, partitions_[i]->working.records.page);
  return Status::Ok();
}

Status Engine::ReadMetas(std::vector<MetaState>* metas) {
  metas->assign(config_.partitions.size(), MetaState{});
  for (size_t i = 0; i < metas->size(); ++i) {
    ZKDB_RETURN_IF_ERROR(SegmentFiles::ReadMeta(env_, config_.partitions[i].directory, &(*metas)[i]));
    ZKDB_RETURN_IF_ERROR(CheckMeta(static_cast<uint32_t>(i), (*metas)[i]));
  }
  return Status::Ok();
}

// A partition's files must have been made for this rule and belong to the same database as the others.
Status Engine::CheckMeta(uint32_t index, const MetaState& state) const {
  if (!state.present) return Status::Ok();
  const PartitionConfig& partition = config_.partitions[index];
  if (state.meta.fingerprint != selector_.Fingerprint(index)) {
    return Status::Config(config_.file + ": [" + partition.name + "]: the files in " + partition.directory +
                          " were written under other limits; put the limits back, or copy the records into "
                          "a new database (zkdb scan --json, zkdb load)");
  }
  if (database_id_ != DatabaseId{} && state.meta.database_id != database_id_) {
    return {ZKDB_MISMATCH,
            SegmentPath(partition.directory, 0) + ": belongs to another database than the log in " + LogDirectory(0)};
  }
  return Status::Ok();
}

std::string Engine::LogDirectory(size_t log) const {
  return config_.isolated ? config_.partitions[log].log_directory : config_.log_directory;
}

// Learns the database's id from its logs and metas, or makes a new database.
Status Engine::FindIdentity(const EngineOptions& options, const std::vector<MetaState>& metas) {
  bool have_log = false;
  const size_t logs = config_.isolated ? config_.partitions.size() : 1;
  for (size_t i = 0; i < logs; ++i) {
    bool found = false;
    DatabaseId id{};
    if (env_->Exists(LogDirectory(i))) ZKDB_RETURN_IF_ERROR(Log::ReadDatabaseId(env_, LogDirectory(i), &id, &found));
    if (found && have_log && id != database_id_) {
      return {ZKDB_MISMATCH,
              LogDirectory(i) + ": the log belongs to another database than the one in " + LogDirectory(0)};
    }
    if (found) database_id_ = id;
    have_log |= found;
  }
  for (size_t i = 0; i < metas.size(); ++i) {
    if (!metas[i].present) continue;
    if (!have_log) {
      return {ZKDB_MISMATCH, LogDirectory(config_.isolated ? i : 0) + ": the log of the database is missing, but " +
                                 config_.partitions[i].directory + " holds a partition; restore the log's directory"};
    }
    ZKDB_RETURN_IF_ERROR(CheckMeta(static_cast<uint32_t>(i), metas[i]));
  }
  // All of them were made before the first log had a file.
  for (size_t i = 0; have_log && i < logs; ++i) {
    if (env_->Exists(LogDirectory(i))) continue;
    return {ZKDB_MISMATCH, LogDirectory(i) +
                               ": the log's directory is missing, but the database has other logs; "
                               "restore the directory from a backup"};
  }
  if (have_log && options.error_if_exists) return {ZKDB_EXISTS, config_.file + ": the database exists already"};
  if (have_log) return Status::Ok();
  if (!options.create_if_missing || read_only_)
    return {ZKDB_MISSING, config_.file + ": the database does not exist (no log in " + LogDirectory(0) + ")"};
  env_->Random(database_id_.data(), database_id_.size());
  for (size_t i = 0; i < logs; ++i) ZKDB_RETURN_IF_ERROR(env_->CreateDirectory(LogDirectory(i)));
  return Status::Ok();
}

bool Engine::LogDirectoriesExist() const {
  const size_t logs = config_.isolated ? config_.partitions.size() : 1;
  for (size_t i = 0; i < logs; ++i) {
    if (!env_->Exists(LogDirectory(i))) return false;
  }
  return true;
}

Status Engine::LockDirectories() {
  const size_t logs = config_.isolated ? config_.partitions.size() : 1;
  for (size_t i = 0; i < logs; ++i) {
    std::unique_ptr<FileLock> lock;
    const Status status = env_->Lock(LogDirectory(i) + "/zkdb.lock", &lock);
    // Where nobody can write, nobody has to be kept from writing.
    if (read_only_ && status.code() == ZKDB_READ_ONLY) continue;
    ZKDB_RETURN_IF_ERROR(status);
    locks_.push_back(std::move(lock));
  }
  return Status::Ok();
}

FrameArena* Engine::ArenaFor(uint32_t page_size) {
  for (auto& arena : arenas_) {
    if (arena->page_size() == page_size) return arena.get();
  }
  arenas_.push_back(std::make_unique<FrameArena>(env_, page_size));
  return arenas_.back().get();
}

Status Engine::OpenPartition(uint32_t index, const MetaState& state) {
  const PartitionConfig& config = config_.partitions[index];
  PartitionIdentity identity;
  identity.database_id = database_id_;
  identity.uid = state.present ? state.meta.partition_uid : PartitionUid(database_id_, config.name);
  identity.fingerprint = selector_.Fingerprint(index);
  identity.index = index;
  const uint32_t page_size = state.present ? state.meta.page_size : config.page_size;
  const uint64_t segment_size = state.present ? uint64_t{state.meta.segment_pages} * page_size
                                              : std::max<uint64_t>(config_.segment_size, 4 * uint64_t{page_size});
  for (const auto& other : partitions_) {
    if (other->identity.uid != identity.uid) continue;
    return {ZKDB_MISMATCH, config.directory + ": holds the files of partition [" + other->config.name +
                               "] too: a copy lies in the wrong directory"};
  }
  // Isolated partitions are locked by their logs: a second lock each would take too many descriptors.
  const bool lock = !config_.isolated;
  partitions_.push_back(std::make_unique<Partition>(env_, config, identity, page_size, segment_size, read_only_, lock,
                                                    ArenaFor(page_size)));
  writer_locks_.push_back(std::make_unique<WriterLock>());
  partition_dirty_.push_back(std::make_unique<std::atomic<uint64_t>>(0));
  const Status opened = partitions_.back()->Open(state.present ? &state.meta : nullptr);
  if (!state.damaged || opened.ok()) return opened;
  return Status::Corrupt(SegmentPath(config.directory, 0) +
                         ": page 0: a meta slot is damaged, and the other one is too old: " + opened.message());
}

// ---- the logs

Status Engine::OpenLogs(const std::vector<MetaState>& metas) {
  for (auto& p : partitions_) sequence_ = std::max(sequence_.load(), p->last_sequence.load());
  const size_t logs = config_.isolated ? config_.partitions.size() : 1;
  for (size_t i = 0; i < logs; ++i) ZKDB_RETURN_IF_ERROR(OpenLog(i, metas));
  // Once more at the end, where it cannot be stopped any more.
  if (on_recovery_ && recovery_.records > 0) on_recovery_(recovery_.bytes, recovery_.bytes);
  on_recovery_ = nullptr;
  return Status::Ok();
}

// The files are as long as they were allocated: what is in them may be less.
Status Engine::MeasureLogs() {
  for (size_t i = 0; i < (config_.isolated ? config_.partitions.size() : 1); ++i) {
    LogNames names;
    ZKDB_RETURN_IF_ERROR(ListLogNames(env_, LogDirectory(i), &names));
    for (const uint64_t number : names.files) {
      FoundLogFile found;
      ZKDB_RETURN_IF_ERROR(FindLogFile(env_, LogDirectory(i), number, &found));
      recovery_total_ += found.length;
    }
  }
  return Status::Ok();
}

Status Engine::TellRecovery(uint64_t bytes_of_log) {
  const uint64_t done = recovery_.bytes + bytes_of_log;
  if (!on_recovery_ || done < recovery_told_ + kTellEvery) return Status::Ok();
  // Here and not before: an open with nothing to tell looks at no file twice.
  if (recovery_told_ == 0) ZKDB_RETURN_IF_ERROR(MeasureLogs());
  recovery_told_ = done;
  if (on_recovery_(done, std::max(done, recovery_total_))) return Status::Ok();
  return {ZKDB_ABORTED, config_.file + ": the recovery was stopped; the next open begins it anew"};
}

std::vector<LogPartition> Engine::LogPartitions(size_t log) const {
  std::vector<LogPartition> list;
  for (size_t i = 0; i < partitions_.size(); ++i) {
    if (config_.isolated && i != log) continue;
    list.push_back({partitions_[i]->identity.uid, partitions_[i]->checkpoint_sequence});
  }
  return list;
}

Status Engine::OpenLog(size_t log, const std::vector<MetaState>& metas) {
  LogOptions options;
  options.directory = LogDirectory(log);
  options.database_id = database_id_;
  options.file_size = config_.log_file_size;
  LogSummary summary;
  std::unique_ptr<Log> opened;
  bool ages_checked = false;
  const auto replay = [&](const LogRecord& record) {
    if (!ages_checked) ZKDB_RETURN_IF_ERROR(CheckAges(log, summary, metas));
    ages_checked = true;
    ZKDB_RETURN_IF_ERROR(TellRecovery(summary.bytes));
    return Replay(record);
  };
  ZKDB_RETURN_IF_ERROR(Log::Open(env_, options, replay, &summary, &opened));
  if (!ages_checked) ZKDB_RETURN_IF_ERROR(CheckAges(log, summary, metas));
  for (size_t i = 0; i < partitions_.size(); ++i) {
    if ((config_.isolated && i != log) || !metas[i].present || metas[i].meta.sequence <= summary.last_sequence)
      continue;
    return {ZKDB_MISMATCH, options.directory + ": the log ends at commit " + std::to_string(summary.last_sequence) +
                               ", but " + partitions_[i]->config.directory + " holds commit " +
                               std::to_string(metas[i].meta.sequence) + ": the log is an older copy"};
  }
  recovery_.records += summary.records;
  recovery_.bytes += summary.bytes;
  sequence_ = std::max(sequence_.load(), summary.last_sequence);
  opened->SetPartitions(LogPartitions(log));
  logs_.push_back(std::move(opened));
  return Status::Ok();
}

// Each partition must hold at least what lay before the log: an older copy, or one whose newest meta is damaged, does
// not.
Status Engine::CheckAges(size_t log, const LogSummary& summary, const std::vector<MetaState>& metas) const {
  for (size_t i = 0; i < partitions_.size(); ++i) {
    if (config_.isolated && i != log) continue;
    const Partition& p = *partitions_[i];
    for (const LogPartition& need : summary.partitions) {
      if (need.uid != p.identity.uid || p.last_sequence >= need.checkpoint_sequence) continue;
      const std::string path = SegmentPath(p.config.directory, 0);
      const std::string needs = "the log needs it at commit " + std::to_string(need.checkpoint_sequence) + " or later";
      if (!env_->Exists(path))
        return {ZKDB_SEGMENT_MISSING, path + ": the segment is missing; " + needs + "; restore it from a backup"};
      if (metas[i].damaged)
        return Status::Corrupt(path + ": page 0: a meta slot is damaged and the other is too old: " + needs);
      if (!metas[i].present)
        return {ZKDB_SEGMENT_MISSING, path + ": holds no checkpoint: the segment was cut off or replaced; " + needs +
                                          "; restore it from a backup"};
      return {ZKDB_MISMATCH, path + ": is at commit " + std::to_string(p.last_sequence) + ", but " + needs +
                                 ": an older copy of the partition"};
    }
  }
  return Status::Ok();
}

Status Engine::Replay(const LogRecord& record) {
  return ForEachLogGroup(record.payload,
                         [&](uint64_t uid, Slice operations) { return ReplayGroup(record.sequence, uid, operations); });
}

Status Engine::ReplayGroup(uint64_t sequence, uint64_t uid, Slice operations) {
  const auto found =
      std::find_if(partitions_.begin(), partitions_.end(), [uid](const auto& p) { return p->identity.uid == uid; });
  if (found == partitions_.end()) {
    return {ZKDB_MISMATCH, "the log has records of a partition that " + config_.file +
                               " does not name; put the partition back and close the database cleanly first"};
  }
  Partition& p = **found;
  if (sequence <= p.last_sequence) return Status::Ok();
  if (read_only_)
    return {ZKDB_READ_ONLY,
            config_.file + ": the database was not closed cleanly; open it for writing once to recover it"};
  Batch batch;
  const Status parsed = batch.ParseLogged(operations);
  if (!parsed.ok()) {
    return Status::Corrupt(LogDirectory(config_.isolated ? p.identity.index : 0) + ": the record of commit " +
                           std::to_string(sequence) + " holds no batch: " + parsed.message());
  }
  ZKDB_RETURN_IF_ERROR(p.space.Begin({sequence - 1, UINT64_MAX}));
  const auto* first = batch.operations().data();
  WriteResult result;
  ReadClock clock(env_);
  Trees trees = p.working;
  const Status applied = ApplyOperations(p.identity.index, first, first + batch.operations().size(), batch.sorted(),
                                         &clock, &trees, &result);
  if (!applied.ok()) {
    p.space.Rollback();
    return applied;
  }
  p.space.Commit(sequence);
  p.SetWorking(trees);
  p.last_sequence = sequence;
  NotePressure(&p);
  return Status::Ok();
}

}  // namespace zkdb
