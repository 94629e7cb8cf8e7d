// A Transport whose servers are sessions in this process, for tests: the client of remote partitions and the server's
// side of the protocol meet without a network, in pieces of any size, and connections break where a test wants it.
//
// Thread-safety: none; a test has one thread.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/os/transport.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {

class SessionTransport : public Transport {
 public:
  struct Server {
    TestServer* server = nullptr;
    bool down = false;
    uint32_t epoch = 0;  // a restart breaks the connections of the one before
  };

  std::vector<Server> servers;  // by port, from 1
  std::mt19937_64 random{1};
  uint32_t cut_one_in = 0;  // calls of a socket; 0: none is cut
  size_t piece = SIZE_MAX;  // bytes of a call at most
  uint64_t now_ms = 1000;
  uint32_t connections = 0;  // made so far
  uint64_t bytes_out = 0;
  uint32_t sends = 0;    // calls that sent something
  SessionLimits limits;  // of connections that are made later

  void Restart(size_t number) { ++servers[number].epoch; }

  Status Connect(const ServerAddress& address, uint64_t, std::unique_ptr<Socket>* out) override {
    Server& server = servers.at(address.port - 1u);
    if (server.down) return {ZKDB_UNREACHABLE, "connect: Connection refused"};
    *out = std::make_unique<PairSocket>(this, &server, ++connections);
    return Status::Ok();
  }
  uint64_t MonotonicMs() override { return now_ms; }
  uint64_t Random(uint64_t below) override { return random() % below; }

 private:
  class PairSocket : public Socket {
   public:
    PairSocket(SessionTransport* transport, Server* server, uint32_t id)
        : transport_(transport),
          server_(server),
          epoch_(server->epoch),
          client_(server->server, id, transport->limits) {}

    Status Send(Slice bytes, uint64_t, size_t* sent) override {
      if (Broken()) return {ZKDB_UNREACHABLE, "send: Broken pipe"};
      *sent = std::min(bytes.size, transport_->piece);
      transport_->bytes_out += *sent;
      ++transport_->sends;
      answers_ += client_.Send({reinterpret_cast<const char*>(bytes.data), *sent});
      return Status::Ok();
    }
    Status Receive(uint8_t* buffer, size_t capacity, uint64_t deadline_ms, size_t* got) override {
      if (Broken()) return {ZKDB_UNREACHABLE, "recv: Connection reset by peer"};
      *got = std::min({capacity, transport_->piece, answers_.size() - at_});
      if (*got == 0 && !client_.closing()) {
        transport_->now_ms = std::max(transport_->now_ms, deadline_ms);
        return {ZKDB_TIMEOUT, "the answer took longer than its limit"};
      }
      if (*got != 0) std::memcpy(buffer, answers_.data() + at_, *got);
      at_ += *got;
      return Status::Ok();
    }
    bool IsQuiet() override { return !broken_ && epoch_ == server_->epoch && !server_->down && at_ == answers_.size(); }

   private:
    bool Broken() {
      broken_ |= epoch_ != server_->epoch || server_->down;
      broken_ |= transport_->cut_one_in != 0 && transport_->random() % transport_->cut_one_in == 0;
      return broken_;
    }

    SessionTransport* const transport_;
    Server* const server_;
    const uint32_t epoch_;
    TestClient client_;
    std::string answers_;
    size_t at_ = 0;
    bool broken_ = false;
  };
};

}  // namespace zkdb::net::test
