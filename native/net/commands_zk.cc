// ZK.BATCH ZK.STAT ZK.ESTIMATE ZK.PARTITIONS ZK.CHECK ZK.SYNC: batches with conditions, figures, and the check of a
// database.
#include <string>
#include <vector>

#include "net/batch_arguments.h"
#include "net/commands.h"
#include "net/numbers.h"
#include "net/range_arguments.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

// ---- ZK.BATCH

// Adds the operation at args[*i] and moves behind it. False after an error reply.
bool AddOperation(Session* s, Arguments args, size_t* i, BatchBuilder* batch) {
  BatchOperation operation;
  if (!TakeOperation(args, i, &operation)) {
    s->reply()->Error(
        "ERR ZK.BATCH: argument " + std::to_string(*i) +
        " begins no operation that is complete: PUT key value, DEL key, CLEAR from to, PUTNX key value, "
        "PUTXX key value, PUTIF key expected value, DELIF key expected, EXPIRE key ms flags; before a put "
        "AT ms or KEEPTIME");
    return false;
  }
  if (!s->KeyFits(operation.key)) return false;
  switch (operation.kind) {
    case ZKDB_OP_PUT:
    case ZKDB_OP_PUT_IF_ABSENT:
    case ZKDB_OP_PUT_IF_PRESENT:
      batch->PutTimed(operation.kind, operation.key, operation.other, operation.time);
      return true;
    case ZKDB_OP_PUT_IF_VALUE:
      batch->PutIfValue(operation.key, operation.other, operation.value, operation.time);
      return true;
    case ZKDB_OP_EXPIRE: batch->Expire(operation.key, operation.time.time, operation.time.flags); return true;
    case ZKDB_OP_DELETE_RANGE:
      if (!s->KeyFits(operation.other)) return false;
      batch->Add(operation.kind, operation.key, operation.other, static_cast<uint8_t>(ClearRange(operation).flags));
      return true;
    default: batch->Add(operation.kind, operation.key, operation.other); return true;
  }
}

void Pair(ReplyWriter* reply, std::string_view name, uint64_t value) {
  reply->Bulk(name);
  reply->Integer(static_cast<int64_t>(value));
}

// ---- ZK.STAT

void ReplyDatabase(ReplyWriter* reply, const zkdb_db_stats& stats) {
  const std::pair<std::string_view, uint64_t> figures[] = {
      {"partitions", stats.partitions},
      {"sequence", stats.sequence},
      {"durable_sequence", stats.durable_sequence},
      {"log_bytes", stats.log_bytes},
      {"log_files", stats.log_files},
      {"log_syncs", stats.log_syncs},
      {"commits", stats.commits},
      {"checkpoints", stats.checkpoints},
      {"snapshots_open", stats.snapshots_open},
      {"oldest_snapshot_age_ms", stats.oldest_snapshot_age_ms},
      {"pinned_bytes", stats.pinned_bytes},
      {"memory_bytes", stats.memory_bytes},
      {"recovered_records", stats.recovered_records},
      {"recovered_bytes", stats.recovered_bytes},
      {"failed", static_cast<uint64_t>(stats.failed)},
  };
  reply->Map(std::size(figures));
  for (const auto& [name, value] : figures) Pair(reply, name, value);
}

void ReplyPartition(ReplyWriter* reply, const zkdb_partition_stats& stats) {
  const std::pair<std::string_view, uint64_t> figures[] = {
      {"records", stats.records},
      {"depth", stats.depth},
      {"segments", stats.segments},
      {"page_size", stats.page_size},
      {"pages_allocated", stats.pages_allocated},
      {"pages_free", stats.pages_free},
      {"leaf_pages", stats.leaf_pages},
      {"branch_pages", stats.branch_pages},
      {"overflow_pages", stats.overflow_pages},
      {"leaf_bytes_used", stats.leaf_bytes_used},
      {"branch_bytes_used", stats.branch_bytes_used},
      {"dirty_pages", stats.dirty_pages},
      {"expiring", stats.expiring},
      {"last_sequence", stats.last_sequence},
      {"checkpoint_sequence", stats.checkpoint_sequence},
  };
  reply->Map(std::size(figures));
  for (const auto& [name, value] : figures) Pair(reply, name, value);
}

// ---- ZK.CHECK

constexpr size_t kMostFindings = 100;

int TakeFinding(void* context, const char* text, size_t size) {
  auto* findings = static_cast<std::vector<std::string>*>(context);
  if (findings->size() >= kMostFindings) return 1;
  findings->emplace_back(text, size);
  return 0;
}

}  // namespace

// ZK.BATCH [DURABILITY COMMIT|INTERVAL|NONE] [NONATOMIC] operation ...: all or none, as a map: applied, sequence,
// existed (keys that were there), failed (the operation whose condition did not hold, or -1).
void ZkBatch(Session* s, Arguments args) {
  BatchOptions options;
  size_t i = 1;
  if (!TakeBatchOptions(args, &i, &options)) return s->FailSyntax();
  if (s->store().txn != nullptr && i > 1) return s->reply()->Error("ERR ZK.BATCH takes no options behind MULTI");
  BatchBuilder* batch = s->StartBatch();
  while (i < args.size()) {
    if (!AddOperation(s, args, &i, batch)) return;
  }
  zkdb_error error{};
  zkdb_write_result result{};
  if (s->Write(*batch, options.write_flags, &result, &error, options.durability) != ZKDB_OK) {
    return s->Fail(error);
  }
  ReplyWriter* reply = s->reply();
  reply->Map(4);
  reply->Bulk("applied");
  reply->Boolean(result.failed_index < 0);
  Pair(reply, "sequence", result.sequence);
  Pair(reply, "existed", result.existed);
  reply->Bulk("failed");
  reply->Integer(result.failed_index);
}

// ZK.STAT, or ZK.STAT partition [FULL].
void ZkStat(Session* s, Arguments args) {
  zkdb_error error{};
  zkdb_db* const db = s->store().db;
  if (args.size() == 1) {
    zkdb_db_stats stats{};
    if (zkdb_stats(db, &stats, &error) != ZKDB_OK) return s->Fail(error);
    return ReplyDatabase(s->reply(), stats);
  }
  const bool full = args.size() == 3 && IsWord(args[2], "FULL");
  if (args.size() > 3 || (args.size() == 3 && !full)) return s->FailSyntax();
  int64_t index = 0;
  if (!ParseInteger(args[1], &index) || index < 0 || index >= int64_t{zkdb_partition_count(db)}) {
    return s->reply()->Error("ERR there is no such partition; the database has " +
                             std::to_string(zkdb_partition_count(db)) + ", counted from 0");
  }
  zkdb_partition_stats stats{};
  const uint32_t flags = full ? uint32_t{ZKDB_STATS_FULL} : 0;
  if (zkdb_stats_partition(db, static_cast<uint32_t>(index), flags, &stats, &error) != ZKDB_OK) return s->Fail(error);
  ReplyPartition(s->reply(), stats);
}

// ZK.ESTIMATE [GT key | GTE key] [LT key | LTE key]: about how many records the range has.
void ZkEstimate(Session* s, Arguments args) {
  RangeOptions options;
  if (!ParseRange(args.subspan(1), true, &options)) return s->FailSyntax();
  zkdb_db* const db = s->store().db;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < zkdb_partition_count(db); ++i) {
    zkdb_error error{};
    uint64_t records = 0;
    if (zkdb_estimate(db, i, &options.range, &records, &error) != ZKDB_OK) return s->Fail(error);
    sum += records;
  }
  s->reply()->Integer(static_cast<int64_t>(sum));
}

// ZK.SYNC: every commit so far is on stable storage.
void ZkSync(Session* s, Arguments) {
  zkdb_error error{};
  zkdb_sync(s->store().db, &error) == ZKDB_OK ? s->reply()->Ok() : s->Fail(error);
}

// ZK.PARTITIONS: an array of maps: index, name, remote, rule.
void ZkPartitions(Session* s, Arguments) {
  zkdb_db* const db = s->store().db;
  ReplyWriter* reply = s->reply();
  const uint32_t count = zkdb_partition_count(db);
  const size_t mark = s->output()->size();
  reply->Array(count);
  for (uint32_t i = 0; i < count; ++i) {
    zkdb_error error{};
    zkdb_partition_info info{};
    if (zkdb_partition_describe(db, i, &info, &error) != ZKDB_OK) {
      s->output()->Truncate(mark);
      return s->Fail(error);
    }
    reply->Map(4);
    Pair(reply, "index", info.index);
    reply->Bulk("name");
    reply->Bulk(info.name);
    reply->Bulk("remote");
    reply->Boolean(info.is_remote != 0);
    reply->Bulk("rule");
    reply->Bulk(info.rule);
  }
}

// ZK.CHECK: an array of the first hundred findings; empty when the database is whole.
void ZkCheck(Session* s, Arguments) {
  zkdb_error error{};
  uint64_t count = 0;
  std::vector<std::string> findings;
  const zkdb_code code = zkdb_check(s->store().db, TakeFinding, &findings, nullptr, nullptr, &count, &error);
  if (code != ZKDB_OK && findings.empty()) return s->Fail(error);
  s->reply()->Array(findings.size());
  for (const std::string& finding : findings) s->reply()->Bulk(finding);
}

}  // namespace zkdb::net
