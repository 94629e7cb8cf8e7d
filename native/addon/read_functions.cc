// Point reads. The key lies in the shared key buffer; the value goes to the shared value buffer.
#include "addon/arguments.h"
#include "addon/key_list.h"
#include "addon/text.h"

namespace zkdb::addon {
namespace {

// The answer to a read that ended with `code`: the size, or the code negated. What does not fit leaves its size in the
// state array.
napi_value ReadResult(const Arguments& args, zkdb_code code, size_t size) {
  if (code == ZKDB_OK) return args.Number(static_cast<int64_t>(size));
  if (code == ZKDB_BUFFER_TOO_SMALL) args.environment().state(kStateNeeded) = static_cast<double>(size);
  return args.Code(code);
}

// get(db, keySize): value size
napi_value Get(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  uint32_t id, key_size;
  if (!args.Uint(0, &id) || !args.Uint(1, &key_size) || key_size > environment.keys().size) return args.Invalid();
  zkdb_db* db = FindDb(environment, id);
  if (db == nullptr) return args.Closed();
  size_t size = 0;
  const zkdb_code code = zkdb_get(db, nullptr, environment.keys().data, key_size, environment.values().data,
                                  environment.values().size, &size, &environment.error());
  return ReadResult(args, code, size);
}

struct ReadTarget {
  zkdb_db* db;
  zkdb_snapshot* snapshot;
  uint32_t key_size;
};

// Reads (db, snapshot, keySize). Returns null, or the answer that says what is wrong.
napi_value ReadTargetOf(const Arguments& args, ReadTarget* target) {
  uint32_t id, snapshot_id;
  if (!args.Uint(0, &id) || !args.Uint(1, &snapshot_id) || !args.Uint(2, &target->key_size) ||
      target->key_size > args.environment().keys().size) {
    return args.Invalid();
  }
  target->db = FindDb(args.environment(), id);
  if (target->db == nullptr || !FindSnapshot(args.environment(), snapshot_id, &target->snapshot)) return args.Closed();
  return nullptr;
}

// getAt(db, snapshot, keySize): value size
napi_value GetAt(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  ReadTarget target;
  if (napi_value failure = ReadTargetOf(args, &target)) return failure;
  size_t size = 0;
  const zkdb_code code = zkdb_get(target.db, target.snapshot, environment.keys().data, target.key_size,
                                  environment.values().data, environment.values().size, &size, &environment.error());
  return ReadResult(args, code, size);
}

// getInto(db, snapshot, keySize, buffer: Uint8Array): value size. For values that outgrow the shared buffer.
napi_value GetInto(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  ReadTarget target;
  uint8_t* buffer;
  size_t capacity;
  if (napi_value failure = ReadTargetOf(args, &target)) return failure;
  if (!args.Bytes(3, &buffer, &capacity)) return args.Invalid();
  size_t size = 0;
  const zkdb_code code = zkdb_get(target.db, target.snapshot, environment.keys().data, target.key_size, buffer,
                                  capacity, &size, &environment.error());
  return ReadResult(args, code, size);
}

// getText(db, snapshot, keySize): the value as a string, or a negative number. Saves a second call for the decoding.
napi_value GetText(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  ReadTarget target;
  if (napi_value failure = ReadTargetOf(args, &target)) return failure;
  size_t size = 0;
  const auto* text = reinterpret_cast<const char*>(environment.values().data);
  const zkdb_code code = zkdb_get(target.db, target.snapshot, environment.keys().data, target.key_size,
                                  environment.values().data, environment.values().size, &size, &environment.error());
  if (code != ZKDB_OK) return ReadResult(args, code, size);
  napi_value string = nullptr;
  if (IsAscii(environment.values().data, size)) {
    napi_create_string_latin1(env, text, size, &string);
  } else {
    napi_create_string_utf8(env, text, size, &string);
  }
  return string;
}

// has(db, snapshot, keySize): 1 or 0
napi_value Has(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  ReadTarget target;
  if (napi_value failure = ReadTargetOf(args, &target)) return failure;
  size_t size = 0;
  const zkdb_code code = zkdb_get(target.db, target.snapshot, args.environment().keys().data, target.key_size, nullptr,
                                  0, &size, &args.environment().error());
  if (code == ZKDB_OK || code == ZKDB_BUFFER_TOO_SMALL) return args.Number(1);
  return code == ZKDB_NOT_FOUND ? args.Number(0) : args.Code(code);
}

// expiry(db, snapshot, keySize): 0, with the time in the state array
napi_value Expiry(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  ReadTarget target;
  if (napi_value failure = ReadTargetOf(args, &target)) return failure;
  uint64_t time = 0;
  const zkdb_code code =
      zkdb_expiry(target.db, target.snapshot, environment.keys().data, target.key_size, &time, &environment.error());
  if (code != ZKDB_OK) return args.Code(code);
  environment.state(kStateTime) = static_cast<double>(time);
  return args.Number(0);
}

// getMany(db, snapshot, keys, offsets, count, buffer: Uint8Array, sizes: Uint32Array): keys answered. When these are
// fewer than `count`, the size of the next value is in the state array; so is whether all values are ASCII.
napi_value GetMany(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  uint32_t id, snapshot_id;
  KeyList list;
  uint8_t* buffer;
  uint32_t* sizes;
  size_t capacity, sizes_count;
  if (!args.Uint(0, &id) || !args.Uint(1, &snapshot_id) || !ReadKeyList(args, 2, &list) ||
      !args.Bytes(5, &buffer, &capacity) || !args.Uint32s(6, &sizes, &sizes_count) || sizes_count < list.count) {
    return args.Invalid();
  }
  zkdb_db* db = FindDb(environment, id);
  zkdb_snapshot* snapshot;
  if (db == nullptr || !FindSnapshot(environment, snapshot_id, &snapshot)) return args.Closed();
  uint32_t done = 0;
  size_t needed = 0;
  const zkdb_code code = zkdb_get_many(db, snapshot, list.keys, list.offsets, list.count, buffer, capacity, sizes,
                                       &done, &needed, &environment.error());
  environment.state(kStateNeeded) = static_cast<double>(needed);
  if (code != ZKDB_OK && code != ZKDB_BUFFER_TOO_SMALL) return args.Code(code);
  size_t used = 0;
  for (uint32_t i = 0; i < done; ++i) used += sizes[i] == UINT32_MAX ? 0 : sizes[i];
  environment.state(kStateUsed) = static_cast<double>(used);
  environment.state(kStateAscii) = IsAscii(buffer, used);
  return args.Number(done);
}

// hasMany(db, snapshot, keys, offsets, count, found: Uint8Array): 0
napi_value HasMany(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  uint32_t id, snapshot_id;
  KeyList list;
  uint8_t* found;
  size_t found_size;
  if (!args.Uint(0, &id) || !args.Uint(1, &snapshot_id) || !ReadKeyList(args, 2, &list) ||
      !args.Bytes(5, &found, &found_size) || found_size < list.count) {
    return args.Invalid();
  }
  zkdb_db* db = FindDb(environment, id);
  zkdb_snapshot* snapshot;
  if (db == nullptr || !FindSnapshot(environment, snapshot_id, &snapshot)) return args.Closed();
  for (uint32_t i = 0; i < list.count; ++i) {
    size_t size = 0;
    const uint32_t start = list.offsets[i];
    const zkdb_code code =
        zkdb_get(db, snapshot, list.keys + start, list.offsets[i + 1] - start, nullptr, 0, &size, &environment.error());
    if (code != ZKDB_OK && code != ZKDB_BUFFER_TOO_SMALL && code != ZKDB_NOT_FOUND) return args.Code(code);
    found[i] = code != ZKDB_NOT_FOUND;
  }
  return args.Number(0);
}

// partitionOf(db, keySize): index
napi_value PartitionOf(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  uint32_t id, key_size;
  if (!args.Uint(0, &id) || !args.Uint(1, &key_size) || key_size > environment.keys().size) return args.Invalid();
  zkdb_db* db = FindDb(environment, id);
  if (db == nullptr) return args.Closed();
  return args.Number(zkdb_partition_of(db, environment.keys().data, key_size));
}

constexpr FunctionEntry kFunctions[] = {
    {"get", Get}, {"getAt", GetAt},     {"getInto", GetInto}, {"getText", GetText},         {"expiry", Expiry},
    {"has", Has}, {"getMany", GetMany}, {"hasMany", HasMany}, {"partitionOf", PartitionOf},
};

}  // namespace

void ExportReadFunctions(napi_env env, napi_value exports, Environment* environment) {
  ExportFunctions(env, exports, environment, kFunctions, std::size(kFunctions));
}

}  // namespace zkdb::addon
