// Connections to servers: what the client of remote partitions needs of sockets. Tests put another Transport in its
// place, which sends short pieces, garbage, or nothing at all.
//
// Thread-safety: a Transport may be used by any number of threads, a Socket by one at a time.
//
// Invariants:
//  1. Every call ends at its deadline (MonotonicMs), whatever the peer does; only looking up a host's name may take
//     longer.
//  2. EINTR is handled inside, and a peer that is gone is a Status, never a signal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/base/slice.h"
#include "core/base/status.h"

namespace zkdb {

// Where a server listens: host and port, or the path of a Unix socket.
struct ServerAddress {
  std::string host;
  uint16_t port = 0;
  std::string path;
  bool tls = false;  // over TCP

  // "127.0.0.1:6379", "[::1]:6379", "unix:/run/zkdb.sock", "zkdbs://[::1]:6379"
  std::string ToString() const;
};

class Socket {
 public:
  virtual ~Socket() = default;

  // Hands some of the bytes, at least one, to the system: *sent. ZKDB_TIMEOUT, ZKDB_UNREACHABLE.
  virtual Status Send(Slice bytes, uint64_t deadline_ms, size_t* sent) = 0;
  // Waits for bytes and takes up to `capacity` of them; *got 0: the peer has closed. ZKDB_TIMEOUT, ZKDB_UNREACHABLE.
  virtual Status Receive(uint8_t* buffer, size_t capacity, uint64_t deadline_ms, size_t* got) = 0;
  // Whether the connection stands and nothing has arrived: what a connection at rest is like. Does not wait.
  virtual bool IsQuiet() = 0;
};

// Takes one end of a pair of connected sockets, which it becomes the owner of; false, and it does not: there is no
// relay any more. Called by any thread.
using TlsRelay = std::function<bool(int socket)>;

class Transport {
 public:
  virtual ~Transport() = default;

  // The sockets of this machine.
  static Transport* Posix();
  // These, and for addresses with TLS one end of a pair whose other end is the relay's, which is to be told the
  // address.
  static std::shared_ptr<Transport> WithRelay(TlsRelay relay);

  // ZKDB_TIMEOUT, ZKDB_UNREACHABLE.
  virtual Status Connect(const ServerAddress& address, uint64_t deadline_ms, std::unique_ptr<Socket>* out) = 0;
  virtual uint64_t MonotonicMs() = 0;
  // A number of 0..below - 1.
  virtual uint64_t Random(uint64_t below) = 0;
};

}  // namespace zkdb
