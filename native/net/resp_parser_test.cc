#include "net/resp_parser.h"

#include <chrono>

#include "core/base/test.h"
#include "net/glob.h"
#include "net/numbers.h"

namespace zkdb::net {
namespace {

std::string Words(const RespParser& parser) {
  std::string all;
  for (const Slice& word : parser.arguments()) all += "[" + word.ToString() + "]";
  return all;
}

// The words of the one command that `bytes` are, or the error.
std::string Parse(std::string_view bytes, const ParserLimits& limits = {}) {
  RespParser parser(limits);
  switch (parser.Next(bytes)) {
    case Parsed::kNeedMore: return "more";
    case Parsed::kError: return parser.error();
    case Parsed::kCommand: break;
  }
  EXPECT_EQ(parser.consumed(), bytes.size());
  return Words(parser);
}

// As Parse, with the bytes arriving one at a time, in memory that moves.
std::string ParseSlowly(std::string_view bytes, const ParserLimits& limits = {}) {
  RespParser parser(limits);
  for (size_t n = 0; n <= bytes.size(); ++n) {
    const std::vector<uint8_t> arrived(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    const Parsed parsed = parser.Next({arrived.data(), arrived.size()});
    if (parsed == Parsed::kError) return parser.error();
    if (parsed == Parsed::kCommand) return Words(parser);
    EXPECT(parser.needed() > n && parser.needed() <= limits.frame_bytes);
  }
  return "more";
}

constexpr ParserLimits kStranger = {4096, 4096, 16, false};

TEST(a_command_is_an_array_of_bulk_strings) {
  EXPECT_EQ(Parse("*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n"), std::string("[GET][a\r\n]"));
  EXPECT_EQ(Parse("*1\r\n$0\r\n\r\n"), std::string("[]"));
  EXPECT_EQ(Parse("*0\r\n"), std::string());
  EXPECT_EQ(Parse("*-1\r\n"), std::string());
}

TEST(commands_that_arrive_byte_by_byte_are_the_same) {
  EXPECT_EQ(ParseSlowly("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nhello\r\nworld\r\n"),
            std::string("[SET][k][hello\r\nworld]"));
  EXPECT_EQ(ParseSlowly("ping \"a b\"\r\n"), std::string("[ping][a b]"));
  EXPECT_EQ(ParseSlowly("\r\n"), std::string());
}

TEST(commands_follow_one_another_in_a_chunk) {
  const std::string bytes = "*1\r\n$4\r\nPING\r\nECHO x\n*1\r\n$4\r\nQU";
  RespParser parser({});
  EXPECT(parser.Next(bytes) == Parsed::kCommand);
  EXPECT_EQ(parser.consumed(), size_t{14});
  EXPECT(parser.Next(Slice(bytes).Sub(14)) == Parsed::kCommand);
  EXPECT_EQ(Words(parser), std::string("[ECHO][x]"));
  EXPECT(parser.Next(Slice(bytes).Sub(21)) == Parsed::kNeedMore);
  EXPECT_EQ(parser.needed(), size_t{14});
}

TEST(inline_commands_take_quotes_and_escapes) {
  EXPECT_EQ(Parse("set  a\t\"x\\n\\x41\\\"\" 'it\\'s' \r\n"), std::string("[set][a][x\nA\"][it's]"));
  EXPECT_EQ(Parse("set \"a\r\n"), std::string("ERR Protocol error: unbalanced quotes in request"));
  EXPECT_EQ(Parse("set \"a\"b\r\n"), std::string("ERR Protocol error: unbalanced quotes in request"));
  EXPECT_EQ(Parse("set a'b\r\n"), std::string("ERR Protocol error: unbalanced quotes in request"));
}

TEST(protocol_errors_have_the_words_of_redis) {
  const auto error = [](const char* what) { return std::string("ERR Protocol error: ") + what; };
  EXPECT_EQ(Parse("*x\r\n"), error("invalid multibulk length"));
  EXPECT_EQ(Parse("*2000000\r\n"), error("invalid multibulk length"));
  EXPECT_EQ(Parse("*1\r\n:1\r\n"), error("expected '$', got ':'"));
  EXPECT_EQ(Parse("*1\r\n$-1\r\n"), error("invalid bulk length"));
  EXPECT_EQ(Parse("*1\r\n$4294967295\r\n"), error("invalid bulk length"));
  EXPECT_EQ(Parse("*1\r\n$18446744073709551615\r\n"), error("invalid bulk length"));
  EXPECT_EQ(Parse("*1\r\n$01\r\na\r\n"), error("invalid bulk length"));
  EXPECT_EQ(Parse("*" + std::string(40, '1')), error("too big mbulk count string"));
  EXPECT_EQ(Parse("*1\r\n$" + std::string(40, '1')), error("too big bulk count string"));
  EXPECT_EQ(Parse(std::string(70'000, 'a')), error("too big inline request"));
  EXPECT_EQ(Parse("*1\r\n$1\r\nabc"), error("expected a line end behind a bulk string"));
  EXPECT_EQ(Parse("*17\r\n", kStranger), error("unauthenticated multibulk length"));
  EXPECT_EQ(Parse("*1\r\n$4096\r\n", kStranger), error("unauthenticated bulk length"));
}

TEST(what_a_frame_announces_is_held_against_the_limit_before_it_arrives) {
  const ParserLimits limits = {100, 100, 10, true};
  EXPECT_EQ(Parse("*2\r\n$40\r\n", limits), std::string("more"));
  EXPECT_EQ(Parse("*2\r\n$90\r\n", limits), std::string("ERR Protocol error: invalid bulk length"));
  EXPECT_EQ(Parse("*11\r\n", limits), std::string("ERR Protocol error: invalid multibulk length"));
  EXPECT(ParseSlowly("*2\r\n$79\r\n" + std::string(79, 'x') + "\r\n$0000000000000", limits).starts_with("ERR"));
  const std::string all = "*1\r\n$89\r\n" + std::string(89, 'x') + "\r\n";
  EXPECT_EQ(all.size(), size_t{100});
  EXPECT_EQ(Parse(all, limits), "[" + std::string(89, 'x') + "]");
}

TEST(a_parser_that_failed_stays_failed_until_it_is_reset) {
  RespParser parser({});
  EXPECT(parser.Next(Slice("*x\r\n")) == Parsed::kError);
  EXPECT(parser.Next(Slice("*x\r\nPING\r\n")) == Parsed::kError);
  parser.Reset();
  EXPECT(parser.Next(Slice("PING\r\n")) == Parsed::kCommand);
}

TEST(a_frame_of_many_pieces_is_read_in_one_go) {
  // 200,000 arguments that arrive in pieces of 64 bytes: reading from the start each time would be 10^9 steps.
  constexpr size_t kCount = 200'000;
  std::string bytes = "*" + std::to_string(kCount) + "\r\n";
  for (size_t i = 0; i < kCount; ++i) bytes += "$1\r\nx\r\n";
  RespParser parser({});
  const auto start = std::chrono::steady_clock::now();
  Parsed parsed = Parsed::kNeedMore;
  for (size_t n = 0; n < bytes.size() && parsed == Parsed::kNeedMore; n += 64) {
    parsed = parser.Next(Slice(bytes).Sub(0, std::min(n + 64, bytes.size())));
  }
  EXPECT(parsed == Parsed::kCommand);
  EXPECT_EQ(parser.arguments().size(), kCount);
  EXPECT(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
}

TEST(integers_are_read_whole_or_not_at_all) {
  int64_t n = 7;
  for (const char* bad : {"", "-", "+1", " 1", "1 ", "01", "-0", "1x", "9223372036854775808", "-9223372036854775809",
                          "99999999999999999999"}) {
    EXPECT(!ParseInteger(bad, &n));
  }
  EXPECT_EQ(n, int64_t{7});
  EXPECT(ParseInteger("9223372036854775807", &n) && n == INT64_MAX);
  EXPECT(ParseInteger("-9223372036854775808", &n) && n == INT64_MIN);
  EXPECT(ParseInteger("0", &n) && n == 0);
}

TEST(patterns_match_as_those_of_redis) {
  EXPECT(GlobMatches("*", "") && GlobMatches("", "") && !GlobMatches("", "a"));
  EXPECT(GlobMatches("h?llo", "hello") && !GlobMatches("h?llo", "hllo"));
  EXPECT(GlobMatches("h[ae]llo", "hallo") && !GlobMatches("h[^ae]llo", "hallo") && GlobMatches("h[a-c]*", "hbxyz"));
  EXPECT(GlobMatches("h[c-a]", "hb") && GlobMatches("\\*", "*") && !GlobMatches("\\*", "a"));
  EXPECT(GlobMatches("*a*b", "xxaxxb") && !GlobMatches("*a*b", "xxaxx") && GlobMatches("a*", "a"));
  EXPECT(!GlobMatches("[", "a") && !GlobMatches("[^", "") && GlobMatches("a\\", "a\\"));
  EXPECT(!GlobMatches(std::string(50, '*') + "b", std::string(1000, 'a')));
  EXPECT_EQ(GlobPrefix("user:*").ToString(), std::string("user:"));
  EXPECT_EQ(GlobPrefix("plain").ToString(), std::string("plain"));
}

}  // namespace
}  // namespace zkdb::net
