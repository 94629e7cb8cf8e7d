// Golden files: databases of each format version, as some earlier build wrote them, in test/golden/v1 and so on. Every
// build must open them. They are never written anew for the same version; a new version gets a directory of its own,
// made by
//   ZKDB_WRITE_GOLDEN=test/golden/v3 zkdb_native_tests golden_files_are_written
//
//   clean/      closed cleanly; 3 text partitions with long keys and overflow values
//   dirty/      one partition, not closed: everything after the first checkpoint is in the log only
//   clean.txt, dirty.txt   what they hold: a line per record, key and value in hex
//
// From version 2 on, "t-later" ends in a future that no test sees, and "t-past" has ended, in each of them.
#include "capi/test_util.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

std::string Hex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) hex.append({kDigits[(c >> 4) & 15], kDigits[c & 15]});
  return hex;
}

std::string ListOf(const Model& model) {
  std::string text;
  for (const auto& [key, value] : model) text += Hex(key) + " " + Hex(value) + "\n";
  return text;
}

std::string ReadText(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

constexpr uint64_t kLater = uint64_t{1} << 50;  // ms

fs::path GoldenDirectory(int version) {
  return fs::path(__FILE__).parent_path() / "../../test/golden" / ("v" + std::to_string(version));
}

OptionList GoldenOptions() { return {{"SegmentSize", "64K"}, {"LogFileSize", "64K"}, {"CheckPoints", "No"}}; }

BatchBytes GoldenBatch(int from, int to) {
  BatchBytes batch;
  for (int i = from; i < to; ++i) {
    std::string key = "k" + std::string(1, static_cast<char>('a' + i % 26)) + "-" + std::to_string(i);
    if (i % 10 == 3) key += std::string(static_cast<size_t>(200 + 40 * i), 'L');
    batch.Put(key, std::string(i % 30 == 5 ? 5000 : static_cast<size_t>(i), static_cast<char>('a' + i % 26)));
  }
  return batch.Put("", "the empty key").Put(std::string("bin\0ary\xff", 8), std::string("\0\1\2", 3));
}

BatchBytes TimedBatch() { return BatchBytes().PutTimed("t-later", "later", kLater).PutTimed("t-past", "past", 1); }

void CopyWithoutLocks(const fs::path& from, const fs::path& to) {
  fs::copy(from, to, fs::copy_options::recursive);
  std::vector<fs::path> locks;
  for (const auto& entry : fs::recursive_directory_iterator(to)) {
    if (entry.path().filename() == "zkdb.lock") locks.push_back(entry.path());
  }
  for (const fs::path& lock : locks) fs::remove(lock);
}

TEST(golden_files_are_written) {
  const char* given = std::getenv("ZKDB_WRITE_GOLDEN");
  if (given == nullptr) return;
  const fs::path to = given;
  fs::create_directories(to);
  const std::string clean = TempDirectory();
  const std::string dirty = TempDirectory();
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(clean, 3), GoldenOptions()), ZKDB_OK);
  ASSERT_EQ(db.Write(GoldenBatch(0, 60)), ZKDB_OK);
  ASSERT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_DELETE_RANGE, "kc", "kf", ZKDB_RANGE_HAS_HI)), ZKDB_OK);
  ASSERT_EQ(db.Write(TimedBatch()), ZKDB_OK);
  WriteText((to / "clean.txt").string(), ListOf(db.All()));
  ASSERT_EQ(db.Close(), ZKDB_OK);
  CopyWithoutLocks(clean, to / "clean");
  ASSERT_EQ(db.Open(MakeShape(dirty, 1), GoldenOptions()), ZKDB_OK);
  ASSERT_EQ(db.Write(GoldenBatch(0, 12)), ZKDB_OK);
  ASSERT_EQ(zkdb_checkpoint(db.get(), nullptr), ZKDB_OK);
  ASSERT_EQ(db.Write(GoldenBatch(5, 40)), ZKDB_OK);
  ASSERT_EQ(db.Write(TimedBatch()), ZKDB_OK);
  ASSERT_EQ(db.Write(BatchBytes().Expire("t-later", kLater + 1)), ZKDB_OK);
  ASSERT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_DELETE_RANGE, "kq", "kt", ZKDB_RANGE_HAS_HI).Delete("ka-0"),
                     ZKDB_DURABILITY_COMMIT),
            ZKDB_OK);
  WriteText((to / "dirty.txt").string(), ListOf(db.All()));
  CopyWithoutLocks(dirty, to / "dirty");
}

void OpenGolden(int version, const std::string& name, uint64_t recovered) {
  const std::string copy = TempDirectory() + "/" + name;
  fs::copy(GoldenDirectory(version) / name, copy, fs::copy_options::recursive);
  const std::string expected = ReadText(GoldenDirectory(version) / (name + ".txt"));
  ASSERT(!expected.empty());
  TestDb db;
  ASSERT_EQ(db.Open(copy + "/test.conf", GoldenOptions()), ZKDB_OK);
  EXPECT_EQ(db.Stats().recovered_records, recovered);
  EXPECT(ListOf(db.All()) == expected);
  EXPECT_EQ(db.Check(), "");
  uint64_t time = 0;
  const zkdb_code code = zkdb_expiry(db.get(), nullptr, "t-later", 7, &time, nullptr);
  EXPECT_EQ(code, version == 1 ? ZKDB_NOT_FOUND : ZKDB_OK);
  if (version > 1) EXPECT_EQ(time, name == "dirty" ? kLater + 1 : kLater);
  ASSERT_EQ(db.Write(GoldenBatch(0, 60)), ZKDB_OK);
  ASSERT_EQ(db.Write(BatchBytes().PutTimed("t-new", "new", kLater)), ZKDB_OK);
  EXPECT_EQ(db.Check(), "");
  ASSERT_EQ(db.Close(), ZKDB_OK);
  ASSERT_EQ(db.Open(copy + "/test.conf", GoldenOptions()), ZKDB_OK);
  EXPECT(db.Get("t-new") == "new");
  EXPECT_EQ(db.Check(), "");
}

TEST(a_golden_database_of_version_1_opens_and_goes_on) { OpenGolden(1, "clean", 0); }
TEST(a_golden_database_of_version_2_opens_and_goes_on) { OpenGolden(2, "clean", 0); }

// Its log holds a record that the checkpoint made superfluous and the two that come after it.
TEST(a_golden_database_of_version_1_that_was_not_closed_is_recovered) { OpenGolden(1, "dirty", 3); }
TEST(a_golden_database_of_version_2_that_was_not_closed_is_recovered) { OpenGolden(2, "dirty", 5); }

}  // namespace
}  // namespace zkdb::test
