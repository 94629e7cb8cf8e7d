// Values of the configuration: sizes, what is shown of a text in a message, and suggestions.
#include "core/partition/values.h"

#include "core/base/test.h"

namespace zkdb::test {

TEST(a_size_may_end_in_k_m_or_g_of_either_case) {
  const auto parse = [](std::string_view text) {
    uint64_t size = 0;
    return ParseSize(text, &size) ? std::to_string(size) : "refused";
  };
  EXPECT_EQ(parse("7"), "7");
  EXPECT_EQ(parse("4k"), "4096");
  EXPECT_EQ(parse("4K"), "4096");
  EXPECT_EQ(parse("2m"), "2097152");
  EXPECT_EQ(parse("2M"), "2097152");
  EXPECT_EQ(parse("1g"), "1073741824");
  EXPECT_EQ(parse("1G"), "1073741824");
  EXPECT_EQ(parse("17179869184G"), "refused");
  for (const char* wrong : {"", "K", "1KB", "-1", "1.5M", "18446744073709551616"}) EXPECT_EQ(parse(wrong), "refused");
}

TEST(a_text_is_shown_with_its_utf8_characters_and_other_bytes_escaped) {
  const std::vector<std::string> whole = {"a~",           "\xC3\xA4",         "\xE2\x82\xAC",     "\xE0\xA0\x80",
                                          "\xED\x9F\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\xF1\x80\x80\x80"};
  for (const std::string& text : whole) EXPECT_EQ(Printable(text, 100), text);
  const std::vector<std::pair<std::string, std::string>> escaped = {
      {"\x1F\x7F", "\\x1f\\x7f"},
      {"\xC3", "\\xc3"},                    // cut short
      {"\xC0\xAF", "\\xc0\\xaf"},           // overlong
      {"\xE0\x9F\x80", "\\xe0\\x9f\\x80"},  // overlong
      {"\xED\xA0\x80", "\\xed\\xa0\\x80"},  // a surrogate
      {"\xE2\x82", "\\xe2\\x82"},
      {"\xE2x\xAC", "\\xe2x\\xac"},
      {"\xF0\x8F\x80\x80", "\\xf0\\x8f\\x80\\x80"},  // overlong
      {"\xF4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // beyond U+10FFFF
      {"\xF1\x80\x80", "\\xf1\\x80\\x80"},
      {"\xF1\x80", "\\xf1\\x80"},
      {"\xF1z", "\\xf1z"},
      {"\xF5\x80", "\\xf5\\x80"}};
  for (const auto& [text, shown] : escaped) EXPECT_EQ(Printable(text, 100), shown);
  EXPECT_EQ(Printable("abcdef", 3), "abc...");
}

TEST(the_nearest_name_is_suggested_when_it_is_near_enough) {
  const std::vector<std::string> names = {"MinLimit", "MaxLimit", "PageSize", std::string(80, 'M')};
  EXPECT_EQ(NearestName("minlimits", names), "MinLimit");
  EXPECT_EQ(NearestName("PageSise", names), "PageSize");
  EXPECT_EQ(NearestName("Colour", names), "");
  EXPECT_EQ(NearestName(std::string(80, 'M'), names), "");
  EXPECT_EQ(NearestName("x", {"a"}), "");
}

}  // namespace zkdb::test
