// Power cuts, simulated: a workload runs on a recorded file system in memory, and every state that a power cut could
// have left of it (crash_log.h) is opened, checked and compared with what was acknowledged before the cut.
//
// A state passes when the database opens, the whole-tree check finds nothing, a scan gives in every partition exactly
// what it held after the last commit that the database says it has, and that commit is not older than the last one
// acknowledged as durable before the cut: one commit for all partitions, or one for each where they are isolated.
// In a sample of states the recovered database goes on: it commits, checkpoints, is closed and opened again, and all of
// this is recorded and cut off itself. The recovered state is then what must not be lost.
//
// A failure is replayed with the seed and the state that it prints:
//   ZKDB_SEED=... ZKDB_STATE=ROUND:STATE[/STATE] zkdb_torture NAME
#include <algorithm>
#include <cstdio>

#include "torture/crash_session.h"
#include "torture/torture.h"

namespace zkdb::test {
namespace {

constexpr uint64_t kGoOnOneIn = 61;          // states after which the database is used again
constexpr uint64_t kCutRecoveryOneIn = 6;    // of these, whose recovery is cut off itself
constexpr uint64_t kRoundsForEver = 100000;  // a short run ends by its number of states

// One TEST: workloads of one shape until `states` were tried, or the minutes are over.
class PowerCut {
 public:
  PowerCut(const char* test, const CrashShape& shape, uint64_t states, uint32_t keep_one_in = 1)
      : test_(test),
        shape_(shape),
        states_(states),
        keep_one_in_(keep_one_in),
        torture_(test, kRoundsForEver),
        config_(CrashConfig(shape)) {
    const char* only = std::getenv("ZKDB_STATE");
    if (only == nullptr) return;
    const std::string text = only;
    const size_t colon = text.find(':');
    const size_t slash = text.find('/');
    only_round_ = std::strtoull(text.c_str(), nullptr, 10);
    only_ = colon == std::string::npos ? ""
                                       : text.substr(colon + 1, slash == std::string::npos ? slash : slash - colon - 1);
    if (slash != std::string::npos) only_inner_ = text.substr(slash + 1);
  }

  void Run() {
    while ((torture_.is_long() || only_round_ != UINT64_MAX || tried_ < states_) && torture_.Next()) {
      if (only_round_ != UINT64_MAX && torture_.round() < only_round_) continue;
      Round();
      if (only_round_ != UINT64_MAX) break;
    }
    torture_.Figure("states", tried_);
  }

 private:
  void Round() {
    const uint64_t seed = torture_.seed() * 1000003 + torture_.round();
    MemoryEnv env(seed);
    env.PutFile(kCrashConfig, config_);
    CrashSession session(&env, shape_, seed);
    std::string wrong = session.Open();
    for (int i = 0; i < 70 && wrong.empty(); ++i) wrong = session.Step();
    if (wrong.empty() && seed % 2 == 0) wrong = session.Close();
    if (!wrong.empty()) return Report("the workload", "", wrong);
    torture_.Figure("commits", session.commits());
    torture_.Figure("operations", session.log().size());
    MemoryEnv disk(seed);
    disk.PutFile(kCrashConfig, config_);
    CrashPlan plan;
    plan.seed = seed;
    plan.keep_one_in = keep_one_in_;
    // Sixteen partitions have many writes waiting at all times: fewer sets of each, of more prefixes.
    if (shape_.partitions > 3 && !torture_.is_long()) plan.random_subsets = 8;
    CrashReplay replay(&session.log().ops(), &disk, plan, only_);
    replay.Run([&](const CrashState& state) { return Try(&disk, session.oracle(), replay, state); });
  }

  // Tries one state; false after a failure.
  bool Try(MemoryEnv* disk, const CrashOracle& oracle, const CrashReplay& replay, const CrashState& state) {
    const std::string id = std::to_string(torture_.round()) + ":" + state.id;
    const uint64_t luck = std::hash<std::string>()(state.id);
    std::string wrong;
    if (only_inner_.empty()) {
      ++tried_;
      torture_.Figure(std::string("states_") + kCrashKindNames[static_cast<size_t>(state.kind)], 1);
      wrong = Examine(disk, oracle, state, luck);
    }
    if (!wrong.empty()) return Report(id, replay.Describe(), wrong), false;
    if (!state.lied() && luck % kGoOnOneIn == 0 && !GoOn(disk, replay, id, luck / kGoOnOneIn)) return false;
    return torture_.is_long() || tried_ < 2 * states_;
  }

  // "" or what is wrong with the state on the disk, which stays as it is.
  std::string Examine(MemoryEnv* disk, const CrashOracle& oracle, const CrashState& state, uint64_t luck) {
    const size_t mark = disk->Mark();
    disk->SetSeed(luck);
    std::shared_ptr<Engine> engine;
    std::string wrong;
    const Status opened = OpenCrashed(disk, kCrashConfig, &engine);
    wrong = opened.ok() ? Compare(engine.get(), oracle, state) : Refused("open", opened, state);
    disk->SetFailure(Status::Io("the power is off"));
    engine.reset();
    disk->SetFailure(Status::Ok());
    disk->Rollback(mark);
    return wrong;
  }

  // A failure is allowed where a sync lied, when it is one that says what is wrong with the files.
  std::string Refused(const char* call, const Status& status, const CrashState& state) {
    const bool typed = status.code() == ZKDB_CORRUPT || status.code() == ZKDB_MISMATCH ||
                       status.code() == ZKDB_SEGMENT_MISSING || status.code() == ZKDB_NOT_ZKDB;
    if (state.lied() && typed) return torture_.Figure("refused_after_a_lie", 1), "";
    return std::string(call) + ": " + zkdb_code_name(status.code()) + ": " + status.message();
  }

  std::string Compare(Engine* engine, const CrashOracle& oracle, const CrashState& state) {
    std::string found;
    uint64_t findings = 0;
    const auto note = [&](const std::string& what) { return found += what + "; ", true; };
    const Status checked = engine->Check(note, {}, &findings);
    if (!checked.ok()) return Refused("check", checked, state);
    if (findings > 0 && !state.lied()) return "check: " + found;
    CrashContent content;
    const Status read = ReadContent(engine, false, &content);
    if (!read.ok()) return Refused("read", read, state);
    if (state.kind == CrashKind::kAllLied && !shape_.isolated && shape_.partitions > 1) return "";
    return oracle.Judge(state.prefix, state.lied(), content.sequence, content.sequences, content.contents);
  }

  // The database is used again after the cut; now and then that is cut off too.
  bool GoOn(MemoryEnv* disk, const CrashReplay& outer, const std::string& id, uint64_t luck) {
    const bool cut = luck % kCutRecoveryOneIn == 0;
    if (!cut && !only_inner_.empty()) return true;
    const size_t mark = disk->Mark();
    disk->SetSeed(luck);
    CrashSession session(disk, shape_, luck);
    std::string wrong = session.Open();
    for (uint64_t i = luck / 7 % 4; i > 0 && wrong.empty(); --i) wrong = session.Step();
    if (wrong.empty()) wrong = session.Commit();
    if (wrong.empty()) wrong = session.Checkpoint();
    if (wrong.empty()) wrong = session.Close();
    const size_t recorded = session.log().size();
    if (wrong.empty()) wrong = session.Open();
    if (wrong.empty() && session.log().size() != recorded) wrong = "opening after a clean close changed something";
    session.Stop();
    disk->Rollback(mark);
    torture_.Figure("used_again", 1);
    if (!wrong.empty()) return Report(id, outer.Describe(), "afterwards: " + wrong), false;
    if (!cut) return true;
    CrashPlan plan;
    plan.seed = luck;
    plan.random_subsets = 8;
    plan.lies_per_mille = plan.all_lies_per_mille = 0;
    plan.torn_random = 1;
    plan.keep_one_in = 2 * keep_one_in_;
    CrashReplay inner(&session.log().ops(), disk, plan, only_inner_);
    inner.Run([&](const CrashState& state) {
      ++tried_;
      torture_.Figure("states_in_recovery", 1);
      const std::string found = Examine(disk, session.oracle(), state, std::hash<std::string>()(state.id));
      if (!found.empty()) Report(id + "/" + state.id, outer.Describe() + "\n  and then " + inner.Describe(), found);
      wrong += found;
      return found.empty();
    });
    return wrong.empty();
  }

  void Report(const std::string& id, const std::string& state, const std::string& wrong) {
    std::fprintf(stderr, "%s: state %s: %s\n  %s\n", test_, id.c_str(), wrong.c_str(), state.c_str());
    std::fprintf(stderr, "replay: ZKDB_SEED=%llu ZKDB_STATE=%s zkdb_torture %s\n",
                 static_cast<unsigned long long>(torture_.seed()), id.c_str(), test_);
    Fail(__FILE__, __LINE__, "a power cut left a state that is wrong: " + wrong);
  }

  const char* test_;
  const CrashShape shape_;
  const uint64_t states_;
  const uint32_t keep_one_in_;
  Torture torture_;
  const std::string config_;
  uint64_t only_round_ = UINT64_MAX;
  std::string only_;
  std::string only_inner_;
  uint64_t tried_ = 0;
};

TEST(power_cut_of_one_partition_at_durability_commit) {
  PowerCut("power_cut_of_one_partition_at_durability_commit", {1, false, ZKDB_DURABILITY_COMMIT}, 70000).Run();
}
TEST(power_cut_of_one_partition_at_durability_interval) {
  PowerCut("power_cut_of_one_partition_at_durability_interval", {1, false, ZKDB_DURABILITY_INTERVAL}, 50000).Run();
}
TEST(power_cut_of_one_partition_at_durability_none) {
  PowerCut("power_cut_of_one_partition_at_durability_none", {1, false, ZKDB_DURABILITY_NONE}, 30000).Run();
}
TEST(power_cut_of_three_partitions_at_durability_commit) {
  PowerCut("power_cut_of_three_partitions_at_durability_commit", {3, false, ZKDB_DURABILITY_COMMIT}, 60000).Run();
}
TEST(power_cut_of_three_partitions_at_durability_interval) {
  PowerCut("power_cut_of_three_partitions_at_durability_interval", {3, false, ZKDB_DURABILITY_INTERVAL}, 50000).Run();
}
TEST(power_cut_of_three_isolated_partitions_at_durability_commit) {
  PowerCut("power_cut_of_three_isolated_partitions_at_durability_commit", {3, true, ZKDB_DURABILITY_COMMIT}, 40000)
      .Run();
}
TEST(power_cut_of_three_isolated_partitions_at_durability_none) {
  PowerCut("power_cut_of_three_isolated_partitions_at_durability_none", {3, true, ZKDB_DURABILITY_NONE}, 20000).Run();
}
TEST(power_cut_of_sixteen_partitions_at_durability_commit) {
  PowerCut("power_cut_of_sixteen_partitions_at_durability_commit", {16, false, ZKDB_DURABILITY_COMMIT}, 10000, 4).Run();
}
TEST(power_cut_of_sixteen_isolated_partitions_at_durability_interval) {
  PowerCut("power_cut_of_sixteen_isolated_partitions_at_durability_interval", {16, true, ZKDB_DURABILITY_INTERVAL},
           5000, 16)
      .Run();
}

// ---- what power cuts have found ------------------------------------------------------------------------------------

// A database of one kind with commits in two log files, closed by a power cut.
std::string FillTwoLogFiles(MemoryEnv* env, const CrashShape& shape) {
  env->PutFile(kCrashConfig, CrashConfig(shape));
  std::shared_ptr<Engine> engine;
  if (!EXPECT_OK(OpenCrashed(env, kCrashConfig, &engine))) return "cannot open";
  for (int i = 0; i < 30; ++i) {
    WriteResult result;
    BatchBytes batch;
    for (const char* key : {"ka", "kl", "kz"}) batch.Put(key + std::to_string(i), std::string(1500, 'v'));
    if (!EXPECT_OK(engine->Write(Slice(batch.bytes()), ZKDB_DURABILITY_COMMIT, true, &result))) return "cannot write";
  }
  env->SetFailure(Status::Io("the power is off"));
  engine.reset();
  env->SetFailure(Status::Ok());
  return "";
}

TEST(a_log_whose_oldest_file_is_missing_is_refused) {
  for (const uint32_t partitions : {1, 3}) {
    MemoryEnv env(1);
    ASSERT_EQ(FillTwoLogFiles(&env, {partitions, false, ZKDB_DURABILITY_COMMIT}), "");
    ASSERT(env.Exists("/db/log/zkdb-00000002.log"));
    ASSERT_OK(env.Remove("/db/log/zkdb-00000001.log"));
    std::shared_ptr<Engine> engine;
    const zkdb_code code = OpenCrashed(&env, kCrashConfig, &engine).code();
    EXPECT(code == ZKDB_MISMATCH || code == ZKDB_CORRUPT);
  }
}

TEST(a_missing_log_directory_of_an_isolated_partition_is_refused_by_name) {
  MemoryEnv env(1);
  ASSERT_EQ(FillTwoLogFiles(&env, {3, true, ZKDB_DURABILITY_COMMIT}), "");
  MemoryEnv other(1);
  other.PutFile(kCrashConfig, CrashConfig({3, true, ZKDB_DURABILITY_COMMIT}));
  std::vector<std::string> names;
  for (const char* log : {"/db/low/log", "/db/mid/log"}) {
    ASSERT_OK(env.List(log, &names));
    for (const std::string& name : names) {
      std::string content;
      ASSERT_OK(env.ReadFile(std::string(log) + "/" + name, UINT32_MAX, &content));
      other.PutFile(std::string(log) + "/" + name, content);
    }
  }
  std::shared_ptr<Engine> engine;
  const Status opened = OpenCrashed(&other, kCrashConfig, &engine);
  EXPECT_CODE(opened, ZKDB_MISMATCH);
  EXPECT(opened.message().find("/db/high/log") != std::string::npos);
}

Status PutOne(Engine* engine, const std::string& key, size_t size) {
  WriteResult result;
  return engine->Write(Slice(BatchBytes().Put(key, std::string(size, 'v')).bytes()), ZKDB_DURABILITY_COMMIT, true,
                       &result);
}

bool IsTakenFromSpare(const FsOp& op) {
  return op.kind == FsOp::Kind::kRename && op.path.find("spare") != std::string::npos;
}

// The first power cut takes back that a spare became a log file and keeps what was written to it, the second one comes
// when the spare has the file's name again and nothing was written yet.
TEST(a_spare_does_not_bring_back_a_commit_that_a_power_cut_took) {
  const std::string config = CrashConfig({1, false, ZKDB_DURABILITY_COMMIT});
  MemoryEnv env(1);
  MemoryEnv disk(1);
  for (MemoryEnv* e : {&env, &disk}) e->PutFile(kCrashConfig, config);
  CrashLog before;
  before.Watch(&env);
  std::shared_ptr<Engine> engine;
  ASSERT_OK(OpenCrashed(&env, kCrashConfig, &engine));
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK(PutOne(engine.get(), "k" + std::to_string(i), 1500));
    if (i % 10 == 0) ASSERT_OK(engine->Checkpoint());
    if (std::any_of(before.ops().begin(), before.ops().end(), IsTakenFromSpare)) break;
  }
  env.SetFailure(Status::Io("the power is off"));
  engine.reset();
  ASSERT(std::any_of(before.ops().begin(), before.ops().end(), IsTakenFromSpare));
  for (const FsOp& op : before.ops()) {
    if (!IsTakenFromSpare(op)) disk.Apply(op);
  }
  const size_t mark = disk.Mark();
  CrashLog after;
  after.Watch(&disk);
  ASSERT_OK(OpenCrashed(&disk, kCrashConfig, &engine));
  const uint64_t recovered = engine->partition(0).last_sequence;
  ASSERT_OK(PutOne(engine.get(), "another", 10));
  disk.SetObserver({});
  disk.SetFailure(Status::Io("the power is off"));
  engine.reset();
  disk.SetFailure(Status::Ok());
  disk.Rollback(mark);
  for (const FsOp& op : after.ops()) {
    if (op.kind == FsOp::Kind::kWrite) break;
    disk.Apply(op);
  }
  ASSERT_OK(OpenCrashed(&disk, kCrashConfig, &engine));
  EXPECT_EQ(engine->partition(0).last_sequence.load(), recovered);
}

TEST(a_backup_that_was_acknowledged_survives_a_power_cut) {
  Torture torture("a_backup_that_was_acknowledged_survives_a_power_cut", 30);
  while (torture.Next()) {
    const uint64_t seed = torture.seed() + torture.round();
    const CrashShape shape = {torture.round() % 2 == 0 ? 1u : 3u, false, ZKDB_DURABILITY_COMMIT};
    MemoryEnv env(seed);
    env.PutFile(kCrashConfig, CrashConfig(shape));
    CrashSession session(&env, shape, seed);
    ASSERT_EQ(session.Open(), "");
    for (int i = 0; i < 20; ++i) ASSERT_EQ(session.Step(), "");
    ASSERT_OK(session.engine()->Backup("/copy", {}));
    MemoryEnv disk(seed);
    disk.PutFile(kCrashConfig, CrashConfig(shape));
    CrashPlan plan;
    plan.seed = seed;
    plan.lies_per_mille = plan.all_lies_per_mille = 0;
    CrashReplay replay(&session.log().ops(), &disk, plan);
    replay.Run([&](const CrashState& state) {
      if (state.prefix < session.log().size()) return true;
      torture.Figure("states", 1);
      std::shared_ptr<Engine> engine;
      if (!EXPECT_OK(OpenCrashed(&disk, "/copy/zkdb.conf", &engine))) return false;
      CrashContent content;
      if (!EXPECT_OK(ReadContent(engine.get(), true, &content))) return false;
      return EXPECT(content.models == session.models());
    });
  }
}

}  // namespace
}  // namespace zkdb::test
