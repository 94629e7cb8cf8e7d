// Every allocation of the engine fails once, and in another run every one from it on: an error, no crash, nothing half
// changed, nothing leaked.
#include <unistd.h>

#include "torture/alloc_fault.h"
#include "torture/fault_env.h"
#include "torture/io_workloads.h"
#include "torture/torture.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

// An Env whose anonymous memory is numbered and fails like other allocations.
class AllocFaultEnv : public LeanEnv {
 public:
  uint8_t* AllocateMemory(uint64_t size) override {
    return AllocFault::Fails() ? nullptr : LeanEnv::AllocateMemory(size);
  }
};

AllocFaultEnv* TheEnv() {
  static AllocFaultEnv* const env = new AllocFaultEnv;
  return env;
}

void PreparedCrash(FaultRun* r);

struct MemoryWorkload {
  IoWorkload files;           // how the files are prepared; its run is what allocations fail in
  void (*before)(FaultRun*);  // runs in the same open database, without failures
  // By its options, or because a recovery asks for one.
  bool CheckpointsInBackground() const { return !files.options.empty() || files.prepare == PreparedCrash; }
};

void JustOpen(FaultRun* r) { r->Open(); }
void OpenAndFill(FaultRun* r) {
  r->Open();
  for (int i = 0; i < 2; ++i) r->Put(0, 20, 1200, i);
}
void OpenAndChange(FaultRun* r) {
  r->Open();
  r->Put(0, 60, 100, 1);
  r->Delete(10, 30);
}
void OpenAndRotate(FaultRun* r) {
  r->Open();
  for (int i = 0; i < 5; ++i) r->Put(0, 20, 1200, i);
}
void OpenWithSpares(FaultRun* r) {
  OpenAndRotate(r);
  r->Checkpoint();
  for (int i = 0; i < 2; ++i) r->Put(0, 20, 1200, 7 + i);
}

void Prepared(FaultRun* r) {
  r->Open();
  r->Put(0, 60);
  r->Close();
}
void PreparedWide(FaultRun* r) {
  r->Open();
  r->Put(0, 60, 1500);
  r->Checkpoint();
  r->Delete(0, 50);
  r->Close();
}
void PreparedCrash(FaultRun* r) {
  r->Open();
  r->Put(0, 30);
  r->Checkpoint();
  r->Put(10, 50, 60, 1);
  r->DeleteRange('f', 'm');
}

void PutOne(FaultRun* r) { r->Put(3, 4, 60, 1); }
void PutSome(FaultRun* r) { r->Put(100, 140, 200); }
void PutLong(FaultRun* r) { r->Put(100, 130, 1500); }
void PutOverflow(FaultRun* r) { r->Put(2, 4, 9000, 1); }
void PutLarge(FaultRun* r) { r->Put(2, 3, (1u << 20) + 5000, 1); }
void PutOnFull(FaultRun* r) { r->Put(0, 20, 1200, 9); }
void EraseRange(FaultRun* r) { r->DeleteRange('c', 'x'); }
void EraseAll(FaultRun* r) { r->Delete(0, 60); }
void PutIfs(FaultRun* r) {
  r->PutIf(ZKDB_OP_PUT_IF_ABSENT, 300, 1);
  r->PutIf(ZKDB_OP_PUT_IF_PRESENT, 3, 1);
}
void CommitTransaction(FaultRun* r) {
  r->Transact(
      {{{ZKDB_OP_PUT, FaultKey(1), "a"}, {ZKDB_OP_DELETE, FaultKey(20), ""}}, {{ZKDB_OP_PUT, FaultKey(11), "b"}}},
      true);
}
void AbortTransaction(FaultRun* r) {
  r->Transact({{{ZKDB_OP_PUT, FaultKey(1), "a"}, {ZKDB_OP_PUT, FaultKey(20), "b"}}}, false);
}
void CheckpointIt(FaultRun* r) { r->Checkpoint(); }
void CheckpointTwice(FaultRun* r) {
  r->Checkpoint();
  r->Put(0, 3, 60, 3);
  r->Checkpoint();
}
void SyncIt(FaultRun* r) { r->Sync(); }
void CloseIt(FaultRun* r) { r->Close(); }
void UseSnapshot(FaultRun* r) {
  r->OpenSnapshot();
  r->Put(0, 2, 60, 4);
  r->ReadSnapshot();
  r->CloseSnapshot();
}
void ReadThings(FaultRun* r) {
  r->ReadAll();
  r->OpenCursor(true);
  r->ReadCursor();
}
void CompactIt(FaultRun* r) { r->Compact(); }
void BackUp(FaultRun* r) { r->Backup(); }
void Examine(FaultRun* r) {
  r->Check();
  r->Figures();
}
void WriteInBackground(FaultRun* r) {
  for (int i = 0; i < 4; ++i) r->Put(0, 20, 500, i);
}

std::vector<MemoryWorkload> MakeTable() {
  const FaultShape one{1, false, ZKDB_DURABILITY_COMMIT}, three{3, false, ZKDB_DURABILITY_COMMIT};
  const FaultShape apart{3, true, ZKDB_DURABILITY_COMMIT}, none{1, false, ZKDB_DURABILITY_NONE};
  const auto make = [](const char* what, FaultShape shape, void (*prepare)(FaultRun*), void (*before)(FaultRun*),
                       void (*run)(FaultRun*)) {
    return MemoryWorkload{{what, shape, {}, prepare, false, run, false}, before};
  };
  std::vector<MemoryWorkload> all = {
      make("create", three, nullptr, nullptr, JustOpen),
      make("open", three, Prepared, nullptr, JustOpen),
      make("recover", one, PreparedCrash, nullptr, JustOpen),
      make("recover isolated", apart, PreparedCrash, nullptr, JustOpen),
      make("the first put", one, nullptr, JustOpen, PutOne),
      make("a put", one, Prepared, JustOpen, PutOne),
      make("a batch that splits pages", three, Prepared, JustOpen, PutSome),
      make("a batch over isolated partitions", apart, Prepared, JustOpen, PutSome),
      make("growth", one, Prepared, JustOpen, PutLong),
      make("overflow", one, Prepared, JustOpen, PutOverflow),
      make("a large record", one, Prepared, JustOpen, PutLarge),
      make("another log file", one, Prepared, OpenAndFill, PutOnFull),
      make("a spare log file", one, Prepared, OpenWithSpares, PutOnFull),
      make("a range delete", three, Prepared, JustOpen, EraseRange),
      make("deletes", one, Prepared, JustOpen, EraseAll),
      make("conditions", one, Prepared, JustOpen, PutIfs),
      make("a transaction", three, Prepared, JustOpen, CommitTransaction),
      make("an aborted transaction", three, Prepared, JustOpen, AbortTransaction),
      make("a checkpoint", three, Prepared, OpenAndChange, CheckpointIt),
      make("checkpoints that shrink", one, PreparedWide, OpenAndChange, CheckpointTwice),
      make("a checkpoint that recycles", one, Prepared, OpenAndRotate, CheckpointIt),
      make("a sync", none, Prepared, OpenAndChange, SyncIt),
      make("close", one, Prepared, OpenAndChange, CloseIt),
      make("close that shrinks", none, PreparedWide, OpenAndChange, CloseIt),
      make("a snapshot", one, Prepared, JustOpen, UseSnapshot),
      make("reads", three, Prepared, JustOpen, ReadThings),
      make("compaction", one, PreparedWide, JustOpen, CompactIt),
      make("a backup", one, Prepared, JustOpen, BackUp),
      make("check and figures", one, Prepared, JustOpen, Examine),
      make("background checkpoints", one, Prepared, JustOpen, WriteInBackground),
  };
  all.back().files.options = {{"MinCheckpointSize", "16K"}, {"CheckPoints", "Yes"}};
  return all;
}

int64_t OpenDescriptors() {
  const fs::directory_iterator all("/proc/self/fd");
  return std::distance(fs::begin(all), fs::end(all));
}

// What a run must not leave behind.
struct Held {
  int64_t blocks = AllocFault::live();
  int64_t descriptors = OpenDescriptors();
  bool operator==(const Held&) const = default;
};

// One run with one failure. Returns whether there was one; *good when everything held.
bool RunOnce(const MemoryWorkload& workload, const PreparedWorkload& prepared, const std::string& directory,
             uint64_t at, bool lasts, bool* good) {
  const std::string name =
      "memory: " + workload.files.Name() + ", allocation " + std::to_string(at) + (lasts ? " and all that follow" : "");
  const Held before;
  bool fired = false;
  {
    FaultRun run(TheEnv(), directory, workload.files.shape);
    prepared.Begin(&run, directory, name);
    run.ExpectCodes({ZKDB_NO_MEMORY, ZKDB_FAILED});
    run.SetFired([] { return AllocFault::fired(); });
    AllocFault::Arm(UINT64_MAX, false);
    if (workload.before != nullptr) workload.before(&run);
    AllocFault::Arm(at, lasts);
    workload.files.run(&run);
    AllocFault::Disarm();
    fired = AllocFault::fired();
    if (workload.CheckpointsInBackground()) run.Checkpoint();  // one under way may yet fail: this one waits for its end
    run.ExpectReads();
    if (run.failed()) {
      run.ExpectRefusal();
    } else if (run.is_open()) {
      run.ExpectWrites();
    }
    run.SetFired([] { return true; });  // a close after a failure says so
    run.Close();
    *good = run.ExpectReopens(TheEnv(), directory);
  }
  const Held after;
  if (after != before && at != UINT64_MAX) {
    *good = Fail(name.c_str(), 0,
                 "it leaks " + std::to_string(after.blocks - before.blocks) + " blocks and " +
                     std::to_string(after.descriptors - before.descriptors) + " descriptors");
  }
  return fired;
}

void FailEveryAllocation(const char* test, bool lasts) {
  Torture t(test, 1);
  TestThread();
  const FastDirectory base;
  const std::vector<MemoryWorkload> all = MakeTable();
  while (t.Next()) {
    for (const MemoryWorkload& workload : all) {
      const PreparedWorkload prepared(workload.files, base.path());
      if (!EXPECT(prepared.good())) return;
      bool good = true;
      // The first run fails nothing: what is made once and kept is there from then on.
      RunOnce(workload, prepared, base.path() + "/run", UINT64_MAX, false, &good);
      uint64_t at = 0;
      while (good && RunOnce(workload, prepared, base.path() + "/run", at, lasts, &good)) ++at;
      t.Figure("workloads", 1);
      t.Figure("allocations", at);
      if (!good) return;
    }
  }
}

}  // namespace

TEST(every_allocation_fails_once) { FailEveryAllocation("every_allocation_fails_once", false); }
TEST(every_allocation_fails_and_all_that_follow) {
  FailEveryAllocation("every_allocation_fails_and_all_that_follow", true);
}

}  // namespace zkdb::test
