#include "core/base/test.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

constexpr const char* kWrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
constexpr const char* kNoAuth = "-NOAUTH Authentication required.\r\n";

class LoginServer : public TestServer {
 public:
  LoginServer() : TestServer(TempDirectory()) { needs_login = true; }
};

TEST(commands_behind_a_login_wait_for_its_outcome) {
  LoginServer server;
  TestClient client(&server);
  client.answers_logins = false;
  EXPECT_EQ(client.Send("GET a\r\nAUTH default secret\r\nSET a 1\r\nGET a\r\n"), std::string(kNoAuth));
  EXPECT(client.waiting());
  EXPECT_EQ(client.unread(), std::string("SET a 1\r\nGET a\r\n").size());
  EXPECT_EQ(client.Send("PING\r\n"), std::string());
  EXPECT(client.waiting() && !client.session()->logged_in());
  EXPECT(server.AnswerLogin(client.session()) && !server.AnswerLogin(client.session()));
  EXPECT_EQ(client.Send(""), std::string("+OK\r\n+OK\r\n$1\r\n1\r\n+PONG\r\n"));
  EXPECT_EQ(client.unread(), size_t{0});
}

TEST(commands_behind_a_refused_login_are_refused) {
  LoginServer server;
  TestClient client(&server);
  EXPECT_EQ(client.Send("AUTH default no\r\nSET a 1\r\nAUTH nobody secret\r\nPING\r\nAUTH secret\r\nGET a\r\n"),
            std::string(kWrong) + kNoAuth + kWrong + kNoAuth + "+OK\r\n$-1\r\n");
}

TEST(a_login_that_cannot_be_checked_says_so_and_may_come_again) {
  LoginServer server;
  TestClient client(&server);
  client.answers_logins = false;
  client.Send("AUTH default secret\r\n");
  client.session()->FinishLogin(LoginVerdict::kFailed);
  EXPECT_EQ(client.Send("GET a\r\n"),
            std::string("-ERR the login could not be checked now; try again later\r\n") + kNoAuth);
  client.answers_logins = true;
  EXPECT_EQ(client.Send("AUTH default secret\r\n"), std::string("+OK\r\n"));
}

// Every way to cut the input into three, with the answer to the login before or after the next piece.
TEST(a_login_in_pieces_of_any_size_gives_the_same_replies) {
  LoginServer server;
  server.users["u"] = MakeRights({kVerbRead, true, {}, {"a"}, {}});
  const std::string bytes = "PING\r\n" + Encode({"HELLO", "3", "AUTH", "u", "secret"}) +
                            "GET a\r\nAUTH u no\r\nGET b\r\nAUTH secret\r\nGET b\r\n";
  TestClient whole(&server, 1);
  const std::string expected = whole.Send(bytes);
  EXPECT(expected.starts_with(std::string(kNoAuth) + "%7\r\n"));
  EXPECT(expected.ends_with("_\r\n" + std::string(kWrong) +
                            "-NOPERM this user has no permissions to access one of the "
                            "keys used as arguments\r\n+OK\r\n_\r\n"));
  for (const bool late : {false, true}) {
    for (size_t i = 0; i <= bytes.size(); ++i) {
      for (size_t j = i; j <= bytes.size(); ++j) {
        TestClient client(&server, 1);
        client.answers_logins = !late;
        std::string replies = client.Send(bytes.substr(0, i));
        replies += client.Send(bytes.substr(i, j - i));
        client.answers_logins = true;
        replies += client.Send(bytes.substr(j));
        if (replies != expected) EXPECT_EQ(std::to_string(i) + "," + std::to_string(j) + ": " + replies, expected);
      }
    }
  }
}

TEST(a_failed_login_leaves_the_user_who_was_there) {
  LoginServer server;
  server.users["u"] = MakeRights({kVerbRead, true, {}, {}, {}});
  TestClient client(&server);
  EXPECT_EQ(client.Send("AUTH u secret\r\nAUTH default no\r\nGET a\r\nSET a 1\r\n"),
            std::string("+OK\r\n") + kWrong + "$-1\r\n" +
                "-NOPERM this user has no permissions to run the 'set' command\r\n");
  EXPECT_EQ(client.session()->info().user, std::string("u"));
}

TEST(hello_changes_protocol_and_name_when_its_login_is_welcome) {
  LoginServer server;
  TestClient client(&server);
  client.answers_logins = false;
  EXPECT_EQ(client.Send("HELLO 3 SETNAME me AUTH default secret\r\n"), std::string());
  EXPECT_EQ(client.session()->info().protocol, 2);
  EXPECT(client.session()->info().name.empty());
  server.AnswerLogin(client.session());
  EXPECT(client.Send("").starts_with("%7\r\n"));
  EXPECT_EQ(client.session()->info().name, std::string("me"));
  client.answers_logins = true;
  EXPECT_EQ(client.Send("HELLO 2 AUTH default no\r\nGET a\r\n"), std::string(kWrong) + "_\r\n");
  EXPECT_EQ(
      client.Send("HELLO 2 AUTH default\r\nHELLO 2 AUTH default secret NONSENSE\r\n"),
      std::string("-ERR Syntax error in HELLO option 'AUTH'\r\n-ERR Syntax error in HELLO option 'NONSENSE'\r\n"));
  EXPECT(server.pending_logins.empty());
}

TEST(names_and_passwords_that_are_too_long_are_refused_without_asking) {
  LoginServer server;
  TestClient client(&server);
  client.answers_logins = false;
  EXPECT_EQ(client.Call({"AUTH", std::string(257, 'u'), "secret"}), std::string(kWrong));
  EXPECT(!client.waiting() && server.pending_logins.empty());
  EXPECT_EQ(server.audited.back().user.size(), size_t{256});
  client.answers_logins = true;
  EXPECT_EQ(client.Call({"AUTH", "default", "secret"}), std::string("+OK\r\n"));
  EXPECT_EQ(client.Call({"AUTH", "default", std::string(5000, 'p')}) + client.Call({"GET", "a"}),
            std::string(kWrong) + "$-1\r\n");
}

TEST(a_login_behind_multi_is_not_asked) {
  LoginServer server;
  TestClient client(&server);
  EXPECT_EQ(
      client.Send("AUTH secret\r\nMULTI\r\nAUTH secret\r\nHELLO 3 AUTH default secret\r\nEXEC\r\n"),
      std::string("+OK\r\n+OK\r\n-ERR Command not allowed inside a transaction\r\n-ERR Command not allowed inside "
                  "a transaction\r\n-EXECABORT Transaction discarded because of previous errors.\r\n"));
}

TEST(after_reset_the_login_is_gone) {
  LoginServer server;
  TestClient client(&server);
  EXPECT_EQ(client.Send("AUTH secret\r\nSET a 1\r\nMULTI\r\nGET a\r\nRESET\r\nGET a\r\nMULTI\r\n"),
            std::string("+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n+RESET\r\n") + kNoAuth + kNoAuth);
}

TEST(a_certificate_makes_a_connection_its_user_until_it_logs_in_as_another) {
  LoginServer server;
  const auto reader = MakeRights({kVerbRead, true, {}, {}, {}});
  TestClient client(&server, 1, {}, reader, "certified");
  EXPECT_EQ(
      client.Send("GET a\r\nSET a 1\r\nAUTH secret\r\nSET a 1\r\nRESET\r\nSET a 2\r\nGET a\r\n"),
      std::string("$-1\r\n-NOPERM this user has no permissions to run the 'set' command\r\n+OK\r\n+OK\r\n+RESET\r\n"
                  "-NOPERM this user has no permissions to run the 'set' command\r\n$1\r\n1\r\n"));
  EXPECT_EQ(client.session()->info().user, std::string("certified"));
}

TEST(a_server_hears_of_a_login_at_once) {
  LoginServer server;
  server.users["u"] = FullRights();
  TestClient client(&server, 7);
  client.answers_logins = false;
  client.Send("AUTH u secret\r\n");
  server.AnswerLogin(client.session());
  EXPECT_EQ(server.ListClients().at(0).user, std::string("u"));
}

// ---- audit

TEST(the_audit_hears_of_logins_denials_and_admin_commands) {
  LoginServer server;
  server.users["u"] = MakeRights({kVerbRead | kVerbAdmin, false, {0}, {"a"}, {}});
  TestClient client(&server, 5);
  client.Send(
      "AUTH u no\r\nAUTH u secret\r\nGET a\r\nGET b\r\nSET a 1\r\nSELECT 1\r\nCLIENT LIST\r\nMULTI\r\n"
      "CLIENT LIST\r\nEXEC\r\nGET a\r\nCLIENT ID\r\n");
  const std::vector<std::string> wanted = {
      "1 u   1",       "0 u   1",      "2 u GET key 1", "2 u SET command 2", "2 u SELECT database 3",
      "3 u CLIENT  1", "3 u CLIENT  1"};
  std::vector<std::string> heard;
  for (const Audited& event : server.audited) {
    EXPECT_EQ(event.client, uint64_t{5});
    heard.push_back(std::to_string(static_cast<int>(event.kind)) + " " + event.user + " " + event.command + " " +
                    event.reason + " " + std::to_string(event.count));
  }
  EXPECT(heard == wanted);
}

TEST(a_pipeline_of_denied_commands_does_not_flood_the_audit) {
  LoginServer server;
  server.users["u"] = MakeRights({kVerbWrite, true, {}, {}, {}});
  TestClient client(&server);
  std::string gets = "AUTH u secret\r\n";
  for (int i = 0; i < 5000; ++i) gets += "GET a\r\n";
  client.Send(gets);
  EXPECT_EQ(server.audited.size(), size_t{1 + 100 + 6});  // 128, 256, ... 4096
  EXPECT_EQ(server.audited.back().count, uint64_t{4096});
}

TEST(what_is_refused_before_a_login_is_not_audited) {
  LoginServer server;
  TestClient client(&server);
  client.Send("GET a\r\nFLUSHDB\r\nCLIENT LIST\r\n");
  EXPECT(server.audited.empty());
}

}  // namespace
}  // namespace zkdb::net::test
