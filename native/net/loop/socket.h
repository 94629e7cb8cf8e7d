// The system calls of sockets: listening, accepting, and their addresses as text.
//
// Thread-safety: functions without state.
#pragma once

#include <memory>
#include <string>

#include "core/base/status.h"
#include "net/loop/options.h"

namespace zkdb::net {

struct Rights;

inline constexpr int kKeepAliveSeconds = 300;  // of silence on a TCP connection, before it is asked

// A non-blocking listening socket in *fd, and in *bound the address that it has got. A Unix socket is made with mode
// 0600; one that a dead server left behind is replaced. ZKDB_IO, naming the address.
Status Listen(const ListenAddress& address, uint32_t backlog, int* fd, ListenAddress* bound);

// "127.0.0.1:4711", "[::1]:4711", or the path.
std::string FormatAddress(const ListenAddress& address);

struct Accepted {
  int fd = -1;
  std::string host;     // the peer's numeric address; empty for a Unix socket
  std::string address;  // the peer's with its port; a Unix socket's path
  std::string local_address;

  // Of a connection that another one is relayed to (LoopServer::Adopt): who relays it counts it, too.
  uint64_t relayed_as = 0;               // its number; 0: it is not, and gets one
  std::string user;                      // whom a certificate names; empty: nobody
  std::shared_ptr<const Rights> rights;  // of that user
};
// The next connection that waits, non-blocking and set up. False, with errno, when there is none or it cannot be taken.
bool Accept(int listener, const ListenAddress& bound, bool tcp_delay, Accepted* out);

// Two ends of one connection inside of the process, non-blocking. ZKDB_IO when the system has none left.
Status MakePair(int* one, int* other);

// What has arrived and was not read, in bytes.
size_t Unread(int fd);

}  // namespace zkdb::net
