// What the tests and the fuzzer of sessions share: a Server over databases in a directory, and a client that sends and
// collects.
//
// Thread-safety: none.
//
// Invariants:
//  1. The clock moves by one microsecond per question: nothing depends on the time of a run.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/session.h"

namespace zkdb::net::test {

// `partitions` of a new database; nullptr: its zkdb.conf is there.
inline zkdb_db* OpenDatabase(const std::string& directory, const char* partitions) {
  zkdb_options* options = nullptr;
  zkdb_db* db = nullptr;
  zkdb_error error{};
  if (zkdb_options_create(&options) != ZKDB_OK) return nullptr;
  if (partitions != nullptr) zkdb_options_set(options, "Partitions", partitions, &error);
  zkdb_options_set(options, "Durability", "none", &error);
  zkdb_open(directory.c_str(), options, &db, &error);
  zkdb_options_destroy(options);
  return db;
}

struct DatabaseCloser {
  void operator()(zkdb_db* db) const { zkdb_close(db, nullptr); }
};

// A copy of an AuditEvent.
struct Audited {
  AuditKind kind;
  uint64_t client;
  std::string user;
  std::string command;
  std::string reason;
  uint64_t count;
};

class TestServer : public Server {
 public:
  explicit TestServer(const std::string& directory, const char* partitions = "1", size_t databases = 2)
      : cursors_(1000, 1000) {
    for (size_t i = 0; i < databases; ++i) {
      databases_.emplace_back(OpenDatabase(directory + "/db" + std::to_string(i), partitions));
    }
  }

  zkdb_db* Database(uint32_t number) override {
    return number < databases_.size() ? databases_[number].get() : nullptr;
  }
  const ClusterMap* cluster() const override { return cluster_map.get(); }
  bool NeedsLogin() const override { return needs_login; }
  void BeginLogin(const ClientInfo& client, Slice user, Slice password) override {
    pending_logins[client.id] = {user.ToString(), password.ToString()};
  }
  void Audit(const AuditEvent& event) override {
    audited.push_back({event.kind, event.client->id, event.user.ToString(), std::string(event.command),
                       std::string(event.reason), event.count});
  }
  uint64_t NowUs() const override { return ++now_us_; }
  // Each figure is another number: one that stands in the place of another is seen.
  ServerFigures Figures() const override {
    ServerFigures figures{"Test 1.0 none", 4711, 6379, 3, static_cast<uint32_t>(databases_.size())};
    figures.uptime_us = 200'000'000'000;
    figures.cpu_user_us = 12'000'034;
    figures.cpu_system_us = 5'600'000;
    figures.resident_bytes = 3 << 19;
    figures.clients = 11;
    figures.max_clients = 12;
    figures.connections = 13;
    figures.rejected = 14;
    figures.commands = 15;
    figures.bytes_in = 16;
    figures.bytes_out = 17;
    figures.pauses = 18;
    figures.dropped_slow = 19;
    figures.dropped_idle = 20;
    figures.dropped_login = 21;
    figures.shared_writes = 22;
    figures.waiting_bytes = 23;
    if (backups != nullptr) figures.backup = backups->figures();
    return figures;
  }
  std::vector<ServerSetting> Settings() const override { return {{"timeout", "24"}, {"maxclients", "12"}}; }
  void ClientChanged(const ClientInfo& info) override { clients_[info.id] = info; }
  std::vector<ClientInfo> ListClients() override {
    std::vector<ClientInfo> list;
    for (const auto& [id, info] : clients_) list.push_back(info);
    return list;
  }
  uint32_t KillClients(const ClientFilter& filter) override {
    uint32_t count = 0;
    for (const auto& [id, info] : clients_) {
      if (Matches(filter, info)) ++count;
    }
    return count;
  }
  ScanCursors* scan_cursors() override { return &cursors_; }
  PubSub* pubsub() override { return &pubsub_; }
  SlowLog* slow_log() override { return slow.get(); }
  bool StartBackup(uint32_t database, std::string* why) override {
    return backups == nullptr ? *why = "ERR no backups", false
                              : backups->Start(Database(database), "db" + std::to_string(database), NowUs(), why);
  }
  uint32_t event_classes() const override { return events; }

  // Answers the session's login if it waits for one: the password of everyone is "secret".
  bool AnswerLogin(Session* session) {
    const auto login = pending_logins.extract(session->info().id);
    if (login.empty()) return false;
    const auto& [user, password] = login.mapped();
    const auto rights = users.find(user);
    const bool good = rights != users.end() && password == "secret";
    session->FinishLogin(good ? LoginVerdict::kWelcome : LoginVerdict::kRefused, good ? rights->second : nullptr);
    return true;
  }

  std::unique_ptr<const ClusterMap> cluster_map;  // of sessions that begin later
  bool needs_login = false;
  std::map<std::string, std::shared_ptr<const Rights>> users = {{"default", FullRights()}};
  std::map<uint64_t, std::pair<std::string, std::string>> pending_logins;  // user and password, by session
  std::vector<Audited> audited;
  uint32_t events = 0;
  std::unique_ptr<SlowLog> slow;
  std::unique_ptr<Backups> backups;

 private:
  mutable uint64_t now_us_ = 1'700'000'000'000'000;
  std::vector<std::unique_ptr<zkdb_db, DatabaseCloser>> databases_;
  std::map<uint64_t, ClientInfo> clients_;
  ScanCursors cursors_;
  PubSub pubsub_;
};

// One that nobody wakes for: its owner looks.
class TestMailbox : public Mailbox {
 public:
  using Mailbox::Mailbox;
  int woken = 0;

 private:
  void Wake() override { ++woken; }
};

// A bulk string as it is replied.
inline std::string Bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// A command as clients send it.
inline std::string Encode(std::initializer_list<std::string_view> words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string_view word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n";
    bytes.append(word).append("\r\n");
  }
  return bytes;
}

class TestClient {
 public:
  explicit TestClient(TestServer* server, uint64_t id = 1, const SessionLimits& limits = {},
                      std::shared_ptr<const Rights> rights = nullptr, const std::string& user = "default")
      : server_(server), session_(server, MakeInfo(id, user), limits, std::move(rights)) {
    session_.UseMailbox(&mailbox_);
  }

  // Sends bytes, reads all replies, and goes on while the session is paused or its login is answered.
  std::string Send(std::string_view bytes) {
    std::string replies = Receive(bytes);
    while (state_ == SessionState::kPaused ||
           (state_ == SessionState::kWaiting && answers_logins && server_->AnswerLogin(&session_))) {
      replies += Receive({});
    }
    return replies;
  }
  // The same without going on.
  std::string Receive(std::string_view bytes) {
    unread_.append(bytes);
    // Memory of its own size: a read behind it is an error that AddressSanitizer sees.
    const auto input = std::make_unique_for_overwrite<uint8_t[]>(unread_.size());
    std::memcpy(input.get(), unread_.data(), unread_.size());
    const ReceiveResult result = session_.Receive({input.get(), unread_.size()});
    unread_.erase(0, result.consumed);
    state_ = result.state;
    most_output_ = std::max(most_output_, session_.output()->size());
    return TakeOutput();
  }
  // What has been published for the client.
  std::string Messages() {
    bool lost = false;
    for (const Mail& mail : mailbox_.Take(&lost)) session_.Deliver(mail);
    return TakeOutput();
  }
  std::string Call(std::initializer_list<std::string_view> words) { return Send(Encode(words)); }

  Session* session() { return &session_; }
  bool waiting() const { return state_ == SessionState::kWaiting; }
  bool closing() const { return state_ == SessionState::kClosing; }
  size_t unread() const { return unread_.size(); }
  size_t most_output() const { return most_output_; }

  bool answers_logins = true;

 private:
  static ClientInfo MakeInfo(uint64_t id, const std::string& user) {
    ClientInfo info;
    info.id = id;
    info.user = user;
    info.address = "127.0.0.1:" + std::to_string(5000 + id);
    info.local_address = "127.0.0.1:6379";
    info.connected_us = 1'700'000'000'000'000;
    info.active_us = info.connected_us;
    return info;
  }
  std::string TakeOutput() {
    OutputBuffer* out = session_.output();
    std::string bytes(reinterpret_cast<const char*>(out->data()), out->size());
    out->Consume(out->size());
    return bytes;
  }

  TestServer* const server_;
  TestMailbox mailbox_;
  Session session_;
  std::string unread_;
  SessionState state_ = SessionState::kOpen;
  size_t most_output_ = 0;
};

}  // namespace zkdb::net::test
