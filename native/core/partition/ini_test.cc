#include "core/partition/ini.h"

#include "core/base/test.h"
#include "core/partition/values.h"

namespace zkdb {
namespace {

bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void ExpectRefused(const std::string& text, const std::string& part) {
  IniFile ini;
  const Status status = ParseIni(text, "app.conf", &ini);
  EXPECT_CODE(status, ZKDB_CONFIG);
  EXPECT(Contains(status.message(), part)) || test::Fail(__FILE__, __LINE__, status.message() + " has no " + part);
}

std::string ValueOf(const IniFile& ini, const std::string& section, const std::string& key) {
  const IniSection* found = ini.Find(section);
  const IniEntry* entry = found == nullptr ? nullptr : found->Find(key);
  return entry == nullptr ? "(none)" : entry->value;
}

}  // namespace

TEST(ini_keys_before_any_section_belong_to_main) {
  IniFile ini;
  ASSERT_OK(ParseIni("Partitions = part_1;part_2;part_3;\n[part_1]\nMaxLimit = k\n", "app.conf", &ini));
  EXPECT_EQ(ValueOf(ini, "main", "Partitions"), "part_1;part_2;part_3;");
  EXPECT_EQ(ValueOf(ini, "part_1", "MaxLimit"), "k");
  EXPECT_EQ(ini.Find("part_1")->line, 2u);
  EXPECT_EQ(ini.Find("part_1")->Find("maxlimit")->line, 3u);
}

TEST(ini_semicolon_comments_only_at_the_start_of_a_line) {
  IniFile ini;
  ASSERT_OK(ParseIni("; a\n \t; [x]\na = 1 ; 2\n;b = 3\n[s]\nc=;\n", "app.conf", &ini));
  EXPECT_EQ(ValueOf(ini, "main", "a"), "1 ; 2");
  EXPECT_EQ(ValueOf(ini, "s", "c"), ";");
  EXPECT_EQ(ini.sections.size(), 2u);
}

TEST(ini_section_names_may_carry_blanks_and_ignore_case) {
  IniFile ini;
  ASSERT_OK(ParseIni("x = 0\n[ MAIN ]\n  Key\t=  a = b  \n[ Part_1 ]\nk =\n", "app.conf", &ini));
  EXPECT_EQ(ValueOf(ini, "main", "KEY"), "a = b");
  EXPECT_EQ(ValueOf(ini, "main", "x"), "0");
  EXPECT_EQ(ValueOf(ini, "PART_1", "K"), "");
  EXPECT_EQ(ini.Find("part_1")->name, "Part_1");
}

TEST(ini_accepts_crlf_a_byte_order_mark_and_no_final_newline) {
  IniFile ini;
  ASSERT_OK(ParseIni("\xEF\xBB\xBF[main]\r\na = 1\r\n\r\nb = 2", "app.conf", &ini));
  EXPECT_EQ(ValueOf(ini, "main", "a"), "1");
  EXPECT_EQ(ValueOf(ini, "main", "b"), "2");
  ASSERT_OK(ParseIni("", "app.conf", &ini));
  EXPECT_EQ(ini.sections.size(), 1u);
}

TEST(ini_refuses_a_repeated_key_or_section_with_both_lines) {
  ExpectRefused("[a]\nk = 1\nK = 2\n", "app.conf:3: [a] K = 2: the key is repeated; it was given in line 2");
  ExpectRefused("[a]\n\n[ A ]\n", "app.conf:3: section [A] is repeated; it began in line 1");
  ExpectRefused("[main]\n[main]\n", "app.conf:2: section [main] is repeated");
  ExpectRefused("k = 1\n[main]\nk = 2\n", "app.conf:3: [main] k = 2: the key is repeated");
}

TEST(ini_refuses_a_line_that_is_neither_section_nor_key) {
  ExpectRefused("[a]\nhello\n", "app.conf:2: [a] \"hello\" is neither a section, a key = value nor a comment");
  ExpectRefused("[a\n", "app.conf:1: \"[a\" opens a section but does not end with ']'");
  ExpectRefused("[a] ; no\n", "does not end with ']'");
  ExpectRefused("[]\n", "a section without a name");
  ExpectRefused("[\n", "does not end with ']'");
  ExpectRefused("[a]b]\n", "holds a bracket");
  ExpectRefused(" = 3\n", "app.conf:1: [main] a value without a key");
}

TEST(ini_refuses_nul_bytes_and_files_that_are_too_large) {
  ExpectRefused(std::string("a = 1\nb = \0 2\n", 14), "app.conf:2: holds a NUL byte");
  IniFile ini;
  EXPECT_OK(ParseIni(std::string(kMaxConfigBytes, '\n'), "app.conf", &ini));
  ExpectRefused(std::string(kMaxConfigBytes + 1, '\n'), "a configuration has at most 4194304");
}

TEST(values_yes_and_no_in_any_case_and_nothing_else) {
  bool flag = false;
  EXPECT(ParseYesNo("YES", &flag) && flag);
  EXPECT(ParseYesNo("no", &flag) && !flag);
  for (const char* bad : {"", "y", "true", "1", "yes "}) EXPECT(!ParseYesNo(bad, &flag));
}

TEST(values_sizes_end_in_k_m_or_g) {
  uint64_t size = 0;
  EXPECT(ParseSize("512K", &size) && size == 512u << 10);
  EXPECT(ParseSize("64m", &size) && size == 64u << 20);
  EXPECT(ParseSize("2G", &size) && size == uint64_t{2} << 30);
  EXPECT(ParseSize("18446744073709551615", &size) && size == UINT64_MAX);
  for (const char* bad : {"", "K", "-1", "1.5M", "64MB", "1 K", "18446744073709551616", "18446744073709551615K"}) {
    EXPECT(!ParseSize(bad, &size));
  }
}

TEST(values_in_messages_are_printable_utf8_of_bounded_size) {
  EXPECT_EQ(Printable(std::string("a\0\n\x7F\xFF", 5)), "a\\x00\\x0a\\x7f\\xff");
  EXPECT_EQ(Printable("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"), "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(Printable("\xC0\xAF\xED\xA0\x80\xE2\x82"), "\\xc0\\xaf\\xed\\xa0\\x80\\xe2\\x82");
  EXPECT_EQ(Printable(std::string(100, 'x')), std::string(80, 'x') + "...");
  EXPECT_EQ(Printable("ab\xC3\xA9", 3), "ab...");
}

TEST(values_suggest_the_nearest_name_only_when_it_is_near) {
  const std::vector<std::string> names = {"MinLimit", "MaxLimit", "HomeDir"};
  EXPECT_EQ(NearestName("maxlimt", names), "MaxLimit");
  EXPECT_EQ(NearestName("Home_Dir", names), "HomeDir");
  EXPECT_EQ(NearestName("Colour", names), "");
  EXPECT_EQ(NearestName(std::string(100000, 'x'), names), "");
}

}  // namespace zkdb
