#include <chrono>
#include <future>
#include <thread>

#include "core/base/test.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

const std::string kServer =
    "# Server\r\nredis_version:7.0.0\r\nzkdb_version:" + std::string(zkdb_version()) +
    "\r\nredis_mode:standalone\r\nos:Test 1.0 none\r\narch_bits:" + std::to_string(sizeof(void*) * 8) +
    "\r\nprocess_id:4711\r\ntcp_port:6379\r\nserver_time_usec:1700000000000001\r\nuptime_in_seconds:200000\r\n"
    "uptime_in_days:2\r\nzkdb_threads:3\r\n";
const std::string kClients = "# Clients\r\nconnected_clients:11\r\nmaxclients:12\r\nblocked_clients:0\r\n";
const std::string kStats =
    "# Stats\r\ntotal_connections_received:13\r\ntotal_commands_processed:15\r\ntotal_net_input_bytes:16\r\n"
    "total_net_output_bytes:17\r\nrejected_connections:14\r\nexpired_keys:0\r\nzkdb_reader_pauses:18\r\nzkdb_dropped_"
    "slow:19\r\n"
    "zkdb_dropped_idle:20\r\nzkdb_dropped_login:21\r\nzkdb_shared_writes:22\r\n";
const std::string kReplication = "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n";
const std::string kCpu = "# CPU\r\nused_cpu_sys:5.600000\r\nused_cpu_user:12.000034\r\n";

const std::string kNoBackup =
    "rdb_last_save_time:0\r\nrdb_last_bgsave_status:ok\r\nrdb_last_bgsave_time_sec:-1\r\n"
    "rdb_current_bgsave_time_sec:-1\r\n";

bool Has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The number behind `name`, or UINT64_MAX.
uint64_t FigureOf(const std::string& text, const std::string& name) {
  const size_t at = text.find(name);
  return at == std::string::npos ? UINT64_MAX : std::stoull(text.substr(at + name.size()));
}

// The titles in the order of the text.
std::string TitlesOf(const std::string& text) {
  std::string titles;
  for (size_t at = text.find("# "); at != std::string::npos; at = text.find("\r\n# ", at)) {
    at = text.find("# ", at) + 2;
    titles += text.substr(at, text.find('\r', at) - at) + " ";
  }
  return titles;
}

TEST(info_gives_the_figures_of_the_server_under_the_names_of_redis) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("INFO server\r\n"), Bulk(kServer));
  EXPECT_EQ(client.Send("INFO clients\r\nINFO Stats\r\nINFO REPLICATION\r\nINFO cpu\r\n"),
            Bulk(kClients) + Bulk(kStats) + Bulk(kReplication) + Bulk(kCpu));
}

TEST(info_gives_all_sections_or_those_that_are_named_each_once) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  const std::string all = "Server Clients Memory Persistence Stats Replication CPU Cluster Keyspace ";
  for (const char* line : {"INFO", "INFO default", "INFO ALL", "info everything", "INFO nope all cpu"}) {
    EXPECT_EQ(TitlesOf(client.Send(std::string(line) + "\r\n")), all);
  }
  EXPECT_EQ(client.Send("INFO cpu replication CPU\r\n"), Bulk(kReplication + "\r\n" + kCpu));
  EXPECT_EQ(client.Send("INFO nope\r\nINFO cp cpus \"\"\r\n"), Bulk("") + Bulk(""));
}

TEST(info_is_a_verbatim_text_in_resp3) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  client.Send("HELLO 3\r\n");
  EXPECT_EQ(client.Send("INFO replication\r\nINFO nope\r\n"),
            "=" + std::to_string(kReplication.size() + 4) + "\r\ntxt:" + kReplication + "\r\n=4\r\ntxt:\r\n");
}

TEST(info_counts_the_keys_of_each_database_that_has_some) {
  TestServer server(TempDirectory(), "4", 3);
  TestClient client(&server);
  EXPECT_EQ(client.Send("INFO keyspace\r\n"), Bulk("# Keyspace\r\n"));
  client.Send("MSET a 1 b 2 c 3 d 4\r\nDEL a\r\nSELECT 2\r\nSET a 1\r\n");
  EXPECT_EQ(client.Send("INFO keyspace\r\n"),
            Bulk("# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\ndb2:keys=1,expires=0,avg_ttl=0\r\n"));
}

TEST(info_tells_how_far_the_last_checkpoint_went) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  client.Send("SET a 1\r\nSET b 2\r\n");
  const std::string before = client.Send("INFO persistence\r\n");
  EXPECT(Has(before, "# Persistence\r\nloading:0\r\nrdb_bgsave_in_progress:0\r\n" + kNoBackup +
                         "aof_rewrite_in_progress:0\r\nzkdb_db0:"));
  EXPECT_EQ(zkdb_checkpoint(server.Database(0), nullptr), ZKDB_OK);
  client.Send("SET c 3\r\n");
  const std::string after = client.Send("INFO persistence\r\n");
  const uint64_t written = FigureOf(before, "zkdb_db0:sequence=");
  EXPECT(FigureOf(before, "checkpoint_sequence=") < written);
  EXPECT_EQ(FigureOf(after, "checkpoint_sequence="), written);
  EXPECT_EQ(FigureOf(after, "zkdb_db0:sequence="), written + 1);
  EXPECT_EQ(FigureOf(after, ",checkpoints="), FigureOf(before, ",checkpoints=") + 1);
  EXPECT_EQ(FigureOf(after, ",failed="), uint64_t{0});
}

TEST(info_gives_memory_in_bytes_and_for_people) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  const std::string memory = client.Send("INFO memory\r\n");
  uint64_t databases = 0;
  for (uint32_t i = 0; i < 2; ++i) {
    zkdb_db_stats stats{};
    EXPECT_EQ(zkdb_stats(server.Database(i), &stats, nullptr), ZKDB_OK);
    databases += stats.memory_bytes;
  }
  EXPECT(databases > 0);
  EXPECT_EQ(FigureOf(memory, "used_memory:"), databases);
  EXPECT(Has(memory, "\r\nused_memory_rss:1572864\r\nused_memory_rss_human:1.50M\r\nzkdb_waiting_reply_bytes:23\r\n"));
}

TEST(info_behind_multi_asks_the_selected_database_alone) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  client.Send("SET a 1\r\nSELECT 1\r\nSET b 1\r\nSET c 1\r\n");
  EXPECT_EQ(client.Send("MULTI\r\nSET b 2\r\nINFO replication\r\nINFO keyspace\r\nEXEC\r\n"),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n" + Bulk(kReplication) +
                Bulk("# Keyspace\r\ndb1:keys=2,expires=0,avg_ttl=0\r\n"));
  const std::string all = client.Send("MULTI\r\nINFO\r\nEXEC\r\n");
  EXPECT(Has(all, "used_memory_rss:") && !Has(all, "used_memory:"));
  EXPECT(Has(all, "zkdb_db1:") && !Has(all, "zkdb_db0:"));
}

TEST(info_behind_multi_does_not_wait_for_a_transaction_on_another_database) {
  TestServer server(TempDirectory());
  std::promise<void> begun;
  std::promise<void> answered;
  bool in_time = false;
  std::thread other([&] {
    zkdb_txn* begin = nullptr;
    EXPECT_EQ(zkdb_txn_begin(server.Database(1), &begin, nullptr), ZKDB_OK);
    const TransactionHandle txn(begin);
    BatchBuilder batch;
    batch.Add(ZKDB_OP_PUT, "k", "v");
    EXPECT_EQ(zkdb_txn_write(begin, batch.bytes().data, batch.bytes().size, nullptr, nullptr), ZKDB_OK);
    begun.set_value();
    in_time = answered.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  });
  begun.get_future().wait();
  TestClient client(&server);
  const std::string reply = client.Send("MULTI\r\nSET a 1\r\nINFO\r\nEXEC\r\n");
  answered.set_value();
  other.join();
  EXPECT(in_time);
  EXPECT(Has(reply, "# Keyspace\r\n"));
}

TEST(info_is_for_those_who_have_logged_in) {
  TestServer server(TempDirectory());
  server.needs_login = true;
  TestClient client(&server);
  EXPECT_EQ(client.Send("INFO\r\nINFO server\r\n"),
            std::string("-NOAUTH Authentication required.\r\n-NOAUTH Authentication required.\r\n"));
  EXPECT_EQ(client.Send("AUTH default secret\r\nINFO clients\r\n"), "+OK\r\n" + Bulk(kClients));
}

TEST(info_tells_of_a_database_to_those_alone_who_may_count_its_keys) {
  TestServer server(TempDirectory());
  TestClient(&server, 900).Send("SET a 1\r\nSELECT 1\r\nMSET b 1 c 1\r\n");
  const std::string none = "# Keyspace\r\n";
  const std::string first = "db0:keys=1,expires=0,avg_ttl=0\r\n";
  const std::string second = "db1:keys=2,expires=0,avg_ttl=0\r\n";
  const auto keyspace = [&](Rights rights) {
    TestClient client(&server, 1, {}, MakeRights(std::move(rights)), "u");
    const std::string persistence = client.Send("INFO persistence\r\n");
    const std::string reply = client.Send("INFO keyspace\r\n");
    EXPECT_EQ(Has(persistence, "zkdb_db0:"), Has(reply, "db0:"));
    EXPECT_EQ(Has(persistence, "zkdb_db1:"), Has(reply, "db1:"));
    return reply;
  };
  EXPECT_EQ(keyspace({kAllVerbs, true, {}, {}, {}}), Bulk(none + first + second));
  EXPECT_EQ(keyspace({kVerbScan, false, {0}, {}, {}}), Bulk(none + first));
  EXPECT_EQ(keyspace({kVerbScan, false, {1, 7}, {}, {}}), Bulk(none + second));
  EXPECT_EQ(keyspace({kAllVerbs & ~kVerbScan, true, {}, {}, {}}), Bulk(none));
  EXPECT_EQ(keyspace({kAllVerbs, true, {}, {"a"}, {}}), Bulk(none));
  EXPECT_EQ(keyspace({kAllVerbs, true, {}, {}, {"p000"}}), Bulk(none));
  EXPECT_EQ(keyspace({0, false, {}, {}, {}}), Bulk(none));
}

}  // namespace
}  // namespace zkdb::net::test
