#include "net/loop/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "net/loop/event_loop.h"

namespace zkdb::net {

namespace {

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif

bool WouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Connection::Connection(EventLoop* loop, Accepted accepted, ClientInfo info)
    : loop_(loop),
      fd_(accepted.fd),
      host_(std::move(accepted.host)),
      relayed_(accepted.relayed_as != 0),
      active_ms_(loop->now_ms()),
      login_ms_(active_ms_),
      progress_ms_(active_ms_),
      active_us_(loop->shared()->registry->Add(info)),
      session_(loop->host(), std::move(info), loop->shared()->limits, std::move(accepted.rights)),
      logged_in_(session_.logged_in()) {
  session_.ShareWrites();
  session_.UseMailbox(loop);
  poll_.data = this;
}

bool Connection::Start() {
  if (uv_poll_init(loop_->uv(), &poll_, fd_) != 0) return false;
  Poll(UV_READABLE);
  return true;
}

void Connection::Poll(int events) {
  if (polled_ == events) return;
  polled_ = events;
  uv_poll_start(&poll_, events, OnPoll);
}

void Connection::OnPoll(uv_poll_t* handle, int status, int events) {
  auto* self = static_cast<Connection*>(handle->data);
  if (status < 0 || (events & UV_DISCONNECT) != 0) return self->Close();
  if ((events & UV_WRITABLE) != 0) self->Settle();
  if ((events & UV_READABLE) != 0) self->OnReadable();
}

// ---- reading

void Connection::OnReadable() {
  if (phase_ == Phase::kLingering) return Discard();
  if (phase_ == Phase::kClosed || pending_ || ready_ || session_.output()->size() > 0) return;
  Receive();
}

void Connection::Receive() {
  try {
    const InputBuffer::Room room = input_.Prepare(loop_->chunk(), EventLoop::kChunk);
    const ssize_t n = recv(fd_, room.data, room.size, 0);
    if (n < 0 && !WouldBlock()) return Close();
    if (n < 0) return stopping_ ? Linger() : void();
    end_ = n == 0;
    // A command that is not whole yet will never be.
    if (end_) return Linger();
    loop_->counters()->bytes_in.Add(static_cast<uint64_t>(n));
    to_answer_ -= std::min(to_answer_, static_cast<size_t>(n));
    Feed(input_.Filled(static_cast<size_t>(n)));
  } catch (const std::bad_alloc&) {
    Close();
  }
}

void Connection::Discard() {
  const ssize_t n = recv(fd_, loop_->chunk(), EventLoop::kChunk, 0);
  if (n == 0 || (n < 0 && !WouldBlock())) Close();
}

void Connection::Feed(Slice input) {
  const size_t before = input_.size();
  const ReceiveResult result = session_.Receive(input);
  const uint64_t commands = session_.commands();
  loop_->counters()->commands.Add(commands - std::exchange(commands_, commands));
  state_ = result.state;
  const size_t replies = session_.output()->size();
  pending_ = result.pending || (replies > 0 && replies <= kTogether);
  released_ = false;
  NoteInput(before, result.consumed);
  input_.Keep(input, result.consumed);
  if (pending_) loop_->AddPending(this);
  // Who checks logins does not answer any more.
  if (stopping_ && waits_for_login()) return FinishLogin(LoginVerdict::kFailed, nullptr);
  Settle();
}

void Connection::NoteInput(size_t bytes, size_t consumed) {
  const uint64_t now_ms = loop_->now_ms();
  if (consumed > 0) {
    active_ms_ = now_ms;
    active_us_->store(loop_->now_us(), std::memory_order_relaxed);
  }
  if (consumed > 0 || bytes - std::min(bytes, progress_bytes_) >= kProgress) {
    progress_ms_ = now_ms;
    progress_bytes_ = bytes - consumed;
  }
  if (logged_in_ && !session_.logged_in()) login_ms_ = now_ms;
  logged_in_ = session_.logged_in();
}

void Connection::Resume() {
  ready_ = false;
  if (phase_ != Phase::kOpen) return;
  if (state_ != SessionState::kPaused) return to_answer_ > 0 ? Receive() : Linger();
  try {
    Feed(input_.kept());
  } catch (const std::bad_alloc&) {
    Close();
  }
}

void Connection::FinishLogin(LoginVerdict verdict, const std::shared_ptr<const Rights>& rights) {
  if (phase_ != Phase::kOpen || state_ != SessionState::kWaiting) return;
  session_.FinishLogin(verdict, rights);
  login_ms_ = progress_ms_ = loop_->now_ms();
  logged_in_ = session_.logged_in();
  // What came behind the login is in the input still.
  state_ = session_.closing() ? SessionState::kClosing : SessionState::kPaused;
  Settle();
}

void Connection::ChangeRights(const std::string& user, const std::shared_ptr<const Rights>& rights) {
  if (phase_ != Phase::kOpen) return;
  session_.ChangeRights(user, rights);
  if (!session_.closing() || state_ == SessionState::kClosing) return;
  state_ = SessionState::kClosing;
  Settle();
}

void Connection::EndTurn() {
  pending_ = false;
  if (phase_ != Phase::kOpen) return;
  if (session_.closing()) state_ = SessionState::kClosing;
  Settle();
}

// ---- messages

bool Connection::Deliver(const Mail& mail) {
  if (phase_ != Phase::kOpen) return false;
  if (!session_.Deliver(mail)) {
    DropSlow();
    return false;
  }
  return !std::exchange(told_, true);
}

void Connection::SendMessages() {
  told_ = false;
  released_ = false;
  Settle();
}

void Connection::DropSubscriber() {
  if (phase_ == Phase::kOpen && session_.subscribed()) DropSlow();
}

// ---- sending

void Connection::Settle() {
  if (phase_ != Phase::kOpen || pending_ || ready_ || !Send()) return;
  if (session_.output()->size() > 0) return Poll(UV_WRITABLE);
  if (state_ == SessionState::kWaiting) return Poll(UV_DISCONNECT);
  Poll(UV_READABLE);
  if (state_ == SessionState::kClosing) return Linger();
  if (state_ == SessionState::kOpen && !stopping_) return;
  ready_ = true;
  loop_->AddReady(this);
}

bool Connection::Send() {
  OutputBuffer* const out = session_.output();
  if (out->size() == 0) return true;
  const ssize_t n = send(fd_, out->data(), out->size(), kSendFlags);
  if (n < 0 && !WouldBlock()) {
    Close();
    return false;
  }
  if (n > 0) {
    loop_->counters()->bytes_out.Add(static_cast<uint64_t>(n));
    progress_bytes_ += static_cast<size_t>(n);
    out->Consume(static_cast<size_t>(n));
  }
  const bool began = waiting_ == 0 && out->size() > 0;
  if (began) loop_->counters()->pauses.Add(1);
  if (began || out->size() == 0 || progress_bytes_ >= kProgress) {
    progress_ms_ = loop_->now_ms();
    progress_bytes_ = out->size() == 0 ? input_.size() : 0;
  }
  SetWaiting(out->size());
  if (began && loop_->shared()->waiting_bytes.load(std::memory_order_relaxed) > loop_->shared()->max_waiting_bytes) {
    DropSlow();
    return false;
  }
  return true;
}

void Connection::SetWaiting(size_t bytes) {
  if (bytes == waiting_) return;
  loop_->shared()->waiting_bytes.fetch_add(bytes - waiting_, std::memory_order_relaxed);
  waiting_ = bytes;
}

// ---- ending

void Connection::Sweep(uint64_t now_ms) {
  const ServerShared* const shared = loop_->shared();
  const auto passed = [now_ms](uint64_t since_ms, uint64_t limit_ms) { return now_ms >= since_ms + limit_ms; };
  if (phase_ == Phase::kLingering) return passed(linger_until_ms_, 0) ? Close() : void();
  if (state_ == SessionState::kWaiting) return;
  const bool stuck = waiting_ > 0 || input_.size() > 0;
  if (stuck && !pending_ && !ready_ && passed(progress_ms_, shared->stuck_ms)) return DropSlow();
  if (!logged_in_ && passed(login_ms_, shared->login_ms)) {
    loop_->counters()->dropped_login.Add(1);
    return Close();
  }
  if (shared->idle_ms > 0 && waiting_ == 0 && !session_.subscribed() && passed(active_ms_, shared->idle_ms)) {
    loop_->counters()->dropped_idle.Add(1);
    return Close();
  }
  session_.CloseIdleSnapshots();
  if (released_ || !passed(active_ms_, kReleaseAfter_ms)) return;
  session_.ReleaseMemory();
  released_ = true;
}

void Connection::DropSlow() {
  loop_->counters()->dropped_slow.Add(1);
  Close();
}

void Connection::Stop() {
  stopping_ = true;
  to_answer_ = Unread(fd_);
  if (waits_for_login()) return FinishLogin(LoginVerdict::kFailed, nullptr);
  Settle();
}

void Connection::Linger() {
  if (end_) return Close();
  phase_ = Phase::kLingering;
  linger_until_ms_ = loop_->now_ms() + kLinger_ms;
  shutdown(fd_, SHUT_WR);
}

void Connection::Close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  SetWaiting(0);
  loop_->Remove(this);
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
           [](uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); });
  close(fd_);
}

}  // namespace zkdb::net
