// PING ECHO TIME SELECT QUIT RESET AUTH HELLO CLIENT.
#include <algorithm>
#include <optional>

#include "net/commands.h"
#include "net/numbers.h"
#include "net/session.h"
#include "net/subcommands.h"

namespace zkdb::net {

namespace {

// Names stand in CLIENT LIST between spaces.
bool IsName(Slice name) {
  return std::all_of(name.data, name.data + name.size, [](uint8_t c) { return c > ' ' && c < 0x7f; });
}

bool SetName(Session* s, Slice name) {
  if (!IsName(name)) {
    s->reply()->Error("ERR Client names cannot contain spaces, newlines or special characters.");
    return false;
  }
  s->EditInfo()->name = name.ToString();
  return true;
}

// The first database of the server that has the name.
bool FindDatabase(Session* s, Slice name, int64_t* number) {
  for (uint32_t i = 0;; ++i) {
    zkdb_db* const db = s->server()->Database(i);
    if (db == nullptr) return false;
    if (name == Slice(zkdb_name(db))) return *number = i, true;
  }
}

void ReplyHello(Session* s) {
  ReplyWriter* reply = s->reply();
  reply->Map(7);
  reply->Bulk("server");
  reply->Bulk("zkdb");
  reply->Bulk("version");
  reply->Bulk(zkdb_version());
  reply->Bulk("proto");
  reply->Integer(reply->protocol());
  reply->Bulk("id");
  reply->Integer(static_cast<int64_t>(s->info().id));
  reply->Bulk("mode");
  reply->Bulk(s->cluster() == nullptr ? "standalone" : "cluster");
  reply->Bulk("role");
  reply->Bulk("master");
  reply->Bulk("modules");
  reply->Array(0);
}

}  // namespace

void Ping(Session* s, Arguments args) {
  if (args.size() > 2) return s->FailArity("ping");
  if (s->subscribed() && s->reply()->protocol() == 2) {
    // As a message: so clients take it.
    s->reply()->Array(2);
    s->reply()->Bulk("pong");
    return s->reply()->Bulk(args.size() == 2 ? args[1] : Slice(""));
  }
  args.size() == 2 ? s->reply()->Bulk(args[1]) : s->reply()->Simple("PONG");
}

void Echo(Session* s, Arguments args) { s->reply()->Bulk(args[1]); }

void Time(Session* s, Arguments) {
  const uint64_t now = s->server()->NowUs();
  s->reply()->Array(2);
  s->reply()->Bulk(std::to_string(now / 1000000));
  s->reply()->Bulk(std::to_string(now % 1000000));
}

// SELECT number, or SELECT name (`Database` of a configuration). What is a number is no name.
void Select(Session* s, Arguments args) {
  int64_t number = 0;
  if (!ParseInteger(args[1], &number)) {
    if (!FindDatabase(s, args[1], &number)) return s->reply()->Error(kNotAnInteger);
    if (!s->access().AllowsDatabase(static_cast<uint32_t>(number))) {
      return s->reply()->Error("NOPERM this user has no permissions to access the database");
    }
  }
  if (number != 0 && s->cluster() != nullptr) return s->reply()->Error("ERR SELECT is not allowed in cluster mode");
  if (number < 0 || number > UINT32_MAX || !s->SelectDatabase(static_cast<uint32_t>(number))) {
    return s->reply()->Error("ERR DB index is out of range");
  }
  s->reply()->Ok();
}

void Quit(Session* s, Arguments) {
  s->reply()->Ok();
  s->Close();
}

void ResetCommand(Session* s, Arguments) {
  s->ResetState();
  s->reply()->Simple("RESET");
}

void Auth(Session* s, Arguments args) {
  if (args.size() > 3) return s->FailSyntax();
  if (args.size() == 2 && !s->server()->NeedsLogin()) {
    return s->reply()->Error(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
        "configuration is correct?");
  }
  PendingLogin login;
  login.user = args.size() == 3 ? args[1].ToString() : "default";
  s->BeginLogin(std::move(login), args.back());
}

void Hello(Session* s, Arguments args) {
  int64_t version = s->reply()->protocol();
  if (args.size() > 1 && (!ParseInteger(args[1], &version) || version < 2 || version > 3)) {
    return s->reply()->Error("NOPROTO unsupported protocol version");
  }
  PendingLogin hello;
  hello.hello = true;
  hello.protocol = static_cast<int>(version);
  std::optional<Slice> password;
  for (size_t i = 2; i < args.size();) {
    if (IsWord(args[i], "AUTH") && i + 2 < args.size()) {
      hello.user = args[i + 1].ToString();
      password = args[i + 2];
      i += 3;
    } else if (IsWord(args[i], "SETNAME") && i + 1 < args.size()) {
      hello.name = args[i + 1].ToString();
      hello.named = true;
      i += 2;
    } else {
      return s->reply()->Error("ERR Syntax error in HELLO option '" + args[i].ToString() + "'");
    }
  }
  if (password) return s->BeginLogin(std::move(hello), *password);
  if (!s->logged_in()) {
    return s->reply()->Error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> "
        "<pass> option can be used to authenticate the client and select the RESP protocol version at the same time");
  }
  FinishHello(s, hello);
}

void FinishHello(Session* s, const PendingLogin& hello) {
  if (hello.named && !SetName(s, hello.name)) return;
  s->SetProtocol(hello.protocol);
  ReplyHello(s);
}

// ---- CLIENT

namespace {

// The session's own line is fresher than the server's copy.
ClientInfo OwnInfo(Session* s) {
  ClientInfo info = s->info();
  info.active_us = s->server()->NowUs();
  return info;
}

void ClientId(Session* s, Arguments) { s->reply()->Integer(static_cast<int64_t>(s->info().id)); }

void ClientInfoLine(Session* s, Arguments) { s->reply()->Bulk(FormatClient(OwnInfo(s), s->server()->NowUs())); }

// CLIENT LIST [TYPE type] [ID id ...]
void ClientList(Session* s, Arguments args) {
  std::vector<int64_t> ids;
  bool normal = true;
  size_t i = 2;
  if (i + 1 < args.size() && IsWord(args[i], "TYPE")) {
    normal = IsWord(args[i + 1], "NORMAL");
    i += 2;
  }
  if (i < args.size()) {
    if (!IsWord(args[i], "ID") || i + 1 == args.size()) return s->FailSyntax();
    for (++i; i < args.size(); ++i) {
      if (!ParseInteger(args[i], &ids.emplace_back())) return s->reply()->Error("ERR Invalid client ID");
    }
  }
  const uint64_t now = s->server()->NowUs();
  std::string lines;
  for (const ClientInfo& client : s->server()->ListClients()) {
    const bool wanted = ids.empty() || std::find(ids.begin(), ids.end(), static_cast<int64_t>(client.id)) != ids.end();
    if (normal && wanted) lines += FormatClient(client.id == s->info().id ? OwnInfo(s) : client, now);
  }
  s->reply()->Bulk(lines);
}

void ClientSetName(Session* s, Arguments args) {
  if (SetName(s, args[2])) s->reply()->Ok();
}

void ClientGetName(Session* s, Arguments) {
  s->info().name.empty() ? s->reply()->Null() : s->reply()->Bulk(s->info().name);
}

void ClientSetInfo(Session* s, Arguments args) {
  const bool name = IsWord(args[2], "LIB-NAME");
  if (!name && !IsWord(args[2], "LIB-VER")) {
    return s->reply()->Error("ERR Unrecognized option '" + args[2].ToString() + "'");
  }
  if (!IsName(args[3])) {
    return s->reply()->Error("ERR " + std::string(name ? "lib-name" : "lib-ver") +
                             " cannot contain spaces, newlines or special characters.");
  }
  (name ? s->EditInfo()->library_name : s->EditInfo()->library_version) = args[3].ToString();
  s->reply()->Ok();
}

void ClientNoEvict(Session* s, Arguments args) {
  const bool on = IsWord(args[2], "ON");
  if (!on && !IsWord(args[2], "OFF")) return s->FailSyntax();
  s->EditInfo()->no_evict = on;
  s->reply()->Ok();
}

uint32_t Kill(Session* s, ClientFilter filter) {
  const bool own = Matches(filter, s->info());
  if (own) s->Close();
  const uint64_t id = s->info().id;
  if (own && filter.id == id) return 1;
  filter.except = id;  // its own connection is closed by the session, when its reply is sent
  return s->server()->KillClients(filter) + (own ? 1 : 0);
}

// One "NAME value" of CLIENT KILL. False after an error reply.
bool AddKillFilter(Session* s, Slice name, Slice value, ClientFilter* filter, bool* skip_me) {
  int64_t id = 0;
  if (IsWord(name, "ID")) {
    if (!ParseInteger(value, &id) || id < 1) {
      s->reply()->Error("ERR client-id should be greater than 0");
      return false;
    }
    filter->id = static_cast<uint64_t>(id);
  } else if (IsWord(name, "ADDR")) {
    filter->address = value.ToString();
  } else if (IsWord(name, "LADDR")) {
    filter->local_address = value.ToString();
  } else if (IsWord(name, "USER")) {
    filter->user = value.ToString();
  } else if (IsWord(name, "SKIPME") && (IsWord(value, "YES") || IsWord(value, "NO"))) {
    *skip_me = IsWord(value, "YES");
  } else {
    s->FailSyntax();
    return false;
  }
  return true;
}

void ClientKill(Session* s, Arguments args) {
  ClientFilter filter;
  if (args.size() == 3) {
    if (args[2].empty()) return s->reply()->Error("ERR No such client");
    filter.address = args[2].ToString();
    return Kill(s, filter) > 0 ? s->reply()->Ok() : s->reply()->Error("ERR No such client");
  }
  bool skip_me = true;
  if (args.size() % 2 != 0) return s->FailSyntax();
  for (size_t i = 2; i < args.size(); i += 2) {
    if (!AddKillFilter(s, args[i], args[i + 1], &filter, &skip_me)) return;
  }
  if (skip_me) filter.except = s->info().id;
  s->reply()->Integer(Kill(s, filter));
}

constexpr Subcommand kClientCommands[] = {
    {"GETNAME", ClientGetName, 2, 2}, {"ID", ClientId, 2, 2},           {"INFO", ClientInfoLine, 2, 2},
    {"KILL", ClientKill, 3, 64},      {"LIST", ClientList, 2, 4096},    {"NO-EVICT", ClientNoEvict, 3, 3},
    {"SETINFO", ClientSetInfo, 4, 4}, {"SETNAME", ClientSetName, 3, 3},
};

}  // namespace

void Client(Session* s, Arguments args) { RunSubcommand(s, "client", kClientCommands, args); }

}  // namespace zkdb::net
