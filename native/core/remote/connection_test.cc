// Connections and their pool, byte for byte, against servers that refuse, close, reset and say nothing.
#include "core/base/test.h"
#include "core/remote/connection_pool.h"
#include "core/remote/test_transport.h"

namespace zkdb::test {
namespace {

const std::string kHello = "%1\r\n$6\r\nserver\r\n$4\r\nzkdb\r\n";

RemotePlace Place(const std::string& user = "", const std::string& database = "") {
  RemotePlace place;
  place.address = {"db1", 7000, ""};
  place.login = {user, user.empty() ? "" : "secret"};
  place.database = database;
  place.connect_timeout_ms = 200;
  place.reply_timeout_ms = 500;
  return place;
}

Status Open(ScriptTransport* transport, const RemotePlace& place, const std::string& answers) {
  transport->scripts.push_back({answers, 5, Script::End::kSilence, SIZE_MAX, false});
  std::unique_ptr<Connection> connection;
  return Connection::Open(transport, place, &connection);
}

}  // namespace

TEST(a_connection_says_hello_logs_in_and_selects_its_database) {
  ScriptTransport transport;
  EXPECT_OK(Open(&transport, Place("ann", "books"), kHello + "+OK\r\n"));
  EXPECT_EQ(transport.received[0],
            std::string("*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$3\r\nann\r\n$6\r\nsecret\r\n"
                        "*2\r\n$6\r\nSELECT\r\n$5\r\nbooks\r\n"));
  EXPECT_OK(Open(&transport, Place(), kHello));
  EXPECT_EQ(transport.received[1], std::string("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"));
}

TEST(a_login_that_is_refused_is_told_without_the_password) {
  ScriptTransport transport;
  const Status refused = Open(&transport, Place("ann"), "-WRONGPASS invalid ann secret\r\n");
  EXPECT_CODE(refused, ZKDB_AUTH);
  EXPECT_EQ(refused.message(), std::string("the server refuses the login (WRONGPASS); check AuthKey"));
  EXPECT_CODE(Open(&transport, Place(), "-NOAUTH login first\r\n"), ZKDB_AUTH);
  EXPECT_CODE(Open(&transport, Place(), "-ERR max number of clients reached\r\n"), ZKDB_UNREACHABLE);
  EXPECT_CODE(Open(&transport, Place("", "books"), kHello + "-ERR no\r\n"), ZKDB_CONFIG);
  EXPECT_CODE(Open(&transport, Place("", "2"), kHello + "-NOPERM no\r\n"), ZKDB_AUTH);
  EXPECT_CODE(Open(&transport, Place(), "HTTP/1.1 400 Bad Request\r\n"), ZKDB_PROTOCOL);
  EXPECT_CODE(Open(&transport, Place(), "%1\r\n+a"), ZKDB_TIMEOUT);
}

TEST(a_connection_over_tls_first_tells_the_relay_where_it_leads_to) {
  ScriptTransport transport;
  RemotePlace place = Place();
  place.address.tls = true;
  place.tls = {"/ca", "/cert", "/key", "name"};
  EXPECT_OK(Open(&transport, place, "+OK\r\n" + kHello));
  const std::string request =
      "*7\r\n$3\r\nTLS\r\n$3\r\ndb1\r\n$4\r\n7000\r\n$4\r\nname\r\n$3\r\n/ca\r\n$5\r\n/cert\r\n$4\r\n/key\r\n";
  EXPECT_EQ(transport.received[0], request + "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n");
  const Status refused = Open(&transport, place, "-ZKDB_UNREACHABLE CERT_HAS_EXPIRED: renew it\r\n");
  EXPECT_CODE(refused, ZKDB_UNREACHABLE);
  EXPECT_EQ(refused.message(), std::string("CERT_HAS_EXPIRED: renew it"));
  EXPECT_EQ(transport.received[1], request);
  EXPECT_CODE(Open(&transport, place, "-ZKDB_CONFIG /key: no\r\n"), ZKDB_CONFIG);
  // The login is refused when the server sees the certificate of the client, which is later.
  EXPECT_EQ(Open(&transport, place, "+OK\r\n-ZKDB_UNREACHABLE it wants another one\r\n").message(),
            std::string("it wants another one"));
  const Status silent = Open(&transport, place, "");
  EXPECT_CODE(silent, ZKDB_UNREACHABLE);
  EXPECT_EQ(silent.message(), std::string("no TLS within ConnectTimeout, 200 ms"));
  transport.scripts.push_back({"", SIZE_MAX, Script::End::kClose});
  std::unique_ptr<Connection> connection;
  const Status ended = Connection::Open(&transport, place, &connection);
  EXPECT_EQ(ended.message(), std::string("the relay for TLS has ended; open the database again"));
}

TEST(the_time_limit_of_connecting_is_that_of_all_its_steps) {
  ScriptTransport transport;
  RemotePlace place = Place("ann", "books");
  place.address.tls = true;
  const uint64_t began_ms = transport.now_ms;
  // TLS and the login are answered, the database is not.
  EXPECT_CODE(Open(&transport, place, "+OK\r\n" + kHello), ZKDB_TIMEOUT);
  EXPECT_EQ(transport.now_ms, began_ms + place.connect_timeout_ms);
}

TEST(error_replies_keep_the_codes_of_zkdb) {
  EXPECT_CODE(StatusOfErrorReply("ZKDB_NO_SPACE the disk is full"), ZKDB_NO_SPACE);
  EXPECT_EQ(StatusOfErrorReply("ZKDB_NO_SPACE the disk is full").message(), std::string("the disk is full"));
  EXPECT_CODE(StatusOfErrorReply("NOPERM no"), ZKDB_AUTH);
  for (const char* text : {"ERR syntax error", "", "ZKDB_OK", "ZKDB_NOT_FOUND x", "ZKDB_UNHEARD of"}) {
    EXPECT_CODE(StatusOfErrorReply(text), ZKDB_SERVER);
  }
}

TEST(a_pool_gives_a_connection_again_unless_it_was_closed_meanwhile) {
  ScriptTransport transport;
  transport.scripts = {{kHello}, {kHello, SIZE_MAX, Script::End::kClose}, {kHello}};
  ConnectionPool pool(&transport, Place());
  std::unique_ptr<Connection> first;
  std::unique_ptr<Connection> second;
  bool fresh = false;
  EXPECT_OK(pool.Take(false, &first, &fresh));
  EXPECT(fresh);
  pool.Give(std::move(first));
  EXPECT_OK(pool.Take(false, &first, &fresh));
  EXPECT(!fresh);
  EXPECT_OK(pool.Take(false, &second, &fresh));
  EXPECT_EQ(transport.attempts, 2u);
  pool.Give(std::move(second));  // closed by the server: not kept
  EXPECT_OK(pool.Take(false, &second, &fresh));
  EXPECT_EQ(transport.attempts, 3u);
}

TEST(a_connection_that_owes_an_answer_is_not_given_again) {
  ScriptTransport transport;
  transport.scripts = {{kHello}, {kHello}};
  ConnectionPool pool(&transport, Place());
  std::unique_ptr<Connection> connection;
  bool fresh = false;
  bool handed_over = false;
  EXPECT_OK(pool.Take(false, &connection, &fresh));
  EXPECT_OK(connection->Send("*1\r\n$4\r\nPING\r\n", 1, &handed_over));
  EXPECT(handed_over);
  pool.Give(std::move(connection));
  EXPECT_OK(pool.Take(false, &connection, &fresh));
  EXPECT(fresh);
}

TEST(a_server_that_is_down_fails_at_once_and_is_tried_ever_less_often) {
  ScriptTransport transport;
  ConnectionPool pool(&transport, Place());
  std::unique_ptr<Connection> connection;
  bool fresh = false;
  uint32_t attempts = 0;
  for (const uint64_t delay : {20, 40, 80, 160, 320, 500, 500}) {
    EXPECT_CODE(pool.Take(false, &connection, &fresh), ZKDB_UNREACHABLE);
    EXPECT_EQ(transport.attempts, ++attempts);
    transport.now_ms += delay - 1;
    const Status soon = pool.Take(false, &connection, &fresh);
    EXPECT_EQ(soon.message(), std::string("connect: Connection refused; it is tried again in 1 ms"));
    EXPECT_EQ(transport.attempts, attempts);
    ++transport.now_ms;
  }
  transport.scripts = {{kHello}};
  EXPECT_OK(pool.Take(false, &connection, &fresh));
}

TEST(a_server_that_takes_long_to_fail_is_left_alone_for_as_long) {
  ScriptTransport transport;
  transport.connect_ms = 200;
  ConnectionPool pool(&transport, Place());
  std::unique_ptr<Connection> connection;
  bool fresh = false;
  EXPECT_CODE(pool.Take(false, &connection, &fresh), ZKDB_UNREACHABLE);
  transport.now_ms += 199;
  EXPECT_CODE(pool.Take(false, &connection, &fresh), ZKDB_UNREACHABLE);
  EXPECT_EQ(transport.attempts, 1u);
}

TEST(a_silent_server_is_left_alone_for_a_while_and_what_waits_for_it_fails_at_once) {
  ScriptTransport transport;
  transport.scripts = {{kHello}, {kHello}, {kHello}};
  ConnectionPool pool(&transport, Place());
  std::unique_ptr<Connection> silent;
  std::unique_ptr<Connection> other;
  bool fresh = false;
  bool handed_over = false;
  EXPECT_OK(pool.Take(false, &silent, &fresh));
  EXPECT_OK(pool.Take(false, &other, &fresh));
  pool.Give(std::move(other));
  EXPECT_OK(silent->Send("*1\r\n$4\r\nPING\r\n", 1, &handed_over));
  ReplyHead head;
  EXPECT_CODE(silent->ReadAnswer(&head), ZKDB_TIMEOUT);
  pool.Give(std::move(silent));
  EXPECT_CODE(pool.Take(false, &other, &fresh), ZKDB_UNREACHABLE);
  transport.now_ms += 500;
  EXPECT_OK(pool.Take(false, &other, &fresh));
  EXPECT(fresh);
}

TEST(answers_that_nobody_wants_are_passed_over) {
  ScriptTransport transport;
  transport.scripts = {{kHello + ":1\r\n*1\r\n$1\r\na\r\n-ERR no\r\n+PONG\r\n", 3}};
  ConnectionPool pool(&transport, Place());
  std::unique_ptr<Connection> connection;
  bool fresh = false;
  bool handed_over = false;
  EXPECT_OK(pool.Take(false, &connection, &fresh));
  EXPECT_OK(connection->SendUnanswered("*1\r\n$1\r\na\r\n"));
  pool.Give(std::move(connection));
  EXPECT_OK(pool.Take(false, &connection, &fresh));
  EXPECT(!fresh);
  EXPECT_OK(connection->SendUnanswered("*1\r\n$1\r\nb\r\n"));
  EXPECT_OK(connection->SendUnanswered("*1\r\n$1\r\nc\r\n"));
  EXPECT_EQ(connection->owed(), 0u);
  EXPECT_OK(connection->Send("*1\r\n$4\r\nPING\r\n", 1, &handed_over));
  ReplyHead head;
  EXPECT_OK(connection->ReadAnswer(&head));
  EXPECT_EQ(head.text, std::string("PONG"));
  EXPECT(connection->IsAtRest());
}

}  // namespace zkdb::test
