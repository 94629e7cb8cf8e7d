#include "net/expired_events.h"

#include <chrono>
#include <thread>

#include "core/base/test.h"
#include "net/keyspace_events.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

constexpr uint32_t kAllEvents = kEventKeyspace | kEventKeyevent | kEventExpired;

std::string MessageOf(std::string_view channel, std::string_view text) {
  return "*3\r\n" + Bulk("message") + Bulk(channel) + Bulk(text);
}

// Sweeps until so many records of the database have ended and were removed.
bool SweepUntil(zkdb_db* db, uint64_t expired) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end) {
    zkdb_db_stats stats{};
    // It counts them when it has told of them.
    if (zkdb_sweep(db, nullptr, nullptr) != ZKDB_OK || zkdb_stats(db, &stats, nullptr) != ZKDB_OK) return false;
    if (stats.expired == expired) return true;
    std::this_thread::yield();
  }
  return false;
}

TEST(keys_that_have_ended_are_told_as_events_of_their_database) {
  TestServer server(TempDirectory());
  ExpiredEvents events(server.pubsub(), kAllEvents);
  for (uint32_t i = 0; i < 2; ++i) EXPECT_EQ(events.Start(server.Database(i), i, nullptr), ZKDB_OK);
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  a.Send("SUBSCRIBE __keyspace@0__:k __keyevent@0__:expired __keyevent@1__:expired __keyspace@1__:k\r\n");
  b.Send("SET k 1 PX 1\r\n");
  EXPECT(SweepUntil(server.Database(0), 1));
  EXPECT_EQ(a.Messages(), MessageOf("__keyspace@0__:k", "expired") + MessageOf("__keyevent@0__:expired", "k"));
  b.Send("SELECT 1\r\nSET l 1 PX 1\r\n");
  EXPECT(SweepUntil(server.Database(1), 1));
  EXPECT_EQ(a.Messages(), MessageOf("__keyevent@1__:expired", "l"));
  events.Stop();
  b.Send("SET k 1 PX 1\r\n");
  EXPECT(SweepUntil(server.Database(1), 2));
  EXPECT_EQ(a.Messages(), std::string());
}

TEST(events_of_ended_keys_are_those_that_were_asked_for) {
  TestServer server(TempDirectory());
  const std::pair<uint32_t, std::string> cases[] = {
      {kEventKeyspace | kEventExpired, MessageOf("__keyspace@0__:k", "expired")},
      {kEventKeyevent | kEventExpired, MessageOf("__keyevent@0__:expired", "k")},
      {kEventKeyspace | kEventKeyevent | kEventGeneric | kEventString, ""},
      {kEventExpired, ""}};
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  a.Send("SUBSCRIBE __keyspace@0__:k __keyevent@0__:expired\r\n");
  uint64_t expired = 0;
  for (const auto& [classes, message] : cases) {
    ExpiredEvents events(server.pubsub(), classes);
    EXPECT_EQ(events.Start(server.Database(0), 0, nullptr), ZKDB_OK);
    b.Send("SET k 1 PX 1\r\n");
    EXPECT(SweepUntil(server.Database(0), ++expired));
    EXPECT_EQ(a.Messages(), message);
  }
}

TEST(events_of_ended_keys_need_the_rights_on_those_keys) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1, {}, MakeRights({kAllVerbs, true, {}, {"cart:"}, {}}), "somebody");
  EXPECT(a.Send("SUBSCRIBE __keyevent@0__:expired\r\n").starts_with("-NOPERM"));
  EXPECT(a.Send("SUBSCRIBE __keyspace@0__:user:1\r\n").starts_with("-NOPERM"));
  EXPECT(a.Send("SUBSCRIBE __keyspace@0__:cart:1\r\n").starts_with("*3"));
}

}  // namespace
}  // namespace zkdb::net::test
