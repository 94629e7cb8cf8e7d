// Fuzzes the session: bytes as a client may send them, in pieces that the input chooses. Whatever they are, the session
// stays within its limits, consumes no more than it was given, and the same bytes in one piece give the same replies.
//
// Input: byte 0 chooses the limits (bit 0: small ones), whether a login is needed (bit 1: its answer comes when more
// pieces have, and "default" may do everything, "a" only what begins with an a), and the size of the pieces
// (bits 2 to 7: 1 to 64 bytes; some also make the server one of a cluster). The rest is what the client sends, and its
// last byte also chooses the keyspace events. An input without a line end is taken as commands of the table: each of
// its bytes chooses a command or an argument.
#include <cctype>

#include "core/base/fuzz.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::FuzzInput;
using zkdb::test::TempDirectory;

SessionLimits SmallLimits() {
  SessionLimits limits;
  limits.parser = {2000, 200, 20, true};
  limits.pause_output = 300;
  limits.max_output = 300 + kOutputSlack;
  limits.max_queue = 500;
  limits.max_watched = 500;
  limits.max_snapshots = 2;
  limits.max_subscribed = 800;
  limits.max_pushed = 250;
  return limits;
}

// This server has the slots of "b", and not those of "a".
std::unique_ptr<const ClusterMap> HalfTheSlots() {
  std::unique_ptr<const ClusterMap> map;
  const std::string lines = std::string(40, 'a') + " h 1 0-8191\n" + std::string(40, 'b') + " g 2 8192-16383\n";
  EXPECT(ClusterMap::Parse(lines, &map).ok());
  return map;
}

// clang-format off
const char* const kWords[] = {
    "a", "b", "ab", "0", "1", "-1", "9223372036854775807", "", "NX", "XX", "GET", "EX", "MATCH", "a*", "*", "COUNT",
    "3", "GT", "GTE", "LT", "LTE", "REVERSE", "LIMIT", "KEYS", "VALUES", "PUT", "DEL", "CLEAR", "PUTIF", "DELIF",
    "PUTNX", "SETNAME", "ID", "KILL", "INFO", "LIST", "AUTH", "default", "secret", "2", "SNAPSHOT", "OPEN", "CLOSE",
    "TOUCH", "PIN",
    "1700000000000001", "1700000000000002", "CHANNELS", "NUMSUB", "NUMPAT", "SLOTS", "NODES", "SHARDS", "KEYSLOT",
    "USAGE", "RESET", "LEN", "__keyspace@0__:a", "__keyspace@0__:*", "__keyevent@0__:set", "{b}a",
};
// clang-format on

// Commands made of what the table and a few words hold, so that every handler is reached.
std::string MakeCommands(FuzzInput* input) {
  std::string bytes;
  while (!input->empty()) {
    const auto commands = AllCommands();
    const uint32_t count = input->Byte() % 7;
    bytes += "*" + std::to_string(count + 1) + "\r\n";
    std::string word(commands[input->Byte() % commands.size()].name);
    for (uint32_t i = 0;; ++i) {
      bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
      if (i == count) break;
      const uint8_t choice = input->Byte();
      word = choice >= 250 ? std::string((choice - size_t{249}) * 70, 'v') : kWords[choice % std::size(kWords)];
    }
  }
  return bytes;
}

// Sends `bytes` in pieces and checks what holds for every session. A login is answered three pieces after it.
std::string Play(TestServer* server, const SessionLimits& limits, std::string_view bytes, size_t piece) {
  server->pending_logins.clear();
  TestClient client(server, 1, limits);
  // Hears what the other one does, and is never asked anything.
  TestClient listener(server, 2);
  listener.Send("PSUBSCRIBE *\r\n");
  size_t pieces = 0;
  const size_t frame = std::max(limits.parser.frame_bytes, limits.before_login.frame_bytes);
  std::string replies;
  for (size_t at = 0; at < bytes.size() && !client.closing(); at += piece) {
    client.answers_logins = ++pieces % 4 == 0;
    replies += client.Send(bytes.substr(at, piece));
    // Messages come when they come: they are no replies.
    const std::string messages = client.closing() ? "" : client.Messages();
    EXPECT(messages.empty() || messages.ends_with("\r\n"));
    EXPECT(messages.size() <= limits.max_pushed);
    listener.Messages();
    EXPECT(client.most_output() <= limits.max_output);
    EXPECT(client.closing() || client.waiting() || client.unread() <= frame);
    EXPECT(client.closing() || client.waiting() == !server->pending_logins.empty());
    EXPECT(client.session()->wanted() <= frame);
  }
  client.answers_logins = true;
  return replies + client.Send("");
}

// Whether replies depend on what they may not be compared by: the clock, numbers of cursors and commits.
bool Comparable(std::string bytes) {
  for (char& c : bytes) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const char* word :
       {"TIME", "SCAN", "ZK.BATCH", "ZK.STAT", "CLIENT", "INFO", "SLOWLOG", "LASTSAVE", "SUBSCRIBE"}) {
    if (bytes.find(word) != std::string::npos) return false;
  }
  return true;
}

void RunOne(FuzzInput* input) {
  static const std::string directory = TempDirectory();
  static TestServer server(directory, "2");
  const uint8_t choice = input->Byte();
  const SessionLimits limits = (choice & 1) != 0 ? SmallLimits() : SessionLimits();
  server.needs_login = (choice & 2) != 0;
  server.users["a"] = MakeRights({kVerbRead | kVerbWrite | kVerbScan, false, {0}, {"a"}, {}});
  server.audited.clear();
  server.slow = std::make_unique<SlowLog>(0, 5);
  server.cluster_map = (choice >> 2) % 8 == 5 ? HalfTheSlots() : nullptr;
  const Slice rest = input->Rest();
  server.events = rest.empty() ? 0 : rest.data[rest.size - 1] % 32u;
  std::string bytes = rest.ToString();
  if (bytes.find('\n') == std::string::npos) {
    FuzzInput words(rest.data, rest.size);
    bytes = MakeCommands(&words);
  }
  const auto clear = [] {
    for (uint32_t i = 0; i < 2; ++i) {
      const uint8_t everything[ZKDB_OP_HEADER_SIZE] = {ZKDB_OP_DELETE_RANGE};
      EXPECT(zkdb_write(server.Database(i), everything, sizeof everything, ZKDB_DURABILITY_NONE, 0, nullptr, nullptr) ==
             ZKDB_OK);
    }
  };
  clear();
  const std::string pieces = Play(&server, limits, bytes, 1 + (choice >> 2));
  clear();
  const std::string whole = Play(&server, limits, bytes, std::max<size_t>(bytes.size(), 1));
  if (Comparable(bytes)) EXPECT(pieces == whole);
  EXPECT(pieces.empty() || pieces.ends_with("\r\n"));
}

}  // namespace
}  // namespace zkdb::net::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zkdb::test::FuzzInput input(data, size);
  zkdb::net::test::RunOne(&input);
  return 0;
}
