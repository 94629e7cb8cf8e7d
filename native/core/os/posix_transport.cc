// Sockets of POSIX: TCP and Unix, without blocking; poll waits.
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/os/env.h"
#include "core/os/transport.h"

namespace zkdb {
namespace {

#ifdef MSG_NOSIGNAL
constexpr int kNoSignal = MSG_NOSIGNAL;
#else
constexpr int kNoSignal = 0;  // macOS: SO_NOSIGPIPE
#endif

constexpr uint64_t kLongestPollMs = 1000000;

Status Unreachable(const std::string& call, int error) {
  return {ZKDB_UNREACHABLE, call + ": " + std::string(strerror(error))};
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int number) : number_(number) {}
  FileDescriptor(FileDescriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (number_ >= 0) close(number_);
  }
  int number() const { return number_; }
  // Somebody else is the owner from now on.
  int Release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

// Waits for `events`. ZKDB_TIMEOUT at the deadline.
Status WaitFor(int fd, short events, uint64_t deadline_ms, const char* what) {
  for (;;) {
    const uint64_t now = Env::Posix()->MonotonicMs();
    const uint64_t left = now < deadline_ms ? deadline_ms - now : 0;
    pollfd entry{fd, events, 0};
    const int ready = poll(&entry, 1, static_cast<int>(std::min(left, kLongestPollMs)));
    if (ready > 0) return Status::Ok();
    if (ready < 0 && errno != EINTR) return Unreachable("poll", errno);
    if (ready == 0 && left <= kLongestPollMs) return {ZKDB_TIMEOUT, std::string(what) + " took longer than its limit"};
  }
}

class PosixSocket : public Socket {
 public:
  explicit PosixSocket(FileDescriptor fd) : fd_(std::move(fd)) {}

  Status Send(Slice bytes, uint64_t deadline_ms, size_t* sent) override {
    for (;;) {
      const ssize_t n = send(fd_.number(), bytes.data, bytes.size, kNoSignal);
      if (n >= 0) {
        *sent = static_cast<size_t>(n);
        return Status::Ok();
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return Unreachable("send", errno);
      ZKDB_RETURN_IF_ERROR(WaitFor(fd_.number(), POLLOUT, deadline_ms, "sending"));
    }
  }

  Status Receive(uint8_t* buffer, size_t capacity, uint64_t deadline_ms, size_t* got) override {
    for (;;) {
      const ssize_t n = recv(fd_.number(), buffer, capacity, 0);
      if (n >= 0) {
        *got = static_cast<size_t>(n);
        return Status::Ok();
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) return Unreachable("recv", errno);
      ZKDB_RETURN_IF_ERROR(WaitFor(fd_.number(), POLLIN, deadline_ms, "the answer"));
    }
  }

  bool IsQuiet() override {
    uint8_t byte = 0;
    const ssize_t n = recv(fd_.number(), &byte, 1, MSG_PEEK);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  }

 private:
  FileDescriptor fd_;
};

Status Prepare(const FileDescriptor& fd) {
  if (fcntl(fd.number(), F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd.number(), F_SETFL, O_NONBLOCK) != 0) {
    return Unreachable("fcntl", errno);
  }
#ifdef SO_NOSIGPIPE
  const int on = 1;
  setsockopt(fd.number(), SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return Status::Ok();
}

Status MakeSocket(int family, FileDescriptor* out) {
  FileDescriptor fd(socket(family, SOCK_STREAM, 0));
  if (fd.number() < 0) return Unreachable("socket", errno);
  ZKDB_RETURN_IF_ERROR(Prepare(fd));
  std::destroy_at(out);
  std::construct_at(out, std::move(fd));
  return Status::Ok();
}

Status ConnectTo(const sockaddr* address, socklen_t size, uint64_t deadline_ms, FileDescriptor* out) {
  ZKDB_RETURN_IF_ERROR(MakeSocket(address->sa_family, out));
  if (connect(out->number(), address, size) == 0) return Status::Ok();
  // A Unix socket whose queue is full says EAGAIN, and cannot be waited for.
  if (errno != EINPROGRESS && errno != EINTR) return Unreachable("connect", errno);
  ZKDB_RETURN_IF_ERROR(WaitFor(out->number(), POLLOUT, deadline_ms, "connecting"));
  int error = 0;
  socklen_t error_size = sizeof error;
  if (getsockopt(out->number(), SOL_SOCKET, SO_ERROR, &error, &error_size) != 0) error = errno;
  return error == 0 ? Status::Ok() : Unreachable("connect", error);
}

Status ConnectUnix(const std::string& path, uint64_t deadline_ms, FileDescriptor* out) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return {ZKDB_UNREACHABLE, "the path of the socket has more than " + std::to_string(sizeof address.sun_path - 1) +
                                  " bytes, the limit of this system"};
  }
  path.copy(address.sun_path, path.size());
  return ConnectTo(reinterpret_cast<const sockaddr*>(&address), sizeof address, deadline_ms, out);
}

// Tries the host's addresses one after another; the failure is that of the last one.
Status ConnectTcp(const ServerAddress& address, uint64_t deadline_ms, FileDescriptor* out) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int looked_up = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
  if (looked_up != 0) return {ZKDB_UNREACHABLE, std::string("getaddrinfo: ") + gai_strerror(looked_up)};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, freeaddrinfo);
  Status status(ZKDB_UNREACHABLE, "the host has no address");
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    status = ConnectTo(at->ai_addr, at->ai_addrlen, deadline_ms, out);
    if (!status.ok()) continue;
    const int on = 1;
    setsockopt(out->number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return Status::Ok();
  }
  return status;
}

class PosixTransport : public Transport {
 public:
  explicit PosixTransport(TlsRelay relay = nullptr) : relay_(std::move(relay)) {}

  Status Connect(const ServerAddress& address, uint64_t deadline_ms, std::unique_ptr<Socket>* out) override {
    FileDescriptor fd(-1);
    if (address.tls) {
      ZKDB_RETURN_IF_ERROR(ConnectRelay(&fd));
    } else {
      ZKDB_RETURN_IF_ERROR(address.path.empty() ? ConnectTcp(address, deadline_ms, &fd)
                                                : ConnectUnix(address.path, deadline_ms, &fd));
    }
    *out = std::make_unique<PosixSocket>(std::move(fd));
    return Status::Ok();
  }
  uint64_t MonotonicMs() override { return Env::Posix()->MonotonicMs(); }
  uint64_t Random(uint64_t below) override {
    uint64_t number = 0;
    Env::Posix()->Random(&number, sizeof number);
    return number % below;
  }

 private:
  Status ConnectRelay(FileDescriptor* out) const {
    int ends[2];
    if (!relay_) return {ZKDB_UNREACHABLE, "there is no relay for TLS"};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return Unreachable("socketpair", errno);
    FileDescriptor ours(ends[0]);
    FileDescriptor theirs(ends[1]);
    ZKDB_RETURN_IF_ERROR(Prepare(ours));
    ZKDB_RETURN_IF_ERROR(Prepare(theirs));
    if (!relay_(theirs.number())) return {ZKDB_UNREACHABLE, "the relay for TLS has ended; open the database again"};
    static_cast<void>(theirs.Release());
    std::destroy_at(out);
    std::construct_at(out, std::move(ours));
    return Status::Ok();
  }

  const TlsRelay relay_;
};

}  // namespace

Transport* Transport::Posix() {
  static PosixTransport transport;
  return &transport;
}

std::shared_ptr<Transport> Transport::WithRelay(TlsRelay relay) {
  return std::make_shared<PosixTransport>(std::move(relay));
}

std::string ServerAddress::ToString() const {
  if (!path.empty()) return "unix:" + path;
  const bool v6 = host.find(':') != std::string::npos;
  return (tls ? "zkdbs://" : "") + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace zkdb
