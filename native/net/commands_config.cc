// CONFIG GET: the settings that clients and tools for Redis ask for, under the names of Redis. No secret is among them.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/commands.h"
#include "net/glob.h"
#include "net/keyspace_events.h"
#include "net/numbers.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

// What holds for every server, whatever its settings are.
constexpr std::pair<std::string_view, std::string_view> kFixed[] = {
    {"appendonly", "yes"},  // the log: what is acknowledged is in it
    {"cluster-enabled", "no"},
    {"maxmemory", "0"},  // no limit
    {"maxmemory-policy", "noeviction"},
    {"save", ""},  // checkpoints are not by time and changes
};

std::vector<ServerSetting> AllSettings(const Session& session) {
  std::vector<ServerSetting> settings = session.server()->Settings();
  for (const auto& [name, value] : kFixed) settings.push_back({name, std::string(value)});
  settings.push_back({"notify-keyspace-events", EventLetters(session.server()->event_classes())});
  settings.push_back({"proto-max-bulk-len", std::to_string(session.limits().parser.frame_bytes)});
  std::sort(settings.begin(), settings.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return settings;
}

void ReplySettings(Session* s, Arguments patterns) {
  std::vector<std::string> wanted;
  for (const Slice& pattern : patterns) wanted.push_back(LowerAscii(pattern));
  std::vector<ServerSetting> found = AllSettings(*s);
  std::erase_if(found, [&wanted](const ServerSetting& setting) {
    return std::none_of(wanted.begin(), wanted.end(),
                        [&setting](const std::string& pattern) { return GlobMatches(pattern, setting.name); });
  });
  s->reply()->Map(found.size());
  for (const ServerSetting& setting : found) {
    s->reply()->Bulk(setting.name);
    s->reply()->Bulk(setting.value);
  }
}

}  // namespace

void Config(Session* s, Arguments args) {
  if (IsWord(args[1], "GET") && args.size() > 2) return ReplySettings(s, args.subspan(2));
  if (IsWord(args[1], "GET")) return s->FailArity("config|get");
  s->reply()->Error("ERR CONFIG GET alone is known: settings stand in [server] of the configuration");
}

}  // namespace zkdb::net
