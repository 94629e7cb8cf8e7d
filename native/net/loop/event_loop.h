// One thread of a server: a libuv loop with its connections, and on the first one the listening sockets.
//
// Thread-safety: Post, load and counters may be used by any thread; everything else by the loop's own.
//
// Invariants:
//  1. A turn of the loop is: read every connection that has something and let its session answer, then write what the
//     sessions have pending as one batch per database, then send. So commits of many connections share a sync, a reply
//     never comes before it, and who has many connections finds many replies at once. Long replies are sent as soon as
//     they are there.
//  2. Messages of channels are written after the replies of their turn, and sent once for all that have come.
//  3. Until kQuit the loop runs and takes messages: a thread may post to another as long as either has connections.
#pragma once

#include <uv.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "net/admission.h"
#include "net/client_registry.h"
#include "net/loop/connection.h"
#include "net/loop/counters.h"
#include "net/loop/owner.h"
#include "net/loop/socket.h"
#include "net/pubsub.h"

namespace zkdb::net {

// What all threads of a server use.
struct ServerShared {
  ServerShared(const ServerOptions& options, ClientRegistry* clients, ServerOwner* asked)
      : registry(clients),
        owner(asked),
        admission(options.max_connections, options.max_per_address),
        max_waiting_bytes(options.max_waiting_bytes),
        idle_ms(options.idle_ms),
        login_ms(options.login_ms),
        stuck_ms(options.stuck_ms) {
    admission.SetListed(options.listed);
  }

  ClientRegistry* const registry;
  ServerOwner* const owner;
  Admission admission;
  SessionLimits limits;
  const uint64_t max_waiting_bytes;
  const uint64_t idle_ms;
  const uint64_t login_ms;
  const uint64_t stuck_ms;
  std::atomic<uint64_t> waiting_bytes{0};
};

class EventLoop : public Mailbox {
 public:
  static constexpr size_t kChunk = size_t{64} << 10;  // read from a connection at a time

  EventLoop(Server* host, ServerShared* shared) : host_(host), shared_(shared) {}
  // REQUIRES: Join.
  ~EventLoop() override;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Makes the loop's handles. False when the system has no room for them.
  bool Init();
  // Starts the thread. REQUIRES: Init.
  void Run(const std::string& name);
  void Join() { thread_.join(); }

  // ---- any thread

  // Takes a connection over, closing it when the loop is stopping.
  void Adopt(Accepted accepted);
  void Kill(uint64_t id);
  // Answers a login of the connection, if it is one of this loop's and still waits.
  void FinishLogin(uint64_t id, LoginVerdict verdict, std::shared_ptr<const Rights> rights);
  // A user's rights are others from now on; nullptr: his connections are closed.
  void ChangeRights(std::string user, std::shared_ptr<const Rights> rights);
  // Closes the connections of addresses that are not listed any more.
  void CloseUnlisted();
  // Runs `task` on the loop's thread.
  void Post(std::function<void()> task);
  uint32_t load() const { return load_.load(std::memory_order_relaxed); }
  const Counters& counters() const { return counters_; }

  // ---- its own thread

  // Stops all connections; `drained` is called once when there are none. At the deadline they are dropped.
  void Stop(uint64_t deadline_ms, std::function<void()> drained);
  // Ends the thread. REQUIRES: drained, and nobody posts any more.
  void Quit();

  uv_loop_t* uv() { return &uv_; }
  Server* host() const { return host_; }
  ServerShared* shared() const { return shared_; }
  Counters* counters() { return &counters_; }
  uint8_t* chunk() { return chunk_.get(); }
  uint64_t now_ms() const { return uv_now(&uv_); }
  uint64_t now_us() const { return host_->NowUs(); }
  // Has the connection send its replies at the end of the turn.
  void AddPending(Connection* connection) { pending_.push_back(connection); }
  void AddReady(Connection* connection);
  void Remove(Connection* connection);

 private:
  static constexpr uint64_t kSweep_ms = 100;
  static constexpr size_t kSweepParts = 10;  // each connection is looked at once in so many sweeps

  Connection* Find(uint64_t id) const;
  std::vector<Connection*> All() const;
  void Connect(Accepted accepted);
  // False when the loop does not take the socket, which is then still open.
  bool AddConnection(uint64_t id, Accepted accepted);
  void RunTasks();
  // There are messages for connections of this loop.
  void Wake() override;
  void DeliverMail();
  void AfterPoll();
  // Writes what sessions have pending, and sends the replies that wait.
  void EndTurn();
  void Sweep();
  void FinishStop();

  Server* const host_;
  ServerShared* const shared_;
  uv_loop_t uv_{};
  uv_async_t wake_{};
  uv_check_t after_poll_{};
  uv_idle_t busy_{};
  uv_timer_t sweep_{};
  uv_timer_t deadline_{};
  std::thread thread_;
  std::unique_ptr<uint8_t[]> chunk_;
  std::atomic<uint32_t> load_{0};  // connections, and those on their way
  Counters counters_;

  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;

  std::vector<Connection*> connections_;
  std::unordered_map<uint64_t, Connection*> by_id_;
  std::vector<Connection*> pending_;
  std::vector<Connection*> ready_;
  std::vector<Connection*> turn_;   // of AfterPoll
  std::vector<Session*> sessions_;  // of EndTurn
  size_t swept_ = 0;
  bool stopping_ = false;
  std::function<void()> drained_;
};

// The one with the fewest connections.
EventLoop* LeastLoaded(const std::vector<std::unique_ptr<EventLoop>>& loops);

}  // namespace zkdb::net
