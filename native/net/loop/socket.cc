#include "net/loop/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace zkdb::net {

namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Status Failed(const ListenAddress& address, const char* what) {
  return {ZKDB_IO, FormatAddress(address) + ": " + what + ": " + std::strerror(errno)};
}

bool SetFlags(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

void SetOption(int fd, int level, int option, int value) {
  // What the system does not know or refuses leaves the socket usable.
  static_cast<void>(setsockopt(fd, level, option, &value, sizeof value));
}

bool Fill(const ListenAddress& address, SocketAddress* out) {
  if (!address.path.empty()) {
    auto* local = reinterpret_cast<sockaddr_un*>(&out->storage);
    if (address.path.size() >= sizeof local->sun_path) return false;
    local->sun_family = AF_UNIX;
    std::memcpy(local->sun_path, address.path.c_str(), address.path.size() + 1);
    out->size = sizeof *local;
    return true;
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out->storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out->storage);
  if (inet_pton(AF_INET, address.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port);
    out->size = sizeof *v4;
    return true;
  }
  if (inet_pton(AF_INET6, address.host.c_str(), &v6->sin6_addr) != 1) return false;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(address.port);
  out->size = sizeof *v6;
  return true;
}

// The numeric address and port of a TCP socket; false for another one.
bool Read(const SocketAddress& from, ListenAddress* out) {
  char text[INET6_ADDRSTRLEN] = "";
  const int family = from.storage.ss_family;
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&from.storage);
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&from.storage);
  const void* bytes = family == AF_INET ? static_cast<const void*>(&v4->sin_addr) : &v6->sin6_addr;
  if ((family != AF_INET && family != AF_INET6) || inet_ntop(family, bytes, text, sizeof text) == nullptr) return false;
  out->host = text;
  out->port = ntohs(family == AF_INET ? v4->sin_port : v6->sin6_port);
  return true;
}

// Whether somebody takes connections at a Unix socket.
bool IsServed(const SocketAddress& address) {
  SocketAddress to = address;
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return false;
  SetFlags(fd);
  const bool served = connect(fd, to.get(), to.size) == 0 || errno == EAGAIN || errno == EINPROGRESS;
  close(fd);
  return served;
}

Status RemoveDeadSocket(const ListenAddress& address, const SocketAddress& at) {
  struct stat info {};
  if (lstat(address.path.c_str(), &info) != 0) return Status::Ok();
  if (!S_ISSOCK(info.st_mode)) {
    return {ZKDB_IO, address.path + ": is there and is not a socket; give another path"};
  }
  if (IsServed(at)) return {ZKDB_IO, address.path + ": another server listens there; stop it or give another path"};
  if (unlink(address.path.c_str()) != 0) return Failed(address, "unlink");
  return Status::Ok();
}

Status Bind(const ListenAddress& address, SocketAddress* at, int fd) {
  if (address.path.empty()) {
    SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    return bind(fd, at->get(), at->size) == 0 ? Status::Ok() : Failed(address, "bind");
  }
  ZKDB_RETURN_IF_ERROR(RemoveDeadSocket(address, *at));
  if (bind(fd, at->get(), at->size) != 0) return Failed(address, "bind");
  // Nobody can connect before listen, so there is no moment with wider rights.
  return chmod(address.path.c_str(), S_IRUSR | S_IWUSR) == 0 ? Status::Ok() : Failed(address, "chmod 0600");
}

}  // namespace

Status Listen(const ListenAddress& address, uint32_t backlog, int* fd, ListenAddress* bound) {
  SocketAddress at;
  if (!Fill(address, &at)) {
    return {ZKDB_INVALID, FormatAddress(address) + ": is neither a numeric address nor a path that a socket can have"};
  }
  *fd = socket(at.storage.ss_family, SOCK_STREAM, 0);
  if (*fd < 0) return Failed(address, "socket");
  Status status = Bind(address, &at, *fd);
  if (status.ok() && (!SetFlags(*fd) || listen(*fd, static_cast<int>(backlog)) != 0)) {
    status = Failed(address, "listen");
  }
  *bound = address;
  SocketAddress got;
  if (status.ok() && getsockname(*fd, got.get(), &got.size) == 0) Read(got, bound);
  // Its owner closes what it still finds there.
  if (!status.ok()) close(std::exchange(*fd, -1));
  return status;
}

std::string FormatAddress(const ListenAddress& address) {
  if (!address.path.empty()) return address.path;
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

bool Accept(int listener, const ListenAddress& bound, bool tcp_delay, Accepted* out) {
  SocketAddress from;
  const int fd = accept(listener, from.get(), &from.size);
  if (fd < 0) return false;
  if (!SetFlags(fd)) {
    close(fd);
    errno = ECONNABORTED;
    return false;
  }
  out->fd = fd;
  ListenAddress peer = bound;
  if (bound.path.empty()) {
    Read(from, &peer);
    out->host = peer.host;
    SetOption(fd, IPPROTO_TCP, TCP_NODELAY, tcp_delay ? 0 : 1);
    SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
    SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveSeconds);
#endif
  }
#ifdef SO_NOSIGPIPE
  SetOption(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
  out->address = FormatAddress(peer);
  out->local_address = FormatAddress(bound);
  return true;
}

Status MakePair(int* one, int* other) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
    return {ZKDB_IO, std::string("socketpair: ") + std::strerror(errno)};
  }
#ifdef SO_NOSIGPIPE
  SetOption(fds[0], SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
  if (!SetFlags(fds[0]) || !SetFlags(fds[1])) {
    const Status status(ZKDB_IO, std::string("fcntl: ") + std::strerror(errno));
    close(fds[0]);
    close(fds[1]);
    return status;
  }
  *one = fds[0];
  *other = fds[1];
  return Status::Ok();
}

size_t Unread(int fd) {
  int bytes = 0;
  return ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0 ? static_cast<size_t>(bytes) : 0;
}

}  // namespace zkdb::net
