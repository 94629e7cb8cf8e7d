// Bad states on disk: what is refused, with which code, and that nothing is lost by it.
#include "capi/test_util.h"
#include "core/segment/segment_files.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kSlot = 4096;  // bytes of a meta slot

// A database of three partitions with small segments and logs.
class Stage {
 public:
  explicit Stage(uint32_t partitions = 3, bool isolated = false)
      : directory_(TempDirectory()), path_(MakeShape(directory_, partitions, isolated)) {}

  static OptionList Options() { return {{"SegmentSize", "64K"}, {"LogFileSize", "64K"}}; }
  zkdb_code Open(TestDb* db, OptionList more = {}) const {
    const OptionList usual = Options();
    more.insert(more.end(), usual.begin(), usual.end());
    return db->Open(path_, more);
  }
  // Writes `count` records into all partitions and closes cleanly.
  void Fill(const std::string& tag, int count = 1500) {
    TestDb db;
    ASSERT_EQ(Open(&db), ZKDB_OK);
    FillOpen(&db, tag, count);
    all_ = db.All();
    ASSERT_EQ(db.Close(), ZKDB_OK);
  }
  static void FillOpen(TestDb* db, const std::string& tag, int count) {
    for (int i = 0; i < count; i += 50) {
      BatchBytes batch;
      for (int k = i; k < i + 50; ++k) {
        batch.Put("k" + std::string(1, static_cast<char>('a' + k % 26)) + std::to_string(k),
                  tag + std::string(100, 'v'));
      }
      EXPECT_EQ(db->Write(batch, ZKDB_DURABILITY_INTERVAL), ZKDB_OK);
    }
  }
  // What opening says now; the message goes to `message`.
  zkdb_code Try(std::string* message = nullptr) const {
    TestDb db;
    const zkdb_code code = Open(&db);
    if (message != nullptr) *message = db.message();
    if (code == ZKDB_OK) EXPECT(db.Check().empty());
    return code;
  }
  Model Content() const {
    TestDb db;
    EXPECT_EQ(Open(&db), ZKDB_OK);
    EXPECT_EQ(db.Check(), "");
    return db.All();
  }
  std::string In(const std::string& name) const { return directory_ + "/" + name; }
  // A copy of the whole directory.
  std::string Copy() const {
    const std::string to = TempDirectory() + "/copy";
    fs::copy(directory_, to, fs::copy_options::recursive);
    return to;
  }
  static void Replace(const std::string& from, const std::string& to) {
    fs::remove_all(to);
    fs::copy(from, to, fs::copy_options::recursive);
  }
  const Model& all() const { return all_; }
  const std::string& path() const { return path_; }

 private:
  std::string directory_;
  std::string path_;
  Model all_;
};

void Overwrite(const std::string& path, uint64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

std::string ReadFileAt(const std::string& path, uint64_t offset, size_t size) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  std::string bytes(size, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  return bytes;
}

// The slot of segment 0 with the higher checkpoint number.
uint64_t NewestSlot(const std::string& segment) {
  const auto number = [&](uint64_t slot) {
    const std::string bytes = ReadFileAt(segment, slot * kSlot, kSlot);
    return Load64(reinterpret_cast<const uint8_t*>(bytes.data()) + 40);
  };
  return number(0) > number(1) ? 0 : 1;
}

std::string FirstLog(const std::string& directory) {
  std::string first;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().string();
    if (name.ends_with(".log") && name.find("spare") == std::string::npos && (first.empty() || name < first))
      first = name;
  }
  return first;
}

TEST(a_truncated_or_missing_segment_is_refused_and_comes_back_whole) {
  Stage stage;
  stage.Fill("x");
  std::string message;
  for (const char* name : {"low/000.zkd", "low/001.zkd"}) {
    const std::string segment = stage.In(name);
    fs::rename(segment, segment + ".away");
    EXPECT_EQ(stage.Try(&message), ZKDB_SEGMENT_MISSING);
    EXPECT(message.find(segment) != std::string::npos);
    fs::copy(segment + ".away", segment);
    fs::resize_file(segment, fs::file_size(segment) / 2);
    EXPECT_EQ(stage.Try(&message), ZKDB_SEGMENT_MISSING);
    EXPECT(message.find(segment) != std::string::npos);
    fs::rename(segment + ".away", segment);
    EXPECT_EQ(stage.Try(), ZKDB_OK);
  }
  const std::string emptied = stage.In("low/000.zkd");
  fs::copy(emptied, emptied + ".away");
  fs::resize_file(emptied, 0);
  EXPECT_EQ(stage.Try(&message), ZKDB_SEGMENT_MISSING);
  fs::rename(emptied + ".away", emptied);
  EXPECT(stage.Content() == stage.all());
}

TEST(a_missing_partition_directory_is_refused) {
  Stage stage;
  stage.Fill("x");
  fs::rename(stage.In("mid"), stage.In("away"));
  EXPECT_EQ(stage.Try(), ZKDB_SEGMENT_MISSING);
  EXPECT(!fs::exists(stage.In("mid")));
  fs::rename(stage.In("away"), stage.In("mid"));
  EXPECT(stage.Content() == stage.all());
}

TEST(a_foreign_file_in_place_of_a_segment_or_log_is_not_touched) {
  Stage stage;
  stage.Fill("x");
  const std::string text = "These are the voyages of a file that no database wrote. " + std::string(20000, '#');
  for (const std::string& file : {stage.In("mid/000.zkd"), FirstLog(stage.In("log"))}) {
    fs::rename(file, file + ".away");
    WriteText(file, text);
    std::string message;
    EXPECT_EQ(stage.Try(&message), ZKDB_NOT_ZKDB);
    EXPECT(message.find(file) != std::string::npos);
    EXPECT_EQ(ReadFileAt(file, 0, text.size()), text);
    fs::rename(file + ".away", file);
  }
  fs::rename(stage.In("mid/001.zkd"), stage.In("mid/001.zkd.away"));
  WriteText(stage.In("mid/001.zkd"), std::string(65536, '#'));
  EXPECT_EQ(stage.Try(), ZKDB_CORRUPT);
  fs::rename(stage.In("mid/001.zkd.away"), stage.In("mid/001.zkd"));
  EXPECT(stage.Content() == stage.all());
}

TEST(a_segment_in_anothers_place_is_refused) {
  Stage stage;
  stage.Fill("x", 6000);
  fs::copy(stage.In("mid/001.zkd"), stage.In("mid/001.zkd.away"));
  Stage::Replace(stage.In("low/001.zkd"), stage.In("mid/001.zkd"));
  EXPECT_EQ(stage.Try(), ZKDB_MISMATCH);
  Stage::Replace(stage.In("mid/002.zkd"), stage.In("mid/001.zkd"));
  EXPECT_EQ(stage.Try(), ZKDB_MISMATCH);
  fs::rename(stage.In("mid/001.zkd.away"), stage.In("mid/001.zkd"));
  EXPECT(stage.Content() == stage.all());
}

TEST(a_damaged_newest_meta_or_both_are_refused_after_a_clean_close) {
  Stage stage;
  stage.Fill("x");
  stage.Fill("y");
  const std::string segment = stage.In("low/000.zkd");
  const std::string before = ReadFileAt(segment, 0, 2 * kSlot);
  const uint64_t newest = NewestSlot(segment);
  // The older slot is not needed.
  Overwrite(segment, (1 - newest) * kSlot + 60, "damage");
  EXPECT_EQ(stage.Try(), ZKDB_OK);
  Overwrite(segment, 0, before);
  Overwrite(segment, newest * kSlot + 60, "damage");
  std::string message;
  EXPECT_EQ(stage.Try(&message), ZKDB_CORRUPT);
  EXPECT(message.find(segment) != std::string::npos);
  Overwrite(segment, (1 - newest) * kSlot + 60, "damage");
  EXPECT_EQ(stage.Try(&message), ZKDB_CORRUPT);
  Overwrite(segment, 0, before);
  EXPECT(stage.Content() == stage.all());
}

TEST(a_newer_format_version_is_refused) {
  Stage stage;
  stage.Fill("x");
  const std::string log = FirstLog(stage.In("log"));
  std::string header = ReadFileAt(log, 0, 8192);
  const std::string before = header;
  ++header[8];
  Overwrite(log, 0, header);
  EXPECT_EQ(stage.Try(), ZKDB_VERSION);
  Overwrite(log, 0, before);
  const std::string segment = stage.In("mid/000.zkd");
  const uint64_t slot = NewestSlot(segment);
  const std::string old_slot = ReadFileAt(segment, slot * kSlot, kSlot);
  std::string newer = old_slot;
  auto* bytes = reinterpret_cast<uint8_t*>(newer.data());
  Store32(bytes + offsetof(Meta, version), kFormatVersion + 1);
  Store32(bytes + offsetof(Meta, checksum), MetaChecksum(bytes));
  Overwrite(segment, slot * kSlot, newer);
  std::string message;
  EXPECT_EQ(stage.Try(&message), ZKDB_VERSION);
  EXPECT(message.find(segment) != std::string::npos);
  Overwrite(segment, slot * kSlot, old_slot);
  EXPECT(stage.Content() == stage.all());
}

// Everything that lay between was in a log that the later checkpoints let go.
TEST(an_older_copy_of_a_partition_or_of_the_log_is_refused) {
  Stage stage;
  stage.Fill("x");
  const std::string old = stage.Copy();
  stage.Fill("y");
  const std::string now = stage.Copy();
  for (const char* part : {"low", "mid", "high", "log"}) {
    Stage::Replace(old + "/" + part, stage.In(part));
    std::string message;
    EXPECT_EQ(stage.Try(&message), ZKDB_MISMATCH);
    EXPECT(message.find("older copy") != std::string::npos);
    Stage::Replace(now + "/" + part, stage.In(part));
  }
  EXPECT(stage.Content() == stage.all());
}

// Opens a copy: either it is refused, or the log has all that the older state lacks, never a state with a gap.
bool RefusedOrWhole(const std::string& copy, zkdb_code refusal, const Model& expected) {
  TestDb opened;
  const zkdb_code code = opened.Open(copy + "/test.conf");
  EXPECT(code == refusal || (code == ZKDB_OK && opened.All() == expected));
  return code == refusal;
}

// The same without a clean close: files copied while a process that never closes has them open.
TEST(an_older_copy_or_meta_is_refused_although_the_database_was_not_closed) {
  Stage stage;
  stage.Fill("x");
  TestDb db;
  ASSERT_EQ(stage.Open(&db), ZKDB_OK);
  std::string old = stage.Copy();
  int refused = 0;
  for (int round = 0; round < 6; ++round) {
    Stage::FillOpen(&db, std::string(1, static_cast<char>('a' + round)), 1200 + 150 * round);
    ASSERT_EQ(zkdb_checkpoint(db.get(), nullptr), ZKDB_OK);
    if (round % 2 == 0) Stage::FillOpen(&db, "more", 100);
    ASSERT_EQ(zkdb_sync(db.get(), nullptr), ZKDB_OK);
    const Model expected = db.All();
    const std::string now = stage.Copy();
    const std::string copy = TempDirectory() + "/copy";
    Stage::Replace(now, copy);
    EXPECT(!RefusedOrWhole(copy, ZKDB_MISMATCH, expected));
    const std::string part = std::vector<std::string>{"/low", "/mid", "/high"}[static_cast<size_t>(round) % 3];
    Stage::Replace(now, copy);
    Stage::Replace(old + part, copy + part);
    refused += RefusedOrWhole(copy, ZKDB_MISMATCH, expected) ? 1 : 0;
    Stage::Replace(now, copy);
    const std::string segment = copy + part + "/000.zkd";
    Overwrite(segment, NewestSlot(segment) * kSlot + 60, "damage");
    refused += RefusedOrWhole(copy, ZKDB_CORRUPT, expected) ? 1 : 0;
    old = now;
  }
  EXPECT(refused > 0);
}

TEST(swapped_or_doubled_partition_directories_are_refused) {
  Stage stage;
  stage.Fill("x");
  fs::rename(stage.In("low"), stage.In("tmp"));
  fs::rename(stage.In("mid"), stage.In("low"));
  fs::rename(stage.In("tmp"), stage.In("mid"));
  const zkdb_code swapped = stage.Try();
  EXPECT(swapped == ZKDB_CONFIG || swapped == ZKDB_MISMATCH);
  fs::rename(stage.In("low"), stage.In("tmp"));
  fs::rename(stage.In("mid"), stage.In("low"));
  fs::rename(stage.In("tmp"), stage.In("mid"));
  fs::rename(stage.In("mid"), stage.In("tmp"));
  fs::copy(stage.In("low"), stage.In("mid"), fs::copy_options::recursive);
  const zkdb_code doubled = stage.Try();
  EXPECT(doubled == ZKDB_CONFIG || doubled == ZKDB_MISMATCH);
  fs::remove_all(stage.In("mid"));
  fs::rename(stage.In("tmp"), stage.In("mid"));
  EXPECT(stage.Content() == stage.all());
}

TEST(the_log_or_a_partition_of_another_database_is_refused) {
  Stage stage;
  Stage other;
  stage.Fill("x");
  other.Fill("y");
  for (const char* part : {"log", "low", "high"}) {
    fs::rename(stage.In(part), stage.In("away"));
    fs::copy(other.In(part), stage.In(part), fs::copy_options::recursive);
    EXPECT_EQ(stage.Try(), ZKDB_MISMATCH);
    fs::remove_all(stage.In(part));
    fs::rename(stage.In("away"), stage.In(part));
  }
  fs::rename(stage.In("log"), stage.In("away"));
  EXPECT_EQ(stage.Try(), ZKDB_MISMATCH);  // no log at all
  fs::remove_all(stage.In("log"));
  fs::rename(stage.In("away"), stage.In("log"));
  EXPECT(stage.Content() == stage.all());
}

// A copy that was broken off: each file of the directory in turn is the last one, cut in half; later ones are missing.
TEST(a_half_copied_directory_is_refused_or_whole) {
  Stage stage;
  stage.Fill("x");
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(stage.path()).parent_path())) {
    if (entry.is_regular_file() && entry.path().filename() != "zkdb.lock") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (size_t cut = 0; cut < files.size(); ++cut) {
    const fs::path copy = TempDirectory();
    for (size_t i = 0; i <= cut; ++i) {
      const fs::path to = copy / files[i].lexically_relative(fs::path(stage.path()).parent_path());
      fs::create_directories(to.parent_path());
      fs::copy_file(files[i], to);
      if (i == cut && to.extension() != ".conf") fs::resize_file(to, fs::file_size(to) / 2);
    }
    WriteText((copy / "test.conf").string(), ReadFileAt(stage.path(), 0, fs::file_size(stage.path())));
    TestDb db;
    const zkdb_code code = db.Open((copy / "test.conf").string());
    if (code != ZKDB_OK) EXPECT(code == ZKDB_MISMATCH || code == ZKDB_SEGMENT_MISSING || code == ZKDB_CORRUPT);
    if (code == ZKDB_OK) EXPECT(db.All() == stage.all() || db.All().empty());
    if (code == ZKDB_OK && db.All().empty()) EXPECT(!fs::exists(copy / "mid/000.zkd"));
  }
}

TEST(a_damaged_page_takes_out_its_own_reads_only) {
  Stage stage;
  stage.Fill("x");
  const std::string segment = stage.In("low/001.zkd");
  for (uint64_t page = 1; page < 12; ++page) Overwrite(segment, page * 4096 + 100, "damage");
  TestDb db;
  ASSERT_EQ(stage.Open(&db), ZKDB_OK);
  size_t corrupt = 0;
  for (const auto& [key, value] : stage.all()) {
    if (!db.Get(key)) corrupt += db.code == ZKDB_CORRUPT ? 1 : 0;
    if (db.code != ZKDB_CORRUPT) EXPECT_EQ(db.code, ZKDB_OK);
    if (db.code == ZKDB_CORRUPT)
      EXPECT(db.error.urgent == 1 && db.message().find("low/001.zkd: page ") != std::string::npos);
  }
  EXPECT(corrupt > 0 && corrupt < stage.all().size());
  EXPECT(!db.Check().empty());
  EXPECT_EQ(db.Put("qz", "still"), ZKDB_OK);
}

// A large durable batch is logged while it is applied: what cannot be applied must leave the log again.
TEST(a_large_batch_that_meets_a_damaged_page_is_gone_after_a_crash_too) {
  Stage stage;
  stage.Fill("x");
  const std::string segment = stage.In("low/001.zkd");
  const std::string before = ReadFileAt(segment, 4096, 11 * 4096);
  for (uint64_t page = 1; page < 12; ++page) Overwrite(segment, page * 4096 + 100, "damage");
  TestDb db;
  ASSERT_EQ(stage.Open(&db), ZKDB_OK);
  Model expected = stage.all();
  for (int round = 0; round < 3; ++round) {
    BatchBytes bad;
    for (const auto& [key, value] : stage.all()) bad.Put(key, std::string(60, 'c'));
    EXPECT_EQ(db.Write(bad, ZKDB_DURABILITY_COMMIT), ZKDB_CORRUPT);
    BatchBytes good;
    for (int i = 0; i < 400; ++i) {
      const std::string key = "q-" + std::to_string(round) + "-" + std::to_string(i);
      good.Put(key, expected[key] = std::string(100, 'g'));
    }
    EXPECT_EQ(db.Write(good, ZKDB_DURABILITY_COMMIT), ZKDB_OK);
  }
  const std::string copy = stage.Copy();
  Overwrite(copy + "/low/001.zkd", 4096, before);
  TestDb recovered;
  ASSERT_EQ(recovered.Open(copy + "/test.conf", Stage::Options()), ZKDB_OK);
  EXPECT_EQ(recovered.Check(), "");
  EXPECT(recovered.All() == expected);
}

}  // namespace
}  // namespace zkdb::test
