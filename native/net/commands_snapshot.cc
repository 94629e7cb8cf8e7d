// ZK.SNAPSHOT: states of the database that a client keeps for ZK.RANGE and ZK.GET.
#include <string>

#include "net/commands.h"
#include "net/numbers.h"
#include "net/session.h"
#include "net/subcommands.h"

namespace zkdb::net {

namespace {

// ZK.SNAPSHOT OPEN: its number.
void SnapshotOpen(Session* s, Arguments) {
  uint64_t id = 0;
  if (s->OpenSnapshot(&id)) s->reply()->Integer(static_cast<int64_t>(id));
}

// ZK.SNAPSHOT CLOSE id: 1, or 0 when there is no such one any more.
void SnapshotClose(Session* s, Arguments args) {
  int64_t id = 0;
  if (!ParseInteger(args[2], &id)) return s->reply()->Error(kNotAnInteger);
  s->reply()->Integer(s->snapshots()->Close(static_cast<uint64_t>(id)) ? 1 : 0);
}

// ZK.SNAPSHOT TOUCH id: counts as a use. 1, or 0 when there is no such one any more.
void SnapshotTouch(Session* s, Arguments args) {
  int64_t id = 0;
  if (!ParseInteger(args[2], &id)) return s->reply()->Error(kNotAnInteger);
  const bool there = s->snapshots()->Use(static_cast<uint64_t>(id), s->store().db, s->server()->NowUs()) != nullptr;
  s->reply()->Integer(there ? 1 : 0);
}

constexpr Subcommand kSnapshotCommands[] = {
    {"CLOSE", SnapshotClose, 3, 3}, {"OPEN", SnapshotOpen, 2, 2}, {"TOUCH", SnapshotTouch, 3, 3}};

}  // namespace

void ZkSnapshot(Session* s, Arguments args) { RunSubcommand(s, "zk.snapshot", kSnapshotCommands, args); }

bool Session::OpenSnapshot(uint64_t* id) {
  const uint64_t now_us = server_->NowUs();
  snapshots_.CloseIdle(now_us);
  if (snapshots_.full()) {
    reply_.Error("ERR this connection has " + std::to_string(snapshots_.most()) +
                 " open snapshots, as many as it may have; close one with ZK.SNAPSHOT CLOSE");
    return false;
  }
  zkdb_error error{};
  if (snapshots_.Open(store_.db, now_us, id, &error) == ZKDB_OK) return true;
  Fail(error);
  return false;
}

bool Session::ReadAt(uint64_t id) {
  store_.snapshot = snapshots_.Use(id, store_.db, server_->NowUs());
  if (store_.snapshot != nullptr) return true;
  reply_.Error("ZKDB_SNAPSHOT_EXPIRED this connection has no snapshot " + std::to_string(id) +
               " of the database: it was closed, or not used for " + std::to_string(snapshots_.idle_us() / 1000000) +
               " seconds; open another one");
  return false;
}

}  // namespace zkdb::net
