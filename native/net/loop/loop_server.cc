#include "net/loop/loop_server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "net/expired_events.h"
#include "net/loop/event_loop.h"
#include "net/loop/listener.h"

namespace zkdb::net {

namespace {

constexpr uint32_t kMaxThreads = 64;
constexpr size_t kMinFrame = 4096;
constexpr size_t kMaxOutput = size_t{64} << 20;

uint64_t WallClockUs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

uint64_t ElapsedUs(std::chrono::steady_clock::time_point since) {
  const auto elapsed = std::chrono::steady_clock::now() - since;
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count());
}

uint64_t Microseconds(const uv_timeval_t& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1000000 + static_cast<uint64_t>(time.tv_usec);
}

// What the system says of the process; a figure that it does not give stays 0.
void AddProcess(ServerFigures* figures) {
  uv_utsname_t system{};
  uv_rusage_t usage{};
  size_t resident = 0;
  if (uv_os_uname(&system) == 0) {
    figures->os = std::string(system.sysname) + " " + system.release + " " + system.machine;
  }
  if (uv_getrusage(&usage) == 0) {
    figures->cpu_user_us = Microseconds(usage.ru_utime);
    figures->cpu_system_us = Microseconds(usage.ru_stime);
  }
  if (uv_resident_set_memory(&resident) == 0) figures->resident_bytes = resident;
  figures->process_id = static_cast<uint64_t>(uv_os_getpid());
}

SessionLimits LimitsOf(const ServerOptions& options) {
  SessionLimits limits;
  limits.snapshot_idle_us = options.snapshot_idle_ms * 1000;
  limits.parser.frame_bytes = options.frame_bytes;
  // What can be written can be read again.
  limits.max_output = std::min<size_t>(ZKDB_MAX_VALUE_SIZE, std::max(kMaxOutput, options.frame_bytes + kOutputSlack));
  return limits;
}

Status CheckOptions(const ServerOptions& options) {
  const auto outside = [](const char* what, uint64_t value) {
    return Status(ZKDB_INVALID, std::string(what) + " is " + std::to_string(value) + ", which is out of its range");
  };
  if (options.threads < 1 || options.threads > kMaxThreads) return outside("the number of threads", options.threads);
  if (options.max_connections < 1) return outside("the limit of connections", options.max_connections);
  if (options.max_per_address < 1) return outside("the limit of connections per address", options.max_per_address);
  if (options.backlog < 1 || options.backlog > INT32_MAX) return outside("the listen queue", options.backlog);
  if (options.frame_bytes < kMinFrame || options.frame_bytes > ZKDB_MAX_VALUE_SIZE) {
    return outside("the limit of a packet in bytes", options.frame_bytes);
  }
  return Status::Ok();
}

// What the threads wait for together.
class Latch {
 public:
  explicit Latch(size_t count) : count_(count) {}
  void Arrive() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--count_ == 0) done_.notify_all();
  }
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  size_t count_;
};

}  // namespace

class LoopServer::State : public Server {
 public:
  State(const ServerOptions& options, std::vector<zkdb_db*> databases, std::shared_ptr<ServerOwner> owner)
      : options_(options),
        databases_(std::move(databases)),
        owner_(std::move(owner)),
        shared_(options, &registry_, owner_.get()),
        cursors_(WallClockUs()),
        expired_events_(&pubsub_, options.keyspace_events),
        slow_log_(options.slow_us, options.slow_length),
        backups_(options.backup_directory) {
    shared_.limits = LimitsOf(options);
  }
  // Only Stop can say what became of closing.
  ~State() override { static_cast<void>(CloseDatabases()); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Status Start();
  Status Stop(uint64_t deadline_ms);
  void FinishLogin(uint64_t client, LoginVerdict verdict, const std::shared_ptr<const Rights>& rights) {
    for (const auto& loop : loops_) loop->FinishLogin(client, verdict, rights);
  }
  void ChangeRights(const std::string& user, const std::shared_ptr<const Rights>& rights) {
    for (const auto& loop : loops_) loop->ChangeRights(user, rights);
  }
  void SetListed(AddressList listed);
  Verdict Admit(const std::string& host);
  void Leave(const std::string& host) { shared_.admission.Leave(host); }
  Status Adopt(RelayedPeer peer, int* fd, uint64_t* client);
  const std::vector<ListenAddress>& addresses() const { return addresses_; }
  ServerStats stats() const;
  bool Failed(std::string* message) const;

  // ---- Server

  zkdb_db* Database(uint32_t number) override { return number < databases_.size() ? databases_[number] : nullptr; }
  const ClusterMap* cluster() const override { return cluster_.get(); }
  bool NeedsLogin() const override { return options_.needs_login; }
  void BeginLogin(const ClientInfo& client, Slice user, Slice password) override {
    owner_->CheckLogin(client, user, password);
  }
  void Audit(const AuditEvent& event) override { owner_->Audit(event); }
  uint64_t NowUs() const override { return WallClockUs(); }
  ServerFigures Figures() const override;
  std::vector<ServerSetting> Settings() const override;
  void ClientChanged(const ClientInfo& info) override { registry_.Change(info); }
  std::vector<ClientInfo> ListClients() override { return registry_.List(); }
  uint32_t KillClients(const ClientFilter& filter) override {
    const std::vector<uint64_t> ids = registry_.Find(filter);
    for (const uint64_t id : ids) {
      for (const auto& loop : loops_) loop->Kill(id);
    }
    return static_cast<uint32_t>(ids.size());
  }
  ScanCursors* scan_cursors() override { return &cursors_; }
  PubSub* pubsub() override { return &pubsub_; }
  SlowLog* slow_log() override { return &slow_log_; }
  bool StartBackup(uint32_t database, std::string* why) override {
    return backups_.Start(databases_[database], "db" + std::to_string(database), NowUs(), why);
  }
  uint32_t event_classes() const override { return options_.keyspace_events; }

 private:
  Status Open();
  Status TellOfExpired();
  Status CloseDatabases();
  uint16_t TcpPort() const;

  const ServerOptions options_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  mutable std::mutex databases_mutex_;  // between Stop and Failed
  std::vector<zkdb_db*> databases_;
  const std::shared_ptr<ServerOwner> owner_;
  ClientRegistry registry_;
  ServerShared shared_;
  ScanCursors cursors_;
  std::unique_ptr<const ClusterMap> cluster_;
  PubSub pubsub_;
  ExpiredEvents expired_events_;
  SlowLog slow_log_;
  Backups backups_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::vector<Listener*> listeners_;  // each deletes itself
  std::vector<ListenAddress> addresses_;
  bool running_ = false;
  mutable std::mutex listeners_mutex_;
  uint64_t accepted_before_ = 0;  // by listeners that are closed
  uint64_t rejected_before_ = 0;
  std::atomic<uint64_t> relayed_{0};
  std::atomic<uint64_t> relayed_rejected_{0};
};

Status LoopServer::State::Open() {
  for (uint32_t i = 0; i < options_.threads; ++i) {
    loops_.push_back(std::make_unique<EventLoop>(this, &shared_));
    if (!loops_.back()->Init()) return {ZKDB_IO, "the system has no room for an event loop"};
  }
  std::vector<std::unique_ptr<Listener>> opened;
  for (const ListenAddress& address : options_.listen) {
    opened.push_back(std::make_unique<Listener>(&loops_, &shared_, options_.tcp_delay));
    ZKDB_RETURN_IF_ERROR(opened.back()->Open(address, options_.backlog));
  }
  for (auto& listener : opened) {
    if (!listener->Start()) return {ZKDB_IO, "the system has no room for a listening socket"};
    addresses_.push_back(listener->bound());
    listeners_.push_back(listener.release());
  }
  return Status::Ok();
}

Status LoopServer::State::TellOfExpired() {
  for (uint32_t i = 0; i < databases_.size(); ++i) {
    zkdb_error error{};
    if (expired_events_.Start(databases_[i], i, &error) != ZKDB_OK) return {error.code, error.message};
  }
  return Status::Ok();
}

Status LoopServer::State::Start() {
  if (!options_.cluster.empty()) ZKDB_RETURN_IF_ERROR(ClusterMap::Parse(options_.cluster, &cluster_));
  Status status = Open();
  if (status.ok()) status = TellOfExpired();
  if (!status.ok()) {
    for (Listener* listener : std::exchange(listeners_, {})) listener->Close();
    loops_.clear();
    return status;
  }
  for (size_t i = 0; i < loops_.size(); ++i) loops_[i]->Run("zkdb-net-" + std::to_string(i));
  running_ = true;
  return Status::Ok();
}

Status LoopServer::State::Stop(uint64_t deadline_ms) {
  if (!std::exchange(running_, false)) return Status::Ok();
  Latch closed(1);
  loops_[0]->Post([this, &closed] {
    const std::lock_guard<std::mutex> lock(listeners_mutex_);
    for (Listener* listener : std::exchange(listeners_, {})) {
      accepted_before_ += listener->accepted();
      rejected_before_ += listener->rejected();
      listener->Close();
    }
    closed.Arrive();
  });
  closed.Wait();
  Latch drained(loops_.size());
  for (const auto& loop : loops_) {
    loop->Post([&loop, &drained, deadline_ms] { loop->Stop(deadline_ms, [&drained] { drained.Arrive(); }); });
  }
  drained.Wait();
  // Sweeps go on while the databases are open, and must wake no loop that has quit.
  expired_events_.Stop();
  for (const auto& loop : loops_) loop->Post([&loop] { loop->Quit(); });
  for (const auto& loop : loops_) loop->Join();
  backups_.Stop();
  return CloseDatabases();
}

void LoopServer::State::SetListed(AddressList listed) {
  shared_.admission.SetListed(std::move(listed));
  for (const auto& loop : loops_) loop->CloseUnlisted();
}

Verdict LoopServer::State::Admit(const std::string& host) {
  const Verdict verdict = shared_.admission.Admit(host);
  (verdict == Verdict::kAdmitted ? relayed_ : relayed_rejected_).fetch_add(1, std::memory_order_relaxed);
  return verdict;
}

Status LoopServer::State::Adopt(RelayedPeer peer, int* fd, uint64_t* client) {
  Accepted accepted;
  ZKDB_RETURN_IF_ERROR(MakePair(&accepted.fd, fd));
  accepted.host = std::move(peer.host);
  accepted.address = std::move(peer.address);
  accepted.local_address = std::move(peer.local_address);
  accepted.user = std::move(peer.user);
  accepted.rights = std::move(peer.rights);
  accepted.relayed_as = *client = registry_.NextId();
  LeastLoaded(loops_)->Adopt(std::move(accepted));
  return Status::Ok();
}

Status LoopServer::State::CloseDatabases() {
  expired_events_.Stop();
  Status first = Status::Ok();
  const std::lock_guard<std::mutex> lock(databases_mutex_);
  for (zkdb_db* db : std::exchange(databases_, {})) {
    zkdb_error error{};
    if (zkdb_close(db, &error) != ZKDB_OK && first.ok()) first = Status(error.code, error.message);
  }
  return first;
}

ServerStats LoopServer::State::stats() const {
  ServerStats stats;
  {
    const std::lock_guard<std::mutex> lock(listeners_mutex_);
    stats.connections = accepted_before_;
    stats.rejected = rejected_before_;
    for (const Listener* listener : listeners_) {
      stats.connections += listener->accepted();
      stats.rejected += listener->rejected();
    }
  }
  stats.connections += relayed_.load(std::memory_order_relaxed);
  stats.rejected += relayed_rejected_.load(std::memory_order_relaxed);
  stats.current = shared_.admission.connections();
  stats.waiting_bytes = shared_.waiting_bytes.load(std::memory_order_relaxed);
  for (const auto& loop : loops_) {
    const Counters& counters = std::as_const(*loop).counters();
    stats.commands += counters.commands.value();
    stats.bytes_in += counters.bytes_in.value();
    stats.bytes_out += counters.bytes_out.value();
    stats.pauses += counters.pauses.value();
    stats.dropped_slow += counters.dropped_slow.value();
    stats.dropped_idle += counters.dropped_idle.value();
    stats.dropped_login += counters.dropped_login.value();
    stats.shared_writes += counters.shared_writes.value();
  }
  return stats;
}

uint16_t LoopServer::State::TcpPort() const {
  const auto tcp = std::find_if(addresses_.begin(), addresses_.end(),
                                [](const ListenAddress& address) { return address.path.empty(); });
  return tcp == addresses_.end() ? uint16_t{0} : tcp->port;
}

ServerFigures LoopServer::State::Figures() const {
  const ServerStats counted = stats();
  ServerFigures figures;
  AddProcess(&figures);
  figures.tcp_port = TcpPort();
  figures.threads = options_.threads;
  // Closed by Stop after the last session: no session sees it change.
  figures.databases = static_cast<uint32_t>(databases_.size());
  figures.uptime_us = ElapsedUs(started_);
  figures.clients = counted.current;
  figures.max_clients = options_.max_connections;
  figures.connections = counted.connections;
  figures.rejected = counted.rejected;
  figures.commands = counted.commands;
  figures.bytes_in = counted.bytes_in;
  figures.bytes_out = counted.bytes_out;
  figures.pauses = counted.pauses;
  figures.dropped_slow = counted.dropped_slow;
  figures.dropped_idle = counted.dropped_idle;
  figures.dropped_login = counted.dropped_login;
  figures.shared_writes = counted.shared_writes;
  figures.waiting_bytes = counted.waiting_bytes;
  figures.backup = backups_.figures();
  return figures;
}

std::vector<ServerSetting> LoopServer::State::Settings() const {
  std::string hosts;
  std::string path;
  for (const ListenAddress& address : addresses_) {
    if (address.path.empty()) hosts += (hosts.empty() ? "" : " ") + address.host;
    if (path.empty()) path = address.path;
  }
  return {
      {"bind", hosts},
      {"databases", std::to_string(databases_.size())},
      {"io-threads", std::to_string(options_.threads)},
      {"maxclients", std::to_string(options_.max_connections)},
      {"port", std::to_string(TcpPort())},
      {"tcp-backlog", std::to_string(options_.backlog)},
      {"tcp-keepalive", std::to_string(kKeepAliveSeconds)},
      {"timeout", std::to_string(options_.idle_ms / 1000)},
      {"unixsocket", path},
  };
}

bool LoopServer::State::Failed(std::string* message) const {
  const std::lock_guard<std::mutex> lock(databases_mutex_);
  for (zkdb_db* db : databases_) {
    zkdb_db_stats stats{};
    if (zkdb_stats(db, &stats, nullptr) != ZKDB_OK || stats.failed == 0) continue;
    *message = zkdb_name(db);
    return true;
  }
  return false;
}

// ---- the outside

LoopServer::LoopServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

LoopServer::~LoopServer() { static_cast<void>(state_->Stop(0)); }

Status LoopServer::Start(const ServerOptions& options, std::vector<zkdb_db*> databases,
                         std::shared_ptr<ServerOwner> owner, std::unique_ptr<LoopServer>* out) {
  auto state = std::make_unique<State>(options, std::move(databases), std::move(owner));
  ZKDB_RETURN_IF_ERROR(CheckOptions(options));
  ZKDB_RETURN_IF_ERROR(state->Start());
  out->reset(new LoopServer(std::move(state)));
  return Status::Ok();
}

Status LoopServer::Stop(uint64_t deadline_ms) { return state_->Stop(deadline_ms); }
void LoopServer::FinishLogin(uint64_t client, LoginVerdict verdict, const std::shared_ptr<const Rights>& rights) {
  state_->FinishLogin(client, verdict, rights);
}
void LoopServer::ChangeRights(const std::string& user, const std::shared_ptr<const Rights>& rights) {
  state_->ChangeRights(user, rights);
}
void LoopServer::SetListed(AddressList listed) { state_->SetListed(std::move(listed)); }
Verdict LoopServer::Admit(const std::string& host) { return state_->Admit(host); }
void LoopServer::Leave(const std::string& host) { state_->Leave(host); }
Status LoopServer::Adopt(RelayedPeer peer, int* fd, uint64_t* client) {
  return state_->Adopt(std::move(peer), fd, client);
}
const std::vector<ListenAddress>& LoopServer::addresses() const { return state_->addresses(); }
ServerStats LoopServer::stats() const { return state_->stats(); }
bool LoopServer::Failed(std::string* message) const { return state_->Failed(message); }

}  // namespace zkdb::net
