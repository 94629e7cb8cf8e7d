#include "core/base/test.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

const std::string kIdA(40, 'a');
const std::string kIdB(40, 'b');
const std::string kIdC(40, 'c');

// This server has 0..5460, which "b" (3300) is in; 10.0.0.2 has "a" (15495) and "{b}" is 3300 again.
std::string Lines() {
  return kIdA + " 10.0.0.1 7001 0-5460\n" + kIdB + " 10.0.0.2 7002 10923-16383\n" + kIdC + " ::1 7003 5461-10922\n";
}

std::unique_ptr<const ClusterMap> MakeMap(const std::string& lines) {
  std::unique_ptr<const ClusterMap> map;
  EXPECT(ClusterMap::Parse(lines, &map).ok());
  return map;
}

struct ClusterServer : TestServer {
  ClusterServer() : TestServer(TempDirectory()) { cluster_map = MakeMap(Lines()); }
};

TEST(a_cluster_map_gives_each_slot_its_node) {
  const auto map = MakeMap(kIdA + " h 1 5-16383 0 2-4\n" + kIdB + " g 2 1\n");
  EXPECT(map->Holds(0) && !map->Holds(1) && map->Holds(2) && map->Holds(16383));
  EXPECT_EQ(map->NodeOf(1).host, std::string("g"));
  EXPECT_EQ(map->NodeOf(16383).port, 1);
  EXPECT_EQ(map->own().slots.size(), size_t{2});
  EXPECT_EQ(map->own().slots[1].first, 2);
  EXPECT_EQ(map->own().slots[1].last, 16383);
}

TEST(a_cluster_map_that_is_not_whole_is_refused) {
  const auto refused = [](const std::string& lines) {
    std::unique_ptr<const ClusterMap> map;
    const Status status = ClusterMap::Parse(lines, &map);
    EXPECT(status.code() == ZKDB_CONFIG && map == nullptr);
    return status.message();
  };
  EXPECT_EQ(refused(""), std::string("the cluster has no nodes"));
  EXPECT_EQ(refused(kIdA + " h 1 0-16382\n"), std::string("the slot 16383 is given to no node of the cluster"));
  EXPECT_EQ(refused(kIdA + " h 1 0-16383\n" + kIdB + " g 2 7\n"),
            std::string("the slot 7 is given to two nodes of the cluster"));
  for (const char* rest : {" h 1", " h 0 0-16383", " h 65536 0-16383", " h 1 0-16384", " h 1 5-4", " h x 0-16383",
                           "  1 0-16383", " h 1 0-", "x h 1 0-16383"}) {
    EXPECT(refused(kIdA + rest + "\n").starts_with("line 1 "));
  }
  EXPECT(refused(kIdA + " h 1 0-16383\n\n").starts_with("line 2 "));
}

TEST(cluster_without_a_cluster_answers_as_redis_without_support_for_it) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("CLUSTER SLOTS\r\n"), std::string("-ERR This instance has cluster support disabled\r\n"));
  EXPECT_EQ(client.Send("INFO cluster\r\n"), std::string("$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n"));
  EXPECT_EQ(client.Send("SET a 1\r\nMGET a b\r\n"), std::string("+OK\r\n*2\r\n$1\r\n1\r\n$-1\r\n"));
}

TEST(cluster_says_which_node_has_which_slots) {
  ClusterServer server;
  TestClient client(&server);
  const auto node = [](const char* host, size_t size, const char* port, const std::string& id) {
    return "*4\r\n$" + std::to_string(size) + "\r\n" + host + "\r\n:" + port + "\r\n$40\r\n" + id + "\r\n*0\r\n";
  };
  EXPECT_EQ(client.Send("CLUSTER SLOTS\r\n"), "*3\r\n*3\r\n:0\r\n:5460\r\n" + node("10.0.0.1", 8, "7001", kIdA) +
                                                  "*3\r\n:5461\r\n:10922\r\n" + node("::1", 3, "7003", kIdC) +
                                                  "*3\r\n:10923\r\n:16383\r\n" + node("10.0.0.2", 8, "7002", kIdB));
  const std::string nodes = kIdA + " 10.0.0.1:7001@0 myself,master - 0 0 0 connected 0-5460\n" + kIdB +
                            " 10.0.0.2:7002@0 master - 0 0 0 connected 10923-16383\n" + kIdC +
                            " ::1:7003@0 master - 0 0 0 connected 5461-10922\n";
  EXPECT_EQ(client.Send("cluster nodes\r\n"), "$" + std::to_string(nodes.size()) + "\r\n" + nodes + "\r\n");
  EXPECT_EQ(client.Send("CLUSTER MYID\r\n"), "$40\r\n" + kIdA + "\r\n");
  EXPECT(
      client.Send("CLUSTER SHARDS\r\n").starts_with("*3\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:5460\r\n$5\r\nnodes\r\n"));
  EXPECT(client.Send("CLUSTER INFO\r\n").find("cluster_state:ok\r\ncluster_slots_assigned:16384") != std::string::npos);
  EXPECT(client.Send("HELLO\r\n").find("$7\r\ncluster\r\n") != std::string::npos);
  EXPECT(client.Send("INFO server\r\n").find("redis_mode:cluster\r\n") != std::string::npos);
  EXPECT_EQ(client.Send("CLUSTER SLOTS 1\r\nCLUSTER NOPE\r\n"),
            std::string("-ERR wrong number of arguments for 'cluster|slots' command\r\n"
                        "-ERR unknown subcommand 'NOPE'.\r\n"));
}

TEST(keyslot_is_that_of_redis_cluster) {
  ClusterServer server;
  TestClient client(&server);
  EXPECT_EQ(client.Send("CLUSTER KEYSLOT 123456789\r\nCLUSTER KEYSLOT {user1000}.following\r\n"
                        "CLUSTER KEYSLOT user1000\r\nCLUSTER KEYSLOT foo{}{bar}\r\nCLUSTER KEYSLOT \"\"\r\n"),
            std::string(":12739\r\n:3443\r\n:3443\r\n:8363\r\n:0\r\n"));
}

const std::string kMovedA = "-MOVED 15495 10.0.0.2:7002\r\n";
const std::string kCross = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";

TEST(a_key_of_another_server_is_moved_and_nothing_is_done) {
  ClusterServer server;
  TestClient client(&server);
  for (const char* line : {"GET a", "SET a 1", "INCR a", "MGET a a", "DEL a {a}x", "MSET a 1 {a}2 3", "WATCH a",
                           "ZK.BATCH PUT a 1 DEL {a}b", "SET a 1 NX"}) {
    EXPECT_EQ(client.Send(std::string(line) + "\r\n"), kMovedA);
  }
  // In a pipeline each has its own answer, in its place.
  EXPECT_EQ(client.Send("SET b 1\r\nSET a 1\r\nSET {b}2 2\r\nGET b\r\nGET a\r\nGET {b}2\r\n"),
            "+OK\r\n" + kMovedA + "+OK\r\n$1\r\n1\r\n" + kMovedA + "$1\r\n2\r\n");
  EXPECT_EQ(client.Send("DBSIZE\r\n"), std::string(":2\r\n"));
}

TEST(a_command_over_slots_of_which_not_all_are_here_is_refused) {
  ClusterServer server;
  TestClient client(&server);
  for (const char* line : {"MGET b a", "MGET a b", "MGET a c", "DEL b a", "MSET b 1 a 2", "ZK.BATCH PUT b 1 PUT a 2"}) {
    EXPECT_EQ(client.Send(std::string(line) + "\r\n"), kCross);
  }
  // "b" is 3300 and "{user1000}" 3443: both are here.
  EXPECT_EQ(client.Send("MSET b 1 user1000 2\r\nMGET b user1000\r\n"),
            std::string("+OK\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n"));
}

TEST(a_moved_key_ends_a_transaction) {
  ClusterServer server;
  TestClient client(&server);
  EXPECT_EQ(client.Send("MULTI\r\nSET b 1\r\nSET a 1\r\nEXEC\r\n"),
            "+OK\r\n+QUEUED\r\n" + kMovedA + "-EXECABORT Transaction discarded because of previous errors.\r\n");
  EXPECT_EQ(client.Send("MULTI\r\nSET b 1\r\nEXEC\r\n"), std::string("+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"));
}

TEST(a_cluster_has_one_database) {
  ClusterServer server;
  TestClient client(&server);
  EXPECT_EQ(client.Send("SELECT 0\r\nSELECT 1\r\n"),
            std::string("+OK\r\n-ERR SELECT is not allowed in cluster mode\r\n"));
}

TEST(rights_are_asked_before_the_place_of_a_key_is_told) {
  ClusterServer server;
  TestClient client(&server, 1, {}, MakeRights({kVerbRead, true, {}, {"b"}, {}}), "somebody");
  EXPECT(client.Send("GET a\r\n").starts_with("-NOPERM"));
  EXPECT(client.Send("SET b 1\r\n").starts_with("-NOPERM"));
  EXPECT_EQ(client.Send("GET b\r\n"), std::string("$-1\r\n"));
}

}  // namespace
}  // namespace zkdb::net::test
