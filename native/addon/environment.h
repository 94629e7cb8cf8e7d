// The state that the addon keeps for one JavaScript environment (the main thread or a worker): handles, the buffers it
// shares with JavaScript, the last error. Nothing is kept per process.
//
// Thread-safety: an Environment is used on its JavaScript thread only.
//
// Invariants:
//  1. The shared buffers are held by strong references and are never detached: JavaScript checks their length before
//     each use and registers new ones when it is 0.
//  2. After Teardown every handle is released; functions that still run find no handle and fail with ZKDB_CLOSED.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "addon/handle_table.h"
#include "addon/tls_gate.h"
#include "include/zkdb.h"

namespace zkdb::net {
class LoopServer;
}

namespace zkdb::addon {

// Places in the state array, through which a call answers more than its one result. Mirrored in ts/binding.ts.
enum StateSlot : size_t {
  kStateNeeded = 0,    // bytes that the next value or record needs
  kStateUsed = 1,      // bytes of the chunk or of the values that are filled
  kStateSequence = 2,  // of the commit
  kStateExisted = 3,
  kStateFailedIndex = 4,
  kStateDone = 5,   // 1: the cursor's range is exhausted
  kStateAscii = 6,  // 1: every byte of the chunk's keys and values is below 0x80
  kStateProgressDone = 7,
  kStateProgressTotal = 8,
  kStateTime = 9,  // when a record ends, ms since 1970; 0: never
  kStateSize = 16
};

struct SharedBytes {
  uint8_t* data = nullptr;
  size_t size = 0;
  napi_ref owner = nullptr;
};

class Environment : public std::enable_shared_from_this<Environment> {
 public:
  explicit Environment(napi_env env) : env_(env) {}
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  HandleTable& handles() { return handles_; }
  SharedBytes& keys() { return keys_; }
  SharedBytes& values() { return values_; }
  double& state(StateSlot slot) { return state_[slot]; }
  zkdb_error& error() { return error_; }

  // Takes over the three shared arrays. False when one has not the type or size it needs; then nothing changes.
  bool Register(napi_value keys, napi_value values, napi_value state);

  // Records a failure that the addon itself found.
  zkdb_code Fail(zkdb_code code, const char* message);

  // Jobs that report progress, by number.
  uint32_t AddJob(Job* job);
  void RemoveJob(uint32_t number) { jobs_.erase(number); }
  Job* FindJob(uint32_t number);

  // Servers that run, by number.
  uint32_t AddServer(std::shared_ptr<net::LoopServer> server);
  std::shared_ptr<net::LoopServer> FindServer(uint32_t number) const;
  void RemoveServer(uint32_t number) { servers_.erase(number); }

  // For a database that is about to be opened: the gate of the relay that runs, or of one that would be started.
  std::shared_ptr<TlsGate> MakeTlsGate();
  // The gate that somebody holds, or nullptr.
  std::shared_ptr<TlsGate> tls_gate() const { return tls_gate_.lock(); }

  // Stops every server and releases every handle. Runs when the environment ends.
  void Teardown();

  // Called once a database's job is finished: starts a close that waited for it.
  void JobFinished(const std::shared_ptr<DbRef>& db);

 private:
  void Replace(SharedBytes* bytes, napi_value array, void* data, size_t size);

  napi_env env_;
  HandleTable handles_;
  SharedBytes keys_;
  SharedBytes values_;
  double fallback_state_[kStateSize] = {};
  double* state_ = fallback_state_;
  napi_ref state_owner_ = nullptr;
  zkdb_error error_ = {};
  uint32_t next_job_ = 1;
  std::map<uint32_t, Job*> jobs_;
  std::weak_ptr<TlsGate> tls_gate_;
  uint32_t next_server_ = 1;
  std::map<uint32_t, std::shared_ptr<net::LoopServer>> servers_;
};

// Creates the environment's state, hooks its end and returns it. The state lives as long as the environment.
Environment* CreateEnvironment(napi_env env);

}  // namespace zkdb::addon
