#include "core/partition/selector.h"

#include <functional>
#include <random>
#include <set>

#include "core/base/test.h"

namespace zkdb {
namespace {

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  uint32_t operator()() { return static_cast<uint32_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

Selector Build(const std::string& text) {
  DatabaseConfig config;
  Selector selector;
  EXPECT_OK(ParseConfig(text, "app.conf", {}, &config));
  EXPECT_OK(Selector::Build(config, &selector));
  return selector;
}

std::string TextExample(const std::string& position) {
  return "Partitions = part_1;part_2;part_3;\n"
         "[part_1]\nMaxLimit = k\nLimitStartPos = " +
         position +
         "\n"
         "[part_2]\nMinLimit = l\nMaxLimit = p\nLimitStartPos = " +
         position +
         "\n"
         "[part_3]\nMinLimit = q\nLimitStartPos = " +
         position + "\n";
}

constexpr const char* kHashedExample =
    "Partitions = part_1;part_2;part_3;\n"
    "[part_1]\nIsHashed = Yes\nMinLimit = 0\nMaxLimit = 96\nLimitStartPos = 3\n"
    "[part_2]\nIsHashed = Yes\nMinLimit = 97\nMaxLimit = 180\nLimitStartPos = 3\n"
    "[part_3]\nIsHashed = Yes\nMinLimit = 181\nMaxLimit = 255\nLimitStartPos = 3\n";

std::string WithByte(uint32_t byte) { return std::string("id-") + static_cast<char>(byte) + "rest"; }

// Distinct bounds for `count` partitions, ascending; text bounds of `width` bytes follow each other strictly.
std::vector<uint32_t> RandomBounds(Random* random, size_t count, uint32_t end) {
  std::set<uint32_t> bounds;
  while (bounds.size() + 1 < count) bounds.insert(1 + (*random)() % (end - 1));
  return {bounds.begin(), bounds.end()};
}

std::string Hex(uint32_t value, uint32_t width) {
  std::string text(width, '0');
  for (uint32_t i = width; i-- > 0; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

struct RandomConfig {
  std::string text;
  RouteKind kind;
  uint32_t width;
};

// A valid configuration of a random kind, partition count and order of sections.
RandomConfig MakeRandomConfig(Random* random) {
  const auto kind = static_cast<RouteKind>(1 + (*random)() % 3);
  const bool text = kind == RouteKind::kText;
  const uint32_t width = text ? 2 + (*random)() % 3 : 1;
  const size_t count = 1 + (*random)() % 40;
  const std::vector<uint32_t> bounds = RandomBounds(random, count, text ? 1u << (4 * width) : 256);
  const auto show = [&](uint32_t v) { return text ? Hex(v, width) : std::to_string(v); };
  const uint32_t start = kind == RouteKind::kDoHashing ? 0 : (*random)() % 4;
  std::vector<std::string> sections;
  std::string list;
  for (size_t i = 0; i < count; ++i) {
    std::string s = "[p" + std::to_string(i) + "]\nLimitStartPos = " + std::to_string(start) + "\n";
    if (kind != RouteKind::kText) s += kind == RouteKind::kHashed ? "IsHashed = Yes\n" : "DoHashing = Yes\n";
    if (i > 0) s += "MinLimit = " + show(bounds[i - 1]) + "\n";
    if (i + 1 < count) s += "MaxLimit = " + show(bounds[i] - 1) + "\n";
    sections.push_back(s);
    list = (*random)() % 2 == 0 ? list + "p" + std::to_string(i) + "," : "p" + std::to_string(i) + "," + list;
  }
  std::string all = "Partitions = " + list + "\n";
  for (const std::string& section : sections) all += section;
  return {all, kind, width};
}

// A key of few distinct bytes, so that ranges of keys are often narrow.
std::string RandomKey(Random* random) {
  static constexpr char kBytes[] = "09aAfFzZ@[`{}\x01\x7F\xFF";
  std::string key((*random)() % 9, '\0');
  for (char& c : key) {
    c = (*random)() % 4 == 0 ? static_cast<char>((*random)()) : kBytes[(*random)() % (sizeof kBytes)];
  }
  return key;
}

}  // namespace

TEST(selector_text_example_routes_letters_of_both_cases) {
  const Selector s = Build(TextExample("3"));
  for (uint32_t c = 'a'; c <= 'z'; ++c) {
    const uint32_t expected = c <= 'k' ? 0 : c <= 'p' ? 1 : 2;
    EXPECT_EQ(s.Select(WithByte(c)), expected);
    EXPECT_EQ(s.Select(WithByte(c - 'a' + 'A')), expected);
  }
}

TEST(selector_text_example_sends_other_bytes_below_a_first_and_above_z_last) {
  const Selector s = Build(TextExample("3"));
  for (uint32_t byte = 0; byte < 'A'; ++byte) EXPECT_EQ(s.Select(WithByte(byte)), 0u);
  for (uint32_t byte = 'Z' + 1; byte < 'a'; ++byte) EXPECT_EQ(s.Select(WithByte(byte)), 0u);
  for (uint32_t byte = 'z' + 1; byte < 256; ++byte) EXPECT_EQ(s.Select(WithByte(byte)), 2u);
  for (const char* short_key : {"", "q", "qq", "qqq"}) EXPECT_EQ(s.Select(short_key), 0u);
  EXPECT_EQ(s.Select("qqqq"), 2u);
}

TEST(selector_hashed_example_routes_by_the_number_of_the_byte) {
  const Selector s = Build(kHashedExample);
  for (uint32_t byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(s.Select(WithByte(byte)), byte <= 96 ? 0u : byte <= 180 ? 1u : 2u);
  }
  EXPECT_EQ(s.Select("\xFF\xFF\xFF"), 0u);
  EXPECT(s.kind() == RouteKind::kHashed && s.start() == 3 && s.width() == 1);
}

TEST(selector_key_n_needs_position_4_and_lands_in_one_partition_elsewhere) {
  for (uint32_t position = 0; position < 5; ++position) {
    const std::string at = "LimitStartPos = " + std::to_string(position) + "\n";
    const Selector s = Build("Partitions = a;b;c\n[a]\nMaxLimit = 3\n" + at + "[b]\nMinLimit = 4\nMaxLimit = 6\n" + at +
                             "[c]\nMinLimit = 7\n" + at);
    std::set<uint32_t> used;
    for (int n = 1; n <= 1000; ++n) used.insert(s.Select("Key " + std::to_string(n)));
    EXPECT_EQ(used.size(), position == 4 ? 3u : 1u);
  }
}

TEST(selector_limits_outside_the_range_of_the_byte_put_all_keys_in_one_partition) {
  const Selector s = Build(TextExample("4"));
  for (int n = 1; n <= 1000; ++n) EXPECT_EQ(s.Select("Key " + std::to_string(n)), 0u);
}

TEST(selector_long_limits_compare_folded_and_missing_bytes_are_lowest) {
  const Selector s =
      Build("Partitions = a,b,c\n[c]\nMinLimit = Mn\n[a]\nMaxLimit = KZ\n[b]\nMinLimit = la\nMaxLimit = mm\n");
  for (const char* key : {"", "k", "kz", "KZzz", "k{", "l", "L", "l0", "l9", "l`", "0", "@"}) {
    EXPECT_EQ(s.Select(key), 0u);
  }
  for (const char* key : {"la", "LA", "lz", "m", "ma", "mM", "mMz"}) EXPECT_EQ(s.Select(key), 1u);
  for (const char* key : {"mn", "MNa", "n", "zz", "{", "\xFF"}) EXPECT_EQ(s.Select(key), 2u);
  EXPECT_EQ(s.width(), 2u);
}

TEST(selector_256_hashed_partitions_are_one_per_byte) {
  std::string list = "Partitions = ";
  std::string sections;
  for (int i = 0; i < 256; ++i) {
    const std::string n = std::to_string(i);
    list += "p" + n + ";";
    sections += "[p" + n + "]\nIsHashed = Yes\nMinLimit = " + n + "\nMaxLimit = " + n + "\n";
  }
  const Selector s = Build(list + "\n" + sections);
  for (uint32_t byte = 0; byte < 256; ++byte) EXPECT_EQ(s.Select(std::string(1, static_cast<char>(byte))), byte);
}

TEST(selector_dohashing_routes_by_the_redis_slot) {
  const Selector s = Build(MakeHashedConfig(256));
  EXPECT_EQ(s.Select("foo"), 12182u / 64);
  EXPECT_EQ(s.Select("bar"), 5061u / 64);
  EXPECT_EQ(s.Select("{user1000}.following"), s.Select("{user1000}.followers"));
  const Selector three = Build(MakeHashedConfig(3));
  uint32_t next = 0;
  for (uint32_t i = 0; i < 3; ++i) {
    uint32_t first = 0;
    uint32_t last = 0;
    ASSERT(three.SlotRange(i, &first, &last));
    EXPECT_EQ(first, next);
    next = last + 1;
  }
  EXPECT_EQ(next, kSlotCount);
  EXPECT_EQ(three.Select("foo"), 2u);
  EXPECT_EQ(three.Describe(0), "hash slots 0..5439 (limits 0..84)");
}

TEST(selector_a_lone_partition_without_limits_holds_every_key) {
  for (const char* lines : {"", "IsHashed = Yes\n", "DoHashing = Yes\n", "LimitStartPos = 9\n"}) {
    const Selector s = Build(std::string("Partitions = p\n[p]\n") + lines);
    for (const char* key : {"", "a", "zzzzzzzzzzzzzzz", "\xFF"}) EXPECT_EQ(s.Select(key), 0u);
    EXPECT_EQ(s.Describe(0), "every key");
    EXPECT(s.MayHold(0, "", false, ""));
  }
}

TEST(selector_describes_the_rule_for_a_person) {
  const Selector text = Build(TextExample("3"));
  EXPECT_EQ(text.Describe(0), "bytes 3..3 up to k, without case");
  EXPECT_EQ(text.Describe(1), "bytes 3..3 from l to p, without case");
  EXPECT_EQ(text.Describe(2), "bytes 3..3 from q on, without case");
  const Selector hashed = Build(kHashedExample);
  EXPECT_EQ(hashed.Describe(0), "bytes 3..3 from 0 to 96");
  EXPECT_EQ(hashed.Describe(2), "bytes 3..3 from 181 to 255");
}

TEST(selector_refuses_a_configuration_made_by_hand_that_is_wrong) {
  DatabaseConfig config;
  Selector selector;
  EXPECT_CODE(Selector::Build(config, &selector), ZKDB_CONFIG);
  config.partitions.resize(2);
  config.partitions[0].name = "a";
  config.partitions[0].max_limit = "k";
  config.partitions[1].name = "b";
  config.partitions[1].min_limit = "m";
  EXPECT_EQ(Selector::Build(config, &selector).message(),
            "[b] MinLimit = m: gap: no partition holds \"l\"; the partition before, [a], ends at \"k\"");
  config.partitions.resize(257);
  EXPECT_CODE(Selector::Build(config, &selector), ZKDB_CONFIG);
}

// What a configuration file cannot hold, and what is shown of each kind of limit.
TEST(selector_shows_the_value_that_is_wrong_in_a_configuration_made_by_hand) {
  const auto verdict = [](const std::function<void(PartitionConfig*, PartitionConfig*)>& change) {
    DatabaseConfig config;
    config.partitions.resize(2);
    config.partitions[0].name = "a";
    config.partitions[1].name = "b";
    change(&config.partitions[0], &config.partitions[1]);
    Selector selector;
    const Status status = Selector::Build(config, &selector);
    EXPECT_CODE(status, ZKDB_CONFIG);
    return status.message();
  };
  const auto begins = [&](const char* text, const std::function<void(PartitionConfig*, PartitionConfig*)>& change) {
    const std::string message = verdict(change);
    if (!message.starts_with(text)) EXPECT_EQ(message, text);
  };
  begins("[a] MaxLimit = : an empty limit", [](auto* a, auto*) { a->max_limit = ""; });
  begins("[b] MinLimit = : is not a number", [](auto* a, auto* b) {
    a->is_hashed = b->is_hashed = true;
    b->min_limit = "";
  });
  begins("[b] MaxLimit = z: gap: no partition holds keys above", [](auto* a, auto* b) {
    a->max_limit = "k";
    b->min_limit = "l";
    b->max_limit = "z";
  });
  begins("[b] MinLimit = : overlap: [a] has no MinLimit either", [](auto*, auto*) {});
  begins("[b] LimitStartPos = 7: differs from 0 of [a]", [](auto*, auto* b) { b->limit_start_pos = 7; });
  begins("[b] IsHashed = Yes: a mixture", [](auto*, auto* b) { b->is_hashed = true; });
  begins("[b] IsHashed = No: a mixture", [](auto* a, auto*) { a->is_hashed = true; });
  begins("[b] DoHashing = Yes: a mixture", [](auto*, auto* b) { b->do_hashing = true; });
  begins("[b] DoHashing = No: a mixture", [](auto* a, auto*) { a->do_hashing = true; });
}

TEST(selector_narrow_ranges_touch_only_their_partitions) {
  const Selector s = Build(TextExample("3"));
  const auto touched = [&s](Slice lo, Slice hi, bool inclusive) {
    std::string names;
    for (uint32_t i = 0; i < 3; ++i) names += s.MayHold(i, lo, true, hi, inclusive) ? std::to_string(i) : "";
    return names;
  };
  EXPECT_EQ(touched("id-la", "id-lz", true), "1");
  EXPECT_EQ(touched("id-l", "id-q", true), "12");
  EXPECT_EQ(touched("id-l", "id-q", false), "1");
  EXPECT_EQ(touched("id-L", "id-M", true), "1");
  EXPECT_EQ(touched("id-", "id-{", false), "012");
  EXPECT_EQ(touched("id-", std::string("id-\0", 4), false), "0");
  EXPECT_EQ(touched("id-Q", "id-Z", true), "2");
  EXPECT_EQ(touched("id", "ie", true), "012");
  EXPECT_EQ(touched("id-q", "id-q", true), "2");
  EXPECT_EQ(touched("id-q", "id-q", false), "");
  EXPECT_EQ(touched("z", "a", true), "");
  const Selector hashed = Build(MakeHashedConfig(16));
  int count = 0;
  for (uint32_t i = 0; i < 16; ++i) count += hashed.MayHold(i, "{user1000}.a", true, "{user1000}.z") ? 1 : 0;
  EXPECT_EQ(count, 1);
}

TEST(selector_every_key_has_one_partition_and_ranges_are_conservative) {
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    Random random(seed);
    const RandomConfig config = MakeRandomConfig(&random);
    const Selector s = Build(config.text);
    std::vector<std::string> keys = {""};
    for (int i = 0; i < 60; ++i) keys.push_back(RandomKey(&random));
    for (int i = 0; i < 40; ++i) {
      const std::string& lo = keys[random() % keys.size()];
      std::string hi = random() % 2 == 0 ? keys[random() % keys.size()] : lo + RandomKey(&random);
      const bool has_hi = random() % 4 != 0;
      const bool inclusive = random() % 2 == 0;
      for (const std::string& key : keys) {
        ASSERT(s.Select(key) < s.partition_count());
        const int above = has_hi ? Compare(key, hi) : -1;
        if (Compare(key, lo) < 0 || above > 0 || (above == 0 && !inclusive)) continue;
        const bool held = s.MayHold(s.Select(key), lo, has_hi, hi, inclusive);
        if (!EXPECT(held)) test::Fail(__FILE__, __LINE__, "seed " + std::to_string(seed) + "\n" + config.text);
      }
    }
  }
}

// The rule of LEGACY 1.3 written down a second time, as plainly as it goes.
TEST(selector_agrees_with_limits_compared_one_by_one) {
  for (uint32_t seed = 1; seed <= 100; ++seed) {
    Random random(seed);
    const RandomConfig random_config = MakeRandomConfig(&random);
    DatabaseConfig config;
    ASSERT_OK(ParseConfig(random_config.text, "app.conf", {}, &config));
    const Selector s = Build(random_config.text);
    for (int i = 0; i < 200; ++i) {
      const std::string key = RandomKey(&random);
      std::string compared = key.size() > s.start() ? key.substr(s.start(), random_config.width) : "";
      if (s.kind() == RouteKind::kDoHashing) compared = std::string(1, static_cast<char>(KeySlot(key) / 64));
      for (char& c : compared) {
        if (s.kind() == RouteKind::kText && c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
      }
      uint32_t holders = 0;
      uint32_t highest = 0;
      std::string highest_min;
      for (uint32_t p = 0; p < config.partitions.size(); ++p) {
        std::string min = config.partitions[p].min_limit.value_or("");
        if (s.kind() != RouteKind::kText && !min.empty()) min = std::string(1, static_cast<char>(std::stoi(min)));
        if (Compare(min, compared) > 0) continue;
        if (holders == 0 || Compare(min, highest_min) > 0) {
          highest = p;
          highest_min = min;
        }
        ++holders;
      }
      ASSERT(holders > 0);
      EXPECT_EQ(s.Select(key), highest);
    }
  }
}

TEST(selector_fingerprint_changes_with_limits_kind_and_position_only) {
  const Selector base = Build(TextExample("3"));
  const Selector moved = Build(TextExample("4"));
  const Selector hashed = Build(kHashedExample);
  const Selector renamed = Build(
      "Partitions = z;y;x\n[x]\nMaxLimit = K\nLimitStartPos = 3\n"
      "[y]\nMinLimit = L\nMaxLimit = p\nLimitStartPos = 3\n[z]\nMinLimit = q\nLimitStartPos = 3\n");
  const Selector split = Build(
      "Partitions = a;b;c\n[a]\nMaxLimit = j\nLimitStartPos = 3\n"
      "[b]\nMinLimit = k\nMaxLimit = p\nLimitStartPos = 3\n[c]\nMinLimit = q\nLimitStartPos = 3\n");
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT(base.Fingerprint(i) != moved.Fingerprint(i));
    EXPECT(base.Fingerprint(i) != hashed.Fingerprint(i));
    EXPECT_EQ(base.Fingerprint(i), renamed.Fingerprint(2 - i));
  }
  EXPECT(base.Fingerprint(0) != base.Fingerprint(1));
  EXPECT(base.Fingerprint(0) != split.Fingerprint(0));
  EXPECT(base.Fingerprint(1) != split.Fingerprint(1));
  EXPECT_EQ(base.Fingerprint(2), split.Fingerprint(2));
}

TEST(selector_fingerprint_of_a_lone_hashed_partition_is_the_stored_number) {
  EXPECT_EQ(Build(MakeHashedConfig(1)).Fingerprint(0), 17832001465355019687u);
}

}  // namespace zkdb
