// One connection of an event loop: its socket, its session, and what waits between them.
//
// Thread-safety: a connection belongs to the thread of its loop.
//
// Invariants:
//  1. Nothing is read while replies wait to be sent: a slow reader holds what it asked for and no more.
//  2. While replies wait for the end of the turn, or the rest of a pipeline for its own, nothing is read either.
//  3. What the peer sends counts as progress when a command is taken or kProgress bytes have come, and likewise what it
//     reads: one byte now and then keeps no connection.
//  4. A connection ends with its last reply sent: the sending half is closed first, and what the peer still sends is
//     thrown away until it has closed too or kLinger has passed. Closing at once would take replies from it.
#pragma once

#include <uv.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "net/input_buffer.h"
#include "net/loop/socket.h"
#include "net/session.h"

namespace zkdb::net {

class EventLoop;

class Connection {
 public:
  // Takes the socket over once it is started.
  Connection(EventLoop* loop, Accepted accepted, ClientInfo info);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Begins to read. False when the loop does not take the socket; then the connection is of no use.
  bool Start();
  // The rest of a paused pipeline, or what had arrived when the server began to stop.
  void Resume();
  // Sends what waits for the end of the loop's turn; the session's pending writes are finished.
  void EndTurn();
  // Answers the login that the session waits for, if it does.
  void FinishLogin(LoginVerdict verdict, const std::shared_ptr<const Rights>& rights);
  // As Session::ChangeRights; one that must not go on is closed once its replies are sent.
  void ChangeRights(const std::string& user, const std::shared_ptr<const Rights>& rights);
  // Takes a message for the session; true when it is the first one since SendMessages, which then has to be called.
  bool Deliver(const Mail& mail);
  void SendMessages();
  // Closes a subscriber, some of whose messages could not be kept.
  void DropSubscriber();
  // Looks at the clock: closes what is idle or stuck.
  void Sweep(uint64_t now_ms);
  // Answers what has arrived, sends it, and closes.
  void Stop();
  // Drops everything. The connection deletes itself when the loop has let go of it.
  void Close();

  Session* session() { return &session_; }
  uint64_t id() const { return session_.info().id; }
  const std::string& host() const { return host_; }
  bool relayed() const { return relayed_; }
  bool waits_for_login() const { return state_ == SessionState::kWaiting; }

  size_t place = 0;  // in the list of its loop

 private:
  static constexpr uint64_t kLinger_ms = 1000;
  static constexpr uint64_t kReleaseAfter_ms = 2000;  // of idleness
  static constexpr size_t kProgress = size_t{64} << 10;
  // Replies of no more bytes are sent at the end of the loop's turn, as those of writes are: a client with many
  // connections then finds many answers at once. Longer ones go out while the next connection is answered.
  static constexpr size_t kTogether = size_t{16} << 10;

  enum class Phase { kOpen, kLingering, kClosed };

  static void OnPoll(uv_poll_t* handle, int status, int events);
  void Poll(int events);
  void OnReadable();
  void Receive();
  void Discard();
  void Feed(Slice input);
  void Settle();
  // Sends what it can. False when the connection is closed.
  bool Send();
  void SetWaiting(size_t bytes);
  void Linger();
  void NoteInput(size_t bytes, size_t consumed);
  void DropSlow();

  EventLoop* const loop_;
  const int fd_;
  const std::string host_;
  const bool relayed_;
  uv_poll_t poll_{};
  int polled_ = 0;
  Phase phase_ = Phase::kOpen;
  SessionState state_ = SessionState::kOpen;
  bool pending_ = false;  // replies, until the end of the loop's turn
  bool told_ = false;     // messages since SendMessages
  bool ready_ = false;    // in the loop's list of those to be resumed
  bool end_ = false;      // the peer sends no more
  bool stopping_ = false;
  bool released_ = true;   // memory of the session
  size_t to_answer_ = 0;   // bytes that are still read while stopping
  size_t waiting_ = 0;     // bytes of output that the loop counts
  uint64_t commands_ = 0;  // that were counted
  uint64_t active_ms_;     // last command
  uint64_t login_ms_;      // since when a login is missing
  uint64_t progress_ms_;   // of an incomplete command, or of output
  size_t progress_bytes_ = 0;
  uint64_t linger_until_ms_ = 0;
  std::atomic<uint64_t>* const active_us_;
  InputBuffer input_;
  Session session_;
  bool logged_in_;
};

}  // namespace zkdb::net
