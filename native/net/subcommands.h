// Commands whose first argument is the name of another one: CLIENT, CLUSTER, PUBSUB and others.
//
// Thread-safety: pure functions.
#pragma once

#include <span>

#include "net/command_table.h"

namespace zkdb::net {

struct Subcommand {
  std::string_view name;  // in capitals
  Handler handler;
  size_t least;  // arguments, with both names
  size_t most;
};

// Carries out the one that args[1] names, or replies with an error. `command` is the name of all in small letters.
void RunSubcommand(Session* s, std::string_view command, std::span<const Subcommand> subcommands, Arguments args);

}  // namespace zkdb::net
