// What a server is started with, and the figures that it gives.
//
// Thread-safety: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "net/address_list.h"

namespace zkdb::net {

// A TCP address, or a Unix socket when there is a path.
struct ListenAddress {
  std::string host;   // a numeric address
  uint16_t port = 0;  // 0: any; LoopServer::addresses() tells which
  std::string path;
};

struct ServerOptions {
  std::vector<ListenAddress> listen;
  uint32_t threads = 2;               // 1..64
  uint32_t backlog = 511;             // of connections that wait to be taken
  uint32_t max_connections = 10000;   // of all
  uint64_t slow_us = 10000;           // a command that takes longer is noted
  uint32_t slow_length = 128;         // so many are kept; 0: none
  std::string backup_directory;       // of BGSAVE; empty: there is none
  uint32_t keyspace_events = 0;       // EventClass (net/keyspace_events.h)
  uint32_t max_per_address = 1024;    // of one address; Unix sockets have none
  uint64_t idle_ms = 0;               // a connection without a command for so long is closed; 0: never
  uint64_t login_ms = 5000;           // for the login
  uint64_t stuck_ms = 60000;          // for 64 KiB, or all that there is, of a reply or of a command in pieces
  uint64_t snapshot_idle_ms = 60000;  // a snapshot that is not used for so long is closed
  size_t frame_bytes = size_t{16} << 20;
  uint64_t max_waiting_bytes = uint64_t{1} << 30;  // of replies that wait for their readers, of all connections
  bool tcp_delay = false;                          // Nagle's algorithm
  bool needs_login = false;                        // whom else the owner lets in: owner.h
  AddressList listed;                              // who may connect, besides Unix sockets
  std::string cluster;                             // nodes as ClusterMap::Parse reads them; empty: this server has all
};

// Since the start, but for `current` and `waiting_bytes`.
struct ServerStats {
  uint64_t connections = 0;
  uint64_t current = 0;
  uint64_t rejected = 0;  // because of a limit, or of the list of addresses
  uint64_t commands = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t pauses = 0;         // a connection's reader was slow, and its commands had to wait
  uint64_t dropped_slow = 0;   // closed because of stuck_ms or max_waiting_bytes
  uint64_t dropped_idle = 0;   // because of idle_ms
  uint64_t dropped_login = 0;  // because of login_ms
  uint64_t shared_writes = 0;  // commits that several connections shared
  uint64_t waiting_bytes = 0;  // of replies
};

}  // namespace zkdb::net
