#include "core/wal/log.h"

#include "core/wal/log_recovery.h"
#include "core/wal/log_writer.h"

namespace zkdb {

Status Log::Open(Env* env, const LogOptions& options, const std::function<Status(const LogRecord&)>& replay,
                 LogSummary* summary, std::unique_ptr<Log>* out) {
  *summary = {};
  auto writer = std::make_unique<LogWriter>(env, options);
  LogRecovery recovery(env, options, replay, summary);
  ZKDB_RETURN_IF_ERROR(recovery.Run());
  writer->Continue(&recovery, *summary);
  *out = std::move(writer);
  return Status::Ok();
}

Status Log::ReadDatabaseId(Env* env, const std::string& directory, DatabaseId* id, bool* found) {
  *found = false;
  LogNames names;
  ZKDB_RETURN_IF_ERROR(ListLogNames(env, directory, &names));
  for (size_t i = names.files.size(); i-- > 0 && !*found;) {
    FoundLogFile file;
    ZKDB_RETURN_IF_ERROR(FindLogFile(env, directory, names.files[i], &file));
    if (!file.intact) continue;
    *id = file.header.database_id;
    *found = true;
  }
  return Status::Ok();
}

}  // namespace zkdb
