// The commands: name, handler, number of arguments, flags, and where keys stand.
//
// Thread-safety: the table is constant.
//
// Invariants:
//  1. Finding a command allocates nothing.
#pragma once

#include <cstdint>
#include <span>

#include "net/resp_parser.h"

namespace zkdb::net {

class Session;

// Answers one command; `arguments` begin with its name, and their number fits the arity.
// REQUIRES of a handler: what may be large in its reply is written before anything is changed. When the output then
// has overflowed it changes nothing: the command is answered anew, or with an error.
using Handler = void (*)(Session* session, Arguments arguments);

enum CommandFlag : uint32_t {
  kRead = 1,      // looks at data
  kWrite = 2,     // changes data
  kAdmin = 4,     // for whoever runs the server
  kFast = 8,      // its work does not grow with the data
  kNoLogin = 16,  // allowed before logging in
  kNoMulti = 32,  // not allowed behind MULTI
  kAtOnce = 64,   // carried out, not queued, behind MULTI
  kConnection = 128,
  kPubSub = 256,     // channels and messages
  kSubscribed = 512  // allowed in RESP2 while there are subscriptions
};

// What of the databases a command can touch: how rights are asked (permission.cc).
enum class Reach : uint8_t {
  kNothing,     // the connection alone
  kSelect,      // the database whose number is its argument
  kDatabase,    // the selected database, but no keys
  kKeys,        // the keys that it names
  kOperations,  // the keys and ranges that ZK.BATCH names
  kRange,       // the range that it names
  kVisible,     // what the user may see: the handler leaves out the rest
  kChannels,    // the channels that it names, each like a key of that name
  kPatterns,    // the channels that its patterns match
  kEverything,  // all keys
  kServer,      // all keys of all databases
};

// Verbs (rights.h) that a command needs because of its arguments, whose number fits the arity.
using MoreVerbs = uint32_t (*)(Arguments arguments);

struct Command {
  std::string_view name;  // in capitals
  Handler handler;
  int arity;  // arguments with the name; negative: at least so many
  uint32_t flags;
  uint32_t verbs;  // that a user needs; 0 for what concerns the connection alone
  Reach reach;
  int first_key;  // place among the arguments, 0: none
  int last_key;   // negative: from the end
  int key_step;
  std::string_view summary;
  MoreVerbs more_verbs = nullptr;
};

// The command of a name in any case, or nullptr.
const Command* FindCommand(Slice name);
// All of them, by name.
std::span<const Command> AllCommands();

inline bool ArityFits(const Command& command, size_t arguments) {
  return command.arity >= 0 ? arguments == static_cast<size_t>(command.arity)
                            : arguments >= static_cast<size_t>(-command.arity);
}

}  // namespace zkdb::net
