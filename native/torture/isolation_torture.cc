// Isolation under concurrency: clients run snapshots, transactions, batches and gets over lists, and checker.h judges
// what they saw. More than 100,000 transactions in the short runs of all tests together. How the threads interleave is
// not reproducible: ZKDB_SEED gives the same choices, and a finding prints the entries that contradict each other.
// The names hold `concurrent`: the stage of ThreadSanitizer picks them by it.
#include <memory>
#include <thread>

#include "torture/checker.h"
#include "torture/isolation_client.h"
#include "torture/torture.h"

namespace zkdb::test {
namespace {

constexpr size_t kEntriesOfARound = 2500;
#if defined(__SANITIZE_THREAD__)
constexpr uint64_t kRounds = 4;  // ten times as slow
#else
constexpr uint64_t kRounds = 16;
#endif

class IsolationRun {
 public:
  IsolationRun(const char* name, uint32_t partitions, uint64_t rounds)
      : t_(name, rounds), path_(MakeShape(TempDirectory(), partitions)) {
    for (uint32_t i = 0; i < kClients; ++i) {
      clients_.push_back(std::make_unique<IsolationClient>(path_, &clock_, t_.seed(), i));
    }
  }

  void Run() {
    const OptionList options = {{"PageSize", "4096"},
                                {"SegmentSize", "64K"},
                                {"LogFileSize", "64K"},
                                {"MinCheckpointSize", "1M"},
                                {"SyncInterval", "20"}};
    ASSERT_EQ(db_.Open(path_, options), ZKDB_OK);
    for (auto& client : clients_) ASSERT(client->Open(options));
    BatchBytes ballast;
    for (uint32_t i = 0; i < kBallast; ++i) ballast.Put(BallastKey(i), std::string(100, 'b'));
    ASSERT_EQ(db_.Write(ballast), ZKDB_OK);
    while (t_.Next()) Round();
    EXPECT_EQ(db_.Check(), "");
    zkdb_snapshot_close(held_);
    for (auto& client : clients_) EXPECT_EQ(client->Close(), ZKDB_OK);
  }

 private:
  void Round() {
    std::vector<std::thread> threads;
    for (auto& client : clients_) {
      threads.emplace_back([this, &client] { client->Run(t_.round(), kEntriesOfARound / kClients); });
    }
    for (std::thread& thread : threads) thread.join();
    History history;
    for (auto& client : clients_) {
      for (HistoryEntry& e : client->history()) history.push_back(std::move(e));
    }
    history.push_back(ReadAtRest());
    uint64_t aborted = 0;
    for (const HistoryEntry& e : history) aborted += e.committed ? 0 : 1;
    t_.Figure("transactions", history.size());
    t_.Figure("aborted", aborted);
    Judge(history);
    if (EnvNumber("ZKDB_PROGRESS", 0) != 0) {
      std::fprintf(stderr, "%zu transactions were sound\n", (t_.round() + 1) * kEntriesOfARound);
    }
    Hold(history.back());
  }

  // Everything, when nobody writes: no acknowledged append is missing.
  HistoryEntry ReadAtRest() {
    HistoryEntry entry;
    entry.kind = HistoryEntry::Kind::kScan;
    entry.thread = kClients;
    entry.begin = clock_.Tick();
    entry.end = clock_.Tick();
    for (uint32_t list = 0; list < kLists; ++list) {
      const std::string bytes = db_.Get(ListKey(t_.round(), list)).value_or("");
      entry.accesses.push_back({Access::Kind::kRead, list, 0, ListFromBytes(bytes)});
    }
    return entry;
  }

  void Judge(const History& history) {
    for (const Finding& finding : CheckHistory(history)) {
      Fail(__FILE__, __LINE__,
           "round " + std::to_string(t_.round()) + ", after " + std::to_string((t_.round() + 1) * kEntriesOfARound) +
               " transactions: " + NameOf(finding.anomaly) + ": " + finding.what);
    }
  }

  // A snapshot of the round's end is held over the next round, in which its lists are deleted; then it is read again.
  void Hold(const HistoryEntry& rest) {
    if (held_ != nullptr) {
      for (const Access& a : held_lists_) {
        EXPECT(ListFromBytes(db_.Get(ListKey(t_.round() - 1, a.key), held_).value_or("")) == a.list);
      }
      zkdb_snapshot_close(held_);
    }
    ASSERT_EQ(zkdb_snapshot_open(db_.get(), &held_, &db_.error), ZKDB_OK);
    held_lists_ = rest.accesses;
    BatchBytes batch;
    for (uint32_t list = 0; list < kLists; ++list) batch.Delete(ListKey(t_.round(), list));
    ASSERT_EQ(db_.Write(batch), ZKDB_OK);
  }

  Torture t_;
  std::string path_;
  Clock clock_;
  TestDb db_;
  std::vector<std::unique_ptr<IsolationClient>> clients_;
  zkdb_snapshot* held_ = nullptr;
  std::vector<Access> held_lists_;
};

TEST(concurrent_transactions_of_one_partition_are_isolated) {
  IsolationRun("concurrent_transactions_of_one_partition_are_isolated", 1, kRounds).Run();
}

TEST(concurrent_transactions_of_three_text_partitions_are_isolated) {
  IsolationRun("concurrent_transactions_of_three_text_partitions_are_isolated", 3, kRounds).Run();
}

TEST(concurrent_transactions_of_sixteen_hashed_partitions_are_isolated) {
  IsolationRun("concurrent_transactions_of_sixteen_hashed_partitions_are_isolated", 16, kRounds).Run();
}

}  // namespace
}  // namespace zkdb::test
