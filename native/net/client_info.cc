// What CLIENT LIST and CLIENT KILL make of a ClientInfo.
#include "net/host.h"

namespace zkdb::net {

bool Matches(const ClientFilter& filter, const ClientInfo& client) {
  const auto is = [](const std::string& wanted, const std::string& has) { return wanted.empty() || wanted == has; };
  return (filter.id == 0 || filter.id == client.id) && client.id != filter.except &&
         is(filter.address, client.address) && is(filter.local_address, client.local_address) &&
         is(filter.user, client.user);
}

std::string FormatClient(const ClientInfo& client, uint64_t now_us) {
  const auto seconds = [now_us](uint64_t since_us) {
    return std::to_string(now_us > since_us ? (now_us - since_us) / 1000000 : 0);
  };
  const std::string flags = std::string(client.queued >= 0 ? "x" : "") +
                            (client.channels + client.patterns > 0 ? "P" : "") + (client.no_evict ? "e" : "");
  return "id=" + std::to_string(client.id) + " addr=" + client.address + " laddr=" + client.local_address +
         " name=" + client.name + " age=" + seconds(client.connected_us) + " idle=" + seconds(client.active_us) +
         " flags=" + (flags.empty() ? "N" : flags) + " db=" + std::to_string(client.database) +
         " sub=" + std::to_string(client.channels) + " psub=" + std::to_string(client.patterns) +
         " multi=" + std::to_string(client.queued) + " watch=" + std::to_string(client.watched) +
         " user=" + client.user + " lib-name=" + client.library_name + " lib-ver=" + client.library_version +
         " resp=" + std::to_string(client.protocol) + "\n";
}

}  // namespace zkdb::net
