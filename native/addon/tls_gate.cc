#include "addon/tls_gate.h"

#include <unistd.h>

#include <map>
#include <utility>

#include "addon/arguments.h"

namespace zkdb::addon {

namespace {

struct Gates {
  std::mutex mutex;
  uint32_t next = 1;
  std::map<uint32_t, std::weak_ptr<TlsGate>> gates;
};

Gates& TheGates() {
  static Gates* gates = new Gates;  // outlives every thread that may still let go of one
  return *gates;
}

}  // namespace

struct TlsGate::Passed {
  explicit Passed(int number) : socket(number) {}
  Passed(const Passed&) = delete;
  Passed& operator=(const Passed&) = delete;
  ~Passed() {
    if (socket >= 0) close(socket);
  }
  int socket;
};

std::shared_ptr<TlsGate> TlsGate::Create() {
  Gates& all = TheGates();
  const std::lock_guard<std::mutex> lock(all.mutex);
  std::shared_ptr<TlsGate> gate(new TlsGate(all.next++));
  all.gates[gate->number_] = gate;
  return gate;
}

std::shared_ptr<TlsGate> TlsGate::Find(uint32_t number) {
  Gates& all = TheGates();
  const std::lock_guard<std::mutex> lock(all.mutex);
  const auto found = all.gates.find(number);
  return found == all.gates.end() ? nullptr : found->second.lock();
}

TlsGate::TlsGate(uint32_t number) : number_(number), channel_(std::make_shared<Channel>()) {}

TlsGate::~TlsGate() {
  {
    Gates& all = TheGates();
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.gates.erase(number_);
  }
  const std::lock_guard<std::mutex> lock(channel_->mutex);
  if (channel_->function != nullptr) napi_release_threadsafe_function(channel_->function, napi_tsfn_release);
  channel_->function = nullptr;
}

void TlsGate::End() {
  const std::lock_guard<std::mutex> lock(channel_->mutex);
  channel_->served = true;
  channel_->waiting.clear();
}

bool TlsGate::is_over() const {
  const std::lock_guard<std::mutex> lock(channel_->mutex);
  return channel_->served && channel_->function == nullptr;
}

bool TlsGate::Channel::Send(std::unique_ptr<Passed>* passed) {
  if (napi_call_threadsafe_function(function, passed->get(), napi_tsfn_nonblocking) != napi_ok) {
    function = nullptr;  // its environment is ending
    return false;
  }
  static_cast<void>(passed->release());
  return true;
}

int TlsGate::Pass(void* context, int socket) {
  Channel& channel = *static_cast<TlsGate*>(context)->channel_;
  auto passed = std::make_unique<Passed>(-1);
  const std::lock_guard<std::mutex> lock(channel.mutex);
  if (channel.served && channel.function == nullptr) return 1;
  channel.waiting.reserve(channel.waiting.size() + 1);
  passed->socket = socket;
  if (channel.function == nullptr) {
    channel.waiting.push_back(std::move(passed));
    return 0;
  }
  if (channel.Send(&passed)) return 0;
  passed->socket = -1;  // stays the caller's
  return 1;
}

bool TlsGate::Serve(napi_env env, napi_value function) {
  napi_value name = nullptr;
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, function, &type) != napi_ok || type != napi_function) return false;
  const std::lock_guard<std::mutex> lock(channel_->mutex);
  if (channel_->served) return false;
  auto kept = std::make_unique<std::shared_ptr<Channel>>(channel_);
  const auto finalize = [](napi_env, void* data, void*) {
    const std::unique_ptr<std::shared_ptr<Channel>> held(static_cast<std::shared_ptr<Channel>*>(data));
    const std::lock_guard<std::mutex> guard((*held)->mutex);
    (*held)->function = nullptr;
  };
  if (napi_create_string_latin1(env, "zkdb.tls", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, function, nullptr, name, 0, 1, kept.get(), finalize, nullptr, Call,
                                      &channel_->function) != napi_ok) {
    return false;
  }
  static_cast<void>(kept.release());  // the finalizer has it
  channel_->served = true;
  for (std::unique_ptr<Passed>& passed : std::exchange(channel_->waiting, {})) {
    if (!channel_->Send(&passed)) break;
  }
  return true;
}

void TlsGate::Call(napi_env env, napi_value function, void*, void* data) {
  const std::unique_ptr<Passed> passed(static_cast<Passed*>(data));
  napi_value undefined = nullptr;
  napi_value number = nullptr;
  if (env == nullptr) return;  // the environment is ending
  if (napi_create_int32(env, passed->socket, &number) != napi_ok || napi_get_undefined(env, &undefined) != napi_ok) {
    return;
  }
  passed->socket = -1;
  napi_call_function(env, undefined, function, 1, &number, nullptr);
}

namespace {

// tlsRelayWanted(): the number of the gate whose relay is to be started now, once; 0: none is needed, or there is one
napi_value TlsRelayWanted(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  const std::shared_ptr<TlsGate> gate = args.environment().tls_gate();
  return args.Number(gate != nullptr && gate->Start() ? gate->number() : 0);
}

// tlsRelayServe(gate: number, take: (socket: number) => void): 0; in the thread of the relay
napi_value TlsRelayServe(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t number;
  if (!args.Uint(0, &number)) return args.Invalid();
  const std::shared_ptr<TlsGate> gate = TlsGate::Find(number);
  return gate == nullptr ? args.Closed() : gate->Serve(env, args[1]) ? args.Number(0) : args.Invalid();
}

// tlsRelayEnded(gate: number): 0; in the thread that started it
napi_value TlsRelayEnded(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  uint32_t number;
  if (!args.Uint(0, &number)) return args.Invalid();
  const std::shared_ptr<TlsGate> gate = TlsGate::Find(number);
  if (gate != nullptr) gate->End();
  return args.Number(0);
}

constexpr FunctionEntry kFunctions[] = {
    {"tlsRelayWanted", TlsRelayWanted},
    {"tlsRelayServe", TlsRelayServe},
    {"tlsRelayEnded", TlsRelayEnded},
};

}  // namespace

void ExportTlsFunctions(napi_env env, napi_value exports, Environment* environment) {
  ExportFunctions(env, exports, environment, kFunctions, std::size(kFunctions));
}

}  // namespace zkdb::addon
