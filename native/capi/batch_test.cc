// Batches through zkdb.h: every operation, conditions, malformed bytes, and range deletes in several shapes.
#include "capi/test_util.h"

namespace zkdb::test {
namespace {

constexpr uint32_t kNoHi = 0;

// Opens a new database of `partitions` in `directory`.
void OpenNew(TestDb* db, uint32_t partitions, bool isolated = false) {
  ASSERT_EQ(db->Open(MakeShape(TempDirectory(), partitions, isolated)), ZKDB_OK);
}

TEST(a_batch_reports_what_existed_and_its_sequence) {
  TestDb db;
  OpenNew(&db, 3);
  ASSERT_EQ(db.Write(BatchBytes().Put("aa", "1").Put("al", "2").Put("az", "3").Delete("none")), ZKDB_OK);
  EXPECT_EQ(db.result.existed, 0u);
  EXPECT_EQ(db.result.sequence, 1u);
  EXPECT_EQ(db.result.failed_index, -1);
  ASSERT_EQ(db.Write(BatchBytes().Put("aa", "1b").Delete("al").Delete("no").Put("new", "")), ZKDB_OK);
  EXPECT_EQ(db.result.existed, 2u);
  EXPECT_EQ(db.result.sequence, 2u);
  EXPECT(db.All() == (Model{{"aa", "1b"}, {"az", "3"}, {"new", ""}}));
  EXPECT_EQ(db.WriteBytes(""), ZKDB_OK);
  EXPECT_EQ(db.result.sequence, 0u);
  EXPECT_EQ(db.Check(), "");
}

TEST(operations_on_one_key_take_effect_in_order) {
  TestDb db;
  OpenNew(&db, 1);
  ASSERT_EQ(db.Write(BatchBytes().Put("k", "1").Delete("k").Put("k", "2").Put("j", "x").Put("k", "3").Delete("j")),
            ZKDB_OK);
  EXPECT(db.All() == (Model{{"k", "3"}}));
  EXPECT_EQ(db.result.existed, 3u);
  ASSERT_EQ(db.Write(BatchBytes().Put("a", "1").Add(ZKDB_OP_DELETE_RANGE, "").Put("b", "2")), ZKDB_OK);
  EXPECT(db.All() == (Model{{"b", "2"}}));
}

TEST(every_condition_holds_or_refuses_the_whole_batch) {
  for (const uint32_t partitions : {1u, 3u, 16u}) {
    TestDb db;
    OpenNew(&db, partitions);
    ASSERT_EQ(db.Write(BatchBytes().Put("kept", "old").Put("zero", "")), ZKDB_OK);
    const Model before = db.All();
    const std::vector<std::pair<BatchBytes, int64_t>> failing = {
        {BatchBytes().Put("w", "1").Add(ZKDB_OP_PUT_IF_ABSENT, "kept", "x"), 1},
        {BatchBytes().Put("w", "1").Put("v", "1").Add(ZKDB_OP_PUT_IF_PRESENT, "gone", "x"), 2},
        {BatchBytes().PutIfValue("kept", "ol", "x").Put("w", "1"), 0},
        {BatchBytes().PutIfValue("kept", "", "x"), 0},
        {BatchBytes().PutIfValue("gone", "", "x"), 0},
        {BatchBytes().Add(ZKDB_OP_DELETE_IF_VALUE, "kept", "OLD"), 0},
        {BatchBytes().Add(ZKDB_OP_DELETE_IF_VALUE, "gone"), 0},
        // Conditions see the state before the batch, whatever the batch does first.
        {BatchBytes().Delete("kept").Add(ZKDB_OP_PUT_IF_ABSENT, "kept", "x"), 1},
        // The first one that fails is named, in the order of the batch.
        {BatchBytes().Add(ZKDB_OP_PUT_IF_PRESENT, "zz", "x").Add(ZKDB_OP_PUT_IF_PRESENT, "aa", "x"), 0}};
    for (const auto& [batch, index] : failing) {
      EXPECT_EQ(db.Write(batch), ZKDB_OK);
      EXPECT_EQ(db.result.failed_index, index);
      EXPECT_EQ(db.result.sequence, 0u);
    }
    EXPECT(db.All() == before);
    ASSERT_EQ(db.Write(BatchBytes()
                           .PutIfValue("kept", "old", "new")
                           .Add(ZKDB_OP_PUT_IF_ABSENT, "w", "1")
                           .Add(ZKDB_OP_PUT_IF_PRESENT, "zero", "0")),
              ZKDB_OK);
    EXPECT_EQ(db.result.failed_index, -1);
    EXPECT_EQ(db.result.existed, 2u);
    ASSERT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_DELETE_IF_VALUE, "kept", "new")), ZKDB_OK);
    EXPECT(db.All() == (Model{{"w", "1"}, {"zero", "0"}}));
  }
}

TEST(conditional_operations_survive_a_replay_as_what_they_did) {
  const std::string path = MakeShape(TempDirectory(), 3);
  int output = -1;
  const pid_t pid = SpawnTest("child_writes_conditions_and_dies", {"ZKDB_CHILD_PATH=" + path}, &output);
  ASSERT(pid > 0);
  ReadAll(output);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT(WIFSIGNALED(status));
  TestDb db;
  ASSERT_EQ(db.Open(path), ZKDB_OK);
  EXPECT_EQ(db.Stats().recovered_records, 3u);
  EXPECT(db.All() == (Model{{"al", "4"}, {"az", "new"}}));
}

TEST(child_writes_conditions_and_dies) {
  const char* path = std::getenv("ZKDB_CHILD_PATH");
  if (path == nullptr) return;
  TestDb db;
  if (db.Open(path) != ZKDB_OK) _exit(1);
  db.Write(BatchBytes().Add(ZKDB_OP_PUT_IF_ABSENT, "az", "old").Put("al", "1").Put("aa", "2"), ZKDB_DURABILITY_COMMIT);
  db.Write(BatchBytes().PutIfValue("az", "old", "new").Add(ZKDB_OP_PUT_IF_PRESENT, "al", "4"), ZKDB_DURABILITY_COMMIT);
  db.Write(BatchBytes().Add(ZKDB_OP_DELETE_IF_VALUE, "aa", "2"), ZKDB_DURABILITY_COMMIT);
  kill(getpid(), SIGKILL);
}

TEST(a_malformed_batch_is_refused_whole_and_names_the_operation) {
  TestDb db;
  OpenNew(&db, 3);
  const BatchBytes batch =
      BatchBytes().Put("aa", "value").PutIfValue("q", "", "x").Add(ZKDB_OP_DELETE_RANGE, "b", "c", 1);
  const std::vector<size_t> whole = {0, 15, 29};  // where an operation ends, a shorter batch is a batch too
  for (size_t size = 0; size < batch.bytes().size(); ++size) {
    const bool valid = std::find(whole.begin(), whole.end(), size) != whole.end();
    const zkdb_code code = db.WriteBytes(std::string_view(batch.bytes()).substr(0, size));
    if (!valid) EXPECT_EQ(code, ZKDB_INVALID);
    if (!valid) EXPECT(db.message().find("operation ") != std::string::npos);
  }
  EXPECT(db.All() == (Model{{"aa", "value"}}));
  for (int kind = 0; kind < 256; ++kind) {
    if (kind >= ZKDB_OP_PUT && kind <= ZKDB_OP_DELETE_IF_VALUE) continue;
    EXPECT_EQ(db.Write(BatchBytes().Put("x", "").Add(static_cast<zkdb_op>(kind), "y")), ZKDB_INVALID);
    EXPECT(db.message().find("operation 1 ") != std::string::npos);
  }
  EXPECT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_PUT, "k", "v", 1)), ZKDB_INVALID);
  EXPECT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_DELETE_RANGE, "k", "v", 8)), ZKDB_INVALID);
  EXPECT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_DELETE, "k", "v")), ZKDB_INVALID);
  EXPECT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_PUT_IF_VALUE, "k", "abc")), ZKDB_INVALID);
  EXPECT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_PUT_IF_VALUE, "k", "\xff\xff\xff\xff")), ZKDB_INVALID);
  EXPECT_EQ(db.Write(BatchBytes().Put("k", "v"), ZKDB_DURABILITY_NONE, 2), ZKDB_INVALID);
  EXPECT(db.All() == (Model{{"aa", "value"}}));
}

TEST(random_bytes_as_a_batch_never_crash_and_never_break_the_tree) {
  std::mt19937_64 random(TestSeed("random_bytes_as_a_batch_never_crash_and_never_break_the_tree"));
  TestDb db;
  OpenNew(&db, 3);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes(random() % 60, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % 4 == 0 ? random() : random() % 9);
    const zkdb_code code = db.WriteBytes(bytes);
    EXPECT(code == ZKDB_OK || code == ZKDB_INVALID || code == ZKDB_VALUE_TOO_LARGE);
  }
  EXPECT_EQ(db.Check(), "");
}

// ---- range deletes -------------------------------------------------------------------------------------------------

TEST(a_range_delete_honours_all_bounds_in_every_shape) {
  for (const uint32_t partitions : {1u, 3u, 16u}) {
    TestDb db;
    OpenNew(&db, partitions);
    std::mt19937_64 random(TestSeed("a_range_delete_honours_all_bounds_in_every_shape"));
    for (int round = 0; round < 24; ++round) {
      Model model;
      BatchBytes fill;
      for (int i = 0; i < 300; ++i) {
        const std::string key =
            "k" + std::string(1, static_cast<char>('a' + random() % 26)) + std::to_string(random() % 100);
        model[key] = std::string(random() % 200, 'v');
        fill.Put(key, model[key]);
      }
      fill.Put("", "empty key");
      model[""] = "empty key";
      ASSERT_EQ(db.Write(fill), ZKDB_OK);
      const auto bound = [&] {
        return round % 5 == 0 ? std::string() : "k" + std::string(1, static_cast<char>('a' + random() % 26));
      };
      std::string lo = bound();
      std::string hi = bound();
      if (lo > hi && round % 3 != 0) std::swap(lo, hi);
      const auto flags = static_cast<uint8_t>(round % 8);
      const size_t before = model.size();
      std::erase_if(model, [&](const auto& r) { return InRange(r.first, lo, hi, flags); });
      ASSERT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_DELETE_RANGE, lo, hi, flags)), ZKDB_OK);
      EXPECT_EQ(db.result.existed, before - model.size());
      EXPECT(db.All() == model);
      RecordList found;
      const zkdb_range range = RangeFrom(lo, hi, flags);
      ASSERT_EQ(db.Scan(&found, &range), ZKDB_OK);
      EXPECT(found.empty());
      ASSERT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_DELETE_RANGE, "", "", kNoHi)), ZKDB_OK);
      EXPECT(db.All().empty());
    }
    EXPECT_EQ(db.Check(), "");
  }
}

TEST(range_deletes_that_would_fill_the_log_of_many_partitions_are_refused) {
  TestDb db;
  OpenNew(&db, 16);
  const std::string lo(65535, 'b');
  const std::string hi(65535, 'c');
  BatchBytes batch;
  for (int i = 0; i < 1100; ++i) batch.Add(ZKDB_OP_DELETE_RANGE, lo, hi, ZKDB_RANGE_HAS_HI);
  EXPECT_EQ(db.Write(batch), ZKDB_BATCH_TOO_LARGE);
  EXPECT_EQ(db.Put("a", "1"), ZKDB_OK);
}

// ---- isolated partitions -------------------------------------------------------------------------------------------

TEST(a_batch_over_isolated_partitions_needs_the_callers_leave) {
  TestDb db;
  OpenNew(&db, 3, true);
  const BatchBytes batch = BatchBytes().Put("aa", "1").Put("al", "2").Put("az", "3");
  EXPECT_EQ(db.Write(batch), ZKDB_CROSS_PARTITION);
  EXPECT(db.All().empty());
  ASSERT_EQ(db.Write(batch, ZKDB_DURABILITY_COMMIT, ZKDB_WRITE_NON_ATOMIC), ZKDB_OK);
  EXPECT_EQ(db.All().size(), 3u);
  EXPECT_EQ(db.Write(BatchBytes().Put("ba", "1").Put("bb", "2")), ZKDB_OK);
  EXPECT_EQ(db.Write(BatchBytes().Add(ZKDB_OP_DELETE_RANGE, "")), ZKDB_CROSS_PARTITION);
  // Each partition's conditions decide for its own part; the first that failed is named.
  const BatchBytes mixed = BatchBytes()
                               .Add(ZKDB_OP_PUT_IF_PRESENT, "zz", "4")
                               .Add(ZKDB_OP_PUT_IF_PRESENT, "al", "5")
                               .Add(ZKDB_OP_PUT_IF_PRESENT, "yb", "6");
  ASSERT_EQ(db.Write(mixed, ZKDB_DURABILITY_COMMIT, ZKDB_WRITE_NON_ATOMIC), ZKDB_OK);
  EXPECT_EQ(db.result.failed_index, 0);
  EXPECT_EQ(db.Get("al").value_or(""), "5");
  zkdb_txn* txn = nullptr;
  EXPECT_EQ(zkdb_txn_begin(db.get(), &txn, &db.error), ZKDB_CROSS_PARTITION);
}

// A put that finds its leaf full may hand its own record to the leaf on the left; the next one of the batch follows it.
TEST(records_of_a_batch_find_their_leaf_after_a_full_leaf_was_shifted_to_the_left) {
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(TempDirectory(), 1), {{"PageSize", "4096"}, {"VerifyAll", "Yes"}}), ZKDB_OK);
  const auto key = [](int i) { return "k" + std::to_string(1000 + i); };
  Model model;
  BatchBytes load;
  for (int i = 0; i < 600; ++i) {
    model[key(i)] = std::string(200, 'v');
    load.Put(key(i), model[key(i)]);
  }
  ASSERT_EQ(db.Write(load), ZKDB_OK);
  // Leaves with room between full ones.
  BatchBytes thin;
  for (int i = 0; i < 600; ++i) {
    if (i / 16 % 2 == 1 || i % 2 == 1) continue;
    model.erase(key(i));
    thin.Delete(key(i));
  }
  ASSERT_EQ(db.Write(thin), ZKDB_OK);
  for (int i = 599; i > 0; i -= 2) {
    BatchBytes batch;
    for (const char* end : {"a", "b", "c", "d"}) {
      model[key(i) + end] = std::string(150, 'n');
      batch.Put(key(i) + end, model[key(i) + end]);
    }
    ASSERT_EQ(db.Write(batch), ZKDB_OK);
  }
  EXPECT(db.All() == model);
  for (const auto& [k, v] : model) EXPECT(db.Get(k) == v);
}

}  // namespace
}  // namespace zkdb::test
