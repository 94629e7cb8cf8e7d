#include <thread>

#include "core/base/test.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

// The integer of a reply, INT64_MIN for another one.
int64_t NumberOf(const std::string& reply) {
  return reply.starts_with(":") ? std::strtoll(reply.c_str() + 1, nullptr, 10) : INT64_MIN;
}

// A remaining time just below `ms`.
bool Near(const std::string& reply, int64_t ms) {
  const int64_t n = NumberOf(reply);
  return n <= ms && n > ms - 60'000;
}

TEST(set_takes_every_form_of_a_time) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  const int64_t now = static_cast<int64_t>(zkdb_clock());
  EXPECT_EQ(client.Send("SET a 1 EX 100\r\nSET b 1 px 100000\r\n"), std::string("+OK\r\n+OK\r\n"));
  EXPECT(Near(client.Call({"PTTL", "a"}), 100'000));
  EXPECT(Near(client.Call({"PTTL", "b"}), 100'000));
  EXPECT_EQ(client.Call({"SET", "c", "1", "EXAT", std::to_string(now / 1000 + 100)}), std::string("+OK\r\n"));
  EXPECT_EQ(NumberOf(client.Call({"EXPIRETIME", "c"})), now / 1000 + 100);
  EXPECT_EQ(client.Call({"SET", "d", "1", "NX", "PXAT", std::to_string(now + 100'000)}), std::string("+OK\r\n"));
  EXPECT_EQ(NumberOf(client.Call({"PEXPIRETIME", "d"})), now + 100'000);
  EXPECT_EQ(client.Send("SET d 2 KEEPTTL\r\nGET d\r\n"), std::string("+OK\r\n$1\r\n2\r\n"));
  EXPECT_EQ(NumberOf(client.Call({"PEXPIRETIME", "d"})), now + 100'000);
  EXPECT_EQ(client.Send("SET d 3 XX KEEPTTL GET\r\n"), std::string("$1\r\n2\r\n"));
  EXPECT_EQ(NumberOf(client.Call({"PEXPIRETIME", "d"})), now + 100'000);
  EXPECT_EQ(client.Send("SET d 4\r\nTTL d\r\nTTL none\r\n"), std::string("+OK\r\n:-1\r\n:-2\r\n"));
  EXPECT_EQ(client.Send("SET e 1 NX KEEPTTL\r\nTTL e\r\nSET e 1 NX EX 5\r\nTTL e\r\n"),
            std::string("+OK\r\n:-1\r\n$-1\r\n:-1\r\n"));
  EXPECT_EQ(client.Send("SET f 1 KEEPTTL GET\r\nTTL f\r\nSET f 2 EX 100 GET\r\n"),
            std::string("$-1\r\n:-1\r\n$1\r\n1\r\n"));
  EXPECT(Near(client.Call({"PTTL", "f"}), 100'000));
}

TEST(set_refuses_broken_times) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  const std::string syntax = "-ERR syntax error\r\n";
  const std::string invalid = "-ERR invalid expire time in 'set' command\r\n";
  EXPECT_EQ(client.Send("SET a 1 EX\r\nSET a 1 EX 1 PX 1\r\nSET a 1 EX 1 KEEPTTL\r\nSET a 1 KEEPTTL EX 1\r\n"),
            syntax + syntax + syntax + syntax);
  EXPECT_EQ(client.Send("SET a 1 EX 0\r\nSET a 1 PX -5\r\nSET a 1 EX 9223372036854775807\r\n"),
            invalid + invalid + invalid);
  EXPECT_EQ(client.Send("SET a 1 EX x\r\n"), std::string("-ERR value is not an integer or out of range\r\n"));
  EXPECT_EQ(client.Send("SETEX a 0 1\r\nPSETEX a -1 1\r\nGET a\r\n"),
            std::string("-ERR invalid expire time in 'setex' command\r\n"
                        "-ERR invalid expire time in 'psetex' command\r\n$-1\r\n"));
}

TEST(a_key_ends_at_its_time) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("SET a 1 PX 1\r\nSET b 1 PXAT 1\r\nPSETEX c 1 1\r\nSETEX d 100 1\r\n"),
            std::string("+OK\r\n+OK\r\n+OK\r\n+OK\r\n"));
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(client.Send("MGET a b c d\r\nEXISTS a b c d\r\nTTL a\r\nKEYS *\r\n"),
            std::string("*4\r\n$-1\r\n$-1\r\n$-1\r\n$1\r\n1\r\n:1\r\n:-2\r\n*1\r\n$1\r\nd\r\n"));
  EXPECT_EQ(client.Send("GET a\r\nGET d\r\nSTRLEN a\r\nDEL a\r\nSETNX a 2\r\nEXPIRE b 100\r\n"),
            std::string("$-1\r\n$1\r\n1\r\n:0\r\n:0\r\n:1\r\n:0\r\n"));
}

TEST(expire_and_its_kin_change_times) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  const int64_t later = static_cast<int64_t>(zkdb_clock()) / 1000 + 500;
  EXPECT_EQ(client.Send("EXPIRE a 100\r\nSET a 1\r\nEXPIRE a 100\r\n"), std::string(":0\r\n+OK\r\n:1\r\n"));
  EXPECT(Near(client.Call({"PTTL", "a"}), 100'000));
  EXPECT(Near(client.Call({"TTL", "a"}), 100));
  EXPECT_EQ(client.Send("PERSIST a\r\nPERSIST a\r\nTTL a\r\nPERSIST none\r\n"),
            std::string(":1\r\n:0\r\n:-1\r\n:0\r\n"));
  EXPECT_EQ(client.Send("PEXPIRE a 100000 NX\r\nPEXPIRE a 200000 NX\r\nPEXPIRE a 90000 GT\r\nPEXPIRE a 90000 LT\r\n"),
            std::string(":1\r\n:0\r\n:0\r\n:1\r\n"));
  EXPECT_EQ(NumberOf(client.Call({"EXPIREAT", "a", std::to_string(later), "XX", "GT"})), 1);
  EXPECT_EQ(NumberOf(client.Call({"EXPIRETIME", "a"})), later);
  EXPECT_EQ(NumberOf(client.Call({"PEXPIREAT", "a", std::to_string(later * 1000 + 1)})), 1);
  EXPECT_EQ(NumberOf(client.Call({"PEXPIRETIME", "a"})), later * 1000 + 1);
  EXPECT_EQ(client.Send("EXPIRETIME none\r\nPERSIST a\r\nPEXPIRETIME a\r\n"), std::string(":-2\r\n:1\r\n:-1\r\n"));
  // A time that has passed is the end.
  EXPECT_EQ(client.Send("EXPIRE a -1\r\nEXISTS a\r\nSET a 1\r\nEXPIREAT a 0\r\nGET a\r\n"),
            std::string(":1\r\n:0\r\n+OK\r\n:1\r\n$-1\r\n"));
}

TEST(expire_refuses_what_does_not_go_together) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("EXPIRE a 1 NX XX\r\n"),
            std::string("-ERR NX and XX, GT or LT options at the same time are not compatible\r\n"));
  EXPECT_EQ(client.Send("EXPIRE a 1 GT LT\r\n"),
            std::string("-ERR GT and LT options at the same time are not compatible\r\n"));
  EXPECT_EQ(client.Send("EXPIRE a 1 FOO\r\n"), std::string("-ERR Unsupported option FOO\r\n"));
  EXPECT_EQ(client.Send("EXPIRE a one\r\n"), std::string("-ERR value is not an integer or out of range\r\n"));
  EXPECT_EQ(client.Send("EXPIRE a 9223372036854775807\r\n"),
            std::string("-ERR invalid expire time in 'expire' command\r\n"));
}

TEST(getex_reads_and_changes_the_time) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("SET a 1\r\nGETEX a\r\nTTL a\r\nGETEX a EX 100\r\n"),
            std::string("+OK\r\n$1\r\n1\r\n:-1\r\n$1\r\n1\r\n"));
  EXPECT(Near(client.Call({"PTTL", "a"}), 100'000));
  EXPECT_EQ(client.Send("GETEX a PERSIST\r\nTTL a\r\nGETEX none EX 5\r\nGETEX a EX\r\nGETEX a PERSIST EX 1\r\n"),
            std::string("$1\r\n1\r\n:-1\r\n$-1\r\n-ERR syntax error\r\n-ERR syntax error\r\n"));
  EXPECT_EQ(client.Send("GETEX a EX 1 PERSIST\r\nGETEX a KEEPTTL\r\n"),
            std::string("-ERR syntax error\r\n-ERR syntax error\r\n"));
}

TEST(commands_that_change_a_value_keep_its_time) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("SET n 1 EX 100\r\nINCR n\r\nAPPEND n 5\r\nGET n\r\n"),
            std::string("+OK\r\n:2\r\n:2\r\n$2\r\n25\r\n"));
  EXPECT(Near(client.Call({"PTTL", "n"}), 100'000));
  EXPECT_EQ(client.Send("INCR new\r\nTTL new\r\n"), std::string(":1\r\n:-1\r\n"));
}

TEST(times_are_read_and_changed_in_a_transaction) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(
      client.Send("MULTI\r\nSET a 1 EX 100\r\nINCR a\r\nPERSIST a\r\nTTL a\r\nEXPIRE a -1\r\nEXISTS a\r\nEXEC\r\n"),
      std::string("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
                  "*6\r\n+OK\r\n:2\r\n:1\r\n:-1\r\n:1\r\n:0\r\n"));
}

TEST(info_tells_of_keys_that_end) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  client.Send("SET a 1 EX 100\r\nSET b 1\r\nSET c 1 EX 100\r\n");
  EXPECT(client.Call({"INFO", "keyspace"}).find("db0:keys=3,expires=2,avg_ttl=0") != std::string::npos);
  client.Send("EXPIRE a -1\r\n");
  bool expired = false;
  for (int i = 0; i < 2000 && !expired; ++i) {
    expired = client.Call({"INFO", "stats"}).find("expired_keys:1\r\n") != std::string::npos;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT(expired);
  EXPECT(client.Call({"INFO", "keyspace"}).find("db0:keys=2,expires=1,avg_ttl=0") != std::string::npos);
}

}  // namespace
}  // namespace zkdb::net::test
