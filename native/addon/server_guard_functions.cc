// What guards a running server: answers to logins, rights that change, and connections that are relayed because they
// are encrypted.
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "addon/arguments.h"
#include "addon/job.h"
#include "net/loop/loop_server.h"

namespace zkdb::addon {
namespace {

using net::LoopServer;

// The running server of the first argument; nullptr when it is closed, or is being closed.
std::shared_ptr<LoopServer> ServerOf(const Arguments& args) {
  uint32_t number;
  return args.Uint(0, &number) ? args.environment().FindServer(number) : nullptr;
}

napi_value Closed(const Arguments& args) { return args.Fail(ZKDB_CLOSED, "the server is closed"); }

// Packed rights, or nothing (undefined). False for anything else.
bool RightsOf(const Arguments& args, size_t i, std::shared_ptr<const net::Rights>* out) {
  napi_valuetype type;
  if (napi_typeof(args.env(), args[i], &type) != napi_ok) return false;
  if (type == napi_undefined) return true;
  uint8_t* data;
  size_t size;
  if (!args.Bytes(i, &data, &size)) return false;
  *out = net::ParseRights(Slice(data, size));
  return *out != nullptr;
}

net::LoginVerdict VerdictOf(const std::string& name) {
  if (name == "welcome") return net::LoginVerdict::kWelcome;
  return name == "refused" ? net::LoginVerdict::kRefused : net::LoginVerdict::kFailed;
}

// serverFinishLogin(server, client, verdict: 'welcome' | 'refused' | 'failed', rights?: Uint8Array): 0, or a negative
// number
napi_value ServerFinishLogin(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  const std::shared_ptr<LoopServer> server = ServerOf(args);
  if (server == nullptr) return Closed(args);
  int64_t client = 0;
  std::string verdict;
  std::shared_ptr<const net::Rights> rights;
  const bool known = napi_get_value_int64(env, args[1], &client) == napi_ok && args.String(2, &verdict) &&
                     RightsOf(args, 3, &rights) && (verdict == "welcome") == (rights != nullptr);
  if (!known) return args.Invalid();
  server->FinishLogin(static_cast<uint64_t>(client), VerdictOf(verdict), rights);
  return args.Number(0);
}

// serverChangeRights(server, user, rights?: Uint8Array): 0, or a negative number. Without rights his connections end.
napi_value ServerChangeRights(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  const std::shared_ptr<LoopServer> server = ServerOf(args);
  if (server == nullptr) return Closed(args);
  std::string user;
  std::shared_ptr<const net::Rights> rights;
  if (!args.String(1, &user) || !RightsOf(args, 2, &rights)) return args.Invalid();
  server->ChangeRights(user, rights);
  return args.Number(0);
}

// serverSetAddresses(server, addresses): 0, or a negative number. Closes the connections of others.
napi_value ServerSetAddresses(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  const std::shared_ptr<LoopServer> server = ServerOf(args);
  if (server == nullptr) return Closed(args);
  std::string text;
  net::AddressList listed;
  if (!args.String(1, &text) || !net::AddressList::Parse(text, &listed)) return args.Invalid();
  server->SetListed(std::move(listed));
  return args.Number(0);
}

// serverAdmit(server, host): whether it may come in, 1 or 0, or a negative number. serverLeave follows a 1.
napi_value ServerAdmit(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  const std::shared_ptr<LoopServer> server = ServerOf(args);
  if (server == nullptr) return Closed(args);
  std::string host;
  if (!args.String(1, &host)) return args.Invalid();
  return args.Number(server->Admit(host) == net::Verdict::kAdmitted ? 1 : 0);
}

// serverLeave(server, host): 0, or a negative number
napi_value ServerLeave(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  const std::shared_ptr<LoopServer> server = ServerOf(args);
  if (server == nullptr) return Closed(args);
  std::string host;
  if (!args.String(1, &host)) return args.Invalid();
  server->Leave(host);
  return args.Number(0);
}

// serverAdopt(server, host, address, localAddress, user, rights?: Uint8Array): {client, fd}, or a negative number. The
// file descriptor is the caller's. Without rights the peer has to log in as others do.
napi_value ServerAdopt(napi_env env, napi_callback_info info) {
  const Arguments args(env, info);
  const std::shared_ptr<LoopServer> server = ServerOf(args);
  if (server == nullptr) return Closed(args);
  net::RelayedPeer peer;
  if (!args.String(1, &peer.host) || !args.String(2, &peer.address) || !args.String(3, &peer.local_address) ||
      !args.String(4, &peer.user) || !RightsOf(args, 5, &peer.rights)) {
    return args.Invalid();
  }
  int fd = -1;
  uint64_t client = 0;
  napi_value result = nullptr;
  if (napi_create_object(env, &result) != napi_ok) return nullptr;
  const Status status = server->Adopt(std::move(peer), &fd, &client);
  if (!status.ok()) return args.Fail(status.code(), status.message().c_str());
  SetNumber(env, result, "client", static_cast<double>(client));
  SetNumber(env, result, "fd", fd);
  return result;
}

constexpr FunctionEntry kFunctions[] = {
    {"serverFinishLogin", ServerFinishLogin},
    {"serverChangeRights", ServerChangeRights},
    {"serverSetAddresses", ServerSetAddresses},
    {"serverAdmit", ServerAdmit},
    {"serverLeave", ServerLeave},
    {"serverAdopt", ServerAdopt},
};

}  // namespace

void ExportServerGuardFunctions(napi_env env, napi_value exports, Environment* environment) {
  ExportFunctions(env, exports, environment, kFunctions, std::size(kFunctions));
}

}  // namespace zkdb::addon
