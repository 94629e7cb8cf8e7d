// A listening socket on the first loop of a server: takes connections and hands each to the loop with the fewest.
//
// Thread-safety: Open from any thread before the loop runs; the rest on the loop's thread.
//
// Invariants:
//  1. A connection that is refused is told why, as Redis tells it, and closed.
//  2. Without free file descriptors, waiting connections are refused with one that is kept for it: they would wake the
//     loop for ever.
#pragma once

#include <uv.h>

#include <memory>
#include <vector>

#include "net/loop/event_loop.h"

namespace zkdb::net {

class Listener {
 public:
  // `loops` outlives the listener.
  Listener(const std::vector<std::unique_ptr<EventLoop>>* loops, ServerShared* shared, bool tcp_delay)
      : loops_(loops), shared_(shared), tcp_delay_(tcp_delay) {}
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  Status Open(const ListenAddress& address, uint32_t backlog);
  // Takes connections on the first loop. REQUIRES: Open; that loop does not run yet.
  bool Start();
  // Stops taking them. The listener deletes itself. REQUIRES: Start.
  void Close();

  const ListenAddress& bound() const { return bound_; }
  uint64_t accepted() const { return accepted_.value(); }
  uint64_t rejected() const { return rejected_.value(); }

 private:
  static constexpr int kAtOnce = 64;  // connections taken in one turn of the loop

  void TakeAll();
  void TakeSome();
  void Take(Accepted accepted);
  void Refuse(int fd, const char* reason);
  void RefuseWithoutDescriptors();

  const std::vector<std::unique_ptr<EventLoop>>* const loops_;
  ServerShared* const shared_;
  const bool tcp_delay_;
  ListenAddress bound_;
  int fd_ = -1;
  int spare_fd_ = -1;
  uv_poll_t poll_{};
  Counter accepted_;
  Counter rejected_;
};

}  // namespace zkdb::net
