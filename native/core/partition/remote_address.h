// The address of a remote partition as a configuration gives it.
//
//   host:port                              TCP; an IPv6 address stands in brackets
//   zkdb://user:password@host:port/db      TCP; port 6379 unless given; user, password and db percent-encoded
//   zkdbs://user:password@host:port/db     TLS, as above
//   /path                                  a Unix socket, as are unix:/path, unix:///path and
//   zkdb+unix:///path?db=name              (zkdb+unix://user:password@/path?db=name)
//
// Thread-safety: pure functions.
//
// Invariants:
//  1. No reason and no ServerAddress holds a user or a password.
#pragma once

#include <string>
#include <string_view>

#include "core/os/transport.h"

namespace zkdb {

// Who a client is: empty `password` and `user`, nobody in particular.
struct Login {
  std::string user;
  std::string password;
};

struct RemoteAddress {
  ServerAddress server;
  Login login;           // of a URL
  std::string database;  // of a URL: name or number; empty: not said
};

// How a server with TLS is known, and who asks: paths of PEM files.
struct TlsFiles {
  std::string authority;    // empty: those of the system
  std::string certificate;  // of the client; empty: none
  std::string key;          // of that certificate
  std::string server_name;  // that the server's certificate has; empty: the host of the address
  bool empty() const { return authority.empty() && certificate.empty() && key.empty() && server_name.empty(); }
};

// False when `text` is none of the forms; *reason says why and what they are.
bool ParseRemoteAddress(std::string_view text, RemoteAddress* out, std::string* reason);

// An AuthKey: `user:password`, or a password alone.
Login ParseAuthKey(std::string_view text);

}  // namespace zkdb
