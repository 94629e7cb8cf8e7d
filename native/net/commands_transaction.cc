// MULTI EXEC DISCARD WATCH UNWATCH: the answers; session_multi.cc does the work.
#include "net/commands.h"
#include "net/session.h"

namespace zkdb::net {

void Multi(Session* s, Arguments) {
  if (s->in_multi()) return s->reply()->Error("ERR MULTI calls can not be nested");
  s->StartMulti();
  s->reply()->Ok();
}

void Discard(Session* s, Arguments) {
  if (!s->in_multi()) return s->reply()->Error("ERR DISCARD without MULTI");
  s->EndMulti();
  s->reply()->Ok();
}

void Exec(Session* s, Arguments) {
  if (!s->in_multi()) return s->reply()->Error("ERR EXEC without MULTI");
  s->ExecuteQueue();
}

void Watch(Session* s, Arguments args) {
  if (s->in_multi()) return s->reply()->Error("ERR WATCH inside MULTI is not allowed");
  for (const Slice& key : args.subspan(1)) {
    if (!s->WatchKey(key)) return;
  }
  s->reply()->Ok();
}

void Unwatch(Session* s, Arguments) {
  s->Unwatch();
  s->reply()->Ok();
}

}  // namespace zkdb::net
