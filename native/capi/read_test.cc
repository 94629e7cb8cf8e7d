// Options, reading, cursors, figures and routing through zkdb.h: results and every documented code.
#include "capi/test_util.h"

namespace zkdb::test {
namespace {

std::string Key(int i) { return "k" + std::string(1, static_cast<char>('a' + i * 7 % 26)) + std::to_string(i); }

void Fill(TestDb* db, int records) {
  BatchBytes batch;
  for (int i = 0; i < records; ++i) batch.Put(Key(i), std::string(static_cast<size_t>(i % 50), 'v'));
  ASSERT_EQ(db->Write(batch), ZKDB_OK);
}

TEST(codes_have_names_and_the_version_is_known) {
  EXPECT_EQ(zkdb_abi_version(), uint32_t{ZKDB_ABI_VERSION});
  EXPECT(zkdb_version()[0] != '\0');
  EXPECT_EQ(std::string(zkdb_code_name(ZKDB_SNAPSHOT_EXPIRED)), "ZKDB_SNAPSHOT_EXPIRED");
  EXPECT_EQ(std::string(zkdb_code_name(static_cast<zkdb_code>(99))), "ZKDB_UNKNOWN");
}

TEST(an_option_that_is_unknown_or_bad_is_refused_by_name) {
  zkdb_options* options = nullptr;
  ASSERT_EQ(zkdb_options_create(&options), ZKDB_OK);
  zkdb_error error{};
  for (const auto& [name, value] : std::vector<std::pair<const char*, const char*>>{{"NoSuch", "1"},
                                                                                    {"PageSize", "5000"},
                                                                                    {"PageSize", ""},
                                                                                    {"Partitions", "257"},
                                                                                    {"Partitions", "0"},
                                                                                    {"Partitions", "-1"},
                                                                                    {"SegmentSize", "32K"},
                                                                                    {"ReadOnly", "maybe"},
                                                                                    {"Durability", "always"},
                                                                                    {"SyncInterval", "0"},
                                                                                    {"", ""}}) {
    EXPECT_EQ(zkdb_options_set(options, name, value, &error), ZKDB_CONFIG);
    EXPECT(std::string(error.message).find(name) != std::string::npos);
  }
  EXPECT_EQ(zkdb_options_set(options, "pagesize", "16K", nullptr), ZKDB_OK);
  zkdb_options_destroy(options);
}

TEST(open_says_whether_the_database_is_there) {
  const std::string directory = TempDirectory() + "/new";
  TestDb db;
  EXPECT_EQ(db.Open(directory, {{"CreateIfMissing", "No"}}), ZKDB_MISSING);
  EXPECT_EQ(db.error.urgent, 1);
  EXPECT(!std::filesystem::exists(directory));
  EXPECT_EQ(db.Open(directory, {{"ReadOnly", "Yes"}}), ZKDB_MISSING);
  ASSERT_EQ(db.Open(directory, {{"Partitions", "4"}}), ZKDB_OK);
  EXPECT_EQ(zkdb_partition_count(db.get()), 4u);
  ASSERT_EQ(db.Put("a", "1", ZKDB_DURABILITY_COMMIT), ZKDB_OK);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  EXPECT_EQ(db.Open(directory, {{"ErrorIfExists", "Yes"}}), ZKDB_EXISTS);
  EXPECT_EQ(db.Open(directory, {{"Partitions", "5"}}), ZKDB_CONFIG);
  EXPECT_EQ(db.Open(""), ZKDB_INVALID);
  EXPECT_EQ(db.Open(directory + "/no/such.conf"), ZKDB_CONFIG);
  ASSERT_EQ(db.Open(directory, {{"CreateIfMissing", "No"}}), ZKDB_OK);
  EXPECT_EQ(db.Get("a").value_or(""), "1");
}

TEST(get_tells_the_size_that_a_value_needs) {
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(TempDirectory(), 3)), ZKDB_OK);
  ASSERT_EQ(db.Write(BatchBytes().Put("small", "12345").Put("big", std::string(100000, 'b')).Put("none", "")), ZKDB_OK);
  char buffer[8] = "unread!";
  size_t size = 0;
  EXPECT_EQ(zkdb_get(db.get(), nullptr, "small", 5, buffer, 4, &size, nullptr), ZKDB_BUFFER_TOO_SMALL);
  EXPECT_EQ(size, 5u);
  EXPECT_EQ(std::string(buffer), "unread!");
  EXPECT_EQ(zkdb_get(db.get(), nullptr, "big", 3, buffer, sizeof buffer, &size, nullptr), ZKDB_BUFFER_TOO_SMALL);
  EXPECT_EQ(size, 100000u);
  EXPECT_EQ(zkdb_get(db.get(), nullptr, "none", 4, nullptr, 0, &size, nullptr), ZKDB_OK);
  EXPECT_EQ(size, 0u);
  EXPECT_EQ(zkdb_get(db.get(), nullptr, nullptr, 0, buffer, sizeof buffer, &size, &db.error), ZKDB_NOT_FOUND);
  const std::string long_key(65536, 'k');
  EXPECT_EQ(zkdb_get(db.get(), nullptr, long_key.data(), long_key.size(), buffer, sizeof buffer, &size, nullptr),
            ZKDB_KEY_TOO_LARGE);
}

TEST(get_many_resumes_where_the_buffer_was_full) {
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(TempDirectory(), 3)), ZKDB_OK);
  Fill(&db, 500);
  std::string keys;
  std::vector<uint32_t> offsets = {0};
  std::vector<std::optional<std::string>> expected;
  for (int i = 0; i < 300; ++i) {
    keys += i % 3 == 0 ? "absent" + std::to_string(i) : Key(i);
    offsets.push_back(static_cast<uint32_t>(keys.size()));
    expected.push_back(db.Get(std::string_view(keys).substr(offsets[offsets.size() - 2])));
  }
  for (const size_t capacity : {0u, 1u, 49u, 128u, 100000u}) {
    std::vector<uint32_t> sizes(300);
    std::string buffer(capacity, '\0');
    uint32_t at = 0;
    while (at < 300) {
      uint32_t done = 0;
      size_t needed = 0;
      const zkdb_code code = zkdb_get_many(db.get(), nullptr, keys.data(), &offsets[at], 300 - at, buffer.data(),
                                           buffer.size(), sizes.data(), &done, &needed, &db.error);
      ASSERT(code == ZKDB_OK || code == ZKDB_BUFFER_TOO_SMALL);
      size_t from = 0;
      for (uint32_t i = 0; i < done; ++i) {
        const auto& want = expected[at + i];
        ASSERT_EQ(sizes[i], want ? static_cast<uint32_t>(want->size()) : UINT32_MAX);
        if (want) EXPECT_EQ(buffer.substr(from, want->size()), *want);
        if (want) from += want->size();
      }
      at += done;
      if (code == ZKDB_OK) EXPECT_EQ(at, 300u);
      if (code == ZKDB_OK) continue;
      EXPECT_EQ(needed, expected[at]->size());
      if (done == 0) buffer.resize(needed);
    }
  }
  const uint32_t backward[] = {4, 2};
  uint32_t done = 0;
  size_t needed = 0;
  EXPECT_EQ(zkdb_get_many(db.get(), nullptr, "abcd", backward, 1, nullptr, 0, nullptr, &done, &needed, nullptr),
            ZKDB_INVALID);
  const uint32_t none[] = {0};
  EXPECT_EQ(zkdb_get_many(db.get(), nullptr, nullptr, none, 0, nullptr, 0, nullptr, &done, &needed, nullptr), ZKDB_OK);
}

TEST(a_cursor_honours_range_direction_and_flags_in_every_shape) {
  for (const uint32_t partitions : {1u, 3u, 16u}) {
    TestDb db;
    ASSERT_EQ(db.Open(MakeShape(TempDirectory(), partitions)), ZKDB_OK);
    Fill(&db, 700);
    const Model all = db.All();
    for (uint32_t flags = 0; flags < 8; ++flags) {
      for (const auto& [lo, hi] : std::vector<std::pair<std::string, std::string>>{
               {"", ""}, {"kc", "kq"}, {Key(3), Key(9)}, {"kq", "kc"}, {Key(5), Key(5)}, {"", Key(11)}}) {
        RecordList expected;
        for (const auto& [k, v] : all) {
          if (InRange(k, lo, hi, flags)) expected.emplace_back(k, v);
        }
        const zkdb_range range = RangeFrom(lo, hi, flags);
        RecordList forward;
        RecordList backward;
        RecordList unordered;
        ASSERT_EQ(db.Scan(&forward, &range, 0, nullptr, nullptr, 100), ZKDB_OK);
        ASSERT_EQ(db.Scan(&backward, &range, ZKDB_SCAN_REVERSE), ZKDB_OK);
        ASSERT_EQ(db.Scan(&unordered, &range, ZKDB_SCAN_UNORDERED), ZKDB_OK);
        EXPECT(forward == expected);
        std::reverse(backward.begin(), backward.end());
        EXPECT(backward == expected);
        std::sort(unordered.begin(), unordered.end());
        EXPECT(unordered == expected);
      }
    }
    RecordList bare;
    ASSERT_EQ(db.Scan(&bare, nullptr, ZKDB_SCAN_NO_KEYS | ZKDB_SCAN_NO_VALUES), ZKDB_OK);
    EXPECT(bare == RecordList(all.size()));
    zkdb_cursor* cursor = nullptr;
    EXPECT_EQ(zkdb_cursor_open(db.get(), nullptr, nullptr, nullptr, ZKDB_SCAN_PIN_LATER << 1, &cursor, nullptr),
              ZKDB_INVALID);
  }
}

TEST(a_cursor_says_how_much_room_a_record_needs_and_seeks_both_ways) {
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(TempDirectory(), 3)), ZKDB_OK);
  Fill(&db, 100);
  ASSERT_EQ(db.Put("zz", std::string(5000, 'z')), ZKDB_OK);
  zkdb_cursor* cursor = nullptr;
  ASSERT_EQ(zkdb_cursor_open(db.get(), nullptr, nullptr, nullptr, ZKDB_SCAN_REVERSE, &cursor, nullptr), ZKDB_OK);
  char buffer[64];
  size_t used = 0;
  uint32_t count = 9;
  int done = 0;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(zkdb_cursor_next(cursor, buffer, sizeof buffer, 1, &used, &count, &done, nullptr), ZKDB_BUFFER_TOO_SMALL);
    EXPECT_EQ(used, 8u + 2 + 5000);
    EXPECT_EQ(count, 0u);
  }
  ASSERT_EQ(zkdb_cursor_seek(cursor, "km", 2, nullptr), ZKDB_OK);
  ASSERT_EQ(zkdb_cursor_next(cursor, buffer, sizeof buffer, 1, &used, &count, &done, nullptr), ZKDB_OK);
  EXPECT(std::string(buffer + 8, 2) < "km");
  const std::string beyond(70000, 'z');
  ASSERT_EQ(zkdb_cursor_seek(cursor, beyond.data(), beyond.size(), nullptr), ZKDB_OK);
  RecordList all;
  EXPECT_EQ(Drain(cursor, &all), ZKDB_OK);
  EXPECT_EQ(all.size(), 101u);
  zkdb_cursor_close(cursor);
}

TEST(figures_descriptions_and_estimates_of_each_partition_are_right) {
  const std::string path = MakeShape(TempDirectory(), 3);
  TestDb db;
  ASSERT_EQ(db.Open(path, {{"PageSize", "16K"}}), ZKDB_OK);
  EXPECT_EQ(std::string(zkdb_name(db.get())), "test");
  Fill(&db, 3000);
  uint64_t records = 0;
  uint64_t estimated = 0;
  for (uint32_t i = 0; i < 3; ++i) {
    zkdb_partition_stats stats{};
    zkdb_partition_info info{};
    uint64_t estimate = 0;
    ASSERT_EQ(zkdb_stats_partition(db.get(), i, ZKDB_STATS_FULL, &stats, nullptr), ZKDB_OK);
    ASSERT_EQ(zkdb_partition_describe(db.get(), i, &info, nullptr), ZKDB_OK);
    ASSERT_EQ(zkdb_estimate(db.get(), i, nullptr, &estimate, nullptr), ZKDB_OK);
    EXPECT_EQ(stats.page_size, 16384u);
    EXPECT(stats.leaf_pages > 0 && stats.depth > 0 && stats.pages_allocated > stats.leaf_pages);
    EXPECT_EQ(info.index, i);
    EXPECT(std::strlen(info.rule) > 0 && std::filesystem::exists(info.directory));
    records += stats.records;
    estimated += estimate;
  }
  EXPECT_EQ(records, 3000u);
  EXPECT_EQ(estimated, 3000u);
  zkdb_partition_stats stats{};
  EXPECT_EQ(zkdb_stats_partition(db.get(), 3, 0, &stats, nullptr), ZKDB_INVALID);
  zkdb_partition_info info{};
  EXPECT_EQ(zkdb_partition_describe(db.get(), 3, &info, nullptr), ZKDB_INVALID);
  ASSERT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_DELETE_RANGE, "kb", "kd", ZKDB_RANGE_HAS_HI)), ZKDB_OK);
  ASSERT_EQ(zkdb_checkpoint(db.get(), nullptr), ZKDB_OK);
  ASSERT_EQ(zkdb_stats_partition(db.get(), 0, 0, &stats, nullptr), ZKDB_OK);
  const uint64_t free_before = stats.pages_free;
  EXPECT(stats.dirty_pages == 0 && free_before > 0);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  ASSERT_EQ(zkdb_stats_partition(db.get(), 0, 0, &stats, nullptr), ZKDB_OK);
  EXPECT(stats.pages_free > 0);  // known before the first write
  zkdb_router* router = nullptr;
  ASSERT_EQ(zkdb_router_open(path.c_str(), &router, nullptr), ZKDB_OK);
  EXPECT_EQ(zkdb_router_partition_count(router), 3u);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(zkdb_router_partition_of(router, Key(i).data(), Key(i).size()),
              zkdb_partition_of(db.get(), Key(i).data(), Key(i).size()));
  }
  EXPECT_EQ(zkdb_router_describe(router, 7, &info, nullptr), ZKDB_INVALID);
  zkdb_router_close(router);
  EXPECT_EQ(zkdb_router_open("/no/such", &router, nullptr), ZKDB_CONFIG);
}

TEST(the_slot_of_a_key_is_that_of_redis_cluster) {
  EXPECT_EQ(zkdb_key_slot("123456789", 9), 12739u);
  EXPECT_EQ(zkdb_key_slot("{user1000}.following", 20), zkdb_key_slot("user1000", 8));
  EXPECT_EQ(zkdb_key_slot(nullptr, 0), 0u);
}

void AddLine(void* context, uint32_t line, const char* section, const char* key, const char* value) {
  auto* text = static_cast<std::string*>(context);
  *text += std::to_string(line) + "[" + section + "]";
  if (key != nullptr) *text += std::string(key) + "=" + value;
  *text += ";";
}

TEST(an_ini_text_comes_in_the_order_of_its_lines) {
  const std::string text = "a = 1\n; no\n[ Two ]\nB = x = y ;\n[three]\r\n";
  std::string lines;
  zkdb_error error{};
  EXPECT_EQ(zkdb_ini_parse(text.data(), text.size(), "f.conf", AddLine, &lines, &error), ZKDB_OK);
  EXPECT_EQ(lines, std::string("0[main];1[main]a=1;3[Two];4[Two]B=x = y ;;5[three];"));
  lines.clear();
  EXPECT_EQ(zkdb_ini_parse("[a]\nb=1\nB=2", 11, "f.conf", AddLine, &lines, &error), ZKDB_CONFIG);
  EXPECT(std::string(error.message).starts_with("f.conf:3: [a] B = 2: the key is repeated"));
  EXPECT_EQ(zkdb_ini_parse("a\0", 2, "f.conf", AddLine, &lines, nullptr), ZKDB_CONFIG);
  EXPECT(lines.empty());
  EXPECT_EQ(zkdb_ini_parse(nullptr, 0, "f.conf", AddLine, &lines, nullptr), ZKDB_OK);
  EXPECT_EQ(lines, std::string("0[main];"));
}

TEST(progress_callbacks_stop_check_backup_and_compaction) {
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(TempDirectory(), 3)), ZKDB_OK);
  for (int i = 0; i < 10; ++i) Fill(&db, 12000);
  const zkdb_progress stop = [](void*, uint64_t, uint64_t) { return 1; };
  EXPECT_EQ(zkdb_check(db.get(), nullptr, nullptr, stop, nullptr, nullptr, nullptr), ZKDB_ABORTED);
  EXPECT_EQ(zkdb_backup(db.get(), (TempDirectory() + "/b").c_str(), stop, nullptr, nullptr), ZKDB_ABORTED);
  const Model before = db.All();
  EXPECT_EQ(zkdb_compact(db.get(), stop, nullptr, nullptr), ZKDB_ABORTED);
  EXPECT(db.All() == before);
  EXPECT_EQ(db.Check(), "");
  const std::string copy = TempDirectory() + "/copy";
  ASSERT_EQ(zkdb_backup(db.get(), copy.c_str(), nullptr, nullptr, &db.error), ZKDB_OK);
  EXPECT_EQ(zkdb_backup(db.get(), copy.c_str(), nullptr, nullptr, &db.error), ZKDB_EXISTS);
  TestDb second;
  ASSERT_EQ(second.Open(copy), ZKDB_OK);
  EXPECT(second.All() == before);
  ASSERT_EQ(zkdb_compact(db.get(), nullptr, nullptr, nullptr), ZKDB_OK);
  EXPECT(db.All() == before);
  EXPECT_EQ(db.Check(), "");
}

}  // namespace
}  // namespace zkdb::test
