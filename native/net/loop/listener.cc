#include "net/loop/listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

namespace zkdb::net {

namespace {

int OpenSpare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

Listener::~Listener() {
  if (fd_ >= 0) close(fd_);
  if (spare_fd_ >= 0) close(spare_fd_);
}

Status Listener::Open(const ListenAddress& address, uint32_t backlog) {
  ZKDB_RETURN_IF_ERROR(Listen(address, backlog, &fd_, &bound_));
  spare_fd_ = OpenSpare();
  return Status::Ok();
}

bool Listener::Start() {
  if (uv_poll_init(loops_->front()->uv(), &poll_, fd_) != 0) return false;
  poll_.data = this;
  uv_poll_start(&poll_, UV_READABLE,
                [](uv_poll_t* handle, int, int) { static_cast<Listener*>(handle->data)->TakeAll(); });
  return true;
}

void Listener::Close() {
  // The path first: who finds it gone may start a server of his own there.
  if (!bound_.path.empty()) unlink(bound_.path.c_str());
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
           [](uv_handle_t* handle) { delete static_cast<Listener*>(handle->data); });
  close(std::exchange(fd_, -1));
}

void Listener::TakeAll() {
  try {
    TakeSome();
  } catch (const std::bad_alloc&) {
    // They wait in the queue, or their clients give up.
  }
}

void Listener::TakeSome() {
  for (int i = 0; i < kAtOnce; ++i) {
    Accepted accepted;
    if (Accept(fd_, bound_, tcp_delay_, &accepted)) {
      Take(std::move(accepted));
    } else if (errno == EMFILE || errno == ENFILE) {
      return RefuseWithoutDescriptors();
    } else if (errno != ECONNABORTED && errno != EINTR) {
      return;
    }
  }
}

void Listener::Take(Accepted accepted) {
  switch (shared_->admission.Admit(accepted.host)) {
    case Verdict::kTooMany: return Refuse(accepted.fd, "-ERR max number of clients reached\r\n");
    case Verdict::kTooManyOfAddress:
      return Refuse(accepted.fd, "-ERR max number of clients of this address reached\r\n");
    case Verdict::kNotListed: return Refuse(accepted.fd, "-DENIED this address may not connect to the server\r\n");
    case Verdict::kAdmitted: break;
  }
  accepted_.Add(1);
  LeastLoaded(*loops_)->Adopt(std::move(accepted));
}

void Listener::Refuse(int fd, const char* reason) {
  rejected_.Add(1);
  // The buffer of a new socket is empty: what does not fit was never wanted.
  static_cast<void>(write(fd, reason, std::strlen(reason)));
  shutdown(fd, SHUT_WR);
  close(fd);
}

void Listener::RefuseWithoutDescriptors() {
  if (spare_fd_ < 0) return;
  close(spare_fd_);
  Accepted accepted;
  if (Accept(fd_, bound_, tcp_delay_, &accepted))
    Refuse(accepted.fd, "-ERR the server has no file descriptor left\r\n");
  spare_fd_ = OpenSpare();
}

}  // namespace zkdb::net
