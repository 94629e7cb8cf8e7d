#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/base/test.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

// The arguments of the entries, newest first.
std::vector<std::vector<std::string>> Noted(const TestServer& server) {
  std::vector<std::vector<std::string>> noted;
  for (const SlowCommand& command : server.slow->Newest(SIZE_MAX)) noted.push_back(command.arguments);
  return noted;
}

using Noting = std::vector<std::vector<std::string>>;

TEST(slow_commands_are_noted_with_their_client) {
  TestServer server(TempDirectory());
  server.slow = std::make_unique<SlowLog>(0, 3);
  TestClient client(&server, 7);
  client.Send("CLIENT SETNAME me\r\nINCR n\r\n");
  const SlowCommand newest = server.slow->Newest(1).at(0);
  EXPECT_EQ(client.Send("SLOWLOG GET 1\r\n"), "*1\r\n*6\r\n:1\r\n:" + std::to_string(newest.time_s) +
                                                  "\r\n:" + std::to_string(newest.took_us) + "\r\n*2\r\n" +
                                                  Bulk("INCR") + Bulk("n") + Bulk("127.0.0.1:5007") + Bulk("me"));
  EXPECT_EQ(newest.time_s, uint64_t{1'700'000'000});
  EXPECT_EQ(client.Send("SLOWLOG LEN\r\n"), std::string(":3\r\n"));
  client.Send("INCR a\r\nINCR b\r\nINCR c\r\nINCR d\r\n");
  EXPECT(Noted(server) == Noting({{"INCR", "d"}, {"INCR", "c"}, {"INCR", "b"}}));
  EXPECT_EQ(client.Send("SLOWLOG RESET\r\nSLOWLOG LEN\r\nSLOWLOG GET -1\r\n").substr(0, 9),
            std::string("+OK\r\n:1\r\n"));
  EXPECT(client.Send("SLOWLOG GET -2\r\n").starts_with("-ERR count should be"));
}

TEST(quick_commands_are_not_noted) {
  TestServer server(TempDirectory());
  server.slow = std::make_unique<SlowLog>(1'000'000);
  TestClient client(&server);
  client.Send("SET a 1\r\nGET a\r\nINCR a\r\n");
  EXPECT_EQ(client.Send("SLOWLOG LEN\r\nSLOWLOG GET\r\n"), std::string(":0\r\n*0\r\n"));
}

TEST(gathered_commands_are_noted_together) {
  TestServer server(TempDirectory());
  server.slow = std::make_unique<SlowLog>(0, 10);
  TestClient client(&server);
  client.Send("SET a 1\r\nSET b 2\r\nSET c 3\r\n");
  client.Send("GET a\r\nGET b\r\n");
  EXPECT(Noted(server) == Noting({{"GET", "a", "... (1 more commands)"}, {"SET", "a", "1", "... (2 more commands)"}}));
}

TEST(arguments_are_cut_and_passwords_are_not_kept) {
  TestServer server(TempDirectory());
  server.slow = std::make_unique<SlowLog>(0, 10);
  TestClient client(&server);
  client.Call({"AUTH", "default", "hidden"});
  client.Call({"HELLO", "3", "AUTH", "default", "hidden"});
  client.Call({"STRLEN", std::string(200, 'k')});
  std::string many = "EXISTS";
  for (int i = 0; i < 40; ++i) many += " k" + std::to_string(i);
  client.Send(many + "\r\n");
  const auto noted = Noted(server);
  EXPECT_EQ(noted.at(0).size(), size_t{32});
  EXPECT_EQ(noted.at(0).back(), std::string("... (10 more arguments)"));
  EXPECT_EQ(noted.at(1).at(1), std::string(128, 'k') + "... (72 more bytes)");
  EXPECT(noted.at(2) == std::vector<std::string>({"HELLO", "(redacted)", "(redacted)", "(redacted)", "(redacted)"}));
  EXPECT(noted.at(3) == std::vector<std::string>({"AUTH", "(redacted)", "(redacted)"}));
}

TEST(memory_usage_is_what_a_record_takes) {
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("SET key value\r\nMEMORY USAGE key\r\nMEMORY USAGE key SAMPLES 5\r\nMEMORY USAGE none\r\n"),
            std::string("+OK\r\n:24\r\n:24\r\n$-1\r\n"));
  EXPECT_EQ(client.Send("MEMORY USAGE key SAMPLES\r\n"), std::string("-ERR syntax error\r\n"));
  EXPECT(client.Send("MEMORY DOCTOR x\r\n").starts_with("-ERR unknown subcommand 'DOCTOR'"));
}

// Waits for the backup that was begun.
BackupFigures Finished(const TestServer& server) {
  while (server.backups->figures().running) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return server.backups->figures();
}

TEST(bgsave_copies_the_database_and_info_tells_of_it) {
  const std::string directory = TempDirectory();
  TestServer server(TempDirectory());
  TestClient client(&server);
  EXPECT_EQ(client.Send("BGSAVE\r\n"), std::string("-ERR no backups\r\n"));
  server.backups = std::make_unique<Backups>(directory);
  EXPECT_EQ(client.Send("LASTSAVE\r\nMSET a 1 b 2\r\nBGSAVE\r\n"),
            std::string(":0\r\n+OK\r\n+Background saving started\r\n"));
  EXPECT(!Finished(server).failed);
  const std::string info = client.Send("INFO persistence\r\n");
  EXPECT(info.find("rdb_bgsave_in_progress:0\r\nrdb_last_save_time:") != std::string::npos);
  EXPECT(info.find("rdb_last_bgsave_status:ok\r\nrdb_last_bgsave_time_sec:") != std::string::npos);
  EXPECT(client.Send("LASTSAVE\r\n").size() > 10);
  EXPECT_EQ(client.Send("BGSAVE SCHEDULE\r\n"), std::string("+Background saving started\r\n"));
  EXPECT(!Finished(server).failed);
  std::vector<std::string> copies;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) copies.push_back(entry.path());
  EXPECT_EQ(copies.size(), size_t{2});
  for (const std::string& copy : copies) {
    EXPECT(copy.find("/db0-2023") != std::string::npos);
    const std::unique_ptr<zkdb_db, DatabaseCloser> db(OpenDatabase(copy, nullptr));
    char value[8];
    size_t size = 0;
    EXPECT(zkdb_get(db.get(), nullptr, "b", 1, value, sizeof value, &size, nullptr) == ZKDB_OK && value[0] == '2');
  }
  server.backups->Stop();
}

TEST(a_backup_that_fails_says_so) {
  const std::string directory = TempDirectory();
  TestServer server(directory);
  TestClient client(&server);
  std::ofstream(directory + "/file") << "in the way";
  server.backups = std::make_unique<Backups>(directory + "/file");
  client.Send("SET a 1\r\nBGSAVE\r\n");
  const BackupFigures figures = Finished(server);
  EXPECT(figures.failed && figures.error.starts_with("ZKDB_") && figures.saved_s == 0);
  EXPECT(client.Send("INFO persistence\r\n").find("rdb_last_bgsave_status:err\r\n") != std::string::npos);
  EXPECT_EQ(client.Send("BGSAVE now\r\n"), std::string("-ERR syntax error\r\n"));
  server.backups->Stop();
  EXPECT(client.Send("BGSAVE\r\n").starts_with("-ERR the server is stopping"));
}

TEST(a_server_without_a_directory_makes_no_backups) {
  Backups backups("");
  std::string why;
  EXPECT(!backups.Start(nullptr, "db0", 0, &why) && why.find("BackupDir") != std::string::npos);
  backups.Stop();
}

}  // namespace
}  // namespace zkdb::net::test
