// The rights matrix: every command, with every set of verbs, with keys inside and outside of what the user may see,
// alone and behind MULTI. What each command needs stands here a second time, on purpose.
#include "net/permission.h"

#include <filesystem>
#include <fstream>
#include <set>

#include "core/base/test.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

enum class Touches { kNothing, kDatabase, kKey, kRange, kVisible, kEverything };

struct Sample {
  const char* line;   // as an inline command
  const char* verbs;  // r, w, s, a
  Touches touches;
};

// Keys are cart:*, and ranges end before cart;.
constexpr Sample kSamples[] = {
    {"APPEND cart:1 x", "rw", Touches::kKey},
    {"AUTH default wrong", "", Touches::kNothing},
    {"BGSAVE", "ra", Touches::kEverything},
    {"CLIENT ID", "", Touches::kNothing},
    {"CLIENT INFO", "", Touches::kNothing},
    {"CLIENT GETNAME", "", Touches::kNothing},
    {"CLIENT SETNAME me", "", Touches::kNothing},
    {"CLIENT SETINFO LIB-NAME me", "", Touches::kNothing},
    {"CLIENT LIST", "a", Touches::kNothing},
    {"CLIENT KILL ID 999", "a", Touches::kNothing},
    {"CLIENT NO-EVICT ON", "a", Touches::kNothing},
    {"CLIENT nonsense", "a", Touches::kNothing},
    {"CLUSTER KEYSLOT cart:1", "", Touches::kNothing},
    {"COMMAND COUNT", "", Touches::kNothing},
    {"CONFIG GET *", "", Touches::kNothing},
    {"DBSIZE", "s", Touches::kEverything},
    {"DECR cart:1", "rw", Touches::kKey},
    {"DECRBY cart:1 2", "rw", Touches::kKey},
    {"DEL cart:1", "w", Touches::kKey},
    {"DEL cart:1 cart:2", "w", Touches::kKey},
    {"DISCARD", "", Touches::kNothing},
    {"ECHO cart:1", "", Touches::kNothing},
    {"EXEC", "", Touches::kNothing},
    {"EXISTS cart:1", "r", Touches::kKey},
    {"EXPIRE cart:1 100", "w", Touches::kKey},
    {"EXPIREAT cart:1 9000000000 NX", "w", Touches::kKey},
    {"EXPIRETIME cart:1", "r", Touches::kKey},
    {"FLUSHDB", "ws", Touches::kEverything},
    {"GET cart:1", "r", Touches::kKey},
    {"GETDEL cart:1", "rw", Touches::kKey},
    {"GETEX cart:1 EX 100", "rw", Touches::kKey},
    {"HELLO 3", "", Touches::kNothing},
    {"INCR cart:1", "rw", Touches::kKey},
    {"INCRBY cart:1 2", "rw", Touches::kKey},
    {"INFO", "", Touches::kNothing},
    {"INFO keyspace", "", Touches::kNothing},
    {"KEYS *", "s", Touches::kVisible},
    {"LASTSAVE", "a", Touches::kDatabase},
    {"MEMORY USAGE cart:1", "r", Touches::kKey},
    {"MGET cart:1 cart:9", "r", Touches::kKey},
    {"MSET cart:1 a cart:2 b", "w", Touches::kKey},
    {"MULTI", "", Touches::kNothing},
    {"PERSIST cart:1", "w", Touches::kKey},
    {"PEXPIRE cart:1 100000", "w", Touches::kKey},
    {"PEXPIREAT cart:1 9000000000000", "w", Touches::kKey},
    {"PEXPIRETIME cart:1", "r", Touches::kKey},
    {"PING", "", Touches::kNothing},
    {"PSETEX cart:1 100000 x", "w", Touches::kKey},
    {"PSUBSCRIBE cart:*", "rs", Touches::kRange},
    {"PSUBSCRIBE cart:* cart:1", "rs", Touches::kRange},
    {"PSUBSCRIBE *", "rs", Touches::kEverything},
    {"PSUBSCRIBE __key*__:cart:1", "rs", Touches::kEverything},
    {"PSUBSCRIBE __keyspace@0__:cart:*", "rs", Touches::kRange},
    {"PTTL cart:1", "r", Touches::kKey},
    {"PUBLISH cart:1 x", "w", Touches::kKey},
    {"PUBSUB CHANNELS", "s", Touches::kVisible},
    {"PUBSUB NUMSUB cart:1 user:1", "s", Touches::kVisible},
    {"PUBSUB NUMPAT", "s", Touches::kVisible},
    {"PUNSUBSCRIBE", "", Touches::kNothing},
    {"QUIT", "", Touches::kNothing},
    {"RESET", "", Touches::kNothing},
    {"SCAN 0", "s", Touches::kVisible},
    {"SELECT 0", "", Touches::kDatabase},
    {"SET cart:1 x", "w", Touches::kKey},
    {"SET cart:1 x NX", "w", Touches::kKey},
    {"SET cart:1 GET", "w", Touches::kKey},
    {"SET cart:1 x GET", "rw", Touches::kKey},
    {"set cart:1 x xx get", "rw", Touches::kKey},
    {"SET cart:1 x EX 100 GET", "rw", Touches::kKey},
    {"SETEX cart:1 100 x", "w", Touches::kKey},
    {"SETNX cart:1 x", "w", Touches::kKey},
    {"SLOWLOG GET", "a", Touches::kEverything},
    {"SLOWLOG RESET", "a", Touches::kEverything},
    {"STRLEN cart:1", "r", Touches::kKey},
    {"SUBSCRIBE cart:1", "r", Touches::kKey},
    {"SUBSCRIBE cart:1 cart:2", "r", Touches::kKey},
    {"SUBSCRIBE __keyspace@0__:cart:1", "r", Touches::kKey},
    {"SUBSCRIBE __keyevent@0__:set", "rs", Touches::kEverything},
    {"TIME", "", Touches::kNothing},
    {"TTL cart:1", "r", Touches::kKey},
    {"TYPE cart:1", "r", Touches::kKey},
    {"UNLINK cart:1", "w", Touches::kKey},
    {"UNSUBSCRIBE", "", Touches::kNothing},
    {"UNWATCH", "", Touches::kNothing},
    {"WATCH cart:1", "r", Touches::kKey},
    {"ZK.BATCH PUT cart:1 x DEL cart:2", "w", Touches::kKey},
    {"ZK.BATCH DURABILITY NONE PUTNX cart:1 x PUTXX cart:2 y", "w", Touches::kKey},
    {"ZK.BATCH PUTIF cart:1 x y", "rw", Touches::kKey},
    {"ZK.BATCH PUT cart:2 x DELIF cart:1 x", "rw", Touches::kKey},
    {"ZK.BATCH PUT cart:1 x CLEAR cart:1 cart:5", "ws", Touches::kRange},
    {"ZK.CHECK", "ra", Touches::kEverything},
    {"ZK.CLEAR GTE cart: LT cart;", "ws", Touches::kRange},
    {"ZK.CLEAR GT cart:1 LTE cart:5", "ws", Touches::kRange},
    {"ZK.ESTIMATE GTE cart: LT cart;", "s", Touches::kRange},
    {"ZK.GET 1 cart:1 cart:2", "r", Touches::kKey},
    {"ZK.PARTITIONS", "r", Touches::kDatabase},
    {"ZK.RANGE GTE cart: LT cart; LIMIT 5", "rs", Touches::kRange},
    {"ZK.RANGE REVERSE LT cart:9 GT cart:1 KEYS", "rs", Touches::kRange},
    {"ZK.RANGE GTE cart: LT cart; SNAPSHOT 1", "rs", Touches::kRange},
    {"ZK.RANGE GTE cart: LT cart; PIN", "rs", Touches::kRange},
    {"ZK.SNAPSHOT OPEN", "r", Touches::kDatabase},
    {"ZK.SNAPSHOT CLOSE 1", "r", Touches::kDatabase},
    {"ZK.SNAPSHOT TOUCH 1", "r", Touches::kDatabase},
    {"ZK.PEXPIRETIME 1 cart:1", "r", Touches::kKey},
    {"ZK.STAT", "s", Touches::kEverything},
    {"ZK.STAT 0", "s", Touches::kEverything},
    {"ZK.SYNC", "w", Touches::kDatabase},
};

uint32_t VerbsFrom(const std::string& letters) {
  uint32_t verbs = 0;
  for (const char c : letters)
    verbs |= c == 'r' ? kVerbRead : c == 'w' ? kVerbWrite : c == 's' ? kVerbScan : kVerbAdmin;
  return verbs;
}

std::string_view NameOf(const Sample& sample) {
  const std::string_view line = sample.line;
  return line.substr(0, line.find(' '));
}

// Where a user's rights lie, seen from the keys of the samples.
struct Place {
  const char* name;
  Rights rights;
  bool database;
  bool key;
  bool range;
  bool everything;
};

std::vector<Place> Places() {
  return {
      {"every key", {0, true, {}, {}, {}}, true, true, true, true},
      {"prefix inside", {0, false, {0}, {"apple:", "cart:"}, {}}, true, true, true, false},
      {"prefix outside", {0, true, {}, {"cart:11", "user:"}, {}}, true, false, false, false},
      {"partition inside", {0, true, {}, {}, {"low"}}, true, true, false, false},
      {"partition outside", {0, true, {}, {}, {"high", "nowhere"}}, true, false, false, false},
      {"prefix inside, partition outside", {0, true, {}, {"cart:"}, {"high"}}, true, false, false, false},
      {"prefix outside, partition inside", {0, true, {}, {"user:"}, {"low"}}, true, false, false, false},
      {"another database", {0, false, {1, 7}, {}, {}}, false, false, false, false},
  };
}

// The words that refuse the sample, or nothing.
std::string Refusal(const Sample& sample, uint32_t verbs, const Place& place) {
  const uint32_t needed = VerbsFrom(sample.verbs);
  if ((verbs & needed) != needed) return "-NOPERM this user has no permissions to run the '";
  if (sample.touches == Touches::kNothing) return "";
  if (!place.database) return "-NOPERM this user has no permissions to access the database";
  const bool inside = sample.touches == Touches::kKey          ? place.key
                      : sample.touches == Touches::kRange      ? place.range
                      : sample.touches == Touches::kEverything ? place.everything
                                                               : true;
  return inside ? "" : "-NOPERM this user has no permissions to access one of the keys used as arguments";
}

// Partitions by the first byte: a..k and l..z.
std::string MakeLowAndHigh() {
  const std::string directory = TempDirectory();
  for (const char* db : {"/db0", "/db1"}) {
    std::filesystem::create_directories(directory + db);
    std::ofstream(directory + db + "/zkdb.conf") << "[main]\nDatabase = test\nPartitions = low; high\n"
                                                    "[low]\nMaxLimit = k\n[high]\nMinLimit = l\n";
  }
  return directory;
}

std::string Dump(TestServer* server) { return TestClient(server, 900).Send("ZK.RANGE\r\n"); }

void Fill(TestServer* server) {
  TestClient(server, 900).Send("FLUSHDB\r\nMSET apple:1 0 cart:1 1 cart:2 2 user:1 3 zoo 4\r\n");
}

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

class Matrix {
 public:
  explicit Matrix(TestServer* server) : server_(server) { Renew(); }

  void Check(const Sample& sample, uint32_t verbs, const Place& place) {
    Rights rights = place.rights;
    rights.verbs = verbs;
    rights_ = MakeRights(std::move(rights));
    refusal_ = Refusal(sample, verbs, place);
    const std::string line = std::string(sample.line) + "\r\n";
    const bool good = Alone(line) && Together(line) && BehindMulti(sample, line);
    if (!good) {
      EXPECT_EQ(std::string(sample.line) + " with verbs " + std::to_string(verbs) + ", " + place.name, std::string());
    }
    if (refusal_.empty() && (VerbsFrom(sample.verbs) & (kVerbWrite | kVerbAdmin)) != 0) Renew();
  }

 private:
  void Renew() {
    Fill(server_);
    full_ = Dump(server_);
  }
  TestClient Client() { return TestClient(server_, 1, {}, rights_, "somebody"); }

  bool Alone(const std::string& line) {
    const std::string reply = Client().Send(line);
    if (refusal_.empty()) return EXPECT(CountOf(reply, "NOPERM") == 0);
    return EXPECT(reply.starts_with(refusal_)) && EXPECT_EQ(CountOf(reply, "\r\n"), size_t{1}) &&
           EXPECT_EQ(Dump(server_), full_);
  }

  // As a pipeline, where GETs and SETs are gathered.
  bool Together(const std::string& line) {
    const std::string reply = Client().Send(line + line + line);
    if (refusal_.empty()) return EXPECT(CountOf(reply, "NOPERM") == 0);
    return EXPECT_EQ(CountOf(reply, refusal_), size_t{3}) && EXPECT_EQ(Dump(server_), full_);
  }

  bool BehindMulti(const Sample& sample, const std::string& line) {
    const Command& command = *FindCommand(NameOf(sample));
    TestClient client = Client();
    const std::string reply = client.Send("MULTI\r\n" + line).substr(5);
    if ((command.flags & kNoMulti) != 0) return EXPECT(reply.starts_with("-ERR Command not allowed inside"));
    if (!refusal_.empty()) {
      return EXPECT(reply.starts_with(refusal_)) && EXPECT(client.Send("EXEC\r\n").starts_with("-EXECABORT")) &&
             EXPECT_EQ(Dump(server_), full_);
    }
    if ((command.flags & kAtOnce) != 0) return EXPECT(CountOf(reply, "NOPERM") == 0);
    return EXPECT_EQ(reply, std::string("+QUEUED\r\n")) && EXPECT(CountOf(client.Send("EXEC\r\n"), "NOPERM") == 0);
  }

  TestServer* const server_;
  std::shared_ptr<const Rights> rights_;
  std::string refusal_;
  std::string full_;
};

TEST(every_command_has_a_sample_in_the_matrix) {
  std::set<std::string_view> sampled;
  for (const Sample& sample : kSamples) sampled.insert(FindCommand(NameOf(sample))->name);
  for (const Command& command : AllCommands()) {
    if (!sampled.contains(command.name)) EXPECT_EQ(std::string(command.name), std::string("in kSamples"));
  }
}

TEST(rights_are_held_against_every_command_in_every_way) {
  TestServer server(MakeLowAndHigh(), nullptr);
  Matrix matrix(&server);
  for (const Sample& sample : kSamples) {
    for (const Place& place : Places()) {
      for (uint32_t verbs = 0; verbs <= kAllVerbs; ++verbs) matrix.Check(sample, verbs, place);
    }
  }
}

TEST(one_key_of_others_refuses_the_whole_command) {
  TestServer server(MakeLowAndHigh(), nullptr);
  Fill(&server);
  const std::string full = Dump(&server);
  TestClient client(&server, 1, {}, MakeRights({kAllVerbs, true, {}, {"cart:"}, {}}), "somebody");
  for (const char* line :
       {"MGET cart:1 user:1", "MGET user:1 cart:1", "MSET cart:1 x user:1 y", "MSET user:1 x cart:1 y",
        "DEL cart:1 zoo", "EXISTS cart:1 cart:2 cart", "WATCH cart:1 user:1", "ZK.BATCH PUT cart:1 x PUT user:1 y",
        "ZK.BATCH NONATOMIC CLEAR cart: cart; PUT car x", "ZK.BATCH CLEAR cart: \"\"", "ZK.BATCH CLEAR cart:1 cart;x",
        "ZK.RANGE", "ZK.RANGE GT cart", "ZK.RANGE GTE cart: LTE cart;", "ZK.RANGE LT cart;", "ZK.CLEAR",
        "ZK.RANGE GTE cart: LT cart; LT zoo", "ZK.CLEAR GTE cart: GTE a LT cart;"}) {
    EXPECT_EQ(client.Send(std::string(line) + "\r\n"),
              std::string("-NOPERM this user has no permissions to access one of the keys used as arguments\r\n"));
  }
  EXPECT_EQ(Dump(&server), full);
}

TEST(a_refusal_does_not_tell_whether_the_key_is_there) {
  TestServer server(MakeLowAndHigh(), nullptr);
  Fill(&server);
  TestClient client(&server, 1, {}, MakeRights({kAllVerbs, true, {}, {"cart:"}, {}}), "somebody");
  for (const char* command : {"GET ", "EXISTS ", "INCR ", "TYPE ", "GETDEL "}) {
    EXPECT_EQ(client.Send(std::string(command) + "user:1\r\n"), client.Send(std::string(command) + "user:none\r\n"));
  }
}

TEST(malformed_arguments_are_refused_by_rights_or_by_their_command_and_change_nothing) {
  TestServer server(MakeLowAndHigh(), nullptr);
  Fill(&server);
  const std::string full = Dump(&server);
  TestClient client(&server, 1, {}, MakeRights({kAllVerbs, true, {}, {"cart:"}, {}}), "somebody");
  for (const char* line : {"ZK.BATCH PUT cart:1", "ZK.BATCH NOTHING user:1", "ZK.BATCH DURABILITY PUT user:1 x",
                           "ZK.BATCH PUT cart:1 x PUT user:1", "ZK.CLEAR GT", "ZK.CLEAR cart:", "ZK.CLEAR KEYS LT a",
                           "ZK.RANGE LIMIT", "ZK.RANGE LIMIT x GT a", "MSET cart:1 x user:1", "SELECT x", "SCAN x"}) {
    EXPECT(client.Send(std::string(line) + "\r\n").starts_with("-"));
  }
  EXPECT_EQ(Dump(&server), full);
}

TEST(scan_and_keys_show_what_the_user_may_see) {
  TestServer server(MakeLowAndHigh(), nullptr);
  Fill(&server);
  const auto scan = MakeRights({kVerbScan, true, {}, {"cart:", "user:"}, {}});
  TestClient prefixes(&server, 1, {}, scan, "p");
  TestClient partition(&server, 2, {}, MakeRights({kVerbScan, true, {}, {}, {"high"}}), "q");
  EXPECT_EQ(prefixes.Send("KEYS *\r\n"), std::string("*3\r\n$6\r\ncart:1\r\n$6\r\ncart:2\r\n$6\r\nuser:1\r\n"));
  EXPECT_EQ(prefixes.Send("KEYS a*\r\nKEYS *:1\r\n"), std::string("*0\r\n*2\r\n$6\r\ncart:1\r\n$6\r\nuser:1\r\n"));
  EXPECT_EQ(partition.Send("KEYS *\r\n"), std::string("*2\r\n$6\r\nuser:1\r\n$3\r\nzoo\r\n"));
  EXPECT_EQ(partition.Send("SCAN 0\r\n"), std::string("*2\r\n$1\r\n0\r\n*2\r\n$6\r\nuser:1\r\n$3\r\nzoo\r\n"));
  EXPECT_EQ(prefixes.Send("SCAN 0 COUNT 9\r\n"),
            std::string("*2\r\n$1\r\n0\r\n*3\r\n$6\r\ncart:1\r\n$6\r\ncart:2\r\n$6\r\nuser:1\r\n"));
}

TEST(a_scan_in_steps_shows_each_visible_key_once_however_many_others_there_are) {
  TestServer server(TempDirectory(), "4");
  TestClient writer(&server, 900);
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    const std::string n = std::to_string(i);
    for (const char* name : {"a:", "b:", "c:", "d:", "e:"}) bytes += Encode({"SET", name + n, n});
  }
  writer.Send(bytes);
  const auto check = [&](TestClient* client, int count, size_t wanted) {
    std::multiset<std::string> seen;
    std::string cursor = "0";
    do {
      const std::string reply = client->Call({"SCAN", cursor, "COUNT", std::to_string(count)});
      const size_t line = reply.find("\r\n", 5);
      cursor = reply.substr(line + 2, reply.find("\r\n", line + 2) - line - 2);
      size_t keys = 0;
      for (size_t at = reply.find("\r\n*") + 3; (at = reply.find(':', at)) != std::string::npos; ++at, ++keys) {
        seen.insert(reply.substr(at - 1, reply.find("\r\n", at) - at + 1));
      }
      EXPECT(keys <= static_cast<size_t>(count));
    } while (cursor != "0");
    EXPECT_EQ(seen.size(), wanted);
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), wanted);
    for (const std::string& key : seen) EXPECT(client->session()->access().Sees(key));
  };
  for (const int count : {1, 7, 299, 300, 301, 600, 5000}) {
    TestClient two(&server, 1, {}, MakeRights({kVerbScan, true, {}, {"b:", "d:"}, {}}), "two");
    check(&two, count, 600);
    TestClient some(&server, 2, {}, MakeRights({kVerbScan, true, {}, {}, {"p001", "p002"}}), "some");
    size_t own = 0;
    for (int i = 0; i < 300; ++i) {
      for (const char* name : {"a:", "b:", "c:", "d:", "e:"})
        own += some.session()->access().Sees(name + std::to_string(i));
    }
    EXPECT(own > 300 && own < 1200);
    check(&some, count, own);
  }
}

TEST(a_scan_cursor_means_nothing_to_another_user) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1, {}, FullRights(), "a");
  TestClient b(&server, 2, {}, FullRights(), "b");
  TestClient a2(&server, 3, {}, FullRights(), "a");
  a.Send("MSET x 1 y 2\r\n");
  const std::string reply = a.Send("SCAN 0 COUNT 1\r\n");
  const size_t line = reply.find("\r\n", 5);
  const std::string cursor = reply.substr(line + 2, reply.find("\r\n", line + 2) - line - 2);
  EXPECT(b.Call({"SCAN", cursor}).starts_with("-ERR invalid cursor"));
  EXPECT_EQ(a2.Call({"SCAN", cursor}), std::string("*2\r\n$1\r\n0\r\n*1\r\n$1\r\ny\r\n"));
}

// ---- rights that change

TEST(exec_asks_again_for_each_command) {
  TestServer server(MakeLowAndHigh(), nullptr);
  TestClient client(&server, 1, {}, MakeRights({kAllVerbs, true, {}, {}, {}}), "u");
  client.Send("MULTI\r\nSET cart:1 1\r\nSET user:1 2\r\nGET cart:1\r\n");
  client.session()->ChangeRights("u", MakeRights({kVerbWrite, true, {}, {"cart:"}, {}}));
  EXPECT_EQ(client.Send("EXEC\r\n"),
            std::string("*3\r\n+OK\r\n-NOPERM this user has no permissions to access one of the keys used as "
                        "arguments\r\n-NOPERM this user has no permissions to run the 'get' command\r\n"));
  EXPECT_EQ(TestClient(&server, 2).Send("MGET cart:1 user:1\r\n"), std::string("*2\r\n$1\r\n1\r\n$-1\r\n"));
}

TEST(keys_that_were_watched_with_other_rights_count_as_changed) {
  TestServer server(MakeLowAndHigh(), nullptr);
  const auto few = MakeRights({kVerbWrite, true, {}, {"cart:"}, {}});
  TestClient client(&server, 1, {}, FullRights(), "u");
  client.Send("WATCH user:1\r\n");
  client.session()->ChangeRights("u", few);
  EXPECT_EQ(client.Send("MULTI\r\nSET cart:1 1\r\nEXEC\r\n"), std::string("+OK\r\n+QUEUED\r\n*-1\r\n"));
  EXPECT_EQ(client.Send("MULTI\r\nSET cart:1 1\r\nEXEC\r\n"), std::string("+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"));
  server.users["v"] = few;
  TestClient other(&server, 2, {}, FullRights(), "u");
  EXPECT_EQ(other.Send("WATCH user:1\r\nAUTH v secret\r\nMULTI\r\nSET cart:1 1\r\nEXEC\r\n"),
            std::string("+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n"));
}

TEST(rights_change_for_their_user_alone_and_a_user_who_is_gone_is_out) {
  TestServer server(TempDirectory());
  const auto none = MakeRights({0, true, {}, {}, {}});
  server.users["u"] = FullRights();
  TestClient client(&server, 1, {}, FullRights(), "certified");
  EXPECT_EQ(client.Send("AUTH u secret\r\nGET a\r\n"), std::string("+OK\r\n$-1\r\n"));
  client.session()->ChangeRights("somebody", nullptr);
  client.session()->ChangeRights("certified", none);
  EXPECT_EQ(client.Send("GET a\r\n"), std::string("$-1\r\n"));
  EXPECT_EQ(client.Send("RESET\r\nGET a\r\n"),
            std::string("+RESET\r\n-NOPERM this user has no permissions to run the 'get' command\r\n"));
  client.session()->ChangeRights("certified", nullptr);
  EXPECT_EQ(client.Send("PING\r\n"), std::string());
  EXPECT(client.closing());
}

TEST(select_refuses_databases_of_others_whether_they_are_there_or_not) {
  TestServer server(TempDirectory());
  TestClient client(&server, 1, {}, MakeRights({kAllVerbs, false, {1, 5}, {}, {}}), "u");
  const std::string refused = "-NOPERM this user has no permissions to access the database\r\n";
  EXPECT_EQ(client.Send("GET a\r\nSELECT 0\r\nSELECT 9\r\nSELECT 1\r\nGET a\r\nSELECT 5\r\nSELECT x\r\n"),
            refused + refused + refused + "+OK\r\n$-1\r\n-ERR DB index is out of range\r\n" +
                "-ERR value is not an integer or out of range\r\n");
}

}  // namespace
}  // namespace zkdb::net::test
