#include "core/engine/registry.h"

#include <condition_variable>
#include <map>

namespace zkdb {
namespace {

struct OpenEngine {
  std::shared_ptr<Engine> engine;
  uint32_t handles = 0;
  bool closing = false;
};

struct Registry {
  std::mutex mutex;
  std::condition_variable closed;
  std::map<std::string, OpenEngine> engines;  // by the real path of the configuration file
};

Registry& TheRegistry() {
  static Registry* registry = new Registry;  // outlives every thread that may still close a database
  return *registry;
}

bool IsDirectory(Env* env, const std::string& path) {
  std::vector<std::string> names;
  return env->List(path, &names).ok();
}

bool LooksLikeFile(const std::string& path) {
  for (const char* ending : {".conf", ".cfg", ".ini"}) {
    if (path.ends_with(ending)) return true;
  }
  return false;
}

// Writes the configuration of a new directory: complete and durable before it has its name.
Status WriteNewConfig(Env* env, const std::string& directory, uint32_t partitions) {
  ZKDB_RETURN_IF_ERROR(env->CreateDirectory(directory));
  const std::string path = directory + "/zkdb.conf";
  std::unique_ptr<File> file;
  ZKDB_RETURN_IF_ERROR(env->Open(path + ".new", OpenMode::kCreate, &file));
  ZKDB_RETURN_IF_ERROR(file->Truncate(0));
  ZKDB_RETURN_IF_ERROR(file->Write(0, MakeHashedConfig(partitions)));
  ZKDB_RETURN_IF_ERROR(file->Sync());
  file.reset();
  ZKDB_RETURN_IF_ERROR(env->Rename(path + ".new", path));
  return env->SyncDirectory(directory);
}

// Finds or makes the configuration file that `path` stands for.
Status ResolveConfig(Env* env, const std::string& path, const EngineOptions& options, std::string* config) {
  if (path.empty()) return Status::Invalid("the path of a database is empty");
  if (env->Exists(path) ? !IsDirectory(env, path) : LooksLikeFile(path)) {
    *config = path;
    return Status::Ok();
  }
  *config = path + "/zkdb.conf";
  if (env->Exists(*config)) return Status::Ok();
  if (!options.create_if_missing) return {ZKDB_MISSING, path + ": the database does not exist (no zkdb.conf)"};
  if (options.read_only)
    return {ZKDB_MISSING, path + ": the database does not exist, and a read-only open makes none (no zkdb.conf)"};
  return WriteNewConfig(env, path, options.partitions == 0 ? 1 : options.partitions);
}

}  // namespace

Status OpenDatabase(Env* env, const std::string& path, const EngineOptions& options, std::shared_ptr<Engine>* out) {
  Registry& registry = TheRegistry();
  std::unique_lock<std::mutex> lock(registry.mutex);
  std::string config;
  ZKDB_RETURN_IF_ERROR(ResolveConfig(env, path, options, &config));
  std::string real;
  if (!env->RealPath(config, &real).ok()) real = config;
  auto at = registry.engines.find(real);
  while (at != registry.engines.end() && at->second.closing) {
    registry.closed.wait(lock);
    at = registry.engines.find(real);
  }
  if (at != registry.engines.end()) {
    if (options.error_if_exists) return {ZKDB_EXISTS, path + ": the database exists already"};
    if (!options.tls) ZKDB_RETURN_IF_ERROR(RefuseTls(at->second.engine->whole_config()));
    ++at->second.handles;
    *out = at->second.engine;
    return Status::Ok();
  }
  ZKDB_RETURN_IF_ERROR(Engine::Open(env, config, options, out));
  registry.engines[real] = {*out, 1, false};
  return Status::Ok();
}

Status CloseDatabase(const std::shared_ptr<Engine>& engine) {
  Registry& registry = TheRegistry();
  std::unique_lock<std::mutex> lock(registry.mutex);
  auto at = registry.engines.begin();
  while (at != registry.engines.end() && at->second.engine != engine) ++at;
  if (at == registry.engines.end() || --at->second.handles > 0) return Status::Ok();
  // Closing may wait for a transaction of another thread, which may open or close other databases meanwhile.
  at->second.closing = true;
  lock.unlock();
  engine->AbortOwnTransaction();
  const Status status = engine->Close();
  lock.lock();
  registry.engines.erase(at);
  registry.closed.notify_all();
  return status;
}

}  // namespace zkdb
