#include "net/reply.h"

#include "core/base/test.h"

namespace zkdb::net {
namespace {

std::string Content(const OutputBuffer& out) { return {reinterpret_cast<const char*>(out.data()), out.size()}; }

// What `write` writes in the given version of the protocol.
template <typename F>
std::string Written(int protocol, F write) {
  OutputBuffer out(1u << 20);
  ReplyWriter reply(&out);
  reply.set_protocol(protocol);
  write(&reply);
  EXPECT(!out.overflowed());
  return Content(out);
}

TEST(replies_of_both_protocols_are_as_the_specification_says) {
  const auto all = [](ReplyWriter* r) {
    r->Ok();
    r->Integer(-42);
    r->Bulk("hi");
    r->Null();
    r->NullArray();
    r->Array(2);
    r->Map(1);
    r->Set(3);
    r->Push(1);
    r->Boolean(true);
    r->Verbatim("a\r\nb");
    r->Verbatim("");
  };
  EXPECT_EQ(Written(2, all),
            std::string("+OK\r\n:-42\r\n$2\r\nhi\r\n$-1\r\n*-1\r\n*2\r\n*2\r\n*3\r\n*1\r\n:1\r\n$4\r\na\r\nb\r\n"
                        "$0\r\n\r\n"));
  EXPECT_EQ(Written(3, all),
            std::string("+OK\r\n:-42\r\n$2\r\nhi\r\n_\r\n_\r\n*2\r\n%1\r\n~3\r\n>1\r\n#t\r\n=8\r\ntxt:a\r\nb"
                        "\r\n=4\r\ntxt:\r\n"));
}

TEST(line_ends_in_an_error_become_spaces) {
  EXPECT_EQ(Written(2, [](ReplyWriter* r) { r->Error("ERR a\r\nb"); }), std::string("-ERR a  b\r\n"));
  EXPECT(Written(2, [](ReplyWriter* r) { r->Error(std::string(5000, 'x')); }).size() < 1300);
}

TEST(a_value_that_is_written_in_place_gets_its_head_afterwards) {
  for (const size_t size : {size_t{0}, size_t{9}, size_t{10}, size_t{100}, size_t{3}, size_t{99'999}}) {
    EXPECT_EQ(Written(2,
                      [&](ReplyWriter* r) {
                        std::memset(r->StartBulk(size + 50), 'v', size);
                        r->FinishBulk(size);
                        std::memset(r->StartBulk(size), 'w', size);
                        r->FinishBulk(size);
                      }),
              "$" + std::to_string(size) + "\r\n" + std::string(size, 'v') + "\r\n$" + std::to_string(size) + "\r\n" +
                  std::string(size, 'w') + "\r\n");
  }
}

TEST(an_array_gets_its_length_at_its_end) {
  const auto array = [](ReplyWriter* r) {
    r->Ok();
    const size_t place = r->StartArray();
    for (int i = 0; i < 12; ++i) r->Integer(i % 10);
    r->FinishArray(place, 12);
    r->FinishArray(r->StartArray(), 0);
  };
  EXPECT_EQ(
      Written(2, array),
      std::string("+OK\r\n*12\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n:0\r\n:1\r\n*0\r\n"));
}

TEST(output_never_passes_its_limit) {
  OutputBuffer out(100);
  ReplyWriter reply(&out);
  reply.Bulk(std::string(60, 'a'));
  const size_t size = out.size();
  reply.Bulk(std::string(60, 'b'));
  EXPECT(out.overflowed());
  EXPECT_EQ(out.size(), size);
  EXPECT(out.Reserve(SIZE_MAX) == nullptr);
  EXPECT(reply.StartBulk(SIZE_MAX / 2) == nullptr);
  out.Truncate(0);
  EXPECT(!out.overflowed());
  reply.Bulk(std::string(60, 'b'));
  EXPECT(!out.overflowed());
}

TEST(output_is_taken_from_its_front) {
  OutputBuffer out(1u << 20);
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string piece(static_cast<size_t>(i % 97), static_cast<char>('a' + i % 26));
    out.Append(piece.data(), piece.size());
    expected += piece;
    const size_t n = std::min<size_t>(out.size(), static_cast<size_t>(i % 50));
    EXPECT_EQ(Content(out).substr(0, n), expected.substr(0, n));
    out.Consume(n);
    expected.erase(0, n);
  }
  EXPECT_EQ(Content(out), expected);
}

}  // namespace
}  // namespace zkdb::net
