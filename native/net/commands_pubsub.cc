// PUBLISH SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE PUBSUB, and the messages themselves.
#include <new>
#include <string>

#include "net/commands.h"
#include "net/session.h"
#include "net/subcommands.h"

namespace zkdb::net {

namespace {

// Bytes of a confirmation besides the name.
constexpr size_t kConfirmation = 96;
// A message is held against all patterns under one lock, in steps that are at most the product of both sizes.
constexpr size_t kMaxChannel = ZKDB_MAX_KEY_SIZE + 32;  // bytes: room for the channel of any key's events
constexpr size_t kMaxPattern = 1024;

// False after an error reply.
bool NameFits(Session* s, Slice name, size_t limit) {
  if (name.size <= limit) return true;
  s->reply()->Error("ERR the name has " + std::to_string(name.size) + " bytes; a channel has up to " +
                    std::to_string(kMaxChannel) + ", a pattern up to " + std::to_string(kMaxPattern));
  return false;
}

void Confirm(Session* s, std::string_view kind, Slice name) {
  s->reply()->Push(3);
  s->reply()->Bulk(kind);
  s->reply()->Bulk(name);
  s->reply()->Integer(static_cast<int64_t>(s->subscriptions()->size()));
}

void ConfirmNothing(Session* s, std::string_view kind) {
  s->reply()->Push(3);
  s->reply()->Bulk(kind);
  s->reply()->Null();
  s->reply()->Integer(static_cast<int64_t>(s->subscriptions()->size()));
}

template <typename Names>
bool MakeRoom(Session* s, const Names& names) {
  size_t bytes = 0;
  for (const auto& name : names) bytes += kConfirmation + Slice(name).size;
  return s->output()->Reserve(bytes) != nullptr;
}

using Change = void (Subscriptions::*)(Slice name);

void Add(Session* s, Arguments names, std::string_view kind, size_t limit, Change add) {
  Subscriptions* const subscriptions = s->subscriptions();
  if (!subscriptions->possible()) return s->reply()->Error("ERR this connection cannot be sent messages");
  size_t bytes = subscriptions->bytes();
  for (const Slice& name : names) {
    if (!NameFits(s, name, limit)) return;
    bytes += Subscriptions::CostOf(name);
  }
  if (bytes > s->limits().max_subscribed) {
    return s->reply()->Error("ERR the names of this connection's channels and patterns have more than " +
                             std::to_string(s->limits().max_subscribed) + " bytes; unsubscribe from some");
  }
  if (!MakeRoom(s, names)) return;
  for (const Slice& name : names) {
    (subscriptions->*add)(name);
    Confirm(s, kind, name);
  }
}

// Those that are named, or all of `own`.
void Remove(Session* s, Arguments names, const std::set<std::string, std::less<>>& own, std::string_view kind,
            Change remove) {
  const std::vector<std::string> all(own.begin(), own.end());
  if (names.empty() && all.empty()) return ConfirmNothing(s, kind);
  if (!(names.empty() ? MakeRoom(s, all) : MakeRoom(s, names))) return;
  const auto take = [&](Slice name) {
    (s->subscriptions()->*remove)(name);
    Confirm(s, kind, name);
  };
  for (const Slice& name : names) take(name);
  if (!names.empty()) return;
  for (const std::string& name : all) take(name);
}

// ---- PUBSUB

void PubSubChannels(Session* s, Arguments args) {
  const size_t place = s->reply()->StartArray();
  size_t count = 0;
  for (const std::string& name : s->server()->pubsub()->Channels(args.size() > 2 ? args[2] : Slice("*"))) {
    if (!MayHear(s->access(), name)) continue;
    s->reply()->Bulk(name);
    ++count;
  }
  s->reply()->FinishArray(place, count);
}

void PubSubNumPat(Session* s, Arguments) {
  s->reply()->Integer(static_cast<int64_t>(s->server()->pubsub()->Patterns()));
}

void PubSubNumSub(Session* s, Arguments args) {
  const Arguments names = args.subspan(2);
  s->reply()->Array(names.size() * 2);
  for (const Slice& name : names) {
    s->reply()->Bulk(name);
    const bool shown = MayHear(s->access(), name);
    s->reply()->Integer(shown ? static_cast<int64_t>(s->server()->pubsub()->Subscribers(name)) : 0);
  }
}

constexpr Subcommand kPubSubCommands[] = {
    {"CHANNELS", PubSubChannels, 2, 3}, {"NUMPAT", PubSubNumPat, 2, 2}, {"NUMSUB", PubSubNumSub, 2, SIZE_MAX}};

}  // namespace

void Subscribe(Session* s, Arguments args) {
  Add(s, args.subspan(1), "subscribe", kMaxChannel, &Subscriptions::AddChannel);
}

void PSubscribe(Session* s, Arguments args) {
  Add(s, args.subspan(1), "psubscribe", kMaxPattern, &Subscriptions::AddPattern);
}

void Unsubscribe(Session* s, Arguments args) {
  Remove(s, args.subspan(1), s->subscriptions()->channels(), "unsubscribe", &Subscriptions::RemoveChannel);
}

void PUnsubscribe(Session* s, Arguments args) {
  Remove(s, args.subspan(1), s->subscriptions()->patterns(), "punsubscribe", &Subscriptions::RemovePattern);
}

void Publish(Session* s, Arguments args) {
  if (s->cluster() != nullptr) {
    return s->reply()->Error(
        "ERR PUBLISH reaches the subscribers of one server, and this one is part of a cluster; use a server without "
        "Cluster = Yes for channels");
  }
  if (!NameFits(s, args[1], kMaxChannel)) return;
  s->reply()->Integer(static_cast<int64_t>(s->Publish(args[1], args[2])));
}

void PubSubCommand(Session* s, Arguments args) { RunSubcommand(s, "pubsub", kPubSubCommands, args); }

// ---- messages

uint64_t Session::Publish(Slice channel, Slice text) {
  if (store_.txn == nullptr) return server_->pubsub()->Publish(channel, text);
  // Nobody hears of what is not committed.
  messages_.push_back({channel.ToString(), text.ToString()});
  return server_->pubsub()->Receivers(channel);
}

void Session::SendMessages() {
  for (const Message& message : std::exchange(messages_, {})) server_->pubsub()->Publish(message.channel, message.text);
}

bool Session::Deliver(const Mail& mail) {
  if (closing_ || !subscriptions_.Wants(mail)) return true;
  const size_t mark = output_.size();
  const size_t size =
      mail.message->channel.size() + mail.message->text.size() + (mail.pattern == nullptr ? 0 : mail.pattern->size());
  try {
    if (mark + size + kConfirmation <= limits_.max_pushed) {
      reply_.Push(mail.pattern == nullptr ? 3 : 4);
      reply_.Bulk(mail.pattern == nullptr ? "message" : "pmessage");
      if (mail.pattern != nullptr) reply_.Bulk(*mail.pattern);
      reply_.Bulk(mail.message->channel);
      reply_.Bulk(mail.message->text);
      if (!output_.overflowed()) return true;
    }
  } catch (const std::bad_alloc&) {
    // As when there is no room: what is missing cannot be told.
  }
  output_.Truncate(mark);
  closing_ = true;
  return false;
}

}  // namespace zkdb::net
