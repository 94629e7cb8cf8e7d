// What sessions share and ask for: databases by number, logins, the other clients, time.
//
// Thread-safety: a Server is called by the sessions of all threads at once.
//
// Invariants:
//  1. A session calls its Server from inside its constructor and Session::Receive only.
#pragma once

#include <string>
#include <vector>

#include "core/base/slice.h"
#include "include/zkdb.h"
#include "net/scan_cursors.h"

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
  int queued = -1;     // commands behind MULTI; -1: no MULTI
  size_t watched = 0;  // keys
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

class Server {
 public:
  virtual ~Server() = default;

  // The database `number`, or nullptr when there is none. It stays open as long as a session lives.
  virtual zkdb_db* Database(uint32_t number) = 0;

  // Whether a client has to log in before anything else.
  virtual bool NeedsLogin() const = 0;
  // Whether `user` may come in with `password`. Refusals are slowed down by whoever owns the socket.
  virtual bool Login(Slice user, Slice password) = 0;

  // Wall clock, microseconds since 1970.
  virtual uint64_t NowUs() const = 0;

  // `info` has changed; the server keeps a copy for ListClients. Called at most once per Receive.
  virtual void ClientChanged(const ClientInfo& info) = 0;
  virtual std::vector<ClientInfo> ListClients() = 0;
  // Closes the connections that the filter means; returns how many there are. The calling session's own is closed by
  // the session itself, which leaves it out of the filter.
  virtual uint32_t KillClients(const ClientFilter& filter) = 0;

  // Where SCAN goes on, for all connections.
  virtual ScanCursors* scan_cursors() = 0;
};

}  // namespace zkdb::net
