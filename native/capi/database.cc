// zkdb.h: options, open and close, reading, writing, transactions, snapshots.
#include "capi/handles.h"
#include "core/engine/registry.h"
#include "core/partition/values.h"

using zkdb::Slice;
using zkdb::Status;
using zkdb::capi::BytesOf;
using zkdb::capi::Guarded;
using zkdb::capi::Report;
using zkdb::capi::ReportUrgent;

namespace {

bool IsYes(const char* value) {
  bool yes = false;
  return zkdb::ParseYesNo(value, &yes) && yes;
}

Status CheckKey(size_t size) {
  if (size <= ZKDB_MAX_KEY_SIZE) return Status::Ok();
  return {ZKDB_KEY_TOO_LARGE,
          "the key has " + std::to_string(size) + " bytes; the limit is " + std::to_string(ZKDB_MAX_KEY_SIZE)};
}

zkdb_code Closed(zkdb_error* err) { return Report({ZKDB_CLOSED, "the handle is closed"}, err); }

// What a dispatcher reads from.
zkdb::DispatchSnapshot* StatesOf(const zkdb_snapshot* snapshot) {
  return snapshot == nullptr ? nullptr : snapshot->states.get();
}

// A snapshot means something in its own database only.
Status CheckSnapshot(const zkdb_db* db, const zkdb_snapshot* snapshot) {
  if (snapshot == nullptr || snapshot->snapshot->engine() == db->engine) return Status::Ok();
  return Status::Invalid("the snapshot belongs to another database");
}

Status CheckDurability(zkdb_durability durability) {
  if (durability >= ZKDB_DURABILITY_DEFAULT && durability <= ZKDB_DURABILITY_NONE) return Status::Ok();
  return Status::Invalid("there is no durability " + std::to_string(static_cast<int>(durability)));
}

// With the transport that it uses.
std::shared_ptr<zkdb::Dispatcher> MakeDispatcher(const std::shared_ptr<zkdb::Engine>& engine,
                                                 const zkdb_options* options) {
  if (zkdb::PartitionOverTls(engine->whole_config()) == nullptr) {
    return zkdb::Dispatcher::For(engine, zkdb::Transport::Posix());
  }
  const std::shared_ptr<zkdb::Transport> transport = zkdb::Transport::WithRelay(options->tls_relay);
  std::unique_ptr<zkdb::Dispatcher> made = zkdb::Dispatcher::For(engine, transport.get());
  return {made.release(), [transport](zkdb::Dispatcher* dispatcher) { delete dispatcher; }};
}

void CopyResult(const zkdb::WriteResult& from, zkdb_write_result* to) {
  if (to != nullptr) *to = {from.sequence, from.existed, from.failed_index};
}

zkdb_code OpenSnapshot(zkdb_db* db, bool only_local, zkdb_snapshot** out, zkdb_error* err) {
  return Guarded(err, [&] {
    if (db->engine->closed()) return Closed(err);
    auto snapshot = std::make_unique<zkdb_snapshot>();
    snapshot->dispatcher = db->dispatcher;
    if (db->dispatcher == nullptr) {
      snapshot->snapshot = std::make_shared<zkdb::Snapshot>(db->engine);
    } else {
      snapshot->states = db->dispatcher->OpenSnapshot(only_local);
      snapshot->snapshot = snapshot->states->local();
      snapshot->is_local = only_local;
    }
    *out = snapshot.release();
    return ZKDB_OK;
  });
}

}  // namespace

extern "C" {

uint32_t zkdb_abi_version(void) { return ZKDB_ABI_VERSION; }

uint64_t zkdb_clock(void) { return zkdb::Env::Posix()->WallClockMs(); }

const char* zkdb_version(void) { return "0.1.0"; }

zkdb_code zkdb_options_create(zkdb_options** out) {
  return Guarded(nullptr, [&] {
    *out = new zkdb_options;
    return ZKDB_OK;
  });
}

void zkdb_options_destroy(zkdb_options* options) { delete options; }

zkdb_code zkdb_options_set(zkdb_options* options, const char* name, const char* value, zkdb_error* err) {
  return Guarded(err, [&] {
    const Status status = zkdb::CheckOption(name, value);
    if (!status.ok()) return Report(status, err);
    const std::string option = zkdb::LowerAscii(name);
    if (option == "createifmissing") {
      options->engine.create_if_missing = IsYes(value);
    } else if (option == "errorifexists") {
      options->engine.error_if_exists = IsYes(value);
    } else if (option == "readonly") {
      options->engine.read_only = IsYes(value);
    } else if (option == "partitions") {
      options->engine.partitions = static_cast<uint32_t>(std::stoul(value));
    } else {
      options->engine.overrides.emplace_back(name, value);
    }
    return ZKDB_OK;
  });
}

void zkdb_options_on_recovery(zkdb_options* options, zkdb_progress progress, void* context) {
  options->engine.on_recovery = [progress, context](uint64_t done, uint64_t total) {
    return progress == nullptr || progress(context, done, total) == 0;
  };
}

void zkdb_options_tls_relay(zkdb_options* options, zkdb_tls_relay relay, void* context) {
  options->tls_relay = nullptr;
  if (relay != nullptr) options->tls_relay = [relay, context](int socket) { return relay(context, socket) == 0; };
}

zkdb_code zkdb_open(const char* path, const zkdb_options* options, zkdb_db** out, zkdb_error* err) {
  return Guarded(err, [&] {
    auto db = std::make_unique<zkdb_db>();
    zkdb::EngineOptions engine = options == nullptr ? zkdb::EngineOptions{} : options->engine;
    engine.tls = options != nullptr && options->tls_relay;
    Status status = zkdb::OpenDatabase(zkdb::Env::Posix(), path, engine, &db->engine);
    if (!status.ok()) return ReportUrgent(status, err);
    try {
      db->dispatcher = MakeDispatcher(db->engine, options);
    } catch (const std::bad_alloc&) {
      static_cast<void>(zkdb::CloseDatabase(db->engine).ok());
      throw;
    }
    *out = db.release();
    return ZKDB_OK;
  });
}

zkdb_code zkdb_close(zkdb_db* db, zkdb_error* err) {
  const std::unique_ptr<zkdb_db> owned(db);
  return Guarded(err, [&] {
    db->engine->expiry_observers()->Set(db, nullptr);
    return ReportUrgent(zkdb::CloseDatabase(db->engine), err);
  });
}

zkdb_code zkdb_get(zkdb_db* db, zkdb_snapshot* snapshot, const void* key, size_t key_size, void* buffer,
                   size_t capacity, size_t* size, zkdb_error* err) {
  return Guarded(err, [&] {
    if (key_size > ZKDB_MAX_KEY_SIZE) return Report(CheckKey(key_size), err);
    Status status = CheckSnapshot(db, snapshot);
    if (!status.ok()) return Report(status, err);
    const zkdb::Snapshot* const pinned = snapshot == nullptr ? nullptr : snapshot->snapshot.get();
    const Slice bytes = BytesOf(key, key_size);
    auto* const to = static_cast<uint8_t*>(buffer);
    const zkdb_code code = db->dispatcher == nullptr
                               ? db->engine->Get(pinned, bytes, to, capacity, size, &status)
                               : db->dispatcher->Get(StatesOf(snapshot), bytes, to, capacity, size, &status);
    return status.ok() ? code : Report(status, err);
  });
}

zkdb_code zkdb_expiry(zkdb_db* db, zkdb_snapshot* snapshot, const void* key, size_t key_size, uint64_t* time,
                      zkdb_error* err) {
  return Guarded(err, [&] {
    if (key_size > ZKDB_MAX_KEY_SIZE) return Report(CheckKey(key_size), err);
    Status status = CheckSnapshot(db, snapshot);
    if (!status.ok()) return Report(status, err);
    const zkdb::Snapshot* const pinned = snapshot == nullptr ? nullptr : snapshot->snapshot.get();
    const Slice bytes = BytesOf(key, key_size);
    const zkdb_code code = db->dispatcher == nullptr ? db->engine->Expiry(pinned, bytes, time, &status)
                                                     : db->dispatcher->Expiry(StatesOf(snapshot), bytes, time, &status);
    return status.ok() ? code : Report(status, err);
  });
}

zkdb_code zkdb_get_many(zkdb_db* db, zkdb_snapshot* snapshot, const void* keys, const uint32_t* offsets, uint32_t count,
                        void* buffer, size_t capacity, uint32_t* sizes, uint32_t* done, size_t* needed,
                        zkdb_error* err) {
  return Guarded(err, [&] {
    *done = 0;
    for (uint32_t i = 0; i < count; ++i) {
      if (offsets[i + 1] < offsets[i]) return Report(Status::Invalid("the offsets of the keys do not ascend"), err);
      const Status checked = CheckKey(offsets[i + 1] - offsets[i]);
      if (!checked.ok()) return Report(checked, err);
    }
    Status status = CheckSnapshot(db, snapshot);
    if (!status.ok()) return Report(status, err);
    const zkdb::Snapshot* const pinned = snapshot == nullptr ? nullptr : snapshot->snapshot.get();
    const uint8_t* const bytes = BytesOf(keys, count == 0 ? 0 : offsets[count]).data;
    auto* const to = static_cast<uint8_t*>(buffer);
    const zkdb_code code =
        db->dispatcher == nullptr
            ? db->engine->GetMany(pinned, bytes, offsets, count, to, capacity, sizes, done, needed, &status)
            : db->dispatcher->GetMany(StatesOf(snapshot), bytes, offsets, count, to, capacity, sizes, done, needed,
                                      &status);
    return status.ok() ? code : Report(status, err);
  });
}

zkdb_code zkdb_write(zkdb_db* db, const void* batch, size_t size, zkdb_durability durability, uint32_t write_flags,
                     zkdb_write_result* result, zkdb_error* err) {
  return Guarded(err, [&] {
    zkdb::WriteResult written;
    const bool non_atomic = (write_flags & ZKDB_WRITE_NON_ATOMIC) != 0;
    Status status = CheckDurability(durability);
    if (write_flags > ZKDB_WRITE_NON_ATOMIC)
      status = Status::Invalid("unknown write flags: " + std::to_string(write_flags));
    const Slice bytes = BytesOf(batch, size);
    if (status.ok() && db->dispatcher == nullptr) {
      status = db->engine->Write(bytes, durability, non_atomic, &written);
    } else if (status.ok()) {
      status = db->dispatcher->Write(bytes, durability, non_atomic, &written);
    }
    CopyResult(written, result);
    return Report(status, err);
  });
}

zkdb_code zkdb_sync(zkdb_db* db, zkdb_error* err) {
  return Guarded(err,
                 [&] { return Report(db->dispatcher == nullptr ? db->engine->Sync() : db->dispatcher->Sync(), err); });
}

// ---- transactions

zkdb_code zkdb_txn_begin(zkdb_db* db, zkdb_txn** out, zkdb_error* err) {
  return Guarded(err, [&] {
    if (db->dispatcher != nullptr) return Report(db->dispatcher->Refuse("transactions are for local partitions"), err);
    auto txn = std::make_unique<zkdb_txn>();
    std::unique_ptr<zkdb::Transaction> begun;
    const Status status = zkdb::Transaction::Begin(db->engine, &begun);
    if (!status.ok()) return Report(status, err);
    txn->transaction = std::move(begun);
    *out = txn.release();
    return ZKDB_OK;
  });
}

zkdb_code zkdb_txn_get(zkdb_txn* txn, const void* key, size_t key_size, void* buffer, size_t capacity, size_t* size,
                       zkdb_error* err) {
  return Guarded(err, [&] {
    if (key_size > ZKDB_MAX_KEY_SIZE) return Report(CheckKey(key_size), err);
    Status status;
    const zkdb_code code =
        txn->transaction->Get(BytesOf(key, key_size), static_cast<uint8_t*>(buffer), capacity, size, &status);
    return status.ok() ? code : Report(status, err);
  });
}

zkdb_code zkdb_txn_expiry(zkdb_txn* txn, const void* key, size_t key_size, uint64_t* time, zkdb_error* err) {
  return Guarded(err, [&] {
    if (key_size > ZKDB_MAX_KEY_SIZE) return Report(CheckKey(key_size), err);
    Status status;
    const zkdb_code code = txn->transaction->Expiry(BytesOf(key, key_size), time, &status);
    return status.ok() ? code : Report(status, err);
  });
}

zkdb_code zkdb_txn_write(zkdb_txn* txn, const void* batch, size_t size, zkdb_write_result* result, zkdb_error* err) {
  return Guarded(err, [&] {
    zkdb::WriteResult written;
    const Status status = txn->transaction->Write(BytesOf(batch, size), &written);
    CopyResult(written, result);
    return Report(status, err);
  });
}

zkdb_code zkdb_txn_commit(zkdb_txn* txn, zkdb_durability durability, zkdb_write_result* result, zkdb_error* err) {
  const std::unique_ptr<zkdb_txn> owned(txn);
  return Guarded(err, [&] {
    zkdb::WriteResult written;
    Status status = CheckDurability(durability);
    if (status.ok()) {
      status = txn->transaction->Commit(durability, &written);
    } else {
      txn->transaction->Abort();
    }
    CopyResult(written, result);
    return Report(status, err);
  });
}

void zkdb_txn_abort(zkdb_txn* txn) {
  if (txn != nullptr) txn->transaction->Abort();
  delete txn;
}

// ---- snapshots

zkdb_code zkdb_snapshot_open(zkdb_db* db, zkdb_snapshot** out, zkdb_error* err) {
  return OpenSnapshot(db, false, out, err);
}

zkdb_code zkdb_snapshot_open_local(zkdb_db* db, zkdb_snapshot** out, zkdb_error* err) {
  return OpenSnapshot(db, true, out, err);
}

void zkdb_snapshot_close(zkdb_snapshot* snapshot) { delete snapshot; }

uint64_t zkdb_snapshot_sequence(const zkdb_snapshot* snapshot) { return snapshot->snapshot->sequence(); }

}  // extern "C"
