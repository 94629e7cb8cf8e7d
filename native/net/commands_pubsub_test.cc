#include <thread>

#include "core/base/test.h"
#include "net/keyspace_events.h"
#include "net/session_test_util.h"
#include "net/write_group.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

std::string Confirmation(std::string_view kind, std::string_view name, int count, char head = '*') {
  return std::string(1, head) + "3\r\n" + Bulk(kind) + Bulk(name) + ":" + std::to_string(count) + "\r\n";
}

std::string MessageOf(std::string_view channel, std::string_view text, char head = '*') {
  return std::string(1, head) + "3\r\n" + Bulk("message") + Bulk(channel) + Bulk(text);
}

TEST(a_message_reaches_the_subscribers_of_its_channel_and_of_matching_patterns) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  TestClient c(&server, 3);
  EXPECT_EQ(a.Send("SUBSCRIBE news sport\r\n"),
            Confirmation("subscribe", "news", 1) + Confirmation("subscribe", "sport", 2));
  EXPECT_EQ(b.Send("PSUBSCRIBE n*\r\n"), Confirmation("psubscribe", "n*", 1));
  EXPECT_EQ(c.Send("PUBLISH news hello\r\nPUBLISH sport 1:0\r\nPUBLISH other x\r\n"),
            std::string(":2\r\n:1\r\n:0\r\n"));
  EXPECT_EQ(a.Messages(), MessageOf("news", "hello") + MessageOf("sport", "1:0"));
  EXPECT_EQ(b.Messages(), "*4\r\n" + Bulk("pmessage") + Bulk("n*") + Bulk("news") + Bulk("hello"));
  EXPECT_EQ(c.Messages(), std::string());
}

TEST(messages_are_pushes_in_resp3_where_a_subscriber_may_do_everything) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1);
  a.Send("HELLO 3\r\n");
  EXPECT_EQ(a.Send("SUBSCRIBE news\r\nSET k v\r\nPING\r\nPUBLISH news hello\r\n"),
            Confirmation("subscribe", "news", 1, '>') + "+OK\r\n+PONG\r\n:1\r\n");
  EXPECT_EQ(a.Messages(), MessageOf("news", "hello", '>'));
}

TEST(a_subscriber_of_resp2_may_do_little_else) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1);
  a.Send("SUBSCRIBE news\r\n");
  for (const char* line : {"GET a", "SET a 1", "PUBLISH news x", "MULTI", "HELLO 3"}) {
    EXPECT(a.Send(std::string(line) + "\r\n").starts_with("-ERR Can't execute '"));
  }
  EXPECT_EQ(a.Send("PING\r\nPING x\r\n"), "*2\r\n" + Bulk("pong") + Bulk("") + "*2\r\n" + Bulk("pong") + Bulk("x"));
  EXPECT_EQ(a.Send("UNSUBSCRIBE news\r\nSET a 1\r\nGET a\r\nPING\r\n"),
            Confirmation("unsubscribe", "news", 0) + "+OK\r\n$1\r\n1\r\n+PONG\r\n");
  EXPECT_EQ(a.Send("SUBSCRIBE news\r\nRESET\r\nGET a\r\n"),
            Confirmation("subscribe", "news", 1) + "+RESET\r\n$1\r\n1\r\n");
}

TEST(unsubscribing_ends_messages_also_those_on_their_way) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  a.Send("SUBSCRIBE x y\r\nPSUBSCRIBE x*\r\n");
  EXPECT_EQ(b.Send("PUBLISH x 1\r\n"), std::string(":2\r\n"));
  EXPECT_EQ(a.Send("UNSUBSCRIBE\r\n"), Confirmation("unsubscribe", "x", 2) + Confirmation("unsubscribe", "y", 1));
  EXPECT_EQ(a.Messages(), "*4\r\n" + Bulk("pmessage") + Bulk("x*") + Bulk("x") + Bulk("1"));
  EXPECT_EQ(a.Send("PUNSUBSCRIBE x* z\r\n"),
            Confirmation("punsubscribe", "x*", 0) + Confirmation("punsubscribe", "z", 0));
  EXPECT_EQ(a.Send("UNSUBSCRIBE\r\nPUNSUBSCRIBE\r\n"),
            "*3\r\n" + Bulk("unsubscribe") + "$-1\r\n:0\r\n*3\r\n" + Bulk("punsubscribe") + "$-1\r\n:0\r\n");
  EXPECT_EQ(b.Send("PUBLISH x 2\r\n"), std::string(":0\r\n"));
  EXPECT(server.pubsub()->idle());
}

TEST(a_client_that_is_gone_gets_nothing) {
  TestServer server(TempDirectory());
  TestClient(&server, 1).Send("SUBSCRIBE x\r\nPSUBSCRIBE *\r\n");
  EXPECT(server.pubsub()->idle());
  EXPECT_EQ(TestClient(&server, 2).Send("PUBLISH x 1\r\n"), std::string(":0\r\n"));
}

TEST(pubsub_tells_of_channels_and_their_subscribers) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  TestClient c(&server, 3);
  a.Send("SUBSCRIBE one two\r\nPSUBSCRIBE t*\r\n");
  b.Send("SUBSCRIBE two\r\nPSUBSCRIBE t* o*\r\n");
  EXPECT_EQ(c.Send("PUBSUB CHANNELS\r\nPUBSUB CHANNELS t*\r\n"),
            "*2\r\n" + Bulk("one") + Bulk("two") + "*1\r\n" + Bulk("two"));
  EXPECT_EQ(c.Send("PUBSUB NUMSUB two none\r\nPUBSUB NUMSUB\r\nPUBSUB NUMPAT\r\n"),
            "*4\r\n" + Bulk("two") + ":2\r\n" + Bulk("none") + ":0\r\n*0\r\n:2\r\n");
  EXPECT(c.Send("CLIENT LIST\r\n").find("flags=P db=0 sub=1 psub=2") != std::string::npos);
}

TEST(a_message_behind_multi_is_sent_when_the_transaction_is_committed) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  a.Send("SUBSCRIBE x\r\n");
  EXPECT_EQ(b.Send("MULTI\r\nPUBLISH x 1\r\nSUBSCRIBE x\r\nEXEC\r\n").substr(0, 16),
            std::string("+OK\r\n+QUEUED\r\n-E"));
  EXPECT_EQ(a.Messages(), std::string());
  b.Send("MULTI\r\nPUBLISH x 2\r\nDISCARD\r\n");
  EXPECT_EQ(a.Messages(), std::string());
  EXPECT_EQ(b.Send("MULTI\r\nPUBLISH x 3\r\nEXEC\r\n"), std::string("+OK\r\n+QUEUED\r\n*1\r\n:1\r\n"));
  EXPECT_EQ(a.Messages(), MessageOf("x", "3"));
}

TEST(a_subscriber_that_does_not_read_is_dropped) {
  TestServer server(TempDirectory());
  SessionLimits limits;
  limits.max_pushed = 1000;
  TestClient a(&server, 1, limits);
  TestClient b(&server, 2);
  a.Send("SUBSCRIBE x\r\n");
  for (int i = 0; i < 3; ++i) b.Call({"PUBLISH", "x", std::string(400, 'v')});
  const std::string two = MessageOf("x", std::string(400, 'v')) + MessageOf("x", std::string(400, 'v'));
  EXPECT(a.Messages() == two);
  EXPECT(a.session()->closing());
}

TEST(a_mailbox_keeps_so_much_and_says_when_something_is_lost) {
  TestMailbox mailbox(1000);
  PubSub hub;
  hub.Subscribe(&mailbox, 1, "x");
  hub.Subscribe(&mailbox, 2, "x");
  hub.Subscribe(&mailbox, 2, "x");
  bool lost = true;
  // A message counts once, however many get it.
  EXPECT_EQ(hub.Publish("x", std::string(600, 'v')), uint64_t{2});
  EXPECT(mailbox.Take(&lost).size() == 2 && !lost && mailbox.woken == 1);
  hub.Publish("x", std::string(600, 'v'));
  hub.Publish("x", std::string(600, 'v'));
  hub.Publish("x", "short");
  EXPECT(mailbox.Take(&lost).size() == 2 && lost && mailbox.woken == 2);
  EXPECT(mailbox.Take(&lost).empty() && !lost);
  hub.Publish("x", "short");
  EXPECT(mailbox.Take(&lost).size() == 2 && !lost && mailbox.woken == 3);
}

TEST(threads_that_publish_concurrently_reach_all_subscribers_in_one_order) {
  PubSub hub;
  TestMailbox first;
  TestMailbox second;
  hub.Subscribe(&first, 1, "x");
  hub.SubscribePattern(&second, 2, "*");
  std::vector<std::thread> threads;
  for (char name : {'a', 'b', 'c'}) {
    threads.emplace_back([&hub, name] {
      for (int i = 0; i < 500; ++i) hub.Publish("x", name + std::to_string(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  bool lost = false;
  const auto one = first.Take(&lost);
  const auto two = second.Take(&lost);
  EXPECT(!lost && one.size() == 1500 && two.size() == 1500);
  for (size_t i = 0; i < one.size() && i < two.size(); ++i) EXPECT(one[i].message == two[i].message);
}

TEST(names_of_channels_are_limited) {
  TestServer server(TempDirectory());
  SessionLimits limits;
  limits.max_subscribed = 1000;
  TestClient a(&server, 1, limits);
  EXPECT_EQ(a.Send("SUBSCRIBE a b\r\n"), Confirmation("subscribe", "a", 1) + Confirmation("subscribe", "b", 2));
  EXPECT(a.Call({"SUBSCRIBE", std::string(300, 'x')}).starts_with("-ERR the names of this connection's channels"));
  EXPECT_EQ(a.Send("UNSUBSCRIBE a\r\nSUBSCRIBE c\r\n"),
            Confirmation("unsubscribe", "a", 1) + Confirmation("subscribe", "c", 2));
}

TEST(names_of_channels_and_patterns_have_a_length) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1);
  EXPECT(a.Call({"PUBLISH", std::string(65600, 'x'), "text"}).starts_with("-ERR the name has 65600 bytes"));
  EXPECT(a.Call({"SUBSCRIBE", "a", std::string(65600, 'x')}).starts_with("-ERR the name has 65600 bytes"));
  EXPECT(a.Call({"PSUBSCRIBE", std::string(1025, '*')}).starts_with("-ERR the name has 1025 bytes"));
  EXPECT(server.pubsub()->idle());
  EXPECT(a.Call({"SUBSCRIBE", "__keyspace@0__:" + std::string(65535, 'x')}).starts_with("*3\r\n$9\r\nsubscribe"));
}

TEST(who_loses_the_right_to_a_channel_is_closed) {
  TestServer server(TempDirectory());
  const auto cart = MakeRights({kAllVerbs, true, {}, {"cart:"}, {}});
  TestClient a(&server, 1, {}, cart, "somebody");
  EXPECT_EQ(a.Send("SUBSCRIBE cart:1\r\n"), Confirmation("subscribe", "cart:1", 1));
  a.session()->ChangeRights("somebody", MakeRights({kAllVerbs, true, {}, {"cart:", "user:"}, {}}));
  EXPECT(!a.session()->closing());
  a.session()->ChangeRights("somebody", MakeRights({kVerbWrite, true, {}, {"cart:"}, {}}));
  EXPECT(a.session()->closing());
}

TEST(channels_of_others_are_neither_heard_nor_listed) {
  TestServer server(TempDirectory());
  TestClient all(&server, 1);
  TestClient a(&server, 2, {}, MakeRights({kAllVerbs, true, {}, {"cart:"}, {}}), "somebody");
  all.Send("SUBSCRIBE cart:1 user:1\r\n");
  EXPECT_EQ(a.Send("PUBSUB CHANNELS\r\nPUBSUB NUMSUB cart:1 user:1\r\n"),
            "*1\r\n" + Bulk("cart:1") + "*4\r\n" + Bulk("cart:1") + ":1\r\n" + Bulk("user:1") + ":0\r\n");
  for (const char* line :
       {"SUBSCRIBE user:1", "SUBSCRIBE cart:1 user:1", "PUBLISH user:1 x", "PSUBSCRIBE *", "PSUBSCRIBE cart*",
        "PSUBSCRIBE cart:* user:*", "SUBSCRIBE __keyspace@0__:user:1", "SUBSCRIBE __keyspace@1__:cart:1",
        "SUBSCRIBE __keyevent@0__:set", "PSUBSCRIBE __keyspace@0__:*", "PSUBSCRIBE __key*", "PSUBSCRIBE _*"}) {
    EXPECT(a.Send(std::string(line) + "\r\n").starts_with("-NOPERM"));
  }
  EXPECT_EQ(a.Send("PSUBSCRIBE __keyspace@0__:cart:*\r\n"), Confirmation("psubscribe", "__keyspace@0__:cart:*", 1));
}

// ---- keyspace events

constexpr uint32_t kAllEvents = kEventKeyspace | kEventKeyevent | kEventGeneric | kEventString;

std::string EventOf(const std::string& event, const std::string& key) {
  return MessageOf("__keyevent@0__:" + event, key);
}

TEST(writes_are_told_as_events_when_that_is_on) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  a.Send("SUBSCRIBE __keyevent@0__:set __keyevent@0__:del __keyspace@0__:k\r\n");
  b.Send("SET k 1\r\nDEL k\r\n");
  EXPECT_EQ(a.Messages(), std::string());
  server.events = kAllEvents;
  b.Send("SET k 1\r\n");
  EXPECT_EQ(a.Messages(), MessageOf("__keyspace@0__:k", "set") + EventOf("set", "k"));
  b.Send("MSET a 1 b 2\r\nINCR a\r\nAPPEND b x\r\nSETNX a 1\r\nSET c 3 XX\r\nGETDEL b\r\n");
  EXPECT_EQ(a.Messages(), EventOf("set", "a") + EventOf("set", "b") + EventOf("set", "a") + EventOf("set", "b") +
                              EventOf("del", "b"));
  b.Send("DEL none a none2\r\nDEL none\r\nZK.BATCH PUT a 1 DEL none DEL k PUTNX d 4\r\n");
  EXPECT_EQ(a.Messages(), EventOf("del", "a") + EventOf("set", "a") + MessageOf("__keyspace@0__:k", "del") +
                              EventOf("del", "k") + EventOf("set", "d"));
  b.Send("ZK.BATCH PUTNX d 5 PUT e 6\r\nSELECT 1\r\nSET k 1\r\nSELECT 0\r\nFLUSHDB\r\n");
  EXPECT_EQ(a.Messages(), std::string());
}

TEST(changes_of_when_keys_end_are_told_as_events) {
  TestServer server(TempDirectory());
  server.events = kAllEvents;
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  a.Send("SUBSCRIBE __keyevent@0__:set __keyevent@0__:expire __keyevent@0__:persist\r\n");
  b.Send("SETEX k 100 1\r\nEXPIRE k 200\r\nEXPIRE k 300 NX\r\nEXPIRE none 5\r\nPERSIST k\r\nPERSIST k\r\n");
  EXPECT_EQ(a.Messages(), EventOf("set", "k") + EventOf("expire", "k") + EventOf("persist", "k"));
  b.Send("ZK.BATCH EXPIRE k 4102444800000 0 EXPIRE none 4102444800000 0 AT 4102444800000 PUT l 1\r\n");
  EXPECT_EQ(a.Messages(), EventOf("expire", "k") + EventOf("set", "l"));
}

TEST(events_of_a_transaction_are_told_when_it_is_committed) {
  TestServer server(TempDirectory());
  server.events = kEventKeyevent | kEventString;
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  a.Send("SUBSCRIBE __keyevent@0__:set __keyevent@0__:del\r\n");
  b.Send("MULTI\r\nSET a 1\r\nDEL a\r\nSET b 2\r\nEXEC\r\n");
  EXPECT_EQ(a.Messages(), EventOf("set", "a") + EventOf("set", "b"));
  b.Send("WATCH a\r\nMULTI\r\nSET a 1\r\n");
  TestClient(&server, 3).Send("SET a other\r\n");
  EXPECT_EQ(a.Messages(), EventOf("set", "a"));
  EXPECT_EQ(b.Send("EXEC\r\n"), std::string("*-1\r\n"));
  EXPECT_EQ(a.Messages(), std::string());
}

TEST(writes_that_sessions_share_are_told_when_they_are_written) {
  TestServer server(TempDirectory());
  server.events = kAllEvents;
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  a.Send("PSUBSCRIBE __keyevent*\r\n");
  b.session()->ShareWrites();
  EXPECT_EQ(b.Receive("SET k 1\r\nSET l 2\r\n"), std::string());
  EXPECT_EQ(a.Messages(), std::string());
  std::vector<Session*> sessions = {b.session()};
  WriteTogether(&sessions);
  const std::string head = "*4\r\n" + Bulk("pmessage") + Bulk("__keyevent*") + Bulk("__keyevent@0__:set");
  EXPECT_EQ(a.Messages(), head + Bulk("k") + head + Bulk("l"));
}

}  // namespace
}  // namespace zkdb::net::test
