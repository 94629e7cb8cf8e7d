// What surrounds a database: other processes, read-only opens and directories, a full disk.
#include <sys/mount.h>

#include "capi/test_util.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

Model Numbered(int from, int to, size_t size = 100) {
  Model model;
  for (int i = from; i < to; ++i)
    model["k" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i)] = std::string(size, 'v');
  return model;
}

BatchBytes BatchFrom(const Model& model) {
  BatchBytes batch;
  for (const auto& [k, v] : model) batch.Put(k, v);
  return batch;
}

// ---- other processes -----------------------------------------------------------------------------------------------

TEST(child_opens_and_reports) {
  const char* path = std::getenv("ZKDB_CHILD_OPEN");
  if (path == nullptr) return;
  TestDb db;
  const zkdb_code code = db.Open(path);
  std::printf("%s %s\n", zkdb_code_name(code), db.error.message);
  std::fflush(stdout);
}

std::string OpenInChild(const std::string& path) {
  int output = -1;
  const pid_t pid = SpawnTest("child_opens_and_reports", {"ZKDB_CHILD_OPEN=" + path}, &output);
  const std::string said = ReadAll(output);
  int status = 0;
  waitpid(pid, &status, 0);
  return said;
}

TEST(a_second_process_is_refused_and_told_who_has_the_database) {
  const std::string path = MakeShape(TempDirectory(), 3);
  TestDb db;
  ASSERT_EQ(db.Open(path, {{"MinCheckpointSize", "64K"}, {"LogFileSize", "64K"}}), ZKDB_OK);
  for (int round = 0; round < 5; ++round) {
    // Files come and go while the other process looks.
    ASSERT_EQ(db.Write(BatchFrom(Numbered(round * 1000, round * 1000 + 1000))), ZKDB_OK);
    const std::string said = OpenInChild(path);
    EXPECT(said.starts_with("ZKDB_LOCKED "));
    EXPECT(said.find(std::to_string(getpid())) != std::string::npos);
  }
  ASSERT_EQ(db.Close(), ZKDB_OK);
  EXPECT(OpenInChild(path).starts_with("ZKDB_OK"));
}

// ---- read-only -----------------------------------------------------------------------------------------------------

TEST(a_clean_database_opens_read_only_and_refuses_writes) {
  const std::string path = MakeShape(TempDirectory(), 3);
  const Model model = Numbered(0, 500);
  TestDb db;
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  ASSERT_EQ(db.Write(BatchFrom(model)), ZKDB_OK);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  ASSERT_EQ(db.Open(path, {{"ReadOnly", "Yes"}}), ZKDB_OK);
  EXPECT(db.All() == model);
  EXPECT_EQ(db.Check(), "");
  EXPECT_EQ(db.Put("a", "1"), ZKDB_READ_ONLY);
  EXPECT_EQ(zkdb_checkpoint(db.get(), nullptr), ZKDB_READ_ONLY);
  EXPECT_EQ(zkdb_compact(db.get(), nullptr, nullptr, nullptr), ZKDB_READ_ONLY);
  EXPECT_EQ(zkdb_sync(db.get(), nullptr), ZKDB_READ_ONLY);
  zkdb_txn* txn = nullptr;
  EXPECT_EQ(zkdb_txn_begin(db.get(), &txn, nullptr), ZKDB_READ_ONLY);
}

TEST(a_database_that_was_not_closed_needs_to_be_opened_for_writing_once) {
  const std::string directory = TempDirectory();
  const std::string path = MakeShape(directory + "/live", 3);
  TestDb db;
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  ASSERT_EQ(db.Put("a", "1", ZKDB_DURABILITY_COMMIT), ZKDB_OK);
  fs::copy(directory + "/live", directory + "/dead", fs::copy_options::recursive);
  TestDb dead;
  EXPECT_EQ(dead.Open(directory + "/dead/test.conf", {{"ReadOnly", "Yes"}}), ZKDB_READ_ONLY);
  ASSERT_EQ(dead.Open(directory + "/dead/test.conf"), ZKDB_OK);
  ASSERT_EQ(dead.Close(), ZKDB_OK);
  ASSERT_EQ(dead.Open(directory + "/dead/test.conf", {{"ReadOnly", "Yes"}}), ZKDB_OK);
  EXPECT(dead.All() == (Model{{"a", "1"}}));
}

// ---- a small disk --------------------------------------------------------------------------------------------------

// A file system of its own, where the user may mount one.
class SmallDisk {
 public:
  explicit SmallDisk(const char* size) : path_(TempDirectory()) {
    mounted_ = mount("none", path_.c_str(), "tmpfs", 0, (std::string("size=") + size).c_str()) == 0;
    if (!mounted_) std::fprintf(stderr, "skipped: no right to mount a tmpfs\n");
  }
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool Remount(bool read_only) const {
    return mount("none", path_.c_str(), "tmpfs", MS_REMOUNT | (read_only ? MS_RDONLY : 0), nullptr) == 0;
  }
  bool mounted() const { return mounted_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool mounted_ = false;
};

TEST(a_full_disk_refuses_writes_until_there_is_room) {
  for (const char* durability : {"commit", "none"}) {
    const SmallDisk disk("6M");
    if (!disk.mounted()) return;
    TestDb db;
    const std::string path = MakeShape(disk.path(), 3);
    ASSERT_EQ(db.Open(path, {{"LogFileSize", "256K"},
                             {"MinCheckpointSize", "256K"},
                             {"SegmentSize", "1M"},
                             {"Durability", durability}}),
              ZKDB_OK);
    const std::string ballast = disk.path() + "/ballast";
    WriteText(ballast, std::string(2u << 20, 'b'));
    Model model;
    int full = 0;
    for (int i = 0; full < 5; ++i) {
      ASSERT(i < 10000);
      const Model more = Numbered(i * 20, i * 20 + 20, 400);
      const zkdb_code code = db.Write(BatchFrom(more), ZKDB_DURABILITY_DEFAULT);
      if (code == ZKDB_OK) model.insert(more.begin(), more.end());
      if (code != ZKDB_OK) EXPECT_EQ(code, ZKDB_NO_SPACE);
      if (code != ZKDB_OK) ++full;
    }
    EXPECT(db.All() == model);
    static_cast<void>(zkdb_checkpoint(db.get(), nullptr));
    EXPECT(db.All() == model);
    EXPECT_EQ(db.Stats().failed, 0);
    fs::remove(ballast);
    const Model after = Numbered(900000, 900020, 400);
    ASSERT_EQ(db.Write(BatchFrom(after), ZKDB_DURABILITY_COMMIT), ZKDB_OK);
    model.insert(after.begin(), after.end());
    EXPECT_EQ(db.Check(), "");
    ASSERT_EQ(db.Close(), ZKDB_OK);
    ASSERT_EQ(db.Open(path), ZKDB_OK);
    EXPECT(db.All() == model);
    EXPECT_EQ(db.Check(), "");
  }
}

TEST(a_disk_that_is_full_at_close_or_open_loses_nothing) {
  const SmallDisk disk("4M");
  if (!disk.mounted()) return;
  const std::string path = MakeShape(disk.path(), 3);
  const OptionList options = {{"LogFileSize", "2M"}, {"SegmentSize", "64K"}};
  const Model model = Numbered(0, 2000);
  TestDb db;
  ASSERT_EQ(db.Open(path, options), ZKDB_OK);
  ASSERT_EQ(db.Write(BatchFrom(model), ZKDB_DURABILITY_COMMIT), ZKDB_OK);
  std::ofstream ballast(disk.path() + "/ballast", std::ios::binary);
  while (ballast.write(std::string(4096, 'b').data(), 4096).flush()) {
  }
  ballast.close();
  const zkdb_code closed = db.Close();
  EXPECT(closed == ZKDB_OK || closed == ZKDB_NO_SPACE);
  if (closed == ZKDB_NO_SPACE) EXPECT_EQ(db.error.urgent, 1);
  const zkdb_code opened = db.Open(path, options);
  EXPECT(opened == ZKDB_OK || opened == ZKDB_NO_SPACE);
  if (opened == ZKDB_OK) EXPECT(db.All() == model);
  static_cast<void>(db.Close());
  fs::remove(disk.path() + "/ballast");
  ASSERT_EQ(db.Open(path, options), ZKDB_OK);
  EXPECT(db.All() == model);
  EXPECT_EQ(db.Check(), "");
}

TEST(overwriting_everything_does_not_leave_a_longer_file_behind) {
  const std::string path = MakeShape(TempDirectory(), 1);
  const auto bytes = [&] {
    uintmax_t sum = 0;
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(path).parent_path())) {
      if (entry.is_regular_file() && entry.path().extension() == ".zkd") sum += entry.file_size();
    }
    return sum;
  };
  TestDb db;
  const OptionList options = {{"Durability", "none"}};
  ASSERT_EQ(db.Open(path, options), ZKDB_OK);
  ASSERT_EQ(db.Write(BatchFrom(Numbered(0, 20000))), ZKDB_OK);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  const uintmax_t loaded = bytes();
  ASSERT(loaded > 20000 * 100);
  ASSERT_EQ(db.Open(path, options), ZKDB_OK);
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(db.Write(BatchFrom(Numbered(0, 20000))), ZKDB_OK);
    if (round == 1) ASSERT_EQ(zkdb_checkpoint(db.get(), nullptr), ZKDB_OK);
  }
  ASSERT_EQ(db.Close(), ZKDB_OK);
  EXPECT(bytes() <= loaded + loaded / 8);
  ASSERT_EQ(db.Open(path, options), ZKDB_OK);
  EXPECT(db.All() == Numbered(0, 20000));
  EXPECT_EQ(db.Check(), "");
}

TEST(a_read_only_directory_can_be_read_and_not_written) {
  const SmallDisk disk("16M");
  if (!disk.mounted()) return;
  const std::string path = MakeShape(disk.path(), 3);
  const OptionList options = {{"LogFileSize", "256K"}};
  const Model model = Numbered(0, 500);
  TestDb db;
  ASSERT_EQ(db.Open(path, options), ZKDB_OK);
  ASSERT_EQ(db.Write(BatchFrom(model)), ZKDB_OK);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  ASSERT(disk.Remount(true));
  EXPECT_EQ(db.Open(path, options), ZKDB_READ_ONLY);
  EXPECT_EQ(db.Open(disk.path() + "/new"), ZKDB_READ_ONLY);
  ASSERT_EQ(db.Open(path, {{"ReadOnly", "Yes"}}), ZKDB_OK);
  EXPECT(db.All() == model);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  ASSERT(disk.Remount(false));
  ASSERT_EQ(db.Open(path, options), ZKDB_OK);
  EXPECT_EQ(db.Put("a", "1", ZKDB_DURABILITY_COMMIT), ZKDB_OK);
}

}  // namespace
}  // namespace zkdb::test
