// What sessions share and ask for: databases by number, logins, the other clients, time.
//
// Thread-safety: a Server is called by the sessions of all threads at once.
//
// Invariants:
//  1. A session calls its Server from inside its functions and its end only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/slice.h"
#include "include/zkdb.h"
#include "net/backups.h"
#include "net/cluster_map.h"
#include "net/pubsub.h"
#include "net/scan_cursors.h"
#include "net/slow_log.h"

namespace zkdb::net {

// One connection as CLIENT LIST shows it.
struct ClientInfo {
  uint64_t id = 0;      // never given twice
  std::string address;  // "127.0.0.1:4711", or the path of a Unix socket
  std::string local_address;
  uint64_t connected_us = 0;  // wall clock, microseconds since 1970
  uint64_t active_us = 0;     // when it last sent a command; as connected_us
  std::string name;           // CLIENT SETNAME
  std::string user = "default";
  std::string library_name;  // CLIENT SETINFO
  std::string library_version;
  uint32_t database = 0;
  int protocol = 2;
  int queued = -1;      // commands behind MULTI; -1: no MULTI
  size_t watched = 0;   // keys
  size_t channels = 0;  // subscribed to, as the next
  size_t patterns = 0;
  bool no_evict = false;
};

// Which clients CLIENT KILL means: those that all given conditions hold for.
struct ClientFilter {
  uint64_t id = 0;            // 0: any
  std::string address;        // empty: any
  std::string local_address;  // empty: any
  std::string user;           // empty: any
  uint64_t except = 0;        // the one to leave out; 0: none
};

bool Matches(const ClientFilter& filter, const ClientInfo& client);
// One line of CLIENT LIST with its line end.
std::string FormatClient(const ClientInfo& client, uint64_t now_us);

// What an audit log is told. It never holds a key, a value or a password.
enum class AuditKind { kLogin, kLoginRefused, kDenied, kAdmin };

struct AuditEvent {
  AuditKind kind;
  const ClientInfo* client;  // during the call
  Slice user;                // who logged in, or tried to; else the client's user
  std::string_view command;  // its name in the table; empty for logins
  std::string_view reason;   // of kDenied: "command", "database" or "key"; else empty
  uint64_t count;            // of kDenied: how many were denied since the login, this one included; else 1
};

// What INFO tells of the server and its process. Counted since the start, but for what is there now.
struct ServerFigures {
  std::string os;  // "Linux 6.1.0 x86_64"
  uint64_t process_id = 0;
  uint16_t tcp_port = 0;  // the first; 0: Unix sockets alone
  uint32_t threads = 0;   // that serve connections
  uint32_t databases = 0;
  uint64_t uptime_us = 0;
  uint64_t cpu_user_us = 0;  // of the process, as the two below
  uint64_t cpu_system_us = 0;
  uint64_t resident_bytes = 0;  // now
  uint64_t clients = 0;         // now
  uint64_t max_clients = 0;
  uint64_t connections = 0;
  uint64_t rejected = 0;
  uint64_t commands = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t pauses = 0;  // of commands whose replies were not read
  uint64_t dropped_slow = 0;
  uint64_t dropped_idle = 0;
  uint64_t dropped_login = 0;
  uint64_t shared_writes = 0;
  uint64_t waiting_bytes = 0;  // of replies, now
  BackupFigures backup = {};
};

// One line of CONFIG GET: a setting under the name that Redis has for it.
struct ServerSetting {
  std::string_view name;  // lives as long as the server
  std::string value;
};

class Server {
 public:
  virtual ~Server() = default;

  // The database `number`, or nullptr when there is none. It stays open as long as a session lives.
  virtual zkdb_db* Database(uint32_t number) = 0;

  // Whether a client has to log in before anything else.
  virtual bool NeedsLogin() const = 0;
  // Begins to check `password`, for the session of `client`, whose FinishLogin is called with the answer: on the
  // session's thread, and never from inside this call. Waiting is not the client's fault: time limits stand still.
  // Refusals are slowed down by whoever checks.
  virtual void BeginLogin(const ClientInfo& client, Slice user, Slice password) = 0;
  // Something happened that an audit log keeps. Called in the middle of a command: it does not block.
  virtual void Audit(const AuditEvent& event) { (void)event; }

  // Wall clock, microseconds since 1970.
  virtual uint64_t NowUs() const = 0;

  // May be asked by any command, as often as a client likes: it waits for no connection.
  virtual ServerFigures Figures() const = 0;
  // What it was started with, and no secrets.
  virtual std::vector<ServerSetting> Settings() const = 0;

  // `info` has changed; the server keeps a copy for ListClients. Called at most once per Receive.
  virtual void ClientChanged(const ClientInfo& info) = 0;
  virtual std::vector<ClientInfo> ListClients() = 0;
  // Closes the connections that the filter means; returns how many there are. The calling session's own is closed by
  // the session itself, which leaves it out of the filter.
  virtual uint32_t KillClients(const ClientFilter& filter) = 0;

  // Which servers hold which slots; nullptr when this one holds every key. It does not change.
  virtual const ClusterMap* cluster() const { return nullptr; }

  // The channels of all connections.
  virtual PubSub* pubsub() = 0;
  // Which keyspace events are published: EventClass (keyspace_events.h). It does not change.
  virtual uint32_t event_classes() const { return 0; }

  // Where commands are noted that took long; nullptr: nowhere.
  virtual SlowLog* slow_log() { return nullptr; }
  // Begins to copy a database. False when it cannot; *why is then an error reply.
  virtual bool StartBackup(uint32_t database, std::string* why) = 0;

  // Where SCAN goes on, for all connections.
  virtual ScanCursors* scan_cursors() = 0;
};

}  // namespace zkdb::net
