// Who a connection is and what it may do: logins, and the rights that each command is held against.
#include <algorithm>
#include <new>
#include <utility>

#include "core/base/assert.h"
#include "net/commands.h"
#include "net/numbers.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

constexpr size_t kMaxUser = 256;                  // bytes
constexpr size_t kMaxPassword = size_t{4} << 10;  // bytes
constexpr uint64_t kAuditedDenials = 100;         // of a login, one by one

std::string_view ReasonOf(Denial denial) {
  switch (denial) {
    case Denial::kCommand: return "command";
    case Denial::kDatabase: return "database";
    default: return "key";
  }
}

// The name of a command as its users write it, with the subcommand of CLIENT.
std::string FullName(const Command& command, Arguments args) {
  constexpr size_t kShown = 32;  // bytes of the subcommand
  std::string name(command.name);
  if (command.more_verbs == ClientVerbs) name += "|" + args[1].Sub(0, std::min(args[1].size, kShown)).ToString();
  return LowerAscii(name);
}

}  // namespace

// ---- logins

void Session::LogIn(const std::string& user, std::shared_ptr<const Rights> rights) {
  snapshots_.CloseAll();
  EditInfo()->user = user;
  logged_in_ = true;
  denied_ = 0;
  access_.SetRights(std::move(rights));
  watch_lost_ = !watched_.empty();
  parser_.SetLimits(limits_.parser);
  CheckSubscriptions();
}

void Session::LogOut() {
  subscriptions_.Clear();
  snapshots_.CloseAll();
  EditInfo()->user = first_user_;
  logged_in_ = false;
  access_.SetRights(nullptr);
  parser_.SetLimits(limits_.before_login);
}

void Session::ChangeRights(const std::string& user, const std::shared_ptr<const Rights>& rights) {
  const bool first = first_rights_ != nullptr && first_user_ == user;
  const bool now = logged_in_ && info_.user == user;
  if ((first || now) && rights == nullptr) closing_ = true;
  if (first) first_rights_ = rights;
  if (!now) return;
  access_.SetRights(rights);
  watch_lost_ = !watched_.empty();
  CheckSubscriptions();
}

void Session::CheckSubscriptions() {
  const auto& channels = subscriptions_.channels();
  const auto& patterns = subscriptions_.patterns();
  const bool scans = access_.Holds(kVerbRead | kVerbScan);
  const auto may_hear = [&](const std::string& channel) {
    const Slice args[] = {"SUBSCRIBE", channel};
    return access_.Holds(kVerbRead | SubscribeVerbs(args)) && MayHear(access_, channel);
  };
  const auto may_hear_pattern = [&](const std::string& pattern) { return scans && MayHearPattern(access_, pattern); };
  const bool allowed = std::all_of(channels.begin(), channels.end(), may_hear) &&
                       std::all_of(patterns.begin(), patterns.end(), may_hear_pattern);
  if (!allowed) closing_ = true;
}

void Session::BeginLogin(PendingLogin login, Slice password) {
  const bool possible = login.user.size() <= kMaxUser && password.size <= kMaxPassword;
  login_ = std::move(login);
  if (possible) return server_->BeginLogin(info_, login_->user, password);
  login_->user.resize(std::min(login_->user.size(), kMaxUser));
  FinishLogin(LoginVerdict::kRefused);
}

void Session::FinishLogin(LoginVerdict verdict, std::shared_ptr<const Rights> rights) {
  ZKDB_ASSERT(login_.has_value());
  ZKDB_ASSERT(verdict != LoginVerdict::kWelcome || rights != nullptr);
  try {
    const PendingLogin login = std::move(*login_);
    login_.reset();
    const bool welcome = verdict == LoginVerdict::kWelcome;
    if (welcome) {
      LogIn(login.user, std::move(rights));
      login.hello ? FinishHello(this, login) : reply_.Ok();
    } else if (verdict == LoginVerdict::kRefused) {
      reply_.Error("WRONGPASS invalid username-password pair or user is disabled.");
    } else {
      reply_.Error("ERR the login could not be checked now; try again later");
    }
    server_->Audit({welcome ? AuditKind::kLogin : AuditKind::kLoginRefused, &info_, login.user, {}, {}, 1});
    if (std::exchange(info_changed_, false)) server_->ClientChanged(info_);
  } catch (const std::bad_alloc&) {
    closing_ = true;
  }
}

// ---- rights

bool Session::Permit(const Command& command, Arguments args) {
  const Denial denial = Judge(access_, command, args);
  if (denial != Denial::kNone) {
    ReplyDenied(denial, command, args);
    AuditDenied(denial, command);
    return false;
  }
  // What is only queued behind MULTI is asked again, and told of, when EXEC runs it.
  const bool runs_now = !multi_ || store_.txn != nullptr;
  if (runs_now && (VerbsOf(command, args) & kVerbAdmin) != 0) {
    server_->Audit({AuditKind::kAdmin, &info_, info_.user, command.name, {}, 1});
  }
  return true;
}

void Session::ReplyDenied(Denial denial, const Command& command, Arguments args) {
  switch (denial) {
    case Denial::kCommand:
      return reply_.Error("NOPERM this user has no permissions to run the '" + FullName(command, args) + "' command");
    case Denial::kDatabase: return reply_.Error("NOPERM this user has no permissions to access the database");
    default: return reply_.Error("NOPERM this user has no permissions to access one of the keys used as arguments");
  }
}

// A pipeline of denied commands does not flood the log: after the first ones, each time their number has doubled.
void Session::AuditDenied(Denial denial, const Command& command) {
  ++denied_;
  if (denied_ > kAuditedDenials && (denied_ & (denied_ - 1)) != 0) return;
  server_->Audit({AuditKind::kDenied, &info_, info_.user, command.name, ReasonOf(denial), denied_});
}

}  // namespace zkdb::net
