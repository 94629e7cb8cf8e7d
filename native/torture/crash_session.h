// A database under test that runs on a recorded MemoryEnv, and the oracle of what each power cut may leave of it.
//
// Everything runs on one thread: the engine has none of its own (EngineOptions::background), so that the same seed
// records the same operations. What runs beside a checkpoint in a program, commits, runs here inside it, at the syncs
// and writes of segment files, when no lock is held.
//
// Thread-safety: one thread.
//
// Invariants:
//  1. The oracle knows the content after each commit, by partition, and from and to which operation it can be found.
//  2. A floor is raised only when a call that promises durability has returned.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "capi/test_util.h"
#include "core/engine/engine.h"
#include "torture/crash_log.h"

namespace zkdb::test {

// A database's configuration and what the commits of a workload ask for.
struct CrashShape {
  uint32_t partitions = 1;
  bool isolated = false;
  zkdb_durability durability = ZKDB_DURABILITY_COMMIT;
};
inline constexpr char kCrashConfig[] = "/db/test.conf";
// The configuration file of a shape, with the smallest segments and log files.
std::string CrashConfig(const CrashShape& shape);

// Says which content a power cut may leave.
class CrashOracle {
 public:
  CrashOracle(uint32_t partitions, bool isolated) : isolated_(isolated), commits_(partitions) {
    for (auto& list : commits_) list.push_back({});
  }

  // Commit `sequence` gave the partition this content; its call began after `born` operations.
  void Add(uint32_t partition, uint64_t sequence, size_t born, uint64_t content);
  // From operation `at` on no commit of the partition above `sequence` can be found: a process lost it with its memory.
  void Forget(uint32_t partition, uint64_t sequence, size_t at);
  // From operation `at` on everything up to these commits, one per partition, is promised.
  void Promise(size_t at, std::vector<uint64_t> sequences);

  // Why what was found after `prefix` operations is wrong; "" when it is right. `sequence`: that of the database;
  // `sequences`, `contents`: by partition. `lied`: nothing that was promised need be there.
  std::string Judge(size_t prefix, bool lied, uint64_t sequence, const std::vector<uint64_t>& sequences,
                    const std::vector<uint64_t>& contents) const;

 private:
  struct Commit {
    uint64_t sequence = 0;
    size_t born = 0;
    size_t dead = SIZE_MAX;
    uint64_t content = 0;
  };
  struct Floor {
    size_t at;
    std::vector<uint64_t> sequences;
  };
  const Commit* Find(uint32_t partition, uint64_t sequence, size_t prefix) const;

  bool isolated_;
  std::vector<std::vector<Commit>> commits_;  // per partition, ascending but for dead ones
  std::vector<Floor> floors_;
};

// What an open database holds.
struct CrashContent {
  uint64_t sequence = 0;
  std::vector<uint64_t> sequences;  // by partition
  std::vector<uint64_t> contents;   // by partition: 0 when empty
  std::vector<Model> models;        // by partition, when asked for
};
Status ReadContent(Engine* engine, bool models, CrashContent* out);
// The number that ReadContent gives for a partition with these records.
uint64_t ContentOf(const Model& model);
// Opens the database of `config` without a thread of its own.
Status OpenCrashed(MemoryEnv* env, const std::string& config, std::shared_ptr<Engine>* out);

class CrashSession {
 public:
  // `env` holds the configuration, and a database or none. What is there counts as promised.
  CrashSession(MemoryEnv* env, const CrashShape& shape, uint64_t seed);
  ~CrashSession();
  CrashSession(const CrashSession&) = delete;
  CrashSession& operator=(const CrashSession&) = delete;

  // Each gives "" or what went wrong; nothing is ever expected to.
  std::string Open();
  // Ends the process without closing, as a kill does, and opens again.
  std::string KillAndOpen();
  std::string Close();
  // One step of the workload.
  std::string Step();
  std::string Commit();
  std::string Checkpoint();
  // Ends the recording and the process.
  void Stop();

  const CrashLog& log() const { return log_; }
  const CrashOracle& oracle() const { return oracle_; }
  Engine* engine() { return engine_.get(); }
  const std::vector<Model>& models() const { return models_; }
  uint64_t commits() const { return commits_; }

 private:
  struct Change {
    zkdb_op kind;
    std::string key;
    std::string value;  // of a range: the upper bound
    std::string expected;
    uint64_t time = 0;  // when the record ends: never, kPast or kFuture
  };
  uint64_t Below(uint64_t n) { return random_() % n; }
  std::string Key();
  std::string Value();
  std::vector<Change> RandomChanges();
  Change RandomCondition();
  uint64_t Time();
  bool Holds(const Change& change) const;
  void Apply(const Change& change);
  void ApplyTo(Model* model, const Change& change) const;
  static BatchBytes Pack(const std::vector<Change>& changes);
  zkdb_durability RandomDurability();
  std::string CommitChanges(const std::vector<Change>& changes);
  std::string Transact();
  std::string Compact();
  std::string Sync();
  std::string Sweep();
  void AfterCommit(size_t born, zkdb_durability durability);
  std::vector<uint64_t> Sequences() const;
  void PromiseAll(const std::vector<uint64_t>& sequences);
  void InsideCheckpoint(const FsOp& op);
  std::string Verify();
  std::string Broken(const char* call, const Status& status) const;

  MemoryEnv* env_;
  CrashShape shape_;
  std::mt19937_64 random_;
  CrashLog log_;
  CrashOracle oracle_;
  std::shared_ptr<Engine> engine_;
  std::vector<Model> models_;
  std::vector<uint64_t> promised_;
  bool first_open_ = true;
  bool inside_checkpoint_ = false;
  std::string failed_inside_;
  uint64_t commits_ = 0;
};

}  // namespace zkdb::test
