#include "core/base/test.h"
#include "net/keyspace_events.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

TEST(config_get_gives_the_settings_that_match_one_of_the_patterns_by_name) {
  TestServer server(TempDirectory(), "1", 1);
  TestClient client(&server);
  EXPECT_EQ(client.Call({"CONFIG", "GET", "maxclients"}), "*2\r\n$10\r\nmaxclients\r\n$2\r\n12\r\n");
  EXPECT_EQ(client.Call({"config", "get", "SAVE", "append*"}),
            "*4\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n$4\r\nsave\r\n$0\r\n\r\n");
  EXPECT_EQ(client.Call({"CONFIG", "GET", "none"}), "*0\r\n");
  const std::string all = client.Call({"CONFIG", "GET", "*"});
  for (const char* name : {"appendonly", "maxclients", "maxmemory", "proto-max-bulk-len", "save", "timeout"}) {
    EXPECT(all.find(std::string("\r\n") + name + "\r\n") != std::string::npos);
  }
}

TEST(config_get_is_a_map_in_resp3) {
  TestServer server(TempDirectory(), "1", 1);
  TestClient client(&server);
  client.Call({"HELLO", "3"});
  EXPECT_EQ(client.Call({"CONFIG", "GET", "maxmemory"}), "%1\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n");
}

TEST(config_get_tells_which_keyspace_events_there_are_as_redis_does) {
  TestServer server(TempDirectory(), "1", 1);
  TestClient client(&server);
  const std::pair<uint32_t, std::string> cases[] = {{0, ""},
                                                    {kEventKeyspace | kEventExpired, "xK"},
                                                    {kEventKeyevent | kEventGeneric | kEventString, "g$E"},
                                                    {31, "AKE"}};
  for (const auto& [classes, letters] : cases) {
    server.events = classes;
    EXPECT_EQ(client.Call({"CONFIG", "GET", "notify-*"}), "*2\r\n" + Bulk("notify-keyspace-events") + Bulk(letters));
  }
}

TEST(config_changes_nothing_and_is_for_those_who_are_logged_in) {
  TestServer server(TempDirectory(), "1", 1);
  TestClient client(&server);
  EXPECT(client.Call({"CONFIG", "SET", "maxclients", "1"}).starts_with("-ERR CONFIG GET alone is known"));
  EXPECT(client.Call({"CONFIG", "GET"}).starts_with("-ERR wrong number of arguments"));
  server.needs_login = true;
  TestClient stranger(&server, 2);
  EXPECT(stranger.Call({"CONFIG", "GET", "*"}).starts_with("-NOAUTH"));
}

}  // namespace
}  // namespace zkdb::net::test
