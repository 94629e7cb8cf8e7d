// Calls that meet a damaged page, an ended transaction or a progress callback that says stop.
#include "capi/test_util.h"
#include "core/base/checksum.h"
#include "core/btree/page.h"
#include "core/segment/segment_files.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kPage = 4096;

std::string ReadPage(const std::string& segment, uint32_t page) {
  std::ifstream file(segment, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(page * kPage));
  std::string bytes(kPage, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(kPage));
  return bytes;
}

void WritePage(const std::string& segment, uint32_t page, const std::string& bytes) {
  std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(page * kPage));
  file << bytes;
}

// Makes a page another kind, with a right checksum.
void MakeKind(const std::string& segment, uint32_t page, PageKind kind, uint8_t level) {
  std::string bytes = ReadPage(segment, page);
  auto* p = reinterpret_cast<uint8_t*>(bytes.data());
  p[offsetof(PageHeader, kind)] = static_cast<uint8_t>(kind);
  p[offsetof(PageHeader, level)] = level;
  std::memset(p + sizeof(PageHeader), 0, 16);  // what an overflow page says of its run
  Store32(p, Crc32c(0, p + kChecksumSize, kPage - kChecksumSize));
  WritePage(segment, page, bytes);
}

// Makes the second child of a branch the first one again, with a right checksum.
void DoubleFirstChild(const std::string& segment, uint32_t branch) {
  std::string bytes = ReadPage(segment, branch);
  auto* p = reinterpret_cast<uint8_t*>(bytes.data());
  const PageView page(p);
  ASSERT_EQ(page.level(), 1u);
  std::memcpy(p + page.slot(1).offset, p + page.slot(0).offset, sizeof(PageRef));
  Store32(p, Crc32c(0, p + kChecksumSize, kPage - kChecksumSize));
  WritePage(segment, branch, bytes);
}

// A closed database of one partition.
struct Stage {
  explicit Stage(int records) : path(MakeShape(directory, 1)) {
    TestDb db;
    ASSERT_EQ(db.Open(path), ZKDB_OK);
    for (int i = 0; i < records; i += 100) {
      BatchBytes batch;
      for (int k = i; k < i + 100; ++k) batch.Put("k" + std::to_string(100000 + k), std::string(100, 'v'));
      EXPECT_EQ(db.Write(batch), ZKDB_OK);
    }
    all = db.All();
  }
  MetaState Meta() const {
    MetaState state;
    EXPECT_OK(SegmentFiles::ReadMeta(Env::Posix(), directory + "/p0", &state));
    return state;
  }
  std::string segment() const { return SegmentPath(directory + "/p0", 0); }
  // The first page in the file that is a leaf.
  uint32_t Leaf() const {
    uint32_t page = 2;
    while (ReadPage(segment(), page).substr(offsetof(PageHeader, kind), 2) != std::string("\1\0", 2)) ++page;
    return page;
  }

  std::string directory = TempDirectory();
  std::string path;
  Model all;
};

zkdb_code GetMany(TestDb* db, const std::string& key, zkdb_snapshot* snapshot = nullptr) {
  const uint32_t offsets[] = {0, static_cast<uint32_t>(key.size())};
  char value[4096];
  uint32_t size = 0;
  uint32_t done = 0;
  size_t needed = 0;
  return zkdb_get_many(db->get(), snapshot, key.data(), offsets, 1, value, sizeof value, &size, &done, &needed,
                       &db->error);
}

}  // namespace

// A tree's depth is read from its root: one that is another kind of page must not be believed.
TEST(a_root_that_is_no_tree_page_is_refused_whatever_level_it_says) {
  const Stage stage(300);
  const uint32_t root = stage.Meta().meta.root.number;
  const std::string before = ReadPage(stage.segment(), root);
  for (const PageKind kind : {PageKind::kOverflow, PageKind::kFreeMap}) {
    for (const int level : {0, 1, 31, 200, 254, 255}) {
      MakeKind(stage.segment(), root, kind, static_cast<uint8_t>(level));
      TestDb db;
      ASSERT_EQ(db.Open(stage.path), ZKDB_OK);
      const auto refused = [&](zkdb_code code) {
        EXPECT_EQ(code, ZKDB_CORRUPT);
        EXPECT(db.message().find("000.zkd: page " + std::to_string(root) + ":") != std::string::npos);
      };
      EXPECT(!db.Get("k100000"));
      refused(db.code);
      refused(GetMany(&db, "k100000"));
      RecordList list;
      refused(db.Scan(&list));
      refused(db.Scan(&list, nullptr, ZKDB_SCAN_REVERSE));
      uint64_t records = 0;
      refused(zkdb_estimate(db.get(), 0, nullptr, &records, &db.error));
      refused(db.Put("k100000", "x"));
    }
  }
  WritePage(stage.segment(), root, before);
  TestDb db;
  ASSERT_EQ(db.Open(stage.path), ZKDB_OK);
  EXPECT(db.Check().empty() && db.All() == stage.all);
}

// It would be freed twice and given out twice.
TEST(a_page_that_the_tree_refers_to_twice_is_not_freed_twice) {
  const Stage stage(300);
  DoubleFirstChild(stage.segment(), stage.Meta().meta.root.number);
  TestDb db;
  ASSERT_EQ(db.Open(stage.path), ZKDB_OK);
  BatchBytes everything;
  everything.Add(ZKDB_OP_DELETE_RANGE, "", "l", ZKDB_RANGE_HAS_HI);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(db.Write(everything), ZKDB_CORRUPT);
    EXPECT(db.message().find("000.zkd: page ") != std::string::npos);
    EXPECT(db.message().find("although it is free") != std::string::npos);
    EXPECT_EQ(db.Get("k100000").value_or(""), std::string(100, 'v'));
  }
  // A write through one of both references frees the page, one through the other would do so again.
  EXPECT_EQ(db.Put("k100000", "x"), ZKDB_OK);
  EXPECT_EQ(db.Put("k100060", "x"), ZKDB_CORRUPT);
  EXPECT_EQ(db.Get("k100000").value_or(""), "x");
}

// The other reference then leads to a page with other records and another stamp.
TEST(a_page_used_again_is_not_taken_for_the_old_one) {
  const Stage stage(300);
  DoubleFirstChild(stage.segment(), stage.Meta().meta.root.number);
  TestDb db;
  ASSERT_EQ(db.Open(stage.path), ZKDB_OK);
  EXPECT_EQ(db.Put("k100000", "x"), ZKDB_OK);
  for (int i = 0; i < 20; ++i) {  // checkpoints give the freed page out again
    EXPECT_EQ(zkdb_checkpoint(db.get(), &db.error), ZKDB_OK);
    EXPECT_EQ(db.Put("k100000", std::string(1, static_cast<char>('a' + i))), ZKDB_OK);
  }
  EXPECT(!db.Get("k100060"));
  EXPECT_EQ(db.code, ZKDB_CORRUPT);
  EXPECT_EQ(GetMany(&db, "k100060"), ZKDB_CORRUPT);
  EXPECT(db.message().find("with the stamp") != std::string::npos);
  EXPECT_EQ(db.Get("k100000").value_or(""), "t");
}

TEST(many_gets_name_the_page_that_is_not_of_the_tree_each_time) {
  const Stage stage(300);
  const uint32_t leaf = stage.Leaf();
  MakeKind(stage.segment(), leaf, PageKind::kFreeMap, 0);
  TestDb db;
  ASSERT_EQ(db.Open(stage.path), ZKDB_OK);
  for (int round = 0; round < 2; ++round) {
    int refused = 0;
    for (const auto& [key, value] : stage.all) {
      const zkdb_code code = GetMany(&db, key);
      if (code == ZKDB_OK) continue;
      ++refused;
      EXPECT_EQ(code, ZKDB_CORRUPT);
      EXPECT(db.message().find("000.zkd: page " + std::to_string(leaf) + ":") != std::string::npos);
    }
    EXPECT(refused > 0 && refused < 60);
  }
}

TEST(a_transaction_whose_write_met_a_damaged_page_refuses_everything_but_its_end) {
  const Stage stage(300);
  const uint32_t leaf = stage.Leaf();
  const std::string before = ReadPage(stage.segment(), leaf);
  std::string damaged = before;
  damaged[3000] = static_cast<char>(damaged[3000] ^ 4);
  WritePage(stage.segment(), leaf, damaged);
  {
    TestDb db;
    ASSERT_EQ(db.Open(stage.path), ZKDB_OK);
    zkdb_txn* txn = nullptr;
    ASSERT_EQ(zkdb_txn_begin(db.get(), &txn, nullptr), ZKDB_OK);
    zkdb_write_result result{};
    BatchBytes batch;
    for (const auto& [key, value] : stage.all) batch.Put(key, "changed");
    const std::string good = BatchBytes().Put("l", "1").bytes();
    ASSERT_EQ(zkdb_txn_write(txn, good.data(), good.size(), &result, nullptr), ZKDB_OK);
    EXPECT_EQ(zkdb_txn_write(txn, "\1", 1, &result, nullptr), ZKDB_INVALID);  // no batch: nothing has happened
    ASSERT_EQ(zkdb_txn_write(txn, good.data(), good.size(), &result, nullptr), ZKDB_OK);
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(zkdb_txn_write(txn, batch.bytes().data(), batch.bytes().size(), &result, &db.error), ZKDB_CORRUPT);
      EXPECT(db.message().find("page " + std::to_string(leaf) + ":") != std::string::npos);
    }
    EXPECT_EQ(zkdb_txn_write(txn, good.data(), good.size(), &result, nullptr), ZKDB_CORRUPT);
    EXPECT_EQ(zkdb_txn_commit(txn, ZKDB_DURABILITY_COMMIT, &result, nullptr), ZKDB_CORRUPT);
    EXPECT_EQ(db.Put("m", "2"), ZKDB_OK);
  }
  WritePage(stage.segment(), leaf, before);
  TestDb db;
  ASSERT_EQ(db.Open(stage.path), ZKDB_OK);
  Model expected = stage.all;
  expected["m"] = "2";
  EXPECT(db.Check().empty() && db.All() == expected);
}

TEST(a_transaction_that_its_database_left_behind_reads_nothing) {
  const Stage stage(100);
  TestDb db;
  ASSERT_EQ(db.Open(stage.path), ZKDB_OK);
  zkdb_txn* txn = nullptr;
  ASSERT_EQ(zkdb_txn_begin(db.get(), &txn, nullptr), ZKDB_OK);
  char value[200];
  size_t size = 0;
  EXPECT_EQ(zkdb_txn_get(txn, "k100000", 7, value, sizeof value, &size, nullptr), ZKDB_OK);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  EXPECT_EQ(zkdb_txn_get(txn, "k100000", 7, value, sizeof value, &size, nullptr), ZKDB_CLOSED);
  zkdb_txn_abort(txn);
}

// Every callback in turn is the one that stops: what was being done is not done, or has been done whole.
TEST(progress_stops_long_work_at_each_of_its_calls_and_leaves_the_records) {
  const Stage stage(9000);
  struct Stop {
    int calls = 0;
    int at = 0;
  };
  const zkdb_progress count = [](void* context, uint64_t done, uint64_t total) {
    EXPECT(done <= total);
    auto* stop = static_cast<Stop*>(context);
    return ++stop->calls == stop->at ? 1 : 0;
  };
  TestDb db;
  ASSERT_EQ(db.Open(stage.path), ZKDB_OK);
  for (int work = 0; work < 3; ++work) {
    int calls = 1;
    for (int at = 1; calls >= at && at < 6; ++at) {
      Stop stop{0, at};
      const std::string to = stage.directory + "/copy" + std::to_string(at);
      uint64_t findings = 0;
      const zkdb_code code = work == 0   ? zkdb_check(db.get(), nullptr, nullptr, count, &stop, &findings, &db.error)
                             : work == 1 ? zkdb_compact(db.get(), count, &stop, &db.error)
                                         : zkdb_backup(db.get(), to.c_str(), count, &stop, &db.error);
      calls = stop.calls;
      EXPECT_EQ(code, calls < at ? ZKDB_OK : ZKDB_ABORTED);
      EXPECT(db.All() == stage.all);
    }
  }
  EXPECT_EQ(db.Check(), "");
}

TEST(a_backup_holds_a_record_that_is_larger_than_what_it_copies_at_a_time) {
  const Stage stage(100);
  const std::string copy = stage.directory + "/copy";
  Model expected = stage.all;
  expected["k2"] = std::string((1u << 20) + 12345, 'L');
  {
    TestDb db;
    ASSERT_EQ(db.Open(stage.path), ZKDB_OK);
    ASSERT_EQ(db.Put("k2", expected["k2"]), ZKDB_OK);
    ASSERT_EQ(zkdb_backup(db.get(), copy.c_str(), nullptr, nullptr, &db.error), ZKDB_OK);
  }
  TestDb db;
  ASSERT_EQ(db.Open(copy), ZKDB_OK);
  EXPECT(db.Check().empty() && db.All() == expected);
}

}  // namespace zkdb::test
