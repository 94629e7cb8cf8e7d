// Look-ups on the thread pool, for keys whose server may let its callers wait.
#include <memory>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/job.h"
#include "addon/key_list.h"
#include "addon/text.h"

namespace zkdb::addon {
namespace {

// Keys that are looked up in one state: copies, because JavaScript packs the next ones meanwhile.
class LookupJob : public Job {
 public:
  LookupJob(Environment* environment, std::shared_ptr<DbRef> db, std::shared_ptr<void> snapshot, const KeyList& list)
      : Job(environment, std::move(db)), snapshot_(std::move(snapshot)), offsets_{0} {
    if (list.count == 0) return;
    offsets_.assign(list.offsets, list.offsets + list.count + 1);
    keys_.assign(list.keys, list.keys + offsets_.back());
  }

 protected:
  void Describe(napi_env env, napi_value result) override { SetNumber(env, result, "done", done_); }

  zkdb_snapshot* snapshot() const { return static_cast<zkdb_snapshot*>(snapshot_.get()); }
  uint32_t count() const { return static_cast<uint32_t>(offsets_.size() - 1); }

  const std::shared_ptr<void> snapshot_;
  std::vector<uint8_t> keys_;
  std::vector<uint32_t> offsets_;
  uint32_t done_ = 0;  // keys that were answered
};

class GetManyJob : public LookupJob {
 public:
  using LookupJob::LookupJob;
  void SetTarget(uint8_t* buffer, size_t capacity, uint32_t* sizes) {
    buffer_ = buffer;
    capacity_ = capacity;
    sizes_ = sizes;
  }

 protected:
  void Execute() override {
    code_ = zkdb_get_many(db_->db, snapshot(), keys_.data(), offsets_.data(), count(), buffer_, capacity_, sizes_,
                          &done_, &needed_, &error_);
    if (code_ == ZKDB_BUFFER_TOO_SMALL) code_ = ZKDB_OK;
    size_t used = 0;
    for (uint32_t i = 0; i < done_; ++i) used += sizes_[i] == UINT32_MAX ? 0 : sizes_[i];
    ascii_ = IsAscii(buffer_, used);
  }

  void Describe(napi_env env, napi_value result) override {
    LookupJob::Describe(env, result);
    SetNumber(env, result, "needed", static_cast<double>(needed_));
    SetBoolean(env, result, "isAscii", ascii_);
  }

 private:
  uint8_t* buffer_ = nullptr;
  size_t capacity_ = 0;
  uint32_t* sizes_ = nullptr;
  size_t needed_ = 0;
  bool ascii_ = false;
};

class ExpiryJob : public LookupJob {
 public:
  using LookupJob::LookupJob;
  void SetTarget(double* times) { times_ = times; }

 protected:
  void Execute() override {
    for (; done_ < count(); ++done_) {
      uint64_t time = 0;
      code_ = zkdb_expiry(db_->db, snapshot(), keys_.data() + offsets_[done_], offsets_[done_ + 1] - offsets_[done_],
                          &time, &error_);
      if (code_ != ZKDB_OK && code_ != ZKDB_NOT_FOUND) return;
      times_[done_] = code_ == ZKDB_NOT_FOUND ? -1 : static_cast<double>(time);
    }
    code_ = ZKDB_OK;
  }

 private:
  double* times_ = nullptr;
};

// The database and snapshot that a job reads.
struct LookupTarget {
  std::shared_ptr<DbRef> db;
  std::shared_ptr<void> snapshot;  // null: the latest state
  KeyList list;
};

// Reads (db, snapshot, keys, offsets, count). Returns null, or the answer that says what is wrong.
napi_value ReadTarget(const Arguments& args, LookupTarget* target) {
  uint32_t id, snapshot_id;
  if (!args.Uint(0, &id) || !args.Uint(1, &snapshot_id) || !ReadKeyList(args, 2, &target->list)) return args.Invalid();
  HandleTable& handles = args.environment().handles();
  Handle* db = handles.Find(id, HandleKind::kDb);
  Handle* snapshot = snapshot_id == 0 ? nullptr : handles.Find(snapshot_id, HandleKind::kSnapshot);
  if (db == nullptr || (snapshot_id != 0 && snapshot == nullptr)) return args.Closed();
  target->db = db->db;
  if (snapshot != nullptr) target->snapshot = handles.Lend(snapshot);
  return nullptr;
}

// Starts a job that fills the arrays which are arguments `first` and, unless it is 0, `second`.
napi_value StartFilling(const Arguments& args, Job* job, size_t first, size_t second) {
  job->Keep(args.env(), args[first]);
  if (second != 0) job->Keep(args.env(), args[second]);
  napi_value promise = Job::Start(args.env(), job);
  return promise == nullptr ? args.Closed() : promise;
}

// getManyAsync(db, snapshot, keys, offsets, count, buffer: Uint8Array, sizes: Uint32Array): Promise<{code, done,
// needed, isAscii}>, or a negative number. As getMany; with a code the first `done` keys are answered all the same.
// Buffer and sizes are not used by others before the promise settles.
napi_value GetManyAsync(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  LookupTarget target;
  uint8_t* buffer;
  uint32_t* sizes;
  size_t capacity, sizes_count;
  if (napi_value failure = ReadTarget(args, &target)) return failure;
  if (!args.Bytes(5, &buffer, &capacity) || !args.Uint32s(6, &sizes, &sizes_count) || sizes_count < target.list.count) {
    return args.Invalid();
  }
  auto* job = new GetManyJob(&args.environment(), std::move(target.db), std::move(target.snapshot), target.list);
  job->SetTarget(buffer, capacity, sizes);
  return StartFilling(args, job, 5, 6);
}

// expiryManyAsync(db, snapshot, keys, offsets, count, times: Float64Array): Promise<{code, done}>, or a negative
// number. Times are as of `expiry`, -1 for a key that is not there.
napi_value ExpiryManyAsync(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  LookupTarget target;
  double* times;
  size_t times_count;
  if (napi_value failure = ReadTarget(args, &target)) return failure;
  if (!args.Doubles(5, &times, &times_count) || times_count < target.list.count) return args.Invalid();
  auto* job = new ExpiryJob(&args.environment(), std::move(target.db), std::move(target.snapshot), target.list);
  job->SetTarget(times);
  return StartFilling(args, job, 5, 0);
}

constexpr FunctionEntry kFunctions[] = {
    {"getManyAsync", GetManyAsync},
    {"expiryManyAsync", ExpiryManyAsync},
};

}  // namespace

void ExportLookupFunctions(napi_env env, napi_value exports, Environment* environment) {
  ExportFunctions(env, exports, environment, kFunctions, std::size(kFunctions));
}

}  // namespace zkdb::addon
