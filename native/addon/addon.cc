// The module: what is exported, and the functions about the environment itself.
#include <napi.h>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/job.h"
#include "include/zkdb.h"

namespace zkdb::addon {

void ExportFunctions(napi_env env, napi_value exports, Environment* environment, const FunctionEntry* entries,
                     size_t count) {
  for (size_t i = 0; i < count; ++i) {
    napi_value function;
    if (napi_create_function(env, entries[i].name, NAPI_AUTO_LENGTH, entries[i].function, environment, &function) ==
        napi_ok) {
      napi_set_named_property(env, exports, entries[i].name, function);
    }
  }
}

namespace {

// registerBuffers(keys: Uint8Array, values: Uint8Array, state: Float64Array): 0
napi_value RegisterBuffers(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  return args.environment().Register(args[0], args[1], args[2]) ? args.Number(0) : args.Invalid();
}

// lastError(): {code, name, message, urgent} of the last call that answered a negative number
napi_value LastError(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  const zkdb_error& error = args.environment().error();
  return DescribeError(env, error.code, error);
}

// version(): {version, abi, limits}
napi_value Version(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  napi_value result = nullptr;
  if (napi_create_object(env, &result) != napi_ok) return nullptr;
  SetString(env, result, "version", zkdb_version());
  SetNumber(env, result, "abi", zkdb_abi_version());
  SetNumber(env, result, "maxPartitions", ZKDB_MAX_PARTITIONS);
  SetNumber(env, result, "maxKeySize", ZKDB_MAX_KEY_SIZE);
  SetNumber(env, result, "maxValueSize", ZKDB_MAX_VALUE_SIZE);
  SetNumber(env, result, "maxBatchSize", ZKDB_MAX_BATCH_SIZE);
  return result;
}

constexpr FunctionEntry kFunctions[] = {
    {"registerBuffers", RegisterBuffers},
    {"lastError", LastError},
    {"version", Version},
};

}  // namespace
}  // namespace zkdb::addon

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  using namespace zkdb::addon;
  if (zkdb_abi_version() != ZKDB_ABI_VERSION) {
    Napi::Error::New(env, "the zkdb library has another ABI version than the addon was built for: rebuild the addon")
        .ThrowAsJavaScriptException();
    return exports;
  }
  Environment* environment = CreateEnvironment(env);
  ExportFunctions(env, exports, environment, kFunctions, std::size(kFunctions));
  ExportDatabaseFunctions(env, exports, environment);
  ExportReadFunctions(env, exports, environment);
  ExportLookupFunctions(env, exports, environment);
  ExportWriteFunctions(env, exports, environment);
  ExportScanFunctions(env, exports, environment);
  ExportOperationFunctions(env, exports, environment);
  ExportToolFunctions(env, exports, environment);
  ExportServerFunctions(env, exports, environment);
  ExportServerGuardFunctions(env, exports, environment);
  ExportTlsFunctions(env, exports, environment);
  return exports;
}

NODE_API_MODULE(zkdb, Init)
