// Opening and closing databases, and the handles that keep them open.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/job.h"

namespace zkdb::addon {
namespace {

struct OptionsDeleter {
  void operator()(zkdb_options* options) const { zkdb_options_destroy(options); }
};
using OptionsPtr = std::unique_ptr<zkdb_options, OptionsDeleter>;

// What openSync and open are given: a path, and names and values of options in turn.
struct OpenRequest {
  std::string path;
  std::vector<std::string> options;
};

bool ReadOpenRequest(const Arguments& args, OpenRequest* request) {
  if (!args.String(0, &request->path) || !args.Strings(1, &request->options)) return false;
  return request->options.size() % 2 == 0;
}

zkdb_code Open(const OpenRequest& request, TlsGate* gate, zkdb_progress on_recovery, void* context, zkdb_db** out,
               zkdb_error* error) {
  zkdb_options* raw = nullptr;
  zkdb_code code = zkdb_options_create(&raw);
  if (code != ZKDB_OK) {
    *error = {code, 1, "out of memory while opening"};
    return code;
  }
  const OptionsPtr options(raw);
  for (size_t i = 0; i + 1 < request.options.size(); i += 2) {
    code = zkdb_options_set(raw, request.options[i].c_str(), request.options[i + 1].c_str(), error);
    if (code != ZKDB_OK) return code;
  }
  zkdb_options_tls_relay(raw, TlsGate::Pass, gate);
  if (on_recovery != nullptr) zkdb_options_on_recovery(raw, on_recovery, context);
  return zkdb_open(request.path.c_str(), raw, out, error);
}

// The id of a database that was just opened, or 0 when the table is full: then it is closed again.
uint32_t AddDb(Environment& environment, zkdb_db* db, std::shared_ptr<TlsGate> gate) {
  auto ref = std::make_shared<DbRef>();
  if (zkdb_uses_tls(db) != 0) {
    gate->Want();
    ref->tls_gate = std::move(gate);
  }
  ref->db = db;
  return environment.handles().Add(HandleKind::kDb, nullptr, std::move(ref), 0);
}

class OpenJob : public Job {
 public:
  OpenJob(Environment* environment, OpenRequest request)
      : Job(environment, nullptr),
        request_(std::move(request)),
        gate_(environment->MakeTlsGate()),
        number_(environment->AddJob(this)) {}
  ~OpenJob() override {
    environment_->RemoveJob(number_);
    if (opened_ != nullptr) zkdb_close(opened_, nullptr);
  }

  uint32_t number() const { return number_; }

 protected:
  void Execute() override { code_ = Open(request_, gate_.get(), OnProgress, this, &opened_, &error_); }
  void Describe(napi_env env, napi_value result) override {
    SetNumber(env, result, "done", static_cast<double>(progress_done()));
    SetNumber(env, result, "total", static_cast<double>(progress_total()));
    if (code_ != ZKDB_OK) return;
    SetNumber(env, result, "handle", AddDb(*environment_, std::exchange(opened_, nullptr), gate_));
  }

 private:
  OpenRequest request_;
  const std::shared_ptr<TlsGate> gate_;
  uint32_t number_;
  zkdb_db* opened_ = nullptr;
};

class CloseJob : public Job {
 public:
  CloseJob(Environment* environment, std::shared_ptr<DbRef> db) : Job(environment, std::move(db)) {
    counts_in_flight_ = false;
  }

 protected:
  void Execute() override { code_ = zkdb_close(std::exchange(db_->db, nullptr), &error_); }
};

// openSync(path: string, options: string[]): handle
napi_value OpenSync(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  OpenRequest request;
  if (!ReadOpenRequest(args, &request)) return args.Invalid();
  zkdb_db* db = nullptr;
  const std::shared_ptr<TlsGate> gate = args.environment().MakeTlsGate();
  const zkdb_code code = Open(request, gate.get(), nullptr, nullptr, &db, &args.environment().error());
  if (code != ZKDB_OK) return args.Code(code);
  const uint32_t id = AddDb(args.environment(), db, gate);
  return id != 0 ? args.Number(id) : args.Fail(ZKDB_NO_MEMORY, "too many open handles in this thread");
}

// open(path: string, options: string[]): {job, promise of {code, handle}}, or a negative number
napi_value OpenAsync(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  OpenRequest request;
  if (!ReadOpenRequest(args, &request)) return args.Invalid();
  auto* job = new OpenJob(&args.environment(), std::move(request));
  napi_value started = Job::StartNumbered(env, job, job->number());
  return started == nullptr ? args.Closed() : started;
}

// close(db): Promise<{code}>: when nothing is in flight any more. The handle is gone at once.
napi_value Close(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id;
  if (!args.Uint(0, &id)) return args.Invalid();
  std::shared_ptr<DbRef> db = args.environment().handles().Detach(id);
  if (db == nullptr) return args.Closed();
  auto* job = new CloseJob(&args.environment(), db);
  napi_value promise = Job::Promise(env, job);
  if (promise == nullptr) return args.Closed();
  if (db->jobs_in_flight == 0) {
    Job::Queue(job);
  } else {
    db->pending_close = job;
  }
  return promise;
}

// closeSync(db): 0. Blocks until the database is closed; with work in flight it closes when that is finished.
napi_value CloseSync(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id;
  if (!args.Uint(0, &id)) return args.Invalid();
  const std::shared_ptr<DbRef> db = args.environment().handles().Detach(id);
  if (db == nullptr) return args.Closed();
  db->abandoned = true;
  if (db->jobs_in_flight != 0) return args.Number(0);
  return args.Code(zkdb_close(std::exchange(db->db, nullptr), &args.environment().error()));
}

struct Guard {
  std::weak_ptr<Environment> environment;
  uint32_t id;
  uint64_t serial;
};

void FinalizeGuard(napi_env, void* data, void*) {
  const std::unique_ptr<Guard> guard(static_cast<Guard*>(data));
  const std::shared_ptr<Environment> environment = guard->environment.lock();
  if (environment == nullptr || environment->handles().SerialOf(guard->id) != guard->serial) return;
  if (Handle* cursor = environment->handles().Find(guard->id, HandleKind::kCursor)) {
    environment->handles().Release(cursor);
    return;
  }
  const std::shared_ptr<DbRef> db = environment->handles().Detach(guard->id);
  if (db == nullptr) return;
  db->abandoned = true;
  if (db->jobs_in_flight == 0) db->CloseNow();
}

// guard(handle): an object that closes the database or cursor when it is collected
napi_value MakeGuard(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t id;
  if (!args.Uint(0, &id)) return args.Invalid();
  const uint64_t serial = args.environment().handles().SerialOf(id);
  if (serial == 0) return args.Closed();
  auto guard = std::make_unique<Guard>(Guard{args.environment().weak_from_this(), id, serial});
  napi_value external = nullptr;
  if (napi_create_external(env, guard.get(), FinalizeGuard, nullptr, &external) == napi_ok) guard.release();
  return external;
}

constexpr FunctionEntry kFunctions[] = {
    {"openSync", OpenSync}, {"open", OpenAsync}, {"close", Close}, {"closeSync", CloseSync}, {"guard", MakeGuard},
};

}  // namespace

void ExportDatabaseFunctions(napi_env env, napi_value exports, Environment* environment) {
  ExportFunctions(env, exports, environment, kFunctions, std::size(kFunctions));
}

}  // namespace zkdb::addon
