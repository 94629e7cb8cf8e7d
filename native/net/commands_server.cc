// SLOWLOG MEMORY BGSAVE LASTSAVE: what looks after a server.
#include <string>

#include "net/commands.h"
#include "net/numbers.h"
#include "net/session.h"
#include "net/subcommands.h"

namespace zkdb::net {

namespace {

// Bytes of a record besides its key and its value: a slot of its leaf and their sizes.
constexpr size_t kRecordOverhead = 16;
constexpr int64_t kShownSlow = 10;

void SlowGet(Session* s, Arguments args) {
  int64_t count = kShownSlow;
  if (args.size() > 2 && (!ParseInteger(args[2], &count) || count < -1)) {
    return s->reply()->Error("ERR count should be greater than or equal to -1");
  }
  ReplyWriter* const reply = s->reply();
  const auto commands = s->server()->slow_log()->Newest(count < 0 ? SIZE_MAX : static_cast<size_t>(count));
  reply->Array(commands.size());
  for (const SlowCommand& command : commands) {
    reply->Array(6);
    reply->Integer(static_cast<int64_t>(command.id));
    reply->Integer(static_cast<int64_t>(command.time_s));
    reply->Integer(static_cast<int64_t>(command.took_us));
    reply->Array(command.arguments.size());
    for (const std::string& argument : command.arguments) reply->Bulk(argument);
    reply->Bulk(command.address);
    reply->Bulk(command.name);
  }
}

void SlowLength(Session* s, Arguments) { s->reply()->Integer(static_cast<int64_t>(s->server()->slow_log()->size())); }

void SlowReset(Session* s, Arguments) {
  s->server()->slow_log()->Reset();
  s->reply()->Ok();
}

constexpr Subcommand kSlowCommands[] = {{"GET", SlowGet, 2, 3}, {"LEN", SlowLength, 2, 2}, {"RESET", SlowReset, 2, 2}};

// MEMORY USAGE key [SAMPLES n]: bytes of the record in its page; null when there is none.
void MemoryUsage(Session* s, Arguments args) {
  int64_t samples = 0;
  const bool good = args.size() == 3 ||
                    (args.size() == 5 && IsWord(args[3], "SAMPLES") && ParseInteger(args[4], &samples) && samples >= 0);
  if (!good) return s->FailSyntax();
  if (!s->KeyFits(args[2])) return;
  zkdb_error error{};
  size_t size = 0;
  const zkdb_code code = s->store().Size(args[2], &size, &error);
  if (code == ZKDB_NOT_FOUND) return s->reply()->Null();
  if (code != ZKDB_OK) return s->Fail(error);
  s->reply()->Integer(static_cast<int64_t>(kRecordOverhead + args[2].size + size));
}

constexpr Subcommand kMemoryCommands[] = {{"USAGE", MemoryUsage, 3, 5}};

}  // namespace

void SlowLogCommand(Session* s, Arguments args) {
  if (s->server()->slow_log() == nullptr) return s->reply()->Error("ERR this server keeps no slow log");
  RunSubcommand(s, "slowlog", kSlowCommands, args);
}

void Memory(Session* s, Arguments args) { RunSubcommand(s, "memory", kMemoryCommands, args); }

// BGSAVE [SCHEDULE]: copies the selected database while it is in use.
void BgSave(Session* s, Arguments args) {
  if (args.size() > 2 || (args.size() == 2 && !IsWord(args[1], "SCHEDULE"))) return s->FailSyntax();
  std::string why;
  if (!s->server()->StartBackup(s->info().database, &why)) return s->reply()->Error(why);
  s->reply()->Simple("Background saving started");
}

void LastSave(Session* s, Arguments) {
  s->reply()->Integer(static_cast<int64_t>(s->server()->Figures().backup.saved_s));
}

// ---- what took long

uint64_t Session::StartTime() const {
  const SlowLog* const log = server_->slow_log();
  return log != nullptr && log->on() ? server_->NowUs() : 0;
}

void Session::NoteSlow(uint64_t began_us, Arguments args, size_t more) {
  if (began_us == 0) return;
  SlowLog* const log = server_->slow_log();
  const uint64_t now_us = server_->NowUs();
  // The clock may have been put back.
  const uint64_t took_us = now_us > began_us ? now_us - began_us : 0;
  if (took_us < log->threshold_us()) return;
  log->Add(now_us, took_us, args, more, info_.address, info_.name);
}

void Session::NoteSlowGets(uint64_t began_us) {
  const Slice args[] = {"GET", Slice(keys_.data(), offsets_[1])};
  NoteSlow(began_us, args, offsets_.size() - 2);
}

void Session::NoteSlowSets(uint64_t began_us) {
  const Slice batch = sets_.bytes();
  const size_t key_size = Load16(batch.data + 2);
  const Slice args[] = {"SET", batch.Sub(ZKDB_OP_HEADER_SIZE, key_size),
                        batch.Sub(ZKDB_OP_HEADER_SIZE + key_size, Load32(batch.data + 4))};
  NoteSlow(began_us, args, sets_.count() - 1);
}

}  // namespace zkdb::net
