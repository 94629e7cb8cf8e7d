#include "addon/server_events.h"

#include <new>
#include <utility>

#include "addon/job.h"

namespace zkdb::addon {

namespace {

const char* KindOf(net::AuditKind kind) {
  switch (kind) {
    case net::AuditKind::kLogin: return "login";
    case net::AuditKind::kLoginRefused: return "login-refused";
    case net::AuditKind::kDenied: return "denied";
    default: return "admin";
  }
}

}  // namespace

struct ServerEvents::Event {
  const char* kind = "";
  uint64_t client = 0;
  bool audit = false;
  bool check = false;
  std::string address;
  std::string user;
  std::string password;
  std::string command;
  std::string reason;
  uint64_t count = 1;
};

std::shared_ptr<ServerEvents> ServerEvents::Create(napi_env env, napi_value function) {
  auto channel = std::make_shared<Channel>();
  auto kept = std::make_unique<std::shared_ptr<Channel>>(channel);
  napi_value name = nullptr;
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, function, &type) != napi_ok || type != napi_function) return nullptr;
  const auto finalize = [](napi_env, void* data, void*) {
    const std::unique_ptr<std::shared_ptr<Channel>> held(static_cast<std::shared_ptr<Channel>*>(data));
    const std::lock_guard<std::mutex> lock((*held)->mutex);
    (*held)->function = nullptr;
  };
  if (napi_create_string_latin1(env, "zkdb.server", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, function, nullptr, name, 0, 1, kept.get(), finalize, channel.get(), Call,
                                      &channel->function) != napi_ok) {
    return nullptr;
  }
  static_cast<void>(kept.release());  // the finalizer has it
  napi_unref_threadsafe_function(env, channel->function);
  return std::shared_ptr<ServerEvents>(new ServerEvents(std::move(channel)));
}

ServerEvents::~ServerEvents() {
  const std::lock_guard<std::mutex> lock(channel_->mutex);
  // What waits is still told.
  if (channel_->function != nullptr) napi_release_threadsafe_function(channel_->function, napi_tsfn_release);
  channel_->function = nullptr;
}

void ServerEvents::CheckLogin(const net::ClientInfo& client, Slice user, Slice password) {
  auto event = std::make_unique<Event>();
  event->kind = "check";
  event->check = true;
  event->client = client.id;
  event->address = client.address;
  event->user = user.ToString();
  event->password = password.ToString();
  Send(std::move(event));
}

void ServerEvents::Gone(uint64_t client) {
  std::unique_ptr<Event> event(new (std::nothrow) Event());
  if (event == nullptr) return;  // JavaScript finds out when it writes
  event->kind = "gone";
  event->client = client;
  Send(std::move(event));
}

void ServerEvents::Audit(const net::AuditEvent& told) {
  if (channel_->audits.load(std::memory_order_relaxed) >= kMaxAudits) {
    channel_->dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  channel_->audits.fetch_add(1, std::memory_order_relaxed);
  auto event = std::make_unique<Event>();
  event->kind = KindOf(told.kind);
  event->audit = true;
  event->client = told.client->id;
  event->address = told.client->address;
  event->user = told.user.ToString();
  event->command = told.command;
  event->reason = told.reason;
  event->count = told.count;
  Send(std::move(event));
}

void ServerEvents::Send(std::unique_ptr<Event> event) {
  const std::lock_guard<std::mutex> lock(channel_->mutex);
  if (channel_->function == nullptr) return;
  if (napi_call_threadsafe_function(channel_->function, event.get(), napi_tsfn_nonblocking) == napi_ok) {
    static_cast<void>(event.release());
  }
}

napi_value ServerEvents::Describe(napi_env env, Channel* channel, const Event& event) {
  napi_value object = nullptr;
  if (napi_create_object(env, &object) != napi_ok) return nullptr;
  SetString(env, object, "kind", event.kind);
  SetNumber(env, object, "client", static_cast<double>(event.client));
  SetString(env, object, "address", event.address.data(), event.address.size());
  SetString(env, object, "user", event.user.data(), event.user.size());
  if (event.check) {
    napi_value password = nullptr;
    if (napi_create_buffer_copy(env, event.password.size(), event.password.data(), nullptr, &password) == napi_ok) {
      napi_set_named_property(env, object, "password", password);
    }
  }
  if (!event.audit) return object;
  SetString(env, object, "command", event.command.data(), event.command.size());
  SetString(env, object, "reason", event.reason.data(), event.reason.size());
  SetNumber(env, object, "count", static_cast<double>(event.count));
  SetNumber(env, object, "dropped", static_cast<double>(channel->dropped.exchange(0, std::memory_order_relaxed)));
  return object;
}

void ServerEvents::Call(napi_env env, napi_value function, void* context, void* data) {
  const std::unique_ptr<Event> event(static_cast<Event*>(data));
  auto* const channel = static_cast<Channel*>(context);
  if (event->audit) channel->audits.fetch_sub(1, std::memory_order_relaxed);
  if (env == nullptr) return;  // the environment is ending
  napi_value undefined = nullptr;
  napi_value object = Describe(env, channel, *event);
  if (object == nullptr || napi_get_undefined(env, &undefined) != napi_ok) return;
  napi_call_function(env, undefined, function, 1, &object, nullptr);
}

}  // namespace zkdb::addon
