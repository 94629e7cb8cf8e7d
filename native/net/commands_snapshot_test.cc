#include "core/base/test.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

const std::string kAB = "*2\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$-1\r\n";
const std::string kExpired = "-ZKDB_SNAPSHOT_EXPIRED this connection has no snapshot ";

TEST(a_snapshot_keeps_its_state_for_ranges_and_gets) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  TestClient other(&server, 2);
  EXPECT_EQ(client.Send("MSET a 1 b 2\r\nZK.SNAPSHOT OPEN\r\n"), std::string("+OK\r\n:1700000000000001\r\n"));
  other.Send("MSET a x c y\r\nDEL b\r\n");
  EXPECT_EQ(client.Send("ZK.RANGE SNAPSHOT 1700000000000001\r\n"), kAB);
  EXPECT_EQ(client.Send("ZK.GET 1700000000000001 a b c\r\nZK.GET 1700000000000001 b\r\n"),
            std::string("*3\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n*1\r\n$1\r\n2\r\n"));
  EXPECT_EQ(client.Send("MGET a b c\r\nGET a\r\n"), std::string("*3\r\n$1\r\nx\r\n$-1\r\n$1\r\ny\r\n$1\r\nx\r\n"));
  EXPECT_EQ(client.Send("ZK.SNAPSHOT CLOSE 1700000000000001\r\nZK.SNAPSHOT CLOSE 1700000000000001\r\n"),
            std::string(":1\r\n:0\r\n"));
  EXPECT(client.Send("ZK.GET 1700000000000001 a\r\n").starts_with(kExpired + "1700000000000001 of the database"));
}

TEST(a_range_in_pieces_is_of_one_state_with_a_snapshot) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  TestClient other(&server, 2);
  EXPECT_EQ(
      client.Send("MSET a 1 b 2 c 3 d 4\r\nZK.SNAPSHOT OPEN\r\nZK.RANGE LIMIT 2 KEYS SNAPSHOT 1700000000000001\r\n"),
      std::string("+OK\r\n:1700000000000001\r\n*2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nb\r\n"));
  other.Send("DEL c\r\nMSET bb 5 d 6\r\n");
  EXPECT_EQ(client.Send("ZK.RANGE GT b SNAPSHOT 1700000000000001\r\n"),
            std::string("*2\r\n*4\r\n$1\r\nc\r\n$1\r\n3\r\n$1\r\nd\r\n$1\r\n4\r\n$-1\r\n"));
}

TEST(values_larger_than_the_first_room_are_read_from_the_snapshot_too) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  const std::string large(3 << 20, 'v');
  client.Send(Encode({"SET", "large", large}) + "SET a 1\r\nZK.SNAPSHOT OPEN\r\nMSET large x a y\r\n");
  EXPECT(client.Send("ZK.GET 1700000000000001 large a\r\n") ==
         "*2\r\n$" + std::to_string(large.size()) + "\r\n" + large + "\r\n$1\r\n1\r\n");
}

TEST(a_client_has_at_most_so_many_snapshots) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  for (int i = 1; i <= 16; ++i)
    EXPECT_EQ(client.Send("ZK.SNAPSHOT OPEN\r\n"), ":" + std::to_string(1'700'000'000'000'000 + i) + "\r\n");
  EXPECT(client.Send("ZK.SNAPSHOT OPEN\r\n").starts_with("-ERR this connection has 16 open snapshots"));
  EXPECT_EQ(client.Send("ZK.SNAPSHOT CLOSE 1700000000000007\r\nZK.SNAPSHOT OPEN\r\n"),
            std::string(":1\r\n:1700000000000017\r\n"));
}

TEST(a_snapshot_that_is_not_used_is_closed) {
  TestServer server(TempDirectory());
  SessionLimits limits;
  limits.snapshot_idle_us = 20;
  TestClient client(&server, 1, limits);
  zkdb_db_stats stats{};
  EXPECT_EQ(client.Send("SET a 1\r\nZK.SNAPSHOT OPEN\r\n"), std::string("+OK\r\n:1700000000000001\r\n"));
  EXPECT_EQ(client.Send("ZK.GET 1700000000000001 a\r\nZK.GET 1700000000000001 a\r\n"),
            std::string("*1\r\n$1\r\n1\r\n*1\r\n$1\r\n1\r\n"));
  client.session()->CloseIdleSnapshots();
  EXPECT(zkdb_stats(server.Database(0), &stats, nullptr) == ZKDB_OK && stats.snapshots_open == 1);
  for (int i = 0; i < 30; ++i) server.NowUs();
  client.session()->CloseIdleSnapshots();
  EXPECT(zkdb_stats(server.Database(0), &stats, nullptr) == ZKDB_OK && stats.snapshots_open == 0);
  EXPECT(client.Send("ZK.GET 1700000000000001 a\r\n").starts_with(kExpired));
}

TEST(snapshots_go_with_their_connection_its_login_and_its_reset) {
  TestServer server(TempDirectory());
  zkdb_db_stats stats{};
  {
    TestClient client(&server);
    client.Send("ZK.SNAPSHOT OPEN\r\nZK.SNAPSHOT OPEN\r\n");
    EXPECT(zkdb_stats(server.Database(0), &stats, nullptr) == ZKDB_OK && stats.snapshots_open == 2);
    client.Send("RESET\r\n");
    EXPECT(zkdb_stats(server.Database(0), &stats, nullptr) == ZKDB_OK && stats.snapshots_open == 0);
    EXPECT_EQ(client.Send("ZK.SNAPSHOT OPEN\r\n"), std::string(":1700000000000003\r\n"));
    client.Send("AUTH default secret\r\n");
    EXPECT(client.Send("ZK.GET 1700000000000003 a\r\n").starts_with(kExpired));
    client.Send("ZK.SNAPSHOT OPEN\r\n");
  }
  EXPECT(zkdb_stats(server.Database(0), &stats, nullptr) == ZKDB_OK && stats.snapshots_open == 0);
}

TEST(a_snapshot_is_of_its_client_and_its_database) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  TestClient other(&server, 2);
  client.Send("ZK.SNAPSHOT OPEN\r\n");
  EXPECT(other.Send("ZK.GET 1700000000000001 a\r\n").starts_with(kExpired));
  EXPECT(client.Send("SELECT 1\r\nZK.RANGE SNAPSHOT 1700000000000001\r\n").starts_with("+OK\r\n" + kExpired));
  EXPECT_EQ(client.Send("SELECT 0\r\nZK.GET 1700000000000001 a\r\n"), std::string("+OK\r\n*1\r\n$-1\r\n"));
}

TEST(a_transaction_reads_its_own_state_and_no_snapshot) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  client.Send("ZK.SNAPSHOT OPEN\r\n");
  EXPECT_EQ(client.Send("MULTI\r\nZK.RANGE SNAPSHOT 1700000000000001\r\nEXEC\r\n"),
            std::string("+OK\r\n+QUEUED\r\n*1\r\n-ERR SNAPSHOT is not allowed behind MULTI\r\n"));
  EXPECT_EQ(client.Send("MULTI\r\nZK.GET 1700000000000001 a\r\nDISCARD\r\n"),
            std::string("+OK\r\n-ERR Command not allowed inside a transaction\r\n+OK\r\n"));
}

TEST(a_range_that_pins_opens_a_snapshot_only_when_there_is_more) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  TestClient other(&server, 2);
  zkdb_db_stats stats{};
  const auto open = [&] {
    EXPECT(zkdb_stats(server.Database(0), &stats, nullptr) == ZKDB_OK);
    return stats.snapshots_open;
  };
  EXPECT_EQ(client.Send("MSET a 1 b 2\r\nZK.RANGE PIN\r\n"),
            std::string("+OK\r\n*3\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n$-1\r\n$-1\r\n"));
  EXPECT_EQ(open(), uint64_t{0});
  EXPECT_EQ(client.Send("ZK.RANGE PIN KEYS LIMIT 1\r\n"),
            std::string("*3\r\n*1\r\n$1\r\na\r\n$1\r\na\r\n:1700000000000002\r\n"));
  EXPECT_EQ(open(), uint64_t{1});
  other.Send("DEL b\r\nSET c 3\r\n");
  EXPECT_EQ(client.Send("ZK.RANGE GT a SNAPSHOT 1700000000000002\r\n"),
            std::string("*2\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n$-1\r\n"));
  EXPECT_EQ(client.Send("ZK.RANGE PIN SNAPSHOT 1700000000000002\r\n"), std::string("-ERR syntax error\r\n"));
  EXPECT_EQ(client.Send("MULTI\r\nZK.RANGE PIN\r\nEXEC\r\n"),
            std::string("+OK\r\n+QUEUED\r\n*1\r\n-ERR PIN is not allowed behind MULTI\r\n"));
  for (int i = 0; i < 15; ++i) EXPECT(client.Send("ZK.RANGE PIN LIMIT 1\r\n").starts_with("*3"));
  EXPECT(client.Send("ZK.RANGE PIN LIMIT 1\r\n").starts_with("-ERR this connection has 16 open snapshots"));
  EXPECT_EQ(open(), uint64_t{16});
}

TEST(a_pinned_range_that_does_not_fit_keeps_no_snapshot) {
  TestServer server(TempDirectory());
  SessionLimits limits;
  limits.pause_output = 1 << 20;
  limits.max_output = limits.pause_output + kOutputSlack;
  TestClient client(&server, 1, limits);
  const std::string large(limits.max_output, 'v');
  EXPECT(client.Send(Encode({"SET", "a", large})) == "+OK\r\n");
  client.Send("SET b 1\r\n");
  EXPECT(client.Send("ZK.RANGE PIN LIMIT 1\r\n").starts_with("-"));
  zkdb_db_stats stats{};
  EXPECT(zkdb_stats(server.Database(0), &stats, nullptr) == ZKDB_OK && stats.snapshots_open == 0);
}

TEST(a_snapshot_that_is_touched_is_not_closed) {
  TestServer server(TempDirectory());
  SessionLimits limits;
  limits.snapshot_idle_us = 20;
  TestClient client(&server, 1, limits);
  EXPECT_EQ(client.Send("ZK.SNAPSHOT OPEN\r\n"), std::string(":1700000000000001\r\n"));
  for (int i = 0; i < 5; ++i) {
    for (int us = 0; us < 15; ++us) server.NowUs();
    EXPECT_EQ(client.Send("ZK.SNAPSHOT TOUCH 1700000000000001\r\n"), std::string(":1\r\n"));
  }
  for (int us = 0; us < 25; ++us) server.NowUs();
  EXPECT_EQ(client.Send("ZK.SNAPSHOT TOUCH 1700000000000001\r\n"), std::string(":0\r\n"));
}

TEST(a_snapshot_knows_when_its_keys_end) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  client.Send("SET a 1 PXAT 4102444800000\r\nSET b 1\r\n");
  EXPECT_EQ(client.Send("ZK.SNAPSHOT OPEN\r\n"), std::string(":1700000000000001\r\n"));
  client.Send("PERSIST a\r\nDEL b\r\n");
  EXPECT_EQ(client.Send("ZK.PEXPIRETIME 1700000000000001 a\r\nZK.PEXPIRETIME 1700000000000001 b\r\n"),
            std::string(":4102444800000\r\n:-1\r\n"));
  EXPECT_EQ(client.Send("ZK.PEXPIRETIME 1700000000000001 none\r\nPEXPIRETIME a\r\n"), std::string(":-2\r\n:-1\r\n"));
  EXPECT(client.Send("ZK.PEXPIRETIME 1 a\r\n").starts_with(kExpired));
}

TEST(snapshot_arguments_that_are_wrong_are_refused) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  for (const char* line :
       {"ZK.RANGE SNAPSHOT", "ZK.RANGE SNAPSHOT 0", "ZK.RANGE SNAPSHOT x", "ZK.CLEAR SNAPSHOT 1700000000000001"}) {
    EXPECT_EQ(client.Send(std::string(line) + "\r\n"), std::string("-ERR syntax error\r\n"));
  }
  EXPECT_EQ(
      client.Send("ZK.GET x a\r\nZK.SNAPSHOT CLOSE x\r\n"),
      std::string("-ERR value is not an integer or out of range\r\n-ERR value is not an integer or out of range\r\n"));
  EXPECT(client.Send("ZK.GET -1 a\r\n").starts_with(kExpired));
  EXPECT(client.Send("ZK.SNAPSHOT NOPE\r\n").starts_with("-ERR unknown subcommand 'NOPE'"));
}

}  // namespace
}  // namespace zkdb::net::test
