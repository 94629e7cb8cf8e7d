// Records that end: what calls see of them, what the log and the files keep of them, and the sweep.
#include <atomic>
#include <thread>

#include "capi/engine_test_util.h"
#include "core/engine/scan.h"
#include "core/engine/transaction.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kNow = 1'000'000'000'000;

// A database whose clock stands at kNow and that sweeps by call alone.
class TimedDb {
 public:
  explicit TimedDb(uint32_t partitions = 1, bool isolated = false) : TimedDb(TempDirectory(), partitions, isolated) {}
  TimedDb(const std::string& where, uint32_t partitions, bool isolated) : env(Env::Posix()), directory(where) {
    env.wall_ms = kNow;
    path = MakeShape(directory, partitions, isolated);
    db.background = false;
    EXPECT_OK(db.Open(&env, path, kSmall));
  }

  static inline const ConfigOverrides kSmall = {{"SegmentSize", "64K"}, {"LogFileSize", "64K"}};

  void Reopen() {
    ASSERT_OK(db.Close());
    ASSERT_OK(db.Open(&env, path, kSmall));
  }
  // The time of a record, nothing when it is not there.
  std::optional<uint64_t> Time(std::string_view key, const Snapshot* snapshot = nullptr) {
    uint64_t time = 0;
    Status status;
    const zkdb_code code = db->Expiry(snapshot, Slice(key), &time, &status);
    EXPECT_OK(status);
    if (code == ZKDB_NOT_FOUND) return std::nullopt;
    return time;
  }
  uint64_t Sweep() {
    uint64_t removed = 0;
    EXPECT_OK(db->Sweep(UINT64_MAX, &removed));
    return removed;
  }
  std::string Check() {
    std::string found;
    uint64_t findings = 0;
    EXPECT_OK(db->Check([&](const std::string& text) { return found += text + "; ", true; }, nullptr, &findings));
    return found;
  }
  uint64_t Records() {
    uint64_t records = 0;
    for (uint32_t i = 0; i < db->partition_count(); ++i) records += db->partition(i).records;
    return records;
  }
  std::vector<std::string> Keys(bool reverse = false, std::shared_ptr<Snapshot> snapshot = nullptr) {
    if (snapshot == nullptr) snapshot = std::make_shared<Snapshot>(db.engine());
    ScanOptions options;
    options.reverse = reverse;
    std::unique_ptr<DatabaseScan> scan;
    EXPECT_OK(DatabaseScan::Open(snapshot, KeyRange{"", "", false}, options, &scan));
    std::vector<std::string> keys;
    std::vector<uint8_t> buffer(300);
    for (bool done = false; !done;) {
      size_t used = 0;
      uint32_t count = 0;
      bool too_small = false;
      EXPECT_OK(scan->Pack(buffer.data(), buffer.size(), 7, &used, &count, &done, &too_small));
      if (too_small) buffer.resize(used);
      const uint8_t* p = buffer.data();
      for (uint32_t i = 0; i < count; ++i) {
        keys.emplace_back(reinterpret_cast<const char*>(p) + 8, Load32(p));
        p += 8 + Load32(p) + Load32(p + 4);
      }
    }
    return keys;
  }

  ClockEnv env;
  std::string directory;
  std::string path;
  EngineHandle db;
};

std::string Numbered(uint64_t n) {
  char key[24];
  std::snprintf(key, sizeof key, "%c%07llu", static_cast<char>('a' + n % 26), static_cast<unsigned long long>(n));
  return key;
}

TEST(a_record_ends_for_gets_scans_and_counts_at_its_time) {
  for (const uint32_t partitions : {1u, 3u, 7u}) {
    TimedDb t(partitions);
    BatchBytes batch;
    std::vector<std::string> all;
    std::vector<std::string> lasting;
    for (uint64_t i = 0; i < 700; ++i) {
      const std::string key = Numbered(i) + (i % 50 == 7 ? std::string(600, 'L') : "");
      const std::string value(i % 60 == 3 ? 5000 : i % 40, 'v');
      all.push_back(key);
      if (i % 3 != 0) lasting.push_back(key);
      i % 3 == 0 ? batch.PutTimed(key, value, kNow + 10) : batch.Put(key, value);
    }
    ASSERT_OK(t.db.Write(batch));
    std::sort(all.begin(), all.end());
    std::sort(lasting.begin(), lasting.end());
    EXPECT(t.Keys() == all);
    t.env.wall_ms = kNow + 10;
    EXPECT(t.Keys() == lasting);
    std::reverse(lasting.begin(), lasting.end());
    EXPECT(t.Keys(true) == lasting);
    EXPECT_EQ(t.db.Get(Numbered(0)), "");
    EXPECT_EQ(t.db.Get(Numbered(1)), "v");
    EXPECT_EQ(t.Records(), 700u);
    EXPECT_EQ(t.Check(), "");
    // Written again, it is a new record.
    ASSERT_OK(t.db.Write(BatchBytes().Put(Numbered(0), "new").Put(Numbered(1), "old").Delete(Numbered(3))));
    EXPECT_EQ(t.db.result.existed, 1u);
    EXPECT_EQ(t.db.Get(Numbered(0)), "new");
    EXPECT_EQ(t.Check(), "");
  }
}

TEST(get_many_leaves_out_what_has_ended) {
  TimedDb t;
  ASSERT_OK(t.db.Write(BatchBytes().PutTimed("a", "1", kNow).PutTimed("b", "2", kNow + 1).Put("c", "3")));
  const std::string keys = "abcd";
  const uint32_t offsets[] = {0, 1, 2, 3, 4};
  uint8_t buffer[8];
  uint32_t sizes[4];
  uint32_t done = 0;
  size_t needed = 0;
  Status status;
  const auto* bytes = reinterpret_cast<const uint8_t*>(keys.data());
  EXPECT_EQ(t.db->GetMany(nullptr, bytes, offsets, 4, buffer, sizeof buffer, sizes, &done, &needed, &status), ZKDB_OK);
  EXPECT_EQ(sizes[0], UINT32_MAX);
  EXPECT_EQ(sizes[1], 1u);
  EXPECT_EQ(sizes[2], 1u);
  EXPECT_EQ(sizes[3], UINT32_MAX);
}

TEST(conditions_take_a_record_that_has_ended_as_absent) {
  TimedDb t;
  ASSERT_OK(t.db.Write(BatchBytes().PutTimed("a", "1", kNow)));
  ASSERT_OK(t.db.Write(BatchBytes().Add(ZKDB_OP_PUT_IF_PRESENT, "a", "2")));
  EXPECT_EQ(t.db.result.failed_index, 0);
  ASSERT_OK(t.db.Write(BatchBytes().PutIfValue("a", "1", "2")));
  EXPECT_EQ(t.db.result.failed_index, 0);
  ASSERT_OK(t.db.Write(BatchBytes().PutTimed("a", "3", kNow + 5, ZKDB_PUT_EXPIRES, ZKDB_OP_PUT_IF_ABSENT)));
  EXPECT_EQ(t.db.result.failed_index, -1);
  EXPECT(t.Time("a") == kNow + 5);
  ASSERT_OK(t.db.Write(BatchBytes().PutTimed("a", "4", 0, ZKDB_PUT_KEEPS_TIME, ZKDB_OP_PUT_IF_PRESENT)));
  EXPECT_EQ(t.db.Get("a"), "4");
  EXPECT(t.Time("a") == kNow + 5);
  ASSERT_OK(t.db.Write(BatchBytes().PutIfValue("a", "4", "5")));
  EXPECT(t.Time("a") == 0);
}

TEST(a_batch_with_a_broken_time_is_refused) {
  TimedDb t;
  const auto refused = [&](const BatchBytes& batch, const char* what) {
    const Status status = t.db.Write(batch);
    EXPECT_EQ(status.code(), ZKDB_INVALID);
    EXPECT(status.message().find(what) != std::string::npos);
  };
  refused(BatchBytes().Add(ZKDB_OP_PUT, "a", "short", ZKDB_PUT_EXPIRES), "has no time");
  refused(BatchBytes().Add(ZKDB_OP_PUT, "a", "eight by", ZKDB_PUT_EXPIRES | ZKDB_PUT_KEEPS_TIME), "has two times");
  refused(BatchBytes().Add(ZKDB_OP_PUT_IF_ABSENT, "a", "eight by", ZKDB_PUT_KEEPS_TIME), "unknown flags");
  refused(BatchBytes().Add(ZKDB_OP_EXPIRE, "a", "eight by"), "is no time and a clock");
  refused(BatchBytes().Add(ZKDB_OP_EXPIRE, "a", "sixteen bytes...", 16), "unknown flags");
  refused(BatchBytes().Add(ZKDB_OP_DELETE, "a", "", 1), "unknown flags");
  refused(BatchBytes().Add(static_cast<zkdb_op>(9), "a"), "unknown kind");
  EXPECT_EQ(t.Records(), 0u);
}

TEST(a_snapshot_keeps_the_time_that_a_record_had) {
  TimedDb t;
  ASSERT_OK(t.db.Write(BatchBytes().PutTimed("a", "1", kNow + 5).PutTimed("b", "1", kNow + 5)));
  const auto snapshot = std::make_shared<Snapshot>(t.db.engine());
  ASSERT_OK(t.db.Write(BatchBytes().Expire("a", 0).Expire("b", kNow - 1)));
  EXPECT_EQ(t.db.result.existed, 2u);
  EXPECT(t.Time("a") == 0);
  EXPECT(!t.Time("b"));
  EXPECT(t.Time("a", snapshot.get()) == kNow + 5);
  EXPECT(t.Time("b", snapshot.get()) == kNow + 5);
  t.env.wall_ms = kNow + 5;  // records end in it all the same
  EXPECT(t.Keys(false, snapshot).empty());
  EXPECT(t.Keys() == std::vector<std::string>{"a"});
}

TEST(a_snapshot_shows_what_the_sweep_removed_when_the_clock_goes_back) {
  TimedDb t(3);
  BatchBytes batch;
  for (uint64_t i = 0; i < 500; ++i) batch.PutTimed(Numbered(i), "v", kNow + 1 + i % 10);
  ASSERT_OK(t.db.Write(batch));
  const auto snapshot = std::make_shared<Snapshot>(t.db.engine());
  t.env.wall_ms = kNow + 10;
  EXPECT_EQ(t.Sweep(), 500u);
  EXPECT_EQ(t.Records(), 0u);
  ASSERT_OK(t.db->Checkpoint());
  EXPECT(t.Keys(false, snapshot).empty());
  t.env.wall_ms = kNow;
  EXPECT_EQ(t.Keys(false, snapshot).size(), 500u);
  EXPECT(t.Keys().empty());
  EXPECT_EQ(t.Check(), "");
}

TEST(a_transaction_sees_and_changes_times) {
  TimedDb t;
  ASSERT_OK(t.db.Write(BatchBytes().PutTimed("a", "1", kNow + 5)));
  WriteResult result;
  uint64_t time = 0;
  Status status;
  for (const bool commit : {false, true}) {
    std::unique_ptr<Transaction> transaction;
    ASSERT_OK(Transaction::Begin(t.db.engine(), &transaction));
    ASSERT_OK(transaction->Write(Slice(BatchBytes().Expire("a", kNow + 9).PutTimed("b", "2", kNow).bytes()), &result));
    EXPECT_EQ(result.existed, 1u);
    EXPECT_EQ(transaction->Expiry("a", &time, &status), ZKDB_OK);
    EXPECT_EQ(time, kNow + 9);
    EXPECT_EQ(transaction->Expiry("b", &time, &status), ZKDB_NOT_FOUND);
    if (commit) ASSERT_OK(transaction->Commit(ZKDB_DURABILITY_NONE, &result));
    if (!commit) transaction->Abort();
    EXPECT(t.Time("a") == kNow + (commit ? 9 : 5));
    EXPECT_EQ(t.Check(), "");
  }
}

// ---- what survives

// The database as a crash would leave it, opened under another clock.
void AfterCrash(TimedDb* t, uint64_t wall_ms, const std::function<void(TimedDb*)>& look) {
  const std::string copy = TempDirectory() + "/copy";
  ASSERT_OK(t->db->Sync());
  fs::copy(t->directory, copy, fs::copy_options::recursive);
  TimedDb after(copy, t->db->partition_count(), t->db->config().isolated);
  after.env.wall_ms = wall_ms;
  EXPECT_EQ(after.Check(), "");
  look(&after);
}

TEST(a_log_is_replayed_by_the_clock_of_its_writes) {
  for (const bool checkpoint : {false, true}) {
    TimedDb t;
    ASSERT_OK(
        t.db.Write(BatchBytes().PutTimed("a", "1", kNow + 5).PutTimed("b", "1", kNow + 5).PutTimed("c", "1", kNow)));
    if (checkpoint) ASSERT_OK(t.db->Checkpoint());
    ASSERT_OK(t.db.Write(BatchBytes().Expire("a", kNow + 100)));
    ASSERT_OK(t.db.Write(BatchBytes().PutTimed("b", "22", 0, ZKDB_PUT_KEEPS_TIME)));
    ASSERT_OK(t.db.Write(BatchBytes().Expire("c", kNow + 100)));
    EXPECT_EQ(t.db.result.existed, 0u);
    ASSERT_OK(t.db.Write(BatchBytes().PutTimed("c", "333", 0, ZKDB_PUT_KEEPS_TIME)));
    // By this clock "a" and "b" would have ended before the operations above.
    AfterCrash(&t, kNow + 50, [](TimedDb* after) {
      EXPECT(after->Time("a") == kNow + 100);
      EXPECT(!after->Time("b"));
      EXPECT(after->Time("c") == 0);
      EXPECT_EQ(after->db.Get("c"), "333");
      after->env.wall_ms = kNow;
      EXPECT(after->Time("b") == kNow + 5);
      EXPECT_EQ(after->db.Get("b"), "22");
    });
    // And by this one "c" would not have.
    AfterCrash(&t, kNow - 50, [](TimedDb* after) { EXPECT(after->Time("c") == 0); });
  }
}

TEST(times_survive_closing_compaction_and_backup) {
  for (const uint32_t partitions : {1u, 3u}) {
    TimedDb t(partitions);
    BatchBytes batch;
    for (uint64_t i = 0; i < 900; ++i)
      batch.PutTimed(Numbered(i), std::string(i % 300, 'v'), i % 4 == 0 ? 0 : kNow - 300 + i);
    ASSERT_OK(t.db.Write(batch));
    const auto compare = [&](TimedDb* db) {
      EXPECT_EQ(db->Records(), 900u);
      for (uint64_t i = 0; i < 900; ++i) {
        const uint64_t time = i % 4 == 0 ? 0 : kNow - 300 + i;
        EXPECT(db->Time(Numbered(i)) == (time != 0 && time <= kNow ? std::nullopt : std::optional(time)));
      }
      EXPECT_EQ(db->Check(), "");
    };
    t.Reopen();
    compare(&t);
    ASSERT_OK(t.db->Compact(nullptr));
    compare(&t);
    t.Reopen();
    compare(&t);
    const std::string copy = TempDirectory() + "/copy";
    ASSERT_OK(t.db->Backup(copy, nullptr));
    TimedDb other(partitions);
    ASSERT_OK(other.db.Close());
    ASSERT_OK(other.db.Open(&other.env, copy + "/zkdb.conf", TimedDb::kSmall));
    compare(&other);
    EXPECT_EQ(t.Sweep(), 225u);
    EXPECT_EQ(other.Sweep(), 225u);
    EXPECT_EQ(other.Check(), "");
  }
}

// The clock of the machine says that all of these have ended: a salvage keeps them and their times all the same.
TEST(a_salvage_keeps_the_times_of_records) {
  for (const bool without_meta : {false, true}) {
    TimedDb t;
    BatchBytes batch;
    for (uint64_t i = 0; i < 600; ++i) batch.PutTimed(Numbered(i), std::string(i % 300, 'v'), kNow + 1 + i);
    ASSERT_OK(t.db.Write(batch));
    ASSERT_OK(t.db->Checkpoint());
    ASSERT_OK(t.db.Write(BatchBytes().Expire(Numbered(1), kNow + 9000).Expire(Numbered(2), 0)));
    ASSERT_OK(t.db.Write(BatchBytes().PutTimed(Numbered(3), "kept", 0, ZKDB_PUT_KEEPS_TIME).Put(Numbered(4), "plain")));
    ASSERT_OK(t.db->Sync());
    const std::string copy = TempDirectory() + "/copy";
    fs::copy(t.directory, copy, fs::copy_options::recursive);
    if (without_meta) {
      std::fstream meta(copy + "/p0/000.zkd", std::ios::in | std::ios::out | std::ios::binary);
      ASSERT(meta.good());
      meta << std::string(8192, '\xFF');
    }
    const std::string salvaged = TempDirectory() + "/new";
    zkdb_salvage_result result{};
    zkdb_error error{};
    const std::string source = copy + "/test.conf";
    ASSERT_EQ(zkdb_salvage(source.c_str(), salvaged.c_str(), nullptr, nullptr, nullptr, nullptr, &result, &error),
              ZKDB_OK);
    TimedDb other;
    ASSERT_OK(other.db.Close());
    ASSERT_OK(other.db.Open(&other.env, salvaged + "/zkdb.conf", TimedDb::kSmall));
    EXPECT_EQ(other.Records(), 600u);
    EXPECT(other.Time(Numbered(0)) == kNow + 1);
    EXPECT(other.Time(Numbered(1)) == kNow + 9000);
    EXPECT(other.Time(Numbered(2)) == 0);
    EXPECT(other.Time(Numbered(3)) == kNow + 4);
    EXPECT_EQ(other.db.Get(Numbered(3)), "kept");
    EXPECT(other.Time(Numbered(4)) == 0);
    for (uint64_t i = 5; i < 600; ++i) EXPECT(other.Time(Numbered(i)) == kNow + 1 + i);
    EXPECT_EQ(other.Check(), "");
  }
}

// ---- the sweep

TEST(the_sweep_removes_what_has_ended_and_nothing_else) {
  for (const bool isolated : {false, true}) {
    TimedDb t(3, isolated);
    for (uint64_t from = 0; from < 5000; from += 1000) {
      BatchBytes batch;
      for (uint64_t i = from; i < from + 1000; ++i) batch.PutTimed(Numbered(i), std::string(i % 90, 'v'), kNow + i);
      WriteResult result;
      ASSERT_OK(t.db->Write(Slice(batch.bytes()), ZKDB_DURABILITY_NONE, true, &result));
    }
    EXPECT_EQ(t.Sweep(), 1u);
    t.env.wall_ms = kNow + 2000;
    // Rewritten, or given another time, before the sweep comes to it.
    ASSERT_OK(t.db.Write(BatchBytes().PutTimed(Numbered(26), "later", kNow + 90000)));
    ASSERT_OK(t.db.Write(BatchBytes().Put(Numbered(52), "for ever")));
    ASSERT_OK(t.db.Write(BatchBytes().Expire(Numbered(2600), kNow + 1)));
    EXPECT_EQ(t.Sweep(), 2000u - 2 + 1);
    EXPECT_EQ(t.Sweep(), 0u);
    EXPECT_EQ(t.Records(), 3000u);
    EXPECT_EQ(t.db.Get(Numbered(26)), "later");
    EXPECT_EQ(t.db.Get(Numbered(52)), "for ever");
    EXPECT_EQ(t.db.Figures().expired, 2000u);
    EXPECT_EQ(t.db.Figures().expiring, 2999u);
    EXPECT_EQ(t.Check(), "");
    AfterCrash(&t, kNow, [](TimedDb* after) { EXPECT_EQ(after->Records(), 3000u); });
  }
}

TEST(a_sweep_waits_for_no_transaction) {
  TimedDb t;
  ASSERT_OK(t.db.Write(BatchBytes().PutTimed("a", "1", kNow)));
  std::unique_ptr<Transaction> transaction;
  ASSERT_OK(Transaction::Begin(t.db.engine(), &transaction));
  uint64_t removed = 1;
  EXPECT_CODE(t.db->Sweep(UINT64_MAX, &removed), ZKDB_INVALID);
  std::thread([&] { EXPECT_OK(t.db->Sweep(UINT64_MAX, &removed)); }).join();
  EXPECT_EQ(removed, 0u);
  transaction->Abort();
  EXPECT_EQ(t.Sweep(), 1u);
}

TEST(the_thread_sweeps_while_readers_and_writers_go_on) {
  constexpr uint64_t kRecords = 100'000;
  ClockEnv env(Env::Posix());
  env.wall_ms = kNow;
  EngineHandle db;
  ASSERT_OK(db.Open(&env, MakeShape(TempDirectory(), 3)));
  for (uint64_t from = 0; from < kRecords; from += 1000) {
    BatchBytes batch;
    for (uint64_t i = from; i < from + 1000; ++i) batch.PutTimed(Numbered(i), "value", kNow + 1 + i % 100);
    ASSERT_OK(db.Write(batch, ZKDB_DURABILITY_NONE));
  }
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0};
  std::thread writer([&] {
    for (uint64_t i = 0; !stop; ++i) {
      WriteResult result;
      BatchBytes batch;
      batch.PutTimed("w" + std::to_string(i % 1000), "kept", kNow + 1'000'000)
          .Put("x" + std::to_string(i % 1000), "kept");
      wrong += db->Write(Slice(batch.bytes()), ZKDB_DURABILITY_NONE, false, &result).ok() ? 0 : 1;
    }
  });
  std::thread reader([&] {
    for (uint64_t i = 0; !stop; ++i) {
      // Once a record has ended nobody sees it, swept or not.
      const bool ended = env.wall_ms >= kNow + 101;
      uint64_t time = 0;
      Status status;
      const zkdb_code code = db->Expiry(nullptr, Numbered(i * 31 % kRecords), &time, &status);
      wrong += !status.ok() || (ended && code != ZKDB_NOT_FOUND) ? 1 : 0;
    }
  });
  env.wall_ms = kNow + 101;
  EXPECT(Eventually([&] { return db.Figures().expired == kRecords; }));
  stop = true;
  writer.join();
  reader.join();
  EXPECT_EQ(wrong.load(), 0u);
  uint64_t findings = 0;
  EXPECT_OK(db->Check([](const std::string& text) { return Fail(__FILE__, __LINE__, text); }, nullptr, &findings));
  const zkdb_db_stats figures = db.Figures();
  EXPECT(figures.expiring > 0 && figures.expiring <= 1000);
}

// A disk that fails under the sweep is noticed as one that fails under any write; ended records stay invisible.
TEST(a_sweep_that_cannot_write_its_log_fails_as_a_write_does) {
  TimedDb t;
  ASSERT_OK(t.db.Write(BatchBytes().PutTimed("a", "1", kNow)));
  t.env.SetHook([](const std::string& call, const std::string&) {
    return call == "Write" ? Status(ZKDB_IO, "the disk is gone") : Status::Ok();
  });
  EXPECT_EQ(t.Sweep(), 1u);  // none of it is urgent: it is in the log's buffer
  const Status synced = t.db->Sync();
  EXPECT(!synced.ok());
  t.env.SetHook(nullptr);
  EXPECT_EQ(t.db.Get("a"), "");
  EXPECT(!t.db.Close().ok());
}

TEST(a_sweep_reaches_every_partition_while_another_one_runs) {
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(TempDirectory(), 3)), ZKDB_OK);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop.load()) EXPECT_EQ(zkdb_sweep(db.get(), nullptr, nullptr), ZKDB_OK);
  });
  for (int round = 0; round < 300; ++round) {
    BatchBytes batch;
    for (char first = 'a'; first <= 'z'; ++first) batch.PutTimed("k" + std::string(1, first), "v", 1);
    EXPECT_EQ(db.Write(batch), ZKDB_OK);
    EXPECT_EQ(zkdb_sweep(db.get(), nullptr, nullptr), ZKDB_OK);
    EXPECT_EQ(db.Stats().expiring, 0u);
  }
  stop.store(true);
  other.join();
}

// ---- the C interface

TEST(the_c_interface_gives_times_and_sweeps) {
  TestDb db;
  const uint64_t later = Env::Posix()->WallClockMs() + 1'000'000;
  ASSERT_EQ(db.Open(MakeShape(TempDirectory(), 1)), ZKDB_OK);
  ASSERT_EQ(db.Write(BatchBytes().PutTimed("a", "1", later).Put("b", "2").PutTimed("c", "3", 1)), ZKDB_OK);
  uint64_t time = 5;
  EXPECT_EQ(zkdb_expiry(db.get(), nullptr, "a", 1, &time, nullptr), ZKDB_OK);
  EXPECT_EQ(time, later);
  EXPECT_EQ(zkdb_expiry(db.get(), nullptr, "b", 1, &time, nullptr), ZKDB_OK);
  EXPECT_EQ(time, 0u);
  EXPECT_EQ(zkdb_expiry(db.get(), nullptr, "c", 1, &time, nullptr), ZKDB_NOT_FOUND);
  zkdb_snapshot* snapshot = nullptr;
  ASSERT_EQ(zkdb_snapshot_open(db.get(), &snapshot, nullptr), ZKDB_OK);
  EXPECT_EQ(zkdb_expiry(db.get(), snapshot, "a", 1, &time, nullptr), ZKDB_OK);
  zkdb_snapshot_close(snapshot);
  zkdb_txn* txn = nullptr;
  ASSERT_EQ(zkdb_txn_begin(db.get(), &txn, nullptr), ZKDB_OK);
  EXPECT_EQ(zkdb_txn_expiry(txn, "a", 1, &time, nullptr), ZKDB_OK);
  EXPECT_EQ(time, later);
  EXPECT_EQ(zkdb_txn_expiry(txn, "c", 1, &time, nullptr), ZKDB_NOT_FOUND);
  zkdb_txn_abort(txn);
  const std::string long_key(ZKDB_MAX_KEY_SIZE + 1, 'k');
  EXPECT_EQ(zkdb_expiry(db.get(), nullptr, long_key.data(), long_key.size(), &time, &db.error), ZKDB_KEY_TOO_LARGE);
  uint64_t removed = 0;
  EXPECT_EQ(zkdb_sweep(db.get(), &removed, nullptr), ZKDB_OK);
  EXPECT(removed <= 1);  // the thread may have been there first
  EXPECT_EQ(db.Stats().expired, 1u);
  EXPECT_EQ(db.Stats().expiring, 1u);
  zkdb_partition_stats stats{};
  EXPECT_EQ(zkdb_stats_partition(db.get(), 0, 0, &stats, nullptr), ZKDB_OK);
  EXPECT_EQ(stats.expiring, 1u);
  EXPECT_EQ(stats.records, 2u);
  EXPECT_EQ(db.Check(), "");
}

// The longest keys and the largest batches of them.
TEST(keys_of_every_size_expire) {
  TimedDb t;
  for (const size_t size : {size_t{0}, size_t{255}, size_t{256}, size_t{257}, size_t{60000}, size_t{65535}}) {
    ASSERT_OK(t.db.Write(BatchBytes().PutTimed(std::string(size, 'k'), "v", kNow + 1)));
  }
  EXPECT_EQ(t.Keys().size(), 6u);
  EXPECT_EQ(t.Check(), "");
  t.Reopen();
  EXPECT_EQ(t.Check(), "");
  t.env.wall_ms = kNow + 1;
  EXPECT_EQ(t.Sweep(), 6u);
  EXPECT_EQ(t.Records(), 0u);
  EXPECT_EQ(t.Check(), "");
}

}  // namespace
}  // namespace zkdb::test
