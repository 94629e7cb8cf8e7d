// The way from the databases of one JavaScript environment to its relay for TLS, which is a thread of Node's: sockets
// that the core hands out go to a function there.
//
// Thread-safety: all functions from any thread, but Serve, which belongs to the JavaScript thread of the relay.
//
// Invariants:
//  1. A socket has one owner: whoever gave it until Pass takes it, the gate while it waits, then the function. What
//     the function never gets is closed, so whoever holds the other end hears of it.
//  2. Sockets wait for a relay that is starting. After it has ended, Pass takes nothing.
//  3. The relay's thread is kept running by its gate, and ends when the last one who holds the gate has let go of it.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace zkdb::addon {

class TlsGate {
 public:
  static std::shared_ptr<TlsGate> Create();
  // By the number that its relay is started with; nullptr when nobody holds it any more.
  static std::shared_ptr<TlsGate> Find(uint32_t number);
  ~TlsGate();
  TlsGate(const TlsGate&) = delete;
  TlsGate& operator=(const TlsGate&) = delete;

  uint32_t number() const { return number_; }
  // A database that is open passes sockets.
  void Want() { wanted_ = true; }
  // Whether the caller is to start the relay: true once, when it is wanted.
  bool Start() { return wanted_ && !started_.exchange(true); }
  // The relay has ended, or could not be started.
  void End();
  bool is_over() const;

  // The zkdb_tls_relay callback; `context` is the gate.
  static int Pass(void* context, int socket);
  // Every socket goes to `function` from now on. False when it is none, or there is a relay already.
  bool Serve(napi_env env, napi_value function);

 private:
  struct Passed;
  // Shared with the relay's environment, which may end before the gate does.
  struct Channel {
    std::mutex mutex;
    napi_threadsafe_function function = nullptr;
    bool served = false;  // with no function: the relay has ended
    std::vector<std::unique_ptr<Passed>> waiting;

    bool Send(std::unique_ptr<Passed>* passed);  // REQUIRES: mutex is held, there is a function
  };

  explicit TlsGate(uint32_t number);
  static void Call(napi_env env, napi_value function, void* context, void* data);

  const uint32_t number_;
  const std::shared_ptr<Channel> channel_;
  std::atomic<bool> wanted_{false};
  std::atomic<bool> started_{false};
};

}  // namespace zkdb::addon
