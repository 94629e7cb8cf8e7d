// A server of databases over TCP and Unix sockets, with threads of its own.
//
// Thread-safety: Start and Stop by one thread, the others by any; those for the owner not beside Stop.
//
// Invariants:
//  1. No data command passes JavaScript: a loop thread reads, carries out and answers.
//  2. The databases stay open as long as there is a connection; the server closes them at its end.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "include/zkdb.h"
#include "net/admission.h"
#include "net/loop/options.h"
#include "net/loop/owner.h"
#include "net/session.h"

namespace zkdb::net {

// A connection that its owner takes and relays, because it is encrypted.
struct RelayedPeer {
  std::string host;     // its numeric address
  std::string address;  // that with its port
  std::string local_address;
  std::string user;                      // whom its certificate names; without `rights` nobody
  std::shared_ptr<const Rights> rights;  // of that user
};

class LoopServer {
 public:
  // Opens what is to be listened at and starts the threads. Takes the databases over, number 0 first, also when it
  // fails: ZKDB_INVALID for options out of their range, ZKDB_IO for an address that cannot be had. Without addresses it
  // serves what is relayed to it.
  static Status Start(const ServerOptions& options, std::vector<zkdb_db*> databases, std::shared_ptr<ServerOwner> owner,
                      std::unique_ptr<LoopServer>* out);
  // Stops at once.
  ~LoopServer();
  LoopServer(const LoopServer&) = delete;
  LoopServer& operator=(const LoopServer&) = delete;

  // Takes no more connections, answers what has arrived, sends it, and closes; after `deadline_ms` what is left is
  // dropped. A command that is being carried out is waited for. The databases are closed; the first failure of that.
  // The second call does nothing.
  Status Stop(uint64_t deadline_ms);

  // ---- for the owner, until Stop is called

  // Answers a login of ServerOwner::CheckLogin. `rights` are those of a welcome user.
  void FinishLogin(uint64_t client, LoginVerdict verdict, const std::shared_ptr<const Rights>& rights);
  // As Session::ChangeRights, for all connections.
  void ChangeRights(const std::string& user, const std::shared_ptr<const Rights>& rights);
  // Who may connect from now on; others are closed.
  void SetListed(AddressList listed);

  // Whether a connection that the owner relays may come in; then Leave follows when it has ended.
  Verdict Admit(const std::string& host);
  void Leave(const std::string& host);
  // Serves it: what it sends is to be written to *fd, whose owner the caller becomes, and what is read there is to be
  // sent to it. *client is its number. ZKDB_IO when there is no file descriptor left. REQUIRES: Admit.
  Status Adopt(RelayedPeer peer, int* fd, uint64_t* client);

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
