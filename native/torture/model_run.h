// Runs a plan against a database and against the model, and compares every answer.
//
// Thread-safety: one thread.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "capi/test_util.h"
#include "torture/model_plan.h"
#include "torture/versioned_model.h"

namespace zkdb::test {

// What a run saw; plain, so that it can lie in memory shared with the process that watches the run.
struct ModelReport {
  uint64_t step = 0;  // the one under way
  bool finished = false;
  bool failed = false;
  char message[2048] = {};
  uint64_t commits = 0;
  uint64_t records_compared = 0;
  uint64_t segments_max = 0;
  uint64_t segments_shrunk = 0;  // how often a partition had fewer segments than when last looked at
  uint64_t depth_max = 0;
};

class ModelRun {
 public:
  ModelRun(const ModelPlan& plan, const std::string& directory, ModelReport* report);
  ~ModelRun();
  ModelRun(const ModelRun&) = delete;
  ModelRun& operator=(const ModelRun&) = delete;

  // Executes the plan's steps; report->failed and message say how it ended.
  void Run();

 private:
  struct Pending {
    Act act;
    size_t rank;
    Step step;
    std::string lo, hi;
    ValueRef expected;
    bool expects_other = false;  // a value that no key has
  };
  struct OpenSnapshot {
    zkdb_snapshot* handle = nullptr;
    uint64_t version = 0;
  };
  struct Range {
    std::string lo, hi;
    uint32_t flags = 0;
    size_t first = 0;  // ranks [first, end)
    size_t end = 0;
  };
  struct OpenCursor {
    zkdb_cursor* handle = nullptr;
    bool of_transaction = false;
    uint64_t version = 0;
    Range range;
    uint32_t scan_flags = 0;
    size_t next = 0;  // forward: the lowest rank that may come; reverse: one above the highest
    bool reverse() const { return (scan_flags & ZKDB_SCAN_REVERSE) != 0; }
  };

  void Do(const Step& step);
  void DoPinned(const Step& step);
  void DoWhole(const Step& step);
  bool Require(bool holds, const std::string& what);
  bool RequireCode(zkdb_code code, zkdb_code expected, const std::string& what);

  // ---- the batch that gathers
  void Gather(const Step& step);
  void GatherCondition(Step step);
  void Pack(const Pending& p, BatchBytes* batch) const;
  bool Holds(const Pending& p) const;
  void Write(const Step& step);
  void WriteIsolated(zkdb_code code);
  bool Spans() const;
  // Applies the operations of one partition (kAll: of all) to the model; returns how many found their key.
  static constexpr uint32_t kAll = UINT32_MAX;
  uint64_t Apply(uint32_t partition);
  static bool Expires(const Step& step, const ValueRef* has);
  bool ApplyOne(const Pending& p);
  int64_t FirstFailure(uint32_t partition) const;

  // ---- transactions
  void Begin();
  void End(bool commit, const Step& step);

  // ---- reading
  void Get(const Step& step);
  void GetMany(const Step& step);
  bool Source(uint32_t number, zkdb_snapshot** snapshot, uint64_t* version) const;
  std::optional<std::string> TransactionGet(const std::string& key);
  void CompareTime(const Step& step, bool committed, zkdb_snapshot* snapshot, const ValueRef* expected);
  Range MakeRange(const std::string& lo, const std::string& hi, uint32_t flags) const;
  void CompareScan(const Range& range, uint32_t scan_flags, zkdb_snapshot* snapshot, uint64_t version);
  size_t RankAtOrAfter(const std::string& key) const;

  void SnapshotOpen(uint32_t slot);
  void SnapshotClose(uint32_t slot);

  // ---- cursors
  void CursorOpen(const Step& step);
  void CursorNext(const Step& step);
  void CursorSeek(const Step& step);
  void CursorClose(uint32_t slot);
  // The next record that the cursor has to give; false at its end. Moves its place behind it.
  bool ExpectNext(OpenCursor* cursor, size_t* rank, ValueRef* value) const;
  void CompareChunk(OpenCursor* cursor, const uint8_t* p, size_t used, uint32_t count);

  // ---- the whole database
  void Stats();
  void Reopen(bool before_release);
  void ReleasePins();
  bool Open();

  const ModelPlan& plan_;
  std::string path_;
  ModelReport* report_;
  VersionedModel model_;
  TestDb db_;
  std::vector<uint32_t> partition_of_;
  std::vector<Pending> pending_;
  zkdb_txn* txn_ = nullptr;
  std::array<OpenSnapshot, kSnapshotSlots> snapshots_;
  std::array<OpenCursor, kCursorSlots> cursors_;
  std::vector<uint32_t> segments_;  // of each partition, when last looked at
  std::string buffer_;
};

}  // namespace zkdb::test
