// Threads at once through zkdb.h and, for a close under way, the engine. The names hold `concurrent`: the stage of
// ThreadSanitizer picks them by it.
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "capi/test_util.h"
#include "core/engine/scan.h"
#include "core/os/env_wrapper_for_tests.h"

namespace zkdb::test {
namespace {

constexpr uint32_t kCounters = 6;

std::string CounterKey(uint32_t writer, uint32_t i) {
  return "k" + std::string(1, static_cast<char>('a' + i * 4)) + "-" + std::to_string(writer);
}

// Runs the workers until `ms` have passed, the calling thread waiting.
void RunFor(uint64_t ms, const std::vector<std::function<void(const std::atomic<bool>&)>>& workers) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (const auto& worker : workers) threads.emplace_back([&worker, &stop] { worker(stop); });
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
  stop = true;
  for (std::thread& t : threads) t.join();
}

std::optional<std::string> GetFrom(zkdb_db* db, zkdb_snapshot* snapshot, const std::string& key) {
  char buffer[512];
  size_t size = 0;
  const zkdb_code code = zkdb_get(db, snapshot, key.data(), key.size(), buffer, sizeof buffer, &size, nullptr);
  if (code != ZKDB_OK) EXPECT_EQ(code, ZKDB_NOT_FOUND);
  if (code != ZKDB_OK) return std::nullopt;
  return std::string(buffer, size);
}

// Each writer puts its number under its keys in all partitions, and other records come and go beside them.
void Writer(zkdb_db* db, uint32_t writer, zkdb_durability durability, const std::atomic<bool>& stop) {
  for (uint64_t n = 1; !stop.load(); ++n) {
    BatchBytes batch;
    for (uint32_t i = 0; i < kCounters; ++i) batch.Put(CounterKey(writer, i), std::to_string(n));
    for (uint64_t i = 0; i < 20; ++i) {
      const std::string key = "r" + std::string(1, static_cast<char>('a' + (n + i) % 26)) + std::to_string(writer) +
                              "-" + std::to_string(n * i % 300);
      n % 3 == 0 ? batch.Delete(key) : batch.Put(key, std::string(50 + n % 400, 'r'));
    }
    zkdb_write_result result{};
    EXPECT_EQ(zkdb_write(db, batch.bytes().data(), batch.bytes().size(), durability, 0, &result, nullptr), ZKDB_OK);
    EXPECT(result.sequence > 0);
  }
}

// All keys of a writer are equal in a snapshot, and a later snapshot never sees less.
void SnapshotReader(zkdb_db* db, uint32_t writers, const std::atomic<bool>& stop) {
  std::vector<uint64_t> last(writers);
  uint64_t last_sequence = 0;
  while (!stop.load()) {
    zkdb_snapshot* snapshot = nullptr;
    ASSERT_EQ(zkdb_snapshot_open(db, &snapshot, nullptr), ZKDB_OK);
    EXPECT(zkdb_snapshot_sequence(snapshot) >= last_sequence);
    last_sequence = zkdb_snapshot_sequence(snapshot);
    for (uint32_t w = 0; w < writers; ++w) {
      const auto first = GetFrom(db, snapshot, CounterKey(w, 0));
      for (uint32_t i = 1; i < kCounters; ++i) EXPECT(GetFrom(db, snapshot, CounterKey(w, i)) == first);
      const uint64_t n = first ? std::strtoull(first->c_str(), nullptr, 10) : 0;
      EXPECT(n >= last[w]);
      last[w] = n;
    }
    zkdb_snapshot_close(snapshot);
  }
}

// Counters read one by one never go back either.
void LatestReader(zkdb_db* db, uint32_t writers, const std::atomic<bool>& stop) {
  std::vector<uint64_t> last(writers * kCounters);
  while (!stop.load()) {
    for (uint32_t k = 0; k < last.size(); ++k) {
      const auto value = GetFrom(db, nullptr, CounterKey(k / kCounters, k % kCounters));
      const uint64_t n = value ? std::strtoull(value->c_str(), nullptr, 10) : 0;
      EXPECT(n >= last[k]);
      last[k] = n;
    }
  }
}

void Scanner(zkdb_db* db, uint32_t flags, const std::atomic<bool>& stop) {
  while (!stop.load()) {
    zkdb_cursor* cursor = nullptr;
    const zkdb_range range = RangeFrom("k", "l", ZKDB_RANGE_HAS_HI);
    ASSERT_EQ(zkdb_cursor_open(db, nullptr, nullptr, &range, flags, &cursor, nullptr), ZKDB_OK);
    RecordList seen;
    EXPECT_EQ(Drain(cursor, &seen, 700), ZKDB_OK);
    zkdb_cursor_close(cursor);
    std::map<std::string, std::string> of_writer;
    for (const auto& [key, value] : seen) EXPECT_EQ(of_writer.emplace(key.substr(3), value).first->second, value);
    EXPECT_EQ(seen.size(), of_writer.size() * kCounters);
  }
}

void Maintainer(zkdb_db* db, const std::atomic<bool>& stop) {
  for (int i = 0; !stop.load(); ++i) {
    zkdb_db_stats stats{};
    EXPECT_EQ(zkdb_stats(db, &stats, nullptr), ZKDB_OK);
    zkdb_partition_stats partition{};
    EXPECT_EQ(zkdb_stats_partition(db, static_cast<uint32_t>(i) % 3, i % 2, &partition, nullptr), ZKDB_OK);
    uint64_t estimate = 0;
    EXPECT_EQ(zkdb_estimate(db, static_cast<uint32_t>(i) % 3, nullptr, &estimate, nullptr), ZKDB_OK);
    if (i % 4 == 0) EXPECT_EQ(zkdb_checkpoint(db, nullptr), ZKDB_OK);
    if (i % 4 == 1) EXPECT_EQ(zkdb_sync(db, nullptr), ZKDB_OK);
    if (i % 16 == 2) EXPECT_EQ(zkdb_check(db, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr), ZKDB_OK);
    if (i % 40 == 3) EXPECT_EQ(zkdb_compact(db, nullptr, nullptr, nullptr), ZKDB_OK);
  }
}

void Transactor(zkdb_db* db, uint32_t writer, const std::atomic<bool>& stop) {
  for (uint64_t n = 1; !stop.load(); ++n) {
    zkdb_txn* txn = nullptr;
    ASSERT_EQ(zkdb_txn_begin(db, &txn, nullptr), ZKDB_OK);
    for (uint32_t i = 0; i < kCounters; ++i) {
      const BatchBytes batch = BatchBytes().Put(CounterKey(writer, i), std::to_string(n));
      EXPECT_EQ(zkdb_txn_write(txn, batch.bytes().data(), batch.bytes().size(), nullptr, nullptr), ZKDB_OK);
    }
    if (n % 3 == 0) {
      zkdb_txn_abort(txn);
    } else {
      EXPECT_EQ(zkdb_txn_commit(txn, ZKDB_DURABILITY_NONE, nullptr, nullptr), ZKDB_OK);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

TEST(concurrent_readers_writers_scans_and_checkpoints_keep_one_cut) {
  for (const uint32_t partitions : {3u, 16u}) {
    TestDb db;
    const std::string path = MakeShape(TempDirectory(), partitions);
    ASSERT_EQ(
        db.Open(
            path,
            {{"MinCheckpointSize", "128K"}, {"LogFileSize", "128K"}, {"SegmentSize", "64K"}, {"SyncInterval", "3"}}),
        ZKDB_OK);
    zkdb_db* handle = db.get();
    RunFor(
        EnvNumber("ZKDB_CONCURRENT_MS", 1200),
        {[=](const auto& stop) { Writer(handle, 0, ZKDB_DURABILITY_NONE, stop); },
         [=](const auto& stop) { Writer(handle, 1, ZKDB_DURABILITY_INTERVAL, stop); },
         [=](const auto& stop) { Writer(handle, 2, ZKDB_DURABILITY_COMMIT, stop); },
         [=](const auto& stop) { Transactor(handle, 3, stop); },
         [=](const auto& stop) { SnapshotReader(handle, 4, stop); },
         [=](const auto& stop) { LatestReader(handle, 4, stop); }, [=](const auto& stop) { Scanner(handle, 0, stop); },
         [=](const auto& stop) { Scanner(handle, ZKDB_SCAN_REVERSE, stop); },
         [=](const auto& stop) { Maintainer(handle, stop); }});
    EXPECT_EQ(db.Check(), "");
    const Model before = db.All();
    ASSERT_EQ(db.Close(), ZKDB_OK);
    ASSERT_EQ(db.Open(path), ZKDB_OK);
    EXPECT(db.All() == before);
  }
}

TEST(concurrent_expiry_of_snapshots_never_shows_a_reused_page) {
  TestDb db;
  ASSERT_EQ(db.Open(MakeShape(TempDirectory(), 3),
                    {{"MinCheckpointSize", "128K"}, {"LogFileSize", "128K"}, {"SnapshotLimit", "16K"}}),
            ZKDB_OK);
  zkdb_db* handle = db.get();
  std::atomic<int> expired{0};
  const auto reader = [&](const std::atomic<bool>& stop) {
    while (!stop.load()) {
      zkdb_snapshot* snapshot = nullptr;
      ASSERT_EQ(zkdb_snapshot_open(handle, &snapshot, nullptr), ZKDB_OK);
      for (int i = 0; i < 30; ++i) {
        zkdb_cursor* cursor = nullptr;
        zkdb_code code = zkdb_cursor_open(handle, snapshot, nullptr, nullptr, 0, &cursor, nullptr);
        RecordList seen;
        if (code == ZKDB_OK) code = Drain(cursor, &seen);
        if (cursor != nullptr) zkdb_cursor_close(cursor);
        EXPECT(code == ZKDB_OK || code == ZKDB_SNAPSHOT_EXPIRED);
        if (code == ZKDB_SNAPSHOT_EXPIRED) ++expired;
        if (code != ZKDB_OK) break;
      }
      zkdb_snapshot_close(snapshot);
    }
  };
  RunFor(800, {[=](const auto& stop) { Writer(handle, 0, ZKDB_DURABILITY_NONE, stop); },
               [=](const auto& stop) { Writer(handle, 1, ZKDB_DURABILITY_NONE, stop); }, reader, reader});
  EXPECT(expired.load() > 0);
  EXPECT_EQ(db.Check(), "");
}

TEST(concurrent_commits_share_their_syncs) {
  for (const bool isolated : {false, true}) {
    TestDb db;
    ASSERT_EQ(db.Open(MakeShape(TempDirectory(), 3, isolated)), ZKDB_OK);
    zkdb_db* handle = db.get();
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < 8; ++t) {
      threads.emplace_back([handle, t] {
        for (int i = 0; i < 60; ++i) {
          const BatchBytes batch = BatchBytes().Put(
              "k" + std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(t * 1000 + i), "v");
          EXPECT_EQ(zkdb_write(handle, batch.bytes().data(), batch.bytes().size(), ZKDB_DURABILITY_COMMIT, 0, nullptr,
                               nullptr),
                    ZKDB_OK);
        }
      });
    }
    for (std::thread& t : threads) t.join();
    const zkdb_db_stats stats = db.Stats();
    EXPECT_EQ(stats.commits, 480u);
    EXPECT_EQ(stats.sequence, 480u);
    EXPECT(isolated || stats.durable_sequence == 480u);
    EXPECT(isolated || stats.log_syncs < 480u);
    EXPECT_EQ(db.All().size(), 480u);
  }
}

// ---- what is known before it is durable

// An engine whose log cannot be synced while it is held: a commit waits, logged and not visible yet.
class HeldSyncs {
 public:
  HeldSyncs() : env_(Env::Posix()) {
    EXPECT_OK(Engine::Open(&env_, MakeShape(TempDirectory(), 3), EngineOptions{}, &engine));
    env_.SetHook([this](const std::string& call, const std::string&) {
      while (call == "Sync" && held.load()) std::this_thread::yield();
      return Status::Ok();
    });
  }
  ~HeldSyncs() {
    held = false;
    for (std::thread& t : threads_) t.join();
    EXPECT_OK(engine->Close());
    engine.reset();  // before the Env
  }
  // Begins to commit a record durably in a thread of its own; returns when the commit is logged.
  void CommitHeld(bool in_transaction) {
    const BatchBytes batch = BatchBytes().Put("ka", "new");
    if (!in_transaction) return CommitHeld(batch);
    StartHeld([this, batch] {
      WriteResult result;
      std::unique_ptr<Transaction> txn;
      EXPECT_OK(Transaction::Begin(engine, &txn));
      EXPECT_OK(txn->Write(batch.bytes(), &result));
      EXPECT_OK(txn->Commit(ZKDB_DURABILITY_COMMIT, &result));
    });
  }
  void CommitHeld(const BatchBytes& batch) {
    StartHeld([this, batch] {
      WriteResult result;
      EXPECT_OK(engine->Write(batch.bytes(), ZKDB_DURABILITY_COMMIT, false, &result));
    });
  }
  // Runs `learn` in a thread of its own: it must not return before the commit is durable, and so visible.
  void ExpectWaiting(const std::function<void()>& learn) {
    std::atomic<bool> knows{false};
    std::thread reader([&] {
      learn();
      EXPECT(!held.load());
      EXPECT(Has("ka"));
      knows = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT(!knows.load());
    EXPECT(!Has("ka"));
    held = false;
    reader.join();
  }
  bool Has(const std::string& key) { return !Get(key).empty(); }
  // "" when there is none.
  std::string Get(const std::string& key) {
    std::string value(256, '\0');
    size_t size = 0;
    Status status;
    const zkdb_code code =
        engine->Get(nullptr, key, reinterpret_cast<uint8_t*>(value.data()), value.size(), &size, &status);
    if (code != ZKDB_NOT_FOUND) EXPECT_OK(status);
    return code == ZKDB_OK ? value.substr(0, size) : "";
  }

  std::shared_ptr<Engine> engine;
  std::atomic<bool> held{false};

 private:
  void StartHeld(const std::function<void()>& commit) {
    held = true;
    const uint64_t before = Commits();
    threads_.emplace_back(commit);
    while (Commits() == before) std::this_thread::yield();
  }
  uint64_t Commits() {
    zkdb_db_stats stats{};
    EXPECT_OK(engine->Figures(&stats));
    return stats.commits;
  }

  EnvWrapper env_;
  std::vector<std::thread> threads_;
};

TEST(a_failed_condition_is_told_when_the_concurrent_commit_that_it_saw_is_visible) {
  HeldSyncs run;
  run.CommitHeld(false);
  run.ExpectWaiting([&] {
    WriteResult result;
    const BatchBytes batch = BatchBytes().Add(ZKDB_OP_PUT_IF_ABSENT, "ka", "mine");
    EXPECT_OK(run.engine->Write(batch.bytes(), ZKDB_DURABILITY_NONE, false, &result));
    EXPECT_EQ(result.failed_index, 0);
  });
}

TEST(a_transaction_that_only_reads_ends_when_the_concurrent_commit_that_it_saw_is_visible) {
  for (const bool commits : {true, false}) {
    HeldSyncs run;
    run.CommitHeld(true);
    run.ExpectWaiting([&] {
      std::unique_ptr<Transaction> txn;
      ASSERT_OK(Transaction::Begin(run.engine, &txn));
      uint8_t buffer[16];
      size_t size = 0;
      Status status;
      EXPECT_EQ(txn->Get(Slice("ka"), buffer, sizeof buffer, &size, &status), ZKDB_OK);
      WriteResult result;
      if (commits) EXPECT_OK(txn->Commit(ZKDB_DURABILITY_NONE, &result));
      if (!commits) txn->Abort();
    });
  }
}

// Each commit copies the root and a leaf; what it copied is still read by everyone until it is visible.
TEST(pages_freed_by_concurrent_commits_that_are_not_visible_yet_are_not_used_again) {
  HeldSyncs run;
  const std::string before(200, 'o');
  const auto key = [](int i) { return "k" + std::to_string(1000 + i); };
  BatchBytes all;
  for (int i = 0; i < 200; ++i) all.Put(key(i), before);
  WriteResult result;
  ASSERT_OK(run.engine->Write(all.bytes(), ZKDB_DURABILITY_NONE, false, &result));
  for (int commit = 0; commit < 8; ++commit) {
    run.CommitHeld(BatchBytes().Put(key(commit * 25), "new"));
    for (int i = 0; i < 200; ++i) EXPECT_EQ(run.Get(key(i)), before);
  }
}

// One thread closes; the others go on calling and must get an answer or ZKDB_CLOSED.
TEST(concurrent_calls_during_a_close_end_well) {
  for (int round = 0; round < 10; ++round) {
    std::shared_ptr<Engine> engine;
    EngineOptions options;
    options.overrides = {{"MinCheckpointSize", "64K"}, {"LogFileSize", "64K"}};
    ASSERT_OK(Engine::Open(Env::Posix(), MakeShape(TempDirectory(), 3), options, &engine));
    const auto fine = [](const Status& s) { return s.ok() || s.code() == ZKDB_CLOSED; };
    const auto write = [&](const std::atomic<bool>& stop) {
      for (int i = 0; !stop.load(); ++i) {
        WriteResult result;
        const BatchBytes batch =
            BatchBytes().Put("k" + std::string(1, static_cast<char>('a' + i % 26)), std::string(200, 'v'));
        EXPECT(fine(engine->Write(batch.bytes(), ZKDB_DURABILITY_INTERVAL, false, &result)));
      }
    };
    const auto transact = [&](const std::atomic<bool>& stop) {
      while (!stop.load()) {
        std::unique_ptr<Transaction> txn;
        const Status begun = Transaction::Begin(engine, &txn);
        EXPECT(fine(begun));
        if (!begun.ok()) continue;
        WriteResult result;
        EXPECT_OK(txn->Write(BatchBytes().Put("ka", "t").Put("kz", "t").bytes(), &result));
        EXPECT_OK(txn->Commit(ZKDB_DURABILITY_COMMIT, &result));
      }
    };
    const auto maintain = [&](const std::atomic<bool>& stop) {
      while (!stop.load()) {
        zkdb_db_stats stats{};
        EXPECT(fine(engine->Figures(&stats)));
        EXPECT(fine(engine->Sync()));
        EXPECT(fine(engine->Checkpoint()));
        uint64_t findings = 0;
        EXPECT(fine(engine->Check([](const std::string&) { return true; }, {}, &findings)));
        EXPECT_EQ(findings, 0u);
      }
    };
    const auto read = [&](const std::atomic<bool>& stop) {
      while (!stop.load()) {
        uint8_t buffer[256];
        size_t size = 0;
        Status status;
        static_cast<void>(engine->Get(nullptr, "ka", buffer, sizeof buffer, &size, &status));
        EXPECT(fine(status));
      }
    };
    const auto close = [&](const std::atomic<bool>&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      EXPECT_OK(engine->Close());
    };
    RunFor(40, {write, write, transact, maintain, maintain, read, close});
  }
}

TEST(concurrent_opens_and_closes_of_one_path_share_or_wait) {
  const std::string path = MakeShape(TempDirectory(), 3);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&path, t] {
      for (int i = 0; i < 15; ++i) {
        TestDb db;
        ASSERT_EQ(db.Open(path), ZKDB_OK);
        EXPECT_EQ(db.Put("k" + std::to_string(t), std::to_string(i)), ZKDB_OK);
        EXPECT_EQ(db.Get("k" + std::to_string(t)).value_or(""), std::to_string(i));
      }
    });
  }
  for (std::thread& t : threads) t.join();
}

}  // namespace
}  // namespace zkdb::test
