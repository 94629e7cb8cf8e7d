// The description of files of a real database, sound and damaged in every way that a few thousand changes reach.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "core/base/checksum.h"
#include "core/base/coding.h"
#include "core/base/test.h"
#include "core/format/layout.h"
#include "core/wal/log_format.h"
#include "include/zkdb.h"
#include "tool/inspect_output.h"

namespace zkdb {
namespace {

constexpr uint32_t kPageSize = kMinPageSize;

struct Listing {
  zkdb_code code = ZKDB_OK;
  std::string message;
  std::vector<std::string> lines;

  size_t Count(const std::string& text) const {
    const auto has = [&text](const std::string& line) { return line.find(text) != std::string::npos; };
    return static_cast<size_t>(std::count_if(lines.begin(), lines.end(), has));
  }
  bool Has(const std::string& text) const { return Count(text) > 0; }
};

int Collect(void* context, const char* text, size_t size) {
  static_cast<std::vector<std::string>*>(context)->emplace_back(text, size);
  return 0;
}

Listing Describe(const std::string& path, int64_t page = -1, bool as_json = false) {
  Listing out;
  zkdb_error error{};
  out.code = zkdb_inspect(path.c_str(), page, as_json ? 1 : 0, &Collect, &out.lines, &error);
  if (out.code != ZKDB_OK) out.message = error.message;
  return out;
}

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string Operation(zkdb_op kind, const std::string& key, const std::string& value) {
  std::string op(ZKDB_OP_HEADER_SIZE, '\0');
  op[0] = static_cast<char>(kind);
  Store16(op.data() + 2, static_cast<uint16_t>(key.size()));
  Store32(op.data() + 4, static_cast<uint32_t>(value.size()));
  return op + key + value;
}

// A database of two partitions with text limits, closed cleanly, and a copy of its log taken before the close.
struct Sample {
  std::string directory = test::TempDirectory();
  std::string early = directory + "/early/000.zkd";  // a partition's first segment
  std::string later = directory + "/early/001.zkd";
  std::string log = directory + "/copy/zkdb-00000001.log";
  bool made = false;
};

constexpr char kConfig[] =
    "[main]\nDatabase = sample\nPartitions = early; late\nSegmentSize = 64K\nLogFileSize = 1M\n"
    "[early]\nMaxLimit = m\n[late]\nMinLimit = n\n";

std::string SampleBatch() {
  std::string batch;
  for (int i = 0; i < 600; ++i) {
    const std::string number = std::to_string(1000 + i);
    batch += Operation(ZKDB_OP_PUT, (i % 3 == 0 ? "zebra-" : "apple-") + number, std::string(40, 'v') + number);
  }
  batch += Operation(ZKDB_OP_PUT, "long-" + std::string(3000, 'k'), "a long key");
  batch += Operation(ZKDB_OP_PUT, "big", std::string(60000, 'o'));
  batch += Operation(ZKDB_OP_PUT, std::string("b\0\xff", 3), std::string("\x01\x02", 2));
  return batch;
}

bool Write(zkdb_db* db, const std::string& batch) {
  return EXPECT_EQ(zkdb_write(db, batch.data(), batch.size(), ZKDB_DURABILITY_COMMIT, 0, nullptr, nullptr), ZKDB_OK);
}

Sample MakeSample() {
  Sample s;
  const std::string config = s.directory + "/sample.conf";
  WriteAll(config, kConfig);
  zkdb_db* db = nullptr;
  zkdb_error error{};
  if (!EXPECT_EQ(zkdb_open(config.c_str(), nullptr, &db, &error), ZKDB_OK)) return s;
  s.made = Write(db, SampleBatch());
  s.made = EXPECT_EQ(zkdb_checkpoint(db, nullptr), ZKDB_OK) && s.made;
  // A range delete gives the second checkpoint a free map.
  std::string range = Operation(ZKDB_OP_DELETE_RANGE, "apple-1200", "apple-1500");
  range[1] = ZKDB_RANGE_HAS_HI;
  s.made = Write(db, range) && Write(db, Operation(ZKDB_OP_DELETE, "apple-1001", "")) && s.made;
  std::filesystem::create_directories(s.directory + "/copy");
  WriteAll(s.log, ReadAll(s.directory + "/log/zkdb-00000001.log"));
  s.made = EXPECT_EQ(zkdb_close(db, &error), ZKDB_OK) && s.made;
  return s;
}

// The number of the first page of `kind` in a segment's overview, -1 when there is none.
int64_t PageOf(const std::string& path, const std::string& kind) {
  for (const std::string& line : Describe(path).lines) {
    const bool wanted = line.starts_with("page number=") && line.find("kind=" + kind) != std::string::npos;
    if (wanted) return std::stoll(line.substr(12));
  }
  return -1;
}

// ---- sound files ----------------------------------------------------------------------------------------------------

TEST(inspect_shows_both_meta_slots_and_a_line_for_each_page) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  const Listing all = Describe(s.early);
  EXPECT_EQ(all.code, ZKDB_OK);
  EXPECT_EQ(all.Count("meta slot="), size_t{2});
  EXPECT_EQ(all.Count("newest=yes"), size_t{1});
  const size_t pages = std::filesystem::file_size(s.early) / kPageSize - MetaPages(kPageSize);
  EXPECT_EQ(all.Count("page number="), pages);
  EXPECT_EQ(all.Count("checksum=bad"), size_t{0});
  EXPECT(all.Has("use=free"));
  EXPECT(!all.Has("note"));
}

TEST(inspect_shows_records_of_a_leaf_in_full) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  const Listing leaf = Describe(s.directory + "/late/000.zkd", PageOf(s.directory + "/late/000.zkd", "leaf"));
  EXPECT_EQ(leaf.code, ZKDB_OK);
  EXPECT(leaf.Has("key=\"zebra-1000\" value_size=44 value=\"vvvvvvvv"));
  EXPECT(leaf.Has("page_header checksum="));
}

TEST(inspect_shows_children_of_a_branch_and_overflow_references) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  const Listing branch = Describe(s.early, PageOf(s.early, "branch"));
  EXPECT_EQ(branch.code, ZKDB_OK);
  EXPECT(branch.Has("child_stamp="));
  size_t keys = 0;
  size_t values = 0;
  size_t binary = 0;
  for (int64_t page = 2; page < 200; ++page) {
    const Listing listing = Describe(page < 16 ? s.early : s.later, page);
    keys += listing.Count("key_overflow_size=");
    values += listing.Count("value_overflow_size=60000");
    binary += listing.Count("key_hex=\"6200ff\" value_size=2 value_hex=\"0102\"");
  }
  EXPECT(keys > 0);
  EXPECT(values > 0);
  EXPECT(binary > 0);
}

TEST(inspect_knows_the_place_of_a_later_segment_from_the_first_or_from_its_header) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  ASSERT(std::filesystem::exists(s.later));
  const Listing beside = Describe(s.later);
  EXPECT(beside.Has("segment=1 page_size=4096 first_page=16"));
  EXPECT(!beside.Has("says_it_is_page"));
  const std::string alone = s.directory + "/copy/elsewhere.zkd";
  std::filesystem::copy_file(s.later, alone);
  const Listing listing = Describe(alone);
  EXPECT(listing.Has("segment=1 page_size=4096 first_page=16"));
  EXPECT(listing.Has("the page size 4096 is the one under which checksums are right"));
  EXPECT(Describe(alone, 16).Has("segment_header database_id="));
}

TEST(inspect_shows_records_groups_and_operations_of_a_log) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  const Listing log = Describe(s.log);
  EXPECT_EQ(log.code, ZKDB_OK);
  EXPECT(log.Has("log_header state=ok version=2"));
  EXPECT_EQ(log.Count("log_partition uid="), size_t{2});
  EXPECT_EQ(log.Count("record offset="), size_t{3});
  EXPECT(log.Has("record offset=8192 sequence=1 previous=0 durable=0"));
  EXPECT_EQ(log.Count("group uid="), size_t{4});
  EXPECT(log.Has("kind=put key_size=10 value_size=44 key=\"apple-1001\" value=\"vvvv"));
  EXPECT(log.Has(
      "kind=delete_range kind_number=3 flags=1 key_size=10 value_size=10 from=\"apple-1200\" to=\"apple-1500\""));
  EXPECT(log.Has("last_sequence=3 reason=\"zeros follow"));
}

TEST(inspect_says_that_a_log_was_closed_cleanly) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  const Listing log = Describe(s.directory + "/log/zkdb-00000002.log");
  EXPECT(log.Has("clean=yes"));
  EXPECT(log.Has("the database was closed cleanly"));
}

TEST(inspect_as_json_gives_an_object_per_line) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  for (const std::string& path : {s.early, s.log}) {
    for (const std::string& line : Describe(path, -1, true).lines) {
      EXPECT(line.starts_with("{\"type\":\"") && line.ends_with("}"));
    }
  }
  const std::string text = InspectLine("a", true).Text("b", "q\"\\").Bytes("c", "\n").Flag("d", false).Finish();
  EXPECT_EQ(text, "{\"type\":\"a\",\"b\":\"q\\\"\\\\\",\"c_hex\":\"0a\",\"d\":false}");
}

TEST(inspect_cuts_long_bytes_at_64) {
  const std::string line = InspectLine("a", false).Bytes("key", std::string(100, 'x')).Finish();
  EXPECT_EQ(line, "a key=\"" + std::string(64, 'x') + "\"");
}

TEST(inspect_stops_when_the_sink_says_so) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  int calls = 0;
  const auto stop = [](void* context, const char*, size_t) { return ++*static_cast<int*>(context) == 3 ? 1 : 0; };
  EXPECT_EQ(zkdb_inspect(s.early.c_str(), -1, 0, stop, &calls, nullptr), ZKDB_OK);
  EXPECT_EQ(calls, 3);
}

// ---- what cannot be described ---------------------------------------------------------------------------------------

TEST(inspect_refuses_files_and_pages_that_are_not_there) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  EXPECT_EQ(Describe(s.directory + "/none.zkd").code, ZKDB_IO);
  EXPECT_EQ(Describe(s.directory + "/sample.conf").code, ZKDB_NOT_ZKDB);
  EXPECT_EQ(Describe(s.early, 1000000).code, ZKDB_INVALID);
  EXPECT_EQ(Describe(s.early, -2).code, ZKDB_INVALID);
  EXPECT_EQ(Describe(s.log, 1).code, ZKDB_INVALID);
  EXPECT_EQ(zkdb_inspect(nullptr, -1, 0, nullptr, nullptr, nullptr), ZKDB_INVALID);
}

// ---- damage ---------------------------------------------------------------------------------------------------------

TEST(inspect_names_the_damaged_page_and_still_shows_what_is_sound_in_it) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  const int64_t page = PageOf(s.early, "leaf");
  std::string bytes = ReadAll(s.early);
  bytes[static_cast<size_t>(page + 1) * kPageSize - 1] ^= 1;
  WriteAll(s.early, bytes);
  EXPECT(Describe(s.early).Has("checksum=bad structure=sound"));
  EXPECT(Describe(s.early, page).Has("slot index=0"));
  bytes[static_cast<size_t>(page) * kPageSize + offsetof(PageHeader, count) + 1] = '\x7f';
  WriteAll(s.early, bytes);
  EXPECT(Describe(s.early).Has("structure=\"slots and cells overlap\""));
  const Listing listing = Describe(s.early, page);
  EXPECT(listing.Has("bytes offset=0 hex="));
  EXPECT(!listing.Has("slot index="));
}

TEST(inspect_tells_damage_within_a_log_from_a_torn_tail) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  const std::string sound = ReadAll(s.log);
  const std::string last = Describe(s.log).lines.end()[-1];
  std::string bytes = sound;
  bytes[kLogHeaderSize + 100] ^= 1;
  WriteAll(s.log, bytes);
  const Listing damaged = Describe(s.log);
  EXPECT(damaged.Has("checksum=bad"));
  EXPECT(damaged.Has("this is no torn tail"));
  const size_t end = std::stoul(last.substr(last.find("offset=") + 7));
  WriteAll(s.log, sound.substr(0, end - 8));
  const Listing torn = Describe(s.log);
  EXPECT_EQ(torn.Count("record offset="), size_t{2});
  EXPECT(!torn.Has("this is no torn tail"));
}

TEST(inspect_shows_the_records_of_a_log_whose_header_is_damaged) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  std::string bytes = ReadAll(s.log);
  bytes[kLogSaltOffset] ^= 1;
  WriteAll(s.log, bytes);
  const Listing log = Describe(s.log);
  EXPECT(log.Has("state=\"the checksum does not match\""));
  EXPECT_EQ(log.Count("checksum=bad"), size_t{3});
  EXPECT_EQ(log.Count("operation offset="), size_t{600 + 3 + 2});
}

// Describes a changed file in every way; it must say something, whatever the bytes are.
void ExpectText(const std::string& path, int64_t page) {
  const Listing all = Describe(path, -1, page % 2 == 1);
  EXPECT(all.code == ZKDB_OK ? !all.lines.empty() : !all.message.empty());
  if (page < 0) return;
  const Listing one = Describe(path, page);
  EXPECT(one.code == ZKDB_OK ? !one.lines.empty() : !one.message.empty());
}

// Flips bytes [begin, end) of a file one after another, and describes the file and its page `page` (-1: only the file)
// each time. The checksum of the page in place `place` of the file is put right for two of three flips.
void FlipEach(const std::string& from, const std::string& to, size_t begin, size_t end, int64_t page, int64_t place) {
  const std::string sound = ReadAll(from);
  for (size_t i = begin; i < std::min(end, sound.size()); ++i) {
    std::string bytes = sound;
    bytes[i] = static_cast<char>(bytes[i] ^ (i % 2 == 0 ? 0xFF : 1 << (i % 8)));
    if (place >= 0 && i % 3 != 0) {
      char* at = bytes.data() + static_cast<size_t>(place) * kPageSize;
      Store32(at, Crc32c(0, at + kChecksumSize, kPageSize - kChecksumSize));
    }
    WriteAll(to, bytes);
    ExpectText(to, page);
  }
}

// A short copy keeps the many descriptions below quick: the first `pages` pages.
std::string ShortCopy(const Sample& s, const std::string& from, uint32_t pages) {
  const std::string path = s.directory + "/copy/000.zkd";
  WriteAll(path, ReadAll(from).substr(0, size_t{pages} * kPageSize));
  return path;
}

// Flips the first `bytes` bytes of the first page of `kind` in a partition with segments of 16 pages.
void FlipPage(const Sample& s, const std::string& partition, const std::string& kind, size_t bytes) {
  int64_t page = -1;
  std::string from;
  for (int segment = 0; page < 0 && segment < 4; ++segment) {
    from = s.directory + "/" + partition + "/00" + std::to_string(segment) + ".zkd";
    if (std::filesystem::exists(from)) page = PageOf(from, kind);
  }
  ASSERT(page > 0);
  const int64_t place = page % 16;
  const std::string cut = ShortCopy(s, from, static_cast<uint32_t>(place) + 1);
  const size_t begin = static_cast<size_t>(place) * kPageSize;
  FlipEach(cut, s.directory + "/copy/flipped.zkd", begin, begin + bytes, page, place);
}

TEST(inspect_survives_a_flip_of_every_byte_of_a_leaf) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  FlipPage(s, "late", "leaf", kPageSize);
}

TEST(inspect_survives_a_flip_of_every_byte_of_a_branch) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  FlipPage(s, "early", "branch", kPageSize);
}

TEST(inspect_survives_flips_in_the_heads_of_the_other_kinds_of_page) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  for (const char* kind : {"overflow", "free_map", "segment_header"}) FlipPage(s, "early", kind, 72);
}

TEST(inspect_survives_a_flip_of_every_byte_of_the_metas) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  const std::string from = ShortCopy(s, s.early, 4);
  for (uint32_t slot = 0; slot < kMetaSlots; ++slot) {
    const size_t begin = size_t{slot} * kMetaSlotSize;
    FlipEach(from, s.directory + "/copy/flipped.zkd", begin, begin + sizeof(Meta) + 8, -1, -1);
  }
}

// A meta whose fields are impossible but whose checksum is right must be believed no further.
TEST(inspect_survives_metas_with_right_checksums_and_impossible_fields) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  const std::string sound = ReadAll(ShortCopy(s, s.early, 4));
  const std::string path = s.directory + "/copy/flipped.zkd";
  for (size_t i = 16; i < sizeof(Meta); ++i) {
    for (const int value : {0x00, 0x01, 0x7F, 0xFF}) {
      std::string bytes = sound;
      for (uint32_t slot = 0; slot < kMetaSlots; ++slot) {
        char* at = bytes.data() + size_t{slot} * kMetaSlotSize;
        at[i] = static_cast<char>(value);
        Store32(at + offsetof(Meta, checksum), 0u);
        Store32(at + offsetof(Meta, checksum), Crc32c(0, at, kMetaSlotSize));
      }
      WriteAll(path, bytes);
      ExpectText(path, 2);
    }
  }
}

TEST(inspect_survives_a_flip_of_every_byte_of_a_log) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  const std::string from = s.directory + "/copy/short.log";
  const Listing log = Describe(s.log);
  const std::string last = log.lines.end()[-1];
  const size_t end = std::stoul(last.substr(last.find("offset=") + 7));
  // Of the large first record only the beginning is flipped; the header's zeros say nothing.
  std::string bytes = ReadAll(s.log).substr(0, end);
  WriteAll(from, bytes);
  const std::string to = s.directory + "/copy/zkdb-00000009.log";
  FlipEach(from, to, 0, kLogPartitionsOffset + 3 * kLogPartitionSize, -1, -1);
  FlipEach(from, to, kLogHeaderSize, kLogHeaderSize + 128, -1, -1);
  FlipEach(from, to, end - 160, end, -1, -1);
}

TEST(inspect_survives_files_cut_anywhere) {
  const Sample s = MakeSample();
  ASSERT(s.made);
  const auto cut = [&s](const std::string& from, const std::string& name, size_t step) {
    const std::string bytes = ReadAll(from);
    const std::string to = s.directory + "/copy/" + name;
    for (size_t n = 0; n < std::min<size_t>(bytes.size(), 120000); n += step) {
      WriteAll(to, bytes.substr(0, n));
      ExpectText(to, -1);
    }
  };
  cut(s.early, "000.zkd", 509);
  cut(s.later, "001.zkd", 1021);
  cut(s.log, "zkdb-00000007.log", 251);
}

}  // namespace
}  // namespace zkdb
