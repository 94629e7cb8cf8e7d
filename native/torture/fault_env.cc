#include "torture/fault_env.h"

#include <sys/mman.h>

#include <cerrno>

#include "core/os/posix_error.h"

namespace zkdb::test {
namespace {

// Set while this thread makes something that does not exist yet.
thread_local bool creating = false;

struct Creating {
  explicit Creating(bool is) { creating = is; }
  ~Creating() { creating = false; }
  Creating(const Creating&) = delete;
  Creating& operator=(const Creating&) = delete;
};

constexpr uint64_t kBeside = 200;  // ms in which a call may have been under way already

bool IsHalf(Fault fault) { return fault == Fault::kShortIo || fault == Fault::kShortNoSpace; }
bool Lasts(Fault fault) { return fault == Fault::kDeadDisk || fault == Fault::kFullDisk; }

}  // namespace

const char* NameOf(Fault fault) {
  switch (fault) {
    case Fault::kNone: return "nothing";
    case Fault::kIo: return "EIO";
    case Fault::kNoSpace: return "ENOSPC";
    case Fault::kShortIo: return "short write and EIO";
    case Fault::kShortNoSpace: return "short write and ENOSPC";
    case Fault::kDeadDisk: return "dead disk";
    case Fault::kFullDisk: return "full disk";
  }
  return "?";
}

uint8_t* LeanEnv::AllocateMemory(uint64_t size) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return nullptr;
#if defined(MADV_NOHUGEPAGE)
  madvise(at, size, MADV_NOHUGEPAGE);
#endif
  return static_cast<uint8_t*>(at);
}

LeanEnv* TheLeanEnv() {
  static LeanEnv* const env = new LeanEnv;
  return env;
}

FaultEnv::FaultEnv() : EnvWrapper(TheLeanEnv()) {
  SetHook([this](const std::string& call, const std::string& path) { return Decide(call, path); });
}

void FaultEnv::Arm(Fault fault, uint64_t at) {
  const std::lock_guard<std::mutex> lock(mutex_);
  fault_ = fault;
  at_ = at;
  fired_ = false;
  what_.clear();
  failed_call_.clear();
  trace_.clear();
  violations_.clear();
  writes_half = IsHalf(fault);
}

void FaultEnv::Heal() {
  const std::lock_guard<std::mutex> lock(mutex_);
  fault_ = Fault::kNone;
}

void FaultEnv::Forget() {
  const std::lock_guard<std::mutex> lock(mutex_);
  unsyncable_.clear();
}

std::vector<std::string> FaultEnv::Trace() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return trace_;
}

uint64_t FaultEnv::calls() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return trace_.size();
}

bool FaultEnv::fired() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return fired_;
}

std::string FaultEnv::what() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return what_;
}

std::string FaultEnv::failed_call() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return failed_call_;
}

std::string FaultEnv::violations() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return violations_;
}

bool FaultEnv::Applies(Fault fault, const std::string& call) {
  const bool makes = call == "Create" || call == "Allocate" || call == "CreateDirectory" || call == "LockNew";
  switch (fault) {
    case Fault::kNone: return false;
    case Fault::kIo:
    case Fault::kDeadDisk: return true;
    case Fault::kFullDisk: return makes;
    case Fault::kNoSpace:
      return makes || call == "Write" || call == "Sync" || call == "Rename" || call == "SyncDirectory";
    case Fault::kShortIo:
    case Fault::kShortNoSpace: return call == "Write";
  }
  return false;
}

Status FaultEnv::Decide(const std::string& name, const std::string& path) {
  const std::string call = !creating ? name : name == "Open" ? "Create" : name == "Lock" ? "LockNew" : name;
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t number = trace_.size();
  trace_.push_back(call == "CreateDirectory" && !creating ? "FindDirectory" : call);
  Watch(call, path);
  const bool here = Lasts(fault_) ? number >= at_ : number == at_;
  if (!here || !Applies(fault_, trace_.back())) return Status::Ok();
  if (!fired_) {
    failed_call_ = call;
    what_ = call + " of " + path;
  }
  fired_ = true;
  if (call == "Sync" || call == "SyncDirectory" || call == "Write")
    unsyncable_[path] = {std::this_thread::get_id(), MonotonicMs()};
  return PosixError(call.c_str(), path, IsSpaceFault(fault_) ? ENOSPC : EIO);
}

// A file that is cut to be begun anew may be written and synced again; one whose write or sync failed may not.
void FaultEnv::Watch(const std::string& call, const std::string& path) {
  if (call == "Truncate" || call == "Remove") unsyncable_.erase(path);
  if (call != "Sync" && call != "SyncDirectory") return;
  const auto failed = unsyncable_.find(path);
  if (failed == unsyncable_.end()) return;
  // A thread that was about to sync when another one's sync failed does not repeat it.
  const bool knows = failed->second.thread == std::this_thread::get_id();
  if (knows || MonotonicMs() - failed->second.time_ms > kBeside)
    violations_ += call + " of " + path + " after a failed write or sync of it\n";
}

Status FaultEnv::Open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) {
  const bool makes = mode == OpenMode::kCreate || mode == OpenMode::kCreateExclusive;
  const Creating scope(makes && !Exists(path));
  return EnvWrapper::Open(path, mode, out);
}

Status FaultEnv::Lock(const std::string& path, std::unique_ptr<FileLock>* out) {
  const Creating scope(!Exists(path));
  return EnvWrapper::Lock(path, out);
}

Status FaultEnv::CreateDirectory(const std::string& path) {
  const Creating scope(!Exists(path));
  return EnvWrapper::CreateDirectory(path);
}

}  // namespace zkdb::test
