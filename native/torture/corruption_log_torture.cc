// Damage of a log whose commits were acknowledged: every byte of a file of 64 KiB, and bigger damage in a log of
// several files. The open is refused with the name of the file, or nothing is lost but the last commit: what was
// acknowledged last has nothing behind it that vouches for it (docs/adr/0020-torn-tail-or-damage.md).
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>

#include "core/os/env.h"
#include "core/wal/log.h"
#include "core/wal/log_format.h"
#include "torture/damage_stage.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

// The files of a database as a crash leaves them: copied while it is open, each commit synced.
class DirtyDatabase {
 public:
  DirtyDatabase() : place_(PlaceInMemory()), directory_(place_ + "/original"), copy_(place_ + "/copy") {}
  ~DirtyDatabase() {
    std::error_code ignored;
    fs::remove_all(place_, ignored);
  }
  DirtyDatabase(const DirtyDatabase&) = delete;
  DirtyDatabase& operator=(const DirtyDatabase&) = delete;

  bool Build(uint64_t seed, int commits) {
    const std::string conf = MakeShape(directory_, 3);
    const OptionList options = {{"LogFileSize", "64K"}, {"SegmentSize", "64K"}, {"CheckPoints", "No"}};
    TestDb db;
    if (!EXPECT_EQ(db.Open(conf, options), ZKDB_OK)) return false;
    BatchBytes base;
    for (int i = 0; i < 300; ++i) Put(&base, Key(i), "base " + std::to_string(i));
    if (!EXPECT_EQ(db.Write(base), ZKDB_OK) || !EXPECT_EQ(db.Close(), ZKDB_OK)) return false;
    if (!EXPECT_EQ(db.Open(conf, options), ZKDB_OK)) return false;
    std::mt19937_64 random(seed);
    states_.push_back(model_);
    for (int i = 0; i < commits; ++i) {
      if (!EXPECT_EQ(db.Write(Commit(i, &random), ZKDB_DURABILITY_COMMIT), ZKDB_OK)) return false;
      states_.push_back(model_);
    }
    fs::copy(directory_, copy_, fs::copy_options::recursive);
    return EXPECT_EQ(db.Close(), ZKDB_OK);
  }

  // A copy of the files in a place of their own.
  void CopyTo(const std::string& to) const {
    fs::remove_all(to);
    fs::copy(copy_, to, fs::copy_options::recursive);
  }
  const std::string& copy() const { return copy_; }
  std::string target() const { return place_ + "/target"; }
  const std::vector<Model>& states() const { return states_; }  // after each commit
  std::vector<std::string> Logs(const std::string& directory) const {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(directory + "/log")) {
      uint64_t number = 0;
      if (ParseLogFileName(entry.path().filename().string(), &number)) files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

 private:
  static std::string Key(int i) { return "k" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i); }
  void Put(BatchBytes* batch, const std::string& key, const std::string& value) {
    batch->Put(key, value);
    model_[key] = value;
  }
  BatchBytes Commit(int number, std::mt19937_64* random) {
    BatchBytes batch;
    for (int i = 0; i < 4; ++i) {
      const std::string key = Key(static_cast<int>((*random)() % 300));
      if ((*random)() % 5 == 0) {
        batch.Delete(key);
        model_.erase(key);
      } else {
        Put(&batch, key, "commit " + std::to_string(number) + std::string((*random)() % 120, 'v'));
      }
    }
    return batch;
  }

  std::string place_;
  std::string directory_;
  std::string copy_;
  Model model_;
  std::vector<Model> states_;
};

// A file that is written in memory, as every process sees it.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) : size_(fs::file_size(path)) {
    const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
    void* map = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    bytes_ = static_cast<uint8_t*>(map);
  }
  ~MappedFile() { munmap(bytes_, size_); }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  uint8_t* bytes() { return bytes_; }
  uint64_t size() const { return size_; }

 private:
  uint64_t size_;
  uint8_t* bytes_;
};

// What recovery reads of a log.
struct Recovered {
  Status status;
  std::vector<std::string> records;
};

Recovered Recover(const std::string& directory, const DatabaseId& id) {
  Recovered out;
  LogOptions options;
  options.directory = directory;
  options.database_id = id;
  LogSummary summary;
  std::unique_ptr<Log> log;
  const auto replay = [&](const LogRecord& record) {
    out.records.push_back(record.payload.ToString());
    return Status::Ok();
  };
  out.status = Log::Open(Env::Posix(), options, replay, &summary, &log);
  return out;
}

TEST(every_flipped_byte_of_a_log_is_detected_or_costs_the_last_commit_at_most) {
  Torture t("every_flipped_byte_of_a_log_is_detected_or_costs_the_last_commit_at_most", 1);
  DirtyDatabase dirty;
  ASSERT(dirty.Build(t.seed(), 160));
  const std::vector<std::string> files = dirty.Logs(dirty.copy());
  ASSERT_EQ(files.size(), size_t{1});
  MappedFile file(files[0]);
  EXPECT_EQ(file.size(), uint64_t{65536});
  DatabaseId id{};
  std::memcpy(id.data(), file.bytes() + kLogDatabaseIdOffset, id.size());
  const std::vector<std::string> all = Recover(dirty.copy() + "/log", id).records;
  ASSERT(all.size() > 100);
  uint64_t last_record = kLogHeaderSize;
  for (size_t i = 0; i + 1 < all.size(); ++i) last_record += RecordSpace(all[i].size());
  while (t.Next()) {
    for (uint64_t i = 0; i < file.size(); ++i) {
      const auto bit = static_cast<uint8_t>(1u << (t.seed() + i + t.round()) % 8);
      file.bytes()[i] ^= bit;
      const Recovered found = Recover(dirty.copy() + "/log", id);
      file.bytes()[i] ^= bit;
      if (!found.status.ok()) {
        EXPECT(IsDamage(found.status.code()));
        EXPECT(found.status.message().find(files[0]) != std::string::npos);
        EXPECT(std::equal(found.records.begin(), found.records.end(), all.begin()));
        t.Figure("detected", 1);
        continue;
      }
      const bool whole = found.records == all;
      const bool last = found.records.size() + 1 == all.size() && i >= last_record &&
                        std::equal(found.records.begin(), found.records.end(), all.begin());
      if (!EXPECT(whole || last)) return;
      t.Figure(whole ? "harmless" : "last_commit_lost", 1);
    }
    EXPECT(fs::exists(files[0]) && Recover(dirty.copy() + "/log", id).records == all);
  }
}

// Opens. Either that is refused, or everything is there, or all but the last `may_go` commits.
void ExpectRefusedOrWhole(const DirtyDatabase& dirty, const std::string& directory, size_t may_go, Torture* t) {
  TestDb db;
  const zkdb_code code = db.Open(directory + "/test.conf", {{"LogFileSize", "64K"}, {"CheckPoints", "No"}});
  if (code != ZKDB_OK) {
    EXPECT(IsDamage(code));
    EXPECT(db.message().find("/log") != std::string::npos);
    t->Figure("detected", 1);
    return;
  }
  const Model found = db.All();
  const bool whole = found == dirty.states().back();
  bool right = whole;
  for (size_t i = 1; i <= may_go; ++i) right |= found == dirty.states()[dirty.states().size() - 1 - i];
  EXPECT(right);
  EXPECT_EQ(db.Check(), "");
  t->Figure(whole ? "harmless" : "last_commits_lost", 1);
}

TEST(random_damage_of_a_log_of_several_files_is_detected_or_costs_the_last_commits_at_most) {
  Torture t("random_damage_of_a_log_of_several_files_is_detected_or_costs_the_last_commits_at_most", 250);
  DirtyDatabase dirty;
  ASSERT(dirty.Build(t.seed(), 380));
  const std::vector<std::string> files = dirty.Logs(dirty.copy());
  ASSERT(files.size() >= 3);
  const std::string target = dirty.target();
  std::mt19937_64 random(t.seed());
  while (t.Next()) {
    dirty.CopyTo(target);
    const std::vector<std::string> copies = dirty.Logs(target);
    const size_t chosen = random() % copies.size();
    {
      MappedFile file(copies[chosen]);
      const uint64_t at = random() % 5 == 0 ? random() % 96 : random() % file.size();
      const uint64_t most = random() % 4 == 0 && chosen + 1 < copies.size() ? 3000 : 8;
      const uint64_t size = std::min<uint64_t>(1 + random() % most, file.size() - at);
      for (uint64_t i = at; i < at + size; ++i) file.bytes()[i] ^= static_cast<uint8_t>(1 + random() % 255);
    }
    // A few bytes may lie in two records.
    ExpectRefusedOrWhole(dirty, target, chosen + 1 == copies.size() ? 2 : 0, &t);
  }
}

TEST(a_missing_log_file_before_the_last_one_is_detected) {
  Torture t("a_missing_log_file_before_the_last_one_is_detected", 1);
  DirtyDatabase dirty;
  ASSERT(dirty.Build(t.seed(), 380));
  const size_t count = dirty.Logs(dirty.copy()).size();
  ASSERT(count >= 3);
  const std::string target = dirty.target();
  while (t.Next()) {
    for (size_t first = 0; first + 1 < count; ++first) {
      for (size_t end = first + 1; end < count; ++end) {
        dirty.CopyTo(target);
        const std::vector<std::string> copies = dirty.Logs(target);
        for (size_t i = first; i < end; ++i) fs::remove(copies[i]);
        ExpectRefusedOrWhole(dirty, target, 0, &t);
      }
    }
  }
}

}  // namespace
}  // namespace zkdb::test
