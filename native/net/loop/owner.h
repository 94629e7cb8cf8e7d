// Whom a server asks and tells: whoever started it.
//
// Thread-safety: called by the threads of the loops, which it must not block.
//
// Invariants:
//  1. Gone is told once of each connection that was relayed (LoopServer::Adopt), and of one that ends while its login
//     is being checked. Nothing of a connection is told or asked after it.
#pragma once

#include "net/host.h"

namespace zkdb::net {

class ServerOwner {
 public:
  virtual ~ServerOwner() = default;

  // Asks to check a login; LoopServer::FinishLogin takes the answer, also when the connection is gone by then.
  virtual void CheckLogin(const ClientInfo& client, Slice user, Slice password) = 0;
  virtual void Gone(uint64_t client) = 0;
  virtual void Audit(const AuditEvent& event) = 0;
};

}  // namespace zkdb::net
