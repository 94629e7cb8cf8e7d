#include <atomic>
#include <thread>

#include "core/base/test.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

TEST(set_takes_conditions_and_gives_the_old_value) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("SET a 1 XX\r\nSET a 1 NX\r\nSET a 2 nx\r\nSET a 3 xx\r\nGET a\r\n"),
            std::string("$-1\r\n+OK\r\n$-1\r\n+OK\r\n$1\r\n3\r\n"));
  EXPECT_EQ(client.Send("SET a 4 GET\r\nSET b 1 GET\r\nSET b 2 NX GET\r\nSET c 1 XX GET\r\nSET c 1 NX GET\r\n"),
            std::string("$1\r\n3\r\n$-1\r\n$1\r\n1\r\n$-1\r\n$-1\r\n"));
  EXPECT_EQ(client.Send("MGET a b c\r\n"), std::string("*3\r\n$1\r\n4\r\n$1\r\n1\r\n$1\r\n1\r\n"));
  EXPECT_EQ(client.Send("SET a 1 NX XX\r\nSET a 1 FOO\r\n"), std::string("-ERR syntax error\r\n-ERR syntax error\r\n"));
}

TEST(lists_of_keys_are_read_written_and_deleted) {
  TestServer server(TempDirectory(), "4");
  TestClient client(&server);
  EXPECT_EQ(client.Send("MSET a 1 b 2 c 3 a 4\r\nMGET a none b c\r\n"),
            std::string("+OK\r\n*4\r\n$1\r\n4\r\n$-1\r\n$1\r\n2\r\n$1\r\n3\r\n"));
  EXPECT_EQ(client.Send("MSET a\r\nMSET a 1 b\r\n"),
            std::string("-ERR wrong number of arguments for 'mset' command\r\n"
                        "-ERR wrong number of arguments for 'mset' command\r\n"));
  EXPECT_EQ(client.Send("EXISTS a a none b\r\nDEL a a none\r\nUNLINK b\r\nEXISTS a b c\r\nSETNX c 9\r\nSETNX d 1\r\n"),
            std::string(":3\r\n:1\r\n:1\r\n:1\r\n:0\r\n:1\r\n"));
}

TEST(mget_reads_values_that_are_larger_than_its_first_guess) {
  TestServer server(TempDirectory(), "4");
  TestClient client(&server);
  std::string expected = "*60\r\n";
  std::string request = "*61\r\n$4\r\nMGET\r\n";
  for (int i = 0; i < 60; ++i) {
    const std::string key = "key" + std::to_string(i);
    const std::string value(static_cast<size_t>(i) * 997, static_cast<char>('a' + i % 26));
    client.Call({"SET", key, value});
    request += "$" + std::to_string(key.size()) + "\r\n" + key + "\r\n";
    expected += "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  }
  EXPECT(client.Send(request) == expected);
}

TEST(sizes_and_types_are_told_without_the_value) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  client.Call({"SET", "big", std::string(100'000, 'x')});
  client.Call({"SET", "empty", ""});
  EXPECT_EQ(client.Send("STRLEN big\r\nSTRLEN empty\r\nSTRLEN none\r\nTYPE big\r\nTYPE none\r\nEXISTS empty\r\n"),
            std::string(":100000\r\n:0\r\n:0\r\n+string\r\n+none\r\n:1\r\n"));
}

TEST(getdel_and_append_change_what_is_there) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("APPEND a 12\r\nAPPEND a 345\r\nGETDEL a\r\nGETDEL a\r\nEXISTS a\r\n"),
            std::string(":2\r\n:5\r\n$5\r\n12345\r\n$-1\r\n:0\r\n"));
}

TEST(integers_are_counted_up_and_down_within_their_range) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("INCR n\r\nINCRBY n 41\r\nDECR n\r\nDECRBY n 50\r\nGET n\r\n"),
            std::string(":1\r\n:42\r\n:41\r\n:-9\r\n$2\r\n-9\r\n"));
  const std::string not_integer = "-ERR value is not an integer or out of range\r\n";
  const std::string overflow = "-ERR increment or decrement would overflow\r\n";
  EXPECT_EQ(client.Send("SET n abc\r\nINCR n\r\nINCRBY n x\r\nDECRBY n 1.5\r\n"),
            "+OK\r\n" + not_integer + not_integer + not_integer);
  EXPECT_EQ(client.Send("SET n 9223372036854775807\r\nINCR n\r\nSET n -9223372036854775808\r\nDECR n\r\n"),
            "+OK\r\n" + overflow + "+OK\r\n" + overflow);
  EXPECT_EQ(client.Send("DECRBY n -9223372036854775808\r\nDECRBY n -1\r\n"),
            std::string("-ERR decrement would overflow\r\n:-9223372036854775807\r\n"));
}

TEST(concurrent_sessions_lose_no_increment) {
  TestServer server(TempDirectory(), "1", 1);
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  // Each thread has a server of its own over the same database: TestServer is for one thread.
  struct Shared : TestServer {
    Shared(zkdb_db* given, const std::string& directory) : TestServer(directory, "1", 0), db(given) {}
    zkdb_db* Database(uint32_t) override { return db; }
    zkdb_db* db;
  };
  std::atomic<int> bad{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Shared shared(server.Database(0), "");
      TestClient client(&shared, static_cast<uint64_t>(t) + 1);
      for (int i = 0; i < kEach; ++i) {
        if (!client.Send("INCR n\r\n").starts_with(":")) ++bad;
        if (i % 10 == 0 && !client.Send("MULTI\r\nINCR m\r\nAPPEND s x\r\nEXEC\r\n").ends_with("\r\n")) ++bad;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  TestClient client(&server);
  EXPECT_EQ(bad.load(), 0);
  EXPECT_EQ(client.Send("GET n\r\nGET m\r\nSTRLEN s\r\n"), std::string("$4\r\n2000\r\n$3\r\n200\r\n:200\r\n"));
}

}  // namespace
}  // namespace zkdb::net::test
