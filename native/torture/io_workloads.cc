#include "torture/io_workloads.h"

#include "torture/fault_env.h"

namespace zkdb::test {
namespace {

namespace fs = std::filesystem;

// ---- what is there before

void Some(FaultRun* r) {
  r->Open();
  r->Put(0, 90);
  r->Close();
}

void Overflows(FaultRun* r) {
  r->Open();
  r->Put(0, 4, 9000);
  r->Close();
}

void MostlyFree(FaultRun* r) {
  r->Open();
  r->Put(0, 90, 1500);
  r->Checkpoint();
  r->DeleteRange('c', 'x');
  r->Delete(0, 40);
  r->Close();
}

// Left open: part in a checkpoint, part in the log alone.
void Interrupted(FaultRun* r) {
  r->Open();
  r->Put(0, 60);
  r->Checkpoint();
  r->Put(30, 80, 60, 1);
  r->DeleteRange('f', 'm');
  r->Delete(50, 60);
}

// Left open: several log files, the first of them retired.
void InterruptedLogs(FaultRun* r) {
  r->Open();
  for (int i = 0; i < 6; ++i) r->Put(i * 10, i * 10 + 20, 1200, i);
  r->Checkpoint();
  for (int i = 0; i < 6; ++i) r->Put(i * 10, i * 10 + 20, 1200, 6 + i);
}

// ---- what is done

void Create(FaultRun* r) {
  r->Open();
  r->Put(0, 20);
  r->Close();
}

void OpenAndRead(FaultRun* r) {
  r->Open();
  r->ReadAll();
  r->Close();
}

void SinglePuts(FaultRun* r) {
  r->Open();
  r->PutEach(0, 4, 60, 1);
  r->PutEach(200, 203);
  r->Close();
}

void Overwrite(FaultRun* r) {
  r->Open();
  r->Put(0, 60, 80, 1);
  r->Put(0, 60, 40, 2);
  r->ReadAll();
  r->Close();
}

void Deletes(FaultRun* r) {
  r->Open();
  r->Delete(0, 50);
  r->Checkpoint();
  r->Delete(50, 90);
  r->Close();
}

void RangeDeletes(FaultRun* r) {
  r->Open();
  r->DeleteRange('d', 't');
  r->Put(20, 30);
  r->DeleteRange('a', 'z');
  r->Close();
}

void Conditions(FaultRun* r) {
  r->Open();
  r->PutIf(ZKDB_OP_PUT_IF_ABSENT, 5, 1);
  r->PutIf(ZKDB_OP_PUT_IF_ABSENT, 300, 1);
  r->PutIf(ZKDB_OP_PUT_IF_PRESENT, 6, 1);
  r->PutIf(ZKDB_OP_PUT_IF_PRESENT, 301, 1);
  r->Close();
}

void Expiring(FaultRun* r) {
  r->Open();
  std::vector<FaultOp> ops;
  for (int i = 0; i < 60; ++i) {
    ops.push_back({ZKDB_OP_PUT, FaultKey(i), FaultValue(i, i % 20 == 3 ? 3000 : 60, 1), i % 3 == 0 ? kEnded : kNotYet});
  }
  r->Write(ops);
  // One by one: of a batch that is not atomic, a part may be done that changes nothing that is seen.
  r->Write({{ZKDB_OP_EXPIRE, FaultKey(1), "", kEnded}});
  r->Write({{ZKDB_OP_EXPIRE, FaultKey(2), "", 0}});
  r->Write({{ZKDB_OP_EXPIRE, FaultKey(3), "", kNotYet}});
  r->Write({{ZKDB_OP_EXPIRE, FaultKey(70), "", kNotYet}});
  r->Write({{ZKDB_OP_EXPIRE, FaultKey(300), "", kNotYet}});
  r->Sweep();
  r->Checkpoint();
  r->DeleteRange('d', 'p');
  r->Sweep();
  r->Close();
}

void OverflowValues(FaultRun* r) {
  r->Open();
  r->Put(0, 3, 20000, 1);
  r->Write({{ZKDB_OP_PUT, "key" + std::string(6000, 'x'), std::string(5000, 'y')}});
  r->Checkpoint();
  r->Put(1, 4, 9000, 2);
  r->Delete(0, 2);
  r->Close();
}

void LargeRecord(FaultRun* r) {
  r->Open();
  r->Put(0, 1);
  r->Put(1, 2, (1u << 20) + 5000);
  r->Put(2, 3);
  r->Close();
}

void Transactions(FaultRun* r) {
  r->Open();
  r->Transact({{{ZKDB_OP_PUT, FaultKey(1), "a"}, {ZKDB_OP_DELETE, FaultKey(2), ""}},
               {{ZKDB_OP_PUT, FaultKey(400), std::string(6000, 'b')}, {ZKDB_OP_PUT, FaultKey(1), "c"}}},
              true);
  r->Transact({{{ZKDB_OP_DELETE_RANGE, FaultKey(0), FaultKey(80)}}}, false);
  r->Transact({{{ZKDB_OP_PUT, FaultKey(3), "d"}}}, true);
  r->Close();
}

void Checkpoints(FaultRun* r) {
  r->Open();
  r->Put(0, 40, 100, 1);
  r->Checkpoint();
  r->Checkpoint();
  r->Put(20, 70, 100, 2);
  r->Checkpoint();
  r->Put(0, 5, 100, 3);
  r->Close();
}

void Growth(FaultRun* r) {
  r->Open();
  r->Put(100, 150, 1500);
  r->Put(150, 200, 1500);
  r->Checkpoint();
  r->Put(200, 250, 1500);
  r->Close();
}

void Shrink(FaultRun* r) {
  r->Open();
  r->Delete(0, 90);
  r->Checkpoint();
  r->Checkpoint();
  r->Put(0, 10);
  r->Close();
}

void LogRotation(FaultRun* r) {
  r->Open();
  for (int i = 0; i < 5; ++i) r->Put(0, 20, 1200, i);
  r->Checkpoint();
  for (int i = 0; i < 5; ++i) r->Put(0, 20, 1200, i);
  r->Checkpoint();
  r->Put(0, 20, 1200, 9);
  r->Close();
}

void Snapshots(FaultRun* r) {
  r->Open();
  r->OpenSnapshot();
  r->Put(0, 60, 70, 1);
  r->Checkpoint();
  r->Put(0, 60, 70, 2);
  r->ReadSnapshot();
  r->CloseSnapshot();
  r->Put(0, 60, 70, 3);
  r->Close();
}

void Scans(FaultRun* r) {
  r->Open();
  r->OpenCursor(false);
  r->Put(0, 60, 70, 1);
  r->ReadCursor();
  r->OpenCursor(true);
  r->Delete(0, 60);
  r->Checkpoint();
  r->ReadCursor();
  r->Close();
}

void BackUp(FaultRun* r) {
  r->Open();
  r->Put(90, 100);
  r->Backup();
  r->Put(100, 105);
  r->Close();
}

void CompactIt(FaultRun* r) {
  r->Open();
  r->Put(0, 10, 60, 1);
  r->Compact();
  r->Close();
}

void Recover(FaultRun* r) {
  r->Open();
  r->ReadAll();
  r->Close();
}

void RecoverAndWrite(FaultRun* r) {
  r->Open();
  r->Put(0, 30, 50, 5);
  r->Checkpoint();
  r->Put(10, 20, 50, 6);
  r->Close();
}

void Syncs(FaultRun* r) {
  r->Open();
  r->Put(0, 20, 60, 1);
  r->Sync();
  r->PutEach(20, 24, 60, 1);
  r->Sync();
  r->Close();
}

void Background(FaultRun* r) {
  r->Open();
  for (int i = 0; i < 4; ++i) r->Put(0, 40, 500, i);
  r->Sync();
  r->Put(0, 40, 500, 7);
  r->Close();
}

void ReadOnly(FaultRun* r) {
  r->Open();
  r->ReadAll();
  r->Check();
  r->Close();
}

void CheckAndMeasure(FaultRun* r) {
  r->Open();
  r->Check();
  r->Figures();
  r->Put(0, 3);
  r->Check();
  r->Figures();
  r->Close();
}

void TwoLives(FaultRun* r) {
  r->Open();
  r->Put(0, 30, 60, 1);
  r->Close();
  r->Open();
  r->Put(10, 40, 60, 2);
  r->Close();
}

// ---- the table

constexpr zkdb_durability kCommit = ZKDB_DURABILITY_COMMIT;
constexpr zkdb_durability kInterval = ZKDB_DURABILITY_INTERVAL;
constexpr zkdb_durability kNone = ZKDB_DURABILITY_NONE;

const char* NameOf(zkdb_durability d) { return d == kCommit ? "commit" : d == kInterval ? "interval" : "none"; }

std::vector<IoWorkload> MakeTable() {
  std::vector<IoWorkload> all;
  const auto add = [&all](const char* what, void (*prepare)(FaultRun*), bool crashes, void (*run)(FaultRun*),
                          const std::vector<FaultShape>& shapes, const OptionList& more = {}) {
    for (const FaultShape& shape : shapes) all.push_back({what, shape, more, prepare, crashes, run, false});
  };
  const FaultShape one{1, false, kCommit}, one_interval{1, false, kInterval}, one_none{1, false, kNone};
  const FaultShape three{3, false, kCommit}, three_interval{3, false, kInterval}, three_none{3, false, kNone};
  const FaultShape apart{3, true, kCommit}, apart_interval{3, true, kInterval}, apart_none{3, true, kNone};
  const FaultShape many{16, false, kCommit};
  add("create", nullptr, false, Create, {one, three_interval, apart, many});
  add("open and read", Some, false, OpenAndRead, {one, apart});
  add("single puts", Some, false, SinglePuts, {three_interval, apart_none});
  add("overwrite", Some, false, Overwrite, {one, apart_interval});
  add("deletes", Some, false, Deletes, {one_interval, one_none});
  add("range deletes", Some, false, RangeDeletes, {three_none, apart});
  add("conditions", Some, false, Conditions, {one, three_interval});
  add("records that expire", Some, false, Expiring, {one, three_interval, apart_none});
  add("overflow values", Overflows, false, OverflowValues, {one, apart_interval});
  add("a large record", nullptr, false, LargeRecord, {one, one_none});
  add("transactions", Some, false, Transactions, {one, three, three_none});
  add("checkpoints", Some, false, Checkpoints, {one, three_interval, apart});
  add("growth", nullptr, false, Growth, {one, one_none, apart});
  add("shrink", MostlyFree, false, Shrink, {one, three});
  add("log rotation", nullptr, false, LogRotation, {one, three_none, apart_interval});
  add("snapshots", Some, false, Snapshots, {one, three_interval});
  add("scans", Some, false, Scans, {one, apart});
  add("backup", Some, false, BackUp, {one, three});
  add("compact", MostlyFree, false, CompactIt, {one, three_interval});
  add("recovery", Interrupted, true, Recover, {one, three, apart});
  add("recovery and writes", Interrupted, true, RecoverAndWrite, {one_interval, three, apart_none});
  add("recovery of several logs", InterruptedLogs, true, Recover, {one, apart_interval});
  add("syncs", Some, false, Syncs, {one_none, apart_none});
  add("background checkpoints", Some, false, Background, {one, three_none},
      {{"MinCheckpointSize", "16K"}, {"CheckPoints", "Yes"}});
  add("read only", Some, false, ReadOnly, {one, three}, {{"ReadOnly", "Yes"}});
  add("check and figures", Some, false, CheckAndMeasure, {three});
  add("two lives", nullptr, false, TwoLives, {one, apart});
  all.push_back({"a new directory", one, {}, nullptr, false, Create, true});
  return all;
}

void SetOptions(const IoWorkload& workload, FaultRun* run, bool prepares) {
  run->set_option("SegmentSize", workload.segment_size);
  run->set_option("LogFileSize", "64K");
  run->set_option("Durability", NameOf(prepares ? kCommit : workload.shape.durability));
  run->set_option("SyncInterval", "1000");
  if (prepares || workload.options.empty() || std::string_view(workload.options[0].first) == "ReadOnly") {
    run->set_option("CheckPoints", "No");
  }
  if (prepares) return;
  for (const auto& [name, value] : workload.options) run->set_option(name, value);
}

}  // namespace

std::string IoWorkload::Name() const {
  return std::string(what) + " (" + std::to_string(shape.partitions) + (shape.isolated ? " isolated, " : ", ") +
         NameOf(shape.durability) + ")";
}

const std::vector<IoWorkload>& IoWorkloads() {
  static const std::vector<IoWorkload> all = MakeTable();
  return all;
}

PreparedWorkload::PreparedWorkload(const IoWorkload& workload, const std::string& base)
    : workload_(workload), files_(base + "/prepared") {
  fs::remove_all(files_);
  const std::string live = base + "/live";
  fs::remove_all(live);
  fs::create_directories(live);
  if (!workload.plain_directory) MakeShape(live, workload.shape.partitions, workload.shape.isolated);
  FaultShape durable = workload.shape;
  durable.durability = kCommit;
  FaultRun run(TheLeanEnv(), live, durable);
  histories_.resize(workload.shape.isolated ? workload.shape.partitions : 1);
  run.Begin(histories_, workload.Name() + ", prepared");
  SetOptions(workload, &run, true);
  if (workload.prepare != nullptr) workload.prepare(&run);
  histories_ = run.Settled();
  run.CopyTo(files_);
  run.Close();
  good_ = run.quiet();
}

void PreparedWorkload::Begin(FaultRun* run, const std::string& directory, const std::string& name) const {
  fs::remove_all(directory);
  fs::copy(files_, directory, fs::copy_options::recursive);
  SetOptions(workload_, run, false);
  run->Begin(histories_, name);
}

}  // namespace zkdb::test
