#include "net/write_group.h"

#include "core/base/test.h"
#include "net/admission.h"
#include "net/client_registry.h"
#include "net/input_buffer.h"
#include "net/session_test_util.h"

namespace zkdb::net::test {
namespace {

using zkdb::test::TempDirectory;

ClientInfo InfoOf(uint64_t id) {
  ClientInfo info;
  info.id = id;
  info.address = "127.0.0.1:" + std::to_string(id);
  return info;
}

std::string Take(Session* session) {
  OutputBuffer* const out = session->output();
  std::string bytes(reinterpret_cast<const char*>(out->data()), out->size());
  out->Consume(out->size());
  return bytes;
}

ReceiveResult Give(Session* session, const std::string& bytes) { return session->Receive(Slice(bytes)); }

TEST(sets_at_the_end_of_a_chunk_are_neither_answered_nor_visible_before_they_are_written) {
  TestServer server(TempDirectory());
  Session writer(&server, InfoOf(1));
  Session reader(&server, InfoOf(2));
  writer.ShareWrites();
  const std::string bytes = Encode({"SET", "a", "1"}) + Encode({"GET", "a"}) + Encode({"SET", "a", "2"}) +
                            Encode({"SET", "b", "3"}) + "*3\r\n$3\r\nSE";
  const ReceiveResult result = Give(&writer, bytes);
  EXPECT(result.pending);
  EXPECT_EQ(result.consumed, bytes.size() - 10);
  EXPECT_EQ(Take(&writer), "+OK\r\n$1\r\n1\r\n");
  Give(&reader, Encode({"MGET", "a", "b"}));
  EXPECT_EQ(Take(&reader), "*2\r\n$1\r\n1\r\n$-1\r\n");
  std::vector<Session*> sessions = {&writer};
  WriteTogether(&sessions);
  EXPECT_EQ(Take(&writer), "+OK\r\n+OK\r\n");
  Give(&reader, Encode({"MGET", "a", "b"}));
  EXPECT_EQ(Take(&reader), "*2\r\n$1\r\n2\r\n$1\r\n3\r\n");
  // What was read in part is read on.
  EXPECT(Give(&writer, "*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n4\r\n").pending);
  WriteTogether(&sessions);
  EXPECT_EQ(Take(&writer), "+OK\r\n");
}

TEST(writes_of_many_sessions_share_one_commit_per_database) {
  TestServer server(TempDirectory());
  std::vector<std::unique_ptr<Session>> owners;
  std::vector<Session*> sessions;
  for (uint64_t i = 0; i < 30; ++i) {
    owners.push_back(std::make_unique<Session>(&server, InfoOf(i + 1)));
    Session* const session = owners.back().get();
    session->ShareWrites();
    if (i % 2 == 1) {
      Give(session, Encode({"SELECT", "1"}));
      Take(session);
    }
    const std::string value = std::to_string(i);
    EXPECT(Give(session, Encode({"SET", "own" + value, value}) + Encode({"SET", "all", value})).pending);
    sessions.push_back(session);
  }
  zkdb_db_stats before[2];
  zkdb_db_stats after[2];
  for (uint32_t i = 0; i < 2; ++i) zkdb_stats(server.Database(i), &before[i], nullptr);
  WriteTogether(&sessions);
  for (uint32_t i = 0; i < 2; ++i) {
    zkdb_stats(server.Database(i), &after[i], nullptr);
    EXPECT_EQ(after[i].commits - before[i].commits, uint64_t{1});
  }
  for (size_t i = 0; i < owners.size(); ++i) {
    const std::string value = std::to_string(i);
    EXPECT_EQ(Take(owners[i].get()), "+OK\r\n+OK\r\n");
    Give(owners[i].get(), Encode({"GET", "own" + value}));
    EXPECT_EQ(Take(owners[i].get()), "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n");
  }
}

TEST(a_large_batch_of_sets_does_not_wait_for_others) {
  TestServer server(TempDirectory());
  Session session(&server, InfoOf(1));
  session.ShareWrites();
  EXPECT(!Give(&session, Encode({"SET", "big", std::string(100'000, 'x')})).pending);
  EXPECT_EQ(Take(&session), "+OK\r\n");
}

TEST(a_failure_of_a_shared_write_is_the_answer_of_each_command) {
  TestServer server(TempDirectory());
  Session session(&server, InfoOf(1));
  session.ShareWrites();
  EXPECT(Give(&session, Encode({"SET", "a", "1"}) + Encode({"SET", "b", "2"})).pending);
  session.FinishWrites(ZKDB_NO_SPACE, {ZKDB_NO_SPACE, 0, "the disk is full"});
  const std::string line = "-ZKDB_NO_SPACE the disk is full\r\n";
  EXPECT_EQ(Take(&session), line + line);
  Give(&session, Encode({"GET", "a"}));
  EXPECT_EQ(Take(&session), "$-1\r\n");
}

TEST(a_session_that_gave_its_memory_back_goes_on_where_it_was) {
  TestServer server(TempDirectory());
  Session session(&server, InfoOf(1));
  const std::string command = Encode({"SET", "a", std::string(5000, 'x')}) + Encode({"GET", "a"});
  for (size_t cut = 1; cut < 60; ++cut) {
    const ReceiveResult result = Give(&session, command.substr(0, cut));
    session.ReleaseMemory();
    Give(&session, command.substr(result.consumed));
    EXPECT_EQ(Take(&session).size(), size_t{5 + 5000 + 7 + 2});
    session.ReleaseMemory();
  }
  EXPECT_EQ(session.commands(), uint64_t{59 * 2});
}

TEST(an_input_buffer_gives_back_what_was_not_consumed_whatever_the_pieces_are) {
  std::vector<uint8_t> shared(size_t{64} << 10);
  std::string sent;
  std::string taken;
  InputBuffer input;
  uint32_t seed = 1;
  const auto random = [&seed](size_t below) { return (seed = seed * 1664525 + 1013904223) % below; };
  for (int i = 0; i < 5000; ++i) {
    const InputBuffer::Room room = input.Prepare(shared.data(), shared.size());
    const size_t n = std::min(room.size, random(i % 7 == 0 ? 60'000 : 300));
    for (size_t at = 0; at < n; ++at)
      sent.push_back(static_cast<char>(room.data[at] = static_cast<uint8_t>(random(256))));
    const Slice all = input.Filled(n);
    // Now and then nothing is consumed for long, as with a large command.
    const size_t consumed = i % 100 < 50 ? 0 : random(all.size + 1);
    taken.append(reinterpret_cast<const char*>(all.data), consumed);
    input.Keep(all, consumed);
    EXPECT_EQ(input.size(), sent.size() - taken.size());
    std::fill(shared.begin(), shared.end(), uint8_t{0});
  }
  taken += input.kept().ToString();
  EXPECT(taken == sent);
}

TEST(admission_counts_connections_of_all_and_of_each_address) {
  Admission admission(4, 2);
  EXPECT(admission.Admit("a") == Verdict::kAdmitted);
  EXPECT(admission.Admit("a") == Verdict::kAdmitted);
  EXPECT(admission.Admit("a") == Verdict::kTooManyOfAddress);
  EXPECT(admission.Admit("") == Verdict::kAdmitted);
  EXPECT(admission.Admit("b") == Verdict::kAdmitted);
  EXPECT(admission.Admit("") == Verdict::kTooMany);
  admission.Leave("a");
  EXPECT_EQ(admission.connections(), 3u);
  EXPECT(admission.Admit("a") == Verdict::kAdmitted);
}

TEST(an_address_that_is_not_listed_does_not_come_in_and_counts_for_nothing) {
  Admission admission(4, 2);
  EXPECT(admission.Admit("10.0.0.1") == Verdict::kAdmitted);
  AddressList listed;
  EXPECT(AddressList::Parse("127.0.0.0/8", &listed));
  admission.SetListed(std::move(listed));
  EXPECT(admission.Admit("10.0.0.1") == Verdict::kNotListed);
  EXPECT(admission.Admit("127.1.2.3") == Verdict::kAdmitted);
  EXPECT(admission.Admit("") == Verdict::kAdmitted);
  EXPECT_EQ(admission.connections(), 3u);
  EXPECT(!admission.Lists("10.0.0.1"));
  EXPECT(admission.Lists("127.1.2.3"));
  EXPECT(admission.Lists(""));
  // Who was in before the list leaves as the others do.
  admission.Leave("10.0.0.1");
  EXPECT_EQ(admission.connections(), 2u);
}

TEST(the_registry_lists_clients_by_id_and_finds_those_of_a_filter) {
  ClientRegistry registry;
  for (const uint64_t id : {3, 1, 2}) {
    ClientInfo info = InfoOf(id);
    info.user = id == 2 ? "other" : "default";
    registry.Add(info)->store(id * 100);
  }
  const std::vector<ClientInfo> list = registry.List();
  EXPECT_EQ(list.size(), size_t{3});
  EXPECT_EQ(list[2].active_us, uint64_t{300});
  ClientFilter filter;
  filter.user = "default";
  filter.except = 1;
  EXPECT(registry.Find(filter) == std::vector<uint64_t>{3});
  registry.Remove(3);
  EXPECT(registry.Find(filter).empty());
  registry.Change(InfoOf(3));
  EXPECT_EQ(registry.List().size(), size_t{2});
}

}  // namespace
}  // namespace zkdb::net::test
