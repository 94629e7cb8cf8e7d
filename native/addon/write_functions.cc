// Batches, transactions and snapshots.
#include <utility>

#include "addon/arguments.h"
#include "addon/job.h"

namespace zkdb::addon {
namespace {

void StoreResult(Environment& environment, const zkdb_write_result& result) {
  environment.state(kStateSequence) = static_cast<double>(result.sequence);
  environment.state(kStateExisted) = static_cast<double>(result.existed);
  environment.state(kStateFailedIndex) = static_cast<double>(result.failed_index);
}

// Reads (buffer: Uint8Array, size): the first `size` bytes of the buffer.
bool ReadBatch(const Arguments& args, size_t first, uint8_t** batch, uint32_t* size) {
  size_t capacity;
  return args.Bytes(first, batch, &capacity) && args.Uint(first + 1, size) && *size <= capacity;
}

bool ReadDurability(const Arguments& args, size_t i, zkdb_durability* out) {
  uint32_t number;
  if (!args.Uint(i, &number) || number > ZKDB_DURABILITY_NONE) return false;
  *out = static_cast<zkdb_durability>(number);
  return true;
}

// write(db, batch, size, durability, flags): 0; the result is in the state array. Batches that were handed to
// writeAsync before and have not run yet run first.
napi_value Write(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  uint32_t id, size, flags;
  uint8_t* batch;
  zkdb_durability durability;
  if (!args.Uint(0, &id) || !ReadBatch(args, 1, &batch, &size) || !ReadDurability(args, 3, &durability) ||
      !args.Uint(4, &flags)) {
    return args.Invalid();
  }
  Handle* handle = environment.handles().Find(id, HandleKind::kDb);
  if (handle == nullptr) return args.Closed();
  zkdb_write_result result = {0, 0, -1};
  zkdb_code code;
  {
    DbRef* db = handle->db.get();
    const std::lock_guard<std::mutex> lock(db->write_mutex);
    WriteJob::RunQueued(db);
    code = zkdb_write(db->db, batch, size, durability, flags, &result, &environment.error());
  }
  StoreResult(environment, result);
  return args.Code(code);
}

// writeAsync(db, batch, size, durability, flags): Promise<{code, sequence, existed, failedIndex}>, or a negative
// number. The buffer is not changed before the promise settles.
napi_value WriteAsync(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  uint32_t id, size, flags;
  uint8_t* batch;
  zkdb_durability durability;
  if (!args.Uint(0, &id) || !ReadBatch(args, 1, &batch, &size) || !ReadDurability(args, 3, &durability) ||
      !args.Uint(4, &flags)) {
    return args.Invalid();
  }
  Handle* handle = environment.handles().Find(id, HandleKind::kDb);
  if (handle == nullptr) return args.Closed();
  auto* job = new WriteJob(&environment, handle->db, batch, size, durability, flags);
  job->Keep(env, args[1]);
  napi_value promise = Job::Promise(env, job);
  if (promise == nullptr) return args.Closed();
  job->Enqueue();
  Job::Queue(job);
  return promise;
}

// flush(db): 0. Runs the batches that were handed to writeAsync and have not run yet, on this thread.
napi_value Flush(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id;
  if (!args.Uint(0, &id)) return args.Invalid();
  Handle* handle = args.environment().handles().Find(id, HandleKind::kDb);
  if (handle == nullptr) return args.Closed();
  const std::lock_guard<std::mutex> lock(handle->db->write_mutex);
  WriteJob::RunQueued(handle->db.get());
  return args.Number(0);
}

// Adds a snapshot, cursor or transaction. Releases it again when the table is full.
napi_value AddObject(const Arguments& args, HandleKind kind, void* object, uint32_t db) {
  HandleTable& handles = args.environment().handles();
  const uint32_t id = handles.Add(kind, object, nullptr, db);
  if (id != 0) return args.Number(id);
  if (kind == HandleKind::kTxn) zkdb_txn_abort(static_cast<zkdb_txn*>(object));
  if (kind == HandleKind::kSnapshot) zkdb_snapshot_close(static_cast<zkdb_snapshot*>(object));
  return args.Fail(ZKDB_NO_MEMORY, "too many open handles in this thread");
}

// txnBegin(db): transaction
napi_value TxnBegin(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id;
  if (!args.Uint(0, &id)) return args.Invalid();
  zkdb_db* db = FindDb(args.environment(), id);
  if (db == nullptr) return args.Closed();
  zkdb_txn* txn = nullptr;
  const zkdb_code code = zkdb_txn_begin(db, &txn, &args.environment().error());
  return code == ZKDB_OK ? AddObject(args, HandleKind::kTxn, txn, id) : args.Code(code);
}

// Releases the cursors that still read the transaction that argument 0 names: they end before it.
void EndCursors(const Arguments& args) {
  uint32_t id;
  if (args.Uint(0, &id)) args.environment().handles().ReleaseCursorsOf(id);
}

// The transaction that argument 0 names, or null.
Handle* TxnOf(const Arguments& args) {
  uint32_t id;
  return args.Uint(0, &id) ? args.environment().handles().Find(id, HandleKind::kTxn) : nullptr;
}

// txnGet(transaction, keySize, buffer: Uint8Array): value size
napi_value TxnGet(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Environment& environment = args.environment();
  uint32_t key_size;
  uint8_t* buffer;
  size_t capacity;
  if (!args.Uint(1, &key_size) || key_size > environment.keys().size || !args.Bytes(2, &buffer, &capacity)) {
    return args.Invalid();
  }
  Handle* txn = TxnOf(args);
  if (txn == nullptr) return args.Closed();
  size_t size = 0;
  const zkdb_code code = zkdb_txn_get(static_cast<zkdb_txn*>(txn->object), environment.keys().data, key_size, buffer,
                                      capacity, &size, &environment.error());
  if (code == ZKDB_OK) return args.Number(static_cast<int64_t>(size));
  if (code == ZKDB_BUFFER_TOO_SMALL) environment.state(kStateNeeded) = static_cast<double>(size);
  return args.Code(code);
}

// txnWrite(transaction, batch, size): 0; the result is in the state array
napi_value TxnWrite(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint8_t* batch;
  uint32_t size;
  if (!ReadBatch(args, 1, &batch, &size)) return args.Invalid();
  Handle* txn = TxnOf(args);
  if (txn == nullptr) return args.Closed();
  zkdb_write_result result = {0, 0, -1};
  const zkdb_code code =
      zkdb_txn_write(static_cast<zkdb_txn*>(txn->object), batch, size, &result, &args.environment().error());
  StoreResult(args.environment(), result);
  return args.Code(code);
}

// txnCommit(transaction, durability): 0; the result is in the state array. The transaction is gone in any case.
napi_value TxnCommit(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  zkdb_durability durability;
  if (!ReadDurability(args, 1, &durability)) return args.Invalid();
  Handle* handle = TxnOf(args);
  if (handle == nullptr) return args.Closed();
  EndCursors(args);
  auto* txn = static_cast<zkdb_txn*>(std::exchange(handle->object, nullptr));
  args.environment().handles().Release(handle);
  zkdb_write_result result = {0, 0, -1};
  const zkdb_code code = zkdb_txn_commit(txn, durability, &result, &args.environment().error());
  StoreResult(args.environment(), result);
  return args.Code(code);
}

// txnAbort(transaction): 0
napi_value TxnAbort(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Handle* txn = TxnOf(args);
  if (txn == nullptr) return args.Closed();
  EndCursors(args);
  args.environment().handles().Release(txn);
  return args.Number(0);
}

// snapshotOpen(db, isLocal): snapshot; 1: of the local partitions alone
napi_value SnapshotOpen(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id, is_local;
  if (!args.Uint(0, &id) || !args.Uint(1, &is_local)) return args.Invalid();
  zkdb_db* db = FindDb(args.environment(), id);
  if (db == nullptr) return args.Closed();
  zkdb_snapshot* snapshot = nullptr;
  const auto open = is_local != 0 ? zkdb_snapshot_open_local : zkdb_snapshot_open;
  const zkdb_code code = open(db, &snapshot, &args.environment().error());
  return code == ZKDB_OK ? AddObject(args, HandleKind::kSnapshot, snapshot, id) : args.Code(code);
}

// The snapshot that argument 0 names, or null.
Handle* SnapshotOf(const Arguments& args) {
  uint32_t id;
  return args.Uint(0, &id) ? args.environment().handles().Find(id, HandleKind::kSnapshot) : nullptr;
}

// snapshotSequence(snapshot): the number of the last commit that it sees
napi_value SnapshotSequence(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Handle* snapshot = SnapshotOf(args);
  if (snapshot == nullptr) return args.Closed();
  return args.Number(static_cast<int64_t>(zkdb_snapshot_sequence(static_cast<zkdb_snapshot*>(snapshot->object))));
}

// snapshotClose(snapshot): 0
napi_value SnapshotClose(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  Handle* snapshot = SnapshotOf(args);
  if (snapshot == nullptr) return args.Closed();
  args.environment().handles().Release(snapshot);
  return args.Number(0);
}

constexpr FunctionEntry kFunctions[] = {
    {"write", Write},
    {"writeAsync", WriteAsync},
    {"flush", Flush},
    {"txnBegin", TxnBegin},
    {"txnGet", TxnGet},
    {"txnWrite", TxnWrite},
    {"txnCommit", TxnCommit},
    {"txnAbort", TxnAbort},
    {"snapshotOpen", SnapshotOpen},
    {"snapshotSequence", SnapshotSequence},
    {"snapshotClose", SnapshotClose},
};

}  // namespace

void ExportWriteFunctions(napi_env env, napi_value exports, Environment* environment) {
  ExportFunctions(env, exports, environment, kFunctions, std::size(kFunctions));
}

}  // namespace zkdb::addon
