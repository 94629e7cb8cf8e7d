// zkdb.h: partitions, figures, routing, checkpoints, check, backup, compaction.
#include "capi/handles.h"
#include "core/partition/ini.h"

using zkdb::Status;
using zkdb::capi::BytesOf;
using zkdb::capi::DescribePartition;
using zkdb::capi::Guarded;
using zkdb::capi::ProgressOf;
using zkdb::capi::Report;

namespace {

Status CheckIndex(uint32_t index, uint32_t count) {
  if (index < count) return Status::Ok();
  return Status::Invalid("there is no partition " + std::to_string(index) + ": the database has " +
                         std::to_string(count));
}

}  // namespace

extern "C" {

uint32_t zkdb_partition_count(const zkdb_db* db) { return db->selector().partition_count(); }

uint32_t zkdb_remote_count(const zkdb_db* db) { return zkdb_partition_count(db) - db->engine->partition_count(); }

int zkdb_uses_tls(const zkdb_db* db) { return zkdb::PartitionOverTls(db->config()) == nullptr ? 0 : 1; }

zkdb_code zkdb_partition_describe(zkdb_db* db, uint32_t index, zkdb_partition_info* out, zkdb_error* err) {
  return Guarded(err, [&] {
    const Status status = CheckIndex(index, zkdb_partition_count(db));
    if (!status.ok()) return Report(status, err);
    DescribePartition(db->config(), db->selector(), index, out);
    return ZKDB_OK;
  });
}

uint32_t zkdb_partition_of(const zkdb_db* db, const void* key, size_t key_size) {
  return db->selector().Select(BytesOf(key, key_size));
}

zkdb_code zkdb_partition_probe(zkdb_db* db, uint32_t index, zkdb_error* err) {
  return Guarded(err, [&] {
    if (db->engine->closed()) return Report(db->engine->ClosedStatus(), err);
    const Status status = CheckIndex(index, zkdb_partition_count(db));
    if (!status.ok() || db->dispatcher == nullptr) return Report(status, err);
    return Report(db->dispatcher->Probe(index), err);
  });
}

uint32_t zkdb_key_slot(const void* key, size_t key_size) {
  static_assert(zkdb::kSlotCount == ZKDB_SLOT_COUNT);
  return zkdb::KeySlot(BytesOf(key, key_size));
}

zkdb_code zkdb_stats(zkdb_db* db, zkdb_db_stats* out, zkdb_error* err) {
  return Guarded(err, [&] {
    const Status status = db->engine->Figures(out);
    out->partitions = zkdb_partition_count(db);
    return Report(status, err);
  });
}

zkdb_code zkdb_stats_partition(zkdb_db* db, uint32_t index, uint32_t stats_flags, zkdb_partition_stats* out,
                               zkdb_error* err) {
  return Guarded(err, [&] {
    if (db->engine->closed()) return Report(db->engine->ClosedStatus(), err);
    const Status status = CheckIndex(index, zkdb_partition_count(db));
    if (!status.ok()) return Report(status, err);
    const bool full = (stats_flags & ZKDB_STATS_FULL) != 0;
    return Report(db->dispatcher == nullptr ? db->engine->PartitionFigures(index, full, out)
                                            : db->dispatcher->PartitionFigures(index, full, out),
                  err);
  });
}

zkdb_code zkdb_sweep(zkdb_db* db, uint64_t* removed, zkdb_error* err) {
  return Guarded(err, [&] {
    uint64_t count = 0;
    const Status status = db->engine->Sweep(UINT64_MAX, &count);
    if (removed != nullptr) *removed = count;
    return Report(status, err);
  });
}

zkdb_code zkdb_on_expired(zkdb_db* db, zkdb_expired_sink sink, void* context, zkdb_error* err) {
  return Guarded(err, [&] {
    zkdb::ExpiryObservers::Observer observer;
    if (sink != nullptr) observer = [sink, context](zkdb::Slice key) { sink(context, key.data, key.size); };
    db->engine->expiry_observers()->Set(db, std::move(observer));
    return ZKDB_OK;
  });
}

zkdb_code zkdb_estimate(zkdb_db* db, uint32_t index, const zkdb_range* range, uint64_t* records, zkdb_error* err) {
  return Guarded(err, [&] {
    const Status status = CheckIndex(index, zkdb_partition_count(db));
    if (!status.ok()) return Report(status, err);
    const zkdb::KeyRange keys = zkdb::capi::RangeOf(range);
    return Report(db->dispatcher == nullptr ? db->engine->Estimate(index, keys, records)
                                            : db->dispatcher->Estimate(index, keys, records),
                  err);
  });
}

const char* zkdb_name(const zkdb_db* db) { return db->config().name.c_str(); }

// ---- routing alone

zkdb_code zkdb_router_open(const char* config_path, zkdb_router** out, zkdb_error* err) {
  return Guarded(err, [&] {
    auto router = std::make_unique<zkdb_router>();
    Status status = zkdb::LoadConfig(zkdb::Env::Posix(), config_path, {}, &router->config);
    if (status.ok()) status = zkdb::Selector::Build(router->config, &router->selector);
    if (!status.ok()) return zkdb::capi::ReportUrgent(status, err);
    *out = router.release();
    return ZKDB_OK;
  });
}

uint32_t zkdb_router_partition_count(const zkdb_router* router) { return router->selector.partition_count(); }

uint32_t zkdb_router_partition_of(const zkdb_router* router, const void* key, size_t key_size) {
  return router->selector.Select(BytesOf(key, key_size));
}

zkdb_code zkdb_router_describe(const zkdb_router* router, uint32_t index, zkdb_partition_info* out, zkdb_error* err) {
  return Guarded(err, [&] {
    const Status status = CheckIndex(index, router->selector.partition_count());
    if (!status.ok()) return Report(status, err);
    DescribePartition(router->config, router->selector, index, out);
    return ZKDB_OK;
  });
}

const char* zkdb_router_server_key(const zkdb_router* router, const char* name) {
  const auto found = router->config.server_keys.find(name);
  return found == router->config.server_keys.end() ? nullptr : found->second.c_str();
}

zkdb_code zkdb_ini_parse(const void* text, size_t size, const char* file, zkdb_ini_sink sink, void* context,
                         zkdb_error* err) {
  return Guarded(err, [&] {
    zkdb::IniFile ini;
    const Status status = zkdb::ParseIni(BytesOf(text, size), file, &ini);
    if (!status.ok()) return Report(status, err);
    for (const zkdb::IniSection& section : ini.sections) {
      sink(context, section.line, section.name.c_str(), nullptr, nullptr);
      for (const zkdb::IniEntry& entry : section.entries) {
        sink(context, entry.line, section.name.c_str(), entry.key.c_str(), entry.value.c_str());
      }
    }
    return ZKDB_OK;
  });
}

void zkdb_router_close(zkdb_router* router) { delete router; }

// ---- operations

zkdb_code zkdb_checkpoint(zkdb_db* db, zkdb_error* err) {
  return Guarded(err, [&] { return Report(db->engine->Checkpoint(), err); });
}

zkdb_code zkdb_checkpoints_activate(zkdb_db* db, int on, zkdb_error* err) {
  return Guarded(err, [&] {
    if (db->engine->closed()) return Report(db->engine->ClosedStatus(), err);
    db->engine->ActivateCheckpoints(on != 0);
    return ZKDB_OK;
  });
}

zkdb_code zkdb_check(zkdb_db* db, zkdb_sink sink, void* sink_context, zkdb_progress progress, void* progress_context,
                     uint64_t* findings, zkdb_error* err) {
  return Guarded(err, [&] {
    std::string first;
    const auto finding = [&](const std::string& what) {
      if (first.empty()) first = what;
      return sink == nullptr || sink(sink_context, what.data(), what.size()) == 0;
    };
    uint64_t count = 0;
    const zkdb::Progress told = ProgressOf(progress, progress_context);
    Status status = db->dispatcher == nullptr ? db->engine->Check(finding, told, &count)
                                              : db->dispatcher->Check(finding, told, &count);
    if (findings != nullptr) *findings = count;
    if (status.ok() && count > 0) {
      status = Status::Corrupt("the check found " + std::to_string(count) + " things wrong; the first: " + first);
    }
    return Report(status, err);
  });
}

zkdb_code zkdb_backup(zkdb_db* db, const char* directory, zkdb_progress progress, void* context, zkdb_error* err) {
  return Guarded(err, [&] {
    if (db->dispatcher != nullptr) {
      return Report(db->dispatcher->Refuse("a backup has local partitions alone; back it up where it is"), err);
    }
    return Report(db->engine->Backup(directory, ProgressOf(progress, context)), err);
  });
}

zkdb_code zkdb_compact(zkdb_db* db, zkdb_progress progress, void* context, zkdb_error* err) {
  return Guarded(err, [&] { return Report(db->engine->Compact(ProgressOf(progress, context)), err); });
}

}  // extern "C"
