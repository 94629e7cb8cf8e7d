#include "torture/fault_run.h"

#include <sys/statvfs.h>

#include "capi/handles.h"
#include "core/engine/registry.h"
#include "torture/alloc_fault.h"
#include "torture/fault_env.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

BatchBytes Packed(const std::vector<FaultOp>& ops) {
  BatchBytes batch;
  for (const FaultOp& op : ops) {
    const bool range = op.kind == ZKDB_OP_DELETE_RANGE;
    if (op.kind == ZKDB_OP_EXPIRE) {
      batch.Expire(op.key, op.time);
    } else if (op.time != 0) {
      batch.PutTimed(op.key, op.value, op.time, ZKDB_PUT_EXPIRES, op.kind);
    } else {
      batch.Add(op.kind, op.key, op.value, range ? ZKDB_RANGE_HAS_HI : 0);
    }
  }
  return batch;
}

bool IsPut(zkdb_op kind) {
  return kind == ZKDB_OP_PUT || kind == ZKDB_OP_PUT_IF_ABSENT || kind == ZKDB_OP_PUT_IF_PRESENT;
}

}  // namespace

FastDirectory::FastDirectory() {
  struct statvfs info;
  const bool in_memory = statvfs("/dev/shm", &info) == 0 && info.f_bavail * info.f_frsize > (256u << 20);
  path_ = in_memory ? "/dev/shm/zkdb-torture-" + std::to_string(getpid()) : TempDirectory();
  fs::remove_all(path_);
  fs::create_directories(path_);
}

FastDirectory::~FastDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string FaultKey(int number) {
  return "k" + std::string(1, static_cast<char>('a' + number % 26)) + std::to_string(1000 + number);
}

std::string FaultValue(int number, size_t size, int version) {
  std::string value = std::to_string(number) + "." + std::to_string(version) + ".";
  value.resize(std::max(size, value.size()), static_cast<char>('a' + version % 26));
  return value;
}

FaultRun::~FaultRun() {
  ReadCursor();
  CloseSnapshot();
  if (db_ != nullptr) static_cast<void>(zkdb_close(db_, nullptr));
}

bool FaultRun::Note(bool good, const std::string& what) {
  if (good) return true;
  ok_ = false;
  return Fail(name_.c_str(), 0, what);
}

// A failure must have a cause, and the code of its cause.
bool FaultRun::Allowed(zkdb_code code, const char* call) {
  if (code == ZKDB_OK) return true;
  const TestScope test;
  const std::string said = std::string(call) + " gives " + zkdb_code_name(code) + ": " + error_.message;
  if (!fired_ || !fired_()) return Note(false, said + "; but nothing has failed");
  if (!codes_.contains(code)) return Note(false, said);
  ++failed_calls_;
  const bool named = code != ZKDB_CORRUPT || std::strstr(error_.message, place_.c_str()) != nullptr;
  return named ? false : Note(false, said + "; but the damage is in " + place_);
}

zkdb_code FaultRun::OpenAt(Env* env, const std::string& directory, zkdb_db** db) {
  const EngineScope engine;
  return capi::Guarded(&error_, [&] {
    EngineOptions options;
    for (const auto& [name, value] : options_) {
      if (std::string_view(name) == "ReadOnly") {
        options.read_only = true;
      } else {
        options.overrides.emplace_back(name, value);
      }
    }
    auto handle = std::make_unique<zkdb_db>();
    const Status status = OpenDatabase(env, directory, options, &handle->engine);
    if (!status.ok()) return capi::ReportUrgent(status, &error_);
    *db = handle.release();
    return ZKDB_OK;
  });
}

void FaultRun::Open() {
  const std::string config = directory_ + "/test.conf";
  if (opening_) opening_();
  if (Allowed(OpenAt(env_, fs::exists(config) ? config : directory_, &db_), "open")) Adopt();
}

// Makes what was found the published state: it must be one that may be.
void FaultRun::Adopt() {
  Model all;
  if (ReadState(db_, 0, &all)) FindState(Split(all));
}

bool FaultRun::FindState(const std::vector<Model>& parts) {
  bool found = true;
  for (size_t u = 0; u < parts.size(); ++u) {
    History& h = histories_[u];
    size_t i = h.states.size();
    while (i > h.floor && h.states[i - 1] != parts[u]) --i;
    found &= i > h.floor;
    if (i > h.floor) h.current = i - 1;
  }
  return Note(found, "after opening the state is no commit at or after the last one that was acknowledged");
}

void FaultRun::Close() {
  ReadCursor();
  CloseSnapshot();
  if (db_ == nullptr) return;
  const bool was_failed = failed();
  zkdb_code code;
  {
    const EngineScope engine;
    code = zkdb_close(std::exchange(db_, nullptr), &error_);
  }
  if (Allowed(code, "close") && !was_failed) KeepAll();
}

// Everything that is published is on stable storage now.
void FaultRun::KeepAll() {
  for (History& h : histories_) h.floor = h.current;
}

bool FaultRun::failed() {
  zkdb_db_stats stats{};
  return db_ != nullptr && zkdb_stats(db_, &stats, nullptr) == ZKDB_OK && stats.failed != 0;
}

size_t FaultRun::UnitOf(const std::string& key) const {
  return histories_.size() == 1 ? 0 : zkdb_partition_of(db_, key.data(), key.size());
}

void FaultRun::Apply(const FaultOp& op, std::vector<Model>* next) const {
  if (op.kind == ZKDB_OP_DELETE_RANGE) {
    for (Model& m : *next) m.erase(m.lower_bound(op.key), m.lower_bound(op.value));
    return;
  }
  Model& m = (*next)[UnitOf(op.key)];
  if (IsPut(op.kind) && op.time != kEnded) {
    m[op.key] = op.value;
  } else if (op.kind != ZKDB_OP_EXPIRE || op.time == kEnded) {
    m.erase(op.key);
  }
}

bool FaultRun::Conditions(const std::vector<FaultOp>& ops) const {
  return std::all_of(ops.begin(), ops.end(), [this](const FaultOp& op) {
    if (op.kind != ZKDB_OP_PUT_IF_ABSENT && op.kind != ZKDB_OP_PUT_IF_PRESENT) return true;
    const History& h = histories_[UnitOf(op.key)];
    return h.states[h.current].contains(op.key) == (op.kind == ZKDB_OP_PUT_IF_PRESENT);
  });
}

// Enters what became of a write that makes `next` of the states.
void FaultRun::Record(zkdb_code code, std::vector<Model> next, zkdb_durability durability) {
  const bool now_failed = code != ZKDB_OK && failed();
  size_t changed = 0;
  for (size_t u = 0; u < next.size(); ++u) changed += next[u] != histories_[u].states[histories_[u].current] ? 1 : 0;
  if (code != ZKDB_OK && !now_failed && changed < 2) return;  // it must have left nothing
  if (durability == ZKDB_DURABILITY_DEFAULT) durability = shape_.durability;
  for (size_t u = 0; u < next.size(); ++u) {
    History& h = histories_[u];
    if (next[u] == h.states[h.current]) continue;
    h.states.push_back(std::move(next[u]));
    h.unsure = code != ZKDB_OK && changed > 1;
    if (code != ZKDB_OK) continue;
    h.current = h.states.size() - 1;
    if (durability != ZKDB_DURABILITY_NONE) h.floor = h.current;
  }
  if (code != ZKDB_OK && changed > 1) Settle();
}

// After a batch that is not atomic: what was published of it is found by reading.
void FaultRun::Settle() {
  AllocFault::Disarm();
  Model all;
  const bool readable = ReadState(db_, 0, &all);
  if (!readable && place_.empty()) return;
  const std::vector<Model> parts = Split(all);
  for (size_t u = 0; u < parts.size(); ++u) {
    History& h = histories_[u];
    if (!h.unsure) continue;
    h.unsure = false;
    if (readable ? parts[u] == h.states.back() : ShowsLast(h)) {
      h.current = h.states.size() - 1;
    } else if (!failed()) {
      h.states.pop_back();
    }
  }
}

void FaultRun::Write(const std::vector<FaultOp>& ops, zkdb_durability durability) {
  if (db_ == nullptr) return;
  const bool refused = failed();
  const BatchBytes batch = Packed(ops);
  const uint32_t flags = histories_.size() > 1 ? ZKDB_WRITE_NON_ATOMIC : 0;
  zkdb_write_result result{};
  zkdb_code code;
  {
    const EngineScope engine;
    code = zkdb_write(db_, batch.bytes().data(), batch.bytes().size(), durability, flags, &result, &error_);
  }
  Allowed(code, "write");
  if (refused) {
    Note(code != ZKDB_OK, "a write is acknowledged although writes are refused");
    return;
  }
  const bool holds = Conditions(ops);
  if (code == ZKDB_OK) Note((result.failed_index < 0) == holds, "a condition is judged wrongly");
  if (!holds) return;
  std::vector<Model> next;
  for (const History& h : histories_) next.push_back(h.states[h.current]);
  for (const FaultOp& op : ops) Apply(op, &next);
  Record(code, std::move(next), durability);
}

void FaultRun::Put(int from, int to, size_t size, int version) {
  std::vector<FaultOp> ops;
  for (int i = from; i < to; ++i) ops.push_back({ZKDB_OP_PUT, FaultKey(i), FaultValue(i, size, version)});
  Write(ops);
}

void FaultRun::PutEach(int from, int to, size_t size, int version) {
  for (int i = from; i < to; ++i) Put(i, i + 1, size, version);
}

void FaultRun::Delete(int from, int to) {
  std::vector<FaultOp> ops;
  for (int i = from; i < to; ++i) ops.push_back({ZKDB_OP_DELETE, FaultKey(i), ""});
  Write(ops);
}

void FaultRun::DeleteRange(char from, char to) {
  Write({{ZKDB_OP_DELETE_RANGE, std::string("k") + from, std::string("k") + to}});
}

void FaultRun::PutIf(zkdb_op kind, int number, int version) {
  Write({{kind, FaultKey(number), FaultValue(number, 60, version)}});
}

void FaultRun::Transact(const std::vector<std::vector<FaultOp>>& batches, bool commit) {
  if (db_ == nullptr) return;
  const bool refused = failed();
  std::vector<Model> next;
  for (const History& h : histories_) next.push_back(h.states[h.current]);
  std::vector<std::string> bytes;
  for (const auto& ops : batches) bytes.push_back(Packed(ops).bytes());
  zkdb_code code;
  {
    const EngineScope engine;
    zkdb_txn* txn = nullptr;
    code = zkdb_txn_begin(db_, &txn, &error_);
    for (const std::string& b : bytes) {
      if (code == ZKDB_OK) code = zkdb_txn_write(txn, b.data(), b.size(), nullptr, &error_);
    }
    if (txn != nullptr && commit) {
      // Also after a failed write: a commit of half a transaction must be refused.
      const zkdb_code ended =
          zkdb_txn_commit(txn, ZKDB_DURABILITY_DEFAULT, nullptr, code == ZKDB_OK ? &error_ : nullptr);
      if (code != ZKDB_OK && ended == ZKDB_OK) Note(false, "a transaction with a failed write is committed");
      if (code == ZKDB_OK) code = ended;
    } else {
      zkdb_txn_abort(txn);
    }
  }
  Allowed(code, "transaction");
  if (refused) Note(code != ZKDB_OK, "a transaction is acknowledged although writes are refused");
  if (!commit || refused) return;
  for (const auto& ops : batches) {
    for (const FaultOp& op : ops) Apply(op, &next);
  }
  Record(code, std::move(next), ZKDB_DURABILITY_DEFAULT);
}

void FaultRun::Checkpoint() {
  if (db_ == nullptr) return;
  zkdb_code code;
  {
    const EngineScope engine;
    code = zkdb_checkpoint(db_, &error_);
  }
  if (Allowed(code, "checkpoint")) KeepAll();
}

void FaultRun::Sync() {
  if (db_ == nullptr) return;
  zkdb_code code;
  {
    const EngineScope engine;
    code = zkdb_sync(db_, &error_);
  }
  if (Allowed(code, "sync")) KeepAll();
}

void FaultRun::Compact() {
  if (db_ == nullptr) return;
  const EngineScope engine;
  Allowed(zkdb_compact(db_, nullptr, nullptr, &error_), "compact");
}

// Changes nothing that anyone sees.
void FaultRun::Sweep() {
  if (db_ == nullptr) return;
  const EngineScope engine;
  Allowed(zkdb_sweep(db_, nullptr, &error_), "sweep");
}

void FaultRun::Backup() {
  if (db_ == nullptr) return;
  const std::string to = directory_ + ".backup";
  fs::remove_all(to);
  zkdb_code code;
  {
    const EngineScope engine;
    code = zkdb_backup(db_, to.c_str(), nullptr, nullptr, &error_);
  }
  AllocFault::Disarm();
  if (!Allowed(code, "backup")) return;
  FaultRun copy(TheLeanEnv(), to, shape_);
  copy.Begin(histories_, name_ + ", the backup");
  zkdb_db* db = nullptr;
  Model all;
  if (!Note(copy.OpenAt(TheLeanEnv(), to, &db) == ZKDB_OK,
            std::string("the backup does not open: ") + copy.error_.message))
    return;
  if (ReadState(db, 0, &all)) Note(all == Published(), "the backup holds something else");
  zkdb_close(db, nullptr);
}

void FaultRun::Check() {
  if (db_ == nullptr) return;
  std::string found;
  const zkdb_sink sink = [](void* context, const char* text, size_t size) {
    const TestScope test;
    static_cast<std::string*>(context)->append(text, size).append("; ");
    return 0;
  };
  const EngineScope engine;
  uint64_t findings = 0;
  const zkdb_code code = zkdb_check(db_, sink, &found, nullptr, nullptr, &findings, &error_);
  const TestScope back;
  const bool damaged = !place_.empty() && code == ZKDB_CORRUPT && found.find(place_) != std::string::npos;
  Note(found.empty() || damaged, "the check finds " + found);
  if (damaged) return static_cast<void>(++failed_calls_);
  Allowed(code, "check");
}

void FaultRun::Figures() {
  if (db_ == nullptr) return;
  const EngineScope engine;
  zkdb_db_stats stats{};
  Allowed(zkdb_stats(db_, &stats, &error_), "stats");
  zkdb_partition_stats part{};
  Allowed(zkdb_stats_partition(db_, 0, ZKDB_STATS_FULL, &part, &error_), "partition stats");
}

// ---- reading

Model FaultRun::Published() const {
  Model all;
  for (const History& h : histories_) all.insert(h.states[h.current].begin(), h.states[h.current].end());
  return all;
}

bool FaultRun::ReadState(zkdb_db* db, uint32_t flags, Model* out) {
  zkdb_cursor* cursor = nullptr;
  std::vector<char> buffer(1 << 16);
  for (int done = 0; done == 0;) {
    size_t used = 0;
    uint32_t count = 0;
    zkdb_code code = ZKDB_OK;
    {
      const EngineScope engine;
      if (cursor == nullptr) code = zkdb_cursor_open(db, nullptr, nullptr, nullptr, flags, &cursor, &error_);
      if (code == ZKDB_OK) {
        code = zkdb_cursor_next(cursor, buffer.data(), buffer.size(), 1000, &used, &count, &done, &error_);
      }
    }
    if (code == ZKDB_BUFFER_TOO_SMALL) buffer.resize(used), done = 0;
    if (code != ZKDB_OK && code != ZKDB_BUFFER_TOO_SMALL) {
      zkdb_cursor_close(cursor);
      Allowed(code, "scan");
      return false;
    }
    const char* p = buffer.data();
    for (uint32_t i = 0; code == ZKDB_OK && i < count; ++i) {
      const uint32_t k = Load32(reinterpret_cast<const uint8_t*>(p));
      const uint32_t v = Load32(reinterpret_cast<const uint8_t*>(p) + 4);
      (*out)[std::string(p + 8, k)] = std::string(p + 8 + k, v);
      p += 8 + k + v;
    }
  }
  zkdb_cursor_close(cursor);
  return true;
}

void FaultRun::ReadAll() {
  if (db_ == nullptr) return;
  const Model expected = Published();
  for (const uint32_t flags : {0u, uint32_t{ZKDB_SCAN_REVERSE}, uint32_t{ZKDB_SCAN_UNORDERED}}) {
    Model all;
    if (ReadState(db_, flags, &all)) Note(all == expected, "a scan gives something else than what was committed");
  }
  std::vector<char> value(2u << 20);
  int taken = 0;
  for (const auto& [k, v] : expected) {
    if (taken++ % 16 != 0) continue;
    size_t size = 0;
    zkdb_code code;
    {
      const EngineScope engine;
      code = zkdb_get(db_, nullptr, k.data(), k.size(), value.data(), value.size(), &size, &error_);
    }
    if (Allowed(code, "get")) Note(std::string(value.data(), size) == v, "a get gives something else");
  }
}

void FaultRun::OpenSnapshot() {
  if (db_ == nullptr || snapshot_ != nullptr) return;
  in_snapshot_ = Published();
  const EngineScope engine;
  Allowed(zkdb_snapshot_open(db_, &snapshot_, &error_), "snapshot");
}

void FaultRun::ReadSnapshot() {
  if (db_ == nullptr || snapshot_ == nullptr) return;
  std::vector<char> value(1u << 16);
  for (const auto& [k, v] : in_snapshot_) {
    size_t size = 0;
    zkdb_code code;
    {
      const EngineScope engine;
      code = zkdb_get(db_, snapshot_, k.data(), k.size(), value.data(), value.size(), &size, &error_);
    }
    if (Allowed(code, "get")) Note(std::string(value.data(), size) == v, "a snapshot moved");
  }
}

void FaultRun::CloseSnapshot() { zkdb_snapshot_close(std::exchange(snapshot_, nullptr)); }

void FaultRun::OpenCursor(bool reverse) {
  if (db_ == nullptr || cursor_ != nullptr) return;
  cursor_state_ = Published();
  from_cursor_.clear();
  cursor_reverse_ = reverse;
  const EngineScope engine;
  const uint32_t flags = reverse ? uint32_t{ZKDB_SCAN_REVERSE} : 0;
  Allowed(zkdb_cursor_open(db_, nullptr, nullptr, nullptr, flags, &cursor_, &error_), "cursor");
}

void FaultRun::ReadCursor() {
  if (cursor_ == nullptr) return;
  const zkdb_code code = Drain(cursor_, &from_cursor_, 1u << 16, &error_);
  zkdb_cursor_close(std::exchange(cursor_, nullptr));
  if (!Allowed(code, "cursor")) return;
  Note(Model(from_cursor_.begin(), from_cursor_.end()) == cursor_state_,
       "a cursor gives something else than its state");
}

// ---- after the workload

void FaultRun::ExpectReads() {
  if (db_ == nullptr) return;
  Model all;
  const bool read = ReadState(db_, 0, &all);
  Note(read, std::string("reads do not go on: ") + error_.message);
  if (read) Note(all == Published(), "after the failure a read gives something else than the last commit");
}

void FaultRun::ExpectRefusal() {
  const std::string batch = BatchBytes().Put("refused", "refused").bytes();
  const zkdb_code code = zkdb_write(db_, batch.data(), batch.size(), ZKDB_DURABILITY_COMMIT, 0, nullptr, &error_);
  Note(code == ZKDB_FAILED, std::string("after a failed write or sync a write gives ") + zkdb_code_name(code));
}

void FaultRun::ExpectWrites() {
  const FaultOp op{ZKDB_OP_PUT, FaultKey(1), FaultValue(1, 100, 25)};
  fired_ = nullptr;
  Write({op}, ZKDB_DURABILITY_COMMIT);
  Checkpoint();
  Check();
}

void FaultRun::CopyTo(const std::string& directory) const {
  fs::remove_all(directory);
  fs::copy(directory_, directory, fs::copy_options::recursive);
}

std::vector<Model> FaultRun::Split(const Model& all) const {
  std::vector<Model> parts(histories_.size());
  for (const auto& [k, v] : all) parts[UnitOf(k)][k] = v;
  return parts;
}

std::vector<History> FaultRun::Settled() const {
  std::vector<History> settled;
  for (const History& h : histories_) {
    History one;
    one.states = {h.states[h.current]};
    settled.push_back(std::move(one));
  }
  return settled;
}

bool FaultRun::ExpectReopens(Env* env, const std::string& directory) {
  fired_ = nullptr;
  place_.clear();
  zkdb_db* db = nullptr;
  const std::string config = directory + "/test.conf";
  const zkdb_code code = OpenAt(env, fs::exists(config) ? config : directory, &db);
  if (!Note(code == ZKDB_OK, std::string("it does not open again: ") + zkdb_code_name(code) + ": " + error_.message)) {
    return false;
  }
  std::swap(db, db_);
  Model all;
  if (ReadState(db_, 0, &all)) FindState(Split(all));
  Check();
  Note(zkdb_close(std::exchange(db_, db), &error_) == ZKDB_OK,
       std::string("it does not close again: ") + error_.message);
  return ok_;
}

}  // namespace zkdb::test
