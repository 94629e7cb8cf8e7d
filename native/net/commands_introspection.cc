// COMMAND, COMMAND COUNT, COMMAND INFO, COMMAND DOCS: the table of commands for clients.
#include <algorithm>

#include "net/commands.h"
#include "net/numbers.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

std::vector<std::string_view> FlagsOf(const Command& command) {
  std::vector<std::string_view> flags;
  const auto add = [&](uint32_t flag, std::string_view name) {
    if ((command.flags & flag) != 0) flags.push_back(name);
  };
  add(kRead, "readonly");
  add(kWrite, "write");
  add(kAdmin, "admin");
  add(kFast, "fast");
  add(kNoLogin, "no_auth");
  add(kNoMulti, "no_multi");
  add(kPubSub, "pubsub");
  return flags;
}

std::vector<std::string_view> CategoriesOf(const Command& command) {
  std::vector<std::string_view> categories;
  categories.push_back((command.flags & kFast) != 0 ? "@fast" : "@slow");
  if ((command.flags & kRead) != 0) categories.push_back("@read");
  if ((command.flags & kWrite) != 0) categories.push_back("@write");
  if ((command.flags & kAdmin) != 0) categories.push_back("@admin");
  if ((command.flags & kConnection) != 0) categories.push_back("@connection");
  if ((command.flags & kPubSub) != 0) categories.push_back("@pubsub");
  return categories;
}

// The ten parts that clients of Redis 7 expect; tips, key specifications and subcommands are empty.
void Describe(ReplyWriter* reply, const Command& command) {
  reply->Array(10);
  reply->Bulk(LowerAscii(command.name));
  reply->Integer(command.arity);
  const auto flags = FlagsOf(command);
  reply->Set(flags.size());
  for (const std::string_view flag : flags) reply->Simple(flag);
  reply->Integer(command.first_key);
  reply->Integer(command.last_key);
  reply->Integer(command.key_step);
  const auto categories = CategoriesOf(command);
  reply->Set(categories.size());
  for (const std::string_view category : categories) reply->Simple(category);
  reply->Array(0);
  reply->Array(0);
  reply->Array(0);
}

void Document(ReplyWriter* reply, const Command& command) {
  reply->Bulk(LowerAscii(command.name));
  reply->Map(3);
  reply->Bulk("summary");
  reply->Bulk(command.summary);
  reply->Bulk("since");
  reply->Bulk("0.1.0");
  reply->Bulk("group");
  const bool data = (command.flags & (kRead | kWrite)) != 0;
  reply->Bulk(data                                 ? "string"
              : (command.flags & kPubSub) != 0     ? "pubsub"
              : (command.flags & kConnection) != 0 ? "connection"
                                                   : "transactions");
}

// The commands that are named, and those there are; of an unknown name a null pointer. All when none is named.
std::vector<const Command*> Named(Arguments names) {
  std::vector<const Command*> commands;
  for (const Slice& name : names) commands.push_back(FindCommand(name));
  if (!names.empty()) return commands;
  for (const Command& command : AllCommands()) commands.push_back(&command);
  return commands;
}

void Info(ReplyWriter* reply, Arguments names) {
  const auto commands = Named(names);
  reply->Array(commands.size());
  for (const Command* command : commands) command == nullptr ? reply->NullArray() : Describe(reply, *command);
}

void Docs(ReplyWriter* reply, Arguments names) {
  auto commands = Named(names);
  commands.erase(std::remove(commands.begin(), commands.end(), nullptr), commands.end());
  reply->Map(commands.size());
  for (const Command* command : commands) Document(reply, *command);
}

}  // namespace

void CommandCommand(Session* s, Arguments args) {
  if (args.size() == 1) return Info(s->reply(), {});
  const Arguments names = args.subspan(2);
  if (IsWord(args[1], "INFO")) return Info(s->reply(), names);
  if (IsWord(args[1], "DOCS")) return Docs(s->reply(), names);
  if (IsWord(args[1], "COUNT") && names.empty()) {
    return s->reply()->Integer(static_cast<int64_t>(AllCommands().size()));
  }
  if (IsWord(args[1], "COUNT")) return s->FailArity("command|count");
  s->reply()->Error("ERR unknown subcommand '" + args[1].Sub(0, std::min<size_t>(args[1].size, 128)).ToString() + "'.");
}

}  // namespace zkdb::net
