// Random operations through zkdb.h against an ordered map, in every shape: the smallest pages, segments and logs, so
// that pages split and merge, keys and values overflow, files grow and are cut all the time. Each round runs in a child
// process: a failure, also an abort or a crash, is shrunk to a short list of operations and printed.
//
// ZKDB_SEED replays a run, ZKDB_SHRINK_SECONDS bounds the shrinking. 2,000,000 operations in the short runs of all
// tests together.
#include <sys/mman.h>

#include <cstdio>

#include "torture/model_run.h"
#include "torture/shrink.h"
#include "torture/torture.h"

namespace zkdb::test {
namespace {

constexpr uint32_t kSecondsOfARound = 600;  // longer is a hang

class SharedReport {
 public:
  SharedReport()
      : memory_(mmap(nullptr, sizeof(ModelReport), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  ~SharedReport() { munmap(memory_, sizeof(ModelReport)); }
  SharedReport(const SharedReport&) = delete;
  SharedReport& operator=(const SharedReport&) = delete;
  ModelReport* get() const { return static_cast<ModelReport*>(memory_); }

 private:
  void* memory_;
};

// Runs the plan in a child process. A child that dies gives a report that is failed and says how.
ModelReport RunApart(const ModelPlan& plan, const std::string& directory) {
  const SharedReport shared;
  ModelReport* const report = new (shared.get()) ModelReport;
  std::filesystem::remove_all(directory);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    alarm(kSecondsOfARound);
    ModelRun(plan, directory, report).Run();
    std::exit(0);
  }
  int status = 0;
  const bool waited = child > 0 && waitpid(child, &status, 0) == child;
  ModelReport result = *report;
  if (result.failed || (waited && result.finished && WIFEXITED(status) && WEXITSTATUS(status) == 0)) return result;
  result.failed = true;
  const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  std::snprintf(result.message, sizeof result.message, "the process ended with signal %d, exit code %d", signal,
                WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  return result;
}

// Prints the failure and the shortest list of operations that still fails.
void ReportFailure(const char* name, ModelPlan plan, const ModelReport& report, const std::string& directory) {
  Fail(__FILE__, __LINE__,
       std::string(name) + ": operation " + std::to_string(report.step) + " of " +
           std::to_string(plan.operations.size()) + ": " + report.message);
  const auto seconds = static_cast<uint32_t>(EnvNumber("ZKDB_SHRINK_SECONDS", 120));
  if (seconds == 0) return;
  ModelReport last = report;
  const auto fails = [&](const std::vector<Step>& steps) {
    plan.operations = steps;
    const ModelReport tried = RunApart(plan, directory);
    if (tried.failed) last = tried;
    return tried.failed;
  };
  std::vector<Step> steps = plan.operations;
  const size_t length = std::min<size_t>(steps.size(), report.step + 1);
  std::vector<Step> head(steps.begin(), steps.begin() + static_cast<ptrdiff_t>(length));
  if (fails(head)) steps = std::move(head);
  steps = Shrink(std::move(steps), fails, seconds);
  std::fprintf(stderr, "%zu operations are left, which fail with: %s\n", steps.size(), last.message);
  for (size_t i = 0; i < steps.size() && i < 200; ++i) std::fprintf(stderr, "  %s\n", Describe(plan, steps[i]).c_str());
}

void Run(const char* name, uint64_t rounds, const std::vector<ModelShape>& shapes) {
  Torture t(name, rounds);
  const std::string directory = TempDirectory() + "/model";
  uint64_t segments_max = 0;
  uint64_t depth_max = 0;
  uint64_t shrunk = 0;
  while (t.Next()) {
    const ModelShape& shape = shapes[t.round() % shapes.size()];
    const ModelPlan plan = MakePlan(shape, t.seed() * 1000003 + t.round());
    const ModelReport report = RunApart(plan, directory);
    t.Figure("operations", report.step);
    t.Figure("commits", report.commits);
    t.Figure("records_compared", report.records_compared);
    if (report.failed) return ReportFailure(name, plan, report, directory);
    segments_max = std::max(segments_max, report.segments_max);
    depth_max = std::max(depth_max, report.depth_max);
    shrunk += report.segments_shrunk;
  }
  // The shapes do what they are for: files grow beyond one segment and are cut again, trees have branches.
  t.Figure("segments_shrunk", shrunk);
  t.Figure("segments_max", segments_max);
  EXPECT(segments_max > 1 && depth_max > 1 && shrunk > 0);
}

TEST(one_partition_behaves_like_an_ordered_map) {
  Run("one_partition_behaves_like_an_ordered_map", 24, {{.partitions = 1}, {.partitions = 1, .keys = 900}});
}

TEST(three_text_partitions_behave_like_an_ordered_map) {
  Run("three_text_partitions_behave_like_an_ordered_map", 20, {{.partitions = 3}});
}

TEST(sixteen_hashed_partitions_behave_like_an_ordered_map) {
  Run("sixteen_hashed_partitions_behave_like_an_ordered_map", 20, {{.partitions = 16, .rare = 6000}});
}

TEST(many_hashed_partitions_behave_like_an_ordered_map) {
  Run("many_hashed_partitions_behave_like_an_ordered_map", 4, {{.partitions = 256, .rare = 25000}});
}

TEST(isolated_partitions_behave_like_an_ordered_map) {
  Run("isolated_partitions_behave_like_an_ordered_map", 8,
      {{.partitions = 1, .isolated = true},
       {.partitions = 3, .isolated = true},
       {.partitions = 16, .isolated = true, .rare = 8000},
       {.partitions = 3, .isolated = true}});
}

TEST(large_pages_behave_like_an_ordered_map) {
  Run("large_pages_behave_like_an_ordered_map", 4,
      {{.partitions = 1, .page_size = "16384"},
       {.partitions = 16, .page_size = "65536"},
       {.partitions = 3, .page_size = "8192"}});
}

// Each commit is followed by a check of the trees that it changed.
TEST(every_commit_leaves_sound_trees) {
  Run("every_commit_leaves_sound_trees", 2, {{.partitions = 3, .verify_all = true, .operations = 5000, .keys = 300}});
}

}  // namespace
}  // namespace zkdb::test
