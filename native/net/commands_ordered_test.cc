#include <algorithm>
#include <set>

#include "core/base/test.h"
#include "net/record_reader.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

// The bulk strings of a flat reply, in order.
std::vector<std::string> Bulks(const std::string& reply) {
  std::vector<std::string> all;
  for (size_t at = 0; at < reply.size();) {
    const size_t line = reply.find("\r\n", at);
    if (reply[at] != '$' || reply[at + 1] == '-') {
      at = line + 2;
      continue;
    }
    const size_t size = std::stoul(reply.substr(at + 1));
    all.push_back(reply.substr(line + 2, size));
    at = line + 2 + size + 2;
  }
  return all;
}

void Fill(TestClient* client, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    const std::string number = std::to_string(1000 + i);
    bytes += Encode({"SET", (i % 2 == 0 ? "even:" : "odd:") + number, number});
  }
  client->Send(bytes);
}

// All keys that SCAN gives, with what happens between two calls.
std::vector<std::string> ScanAll(TestClient* client, const std::string& options, const std::string& between = "") {
  std::vector<std::string> keys;
  std::string cursor = "0";
  do {
    auto reply = Bulks(client->Send("SCAN " + cursor + " " + options + "\r\n"));
    if (reply.empty()) return {"error"};
    cursor = reply[0];
    keys.insert(keys.end(), reply.begin() + 1, reply.end());
    if (!between.empty()) client->Send(between);
  } while (cursor != "0");
  return keys;
}

TEST(scan_gives_every_key_once) {
  TestServer server(TempDirectory(), "4");
  TestClient client(&server);
  EXPECT_EQ(client.Send("SCAN 0\r\n"), std::string("*2\r\n$1\r\n0\r\n*0\r\n"));
  Fill(&client, 500);
  for (const char* options : {"", "COUNT 1", "COUNT 7", "COUNT 500", "COUNT 10000"}) {
    const auto keys = ScanAll(&client, options);
    EXPECT_EQ(keys.size(), size_t{500});
    EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), size_t{500});
  }
  EXPECT_EQ(ScanAll(&client, "MATCH odd:* COUNT 20").size(), size_t{250});
  EXPECT_EQ(ScanAll(&client, "MATCH *:1010").size(), size_t{1});
  EXPECT_EQ(ScanAll(&client, "TYPE string COUNT 90").size(), size_t{500});
  EXPECT_EQ(ScanAll(&client, "TYPE hash COUNT 90").size(), size_t{0});
}

TEST(a_scan_goes_on_while_keys_come_and_go) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  Fill(&client, 100);
  const auto keys = ScanAll(&client, "COUNT 9", "DEL even:1000 even:1016 even:1018\r\nSET aaa 1\r\n");
  const std::set<std::string> seen(keys.begin(), keys.end());
  EXPECT_EQ(seen.size(), keys.size());
  for (int i = 20; i < 100; ++i) {
    EXPECT(seen.count((i % 2 == 0 ? "even:" : "odd:") + std::to_string(1000 + i)) == 1);
  }
}

TEST(a_scan_cursor_is_good_on_other_connections_and_only_in_its_database) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  TestClient other(&server, 2);
  Fill(&client, 30);
  const std::string cursor = Bulks(client.Send("SCAN 0 COUNT 5\r\n"))[0];
  const std::string next = "SCAN " + cursor + " COUNT 5\r\n";
  const auto keys = [](const std::string& reply) {
    auto all = Bulks(reply);
    all.erase(all.begin());
    return all;
  };
  EXPECT(keys(other.Send(next)) == keys(client.Send(next)));
  EXPECT(other.Send("SELECT 1\r\n" + next).find("-ERR invalid cursor") != std::string::npos);
  EXPECT_EQ(client.Send("SCAN x\r\nSCAN -1\r\n"), std::string("-ERR invalid cursor\r\n-ERR invalid cursor\r\n"));
  EXPECT_EQ(client.Send("SCAN 0 COUNT\r\nSCAN 0 COUNT 0\r\nSCAN 0 FOO 1\r\nSCAN 0 COUNT x\r\n"),
            std::string("-ERR syntax error\r\n-ERR syntax error\r\n-ERR syntax error\r\n"
                        "-ERR value is not an integer or out of range\r\n"));
}

TEST(keys_dbsize_and_flushdb_work_on_the_selected_database) {
  TestServer server(TempDirectory(), "4");
  TestClient client(&server);
  Fill(&client, 20);
  EXPECT_EQ(Bulks(client.Send("KEYS even:*\r\n")).size(), size_t{10});
  EXPECT_EQ(client.Send("KEYS *:1003\r\nKEYS x*\r\nDBSIZE\r\n"), std::string("*1\r\n$8\r\nodd:1003\r\n*0\r\n:20\r\n"));
  EXPECT_EQ(client.Send("SELECT 1\r\nSET a 1\r\nFLUSHDB\r\nDBSIZE\r\nSELECT 0\r\nDBSIZE\r\n"),
            std::string("+OK\r\n+OK\r\n+OK\r\n:0\r\n+OK\r\n:20\r\n"));
  EXPECT_EQ(client.Send("FLUSHDB ASYNC\r\nDBSIZE\r\nFLUSHDB NOW\r\n"),
            std::string("+OK\r\n:0\r\n-ERR syntax error\r\n"));
}

TEST(a_range_is_read_in_order_from_both_ends) {
  TestServer server(TempDirectory(), "4");
  TestClient client(&server);
  client.Send("MSET a 1 b 2 c 3 d 4\r\n");
  const std::string end = "$-1\r\n";
  const auto keys = [](std::initializer_list<const char*> list) {
    std::string all = "*2\r\n*" + std::to_string(list.size()) + "\r\n";
    for (const char* key : list) all += "$1\r\n" + std::string(key) + "\r\n";
    return all;
  };
  EXPECT_EQ(client.Send("ZK.RANGE\r\n"), keys({"a", "1", "b", "2", "c", "3", "d", "4"}) + end);
  EXPECT_EQ(client.Send("ZK.RANGE GTE b LT d\r\n"), keys({"b", "2", "c", "3"}) + end);
  EXPECT_EQ(client.Send("ZK.RANGE gt b lte d KEYS\r\n"), keys({"c", "d"}) + end);
  EXPECT_EQ(client.Send("ZK.RANGE REVERSE VALUES LT d\r\n"), keys({"3", "2", "1"}) + end);
  EXPECT_EQ(client.Send("ZK.RANGE KEYS LIMIT 2\r\n"), keys({"a", "b"}) + "$1\r\nb\r\n");
  EXPECT_EQ(client.Send("ZK.RANGE KEYS LIMIT 2 GT b\r\nZK.RANGE LIMIT 0\r\n").substr(0, 22), keys({"c", "d"}));
  EXPECT_EQ(client.Send("ZK.RANGE LIMIT 0\r\n"), "*2\r\n*0\r\n" + end);
  for (const char* bad : {"ZK.RANGE GT\r\n", "ZK.RANGE KEYS VALUES\r\n", "ZK.RANGE LIMIT -1\r\n", "ZK.RANGE x\r\n",
                          "ZK.CLEAR LIMIT 1\r\n"}) {
    EXPECT_EQ(client.Send(bad), std::string("-ERR syntax error\r\n"));
  }
  EXPECT_EQ(client.Send("ZK.CLEAR GT a LT d\r\nKEYS *\r\nZK.CLEAR\r\n"),
            std::string(":2\r\n*2\r\n$1\r\na\r\n$1\r\nd\r\n:2\r\n"));
}

TEST(a_long_range_comes_in_pieces_that_join) {
  TestServer server(TempDirectory(), "4");
  SessionLimits limits;
  limits.pause_output = 4000;
  TestClient client(&server, 1, limits);
  Fill(&client, 500);
  for (const std::string direction : {"", " REVERSE"}) {
    std::vector<std::string> keys;
    std::string from;
    for (int pieces = 0; pieces < 500; ++pieces) {
      const std::string reply = client.Send("ZK.RANGE KEYS" + direction + from + "\r\n");
      auto piece = Bulks(reply);
      const bool more = !reply.ends_with("$-1\r\n");
      if (more) {
        from = (direction.empty() ? " GT " : " LT ") + piece.back();
        piece.pop_back();
      }
      keys.insert(keys.end(), piece.begin(), piece.end());
      if (!more) break;
      EXPECT(!piece.empty());
    }
    EXPECT_EQ(keys.size(), size_t{500});
    EXPECT(direction.empty() ? std::is_sorted(keys.begin(), keys.end()) : std::is_sorted(keys.rbegin(), keys.rend()));
  }
}

TEST(the_end_of_a_prefix_is_the_next_longer_key_that_does_not_have_it) {
  EXPECT_EQ(PrefixEnd("ab"), std::string("ac"));
  EXPECT_EQ(PrefixEnd("a\xff\xff"), std::string("b"));
  EXPECT_EQ(PrefixEnd("\xff"), std::string());
  EXPECT_EQ(PrefixEnd(""), std::string());
}

// ---- ZK.BATCH and figures

std::string Applied(int applied, uint64_t existed, int failed) {
  return "$7\r\napplied\r\n:" + std::to_string(applied) + "\r\n|$7\r\nexisted\r\n:" + std::to_string(existed) +
         "\r\n$6\r\nfailed\r\n:" + std::to_string(failed) + "\r\n";
}

// The reply of ZK.BATCH without its commit's number.
std::string WithoutSequence(std::string reply) {
  if (reply[0] != '*') return reply;
  const size_t at = reply.find("$8\r\nsequence\r\n");
  reply.replace(at, reply.find("$7\r\nexisted") - at, "|");
  return reply.substr(4);
}

TEST(a_batch_is_applied_whole_or_not_at_all) {
  TestServer server(TempDirectory(), "4");
  TestClient client(&server);
  const auto batch = [&](const std::string& operations) {
    return WithoutSequence(client.Send("ZK.BATCH " + operations + "\r\n"));
  };
  EXPECT_EQ(batch("PUT a 1 PUT b 2 PUTNX c 3 DEL none"), Applied(1, 0, -1));
  EXPECT_EQ(batch("PUT a 9 PUTNX b 9"),
            Applied(0, 1, 1).substr(0, 16) + WithoutSequence(client.Send("ZK.BATCH PUT a 9 PUTNX b 9\r\n")).substr(16));
  EXPECT_EQ(client.Send("MGET a b c\r\n"), std::string("*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"));
  EXPECT_EQ(batch("putif a 1 10 delif b 2 putxx c 30"), Applied(1, 3, -1));
  EXPECT_EQ(client.Send("MGET a b c\r\n"), std::string("*3\r\n$2\r\n10\r\n$-1\r\n$2\r\n30\r\n"));
  EXPECT_EQ(batch("DURABILITY commit NONATOMIC CLEAR a c PUT z 1"), Applied(1, 1, -1));
  EXPECT_EQ(client.Send("ZK.BATCH CLEAR '' '' \r\nDBSIZE\r\n").substr(0, 4), std::string("*8\r\n"));
  EXPECT(batch("PUT a").starts_with("-ERR ZK.BATCH: argument 1 begins no operation"));
  EXPECT(batch("PUT a 1 FOO b").starts_with("-ERR ZK.BATCH: argument 4 begins no operation"));
  EXPECT_EQ(batch("DURABILITY maybe PUT a 1"), std::string("-ERR syntax error\r\n"));
}

TEST(a_batch_says_when_records_end) {
  TestServer server(TempDirectory(), "2");
  TestClient client(&server);
  const std::string later = "4102444800000";  // the year 2100
  const auto batch = [&](const std::string& operations) {
    return WithoutSequence(client.Send("ZK.BATCH " + operations + "\r\n"));
  };
  const auto time_of = [&](const std::string& key) { return client.Send("PEXPIRETIME " + key + "\r\n"); };
  EXPECT_EQ(batch("AT " + later + " PUT a 1 AT 1 PUT gone 1 PUT b 2 at " + later + " putnx c 3"), Applied(1, 0, -1));
  EXPECT_EQ(client.Send("MGET a gone b c\r\n"), std::string("*4\r\n$1\r\n1\r\n$-1\r\n$1\r\n2\r\n$1\r\n3\r\n"));
  EXPECT_EQ(time_of("a"), ":" + later + "\r\n");
  EXPECT_EQ(batch("KEEPTIME PUT a 10 PUTXX c 30 AT " + later + " PUTIF b 2 20"), Applied(1, 3, -1));
  EXPECT_EQ(client.Send("MGET a b c\r\n"), std::string("*3\r\n$2\r\n10\r\n$2\r\n20\r\n$2\r\n30\r\n"));
  EXPECT_EQ(time_of("a"), ":" + later + "\r\n");
  EXPECT_EQ(time_of("b"), ":" + later + "\r\n");
  EXPECT_EQ(time_of("c"), std::string(":-1\r\n"));
  EXPECT_EQ(batch("EXPIRE a 0 0 EXPIRE b 5000 4 EXPIRE none 5000 0"), Applied(1, 1, -1));
  EXPECT_EQ(time_of("a"), std::string(":-1\r\n"));
  EXPECT_EQ(time_of("b"), ":" + later + "\r\n");
  EXPECT_EQ(batch("IN 100000 PUT in 1 in 0 PUT over 2 IN 9223372036854775807 PUTXX in 3"), Applied(0, 0, 2));
  EXPECT_EQ(batch("IN 100000 PUT in 1 in 0 PUT over 2"), Applied(1, 0, -1));
  const int64_t left = std::stoll(client.Send("PTTL in\r\n").substr(1));
  EXPECT(left > 0 && left <= 100000);
  EXPECT_EQ(time_of("over"), std::string(":-2\r\n"));
  EXPECT_EQ(batch("IN 9223372036854775807 PUTXX in 3"), Applied(1, 1, -1));
  EXPECT(time_of("in").starts_with(":9223372036854775"));
  for (const char* wrong : {"IN PUT a 1", "IN -1 PUT a 1", "IN 5", "IN 5 DEL a", "IN 5 AT 5 PUT a 1", "AT PUT a 1",
                            "AT x PUT a 1", "AT -1 PUT a 1", "AT 5", "KEEPTIME", "KEEPTIME DEL a", "AT 5 CLEAR a b",
                            "EXPIRE a 5", "EXPIRE a x 0", "EXPIRE a 5 16"}) {
    EXPECT(batch(wrong).starts_with("-ERR ZK.BATCH: argument 1 begins no operation"));
  }
}

TEST(figures_partitions_and_the_check_are_told) {
  TestServer server(TempDirectory(), "2");
  TestClient client(&server);
  Fill(&client, 50);
  EXPECT(client.Send("ZK.STAT\r\n").starts_with("*30\r\n$10\r\npartitions\r\n:2\r\n"));
  EXPECT(client.Send("ZK.STAT 1 FULL\r\n").starts_with("*30\r\n$7\r\nrecords\r\n:"));
  EXPECT(client.Send("ZK.STAT 2\r\n").starts_with("-ERR there is no such partition; the database has 2"));
  EXPECT_EQ(client.Send("ZK.STAT 0 ALL\r\n"), std::string("-ERR syntax error\r\n"));
  EXPECT(client.Send("ZK.PARTITIONS\r\n").starts_with("*2\r\n*8\r\n$5\r\nindex\r\n:0\r\n$4\r\nname\r\n"));
  EXPECT_EQ(client.Send("ZK.CHECK\r\n"), std::string("*0\r\n"));
  EXPECT_EQ(client.Send("ZK.SYNC\r\n"), std::string("+OK\r\n"));
  EXPECT_EQ(client.Send("ZK.ESTIMATE\r\n"), std::string(":50\r\n"));
  EXPECT_EQ(client.Send("ZK.ESTIMATE GT z LT a\r\n"), std::string(":0\r\n"));
  EXPECT_EQ(client.Send("ZK.ESTIMATE LIMIT 1\r\n"), std::string("-ERR syntax error\r\n"));
  client.Send("HELLO 3\r\n");
  EXPECT(client.Send("ZK.STAT\r\n").starts_with("%15\r\n"));
  const std::string exec =
      client.Send("MULTI\r\nZK.STAT 0\r\nZK.BATCH PUT q 1\r\nZK.RANGE LIMIT 1\r\nZK.CLEAR\r\nEXEC\r\n");
  EXPECT(exec.find("*4\r\n%15\r\n") != std::string::npos && exec.ends_with(":51\r\n"));
}

}  // namespace
}  // namespace zkdb::net::test
