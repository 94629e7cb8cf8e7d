#include "net/subcommands.h"

#include <algorithm>
#include <string>

#include "net/numbers.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

constexpr size_t kShownName = 128;  // bytes of an unknown name

}  // namespace

void RunSubcommand(Session* s, std::string_view command, std::span<const Subcommand> subcommands, Arguments args) {
  for (const Subcommand& subcommand : subcommands) {
    if (!IsWord(args[1], subcommand.name)) continue;
    if (args.size() >= subcommand.least && args.size() <= subcommand.most) return subcommand.handler(s, args);
    return s->FailArity(std::string(command) + "|" + std::string(subcommand.name));
  }
  s->reply()->Error("ERR unknown subcommand '" + args[1].Sub(0, std::min(args[1].size, kShownName)).ToString() + "'.");
}

}  // namespace zkdb::net
