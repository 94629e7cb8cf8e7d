// Checkpoints: changed pages go to the segment files, the metas flip, the log is recycled. And the thread that does it.
#include <algorithm>
#include <chrono>

#include "core/engine/engine.h"

namespace zkdb {
namespace {

constexpr uint64_t kPauseMs = 1000;
constexpr uint64_t kSweepPauseMs = 100;  // while records expire
constexpr uint64_t kSweepMs = 25;        // of such a pause, at most

// True in `flag` for a scope.
struct Running {
  explicit Running(std::atomic<bool>* the_flag) : flag(the_flag) { flag->store(true); }
  ~Running() { flag->store(false); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  std::atomic<bool>* flag;
};

}  // namespace

void Engine::Fail(const Status& cause) noexcept {
  {
    const std::lock_guard<std::mutex> lock(failure_mutex_);
    if (failed_.load()) return;
    try {
      failure_ = cause;
    } catch (const std::bad_alloc&) {
      failure_ = Status::NoMemory();
    }
    failed_.store(true, std::memory_order_release);
  }
  queue_->Fail();
  room_.notify_all();
}

// One partition: capture under the lock, write without it, finish under it.
Status Engine::CheckpointPartition(Partition* partition, CheckpointMode mode) {
  WriterLock& lock = *writer_locks_[partition->identity.index];
  CheckpointPlan plan;
  std::unique_lock<WriterLock> held(lock);
  const bool final = mode == CheckpointMode::kFinal && partition->changed_since_open();
  const bool due = partition->dirty() || mode == CheckpointMode::kCut || final;
  partition->space.Release(Limits());
  const bool cut = mode != CheckpointMode::kChanged;
  const Status begun = due ? partition->BeginCheckpoint(snapshots_.Oldest(), cut, &plan) : Status::Ok();
  if (due && begun.ok()) NotePressure(partition);
  held.unlock();
  if (!due || !begun.ok()) return begun;
  // From here on a failure leaves the partition's pages in an unknown state: writes stop until it is reopened.
  Status status;
  try {
    status = WriteCheckpoint(partition, &plan);
  } catch (const std::bad_alloc&) {
    status = Status::NoMemory();
  }
  if (!status.ok()) Fail(status);
  return status;
}

Status Engine::WriteCheckpoint(Partition* partition, CheckpointPlan* plan) {
  ZKDB_RETURN_IF_ERROR(LogOf(partition->identity.index)->Sync(plan->sequence));
  ZKDB_RETURN_IF_ERROR(partition->WriteCheckpoint(plan, env_->WallClockMs()));
  const std::lock_guard<WriterLock> held(*writer_locks_[partition->identity.index]);
  return partition->EndCheckpoint(*plan);
}

Status Engine::CheckpointAll(CheckpointMode mode) {
  const std::lock_guard<std::mutex> lock(checkpoint_mutex_);
  ZKDB_RETURN_IF_ERROR(CheckWritable());
  const Running running(&checkpointing_);
  // Every commit up to here is in its partition's tree or holds the partition's lock: the captures below include it.
  std::vector<uint64_t> begin;
  for (auto& log : logs_) begin.push_back(log->last_sequence());
  for (auto& p : partitions_) ZKDB_RETURN_IF_ERROR(CheckpointPartition(p.get(), mode));
  const Status recycled = RecycleLogs(begin);
  if (!recycled.ok()) {
    Fail(recycled);
    return recycled;
  }
  checkpoints_.fetch_add(1, std::memory_order_relaxed);
  last_checkpoint_ms_ = env_->MonotonicMs();
  return Status::Ok();
}

Status Engine::RecycleLogs(const std::vector<uint64_t>& begin) {
  for (size_t i = 0; i < logs_.size(); ++i) {
    logs_[i]->SetPartitions(LogPartitions(i));
    ZKDB_RETURN_IF_ERROR(logs_[i]->Recycle(begin[i]));
  }
  return Status::Ok();
}

Status Engine::Checkpoint() {
  if (InTransaction()) return Status::Invalid("a transaction is open on this thread; end it before the checkpoint");
  const std::shared_lock<std::shared_mutex> use(use_mutex_);
  return CheckpointAll(CheckpointMode::kChanged);
}

void Engine::ActivateCheckpoints(bool on) {
  periodic_.store(on);
  const std::lock_guard<std::mutex> lock(thread_mutex_);
  thread_wake_.notify_one();
}

// ---- the thread

void Engine::StartThread() {
  last_checkpoint_ms_ = env_->MonotonicMs();
  // What a recovery replayed goes to the files soon, so that the next open is quick.
  checkpoint_wanted_ = recovery_.records > 0 && !read_only_;
  if (!read_only_) thread_ = std::thread([this] { ThreadMain(); });
}

// Called with thread_mutex_ held.
bool Engine::CheckpointDue() {
  if (checkpoint_wanted_) return true;
  if (!periodic_.load()) return false;
  const uint64_t elapsed_ms = env_->MonotonicMs() - last_checkpoint_ms_;
  return std::any_of(partitions_.begin(), partitions_.end(), [elapsed_ms](const auto& p) {
    return p->dirty() && elapsed_ms >= p->config.min_checkpoint_time_s * 1000;
  });
}

void Engine::SyncInterval() {
  for (auto& log : logs_) {
    const uint64_t last = log->last_sequence();
    if (last <= log->durable_sequence()) continue;
    const Status status = log->Sync(last);
    if (!status.ok()) Fail(status);
  }
}

// Between two looks of the thread at what there is to do.
uint64_t Engine::PauseMs() const {
  const uint64_t pause_ms = AnyExpiring() ? kSweepPauseMs : kPauseMs;
  return interval_used_.load() ? std::min<uint64_t>(config_.sync_interval_ms, pause_ms) : pause_ms;
}

void Engine::ThreadMain() {
  std::unique_lock<std::mutex> lock(thread_mutex_);
  while (!stop_) {
    if (!checkpoint_wanted_) thread_wake_.wait_for(lock, std::chrono::milliseconds(PauseMs()));
    if (stop_) break;
    const bool due = CheckpointDue() && !failed_.load();
    checkpoint_wanted_ = false;
    checkpoint_running_ = due;
    lock.unlock();
    ThreadWork(due);
    lock.lock();
    checkpoint_running_ = false;
    room_.notify_all();
  }
}

void Engine::ThreadWork(bool due) {
  for (auto& arena : arenas_) arena->PrepareChunk();
  try {
    if (interval_used_.load() && !failed_.load()) SyncInterval();
    // What it cannot remove now it removes later; damage is for the calls that meet it, and for the check, to tell.
    uint64_t removed = 0;
    if (!restoring_ && AnyExpiring() && !failed_.load()) static_cast<void>(Sweep(kSweepMs, &removed).ok());
    // A full disk is no failure of the database: the writers learn of it, and the next checkpoint tries again.
    if (due) static_cast<void>(CheckpointAll(CheckpointMode::kChanged).ok());
  } catch (const std::bad_alloc&) {
    // Nothing is half changed, or it has been noted already; the next one tries again.
  }
}

// ---- closing

// Pages that only the last checkpoint needs are free for EmptyTail when there is a newer one. It is written where they
// are a large part of the files, as after overwriting most records.
void Engine::FreeWaitingPages(Partition* partition) {
  constexpr uint64_t kLargePart = 4;
  if (partition->space.waiting_pages() < partition->space.page_count() / kLargePart) return;
  const std::lock_guard<std::mutex> one(checkpoint_mutex_);
  // When it fails, the last checkpoint will too, and says so.
  static_cast<void>(CheckpointPartition(partition, CheckpointMode::kChanged).ok());
}

// The last checkpoint: files are cut to what they need. Pages that the checkpoint before held at their end become free
// only when this one is durable, so that some partitions need one more.
Status Engine::CheckpointLast() {
  std::vector<uint32_t> emptied;
  for (uint32_t i = 0; i < partition_count(); ++i) {
    if (!partitions_[i]->changed_since_open()) continue;
    FreeWaitingPages(partitions_[i].get());
    const std::lock_guard<WriterLock> held(*writer_locks_[i]);
    const uint64_t before = partitions_[i]->last_sequence;
    // No room or memory to move pages, say: the files then stay longer than they need to be.
    try {
      static_cast<void>(EmptyTail(i).ok());
    } catch (const std::bad_alloc&) {
      continue;
    }
    if (partitions_[i]->last_sequence != before) emptied.push_back(i);
  }
  ZKDB_RETURN_IF_ERROR(CheckpointAll(CheckpointMode::kFinal));
  for (uint32_t i : emptied) {
    if (partitions_[i]->space.waiting_pages() == 0) continue;
    const std::lock_guard<std::mutex> one(checkpoint_mutex_);
    ZKDB_RETURN_IF_ERROR(CheckpointPartition(partitions_[i].get(), CheckpointMode::kCut));
  }
  return Status::Ok();
}

Status Engine::Close() {
  {
    const std::lock_guard<std::mutex> lock(thread_mutex_);
    if (stop_) return Status::Ok();
    stop_ = true;
    thread_wake_.notify_all();
    room_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  // Batches that passed the gate finish first; later ones find the database closed.
  const ExclusivePass pass(&gate_);
  queue_->Drain();
  sync_ahead_.Stop();
  const std::unique_lock<std::shared_mutex> use(use_mutex_);
  Status status;
  try {
    status = CloseFiles();
  } catch (const std::bad_alloc&) {
    status = Status::NoMemory();
  }
  closed_.store(true, std::memory_order_release);
  logs_.clear();
  for (auto& p : partitions_) p->space.ReleaseFiles();
  locks_.clear();
  return status;
}

// A close that cannot write what was acknowledged says so.
Status Engine::CloseFiles() {
  if (!opened_ || read_only_) return Status::Ok();
  ZKDB_RETURN_IF_ERROR(FailureStatus());
  ZKDB_RETURN_IF_ERROR(CheckpointLast());
  for (auto& log : logs_) ZKDB_RETURN_IF_ERROR(log->CloseClean());
  return Status::Ok();
}

Engine::~Engine() { static_cast<void>(Close().ok()); }

}  // namespace zkdb
