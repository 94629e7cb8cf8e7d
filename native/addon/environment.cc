// See environment.h.
#include "addon/environment.h"

#include <cstdio>
#include <utility>

#include "addon/job.h"
#include "net/loop/loop_server.h"

namespace zkdb::addon {

Environment::~Environment() {
  Teardown();
  for (napi_ref ref : {keys_.owner, values_.owner, state_owner_}) {
    if (ref != nullptr) napi_delete_reference(env_, ref);
  }
}

bool Environment::Register(napi_value keys, napi_value values, napi_value state) {
  napi_typedarray_type types[3];
  size_t lengths[3];
  void* data[3];
  const napi_value arrays[3] = {keys, values, state};
  for (size_t i = 0; i < 3; ++i) {
    if (napi_get_typedarray_info(env_, arrays[i], &types[i], &lengths[i], &data[i], nullptr, nullptr) != napi_ok) {
      return false;
    }
  }
  if (types[0] != napi_uint8_array || types[1] != napi_uint8_array || types[2] != napi_float64_array) return false;
  if (lengths[0] == 0 || lengths[1] == 0 || lengths[2] < kStateSize) return false;
  Replace(&keys_, keys, data[0], lengths[0]);
  Replace(&values_, values, data[1], lengths[1]);
  if (state_owner_ != nullptr) napi_delete_reference(env_, state_owner_);
  state_owner_ = nullptr;
  napi_create_reference(env_, state, 1, &state_owner_);
  state_ = static_cast<double*>(data[2]);
  return true;
}

void Environment::Replace(SharedBytes* bytes, napi_value array, void* data, size_t size) {
  if (bytes->owner != nullptr) napi_delete_reference(env_, bytes->owner);
  bytes->owner = nullptr;
  napi_create_reference(env_, array, 1, &bytes->owner);
  bytes->data = static_cast<uint8_t*>(data);
  bytes->size = size;
}

zkdb_code Environment::Fail(zkdb_code code, const char* message) {
  error_.code = code;
  error_.urgent = 0;
  std::snprintf(error_.message, sizeof error_.message, "%s", message);
  return code;
}

uint32_t Environment::AddJob(Job* job) {
  const uint32_t number = next_job_++;
  jobs_[number] = job;
  return number;
}

Job* Environment::FindJob(uint32_t number) {
  const auto found = jobs_.find(number);
  return found == jobs_.end() ? nullptr : found->second;
}

uint32_t Environment::AddServer(std::shared_ptr<net::LoopServer> server) {
  const uint32_t number = next_server_++;
  servers_[number] = std::move(server);
  return number;
}

std::shared_ptr<net::LoopServer> Environment::FindServer(uint32_t number) const {
  const auto found = servers_.find(number);
  return found == servers_.end() ? nullptr : found->second;
}

std::shared_ptr<TlsGate> Environment::MakeTlsGate() {
  std::shared_ptr<TlsGate> gate = tls_gate_.lock();
  if (gate != nullptr && !gate->is_over()) return gate;
  gate = TlsGate::Create();
  tls_gate_ = gate;
  return gate;
}

void Environment::Teardown() {
  for (auto& [number, job] : jobs_) job->Abort();
  servers_.clear();
  handles_.ReleaseAll();
}

void Environment::JobFinished(const std::shared_ptr<DbRef>& db) {
  if (--db->jobs_in_flight != 0) return;
  if (db->pending_close != nullptr) {
    Job::Queue(std::exchange(db->pending_close, nullptr));
  } else if (db->abandoned) {
    db->CloseNow();
  }
}

namespace {

void EndHook(void* data) { static_cast<Environment*>(data)->Teardown(); }

void DestroyInstanceData(napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Environment>*>(data); }

}  // namespace

Environment* CreateEnvironment(napi_env env) {
  auto* holder = new std::shared_ptr<Environment>(std::make_shared<Environment>(env));
  napi_set_instance_data(env, holder, DestroyInstanceData, nullptr);
  napi_add_env_cleanup_hook(env, EndHook, holder->get());
  return holder->get();
}

}  // namespace zkdb::addon
