// A server of databases over TCP and Unix sockets, with threads of its own.
//
// Thread-safety: Start and Stop by one thread, stats by any.
//
// Invariants:
//  1. No data command passes JavaScript: a loop thread reads, carries out and answers.
//  2. The databases stay open as long as there is a connection; the server closes them at its end.
#pragma once

#include <memory>
#include <vector>

#include "core/base/status.h"
#include "include/zkdb.h"
#include "net/loop/options.h"

namespace zkdb::net {

class LoopServer {
 public:
  // Opens what is to be listened at and starts the threads. Takes the databases over, number 0 first, also when it
  // fails: ZKDB_INVALID for options out of their range, ZKDB_IO for an address that cannot be had.
  static Status Start(const ServerOptions& options, std::vector<zkdb_db*> databases, std::unique_ptr<LoopServer>* out);
  // Stops at once.
  ~LoopServer();
  LoopServer(const LoopServer&) = delete;
  LoopServer& operator=(const LoopServer&) = delete;

  // Takes no more connections, answers what has arrived, sends it, and closes; after `deadline_ms` what is left is
  // dropped. A command that is being carried out is waited for. The databases are closed; the first failure of that.
  // The second call does nothing.
  Status Stop(uint64_t deadline_ms);

  // Where it listens, ports filled in.
  const std::vector<ListenAddress>& addresses() const;
  ServerStats stats() const;
  // Whether writing to a database has failed for good, so that it has to be reopened: an urgent error. *message is the
  // database's name.
  bool Failed(std::string* message) const;

 private:
  class State;
  explicit LoopServer(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace zkdb::net
