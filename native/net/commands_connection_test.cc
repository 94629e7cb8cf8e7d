#include "core/base/test.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

constexpr const char* kOk = "+OK\r\n";

TEST(ping_echo_time_and_quit_answer) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("PING\r\nPING hi\r\nECHO yes\r\n"), std::string("+PONG\r\n$2\r\nhi\r\n$3\r\nyes\r\n"));
  EXPECT_EQ(client.Send("PING a b\r\n"), std::string("-ERR wrong number of arguments for 'ping' command\r\n"));
  EXPECT_EQ(client.Send("TIME\r\n"), std::string("*2\r\n$10\r\n1700000000\r\n$1\r\n1\r\n"));
  EXPECT_EQ(client.Send("QUIT\r\nPING\r\n"), std::string(kOk));
  EXPECT(client.closing());
}

TEST(hello_chooses_the_protocol) {
  TestServer server(TempDirectory());
  TestClient client(&server, 77);
  const std::string hello = client.Send("HELLO 3 SETNAME me\r\n");
  EXPECT(hello.starts_with("%7\r\n$6\r\nserver\r\n$4\r\nzkdb\r\n"));
  EXPECT(hello.find("$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:77\r\n") != std::string::npos);
  EXPECT_EQ(client.Send("GET none\r\nCLIENT GETNAME\r\n"), std::string("_\r\n$2\r\nme\r\n"));
  EXPECT(client.Send("HELLO 2\r\n").starts_with("*14\r\n"));
  EXPECT_EQ(client.Send("HELLO 4\r\n"), std::string("-NOPROTO unsupported protocol version\r\n"));
  EXPECT_EQ(client.Send("HELLO 3 FOO\r\nGET none\r\n"),
            std::string("-ERR Syntax error in HELLO option 'FOO'\r\n$-1\r\n"));
}

TEST(hello_logs_in_and_is_refused_without) {
  TestServer server(TempDirectory());
  server.needs_login = true;
  TestClient client(&server);
  EXPECT(client.Send("HELLO 3\r\n").starts_with("-NOAUTH HELLO must be called"));
  EXPECT(client.Send("HELLO 3 AUTH default no\r\n").starts_with("-WRONGPASS"));
  EXPECT(client.Send("HELLO 3 AUTH default secret SETNAME x\r\n").starts_with("%7"));
  EXPECT_EQ(client.Send("GET a\r\n"), std::string("_\r\n"));
}

TEST(auth_without_a_password_to_check_says_so) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT(client.Send("AUTH x\r\n").starts_with("-ERR AUTH <password> called without"));
  EXPECT_EQ(client.Send("AUTH default secret\r\nAUTH a b c\r\n"), std::string("+OK\r\n-ERR syntax error\r\n"));
}

TEST(select_chooses_a_database) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("SET a 0\r\nSELECT 1\r\nGET a\r\nSET a 1\r\nSELECT 0\r\nGET a\r\n"),
            std::string("+OK\r\n+OK\r\n$-1\r\n+OK\r\n+OK\r\n$1\r\n0\r\n"));
  EXPECT_EQ(client.Send("SELECT 2\r\nSELECT -1\r\nSELECT x\r\n"),
            std::string("-ERR DB index is out of range\r\n-ERR DB index is out of range\r\n"
                        "-ERR value is not an integer or out of range\r\n"));
}

TEST(select_takes_the_name_of_a_database) {
  // Both are called zkdb, after their file: the first one is meant.
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("SELECT 1\r\nSET a 1\r\nSELECT zkdb\r\nGET a\r\n"),
            std::string("+OK\r\n+OK\r\n+OK\r\n$-1\r\n"));
  EXPECT_EQ(client.session()->info().database, 0u);
}

TEST(reset_makes_a_connection_new) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  client.Send("HELLO 3 SETNAME me\r\nSELECT 1\r\nWATCH a\r\nMULTI\r\nSET a 1\r\n");
  EXPECT_EQ(client.Send("RESET\r\nEXEC\r\nCLIENT GETNAME\r\n"),
            std::string("+RESET\r\n-ERR EXEC without MULTI\r\n$-1\r\n"));
  EXPECT_EQ(client.session()->info().database, 0u);
  EXPECT_EQ(client.session()->info().watched, size_t{0});
}

TEST(client_shows_and_changes_what_is_known) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  EXPECT_EQ(a.Send("CLIENT ID\r\nCLIENT SETNAME alpha\r\nCLIENT SETINFO LIB-NAME lib\r\nCLIENT SETINFO lib-ver 1\r\n"),
            std::string(":1\r\n+OK\r\n+OK\r\n+OK\r\n"));
  b.Send("CLIENT SETNAME beta\r\n");
  const std::string info = a.Send("CLIENT INFO\r\n");
  EXPECT(info.find(
             "id=1 addr=127.0.0.1:5001 laddr=127.0.0.1:6379 name=alpha age=0 idle=0 flags=N db=0 sub=0 psub=0 multi=-1 "
             "watch=0 user=default lib-name=lib lib-ver=1 resp=2\n") != std::string::npos);
  const std::string list = a.Send("CLIENT LIST\r\n");
  EXPECT(list.find("name=alpha") != std::string::npos && list.find("name=beta") != std::string::npos);
  EXPECT(a.Send("CLIENT LIST ID 2\r\n").find("name=alpha") == std::string::npos);
  EXPECT_EQ(a.Send("CLIENT LIST TYPE pubsub\r\n"), std::string("$0\r\n\r\n"));
  EXPECT_EQ(a.Send("CLIENT NO-EVICT on\r\nCLIENT NO-EVICT maybe\r\n"), std::string("+OK\r\n-ERR syntax error\r\n"));
  EXPECT(a.Send("CLIENT INFO\r\n").find("flags=e ") != std::string::npos);
  EXPECT(a.Call({"CLIENT", "SETNAME", "a b"}).starts_with("-ERR Client names cannot contain"));
  EXPECT(a.Send("CLIENT FOO\r\n").starts_with("-ERR unknown subcommand 'FOO'"));
  EXPECT_EQ(a.Send("CLIENT ID 3\r\n"), std::string("-ERR wrong number of arguments for 'client|id' command\r\n"));
}

TEST(client_kill_closes_those_that_are_meant) {
  TestServer server(TempDirectory());
  TestClient a(&server, 1);
  TestClient b(&server, 2);
  a.Send("PING\r\n");
  b.Send("PING\r\n");
  EXPECT_EQ(a.Send("CLIENT KILL ID 2\r\nCLIENT KILL ID 9\r\n"), std::string(":1\r\n:0\r\n"));
  EXPECT_EQ(a.Send("CLIENT KILL 127.0.0.1:5002\r\n"), std::string(kOk));
  EXPECT_EQ(a.Send("CLIENT KILL 127.0.0.1:9\r\n"), std::string("-ERR No such client\r\n"));
  EXPECT_EQ(a.Send("CLIENT KILL USER default\r\n"), std::string(":1\r\n"));
  EXPECT_EQ(a.Send("CLIENT KILL ID 0\r\nCLIENT KILL ID 1 SKIPME\r\n"),
            std::string("-ERR client-id should be greater than 0\r\n-ERR syntax error\r\n"));
  EXPECT(!a.closing());
  EXPECT_EQ(a.Send("CLIENT KILL ID 1 SKIPME no\r\nPING\r\n"), std::string(":1\r\n"));
  EXPECT(a.closing());
}

TEST(command_describes_the_table) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  const std::string count = client.Send("COMMAND COUNT\r\n");
  EXPECT(count == ":" + std::to_string(AllCommands().size()) + "\r\n");
  EXPECT(client.Send("COMMAND\r\n").starts_with("*" + count.substr(1)));
  EXPECT_EQ(client.Send("COMMAND INFO get nope\r\n"),
            std::string("*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*2\r\n+@fast\r\n"
                        "+@read\r\n*0\r\n*0\r\n*0\r\n*-1\r\n"));
  EXPECT_EQ(client.Send("COMMAND DOCS get nope\r\n"),
            std::string("*2\r\n$3\r\nget\r\n*6\r\n$7\r\nsummary\r\n$19\r\nThe value of a key.\r\n$5\r\nsince\r\n$5\r\n"
                        "0.1.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n"));
  EXPECT(client.Send("COMMAND LIST\r\n").starts_with("-ERR unknown subcommand 'LIST'"));
}

}  // namespace
}  // namespace zkdb::net::test
