// See job.h.
#include "addon/job.h"

#include <utility>

namespace zkdb::addon {

Job::Job(Environment* environment, std::shared_ptr<DbRef> db) : environment_(environment), db_(std::move(db)) {}

Job::~Job() {
  for (napi_ref ref : kept_) {
    if (ref != nullptr) napi_delete_reference(env_, ref);
  }
  if (work_ != nullptr) napi_delete_async_work(env_, work_);
}

void Job::Keep(napi_env env, napi_value array) {
  env_ = env;
  napi_create_reference(env, array, 1, kept_[0] == nullptr ? &kept_[0] : &kept_[1]);
}

napi_value Job::Promise(napi_env env, Job* job) {
  napi_value promise = nullptr;
  napi_value name = nullptr;
  job->env_ = env;
  if (napi_create_promise(env, &job->deferred_, &promise) != napi_ok ||
      napi_create_string_latin1(env, "zkdb", 4, &name) != napi_ok ||
      napi_create_async_work(env, nullptr, name, RunExecute, RunComplete, job, &job->work_) != napi_ok) {
    delete job;
    return nullptr;
  }
  return promise;
}

void Job::Queue(Job* job) {
  if (job->counts_in_flight_ && job->db_ != nullptr) ++job->db_->jobs_in_flight;
  if (napi_queue_async_work(job->env_, job->work_) != napi_ok) RunComplete(job->env_, napi_cancelled, job);
}

napi_value Job::Start(napi_env env, Job* job) {
  napi_value promise = Promise(env, job);
  if (promise != nullptr) Queue(job);
  return promise;
}

napi_value Job::StartNumbered(napi_env env, Job* job, uint32_t number) {
  napi_value promise = Start(env, job);
  napi_value started;
  if (promise == nullptr || napi_create_object(env, &started) != napi_ok) return nullptr;
  SetNumber(env, started, "job", number);
  napi_set_named_property(env, started, "promise", promise);
  return started;
}

int Job::OnProgress(void* context, uint64_t done, uint64_t total) {
  auto* job = static_cast<Job*>(context);
  job->progress_done_.store(done, std::memory_order_relaxed);
  job->progress_total_.store(total, std::memory_order_relaxed);
  return job->aborted_.load(std::memory_order_relaxed) ? 1 : 0;
}

void Job::RunExecute(napi_env, void* data) { static_cast<Job*>(data)->Execute(); }

void Job::RunComplete(napi_env env, napi_status status, void* data) {
  std::unique_ptr<Job> job(static_cast<Job*>(data));
  if (status == napi_cancelled) {
    job->code_ = ZKDB_ABORTED;
    job->error_ = {ZKDB_ABORTED, 0, "the operation was cancelled: the environment is ending"};
  }
  job->Resolve(env);
  // The database may close itself here, once the job has let go of it.
  std::shared_ptr<DbRef> db = job->db_;
  const bool counted = job->counts_in_flight_;
  Environment* environment = job->environment_;
  job.reset();
  if (counted && db != nullptr) environment->JobFinished(db);
}

void Job::Resolve(napi_env env) {
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value result = DescribeError(env, code_, error_);
  if (result != nullptr) {
    Describe(env, result);
    napi_resolve_deferred(env, deferred_, result);
  }
  napi_close_handle_scope(env, scope);
}

WriteJob::~WriteJob() {
  // A job that was cancelled before it ran still waits in the queue.
  const std::lock_guard<std::mutex> lock(db_->write_mutex);
  if (!done_) std::erase(db_->queued, this);
}

void WriteJob::Enqueue() {
  const std::lock_guard<std::mutex> lock(db_->write_mutex);
  db_->queued.push_back(this);
}

void WriteJob::RunQueued(DbRef* db) {
  while (!db->queued.empty()) {
    WriteJob* job = db->queued.front();
    db->queued.pop_front();
    job->Write();
  }
}

void WriteJob::Execute() {
  const std::lock_guard<std::mutex> lock(db_->write_mutex);
  while (!done_ && !db_->queued.empty()) {
    WriteJob* job = db_->queued.front();
    db_->queued.pop_front();
    job->Write();
  }
}

void WriteJob::Write() {
  code_ = zkdb_write(db_->db, batch_, size_, durability_, flags_, &result_, &error_);
  done_ = true;
}

void WriteJob::Describe(napi_env env, napi_value result) {
  SetNumber(env, result, "sequence", static_cast<double>(result_.sequence));
  SetNumber(env, result, "existed", static_cast<double>(result_.existed));
  SetNumber(env, result, "failedIndex", static_cast<double>(result_.failed_index));
}

void SetNumber(napi_env env, napi_value object, const char* name, double value) {
  napi_value number;
  if (napi_create_double(env, value, &number) == napi_ok) napi_set_named_property(env, object, name, number);
}

void SetBoolean(napi_env env, napi_value object, const char* name, bool value) {
  napi_value boolean;
  if (napi_get_boolean(env, value, &boolean) == napi_ok) napi_set_named_property(env, object, name, boolean);
}

void SetString(napi_env env, napi_value object, const char* name, const char* value, size_t size) {
  napi_value string;
  if (napi_create_string_utf8(env, value, size, &string) == napi_ok) {
    napi_set_named_property(env, object, name, string);
  }
}

napi_value DescribeError(napi_env env, zkdb_code code, const zkdb_error& error) {
  napi_value result = nullptr;
  if (napi_create_object(env, &result) != napi_ok) return nullptr;
  SetNumber(env, result, "code", code);
  if (code == ZKDB_OK) return result;
  SetString(env, result, "name", zkdb_code_name(code));
  SetString(env, result, "message", error.message);
  SetBoolean(env, result, "urgent", error.urgent != 0);
  return result;
}

}  // namespace zkdb::addon
