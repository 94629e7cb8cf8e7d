#include "core/partition/limits.h"

#include "core/base/test.h"

namespace zkdb {
namespace {

// A configuration of partitions p1, p2, ... from lines of each section; what ParseConfig says of it, or "".
std::string Verdict(const std::vector<std::string>& sections) {
  std::string list;
  std::string body;
  for (size_t i = 0; i < sections.size(); ++i) {
    const std::string name = "p" + std::to_string(i + 1);
    list += name + ";";
    body += "[" + name + "]\n" + sections[i];
  }
  DatabaseConfig config;
  const Status status = ParseConfig("Partitions = " + list + "\n" + body, "app.conf", {}, &config);
  return status.ok() ? "" : status.message();
}

std::string Min(const std::string& v) { return "MinLimit = " + v + "\n"; }
std::string Max(const std::string& v) { return "MaxLimit = " + v + "\n"; }
std::string Hashed(const std::string& lines) { return "IsHashed = Yes\n" + lines; }

// Text partitions split between `max` and `min`.
std::string Split(const std::string& max, const std::string& min) { return Verdict({Max(max), Min(min)}); }

}  // namespace

TEST(limits_a_gap_names_a_key_that_no_partition_holds) {
  EXPECT_EQ(Verdict({Max("k"), Min("m")}),
            "app.conf:5: [p2] MinLimit = m: gap: no partition holds \"l\"; the partition before, [p1], ends at \"k\"");
  EXPECT_EQ(Verdict({Min("b") + Max("k"), Min("l")}),
            "app.conf:3: [p1] MinLimit = b: gap: no partition holds keys below \"b\"; remove MinLimit from the first "
            "partition");
  EXPECT_EQ(Verdict({Max("k"), Min("l") + Max("z")}),
            "app.conf:6: [p2] MaxLimit = z: gap: no partition holds keys above \"z\"; remove MaxLimit from the last "
            "partition");
  EXPECT_EQ(Verdict({Hashed(Max("96")), Hashed(Min("98"))}),
            "app.conf:7: [p2] MinLimit = 98: gap: no partition holds 97; the partition before, [p1], ends at 96");
  EXPECT_EQ(Verdict({Hashed(Min("1"))}),
            "app.conf:4: [p1] MinLimit = 1: gap: no partition holds 0; the first one begins at 0");
  EXPECT_EQ(Verdict({Hashed(Max("96"))}),
            "app.conf:4: [p1] MaxLimit = 96: gap: no partition holds 97; the last one ends at 255");
}

TEST(limits_an_overlap_names_the_other_partition) {
  EXPECT_EQ(Verdict({Max("k"), Min("k")}), "app.conf:5: [p2] MinLimit = k: overlap: [p1] holds keys up to \"k\"");
  EXPECT_EQ(Verdict({Max("K"), Min("c")}), "app.conf:5: [p2] MinLimit = c: overlap: [p1] holds keys up to \"k\"");
  EXPECT_EQ(Verdict({"", Min("c")}),
            "app.conf:4: [p2] MinLimit = c: overlap: [p1] has no MaxLimit and so holds every key");
  EXPECT_EQ(Verdict({Max("b"), Min("c"), Min("q")}),
            "app.conf:7: [p3] MinLimit = q: overlap: [p2] has no MaxLimit and so holds every key from \"c\" on");
  EXPECT_EQ(Verdict({"", ""}), "app.conf:3: [p2] MinLimit (not given): overlap: [p1] has no MinLimit either");
  EXPECT_EQ(Verdict({Hashed(""), Hashed("")}),
            "app.conf:4: [p2] MinLimit (not given): overlap: [p1] holds keys up to 255");
}

TEST(limits_must_have_one_length_of_at_most_sixteen_bytes) {
  EXPECT_EQ(Verdict({Max("k"), Min("la")}),
            "app.conf:5: [p2] MinLimit = la: lengths differ: 2 bytes here and 1 in \"k\"; all limits of a database "
            "have the same length");
  EXPECT_EQ(Verdict({Max("9"), Min("10")}),
            "app.conf:5: [p2] MinLimit = 10: lengths differ: 2 bytes here and 1 in \"9\"; all limits of a database "
            "have the same length (for numbers in 0..255 set IsHashed = Yes)");
  EXPECT_EQ(Verdict({Max("k"), Min("l") + Max("zz"), Min("10")}).substr(0, 52),
            "app.conf:6: [p2] MaxLimit = zz: lengths differ: 2 by");
  EXPECT(Verdict({Max("k"), Min("10")}).ends_with("all limits of a database have the same length"));
  const std::string head(15, 'a');
  EXPECT_EQ(Split(head + "k", head + "l"), "");
  EXPECT_EQ(Split(head + "ak", head + "al"),
            "app.conf:3: [p1] MaxLimit = " + head + "ak: has 17 bytes; a limit has at most 16");
}

TEST(limits_of_hashed_partitions_are_numbers_from_0_to_255) {
  EXPECT_EQ(Verdict({Hashed(Max("k"))}),
            "app.conf:4: [p1] MaxLimit = k: is not a number; with IsHashed or DoHashing limits are numbers in 0..255");
  EXPECT_EQ(Verdict({Hashed(Max("256"))}), "app.conf:4: [p1] MaxLimit = 256: is outside 0..255");
  EXPECT_EQ(Verdict({Hashed(Max("99999999999999999999"))}),
            "app.conf:4: [p1] MaxLimit = 99999999999999999999: is outside 0..255");
  EXPECT_EQ(Verdict({Hashed(Min("-1"))}).substr(0, 47), "app.conf:4: [p1] MinLimit = -1: is not a number");
  EXPECT_EQ(Verdict({Hashed(Min("9") + Max("8"))}), "app.conf:4: [p1] MinLimit = 9: is above MaxLimit = 8");
  EXPECT_EQ(Verdict({Min("z") + Max("A"), Min("b")}), "app.conf:3: [p1] MinLimit = z: is above MaxLimit = A");
}

TEST(limits_of_one_database_are_of_one_kind_and_position) {
  EXPECT_EQ(Verdict({Max("k"), Hashed(Min("97"))}),
            "app.conf:5: [p2] IsHashed = Yes: a mixture of kinds of limits: [p1] has another value; all partitions of "
            "a database have the same IsHashed and DoHashing");
  EXPECT(Verdict({"DoHashing = Yes\nMaxLimit = 1\n", Min("2")}).find("[p2] DoHashing (not given): a mixture") !=
         std::string::npos);
  EXPECT(Verdict({Hashed("DoHashing = Yes\n")}).find("[p1] DoHashing = Yes: IsHashed = Yes says") != std::string::npos);
  EXPECT_EQ(Verdict({Max("k") + "LimitStartPos = 3\n", Min("l")}),
            "app.conf:5: [p2] LimitStartPos (not given): differs from 3 of [p1]; all partitions of a database compare "
            "the same bytes");
  EXPECT_EQ(Verdict({"DoHashing = Yes\nLimitStartPos = 3\n"}),
            "app.conf:4: [p1] LimitStartPos = 3: DoHashing = Yes hashes the whole key; remove LimitStartPos");
  EXPECT_EQ(Verdict({"DoHashing = Yes\nLimitStartPos = 0\n"}), "");
}

TEST(limits_of_one_character_are_adjacent_in_the_folded_alphabet) {
  EXPECT_EQ(Split("k", "L"), "");
  EXPECT_EQ(Split("@", "["), "");
  EXPECT_EQ(Split("`", "A"), "");
  EXPECT_EQ(Split("z", "{"), "");
  EXPECT(Split("9", "a").find("gap: no partition holds \":\"") != std::string::npos);
}

TEST(limits_of_several_characters_count_up_with_carry) {
  EXPECT_EQ(Split("kz", "k{"), "");
  EXPECT_EQ(Split("kz", "la"), "");
  EXPECT_EQ(Split("kZ", "LA"), "");
  EXPECT_EQ(Split("kz", "l0"), "");
  EXPECT_EQ(Split("k9", "ka"), "");
  EXPECT_EQ(Split("19", "20"), "");
  EXPECT_EQ(Split("1f", "20"), "");
  EXPECT_EQ(Split("azz", "baa"), "");
  EXPECT(Split("k\xFF", "l\x01").find("[p2] MinLimit = l\\x01: gap: no partition holds \"l\\x00\"") !=
         std::string::npos);
  EXPECT(Split("kb", "kd").find("gap: no partition holds \"kc\"") != std::string::npos);
  EXPECT(Split("kz", "lb").find("gap") != std::string::npos);
  EXPECT(Split("k9", "la").find("gap") != std::string::npos);
  EXPECT(Split("zz", "{{").find("gap") != std::string::npos);
}

TEST(limits_may_stand_in_any_order_of_sections) {
  EXPECT_EQ(Verdict({Min("q"), Max("k"), Min("l") + Max("p")}), "");
  EXPECT_EQ(Verdict({Hashed(Min("181")), Hashed(Max("96")), Hashed(Min("97") + Max("180"))}), "");
  EXPECT(Verdict({Min("r"), Max("k"), Min("l") + Max("p")}).find("[p1] MinLimit = r: gap: no partition holds \"q\"") !=
         std::string::npos);
}

}  // namespace zkdb
