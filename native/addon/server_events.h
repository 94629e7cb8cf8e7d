// What the threads of a server have to say, brought to a JavaScript function.
//
// Thread-safety: the functions of net::ServerOwner may be called by any thread; Create on the JavaScript thread.
//
// Invariants:
//  1. JavaScript is called with one object per event: {kind, client, address, user, password, command, reason, count,
//     dropped}, in the order in which a thread told them. `kind` is "check", "gone" or one of the audit's.
//  2. Logins to be checked and ends wait in any number: there is one per connection. Of what the audit is told at most
//     kMaxAudits wait; what comes then is dropped, and counted in the next event.
//  3. The function does not keep Node running, and is not called after the environment has begun to end.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "net/loop/owner.h"

namespace zkdb::addon {

class ServerEvents : public net::ServerOwner {
 public:
  // nullptr when `function` is none, or the environment is ending.
  static std::shared_ptr<ServerEvents> Create(napi_env env, napi_value function);
  ~ServerEvents() override;
  ServerEvents(const ServerEvents&) = delete;
  ServerEvents& operator=(const ServerEvents&) = delete;

  void CheckLogin(const net::ClientInfo& client, Slice user, Slice password) override;
  void Gone(uint64_t client) override;
  void Audit(const net::AuditEvent& event) override;

 private:
  static constexpr uint32_t kMaxAudits = 4096;

  struct Event;
  // Shared with the environment, which may end before the server does.
  struct Channel {
    std::mutex mutex;
    napi_threadsafe_function function = nullptr;  // nullptr: nobody is told any more
    std::atomic<uint32_t> audits{0};              // that wait
    std::atomic<uint64_t> dropped{0};
  };

  explicit ServerEvents(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}
  void Send(std::unique_ptr<Event> event);
  static void Call(napi_env env, napi_value function, void* context, void* data);
  static napi_value Describe(napi_env env, Channel* channel, const Event& event);

  const std::shared_ptr<Channel> channel_;
};

}  // namespace zkdb::addon
