// Writes of a session, and the keyspace events that tell of them.
#include <string>

#include "net/keyspace_events.h"
#include "net/session.h"

namespace zkdb::net {

namespace {

bool IsDelete(zkdb_op kind) { return kind == ZKDB_OP_DELETE || kind == ZKDB_OP_DELETE_IF_VALUE; }

}  // namespace

bool Session::TellsEvents() const { return AnyEvents(server_->event_classes()) && !server_->pubsub()->idle(); }

zkdb_code Session::Write(const BatchBuilder& batch, uint32_t write_flags, zkdb_write_result* result, zkdb_error* error,
                         zkdb_durability durability) {
  const bool tells = TellsEvents();
  // The batch says how many of its keys it has found, and not which.
  std::vector<bool> absent;
  if (tells) {
    EachOperation(batch.bytes(), [&](zkdb_op kind, Slice key) {
      size_t size = 0;
      absent.push_back(kind == ZKDB_OP_DELETE && store_.Size(key, &size, nullptr) == ZKDB_NOT_FOUND);
    });
  }
  const zkdb_code code = store_.Write(batch, write_flags, result, error, durability);
  if (code != ZKDB_OK || result->failed_index >= 0 || !tells) return code;
  size_t i = 0;
  EachOperation(batch.bytes(), [&](zkdb_op kind, Slice key) {
    if (!absent[i++]) TellEvent(kind, key);
  });
  return code;
}

void Session::TellSets() {
  if (!TellsEvents()) return;
  EachOperation(sets_.bytes(), [this](zkdb_op kind, Slice key) { TellEvent(kind, key); });
}

void Session::TellEvent(zkdb_op kind, Slice key) {
  if (kind == ZKDB_OP_DELETE_RANGE) return;
  const uint32_t classes = server_->event_classes();
  if ((classes & (IsDelete(kind) ? kEventGeneric : kEventString)) == 0) return;
  const std::string event = IsDelete(kind) ? "del" : "set";
  const std::string database = "@" + std::to_string(info_.database) + "__:";
  if ((classes & kEventKeyspace) != 0) Publish("__keyspace" + database + key.ToString(), event);
  if ((classes & kEventKeyevent) != 0) Publish("__keyevent" + database + event, key);
}

}  // namespace zkdb::net
