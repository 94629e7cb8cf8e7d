// The server: opening databases for it, starting, its figures, stopping; and the keys of [server] in a configuration.
#include <charconv>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/job.h"
#include "addon/server_events.h"
#include "net/loop/loop_server.h"

namespace zkdb::addon {
namespace {

using net::LoopServer;
using net::ServerOptions;

// A name of serverStart's settings and where its number goes.
template <typename T>
struct Setting {
  const char* name;
  T ServerOptions::*field;
};
constexpr Setting<uint32_t> kCounts[] = {
    {"threads", &ServerOptions::threads},
    {"backlog", &ServerOptions::backlog},
    {"maxConnections", &ServerOptions::max_connections},
    {"maxConnectionsPerAddress", &ServerOptions::max_per_address},
    {"slowLogLength", &ServerOptions::slow_length},
    {"keyspaceEvents", &ServerOptions::keyspace_events},
};
constexpr Setting<uint64_t> kAmounts[] = {
    {"idleMs", &ServerOptions::idle_ms},
    {"loginMs", &ServerOptions::login_ms},
    {"slowLogUs", &ServerOptions::slow_us},
    {"stuckMs", &ServerOptions::stuck_ms},
    {"snapshotIdleMs", &ServerOptions::snapshot_idle_ms},
    {"maxPacketSize", &ServerOptions::frame_bytes},
    {"maxWaitingBytes", &ServerOptions::max_waiting_bytes},
};

template <typename T, size_t N>
bool SetNumber(const Setting<T> (&settings)[N], const std::string& name, const std::string& value,
               ServerOptions* options) {
  for (const Setting<T>& setting : settings) {
    if (name != setting.name) continue;
    T number = 0;
    const char* const end = value.data() + value.size();
    const auto [at, error] = std::from_chars(value.data(), end, number);
    options->*setting.field = number;
    return error == std::errc() && at == end;
  }
  return false;
}

bool Set(const std::string& name, const std::string& value, ServerOptions* options) {
  if (name == "addresses") return net::AddressList::Parse(value, &options->listed);
  if (name == "needsLogin") {
    options->needs_login = value == "true";
    return true;
  }
  if (name == "cluster") {
    options->cluster = value;
    return true;
  }
  if (name == "backupDirectory") {
    options->backup_directory = value;
    return true;
  }
  if (name == "tcpDelay") {
    options->tcp_delay = value == "true";
    return true;
  }
  return SetNumber(kCounts, name, value, options) || SetNumber(kAmounts, name, value, options);
}

// Host, port and path in turn.
bool ReadAddresses(const std::vector<std::string>& texts, std::vector<net::ListenAddress>* out) {
  if (texts.size() % 3 != 0) return false;
  for (size_t i = 0; i < texts.size(); i += 3) {
    net::ListenAddress address{texts[i], 0, texts[i + 2]};
    const std::string& port = texts[i + 1];
    const auto [at, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc() || at != port.data() + port.size()) return false;
    out->push_back(std::move(address));
  }
  return true;
}

struct CloseDb {
  void operator()(zkdb_db* db) const { zkdb_close(db, nullptr); }
};
using DbPtr = std::unique_ptr<zkdb_db, CloseDb>;

class StartJob : public Job {
 public:
  StartJob(Environment* environment, std::vector<std::string> paths, ServerOptions options,
           std::shared_ptr<ServerEvents> events)
      : Job(environment, nullptr),
        paths_(std::move(paths)),
        options_(std::move(options)),
        events_(std::move(events)),
        gate_(environment->MakeTlsGate()) {}

 protected:
  void Execute() override {
    std::vector<DbPtr> opened;
    for (const std::string& path : paths_) {
      zkdb_db* db = nullptr;
      code_ = Open(path, &db);
      if (code_ != ZKDB_OK) return;
      opened.emplace_back(db);
      uses_tls_ |= zkdb_uses_tls(db) != 0;
    }
    std::vector<zkdb_db*> databases;
    for (DbPtr& db : opened) databases.push_back(db.release());
    const Status status = LoopServer::Start(options_, std::move(databases), std::move(events_), &server_);
    if (!status.ok()) Take(status);
  }
  void Describe(napi_env env, napi_value result) override {
    if (server_ == nullptr) return;
    napi_value list = nullptr;
    if (napi_create_array(env, &list) != napi_ok) return;
    uint32_t index = 0;
    for (const net::ListenAddress& address : server_->addresses()) {
      napi_value object = nullptr;
      if (napi_create_object(env, &object) != napi_ok) return;
      SetString(env, object, "host", address.host.data(), address.host.size());
      addon::SetNumber(env, object, "port", address.port);
      SetString(env, object, "path", address.path.data(), address.path.size());
      napi_set_element(env, list, index++, object);
    }
    napi_set_named_property(env, result, "addresses", list);
    addon::SetNumber(env, result, "server", environment_->AddServer(WithGate()));
  }

 private:
  zkdb_code Open(const std::string& path, zkdb_db** out) {
    zkdb_options* raw = nullptr;
    const zkdb_code code = zkdb_options_create(&raw);
    if (code != ZKDB_OK) return code;
    const std::unique_ptr<zkdb_options, void (*)(zkdb_options*)> options(raw, zkdb_options_destroy);
    zkdb_options_tls_relay(raw, TlsGate::Pass, gate_.get());
    return zkdb_open(path.c_str(), raw, out, &error_);
  }
  // The server, which holds the gate of its databases.
  std::shared_ptr<LoopServer> WithGate() {
    if (!uses_tls_) return std::move(server_);
    gate_->Want();
    return {server_.release(), [gate = gate_](LoopServer* server) { delete server; }};
  }
  void Take(const Status& status) {
    code_ = status.code();
    error_.code = code_;
    error_.urgent = 1;
    std::snprintf(error_.message, sizeof error_.message, "%s", status.message().c_str());
  }

  const std::vector<std::string> paths_;
  const ServerOptions options_;
  std::shared_ptr<ServerEvents> events_;
  const std::shared_ptr<TlsGate> gate_;
  bool uses_tls_ = false;
  std::unique_ptr<LoopServer> server_;
};

class StopJob : public Job {
 public:
  StopJob(Environment* environment, std::shared_ptr<LoopServer> server, uint64_t deadline_ms)
      : Job(environment, nullptr), server_(std::move(server)), deadline_ms_(deadline_ms) {}

 protected:
  void Execute() override {
    const Status status = server_->Stop(deadline_ms_);
    code_ = status.code();
    error_.code = code_;
    error_.urgent = 1;
    std::snprintf(error_.message, sizeof error_.message, "%s", status.ok() ? "" : status.message().c_str());
  }

 private:
  const std::shared_ptr<LoopServer> server_;
  const uint64_t deadline_ms_;
};

// serverStart(databases: string[], addresses: string[] (host, port, path), settings: string[] (name, value), onEvent:
// a function that is called as server_events.h says):
// Promise<{code, server, addresses: {host, port, path}[]}>, or a negative number
napi_value ServerStart(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  std::vector<std::string> paths;
  std::vector<std::string> addresses;
  std::vector<std::string> settings;
  if (!args.Strings(0, &paths) || !args.Strings(1, &addresses) || !args.Strings(2, &settings)) return args.Invalid();
  ServerOptions options;
  if (paths.empty() || !ReadAddresses(addresses, &options.listen) || settings.size() % 2 != 0) return args.Invalid();
  for (size_t i = 0; i < settings.size(); i += 2) {
    if (!Set(settings[i], settings[i + 1], &options)) return args.Invalid();
  }
  std::shared_ptr<ServerEvents> events = ServerEvents::Create(env, args[3]);
  if (events == nullptr) return args.Invalid();
  return Job::Start(env, new StartJob(&args.environment(), std::move(paths), std::move(options), std::move(events)));
}

// serverStop(server, deadlineMs): Promise<{code}>, or a negative number. The number is gone at once.
napi_value ServerStop(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t number;
  uint32_t deadline_ms;
  if (!args.Uint(0, &number) || !args.Uint(1, &deadline_ms)) return args.Invalid();
  std::shared_ptr<LoopServer> server = args.environment().FindServer(number);
  if (server == nullptr) return args.Fail(ZKDB_CLOSED, "the server is closed");
  args.environment().RemoveServer(number);
  return Job::Start(env, new StopJob(&args.environment(), std::move(server), deadline_ms));
}

// serverStats(server): {connections, ...}, or a negative number
napi_value ServerStats(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t number;
  if (!args.Uint(0, &number)) return args.Invalid();
  const std::shared_ptr<LoopServer> server = args.environment().FindServer(number);
  napi_value result = nullptr;
  if (server == nullptr) return args.Fail(ZKDB_CLOSED, "the server is closed");
  if (napi_create_object(env, &result) != napi_ok) return nullptr;
  const net::ServerStats stats = server->stats();
  const std::pair<const char*, uint64_t> figures[] = {
      {"connections", stats.connections},
      {"current", stats.current},
      {"rejected", stats.rejected},
      {"commands", stats.commands},
      {"bytesIn", stats.bytes_in},
      {"bytesOut", stats.bytes_out},
      {"pauses", stats.pauses},
      {"droppedSlow", stats.dropped_slow},
      {"droppedIdle", stats.dropped_idle},
      {"droppedLogin", stats.dropped_login},
      {"sharedWrites", stats.shared_writes},
      {"waitingBytes", stats.waiting_bytes},
  };
  for (const auto& [name, value] : figures) addon::SetNumber(env, result, name, static_cast<double>(value));
  std::string failed;
  if (server->Failed(&failed)) SetString(env, result, "failed", failed.data(), failed.size());
  return result;
}

// serverKeys(file, names: string[]): {code, name, message, urgent, values: (string | undefined)[]}
napi_value ServerKeys(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  zkdb_error& error = args.environment().error();
  std::string file;
  std::vector<std::string> names;
  zkdb_router* router = nullptr;
  napi_value values = nullptr;
  if (!args.String(0, &file) || !args.Strings(1, &names)) {
    args.Invalid();
    return DescribeError(env, error.code, error);
  }
  const zkdb_code code = zkdb_router_open(file.c_str(), &router, &error);
  napi_value result = DescribeError(env, code, error);
  if (code != ZKDB_OK) return result;
  const std::unique_ptr<zkdb_router, void (*)(zkdb_router*)> closer(router, zkdb_router_close);
  if (napi_create_array_with_length(env, names.size(), &values) != napi_ok) return nullptr;
  for (size_t i = 0; i < names.size(); ++i) {
    const char* const text = zkdb_router_server_key(router, names[i].c_str());
    napi_value value = nullptr;
    if (text == nullptr || napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) != napi_ok) continue;
    napi_set_element(env, values, static_cast<uint32_t>(i), value);
  }
  napi_set_named_property(env, result, "values", values);
  return result;
}

constexpr FunctionEntry kFunctions[] = {
    {"serverStart", ServerStart},
    {"serverStop", ServerStop},
    {"serverStats", ServerStats},
    {"serverKeys", ServerKeys},
};

}  // namespace

void ExportServerFunctions(napi_env env, napi_value exports, Environment* environment) {
  ExportFunctions(env, exports, environment, kFunctions, std::size(kFunctions));
}

}  // namespace zkdb::addon
