#include "core/engine/registry.h"

#include <map>

namespace zkdb {
namespace {

struct OpenEngine {
  std::shared_ptr<Engine> engine;
  uint32_t handles = 0;
};

struct Registry {
  std::mutex mutex;
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
  if (!options.create_if_missing) return {ZKDB_MISSING, path + ": there is no database (no zkdb.conf)"};
  if (options.read_only) return {ZKDB_MISSING, path + ": there is no database to open read-only (no zkdb.conf)"};
  return WriteNewConfig(env, path, options.partitions == 0 ? 1 : options.partitions);
}

}  // namespace

Status OpenDatabase(Env* env, const std::string& path, const EngineOptions& options, std::shared_ptr<Engine>* out) {
  Registry& registry = TheRegistry();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  std::string config;
  ZKDB_RETURN_IF_ERROR(ResolveConfig(env, path, options, &config));
  std::string real;
  if (!env->RealPath(config, &real).ok()) real = config;
  const auto at = registry.engines.find(real);
  if (at != registry.engines.end()) {
    if (options.error_if_exists) return {ZKDB_EXISTS, path + ": the database exists already"};
    ++at->second.handles;
    *out = at->second.engine;
    return Status::Ok();
  }
  ZKDB_RETURN_IF_ERROR(Engine::Open(env, config, options, out));
  registry.engines[real] = {*out, 1};
  return Status::Ok();
}

Status CloseDatabase(const std::shared_ptr<Engine>& engine) {
  if (engine->InTransaction()) return Status::Invalid("a transaction is open on this thread; end it before closing the database");
  Registry& registry = TheRegistry();
  const std::lock_guard<std::mutex> lock(registry.mutex);
  for (auto at = registry.engines.begin(); at != registry.engines.end(); ++at) {
    if (at->second.engine != engine) continue;
    if (--at->second.handles > 0) return Status::Ok();
    registry.engines.erase(at);
    return engine->Close();
  }
  return Status::Ok();
}

}  // namespace zkdb
