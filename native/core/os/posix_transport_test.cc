// Real sockets of this machine: TCP on loopback and Unix sockets.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/test.h"
#include "core/os/transport.h"

namespace zkdb::test {
namespace {

uint64_t Soon(uint64_t ms = 20000) { return Transport::Posix()->MonotonicMs() + ms; }

// Listens at a free port, or at a path.
class Listener {
 public:
  explicit Listener(const std::string& path = "") : fd_(socket(path.empty() ? AF_INET : AF_UNIX, SOCK_STREAM, 0)) {
    if (path.empty()) {
      sockaddr_in place{};
      place.sin_family = AF_INET;
      place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t size = sizeof place;
      EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&place), size), 0);
      EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&place), &size), 0);
      address = {"127.0.0.1", ntohs(place.sin_port), ""};
    } else {
      sockaddr_un place{};
      place.sun_family = AF_UNIX;
      path.copy(place.sun_path, sizeof place.sun_path - 1);
      EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&place), sizeof place), 0);
      address.path = path;
    }
    EXPECT_EQ(listen(fd_, 8), 0);
  }
  ~Listener() {
    close(fd_);
    if (peer >= 0) close(peer);
  }
  void Accept() { peer = accept(fd_, nullptr, nullptr); }

  ServerAddress address;
  int peer = -1;

 private:
  int fd_;
};

void TalkTo(Listener* listener) {
  std::unique_ptr<Socket> s;
  if (!EXPECT_OK(Transport::Posix()->Connect(listener->address, Soon(), &s))) return;
  listener->Accept();
  EXPECT(s->IsQuiet());
  size_t n = 0;
  EXPECT_OK(s->Send("hello", Soon(), &n));
  EXPECT_EQ(n, size_t{5});
  uint8_t bytes[16];
  EXPECT_EQ(read(listener->peer, bytes, sizeof bytes), ssize_t{5});
  EXPECT_EQ(write(listener->peer, "world!", 6), ssize_t{6});
  EXPECT_OK(s->Receive(bytes, 3, Soon(), &n));
  EXPECT_EQ(Slice(bytes, n), Slice("wor"));
  EXPECT(!s->IsQuiet());
  EXPECT_OK(s->Receive(bytes, sizeof bytes, Soon(), &n));
  EXPECT_EQ(Slice(bytes, n), Slice("ld!"));
  EXPECT_CODE(s->Receive(bytes, sizeof bytes, Soon(5), &n), ZKDB_TIMEOUT);
  close(std::exchange(listener->peer, -1));
  EXPECT_OK(s->Receive(bytes, sizeof bytes, Soon(), &n));
  EXPECT_EQ(n, size_t{0});
  EXPECT(!s->IsQuiet());
  // The first bytes for a peer that is gone may still be taken; then it is an error and no signal.
  Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) status = s->Send("anyone?", Soon(), &n);
  EXPECT_CODE(status, ZKDB_UNREACHABLE);
}

}  // namespace

TEST(bytes_go_over_tcp_and_unix_sockets_and_their_end_is_seen) {
  Listener tcp;
  TalkTo(&tcp);
  Listener local(TempDirectory() + "/s");
  TalkTo(&local);
}

TEST(a_peer_that_does_not_read_is_left_at_the_deadline) {
  Listener listener;
  std::unique_ptr<Socket> s;
  EXPECT_OK(Transport::Posix()->Connect(listener.address, Soon(), &s));
  const std::string much(1 << 20, 'x');
  Status status;
  size_t n = 0;
  for (int i = 0; i < 1000 && status.ok(); ++i) status = s->Send(much, Soon(20), &n);
  EXPECT_CODE(status, ZKDB_TIMEOUT);
}

TEST(servers_that_are_not_there_are_unreachable) {
  std::unique_ptr<Socket> s;
  Transport* const transport = Transport::Posix();
  const std::string directory = TempDirectory();
  EXPECT_CODE(transport->Connect({"", 0, directory + "/none"}, Soon(), &s), ZKDB_UNREACHABLE);
  EXPECT_CODE(transport->Connect({"", 0, directory + std::string(200, 'x')}, Soon(), &s), ZKDB_UNREACHABLE);
  EXPECT_CODE(transport->Connect({"no host at all", 1, ""}, Soon(), &s), ZKDB_UNREACHABLE);
  ServerAddress closed;
  {
    const Listener listener;
    closed = listener.address;
  }
  EXPECT_CODE(transport->Connect(closed, Soon(), &s), ZKDB_UNREACHABLE);
}

TEST(an_address_with_tls_is_one_end_of_a_pair_whose_other_end_the_relay_has) {
  int passed = -1;
  bool takes = true;
  const std::shared_ptr<Transport> transport = Transport::WithRelay([&](int socket) {
    if (takes) passed = socket;
    return takes;
  });
  std::unique_ptr<Socket> s;
  ServerAddress address{"no host at all", 1, ""};
  address.tls = true;
  ASSERT_OK(transport->Connect(address, Soon(), &s));
  size_t n = 0;
  EXPECT_OK(s->Send("hello", Soon(), &n));
  uint8_t bytes[16];
  EXPECT_EQ(read(passed, bytes, sizeof bytes), ssize_t{5});
  EXPECT(s->IsQuiet());
  close(passed);
  EXPECT_OK(s->Receive(bytes, sizeof bytes, Soon(), &n));
  EXPECT_EQ(n, size_t{0});
  takes = false;
  EXPECT_CODE(transport->Connect(address, Soon(), &s), ZKDB_UNREACHABLE);
  EXPECT_CODE(Transport::Posix()->Connect(address, Soon(), &s), ZKDB_UNREACHABLE);
  EXPECT_EQ(address.ToString(), std::string("zkdbs://no host at all:1"));
}

TEST(addresses_are_shown_as_people_write_them) {
  EXPECT_EQ(ServerAddress({"db", 1, ""}).ToString(), std::string("db:1"));
  EXPECT_EQ(ServerAddress({"::1", 1, ""}).ToString(), std::string("[::1]:1"));
  EXPECT_EQ(ServerAddress({"", 0, "/run/s"}).ToString(), std::string("unix:/run/s"));
}

}  // namespace zkdb::test
