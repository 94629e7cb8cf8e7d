// kill -9: a child process writes and says over a pipe what was acknowledged, until it is killed in the middle of a
// phase that it announces. The next child opens what is left and compares it, to the last byte, before it goes on.
// A kill that comes before it has compared is a kill in the recovery.
//
// Oracle: the state after batch n is a function of n. What is found is the state after some batch: not before the last
// acknowledged one (nothing lost), not after the one that was under way (nothing invented), the same one in every
// partition (nothing half).
#include <poll.h>

#include <chrono>
#include <cstdint>

#include "torture/torture.h"

namespace zkdb::test {
namespace {

enum class Phase { kLoad, kCheckpoint, kGrowth, kRangeDelete, kRecovery };

struct Plan {
  const char* test;
  Phase phase;
  uint32_t partitions;
  bool isolated;
  const char* durability;
};

// What a child says: a tag and a number, written at once.
struct Message {
  uint64_t tag;
  uint64_t number;
};
constexpr uint64_t kEnters = 'E';  // the phase that it is to be killed in; number: how often before
constexpr uint64_t kLeaves = 'L';
constexpr uint64_t kFound = 'F';         // compared what it opened: the state after batch `number`
constexpr uint64_t kAcknowledged = 'A';  // batch `number`

// ---- the batches

constexpr uint64_t kGrowthValue = 30000;  // bytes: every other batch needs a new segment
constexpr uint64_t kRangeKeys = 40;       // put by one batch

std::string MadeKey(uint64_t n) {
  return "m" + std::string(1, static_cast<char>('a' + n % 26)) + "-" + std::to_string(1000 + n % 997);
}

// So many batches on, everything is deleted. What grows does so for longer: it would go on in the space that was freed.
uint64_t CycleOf(Phase phase) { return phase == Phase::kGrowth ? 600 : 60; }

// An operation with its effect on the model.
class Step {
 public:
  Step(BatchBytes* batch, Model* model) : batch_(batch), model_(model) {}
  void Put(const std::string& key, const std::string& value) {
    if (batch_ != nullptr) batch_->Put(key, value);
    if (model_ != nullptr) (*model_)[key] = value;
  }
  void Delete(const std::string& key) {
    if (batch_ != nullptr) batch_->Delete(key);
    if (model_ != nullptr) model_->erase(key);
  }
  void DeleteRange(const std::string& lo, const std::string& hi) {
    if (batch_ != nullptr) batch_->Add(ZKDB_OP_DELETE_RANGE, lo, hi, ZKDB_RANGE_HAS_HI);
    if (model_ != nullptr) model_->erase(model_->lower_bound(lo), model_->lower_bound(hi));
  }

 private:
  BatchBytes* batch_;
  Model* model_;
};

bool DeletesRange(uint64_t n) { return n % 3 == 0; }

void BatchOf(Phase phase, uint64_t n, Step step) {
  if (n % CycleOf(phase) == 0) step.DeleteRange("m", "n");
  if (phase == Phase::kGrowth) {
    step.Put(MadeKey(n), std::string(kGrowthValue + n % 100, static_cast<char>('a' + n % 26)));
  } else if (phase == Phase::kRangeDelete) {
    for (uint64_t i = 0; i < kRangeKeys; ++i) {
      step.Put(MadeKey(n * 7 + i * 13), std::string(60 + i, static_cast<char>('a' + n % 26)));
    }
    const std::string lo = MadeKey(n % 20);
    if (DeletesRange(n)) step.DeleteRange(lo, lo.substr(0, 1) + std::string(1, static_cast<char>(lo[1] + 5)));
  } else {
    step.Put(MadeKey(n), std::string(n % 10 == 0 ? 30000 : 150 + n % 300, static_cast<char>('a' + n % 26)));
    if (n >= 8) step.Delete(MadeKey(n - 8));
  }
}

// What the database holds after batches 1..n, the counters left out.
Model StateAfter(Phase phase, uint64_t n) {
  Model model;
  for (uint64_t m = n - n % CycleOf(phase); m <= n; ++m) {
    if (m > 0) BatchOf(phase, m, Step(nullptr, &model));
  }
  return model;
}

// ---- the child

OptionList Options(const Plan& plan) {
  // Recovery is to be long enough to be hit: its log is not cut short by checkpoints.
  const char* checkpoint = plan.phase == Phase::kRecovery ? "4M" : "64K";
  return {{"Durability", plan.durability},
          {"MinCheckpointSize", checkpoint},
          {"LogFileSize", "64K"},
          {"SegmentSize", "64K"},
          {"SyncInterval", "5"}};
}

// A database as both processes look at it.
class Patient {
 public:
  Patient(const Plan& plan, const std::string& path) : plan_(plan), path_(path) {}

  bool Open() {
    if (db_.Open(path_, Options(plan_)) != ZKDB_OK) return Complain("cannot be opened: " + db_.message());
    // A key in every partition that says which batch was the last one there.
    for (uint32_t i = 0; counters_.size() < plan_.partitions; ++i) {
      const std::string key = "k" + std::string(1, static_cast<char>('a' + i % 26)) + "-counter " + std::to_string(i);
      counters_.emplace(zkdb_partition_of(db_.get(), key.data(), key.size()), key);
    }
    return true;
  }

  // Compares everything with the oracle; *last is the batch that was found.
  bool Compare(uint64_t acknowledged, uint64_t* last) {
    const std::string findings = db_.Check();
    if (!findings.empty()) return Complain("the check finds: " + findings);
    uint64_t lowest = UINT64_MAX;
    uint64_t highest = 0;
    std::map<uint32_t, uint64_t> counts;
    for (const auto& [partition, key] : counters_) {
      const uint64_t count = std::strtoull(db_.Get(key).value_or("0").c_str(), nullptr, 10);
      counts[partition] = count;
      lowest = std::min(lowest, count);
      highest = std::max(highest, count);
    }
    const std::string found = "batches " + std::to_string(lowest) + " to " + std::to_string(highest) + " found, " +
                              std::to_string(acknowledged) + " was acknowledged";
    const bool loses = std::string_view(plan_.durability) == "none";
    if (!loses && lowest < acknowledged) return Complain("lost: " + found);
    if (highest > acknowledged + 1) return Complain("invented: " + found);
    if (lowest != highest && !plan_.isolated) return Complain("half: " + found);
    *last = highest;
    return CompareRecords(counts, found);
  }

  bool Write(uint64_t n) {
    BatchBytes batch;
    for (const auto& [partition, key] : counters_) batch.Put(key, std::to_string(n));
    BatchOf(plan_.phase, n, Step(&batch, nullptr));
    if (db_.Write(batch, ZKDB_DURABILITY_DEFAULT, ZKDB_WRITE_NON_ATOMIC) == ZKDB_OK) return true;
    return Complain("batch " + std::to_string(n) + " cannot be written: " + db_.message());
  }

  TestDb* db() { return &db_; }

 private:
  bool Complain(const std::string& what) {
    std::fprintf(stderr, "%s: %s\n", plan_.test, what.c_str());
    return false;
  }

  // The records of each partition are those after the batch that its counter names.
  bool CompareRecords(const std::map<uint32_t, uint64_t>& counts, const std::string& found) {
    Model all = db_.All();
    for (const auto& [partition, key] : counters_) all.erase(key);
    Model expected;
    std::map<uint64_t, Model> states;
    for (const auto& [partition, count] : counts) {
      if (!states.contains(count)) states[count] = StateAfter(plan_.phase, count);
    }
    for (const auto& [count, state] : states) {
      for (const auto& [key, value] : state) {
        if (counts.at(zkdb_partition_of(db_.get(), key.data(), key.size())) == count) expected[key] = value;
      }
    }
    return all == expected || Complain("wrong records: " + found);
  }

  const Plan plan_;
  const std::string path_;
  TestDb db_;
  std::map<uint32_t, std::string> counters_;  // by partition
};

void Say(uint64_t tag, uint64_t number) {
  const Message message = {tag, number};
  if (write(STDOUT_FILENO, &message, sizeof message) != sizeof message) _exit(5);
}

// Writes batch after batch, and enters the plan's phase again and again.
void WorkUntilKilled(const Plan& plan, Patient* patient, uint64_t n) {
  for (uint64_t entered = 0;; ++n) {
    const bool enters = plan.phase == Phase::kRangeDelete ? DeletesRange(n) : plan.phase != Phase::kCheckpoint;
    if (enters) Say(kEnters, entered);
    if (!patient->Write(n)) _exit(4);
    if (enters) Say(kLeaves, entered++);
    Say(kAcknowledged, n);
    if (plan.phase != Phase::kCheckpoint || n % 3 != 0) continue;
    Say(kEnters, entered);
    if (zkdb_checkpoint(patient->db()->get(), nullptr) != ZKDB_OK) _exit(6);
    Say(kLeaves, entered++);
  }
}

TEST(a_child_works_until_it_is_killed) {
  const char* path = std::getenv("ZKDB_CHILD_PATH");
  const char* durability = std::getenv("ZKDB_CHILD_DURABILITY");
  if (path == nullptr || durability == nullptr) return;
  const Plan plan = {"the child", static_cast<Phase>(EnvNumber("ZKDB_CHILD_PHASE", 0)),
                     static_cast<uint32_t>(EnvNumber("ZKDB_CHILD_PARTITIONS", 1)),
                     EnvNumber("ZKDB_CHILD_ISOLATED", 0) != 0, durability};
  Patient patient(plan, path);
  uint64_t last = 0;
  if (plan.phase == Phase::kRecovery) Say(kEnters, 0);
  if (!patient.Open() || !patient.Compare(EnvNumber("ZKDB_CHILD_ACKNOWLEDGED", 0), &last)) _exit(3);
  if (plan.phase == Phase::kRecovery) Say(kLeaves, 0);
  // What an isolated partition did not get of the last batch it gets now.
  if (plan.isolated && last > 0 && !patient.Write(last)) _exit(4);
  Say(kFound, last);
  if (plan.phase != Phase::kRecovery) WorkUntilKilled(plan, &patient, last + 1);
  for (uint64_t n = last + 1;; ++n) {
    if (!patient.Write(n)) _exit(4);
    Say(kAcknowledged, n);
  }
}

// ---- the parent

// What the parent knows from what the child said.
class Listener {
 public:
  explicit Listener(int fd) : fd_(fd) {}
  ~Listener() { close(fd_); }

  // Reads what is there, waiting at most `ms` for the first byte; false at the end of the pipe or when nothing came.
  bool Read(int ms) {
    pollfd ready = {fd_, POLLIN, 0};
    if (poll(&ready, 1, ms) <= 0) return false;
    char buffer[4096];
    const ssize_t n = read(fd_, buffer, sizeof buffer);
    if (n <= 0) return false;
    bytes_.append(buffer, static_cast<size_t>(n));
    for (; bytes_.size() - used_ >= sizeof(Message); used_ += sizeof(Message)) {
      Message message;
      std::memcpy(&message, bytes_.data() + used_, sizeof message);
      Take(message);
    }
    return true;
  }

  uint64_t entered = 0;  // how often the phase was entered and left
  uint64_t left = 0;
  std::optional<uint64_t> found;
  std::optional<uint64_t> acknowledged;

 private:
  void Take(const Message& message) {
    if (message.tag == kEnters) entered = message.number + 1;
    if (message.tag == kLeaves) left = message.number + 1;
    if (message.tag == kFound) found = message.number;
    if (message.tag == kAcknowledged) acknowledged = message.number;
  }

  int fd_;
  std::string bytes_;
  size_t used_ = 0;
};

class KillRun {
 public:
  KillRun(const Plan& plan, uint64_t kills)
      : plan_(plan),
        torture_(plan.test, kills),
        random_(torture_.seed()),
        path_(MakeShape(TempDirectory(), plan.partitions, plan.isolated)) {}

  void Run() {
    while (torture_.Next()) {
      // Between two killed recoveries there is something new to recover.
      const bool writes_first = plan_.phase == Phase::kRecovery && torture_.round() % 3 == 0;
      if (!Kill(writes_first)) return;
    }
    Patient patient(plan_, path_);
    uint64_t last = 0;
    EXPECT(patient.Open() && patient.Compare(acknowledged_, &last));
  }

 private:
  bool Kill(bool writes_first) {
    int output = -1;
    const pid_t pid = SpawnTest("a_child_works_until_it_is_killed", Arguments(), &output);
    Listener listener(output);
    WaitForPhase(&listener, writes_first);
    kill(pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    while (listener.Read(0)) {
    }
    Count(listener);
    // A child that ended by itself has said why.
    return EXPECT(WIFSIGNALED(status));
  }

  std::vector<std::string> Arguments() const {
    return {"ZKDB_CHILD_PATH=" + path_,
            "ZKDB_CHILD_DURABILITY=" + std::string(plan_.durability),
            "ZKDB_CHILD_PHASE=" + std::to_string(static_cast<int>(plan_.phase)),
            "ZKDB_CHILD_PARTITIONS=" + std::to_string(plan_.partitions),
            "ZKDB_CHILD_ISOLATED=" + std::to_string(plan_.isolated ? 1 : 0),
            "ZKDB_CHILD_ACKNOWLEDGED=" + std::to_string(acknowledged_)};
  }

  // Returns at a random moment after the phase was entered for the first, second, ... time.
  void WaitForPhase(Listener* listener, bool writes_first) {
    constexpr int kPatience = 20000;  // ms
    const uint64_t most = plan_.phase == Phase::kCheckpoint ? 6 : 24;
    const uint64_t times = plan_.phase == Phase::kRecovery ? 1 : 1 + random_() % most;
    while (listener->entered < times && listener->Read(kPatience)) {
    }
    const auto start = std::chrono::steady_clock::now();
    if (writes_first) {
      while (listener->acknowledged.value_or(0) < listener->found.value_or(0) + 25 && listener->Read(kPatience)) {
      }
      return;
    }
    usleep(static_cast<useconds_t>(random_() % (phase_us_ + phase_us_ / 4 + 50)));
    const bool was_left = listener->left >= times;
    while (listener->Read(0)) {
    }
    Learn(listener->left >= times, was_left, start);
  }

  // Follows how long the phase takes here: half of the kills or more are to fall into it.
  void Learn(bool left, bool was_left, std::chrono::steady_clock::time_point start) {
    if (was_left) return;
    const auto waited = std::chrono::steady_clock::now() - start;
    const auto us = static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(waited).count());
    constexpr uint64_t kLeast = 100;
    constexpr uint64_t kMost = 100000;
    phase_us_ = std::clamp(left ? phase_us_ - phase_us_ / 8 : std::max(phase_us_, us) + phase_us_ / 8, kLeast, kMost);
  }

  void Count(const Listener& listener) {
    if (listener.found) {
      torture_.Figure("recoveries_compared", 1);
      // At durability none what was acknowledged may be gone, and the numbers go on from what was found.
      acknowledged_ = *listener.found;
    }
    if (listener.acknowledged) acknowledged_ = *listener.acknowledged;
    torture_.Figure("kills", 1);
    torture_.Figure("kills_inside_the_phase", listener.entered > listener.left ? 1 : 0);
  }

  const Plan plan_;
  Torture torture_;
  std::mt19937_64 random_;
  const std::string path_;
  uint64_t acknowledged_ = 0;
  uint64_t phase_us_ = 1000;  // how long the phase takes, roughly
};

constexpr uint64_t kKills = 42;

// One test for each line: name, phase, partitions, isolated, durability.
#define KILL_TEST(name, phase, partitions, isolated, durability) \
  TEST(name) { KillRun({#name, phase, partitions, isolated, durability}, kKills).Run(); }

KILL_TEST(a_killed_process_loses_no_commit_of_one_partition, Phase::kLoad, 1, false, "commit")
KILL_TEST(a_killed_process_loses_no_commit_of_three_partitions, Phase::kLoad, 3, false, "commit")
KILL_TEST(a_killed_process_loses_no_commit_of_sixteen_partitions, Phase::kLoad, 16, false, "commit")
KILL_TEST(a_killed_process_loses_no_commit_of_isolated_partitions, Phase::kLoad, 3, true, "commit")
KILL_TEST(a_killed_process_loses_nothing_at_durability_interval, Phase::kLoad, 3, false, "interval")
KILL_TEST(a_killed_process_loses_nothing_of_isolated_partitions_at_durability_interval, Phase::kLoad, 16, true,
          "interval")
KILL_TEST(a_killed_process_keeps_a_prefix_at_durability_none, Phase::kLoad, 3, false, "none")
KILL_TEST(a_killed_process_keeps_a_prefix_of_sixteen_partitions_at_durability_none, Phase::kLoad, 16, false, "none")
KILL_TEST(a_process_killed_in_a_checkpoint_loses_nothing, Phase::kCheckpoint, 3, false, "commit")
KILL_TEST(a_process_killed_while_it_grows_to_a_new_segment_loses_nothing, Phase::kGrowth, 1, false, "interval")
KILL_TEST(a_process_killed_in_a_range_delete_loses_nothing, Phase::kRangeDelete, 3, false, "interval")
KILL_TEST(a_process_killed_in_its_recovery_loses_nothing, Phase::kRecovery, 3, false, "interval")

}  // namespace
}  // namespace zkdb::test
