// Transactions, snapshots and handles through zkdb.h.
#include <atomic>
#include <chrono>
#include <thread>

#include "capi/test_util.h"

namespace zkdb::test {
namespace {

zkdb_code TxnPut(zkdb_txn* txn, const BatchBytes& batch, zkdb_write_result* result = nullptr) {
  return zkdb_txn_write(txn, batch.bytes().data(), batch.bytes().size(), result, nullptr);
}

std::optional<std::string> TxnGet(zkdb_txn* txn, std::string_view key) {
  char buffer[256];
  size_t size = 0;
  if (zkdb_txn_get(txn, key.data(), key.size(), buffer, sizeof buffer, &size, nullptr) != ZKDB_OK) return std::nullopt;
  return std::string(buffer, size);
}

struct OpenDb : TestDb {
  explicit OpenDb(uint32_t partitions = 3, const OptionList& options = {}) {
    EXPECT_EQ(Open(MakeShape(TempDirectory(), partitions), options), ZKDB_OK);
  }
  zkdb_txn* Begin() {
    zkdb_txn* txn = nullptr;
    EXPECT_EQ(zkdb_txn_begin(get(), &txn, &error), ZKDB_OK);
    return txn;
  }
};

TEST(a_transaction_reads_its_own_writes_and_others_see_them_after_commit) {
  OpenDb db(3, {{"VerifyAll", "Yes"}});
  ASSERT_EQ(db.Write(BatchBytes().Put("aa", "1").Put("az", "2")), ZKDB_OK);
  zkdb_txn* txn = db.Begin();
  zkdb_write_result result{};
  ASSERT_EQ(TxnPut(txn, BatchBytes().Put("aa", "1b").Delete("az").Put("al", "3"), &result), ZKDB_OK);
  EXPECT_EQ(result.existed, 2u);
  EXPECT_EQ(TxnGet(txn, "aa").value_or(""), "1b");
  EXPECT(!TxnGet(txn, "az"));
  EXPECT_EQ(db.Get("aa").value_or(""), "1");
  EXPECT(!db.Get("al"));
  ASSERT_EQ(TxnPut(txn, BatchBytes().Add(ZKDB_OP_PUT_IF_ABSENT, "aa", "no"), &result), ZKDB_OK);
  EXPECT_EQ(result.failed_index, 0);
  RecordList seen;
  ASSERT_EQ(db.Scan(&seen, nullptr, ZKDB_SCAN_REVERSE, nullptr, txn), ZKDB_OK);
  EXPECT(seen == (RecordList{{"al", "3"}, {"aa", "1b"}}));
  ASSERT_EQ(zkdb_txn_commit(txn, ZKDB_DURABILITY_COMMIT, &result, nullptr), ZKDB_OK);
  EXPECT_EQ(result.sequence, 2u);
  EXPECT_EQ(result.existed, 2u);
  EXPECT(db.All() == (Model{{"aa", "1b"}, {"al", "3"}}));
  EXPECT_EQ(db.Check(), "");
}

TEST(a_transaction_of_many_writes_is_whole_after_a_crash) {
  const std::string live = TempDirectory() + "/live";
  const std::string dead = TempDirectory() + "/dead";
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(live, 3)), ZKDB_OK);
  zkdb_txn* txn = nullptr;
  ASSERT_EQ(zkdb_txn_begin(db.get(), &txn, nullptr), ZKDB_OK);
  // Partition after partition and back again, and a change of what the transaction wrote itself.
  for (const char* key : {"aa", "al", "az", "ab", "am", "aa", "ay"}) {
    ASSERT_EQ(TxnPut(txn, BatchBytes().Put(key, std::string(key) + " value")), ZKDB_OK);
  }
  ASSERT_EQ(TxnPut(txn, BatchBytes().Delete("aa").Put("ax", "last").Put("al", "again")), ZKDB_OK);
  ASSERT_EQ(zkdb_txn_commit(txn, ZKDB_DURABILITY_COMMIT, nullptr, nullptr), ZKDB_OK);
  // What is in the files at this moment is what a killed process leaves.
  std::filesystem::copy(live, dead, std::filesystem::copy_options::recursive);
  TestDb again;
  ASSERT_EQ(again.Open(dead + "/test.conf"), ZKDB_OK);
  EXPECT_EQ(again.Stats().recovered_records, 1u);
  EXPECT(again.All() == db.All());
  EXPECT_EQ(again.All().size(), size_t{6});
  EXPECT_EQ(again.Check(), "");
}

TEST(an_aborted_transaction_leaves_nothing_and_the_space_is_whole) {
  OpenDb db;
  ASSERT_EQ(db.Write(BatchBytes().Put("aa", std::string(50000, 'x')).Put("az", "2")), ZKDB_OK);
  const Model before = db.All();
  for (int i = 0; i < 5; ++i) {
    zkdb_txn* txn = db.Begin();
    BatchBytes batch;
    for (int k = 0; k < 500; ++k) batch.Put("a" + std::to_string(k * 7919 % 1000), std::string(300, 'y'));
    batch.Put("big", std::string(200000, 'z')).Delete("aa");
    ASSERT_EQ(TxnPut(txn, batch), ZKDB_OK);
    ASSERT_EQ(TxnPut(txn, BatchBytes().Add(ZKDB_OP_DELETE_RANGE, "")), ZKDB_OK);
    ASSERT_EQ(TxnPut(txn, batch), ZKDB_OK);
    zkdb_txn_abort(txn);
    EXPECT(db.All() == before);
    EXPECT_EQ(db.Check(), "");
  }
  zkdb_txn* empty = db.Begin();
  zkdb_write_result result{};
  EXPECT_EQ(zkdb_txn_commit(empty, ZKDB_DURABILITY_DEFAULT, &result, nullptr), ZKDB_OK);
  EXPECT_EQ(result.sequence, 0u);
}

TEST(a_scan_inside_a_transaction_goes_on_behind_its_last_key_after_a_write) {
  for (const uint32_t flags : {0u, uint32_t{ZKDB_SCAN_REVERSE}, uint32_t{ZKDB_SCAN_NO_KEYS}}) {
    OpenDb db;
    BatchBytes batch;
    for (int i = 100; i < 400; ++i)
      batch.Put("k" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i), std::to_string(i));
    ASSERT_EQ(db.Write(batch), ZKDB_OK);
    Model model = db.All();
    zkdb_txn* txn = db.Begin();
    zkdb_cursor* cursor = nullptr;
    ASSERT_EQ(zkdb_cursor_open(db.get(), nullptr, txn, nullptr, flags, &cursor, nullptr), ZKDB_OK);
    std::string values;
    std::string last;
    size_t count = 0;
    for (int done = 0; done == 0;) {
      char buffer[256];
      size_t used = 0;
      uint32_t n = 0;
      ASSERT_EQ(zkdb_cursor_next(cursor, buffer, sizeof buffer, 3, &used, &n, &done, nullptr), ZKDB_OK);
      count += n;
      // What lies behind the cursor changes; what lies before it stays.
      const bool reverse = flags == ZKDB_SCAN_REVERSE;
      ASSERT_EQ(TxnPut(txn, BatchBytes().Put((reverse ? "z" : "a") + std::to_string(count), "behind")), ZKDB_OK);
    }
    EXPECT_EQ(count, model.size());
    zkdb_cursor_close(cursor);
    zkdb_txn_abort(txn);
    EXPECT(db.All() == model);
  }
}

TEST(a_thread_with_a_transaction_is_told_instead_of_waiting_for_itself) {
  OpenDb db;
  zkdb_txn* txn = db.Begin();
  ASSERT_EQ(TxnPut(txn, BatchBytes().Put("aa", "1")), ZKDB_OK);
  zkdb_txn* second = nullptr;
  EXPECT_EQ(zkdb_txn_begin(db.get(), &second, &db.error), ZKDB_INVALID);
  EXPECT_EQ(db.Put("b", "1"), ZKDB_INVALID);
  EXPECT_EQ(zkdb_checkpoint(db.get(), &db.error), ZKDB_INVALID);
  EXPECT_EQ(zkdb_compact(db.get(), nullptr, nullptr, &db.error), ZKDB_INVALID);
  EXPECT_EQ(zkdb_check(db.get(), nullptr, nullptr, nullptr, nullptr, nullptr, &db.error), ZKDB_INVALID);
  EXPECT_EQ(zkdb_sync(db.get(), &db.error), ZKDB_OK);
  zkdb_partition_stats figures{};
  EXPECT_EQ(zkdb_stats_partition(db.get(), 0, ZKDB_STATS_FULL, &figures, &db.error), ZKDB_OK);
  EXPECT_EQ(db.Stats().partitions, 3u);
  EXPECT_EQ(zkdb_txn_commit(txn, ZKDB_DURABILITY_COMMIT, nullptr, nullptr), ZKDB_OK);
  EXPECT_EQ(db.Put("b", "1"), ZKDB_OK);
}

TEST(another_threads_write_waits_for_the_transaction_while_concurrent_reads_go_on) {
  OpenDb db;
  ASSERT_EQ(db.Put("aa", "1"), ZKDB_OK);
  zkdb_txn* txn = db.Begin();
  ASSERT_EQ(TxnPut(txn, BatchBytes().Put("aa", "2")), ZKDB_OK);
  std::atomic<bool> written{false};
  std::thread writer([&] {
    zkdb_write_result result{};
    const BatchBytes batch = BatchBytes().PutIfValue("aa", "2", "3");
    EXPECT_EQ(
        zkdb_write(db.get(), batch.bytes().data(), batch.bytes().size(), ZKDB_DURABILITY_NONE, 0, &result, nullptr),
        ZKDB_OK);
    EXPECT_EQ(result.failed_index, -1);
    written = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT(!written.load());
  EXPECT_EQ(db.Get("aa").value_or(""), "1");
  EXPECT_EQ(zkdb_txn_commit(txn, ZKDB_DURABILITY_NONE, nullptr, nullptr), ZKDB_OK);
  writer.join();
  EXPECT_EQ(db.Get("aa").value_or(""), "3");
}

TEST(closing_the_last_handle_aborts_the_threads_own_transaction) {
  const std::string path = MakeShape(TempDirectory(), 3);
  OpenDb other;
  TestDb db;
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  ASSERT_EQ(db.Put("aa", "1"), ZKDB_OK);
  zkdb_txn* txn = nullptr;
  ASSERT_EQ(zkdb_txn_begin(db.get(), &txn, nullptr), ZKDB_OK);
  zkdb_cursor* cursor = nullptr;
  ASSERT_EQ(zkdb_cursor_open(db.get(), nullptr, txn, nullptr, 0, &cursor, nullptr), ZKDB_OK);
  EXPECT_EQ(zkdb_cursor_open(other.get(), nullptr, txn, nullptr, 0, &cursor, nullptr), ZKDB_INVALID);
  ASSERT_EQ(TxnPut(txn, BatchBytes().Put("aa", "2")), ZKDB_OK);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  EXPECT_EQ(TxnPut(txn, BatchBytes().Put("aa", "3")), ZKDB_CLOSED);
  zkdb_write_result result{};
  EXPECT_EQ(zkdb_txn_commit(txn, ZKDB_DURABILITY_COMMIT, &result, nullptr), ZKDB_CLOSED);
  RecordList seen;
  EXPECT_EQ(Drain(cursor, &seen), ZKDB_CLOSED);
  EXPECT_EQ(zkdb_cursor_seek(cursor, "a", 1, nullptr), ZKDB_CLOSED);
  zkdb_cursor_close(cursor);
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  EXPECT(db.All() == (Model{{"aa", "1"}}));
}

TEST(a_cursor_of_an_ended_transaction_is_closed) {
  OpenDb db;
  zkdb_txn* txn = db.Begin();
  zkdb_cursor* cursor = nullptr;
  ASSERT_EQ(zkdb_cursor_open(db.get(), nullptr, txn, nullptr, 0, &cursor, nullptr), ZKDB_OK);
  zkdb_txn_abort(txn);
  RecordList seen;
  EXPECT_EQ(Drain(cursor, &seen), ZKDB_CLOSED);
  zkdb_cursor_close(cursor);
}

// ---- snapshots and closed handles ----------------------------------------------------------------------------------

TEST(a_snapshot_keeps_its_cut_over_writes_checkpoints_and_compaction) {
  OpenDb db(3, {{"MinCheckpointSize", "64K"}});
  BatchBytes batch;
  for (int i = 0; i < 2000; ++i)
    batch.Put("k" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i), std::to_string(i));
  ASSERT_EQ(db.Write(batch), ZKDB_OK);
  const Model before = db.All();
  zkdb_snapshot* snapshot = nullptr;
  ASSERT_EQ(zkdb_snapshot_open(db.get(), &snapshot, nullptr), ZKDB_OK);
  EXPECT_EQ(zkdb_snapshot_sequence(snapshot), 1u);
  for (int round = 0; round < 6; ++round) {
    BatchBytes change;
    for (int i = round; i < 2000; i += 3)
      change.Put("k" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i), "changed");
    ASSERT_EQ(db.Write(change.Add(ZKDB_OP_DELETE_RANGE, "kc", "kf", ZKDB_RANGE_HAS_HI)), ZKDB_OK);
    if (round % 2 == 0) EXPECT_EQ(zkdb_checkpoint(db.get(), nullptr), ZKDB_OK);
    if (round == 3) EXPECT_EQ(zkdb_compact(db.get(), nullptr, nullptr, nullptr), ZKDB_OK);
    EXPECT(db.All(snapshot) == before);
    EXPECT_EQ(db.Get("ka0", snapshot).value_or(""), "0");
  }
  EXPECT(db.Stats().pinned_bytes > 0);
  EXPECT_EQ(db.Stats().snapshots_open, 1u);
  zkdb_snapshot_close(snapshot);
  EXPECT_EQ(db.Stats().snapshots_open, 0u);
  EXPECT_EQ(db.Check(), "");
}

// The one record that a cursor gives next, "" at its end.
std::string NextKey(zkdb_cursor* cursor) {
  char buffer[64];
  size_t used = 0;
  uint32_t count = 0;
  int done = 0;
  EXPECT_EQ(zkdb_cursor_next(cursor, buffer, sizeof buffer, 1, &used, &count, &done, nullptr), ZKDB_OK);
  return count == 0 ? "" : std::string(buffer + 8, Load32(reinterpret_cast<const uint8_t*>(buffer)));
}

TEST(a_cursor_of_a_transaction_keeps_its_place_over_seeks_and_writes) {
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(TempDirectory(), 3)), ZKDB_OK);
  BatchBytes records;
  for (const char* key : {"aa", "ab", "al", "am", "ar", "as"}) records.Put(key, "1");
  ASSERT_EQ(db.Write(records), ZKDB_OK);
  const std::string change = BatchBytes().Put("zz", "new").bytes();
  for (const uint32_t flags : {uint32_t{0}, uint32_t{ZKDB_SCAN_REVERSE}}) {
    zkdb_txn* txn = nullptr;
    zkdb_cursor* cursor = nullptr;
    ASSERT_EQ(zkdb_txn_begin(db.get(), &txn, nullptr), ZKDB_OK);
    ASSERT_EQ(zkdb_cursor_open(db.get(), nullptr, txn, nullptr, flags, &cursor, nullptr), ZKDB_OK);
    // A write between the seek and the first record.
    EXPECT_EQ(zkdb_cursor_seek(cursor, "am", 2, nullptr), ZKDB_OK);
    EXPECT_EQ(zkdb_txn_write(txn, change.data(), change.size(), nullptr, nullptr), ZKDB_OK);
    EXPECT_EQ(NextKey(cursor), "am");
    // A write after it, and then back to where the cursor has been already.
    EXPECT_EQ(zkdb_txn_write(txn, change.data(), change.size(), nullptr, nullptr), ZKDB_OK);
    EXPECT_EQ(NextKey(cursor), flags == 0 ? "ar" : "al");
    EXPECT_EQ(zkdb_cursor_seek(cursor, flags == 0 ? "ab" : "ar", 2, nullptr), ZKDB_OK);
    EXPECT_EQ(NextKey(cursor), flags == 0 ? "ab" : "ar");
    zkdb_cursor_close(cursor);
    zkdb_txn_abort(txn);
  }
}

TEST(snapshots_and_cursors_outlive_the_database_and_say_that_it_is_closed) {
  const std::string path = MakeShape(TempDirectory(), 3);
  TestDb db;
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  ASSERT_EQ(db.Put("aa", "1"), ZKDB_OK);
  zkdb_snapshot* snapshot = nullptr;
  zkdb_cursor* cursor = nullptr;
  ASSERT_EQ(zkdb_snapshot_open(db.get(), &snapshot, nullptr), ZKDB_OK);
  ASSERT_EQ(zkdb_cursor_open(db.get(), snapshot, nullptr, nullptr, 0, &cursor, nullptr), ZKDB_OK);
  ASSERT_EQ(db.Close(), ZKDB_OK);
  RecordList seen;
  EXPECT_EQ(Drain(cursor, &seen), ZKDB_CLOSED);
  EXPECT_EQ(zkdb_cursor_seek(cursor, "a", 1, nullptr), ZKDB_CLOSED);
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  // The reopened database is another engine: the old snapshot is no good there.
  EXPECT(!db.Get("aa", snapshot));
  EXPECT_EQ(db.code, ZKDB_INVALID);
  zkdb_cursor* other = nullptr;
  EXPECT_EQ(zkdb_cursor_open(db.get(), snapshot, nullptr, nullptr, 0, &other, &db.error), ZKDB_INVALID);
  EXPECT_EQ(zkdb_snapshot_sequence(snapshot), 1u);
  zkdb_cursor_close(cursor);
  zkdb_snapshot_close(snapshot);
  EXPECT_EQ(db.Get("aa").value_or(""), "1");
}

TEST(opens_of_one_path_share_an_engine_until_the_last_close) {
  const std::string path = MakeShape(TempDirectory(), 3);
  TestDb one;
  TestDb two;
  ASSERT_EQ(one.Open(path), ZKDB_OK);
  ASSERT_EQ(two.Open(path + "/../test.conf"), ZKDB_CONFIG);
  ASSERT_EQ(two.Open(std::filesystem::path(path).parent_path().string() + "/./test.conf"), ZKDB_OK);
  ASSERT_EQ(one.Put("aa", "1"), ZKDB_OK);
  ASSERT_EQ(one.Close(), ZKDB_OK);
  EXPECT_EQ(two.Get("aa").value_or(""), "1");
  EXPECT_EQ(two.Put("aa", "2"), ZKDB_OK);
}

}  // namespace
}  // namespace zkdb::test
