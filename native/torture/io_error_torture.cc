// Every I/O call of the workloads fails once: with EIO, with ENOSPC, in the middle of a write; and from each call on
// everything fails, or whatever needs room does.
#include "torture/alloc_fault.h"
#include "torture/fault_env.h"
#include "torture/io_workloads.h"
#include "torture/posix_fault.h"
#include "torture/torture.h"

namespace zkdb::test {
namespace {

// What one failure must leave behind, whichever it was.
void ExpectAftermath(FaultEnv* env, FaultRun* run, Fault fault) {
  const bool was_failed = run->failed();
  run->ExpectReads();
  if (was_failed) run->ExpectRefusal();
  env->Heal();
  if (was_failed) run->ExpectRefusal();
  const std::string call = env->failed_call();
  const bool made = call == "Create" || call == "Allocate" || call == "CreateDirectory" || call == "LockNew";
  if (IsSpaceFault(fault) && made && run->is_open()) {
    if (run->failed()) Fail(env->what().c_str(), 0, "a full disk is a failure for good");
    run->ExpectWrites();
  }
}

// A configuration file that cannot be read is ZKDB_CONFIG, whatever the reason.
std::set<zkdb_code> CodesOf(Fault fault) {
  if (IsSpaceFault(fault)) return {ZKDB_NO_SPACE, ZKDB_FAILED};
  return {ZKDB_IO, ZKDB_FAILED, ZKDB_CONFIG};
}

// Runs the workload with one failure. `copies`: it ends as a killed process does, else by closing.
bool RunOnce(const PreparedWorkload& prepared, const IoWorkload& workload, const std::string& base, Fault fault,
             uint64_t at, bool copies, Torture* t) {
  FaultEnv env;
  FaultRun run(&env, base + "/run", workload.shape);
  const std::string name = workload.Name() + ", " + NameOf(fault) + " at call " + std::to_string(at);
  prepared.Begin(&run, base + "/run", name);
  run.ExpectCodes(CodesOf(fault));
  run.SetFired([&env] { return env.fired(); });
  run.SetOpening([&env] { env.Forget(); });
  env.Arm(fault, at);
  workload.run(&run);
  ExpectAftermath(&env, &run, fault);
  if (copies) run.CopyTo(base + "/copy");
  run.Close();
  if (run.is_open() || !run.quiet()) std::fprintf(stderr, "  failed: %s\n", env.what().c_str());
  if (!env.violations().empty()) Fail(name.c_str(), 0, env.violations());
  env.Forget();
  t->Figure(env.fired() ? std::string("failed_") + NameOf(fault) : "not_reached", 1);
  const bool good = run.ExpectReopens(TheLeanEnv(), base + (copies ? "/copy" : "/run"));
  if (!good) std::fprintf(stderr, "  failed call: %s\n", env.what().c_str());
  return good && env.violations().empty();
}

// The names of the workload's calls when nothing fails.
std::vector<std::string> Calls(const PreparedWorkload& prepared, const IoWorkload& workload, const std::string& base) {
  FaultEnv env;
  FaultRun run(&env, base + "/run", workload.shape);
  prepared.Begin(&run, base + "/run", workload.Name());
  env.Arm(Fault::kNone, 0);
  workload.run(&run);
  std::vector<std::string> calls = env.Trace();
  run.ExpectReopens(TheLeanEnv(), base + "/run");
  return calls;
}

// A short run makes one of the two kinds of short write of each call, and a disk die at a sixth of the calls.
bool Chosen(const Torture& t, Fault fault, uint64_t at) {
  if (t.is_long()) return true;
  if (fault == Fault::kDeadDisk) return (at + t.seed()) % 6 == 0;
  if (fault == Fault::kShortIo) return (at + t.seed()) % 2 == 0;
  return fault != Fault::kShortNoSpace || (at + t.seed()) % 2 == 1;
}

void FailEveryCall(const char* test, size_t part, size_t parts) {
  Torture t(test, 1);
  const FastDirectory base;
  const std::vector<IoWorkload>& all = IoWorkloads();
  while (t.Next()) {
    for (size_t w = part; w < all.size(); w += parts) {
      const PreparedWorkload prepared(all[w], base.path());
      if (!EXPECT(prepared.good())) return;
      const std::vector<std::string> calls = Calls(prepared, all[w], base.path());
      t.Figure("workloads", 1);
      t.Figure("calls", calls.size());
      for (const Fault fault : kFaults) {
        for (uint64_t at = 0; at < calls.size(); ++at) {
          if (!FaultEnv::Applies(fault, calls[at]) || !Chosen(t, fault, at)) continue;
          const bool copies = (at + static_cast<uint64_t>(fault) + t.round() + t.seed()) % 2 == 0;
          if (!RunOnce(prepared, all[w], base.path(), fault, at, copies, &t)) return;
        }
      }
    }
  }
}

}  // namespace

// Nothing of what a signal or a short transfer does to a system call is seen above Env.
TEST(interrupted_and_short_system_calls_are_finished) {
  Torture t("interrupted_and_short_system_calls_are_finished", 1);
  if (!PosixFaults::Available()) return;
  TestThread();
  const FastDirectory base;
  while (t.Next()) {
    for (const IoWorkload& workload : IoWorkloads()) {
      const PreparedWorkload prepared(workload, base.path());
      for (const PosixFault fault : {PosixFault::kInterrupts, PosixFault::kShort}) {
        FaultRun run(TheLeanEnv(), base.path() + "/run", workload.shape);
        prepared.Begin(&run, base.path() + "/run", workload.Name() + ", interrupted or short");
        PosixFaults::Arm(fault);
        workload.run(&run);
        run.Close();
        PosixFaults::Disarm();
        t.Figure(fault == PosixFault::kShort ? "short" : "interrupted", PosixFaults::injected());
        if (!run.ExpectReopens(TheLeanEnv(), base.path() + "/run")) return;
      }
    }
  }
}

// A sync that was interrupted may have lost the error of what it was to write: it is a failed one.
TEST(an_interrupted_sync_is_a_failed_one_and_not_repeated) {
  Torture t("an_interrupted_sync_is_a_failed_one_and_not_repeated", 1);
  if (!PosixFaults::Available()) return;
  TestThread();
  const FastDirectory base;
  const std::vector<IoWorkload>& all = IoWorkloads();
  while (t.Next()) {
    for (size_t w = t.seed() % 2; w < all.size(); w += t.is_long() ? 1 : 2) {
      const PreparedWorkload prepared(all[w], base.path());
      for (uint64_t at = 0;; ++at) {
        FaultRun run(TheLeanEnv(), base.path() + "/run", all[w].shape);
        const std::string name = all[w].Name() + ", EINTR at sync " + std::to_string(at);
        prepared.Begin(&run, base.path() + "/run", name);
        run.ExpectCodes({ZKDB_IO, ZKDB_FAILED});
        run.SetFired([] { return PosixFaults::injected() > 0; });
        run.SetOpening(PosixFaults::Forget);
        PosixFaults::Arm(PosixFault::kInterruptedSync, at);
        all[w].run(&run);
        run.ExpectReads();
        run.Close();
        PosixFaults::Disarm();
        if (PosixFaults::repeated() > 0) Fail(name.c_str(), 0, "a file is synced again");
        if (!run.ExpectReopens(TheLeanEnv(), base.path() + "/run")) return;
        if (PosixFaults::injected() == 0) break;
        t.Figure("syncs", 1);
      }
    }
  }
}

TEST(every_io_call_fails_once_first_third) { FailEveryCall("every_io_call_fails_once_first_third", 0, 3); }
TEST(every_io_call_fails_once_second_third) { FailEveryCall("every_io_call_fails_once_second_third", 1, 3); }
TEST(every_io_call_fails_once_last_third) { FailEveryCall("every_io_call_fails_once_last_third", 2, 3); }

}  // namespace zkdb::test
