// Partitions, figures and the long operations: checkpoint, sync, verify, backup, compact.
#include <string>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/job.h"

namespace zkdb::addon {

void SetPartition(napi_env env, napi_value object, const zkdb_partition_info& partition) {
  SetString(env, object, "name", partition.name);
  SetNumber(env, object, "index", partition.index);
  SetBoolean(env, object, "isRemote", partition.is_remote != 0);
  SetString(env, object, "directory", partition.directory);
  SetString(env, object, "rule", partition.rule);
}

namespace {

constexpr size_t kMaxFindings = 1000;

// partitionCount(db): partitions
napi_value PartitionCount(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id;
  if (!args.Uint(0, &id)) return args.Invalid();
  zkdb_db* db = FindDb(args.environment(), id);
  return db == nullptr ? args.Closed() : args.Number(zkdb_partition_count(db));
}

// remoteCount(db): remote partitions
napi_value RemoteCount(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id;
  if (!args.Uint(0, &id)) return args.Invalid();
  zkdb_db* db = FindDb(args.environment(), id);
  return db == nullptr ? args.Closed() : args.Number(zkdb_remote_count(db));
}

// partitionProbe(db, index): 0 when its server answers, or when it is local
napi_value PartitionProbe(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id, index;
  if (!args.Uint(0, &id) || !args.Uint(1, &index)) return args.Invalid();
  zkdb_db* db = FindDb(args.environment(), id);
  return db == nullptr ? args.Closed() : args.Code(zkdb_partition_probe(db, index, &args.environment().error()));
}

// partitionDescribe(db, index): {name, index, isRemote, directory, rule}, or a negative number
napi_value PartitionDescribe(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id, index;
  if (!args.Uint(0, &id) || !args.Uint(1, &index)) return args.Invalid();
  zkdb_db* db = FindDb(args.environment(), id);
  if (db == nullptr) return args.Closed();
  zkdb_partition_info partition = {};
  const zkdb_code code = zkdb_partition_describe(db, index, &partition, &args.environment().error());
  if (code != ZKDB_OK) return args.Code(code);
  napi_value result = nullptr;
  if (napi_create_object(env, &result) != napi_ok) return nullptr;
  SetPartition(env, result, partition);
  return result;
}

// databaseName(db): string, or a negative number
napi_value DatabaseName(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id;
  if (!args.Uint(0, &id)) return args.Invalid();
  zkdb_db* db = FindDb(args.environment(), id);
  if (db == nullptr) return args.Closed();
  const char* name = zkdb_name(db);
  napi_value result = nullptr;
  napi_create_string_utf8(env, name == nullptr ? "" : name, NAPI_AUTO_LENGTH, &result);
  return result;
}

// checkpointsActivate(db, on): 0
napi_value CheckpointsActivate(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id, on;
  if (!args.Uint(0, &id) || !args.Uint(1, &on)) return args.Invalid();
  zkdb_db* db = FindDb(args.environment(), id);
  if (db == nullptr) return args.Closed();
  return args.Code(zkdb_checkpoints_activate(db, on != 0, &args.environment().error()));
}

class StatsJob : public Job {
 public:
  StatsJob(Environment* environment, std::shared_ptr<DbRef> db, uint32_t flags)
      : Job(environment, std::move(db)), flags_(flags) {}

 protected:
  void Execute() override {
    code_ = zkdb_stats(db_->db, &stats_, &error_);
    const uint32_t count = zkdb_partition_count(db_->db);
    for (uint32_t i = 0; i < count && code_ == ZKDB_OK; ++i) {
      partitions_.emplace_back();
      code_ = zkdb_partition_describe(db_->db, i, &partitions_.back().info, &error_);
      if (code_ != ZKDB_OK) continue;
      Partition& partition = partitions_.back();
      const bool remote = partition.info.is_remote != 0;
      zkdb_error* const error = remote ? &partition.error : &error_;
      const zkdb_code code = zkdb_stats_partition(db_->db, i, flags_, &partition.stats, error);
      if (!remote) code_ = code;
      if (code != ZKDB_OK) partition.stats = {};
    }
  }

  void Describe(napi_env env, napi_value result) override {
    if (code_ != ZKDB_OK) return;
    napi_value database, list;
    if (napi_create_object(env, &database) != napi_ok) return;
    if (napi_create_array_with_length(env, partitions_.size(), &list) != napi_ok) return;
    SetDatabase(env, database);
    for (uint32_t i = 0; i < partitions_.size(); ++i) {
      napi_value partition;
      if (napi_create_object(env, &partition) != napi_ok) return;
      SetPartition(env, partition, partitions_[i].info);
      SetFigures(env, partition, partitions_[i].stats);
      if (partitions_[i].error.code != ZKDB_OK) SetString(env, partition, "error", partitions_[i].error.message);
      napi_set_element(env, list, i, partition);
    }
    napi_set_named_property(env, database, "partitions", list);
    napi_set_named_property(env, result, "stats", database);
  }

 private:
  struct Partition {
    zkdb_partition_info info = {};
    zkdb_partition_stats stats = {};
    zkdb_error error = {};  // of a remote partition, whose server does not answer
  };

  static void Set(napi_env env, napi_value object, const char* name, uint64_t value) {
    SetNumber(env, object, name, static_cast<double>(value));
  }

  void SetDatabase(napi_env env, napi_value to) const {
    Set(env, to, "sequence", stats_.sequence);
    Set(env, to, "durableSequence", stats_.durable_sequence);
    Set(env, to, "logBytes", stats_.log_bytes);
    Set(env, to, "logFiles", stats_.log_files);
    Set(env, to, "logSyncs", stats_.log_syncs);
    Set(env, to, "commits", stats_.commits);
    Set(env, to, "checkpoints", stats_.checkpoints);
    Set(env, to, "snapshotsOpen", stats_.snapshots_open);
    Set(env, to, "oldestSnapshotAgeMs", stats_.oldest_snapshot_age_ms);
    Set(env, to, "pinnedBytes", stats_.pinned_bytes);
    Set(env, to, "memoryBytes", stats_.memory_bytes);
    Set(env, to, "recoveredRecords", stats_.recovered_records);
    Set(env, to, "recoveredBytes", stats_.recovered_bytes);
    Set(env, to, "expiring", stats_.expiring);
    Set(env, to, "expired", stats_.expired);
    SetBoolean(env, to, "failed", stats_.failed != 0);
  }

  static void SetFigures(napi_env env, napi_value to, const zkdb_partition_stats& stats) {
    Set(env, to, "records", stats.records);
    Set(env, to, "depth", stats.depth);
    Set(env, to, "segments", stats.segments);
    Set(env, to, "pageSize", stats.page_size);
    Set(env, to, "pagesAllocated", stats.pages_allocated);
    Set(env, to, "pagesFree", stats.pages_free);
    Set(env, to, "leafPages", stats.leaf_pages);
    Set(env, to, "branchPages", stats.branch_pages);
    Set(env, to, "overflowPages", stats.overflow_pages);
    Set(env, to, "leafBytesUsed", stats.leaf_bytes_used);
    Set(env, to, "branchBytesUsed", stats.branch_bytes_used);
    Set(env, to, "dirtyPages", stats.dirty_pages);
    Set(env, to, "lastSequence", stats.last_sequence);
    Set(env, to, "checkpointSequence", stats.checkpoint_sequence);
  }

  uint32_t flags_;
  zkdb_db_stats stats_ = {};
  std::vector<Partition> partitions_;
};

enum class Operation { kSync, kCheckpoint, kCheck, kBackup, kCompact };

class OperationJob : public Job {
 public:
  OperationJob(Environment* environment, std::shared_ptr<DbRef> db, Operation operation, std::string directory)
      : Job(environment, std::move(db)), operation_(operation), directory_(std::move(directory)) {
    number_ = environment->AddJob(this);
  }
  ~OperationJob() override { environment_->RemoveJob(number_); }

  uint32_t number() const { return number_; }

 protected:
  void Execute() override { code_ = Run(db_->db); }

  void Describe(napi_env env, napi_value result) override {
    SetNumber(env, result, "done", static_cast<double>(progress_done()));
    SetNumber(env, result, "total", static_cast<double>(progress_total()));
    if (operation_ != Operation::kCheck) return;
    napi_value list;
    if (napi_create_array_with_length(env, lines_.size(), &list) != napi_ok) return;
    for (uint32_t i = 0; i < lines_.size(); ++i) {
      napi_value line;
      if (napi_create_string_utf8(env, lines_[i].data(), lines_[i].size(), &line) != napi_ok) return;
      napi_set_element(env, list, i, line);
    }
    napi_set_named_property(env, result, "findings", list);
    SetNumber(env, result, "count", static_cast<double>(findings_));
  }

 private:
  zkdb_code Run(zkdb_db* db) {
    switch (operation_) {
      case Operation::kSync: return zkdb_sync(db, &error_);
      case Operation::kCheckpoint: return zkdb_checkpoint(db, &error_);
      case Operation::kCheck: return zkdb_check(db, OnFinding, this, OnProgress, this, &findings_, &error_);
      case Operation::kBackup: return zkdb_backup(db, directory_.c_str(), OnProgress, this, &error_);
      case Operation::kCompact: return zkdb_compact(db, OnProgress, this, &error_);
    }
    return ZKDB_INVALID;
  }

  static int OnFinding(void* context, const char* text, size_t size) {
    auto* job = static_cast<OperationJob*>(context);
    if (job->lines_.size() < kMaxFindings) job->lines_.emplace_back(text, size);
    return 0;
  }

  Operation operation_;
  std::string directory_;
  uint32_t number_;
  uint64_t findings_ = 0;
  std::vector<std::string> lines_;
};

// stats(db, flags): Promise<{code, stats}>, or a negative number
napi_value Stats(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id, flags;
  if (!args.Uint(0, &id) || !args.Uint(1, &flags)) return args.Invalid();
  Handle* handle = args.environment().handles().Find(id, HandleKind::kDb);
  if (handle == nullptr) return args.Closed();
  return Job::Start(env, new StatsJob(&args.environment(), handle->db, flags));
}

// operation(db, kind, directory: string): {job, promise}, or a negative number. kind: see Operation.
napi_value StartOperation(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id, kind;
  std::string directory;
  if (!args.Uint(0, &id) || !args.Uint(1, &kind) || kind > static_cast<uint32_t>(Operation::kCompact) ||
      !args.String(2, &directory)) {
    return args.Invalid();
  }
  Handle* handle = args.environment().handles().Find(id, HandleKind::kDb);
  if (handle == nullptr) return args.Closed();
  auto* job = new OperationJob(&args.environment(), handle->db, static_cast<Operation>(kind), std::move(directory));
  napi_value started = Job::StartNumbered(env, job, job->number());
  return started == nullptr ? args.Closed() : started;
}

// jobProgress(job): 1, with the figures in the state array; 0 when the job is finished
napi_value JobProgress(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t number;
  if (!args.Uint(0, &number)) return args.Invalid();
  const Job* job = args.environment().FindJob(number);
  if (job == nullptr) return args.Number(0);
  args.environment().state(kStateProgressDone) = static_cast<double>(job->progress_done());
  args.environment().state(kStateProgressTotal) = static_cast<double>(job->progress_total());
  return args.Number(1);
}

// jobAbort(job): 0. The job ends with ZKDB_ABORTED when it next reports progress.
napi_value JobAbort(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t number;
  if (!args.Uint(0, &number)) return args.Invalid();
  if (Job* job = args.environment().FindJob(number)) job->Abort();
  return args.Number(0);
}

constexpr FunctionEntry kFunctions[] = {
    {"partitionCount", PartitionCount},
    {"partitionProbe", PartitionProbe},
    {"remoteCount", RemoteCount},
    {"partitionDescribe", PartitionDescribe},
    {"databaseName", DatabaseName},
    {"checkpointsActivate", CheckpointsActivate},
    {"stats", Stats},
    {"operation", StartOperation},
    {"jobProgress", JobProgress},
    {"jobAbort", JobAbort},
};

}  // namespace

void ExportOperationFunctions(napi_env env, napi_value exports, Environment* environment) {
  ExportFunctions(env, exports, environment, kFunctions, std::size(kFunctions));
}

}  // namespace zkdb::addon
