// Work on the thread pool with a promise for its end.
//
// Thread-safety: everything runs on the JavaScript thread except Execute, which runs on a pool thread and touches only
// the job's own members, and Abort and the progress figures, which are atomic.
//
// Invariants:
//  1. Node finishes the work in flight before it runs the environment's cleanup hooks, so a job never outlives them.
//  2. A job's promise resolves with an object {code, message, urgent, ...}; it never rejects. TypeScript throws.
//  3. The database of a job stays open until the job is finished.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "addon/environment.h"
#include "include/zkdb.h"

namespace zkdb::addon {

class Job {
 public:
  Job(Environment* environment, std::shared_ptr<DbRef> db);
  virtual ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // Keeps a JavaScript array, whose memory the job uses, as long as the job lives. At most twice.
  void Keep(napi_env env, napi_value array);

  // Creates the job's promise. Returns null, and deletes the job, when the environment is ending.
  static napi_value Promise(napi_env env, Job* job);
  // Hands the job to the thread pool; the job deletes itself when it is finished.
  static void Queue(Job* job);
  // Both, for a job on a database that is open.
  static napi_value Start(napi_env env, Job* job);
  // As Start: {job, promise} with the number by which JavaScript asks for the job's progress.
  static napi_value StartNumbered(napi_env env, Job* job, uint32_t number);

  void Abort() { aborted_.store(true, std::memory_order_relaxed); }
  uint64_t progress_done() const { return progress_done_.load(std::memory_order_relaxed); }
  uint64_t progress_total() const { return progress_total_.load(std::memory_order_relaxed); }
  // The zkdb_progress callback; `context` is the job.
  static int OnProgress(void* context, uint64_t done, uint64_t total);

 protected:
  virtual void Execute() = 0;
  // Adds what the job found to its result object.
  virtual void Describe(napi_env, napi_value) {}

  bool counts_in_flight_ = true;  // false for the close itself, which waits for the others
  Environment* environment_;
  std::shared_ptr<DbRef> db_;
  zkdb_code code_ = ZKDB_OK;
  zkdb_error error_ = {};

 private:
  static void RunExecute(napi_env env, void* data);
  static void RunComplete(napi_env env, napi_status status, void* data);
  void Resolve(napi_env env);

  napi_env env_ = nullptr;
  napi_ref kept_[2] = {};
  napi_async_work work_ = nullptr;
  napi_deferred deferred_ = nullptr;
  std::atomic<bool> aborted_{false};
  std::atomic<uint64_t> progress_done_{0};
  std::atomic<uint64_t> progress_total_{0};
};

// One batch on its way to zkdb_write. The bytes belong to a JavaScript buffer that the job keeps alive.
class WriteJob : public Job {
 public:
  WriteJob(Environment* environment, std::shared_ptr<DbRef> db, const uint8_t* batch, size_t size,
           zkdb_durability durability, uint32_t flags)
      : Job(environment, std::move(db)), batch_(batch), size_(size), durability_(durability), flags_(flags) {}
  ~WriteJob() override;

  // Puts the job at the end of its database's queue.
  void Enqueue();
  // Runs every batch that waits. REQUIRES: db.write_mutex is held.
  static void RunQueued(DbRef* db);

 protected:
  void Execute() override;
  void Describe(napi_env env, napi_value result) override;

 private:
  void Write();

  const uint8_t* batch_;
  size_t size_;
  zkdb_durability durability_;
  uint32_t flags_;
  bool done_ = false;  // guarded by db_->write_mutex
  zkdb_write_result result_ = {};
};

// Sets object[name] = value; does nothing when the environment is ending.
void SetNumber(napi_env env, napi_value object, const char* name, double value);
void SetBoolean(napi_env env, napi_value object, const char* name, bool value);
void SetString(napi_env env, napi_value object, const char* name, const char* value, size_t size = NAPI_AUTO_LENGTH);

// Sets name, index, isRemote, directory and rule.
void SetPartition(napi_env env, napi_value object, const zkdb_partition_info& partition);

// {code, name, message, urgent} of a failure, or {code: 0}.
napi_value DescribeError(napi_env env, zkdb_code code, const zkdb_error& error);

}  // namespace zkdb::addon
