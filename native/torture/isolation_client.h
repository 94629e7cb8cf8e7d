// One thread of the isolation test: random transactions of every kind over lists, written down as a history.
//
// Thread-safety: a client belongs to one thread; clients share a database, a Clock and nothing else.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "capi/test_util.h"
#include "torture/history.h"

namespace zkdb::test {

inline constexpr uint32_t kSharedLists = 20;
inline constexpr uint32_t kOwnLists = 4;  // of each client, which alone appends to them
inline constexpr uint32_t kClients = 4;
inline constexpr uint32_t kLists = kSharedLists + kOwnLists * kClients;

// The key of a list in a round; lists of one round lie together and spread over the partitions of every shape.
std::string ListKey(uint64_t round, uint32_t list);
List ListFromBytes(std::string_view bytes);
std::string BytesFromList(const List& list);
// A record that no list is in: writes of these change many pages.
std::string BallastKey(uint32_t number);
inline constexpr uint32_t kBallast = 3000;

class IsolationClient {
 public:
  IsolationClient(const std::string& path, Clock* clock, uint64_t seed, uint32_t thread);

  bool Open(const OptionList& options);
  zkdb_code Close() { return db_.Close(); }
  // Runs transactions until the history has `count` more entries or something fails.
  void Run(uint64_t round, size_t count);

  History& history() { return history_; }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  uint32_t AnyShared() { return static_cast<uint32_t>(Below(kSharedLists)); }
  uint32_t AnyList() { return static_cast<uint32_t>(Below(kLists)); }
  uint32_t Own(uint64_t i) const { return static_cast<uint32_t>(kSharedLists + thread_ * kOwnLists + i); }
  uint32_t NewElement() { return (thread_ << 24) | ++elements_; }
  zkdb_durability AnyDurability();
  bool Ok(zkdb_code code, const char* what);

  HistoryEntry Begin(HistoryEntry::Kind kind);
  void End(HistoryEntry entry);
  void Step();
  void SnapshotReads();
  void Scan();
  void PlainGet();
  void PlainGetMany();
  void Transact();
  bool TransactionStep(zkdb_txn* txn, HistoryEntry* entry, std::vector<std::optional<List>>* own);
  void ConditionalBatch();
  void OwnBatch();
  void WriteBatch(BatchBytes* batch, HistoryEntry entry, const std::vector<int>& conditions);
  void AddBallast(BatchBytes* batch);

  bool ReadThrough(zkdb_snapshot* snapshot, zkdb_txn* txn, uint32_t list, List* out);
  bool ReadMany(zkdb_snapshot* snapshot, const std::vector<uint32_t>& lists, HistoryEntry* entry);
  bool ReadAll(zkdb_snapshot* snapshot, zkdb_txn* txn, HistoryEntry* entry);

  std::string path_;
  Clock* clock_;
  std::mt19937_64 random_;
  uint32_t thread_;
  uint32_t elements_ = 0;
  uint64_t round_ = 0;
  bool ok_ = true;
  TestDb db_;
  std::vector<List> own_ = std::vector<List>(kOwnLists);  // what this client's lists hold
  History history_;
};

}  // namespace zkdb::test
