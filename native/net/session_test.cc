#include "net/session.h"

#include <filesystem>
#include <fstream>

#include "core/base/test.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

std::string BulkOf(std::string_view value) {
  return "$" + std::to_string(value.size()) + "\r\n" + std::string(value) + "\r\n";
}

TEST(a_pipeline_is_answered_in_order) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  std::string bytes;
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "k" + std::to_string(i % 50);
    const std::string value = std::string(static_cast<size_t>(i % 300), 'v') + std::to_string(i);
    bytes += Encode({"SET", key, value}) + Encode({"get", key}) + "PING\r\n" + Encode({"GET", "none"});
    expected += "+OK\r\n" + BulkOf(value) + "+PONG\r\n$-1\r\n";
  }
  EXPECT(client.Send(bytes) == expected);
  EXPECT_EQ(client.unread(), size_t{0});
}

TEST(runs_of_gets_and_sets_give_what_single_ones_give) {
  TestServer server(TempDirectory(), "4");
  TestClient client(&server);
  for (const int run : {1, 2, 15, 16, 17, 64, 255, 256, 257, 1024, 1025, 2500}) {
    std::string sets;
    std::string gets;
    std::string oks;
    std::string values;
    for (int i = 0; i < run; ++i) {
      const std::string key = "key" + std::to_string(i);
      const std::string value(static_cast<size_t>((i * 37) % 1000), static_cast<char>('a' + i % 26));
      sets += Encode({"SET", key, value});
      gets += Encode({"GET", key});
      oks += "+OK\r\n";
      values += BulkOf(value);
    }
    EXPECT(client.Send(sets) == oks);
    EXPECT(client.Send(gets) == values);
  }
}

TEST(pieces_of_any_size_give_the_same_replies) {
  TestServer server(TempDirectory());
  std::string bytes = Encode({"SET", "a", std::string(200, 'x')}) + Encode({"GET", "a"}) + "ECHO 'two words'\r\n" +
                      Encode({"MULTI"}) + Encode({"INCR", "n"}) + Encode({"EXEC"}) + Encode({"DEL", "n"});
  TestClient whole(&server, 1);
  const std::string expected = whole.Send(bytes);
  for (size_t size = 1; size < 20; ++size) {
    TestClient client(&server, 2);
    std::string replies;
    for (size_t at = 0; at < bytes.size(); at += size) replies += client.Send(bytes.substr(at, size));
    EXPECT_EQ(replies, expected);
  }
}

TEST(a_protocol_error_is_answered_after_what_came_before_it_and_closes) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("SET a 1\r\n*1\r\n:5\r\nSET a 2\r\n"),
            std::string("+OK\r\n-ERR Protocol error: expected '$', got ':'\r\n"));
  EXPECT(client.closing());
  EXPECT_EQ(client.Send("PING\r\n"), std::string());
  TestClient other(&server, 2);
  EXPECT_EQ(other.Send("GET a\r\n"), std::string("$1\r\n1\r\n"));
}

TEST(a_frame_that_announces_four_gigabytes_allocates_nothing) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("*2\r\n$3\r\nGET\r\n$4294967295\r\n"),
            std::string("-ERR Protocol error: invalid bulk length\r\n"));
  EXPECT(client.closing());
  TestClient array(&server, 2);
  EXPECT_EQ(array.Send("*4294967295\r\n"), std::string("-ERR Protocol error: invalid multibulk length\r\n"));
  EXPECT(array.closing() && array.session()->wanted() < 100);
}

TEST(before_the_login_frames_are_small_and_commands_few) {
  TestServer server(TempDirectory());
  server.needs_login = true;
  TestClient client(&server);
  EXPECT_EQ(client.Call({"GET", "a"}), std::string("-NOAUTH Authentication required.\r\n"));
  EXPECT_EQ(client.Call({"AUTH", "wrong"}),
            std::string("-WRONGPASS invalid username-password pair or user is disabled.\r\n"));
  EXPECT_EQ(client.Call({"AUTH", "default", "secret"}), std::string("+OK\r\n"));
  EXPECT_EQ(client.Call({"SET", "a", std::string(10'000, 'x')}), std::string("+OK\r\n"));
  EXPECT_EQ(client.Call({"RESET"}), std::string("+RESET\r\n"));
  EXPECT_EQ(client.Call({"SET", "a", "1"}), std::string("-NOAUTH Authentication required.\r\n"));
  EXPECT_EQ(client.Send("*2\r\n$4\r\nAUTH\r\n$5000\r\n"),
            std::string("-ERR Protocol error: unauthenticated bulk length\r\n"));
  EXPECT(client.closing());
}

// Values of 64 KiB in a session that pauses above 1 MiB and may never hold more than 4 MiB.
TEST(output_is_bounded_and_a_paused_pipeline_goes_on) {
  TestServer server(TempDirectory());
  SessionLimits limits;
  limits.max_output = size_t{4} << 20;
  TestClient client(&server, 1, limits);
  const std::string value(65536, 'v');
  std::string bytes;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(client.Call({"SET", "k" + std::to_string(i), value}), std::string("+OK\r\n"));
    bytes += Encode({"GET", "k" + std::to_string(i)}) + (i % 30 == 0 ? "PING\r\n" : "");
    expected += BulkOf(value) + (i % 30 == 0 ? "+PONG\r\n" : "");
  }
  EXPECT(client.Send(bytes) == expected);
  EXPECT(client.most_output() <= limits.max_output);
}

TEST(a_reply_that_cannot_fit_is_an_error_and_changes_nothing) {
  TestServer server(TempDirectory());
  TestClient rich(&server, 1);
  SessionLimits limits;
  limits.max_output = size_t{3} << 20;
  TestClient client(&server, 2, limits);
  EXPECT_EQ(rich.Call({"SET", "big", std::string(size_t{5} << 20, 'b')}), std::string("+OK\r\n"));
  EXPECT_EQ(rich.Call({"SET", "half", std::string(size_t{2} << 20, 'b')}), std::string("+OK\r\n"));
  EXPECT(client.Call({"GET", "big"}).starts_with("-ERR the reply is larger"));
  EXPECT(client.Call({"GETDEL", "big"}).starts_with("-ZKDB_VALUE_TOO_LARGE"));
  EXPECT(client.Call({"MGET", "half", "half"}).starts_with("-ERR the reply is larger"));
  EXPECT(client.Send("GET half\r\nGET big\r\nGET half\r\n").find("-ERR the reply is larger") > size_t{2} << 20);
  client.Send("MULTI\r\nGET half\r\nSET x 1\r\nGET half\r\n");
  EXPECT(client.Call({"EXEC"}).starts_with("-ERR the reply is larger"));
  EXPECT_EQ(client.Send("GET x\r\nEXISTS big\r\nEXEC\r\n"), std::string("$-1\r\n:1\r\n-ERR EXEC without MULTI\r\n"));
}

TEST(a_reply_that_only_has_to_wait_is_given_later) {
  TestServer server(TempDirectory());
  SessionLimits limits;
  limits.max_output = size_t{3} << 20;
  TestClient client(&server, 1, limits);
  const std::string half(size_t{5} << 19, 'h');
  const std::string small(900'000, 's');
  EXPECT_EQ(client.Call({"SET", "half", half}) + client.Call({"SET", "small", small}), std::string("+OK\r\n+OK\r\n"));
  EXPECT(client.Send("GET small\r\nGETDEL half\r\nGET half\r\n") == BulkOf(small) + BulkOf(half) + "$-1\r\n");
}

TEST(unknown_commands_and_wrong_arity_have_the_words_of_redis) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Call({"Foo", "a", "b"}),
            std::string("-ERR unknown command 'Foo', with args beginning with: 'a' 'b' \r\n"));
  EXPECT_EQ(client.Call({"MONITOR"}), std::string("-ERR unknown command 'MONITOR', with args beginning with: \r\n"));
  EXPECT_EQ(client.Call({"GET"}), std::string("-ERR wrong number of arguments for 'get' command\r\n"));
  EXPECT(client.Call({"LPUSH", "a", "1"}).starts_with("-ERR unknown command 'LPUSH'"));
  EXPECT(client.Call({std::string(5000, 'x'), std::string(5000, 'y')}).size() < 500);
  EXPECT(!client.closing());
}

TEST(too_long_keys_are_errors_one_by_one) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  const std::string longest(65535, 'k');
  const std::string longer = longest + "k";
  EXPECT_EQ(client.Send(Encode({"SET", longest, "1"}) + Encode({"SET", longer, "2"}) + Encode({"SET", "a", "3"}) +
                        Encode({"GET", longer}) + Encode({"GET", longest})),
            std::string("+OK\r\n-ZKDB_KEY_TOO_LARGE the key has 65536 bytes; the limit is 65535\r\n+OK\r\n"
                        "-ZKDB_KEY_TOO_LARGE the key has 65536 bytes; the limit is 65535\r\n$1\r\n1\r\n"));
}

// ---- MULTI and WATCH

TEST(exec_carries_the_queue_out_as_one_transaction) {
  TestServer server(TempDirectory(), "4");
  TestClient client(&server);
  TestClient other(&server, 2);
  EXPECT_EQ(client.Send("MULTI\r\nSET a 1\r\nINCR a\r\nGET a\r\nDBSIZE\r\nINCR b x\r\n"),
            std::string("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n-ERR wrong number of arguments for 'incr' "
                        "command\r\n"));
  EXPECT_EQ(client.Send("EXEC\r\n"), std::string("-EXECABORT Transaction discarded because of previous errors.\r\n"));
  EXPECT_EQ(other.Send("GET a\r\n"), std::string("$-1\r\n"));
  client.Send(
      "MULTI\r\nSET a 1\r\nINCR a\r\nGET a\r\nDBSIZE\r\nSET s x\r\nINCR s\r\nMGET a s\r\nGETDEL s\r\nSCAN 0\r\n");
  EXPECT_EQ(other.Send("GET a\r\n"), std::string("$-1\r\n"));
  EXPECT_EQ(client.Send("EXEC\r\n"),
            std::string("*9\r\n+OK\r\n:2\r\n$1\r\n2\r\n:1\r\n+OK\r\n-ERR value is not an integer or out of range\r\n"
                        "*2\r\n$1\r\n2\r\n$1\r\nx\r\n$1\r\nx\r\n*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n"));
  EXPECT_EQ(other.Send("MGET a s\r\n"), std::string("*2\r\n$1\r\n2\r\n$-1\r\n"));
}

TEST(multi_refuses_what_does_not_go_together) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("EXEC\r\nDISCARD\r\nMULTI\r\nMULTI\r\nWATCH a\r\nEXEC\r\n"),
            std::string("-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n+OK\r\n-ERR MULTI calls can not be "
                        "nested\r\n-ERR WATCH inside MULTI is not allowed\r\n*0\r\n"));
  EXPECT_EQ(client.Send("MULTI\r\nSELECT 1\r\nEXEC\r\n"),
            std::string("+OK\r\n-ERR Command not allowed inside a transaction\r\n-EXECABORT Transaction discarded "
                        "because of previous errors.\r\n"));
  EXPECT_EQ(client.Send("MULTI\r\nSET a 1\r\nDISCARD\r\nGET a\r\n"), std::string("+OK\r\n+QUEUED\r\n+OK\r\n$-1\r\n"));
}

TEST(exec_does_nothing_when_a_watched_key_has_changed) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  TestClient other(&server, 2);
  EXPECT_EQ(client.Send("SET a 1\r\nWATCH a b\r\nMULTI\r\nSET c 1\r\nEXEC\r\n"),
            std::string("+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"));
  client.Send("WATCH a b\r\nMULTI\r\nSET c 2\r\n");
  other.Send("SET b 1\r\n");
  EXPECT_EQ(client.Send("EXEC\r\n"), std::string("*-1\r\n"));
  client.Send("WATCH a b\r\nMULTI\r\nSET c 3\r\n");
  other.Send("DEL a\r\n");
  EXPECT_EQ(client.Send("EXEC\r\nGET c\r\n"), std::string("*-1\r\n$1\r\n1\r\n"));
  client.Send("WATCH b\r\nUNWATCH\r\nMULTI\r\nSET c 4\r\n");
  other.Send("SET b 9\r\n");
  EXPECT_EQ(client.Send("EXEC\r\n"), std::string("*1\r\n+OK\r\n"));
}

TEST(a_watched_key_of_another_database_counts_too) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  TestClient other(&server, 2);
  client.Send("SELECT 1\r\nWATCH a\r\nSELECT 0\r\nMULTI\r\nSET x 1\r\n");
  other.Send("SELECT 1\r\nSET a 1\r\n");
  EXPECT_EQ(client.Send("EXEC\r\nGET x\r\n"), std::string("*-1\r\n$-1\r\n"));
}

TEST(the_queue_and_the_watched_values_are_bounded) {
  TestServer server(TempDirectory());
  SessionLimits limits;
  limits.max_queue = 1000;
  limits.max_watched = 1000;
  TestClient client(&server, 1, limits);
  client.Call({"SET", "a", std::string(900, 'x')});
  EXPECT(client.Send("WATCH a\r\n").starts_with("-ERR watched keys"));
  EXPECT_EQ(client.Send("WATCH b\r\nMULTI\r\n"), std::string("+OK\r\n+OK\r\n"));
  EXPECT(client.Call({"SET", "a", std::string(1000, 'x')}).starts_with("-ERR the commands behind MULTI"));
  EXPECT(client.Send("EXEC\r\n").starts_with("-EXECABORT"));
}

TEST(where_logs_are_isolated_a_pipeline_is_written_and_a_transaction_refused) {
  const std::string directory = TempDirectory();
  std::filesystem::create_directories(directory + "/db0");
  std::ofstream(directory + "/db0/zkdb.conf")
      << "[main]\nDatabase = test\nIsolated_Partitions = Yes\nPartitions = low; high\n"
         "[low]\nMaxLimit = k\nLimitStartPos = 1\n[high]\nMinLimit = l\nLimitStartPos = 1\n";
  TestServer server(directory, nullptr, 1);
  TestClient client(&server);
  EXPECT_EQ(client.Send("SET xa 1\r\nSET xz 2\r\nGET xa\r\nGET xz\r\n"),
            std::string("+OK\r\n+OK\r\n$1\r\n1\r\n$1\r\n2\r\n"));
  EXPECT(client.Send("MSET xa 3 xz 4\r\n").starts_with("-ZKDB_CROSS_PARTITION "));
  EXPECT(client.Send("MULTI\r\nSET xa 1\r\nEXEC\r\n").find("-EXECABORT Transaction discarded: ") != std::string::npos);
  EXPECT_EQ(client.Send("INCR xa\r\nGET xz\r\nEXEC\r\n"), std::string(":2\r\n$1\r\n2\r\n-ERR EXEC without MULTI\r\n"));
}

}  // namespace
}  // namespace zkdb::net::test
