// The reader of answers against bytes that a server, or anything else, may send.
#include "core/remote/reply_reader.h"

#include "core/base/test.h"
#include "core/remote/test_transport.h"

namespace zkdb::test {
namespace {

constexpr uint64_t kTimeoutMs = 500;

// A reader of `bytes`, which come in pieces.
struct Reading {
  explicit Reading(const std::string& bytes, size_t piece = SIZE_MAX, Script::End end = Script::End::kSilence) {
    transport.scripts.push_back({bytes, piece, end, SIZE_MAX, false});
    EXPECT_OK(transport.Connect({}, 0, &socket));
    reader = std::make_unique<ReplyReader>(&transport, socket.get(), kTimeoutMs);
  }
  Status Head() { return reader->ReadHead(&head); }
  // Reads one value whole and shows it.
  std::string Show() {
    const Status status = Head();
    if (!status.ok()) return zkdb_code_name(status.code());
    std::string text;
    switch (head.kind) {
      case ReplyKind::kNull: return "null";
      case ReplyKind::kText: return "+" + head.text;
      case ReplyKind::kError: return "-" + head.text;
      case ReplyKind::kOther: return "," + head.text;
      case ReplyKind::kInteger: return std::to_string(head.integer);
      case ReplyKind::kString:
        if (!reader->AppendString(head.size, &text).ok()) return "cut";
        return "'" + text + "'";
      case ReplyKind::kArray:
      case ReplyKind::kMap: break;
    }
    const uint64_t count = head.kind == ReplyKind::kMap ? 2 * head.size : head.size;
    text = head.kind == ReplyKind::kMap ? "{" : "[";
    for (uint64_t i = 0; i < count; ++i) text += (i == 0 ? "" : " ") + Show();
    return text + (text[0] == '{' ? "}" : "]");
  }

  ScriptTransport transport;
  std::unique_ptr<Socket> socket;
  std::unique_ptr<ReplyReader> reader;
  ReplyHead head;
};

std::string Failure(const std::string& bytes) {
  Reading reading(bytes);
  const Status status = reading.Head();
  return std::string(zkdb_code_name(status.code())) + ": " + (status.ok() ? "" : status.message());
}

}  // namespace

TEST(answers_of_every_kind_are_read_whatever_pieces_they_come_in) {
  const std::string bytes =
      "+OK\r\n-ERR no\r\n:-12\r\n:+7\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n*-1\r\n_\r\n#t\r\n#f\r\n,1.5\r\n(123\r\n"
      "*2\r\n:1\r\n*1\r\n$1\r\nx\r\n%1\r\n$1\r\nk\r\n:2\r\n~1\r\n:3\r\n=5\r\ntxt:a\r\n!3\r\nERR\r\n";
  const std::string expected =
      "+OK -ERR no -12 7 'a\r\n' '' null null null 1 0 ,1.5 ,123 [1 ['x']] {'k' 2} [3] 'txt:a' 'ERR'";
  for (const size_t piece : {1, 2, 3, 7, 1000}) {
    Reading reading(bytes, piece);
    std::string shown;
    for (int i = 0; i < 18; ++i) shown += (i == 0 ? "" : " ") + reading.Show();
    EXPECT_EQ(shown, expected);
    EXPECT(reading.reader->empty());
  }
}

TEST(pushes_and_attributes_are_passed_over) {
  Reading reading(">2\r\n$3\r\nfoo\r\n*1\r\n:1\r\n|1\r\n+ttl\r\n:3\r\n+OK\r\n");
  EXPECT_EQ(reading.Show(), std::string("+OK"));
}

TEST(bytes_that_are_no_answer_are_refused_and_the_reader_stays_failed) {
  EXPECT_EQ(Failure("hello\r\n"),
            std::string("ZKDB_PROTOCOL: the server sent the byte 104 where an answer begins: is it a zkdb server?"));
  for (const char* bytes : {"\r\n", "+OK\n", ":x\r\n", ":\r\n", ":9223372036854775808\r\n", "$x\r\n", "$-2\r\n",
                            "*-7\r\n", "#x\r\n", "$99999999999999999999\r\n", "$1073741825\r\n", "*4294967296\r\n"}) {
    EXPECT(Failure(bytes).starts_with("ZKDB_PROTOCOL"));
  }
  Reading reading("$1\r\nabc\r\n+OK\r\n");
  EXPECT_EQ(reading.Show(), std::string("cut"));
  EXPECT_CODE(reading.Head(), ZKDB_PROTOCOL);
  EXPECT_CODE(reading.reader->failed(), ZKDB_PROTOCOL);
}

TEST(a_line_without_an_end_takes_no_more_than_its_limit) {
  EXPECT(Failure("+" + std::string(ReplyReader::kMaxLine, 'x') + "\r\n").find("more than 16 KiB") != std::string::npos);
}

TEST(an_announced_size_allocates_nothing) {
  Reading reading("$1073741824\r\nabc", SIZE_MAX, Script::End::kClose);
  EXPECT_OK(reading.Head());
  std::string text;
  EXPECT_CODE(reading.reader->AppendString(reading.head.size, &text), ZKDB_UNREACHABLE);
  EXPECT(text.capacity() < 1000);
  Reading array("*4294967295\r\n", SIZE_MAX, Script::End::kClose);
  EXPECT_OK(array.Head());
  EXPECT_CODE(array.reader->Skip(array.head), ZKDB_UNREACHABLE);
}

TEST(an_answer_has_a_depth_and_a_number_of_elements) {
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += "*1\r\n";
  Reading reading(deep + ":1\r\n");
  EXPECT_OK(reading.Head());
  EXPECT_CODE(reading.reader->Skip(reading.head), ZKDB_PROTOCOL);
  std::string pushes;
  for (uint32_t i = 0; i < ReplyReader::kMaxHeads / 2 + 1; ++i) pushes += ">1\r\n_\r\n";
  EXPECT_EQ(Reading(pushes + "+OK\r\n").Show(), std::string("ZKDB_PROTOCOL"));
}

TEST(a_silent_server_is_left_at_the_time_limit) {
  Reading reading("$5\r\nab");
  EXPECT_OK(reading.Head());
  std::string text;
  EXPECT_CODE(reading.reader->AppendString(reading.head.size, &text), ZKDB_TIMEOUT);
  EXPECT_EQ(reading.transport.now_ms, 1000 + kTimeoutMs);
  EXPECT_EQ(text, std::string("ab"));
}

TEST(a_connection_that_ends_in_an_answer_is_lost) {
  EXPECT_EQ(Reading("+O", SIZE_MAX, Script::End::kClose).Show(), std::string("ZKDB_UNREACHABLE"));
  EXPECT_EQ(Reading("", SIZE_MAX, Script::End::kReset).Show(), std::string("ZKDB_UNREACHABLE"));
}

}  // namespace zkdb::test
