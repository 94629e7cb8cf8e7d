// Cursors. A chunk of records goes into one buffer of JavaScript's, with the place of each record in an array.
#include <cstring>
#include <memory>
#include <utility>

#include "addon/arguments.h"
#include "addon/job.h"
#include "addon/text.h"

namespace zkdb::addon {
namespace {

constexpr size_t kRecordHeaderSize = 8;  // u32 key size, u32 value size
constexpr size_t kOffsetsPerRecord = 3;  // where the key begins, where the value begins, where it ends

// A range whose bounds lie one after the other in the shared key buffer.
// Reads (loSize, hiSize, rangeFlags) from argument `first` on.
bool ReadRange(const Arguments& args, size_t first, zkdb_range* range) {
  uint32_t lo_size, hi_size;
  const SharedBytes& keys = args.environment().keys();
  if (!args.Uint(first, &lo_size) || !args.Uint(first + 1, &hi_size) || !args.Uint(first + 2, &range->flags) ||
      uint64_t{lo_size} + hi_size > keys.size) {
    return false;
  }
  range->lo = keys.data;
  range->lo_size = lo_size;
  range->hi = keys.data + lo_size;
  range->hi_size = hi_size;
  return true;
}

// cursorOpen(db, snapshot, transaction, loSize, hiSize, rangeFlags, scanFlags): cursor
napi_value CursorOpen(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  uint32_t id, snapshot_id, txn_id, scan_flags;
  zkdb_range range;
  if (!args.Uint(0, &id) || !args.Uint(1, &snapshot_id) || !args.Uint(2, &txn_id) || !ReadRange(args, 3, &range) ||
      !args.Uint(6, &scan_flags)) {
    return args.Invalid();
  }
  zkdb_db* db = FindDb(environment, id);
  zkdb_snapshot* snapshot;
  Handle* txn = txn_id == 0 ? nullptr : environment.handles().Find(txn_id, HandleKind::kTxn);
  if (db == nullptr || !FindSnapshot(environment, snapshot_id, &snapshot) || (txn_id != 0 && txn == nullptr)) {
    return args.Closed();
  }
  zkdb_cursor* cursor = nullptr;
  const zkdb_code code = zkdb_cursor_open(db, snapshot, txn ? static_cast<zkdb_txn*>(txn->object) : nullptr, &range,
                                          scan_flags, &cursor, &environment.error());
  if (code != ZKDB_OK) return args.Code(code);
  const uint32_t cursor_id = environment.handles().Add(HandleKind::kCursor, cursor, nullptr, id);
  if (cursor_id != 0) {
    environment.handles().Find(cursor_id, HandleKind::kCursor)->transaction = txn_id;
    return args.Number(cursor_id);
  }
  zkdb_cursor_close(cursor);
  return args.Fail(ZKDB_NO_MEMORY, "too many open handles in this thread");
}

// The cursor that argument 0 names, or null: when there is none, and while a job reads it.
Handle* CursorOf(const Arguments& args) {
  uint32_t id;
  if (!args.Uint(0, &id)) return nullptr;
  Handle* cursor = args.environment().handles().Find(id, HandleKind::kCursor);
  return cursor != nullptr && HandleTable::IsLent(*cursor) ? nullptr : cursor;
}

// Fills `offsets` from the headers of the packed records. Returns whether every byte of keys and values is ASCII.
bool FillOffsets(const uint8_t* chunk, uint32_t count, uint32_t* offsets) {
  uint32_t position = 0;
  uint64_t bits = 0;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t key_size, value_size;
    std::memcpy(&key_size, chunk + position, 4);
    std::memcpy(&value_size, chunk + position + 4, 4);
    const uint32_t key = position + static_cast<uint32_t>(kRecordHeaderSize);
    const uint32_t value = key + key_size;
    position = value + value_size;
    offsets[0] = key;
    offsets[1] = value;
    offsets[2] = position;
    offsets += kOffsetsPerRecord;
    bits |= TopBits(chunk + key, key_size + value_size);
  }
  return bits == 0;
}

// Where records are read to.
struct ChunkTarget {
  uint8_t* chunk;
  size_t capacity;
  uint32_t* offsets;
  uint32_t max_records;
};

// Reads (chunk: Uint8Array, offsets: Uint32Array, maxRecords) from argument 1 on.
bool ReadChunkTarget(const Arguments& args, ChunkTarget* target) {
  size_t offsets_count;
  if (!args.Bytes(1, &target->chunk, &target->capacity) || !args.Uint32s(2, &target->offsets, &offsets_count) ||
      !args.Uint(3, &target->max_records) || target->capacity > INT32_MAX) {
    return false;
  }
  const size_t room = offsets_count / kOffsetsPerRecord;
  if (target->max_records > room) target->max_records = static_cast<uint32_t>(room);
  return true;
}

// What a chunk of a cursor holds.
struct ChunkRead {
  size_t used = 0;  // bytes; those that a record needs when ZKDB_BUFFER_TOO_SMALL says that it does not fit
  uint32_t count = 0;
  int done = 0;
  bool ascii = false;

  zkdb_code Fill(void* cursor, const ChunkTarget& to, zkdb_error* error) {
    const zkdb_code code = zkdb_cursor_next(static_cast<zkdb_cursor*>(cursor), to.chunk, to.capacity, to.max_records,
                                            &used, &count, &done, error);
    if (code == ZKDB_OK) ascii = FillOffsets(to.chunk, count, to.offsets);
    return code;
  }
};

// cursorNext(cursor, chunk: Uint8Array, offsets: Uint32Array, maxRecords): records. Used bytes, whether the range is
// exhausted and whether the chunk is ASCII are in the state array; so is the size that a record needs which does not
// fit.
napi_value CursorNext(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  ChunkTarget to;
  if (!ReadChunkTarget(args, &to)) return args.Invalid();
  Handle* cursor = CursorOf(args);
  if (cursor == nullptr) return args.Closed();
  ChunkRead read;
  const zkdb_code code = read.Fill(cursor->object, to, &environment.error());
  if (code != ZKDB_OK) {
    environment.state(kStateNeeded) = static_cast<double>(read.used);
    return args.Code(code);
  }
  environment.state(kStateUsed) = static_cast<double>(read.used);
  environment.state(kStateDone) = read.done;
  environment.state(kStateAscii) = read.ascii;
  return args.Number(read.count);
}

class CursorJob : public Job {
 public:
  CursorJob(Environment* environment, std::shared_ptr<DbRef> db, std::shared_ptr<void> cursor, const ChunkTarget& to)
      : Job(environment, std::move(db)), cursor_(std::move(cursor)), to_(to) {}

 protected:
  void Execute() override { code_ = read_.Fill(cursor_.get(), to_, &error_); }

  void Describe(napi_env env, napi_value result) override {
    SetNumber(env, result, "used", static_cast<double>(read_.used));
    SetNumber(env, result, "count", read_.count);
    SetBoolean(env, result, "isDone", read_.done != 0);
    SetBoolean(env, result, "isAscii", read_.ascii);
  }

 private:
  const std::shared_ptr<void> cursor_;
  const ChunkTarget to_;
  ChunkRead read_;
};

// cursorNextAsync(cursor, chunk: Uint8Array, offsets: Uint32Array, maxRecords): Promise<{code, used, count, isDone,
// isAscii}>, or a negative number. As cursorNext, on the thread pool; `used` is also the size that a record needs which
// does not fit. The cursor can be closed meanwhile, and is used for nothing else; nor are the arrays.
napi_value CursorNextAsync(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  ChunkTarget to;
  if (!ReadChunkTarget(args, &to)) return args.Invalid();
  Handle* cursor = CursorOf(args);
  // The state of a transaction belongs to this thread.
  if (cursor == nullptr || cursor->transaction != 0) return args.Closed();
  Handle* db = environment.handles().Find(cursor->parent, HandleKind::kDb);
  if (db == nullptr) return args.Closed();
  auto* job = new CursorJob(&environment, db->db, environment.handles().Lend(cursor), to);
  job->Keep(env, args[1]);
  job->Keep(env, args[2]);
  napi_value promise = Job::Start(env, job);
  return promise == nullptr ? args.Closed() : promise;
}

// cursorIsRemote(cursor): 1 when a server may have to be waited for, else 0
napi_value CursorIsRemote(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Handle* cursor = CursorOf(args);
  if (cursor == nullptr) return args.Closed();
  return args.Number(zkdb_cursor_is_remote(static_cast<zkdb_cursor*>(cursor->object)));
}

// cursorSeek(cursor, keySize): 0
napi_value CursorSeek(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  uint32_t key_size;
  if (!args.Uint(1, &key_size) || key_size > environment.keys().size) return args.Invalid();
  Handle* cursor = CursorOf(args);
  if (cursor == nullptr) return args.Closed();
  return args.Code(zkdb_cursor_seek(static_cast<zkdb_cursor*>(cursor->object), environment.keys().data, key_size,
                                    &environment.error()));
}

// cursorMissing(cursor, index): the partition of that part that the cursor could not read; why is in lastError(). The
// key behind which it begins is in the shared key buffer, its size in the state array; -1: all of the partition.
napi_value CursorMissing(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  uint32_t index;
  if (!args.Uint(1, &index)) return args.Invalid();
  Handle* cursor = CursorOf(args);
  if (cursor == nullptr) return args.Closed();
  zkdb_missing missing;
  const zkdb_code code = zkdb_cursor_missing(static_cast<zkdb_cursor*>(cursor->object), index, &missing);
  if (code != ZKDB_OK) return args.Code(code);
  environment.Fail(missing.code, missing.message);
  environment.state(kStateUsed) = -1;
  if (missing.from != nullptr && missing.from_size <= environment.keys().size) {
    if (missing.from_size != 0) std::memcpy(environment.keys().data, missing.from, missing.from_size);
    environment.state(kStateUsed) = static_cast<double>(missing.from_size);
  }
  return args.Number(missing.partition);
}

// cursorClose(cursor): 0. A cursor that a job reads is closed when that is finished.
napi_value CursorClose(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id;
  if (!args.Uint(0, &id)) return args.Invalid();
  Handle* cursor = args.environment().handles().Find(id, HandleKind::kCursor);
  if (cursor == nullptr) return args.Closed();
  args.environment().handles().Release(cursor);
  return args.Number(0);
}

// estimate(db, partition, loSize, hiSize, rangeFlags): records
napi_value Estimate(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id, partition;
  zkdb_range range;
  if (!args.Uint(0, &id) || !args.Uint(1, &partition) || !ReadRange(args, 2, &range)) return args.Invalid();
  zkdb_db* db = FindDb(args.environment(), id);
  if (db == nullptr) return args.Closed();
  uint64_t records = 0;
  const zkdb_code code = zkdb_estimate(db, partition, &range, &records, &args.environment().error());
  return code == ZKDB_OK ? args.Number(static_cast<int64_t>(records)) : args.Code(code);
}

constexpr FunctionEntry kFunctions[] = {
    {"cursorNextAsync", CursorNextAsync},
    {"cursorIsRemote", CursorIsRemote},
    {"cursorOpen", CursorOpen},
    {"cursorNext", CursorNext},
    {"cursorSeek", CursorSeek},
    {"cursorClose", CursorClose},
    {"estimate", Estimate},
    {"cursorMissing", CursorMissing},
};

}  // namespace

void ExportScanFunctions(napi_env env, napi_value exports, Environment* environment) {
  ExportFunctions(env, exports, environment, kFunctions, std::size(kFunctions));
}

}  // namespace zkdb::addon
