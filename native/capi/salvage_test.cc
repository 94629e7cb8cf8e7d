// Salvage: what comes back of databases damaged in one way each, and what does not.
#include "capi/test_util.h"
#include "core/format/layout.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPage = kMinPageSize;
constexpr uint64_t kLogHeader = 8192;  // bytes before the records of a log

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Overwrite(const std::string& path, uint64_t offset, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(offset));
  file << bytes;
}

struct Outcome {
  zkdb_code code = ZKDB_OK;
  std::string message;
  zkdb_salvage_result result{};
  std::string findings;
  Model records;
};

// A database that is damaged, and its salvage.
class Patient {
 public:
  explicit Patient(uint32_t partitions = 3, bool isolated = false)
      : directory_(TempDirectory()), path_(MakeShape(directory_, partitions, isolated)) {}

  zkdb_code Open(TestDb* db) const {
    return db->Open(path_, {{"SegmentSize", "64K"}, {"LogFileSize", "64K"}, {"CheckPoints", "No"}});
  }
  static std::string Key(int i) { return "k" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i); }
  void Put(TestDb* db, int first, int end, const std::string& value, zkdb_durability level = ZKDB_DURABILITY_COMMIT) {
    BatchBytes batch;
    for (int i = first; i < end; ++i) {
      batch.Put(Key(i), value + std::to_string(i));
      model_[Key(i)] = value + std::to_string(i);
    }
    EXPECT_EQ(db->Write(batch, level, ZKDB_WRITE_NON_ATOMIC), ZKDB_OK);
  }
  void DeleteRange(TestDb* db, const std::string& lo, const std::string& hi) {
    EXPECT_EQ(db->Write(BatchBytes().Add(ZKDB_OP_DELETE_RANGE, lo, hi, ZKDB_RANGE_HAS_HI), ZKDB_DURABILITY_COMMIT,
                        ZKDB_WRITE_NON_ATOMIC),
              ZKDB_OK);
    model_.erase(model_.lower_bound(lo), model_.lower_bound(hi));
  }
  // From now on the files are those of this moment: what a crash would leave.
  void Freeze() {
    const std::string copy = TempDirectory() + "/copy";
    fs::copy(directory_, copy, fs::copy_options::recursive);
    directory_ = copy;
    path_ = copy + "/test.conf";
  }

  Outcome Salvage(const std::string& destination = TempDirectory() + "/new") const {
    Outcome out;
    const zkdb_sink sink = [](void* context, const char* text, size_t size) {
      static_cast<std::string*>(context)->append(text, size).append("\n");
      return 0;
    };
    zkdb_error error{};
    out.code =
        zkdb_salvage(path_.c_str(), destination.c_str(), sink, &out.findings, nullptr, nullptr, &out.result, &error);
    if (out.code != ZKDB_OK) out.message = error.message;
    if (out.code != ZKDB_OK) return out;
    TestDb db;
    EXPECT_EQ(db.Open(destination), ZKDB_OK);
    out.records = db.All();
    EXPECT_EQ(db.Check(), "");
    EXPECT_EQ(out.result.records, uint64_t{out.records.size()});
    return out;
  }

  std::string In(const std::string& name) const { return directory_ + "/" + name; }
  std::string Log() const {
    std::string newest;
    for (const auto& entry : fs::directory_iterator(In("log"))) {
      const std::string name = entry.path().string();
      if (name.ends_with(".log") && name.find("spare") == std::string::npos) newest = std::max(newest, name);
    }
    return newest;
  }
  const std::string& directory() const { return directory_; }
  const std::string& path() const { return path_; }
  Model& model() { return model_; }

 private:
  std::string directory_;
  std::string path_;
  Model model_;
};

// Every file of a directory with its bytes.
std::map<std::string, std::string> Contents(const std::string& directory) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) out[entry.path().string()] = ReadFile(entry.path());
  }
  return out;
}

// Where the record of the `index`-th commit of a log is.
uint64_t RecordAt(const std::string& log, int index) {
  const std::string bytes = ReadFile(log);
  uint64_t offset = kLogHeader;
  for (; index > 0; --index) offset += (32 + Load32(bytes.data() + offset + 4) + 7) / 8 * 8;
  return offset;
}

TEST(a_salvage_of_a_sound_database_brings_everything_and_finds_nothing) {
  for (const auto& [partitions, isolated] : {std::pair(1u, false), std::pair(3u, false), std::pair(3u, true)}) {
    Patient patient(partitions, isolated);
    {
      TestDb db;
      ASSERT_EQ(patient.Open(&db), ZKDB_OK);
      patient.Put(&db, 0, 3000, "value ");
      ASSERT_EQ(db.Close(), ZKDB_OK);
    }
    const auto before = Contents(patient.directory());
    const Outcome out = patient.Salvage();
    EXPECT_EQ(out.code, ZKDB_OK);
    EXPECT(out.records == patient.model());
    EXPECT_EQ(out.findings, "");
    EXPECT_EQ(out.result.findings + out.result.lost_pages + out.result.unsure_records, uint64_t{0});
    EXPECT(Contents(patient.directory()) == before);
  }
}

TEST(a_salvage_applies_the_commits_of_the_log_over_the_pages) {
  for (const bool isolated : {false, true}) {
    Patient patient(3, isolated);
    TestDb db;
    ASSERT_EQ(patient.Open(&db), ZKDB_OK);
    patient.Put(&db, 0, 1000, "old ");
    ASSERT_EQ(zkdb_checkpoint(db.get(), nullptr), ZKDB_OK);
    patient.Put(&db, 500, 600, "new ");
    patient.DeleteRange(&db, "kj", "kn");
    patient.Put(&db, 550, 580, "newest ");
    patient.Freeze();
    const auto before = Contents(patient.directory());
    const Outcome out = patient.Salvage();
    EXPECT(out.records == patient.model());
    EXPECT(out.result.log_commits >= 3);
    EXPECT_EQ(out.findings, "");
    EXPECT(Contents(patient.directory()) == before);
  }
}

// The range delete of one partition is of another commit than a put of another one that its range covers.
TEST(a_range_delete_of_the_log_stays_within_its_partition) {
  Patient patient(3, true);
  TestDb db;
  ASSERT_EQ(patient.Open(&db), ZKDB_OK);
  patient.Put(&db, 0, 500, "old ");
  patient.DeleteRange(&db, "ka", "kz");
  patient.Put(&db, 0, 300, "new ");
  patient.Freeze();
  EXPECT(patient.Salvage().records == patient.model());
}

TEST(a_damaged_record_of_the_log_costs_its_commit_alone) {
  Patient patient(1);
  TestDb db;
  ASSERT_EQ(patient.Open(&db), ZKDB_OK);
  patient.Put(&db, 0, 10, "first ");
  for (int i = 0; i < 20; ++i) patient.Put(&db, 100 + i, 101 + i, "single ");
  patient.Freeze();
  const std::string log = patient.Log();
  Overwrite(log, RecordAt(log, 5) + 40, "damage");
  Outcome out = patient.Salvage();
  patient.model().erase(Patient::Key(104));
  EXPECT(out.records == patient.model());
  EXPECT_EQ(out.result.log_gaps, uint64_t{1});
  EXPECT(out.findings.find(log) != std::string::npos);
  // Its size is damaged: the next one is found all the same.
  Overwrite(log, RecordAt(log, 10) + 4, std::string(4, '\xFF'));
  out = patient.Salvage();
  patient.model().erase(Patient::Key(109));
  EXPECT(out.records == patient.model());
  EXPECT_EQ(out.result.log_gaps, uint64_t{2});
}

TEST(what_follows_a_torn_tail_does_not_come_back) {
  Patient patient(1);
  TestDb db;
  ASSERT_EQ(patient.Open(&db), ZKDB_OK);
  for (int i = 0; i < 5; ++i) patient.Put(&db, i, i + 1, "synced ");
  for (int i = 5; i < 8; ++i) patient.Put(&db, i, i + 1, "unsynced ", ZKDB_DURABILITY_INTERVAL);
  patient.Freeze();
  const std::string log = patient.Log();
  Overwrite(log, RecordAt(log, 6) + 40, "torn");
  const Outcome out = patient.Salvage();
  for (int i = 6; i < 8; ++i) patient.model().erase(Patient::Key(i));
  EXPECT(out.records == patient.model());
  TestDb recovered;
  ASSERT_EQ(patient.Open(&recovered), ZKDB_OK);
  EXPECT(recovered.All() == patient.model());
}

TEST(a_damaged_log_header_costs_no_record_while_its_salt_is_right) {
  Patient patient(1);
  TestDb db;
  ASSERT_EQ(patient.Open(&db), ZKDB_OK);
  patient.Put(&db, 0, 100, "value ");
  patient.Put(&db, 50, 60, "newer ");
  patient.Freeze();
  Overwrite(patient.Log(), 0, "#######");
  Overwrite(patient.Log(), 100, "damage");
  const Outcome out = patient.Salvage();
  EXPECT(out.records == patient.model());
  EXPECT(out.findings.find("the header is damaged") != std::string::npos);
}

// The other valid meta is that of an older checkpoint, whose pages are partly used again.
TEST(a_damaged_newest_meta_does_not_bring_older_values_back) {
  Patient patient(1);
  for (int round = 0; round < 6; ++round) {
    TestDb db;
    ASSERT_EQ(patient.Open(&db), ZKDB_OK);
    patient.Put(&db, 0, 1500, "round " + std::to_string(round) + " ");
    patient.DeleteRange(&db, "k" + std::string(1, static_cast<char>('c' + round)),
                        "k" + std::string(1, static_cast<char>('d' + round)));
    ASSERT_EQ(db.Close(), ZKDB_OK);
  }
  // A close after so many changes writes several checkpoints of one state; this one makes the other meta an older
  // state.
  TestDb few;
  ASSERT_EQ(patient.Open(&few), ZKDB_OK);
  patient.Put(&few, 0, 2, "last ");
  ASSERT_EQ(few.Close(), ZKDB_OK);
  const std::string segment = patient.In("p0/000.zkd");
  const std::string bytes = ReadFile(segment);
  const uint64_t newest = Load64(bytes.data() + 40) > Load64(bytes.data() + kMetaSlotSize + 40) ? 0 : kMetaSlotSize;
  Overwrite(segment, newest + 200, "damage");
  const Outcome stale = patient.Salvage();
  EXPECT(stale.records == patient.model());
  EXPECT(stale.findings.find("p0/000.zkd: meta slot") != std::string::npos);
  EXPECT(stale.result.unsure_records > 0);
  Overwrite(segment, 0, std::string(2 * kMetaSlotSize, '\0'));
  const Outcome none = patient.Salvage();
  EXPECT(none.records == patient.model());
  EXPECT(none.findings.find("there is no valid meta") != std::string::npos);
}

TEST(leaves_are_found_without_their_branches) {
  Patient patient(1);
  {
    TestDb db;
    ASSERT_EQ(patient.Open(&db), ZKDB_OK);
    patient.Put(&db, 0, 4000, "value ");
    ASSERT_EQ(db.Close(), ZKDB_OK);
  }
  uint64_t branches = 0;
  for (const char* name : {"p0/000.zkd", "p0/001.zkd", "p0/002.zkd"}) {
    const std::string bytes = ReadFile(patient.In(name));
    for (uint64_t at = 0; at + kPage <= bytes.size(); at += kPage) {
      const bool branch = bytes[at + 12] == static_cast<char>(PageKind::kBranch) && bytes.substr(at, 8) != "zkdbmeta";
      if (branch) Overwrite(patient.In(name), at, std::string(kPage, '#'));
      branches += branch ? 1 : 0;
    }
  }
  EXPECT(branches > 0);
  const Outcome out = patient.Salvage();
  EXPECT(out.records == patient.model());
  EXPECT_EQ(out.result.lost_pages, branches);
  EXPECT_EQ(out.result.unsure_records, uint64_t{0});
}

TEST(a_damaged_overflow_page_costs_its_record_alone) {
  Patient patient(1);
  {
    TestDb db;
    ASSERT_EQ(patient.Open(&db), ZKDB_OK);
    patient.Put(&db, 0, 100, "value ");
    for (const char* key : {"big 1", "big 2"}) {
      ASSERT_EQ(db.Put(key, std::string(9000, key[4])), ZKDB_OK);
      patient.model()[key] = std::string(9000, key[4]);
    }
    ASSERT_EQ(db.Close(), ZKDB_OK);
  }
  const std::string segment = patient.In("p0/000.zkd");
  Overwrite(segment, ReadFile(segment).find(std::string(1000, '1')) + 2000, "damage");
  const Outcome out = patient.Salvage();
  patient.model().erase("big 1");
  EXPECT(out.records == patient.model());
  EXPECT_EQ(out.result.lost_records, uint64_t{1});
  EXPECT(out.findings.find("'big 1'") != std::string::npos && out.findings.find("page ") != std::string::npos);
}

TEST(a_partition_of_another_database_or_in_two_places_is_left_out) {
  Patient patient;
  Patient other;
  for (Patient* p : {&patient, &other}) {
    TestDb db;
    ASSERT_EQ(p->Open(&db), ZKDB_OK);
    p->Put(&db, 0, 300, p == &patient ? "own " : "foreign ");
    ASSERT_EQ(db.Close(), ZKDB_OK);
  }
  fs::remove_all(patient.In("mid"));
  fs::copy(other.In("mid"), patient.In("mid"), fs::copy_options::recursive);
  Model expected = patient.model();
  expected.erase(expected.lower_bound("kl"), expected.lower_bound("kq"));
  const Outcome foreign = patient.Salvage();
  EXPECT(foreign.records == expected);
  EXPECT(foreign.findings.find("another database") != std::string::npos);
  fs::remove_all(patient.In("mid"));
  fs::copy(patient.In("low"), patient.In("mid"), fs::copy_options::recursive);
  const Outcome doubled = patient.Salvage();
  EXPECT(doubled.records == expected);
  EXPECT(doubled.findings.find("another partition") != std::string::npos);
}

TEST(a_salvage_without_a_log_brings_what_the_pages_hold) {
  Patient patient;
  {
    TestDb db;
    ASSERT_EQ(patient.Open(&db), ZKDB_OK);
    patient.Put(&db, 0, 500, "value ");
    ASSERT_EQ(db.Close(), ZKDB_OK);
  }
  fs::remove_all(patient.In("log"));
  const Outcome out = patient.Salvage();
  EXPECT(out.records == patient.model());
  EXPECT(out.findings.find("the directory of the log is missing") != std::string::npos);
}

TEST(a_salvage_is_refused_while_the_database_is_open_and_into_a_directory_that_is_not_empty) {
  Patient patient;
  {
    TestDb db;
    ASSERT_EQ(patient.Open(&db), ZKDB_OK);
    patient.Put(&db, 0, 10, "value ");
    EXPECT_EQ(patient.Salvage().code, ZKDB_LOCKED);
    ASSERT_EQ(db.Close(), ZKDB_OK);
  }
  EXPECT_EQ(patient.Salvage(patient.directory()).code, ZKDB_EXISTS);
  const std::string target = TempDirectory() + "/new";
  EXPECT_EQ(patient.Salvage(target).code, ZKDB_OK);
  EXPECT_EQ(patient.Salvage(target).code, ZKDB_EXISTS);
  fs::remove(patient.path());
  EXPECT_EQ(patient.Salvage().code, ZKDB_MISSING);
}

TEST(a_salvage_stops_when_progress_says_so) {
  Patient patient;
  {
    TestDb db;
    ASSERT_EQ(patient.Open(&db), ZKDB_OK);
    patient.Put(&db, 0, 500, "value ");
    ASSERT_EQ(db.Close(), ZKDB_OK);
  }
  const zkdb_progress stop = [](void*, uint64_t done, uint64_t total) {
    EXPECT(done <= total);
    return done * 2 > total ? 1 : 0;
  };
  const std::string target = TempDirectory() + "/new";
  EXPECT_EQ(zkdb_salvage(patient.path().c_str(), target.c_str(), nullptr, nullptr, stop, nullptr, nullptr, nullptr),
            ZKDB_ABORTED);
  EXPECT_EQ(zkdb_salvage(nullptr, target.c_str(), nullptr, nullptr, stop, nullptr, nullptr, nullptr), ZKDB_INVALID);
}

}  // namespace
}  // namespace zkdb::test
